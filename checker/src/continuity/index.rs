//! Which operations are about which session: ids joined by renewals, what each operation shows, what was written.

use histories::{Function, History, Id, Interner, KeyId, NEVER, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Marks that there is no operation.
pub(super) const NOBODY: u32 = u32::MAX;
/// Marks a value that was written more than once.
const SEVERAL: u32 = u32::MAX - 1;

/// What an operation says of the presence of the session under an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ShownPresence {
    /// It was there at some moment between the two events.
    There,
    /// It was not.
    Gone,
    /// Neither.
    Nothing,
}

/// What `op` shows of the id that is its key. A failed operation shows nothing: why it failed is not known.
pub(super) fn shown_presence(history: &History, id: OpId) -> ShownPresence {
    if history.outcome(id) != Outcome::Ok {
        return ShownPresence::Nothing;
    }
    match history.function(id) {
        Function::READ if history.operation(id).result == ValueId::NULL => ShownPresence::Gone,
        Function::READ
        | Function::WRITE
        | Function::PATCH
        | Function::TOUCH
        | Function::RENEW
        | Function::DESTROY => ShownPresence::There,
        _ => ShownPresence::Nothing,
    }
}

/// Whether an operation is about the session under its key, rather than about actions.
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

/// The id that a renewal gives, if any operation is about it.
pub(super) fn renewed_id(history: &History, id: OpId) -> Option<KeyId> {
    let value = history.operation(id).value();
    if value == ValueId::NULL { None } else { history.keys.get(history.value_text(value)) }
}

/// The operations of a history by session.
pub(super) struct SessionIndex {
    /// The births of each id: creations, and renewals to it, that did not fail. In order of invocation.
    pub(super) births: Vec<Vec<OpId>>,
    /// For each id, the component that it is in: ids that are joined by renewals.
    component: Vec<u32>,
    /// Where the operations of each component begin in `members`.
    starts: Vec<usize>,
    members: Vec<OpId>,
    /// Creations in each component that did not fail, and whether each of its ids has one birth at most.
    creations: Vec<u32>,
    single: Vec<bool>,
    /// The write of each value, and the failed one.
    writers: Vec<u32>,
    failed: FxHashMap<ValueId, OpId>,
    /// Values that were written more than once.
    pub(super) ambiguous: usize,
}

impl SessionIndex {
    /// Sorts the operations by session. O(n α(n)).
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
                let value = history.operation(id).value();
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

    /// The components that operations are about, each with its operations in order of invocation.
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

    /// Whether it is one session under a chain of ids: one creation at most, and each id is given out once.
    pub(super) fn is_single_session(&self, component: u32) -> bool {
        self.creations[component as usize] <= 1 && self.single[component as usize]
    }

    /// How many creations there are in a component that did not fail.
    pub(super) fn count_creations(&self, component: u32) -> u32 {
        self.creations[component as usize]
    }

    /// Who wrote a value, where that is known.
    pub(super) fn writer_of(&self, value: ValueId) -> ValueWriter {
        match self.writers.get(value.index()) {
            Some(&SEVERAL) => ValueWriter::Several,
            Some(&id) if id != NOBODY => ValueWriter::One(OpId::from_raw(id)),
            _ => self.failed.get(&value).map_or(ValueWriter::Nobody, |&id| ValueWriter::Failed(id)),
        }
    }
}

/// Who wrote a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ValueWriter {
    One(OpId),
    Several,
    Failed(OpId),
    Nobody,
}

/// Without recursion, halving paths.
fn find_root(parents: &mut [u32], mut key: u32) -> u32 {
    while parents[key as usize] != key {
        parents[key as usize] = parents[parents[key as usize] as usize];
        key = parents[key as usize];
    }
    key
}

/// The operations on sessions, component by component.
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

/// When an operation was over for certain: its completion if it was acknowledged.
pub(super) fn acknowledged_position(history: &History, id: OpId) -> u32 {
    if history.outcome(id) == Outcome::Ok { history.operation(id).completed } else { NEVER }
}

/// What a read returned, part by part.
pub(super) struct SessionContent {
    /// What was written whole: nothing where the answer does not tell.
    pub(super) whole: Option<ValueId>,
    /// Fields that were written since, by name.
    pub(super) fields: Vec<(String, FieldContent)>,
    /// Whether there is something in it that is no payload.
    pub(super) torn: bool,
}

/// What a field holds: a value that is known in the history, or one that nobody wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum FieldContent {
    Known(ValueId),
    Unknown(String),
}

/// The parts of a value.
pub(super) fn parse_content(values: &Interner<ValueId>, value: ValueId) -> SessionContent {
    let text = values.text(value);
    let mut content = SessionContent { whole: None, fields: Vec::new(), torn: false };
    if !text.starts_with("{\"fields\":") {
        // One field is not a session.
        content.torn =
            is_torn_payload(text) || (text.starts_with("{\"bytes\":") && text.contains(",\"field\":"));
        content.whole = Some(value);
        return content;
    }
    let parsed: Result<BTreeMap<&str, BTreeMap<String, &RawValue>>, _> = serde_json::from_str(text);
    let Some(fields) = parsed.ok().and_then(|mut object| object.remove("fields")) else {
        content.torn = true;
        return content;
    };
    for (name, raw) in fields {
        let raw = raw.get();
        if raw == "null" {
            continue;
        }
        content.torn |= is_torn_payload(raw);
        let names_field = raw.contains("\"field\":");
        match values.get(raw) {
            Some(known) if !names_field => content.whole = Some(known),
            Some(known) => content.fields.push((name, FieldContent::Known(known))),
            None => content.fields.push((name, FieldContent::Unknown(raw.to_owned()))),
        }
    }
    content
}

/// Whether it is what a recorder writes for bytes that match no payload.
pub(super) fn is_torn_payload(text: &str) -> bool {
    text.starts_with("{\"begins\":") && text.contains("\"torn\":")
}

/// The field that a payload is of.
pub(super) fn payload_field(text: &str) -> Option<String> {
    payload_text_field(text, "field")
}

/// Whose a payload says it is.
pub(super) fn payload_owner(text: &str) -> Option<String> {
    payload_text_field(text, "session")
}

fn payload_text_field(text: &str, name: &str) -> Option<String> {
    let payload: serde_json::Value = serde_json::from_str(text).ok()?;
    payload.get(name)?.as_str().map(str::to_owned)
}
