//! Groups operations by session. Ids that a renewal joins are one component; the index also says what each operation
//! shows and who wrote each value.

use histories::{Function, History, Id, KeyId, NEVER, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// Stands for *no operation*.
pub(super) const NOBODY: u32 = u32::MAX;
/// Stands for a value that was written more than once.
const SEVERAL: u32 = u32::MAX - 1;

/// What an operation shows about the presence of the session under an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ShownPresence {
    /// The session was present at some moment between the two events of the operation.
    There,
    /// The session was absent at some moment between the two events.
    Gone,
    /// The operation shows neither.
    Nothing,
}

/// What an operation shows about the id that is its key. A failed operation shows nothing, because the reason why it
/// failed is not known.
pub(super) fn shown_presence(history: &History, id: OpId) -> ShownPresence {
    if history.outcome(id) != Outcome::Ok {
        return ShownPresence::Nothing;
    }
    match history.function(id) {
        Function::READ if history.result(id) == ValueId::NULL => ShownPresence::Gone,
        Function::READ
        | Function::WRITE
        | Function::PATCH
        | Function::TOUCH
        | Function::RENEW
        | Function::DESTROY => ShownPresence::There,
        _ => ShownPresence::Nothing,
    }
}

/// Whether an operation is about the session under its key. Operations on actions are not.
pub(super) fn is_session_operation(function: Function) -> bool {
    matches!(
        function,
        Function::CREATE
            | Function::READ
            | Function::WRITE
            | Function::PATCH
            | Function::TOUCH
            | Function::RENEW
            | Function::DESTROY
    )
}

/// The new id that a renewal gives, if any operation uses it.
pub(super) fn renewed_id(history: &History, id: OpId) -> Option<KeyId> {
    let value = history.argument_value(id);
    if value == ValueId::NULL { None } else { history.keys.get(history.value_text(value)) }
}

/// The operations of a history by session.
pub(super) struct SessionIndex {
    /// The births of each id: the creations of it and the renewals to it that did not fail. In order of invocation.
    pub(super) births: Vec<Vec<OpId>>,
    /// For each id, its component. Ids that renewals join are in one component.
    component: Vec<u32>,
    /// For each component, the index in `members` at which its operations begin.
    starts: Vec<usize>,
    members: Vec<OpId>,
    /// For each component, the number of creations that did not fail, and whether each of its ids has at most one
    /// birth.
    creations: Vec<u32>,
    single: Vec<bool>,
    /// The write of each value, and the failed writes by value.
    writers: Vec<u32>,
    failed: FxHashMap<ValueId, OpId>,
    /// The number of values that were written more than once.
    pub(super) ambiguous: usize,
}

impl SessionIndex {
    /// Groups the operations of a history by session. O(n α(n)).
    pub(super) fn new(history: &History) -> Self {
        let keys = history.keys.len();
        let mut parents: Vec<u32> = (0..keys as u32).collect();
        let mut births = vec![Vec::new(); keys];
        let (mut writers, mut failed, mut ambiguous) =
            (vec![NOBODY; history.values.len()], FxHashMap::default(), 0);
        for id in history.ids() {
            let (function, key) = (history.function(id), history.key(id));
            let fails = history.outcome(id) == Outcome::Fail;
            if matches!(function, Function::CREATE | Function::WRITE | Function::PATCH) {
                let value = history.argument_value(id);
                if fails {
                    failed.entry(value).or_insert(id);
                } else if writers[value.index()] == NOBODY {
                    writers[value.index()] = id.raw();
                } else if writers[value.index()] != SEVERAL {
                    writers[value.index()] = SEVERAL;
                    ambiguous += 1;
                }
            }
            if fails {
                continue;
            }
            if function == Function::CREATE {
                births[key.index()].push(id);
            }
            if let (Function::RENEW, Some(new)) = (function, renewed_id(history, id)) {
                births[new.index()].push(id);
                let (one, other) = (
                    find_root(&mut parents, key.index() as u32),
                    find_root(&mut parents, new.index() as u32),
                );
                parents[one.max(other) as usize] = one.min(other);
            }
        }
        let component: Vec<u32> = (0..keys as u32).map(|key| find_root(&mut parents, key)).collect();
        let (starts, members) = group_by_component(history, &component);
        let (mut creations, mut single) = (vec![0; keys], vec![true; keys]);
        for (key, births) in births.iter().enumerate() {
            let own = component[key] as usize;
            creations[own] +=
                births.iter().filter(|&&birth| history.function(birth) == Function::CREATE).count() as u32;
            single[own] &= births.len() <= 1;
        }
        Self { births, component, starts, members, creations, single, writers, failed, ambiguous }
    }

    /// The components that have operations, each with its operations in order of invocation.
    pub(super) fn components(&self) -> impl Iterator<Item = (u32, &[OpId])> {
        let spans = self.starts.windows(2).enumerate();
        spans
            .map(|(component, span)| (component as u32, &self.members[span[0]..span[1]]))
            .filter(|(_, members)| !members.is_empty())
    }

    /// The operations of one component, in order of invocation.
    pub(super) fn members(&self, component: u32) -> &[OpId] {
        let at = component as usize;
        &self.members[self.starts[at]..self.starts[at + 1]]
    }

    pub(super) fn component_of(&self, key: KeyId) -> u32 {
        self.component[key.index()]
    }

    /// Whether a component is one session under a chain of ids: it has at most one creation, and each id is given out
    /// once.
    pub(super) fn is_single_session(&self, component: u32) -> bool {
        self.creations[component as usize] <= 1 && self.single[component as usize]
    }

    /// The number of creations in a component that did not fail.
    pub(super) fn count_creations(&self, component: u32) -> u32 {
        self.creations[component as usize]
    }

    /// The operation that wrote a value, where that is known.
    pub(super) fn writer_of(&self, value: ValueId) -> ValueWriter {
        match self.writers.get(value.index()) {
            Some(&SEVERAL) => ValueWriter::Several,
            Some(&id) if id != NOBODY => ValueWriter::One(OpId::from_raw(id)),
            _ => self.failed.get(&value).map_or(ValueWriter::Nobody, |&id| ValueWriter::Failed(id)),
        }
    }
}

/// The operation that wrote a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ValueWriter {
    One(OpId),
    Several,
    Failed(OpId),
    Nobody,
}

/// Finds the representative of a key and halves the paths on the way. Not recursive.
pub(super) fn find_root(parents: &mut [u32], mut key: u32) -> u32 {
    while parents[key as usize] != key {
        parents[key as usize] = parents[parents[key as usize] as usize];
        key = parents[key as usize];
    }
    key
}

/// The session operations, sorted by component.
fn group_by_component(history: &History, component: &[u32]) -> (Vec<usize>, Vec<OpId>) {
    let of = |id: OpId| component[history.key(id).index()] as usize;
    let mut starts = vec![0; component.len() + 1];
    let about = || history.ids().filter(|&id| is_session_operation(history.function(id)));
    about().for_each(|id| starts[of(id) + 1] += 1);
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut members = vec![OpId::from_raw(0); starts[component.len()]];
    for id in about() {
        members[next[of(id)]] = id;
        next[of(id)] += 1;
    }
    (starts, members)
}

/// The position by which an operation certainly took effect: its completion if it was acknowledged, else never.
pub(super) fn acknowledged_position(history: &History, id: OpId) -> u32 {
    if history.outcome(id) == Outcome::Ok { history.completion_position(id) } else { NEVER }
}
