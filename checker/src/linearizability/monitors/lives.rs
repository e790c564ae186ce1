//! The lives of elements: when each can have been inserted and removed.

use super::Discipline;
use crate::linearizability::search::TimedCall;
use histories::{NEVER, ValueId};
use rustc_hash::FxHashMap;

/// A moment in time. The event at position p happens at 2p, so that there is a moment between any two events.
pub(super) type Moment = u64;

/// The moment at which an indeterminate call returns.
pub(super) const FOREVER: Moment = Moment::MAX;

/// The moment of the event at a position.
pub(super) fn moment_at(position: u32) -> Moment {
    if position == NEVER { FOREVER } else { 2 * Moment::from(position) }
}

/// The moments at which an operation can take effect: after `from`, before `until`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct EffectSpan {
    pub(super) from: Moment,
    pub(super) until: Moment,
}

/// One element of a container.
#[derive(Clone, Debug)]
pub(super) struct ElementLife {
    /// The index of the call that inserted it.
    pub(super) insertion: u32,
    /// The index of the call that removed it.
    pub(super) removal: Option<u32>,
    /// When the insertion can have taken effect: not after the removal had returned.
    pub(super) inserted: EffectSpan,
    /// When the removal can have taken effect: not before the insertion was invoked. An element that stays is removed
    /// after the end.
    pub(super) removed: EffectSpan,
}

impl ElementLife {
    /// Whether there are moments at which every execution has the element inside: after the insertion has returned and
    /// before the removal was invoked.
    pub(super) fn must_be_present(&self) -> bool {
        self.inserted.until < self.removed.from
    }

    /// Lets a removal without an answer remove the element.
    pub(super) fn remove_by(&mut self, removal: u32, invoked: Moment) {
        self.removal = Some(removal);
        self.removed = EffectSpan { from: invoked.max(self.inserted.from), until: FOREVER };
    }

    /// The calls on the element.
    pub(super) fn calls(&self) -> impl Iterator<Item = u32> {
        [Some(self.insertion), self.removal].into_iter().flatten()
    }
}

/// The elements of a container, and the removals that returned none of them.
#[derive(Clone, Debug, Default)]
pub(super) struct ElementLives {
    pub(super) lives: Vec<ElementLife>,
    /// The calls that found the object empty.
    pub(super) empty_removals: Vec<u32>,
    /// The removals without an answer, in order of invocation.
    pub(super) unanswered: Vec<u32>,
}

impl ElementLives {
    /// Lets the earliest removal without an answer remove every element that stays, as if there were many like it. If no
    /// order explains even that, no order explains the calls. Returns this removal.
    pub(super) fn remove_all_by_earliest(&mut self, calls: &[TimedCall]) -> Option<u32> {
        let &earliest = self.unanswered.first()?;
        let invoked = moment_at(calls[earliest as usize].invoked);
        for life in self.lives.iter_mut().filter(|life| life.removal.is_none()) {
            life.remove_by(earliest, invoked);
        }
        Some(earliest)
    }
}

/// The result of [`collect_lives`].
pub(super) enum CollectedLives {
    Distinct(ElementLives),
    /// Calls on one value that no order explains.
    Conflict(Vec<u32>),
    /// A value is inserted twice, or `null` is, or there is an operation of another kind.
    Undecided,
}

/// Assigns each removal to its insertion. Insertions without an answer whose value was never returned are left out.
pub(super) fn collect_lives(discipline: Discipline<'_>, calls: &[TimedCall]) -> CollectedLives {
    let mut insertion_of: FxHashMap<ValueId, u32> = FxHashMap::default();
    let mut removal_of: FxHashMap<ValueId, u32> = FxHashMap::default();
    let (mut found, mut conflict) = (ElementLives::default(), None);
    for (place, call) in (0u32..).zip(calls) {
        let function = call.call.function;
        if function == discipline.insertion() {
            let value = call.call.value();
            if value == ValueId::NULL || insertion_of.insert(value, place).is_some() {
                return CollectedLives::Undecided;
            }
        } else if function == discipline.removal() {
            match call.call.output {
                None => found.unanswered.push(place),
                Some(ValueId::NULL) => found.empty_removals.push(place),
                Some(value) => {
                    if removal_of.insert(value, place).is_some() {
                        conflict = conflict.or(Some(value));
                    }
                }
            }
        } else {
            return CollectedLives::Undecided;
        }
    }
    if let Some(value) = conflict {
        let is_on_value = |call: &TimedCall| {
            let inserts = call.call.function == discipline.insertion();
            if inserts { call.call.value() == value } else { call.call.output == Some(value) }
        };
        let all = (0u32..).zip(calls).filter(|(_, call)| is_on_value(call));
        return CollectedLives::Conflict(all.map(|(place, _)| place).collect());
    }
    if let Some((_, &removal)) = removal_of.iter().find(|(value, _)| !insertion_of.contains_key(value)) {
        return CollectedLives::Conflict(vec![removal]);
    }
    found.unanswered.sort_unstable_by_key(|&place| calls[place as usize].invoked);
    let end =
        calls.iter().map(|call| call.invoked.max(if call.returned == NEVER { 0 } else { call.returned }));
    let end = moment_at(end.max().unwrap_or(0)) + 2;
    for (place, call) in (0u32..).zip(calls).filter(|(_, call)| call.call.function == discipline.insertion())
    {
        let removal = removal_of.get(&call.call.value()).copied();
        match life_of_element(calls, place, removal, end) {
            Some(life) if life.removed.until < life.inserted.from => {
                return CollectedLives::Conflict(life.calls().collect());
            }
            Some(life) => found.lives.push(life),
            None => {}
        }
    }
    CollectedLives::Distinct(found)
}

/// The life of one element. `None` if the insertion is indeterminate and no answer returned the element.
fn life_of_element(
    calls: &[TimedCall],
    insertion: u32,
    removal: Option<u32>,
    end: Moment,
) -> Option<ElementLife> {
    let span = |place: u32| {
        let call = &calls[place as usize];
        EffectSpan { from: moment_at(call.invoked), until: moment_at(call.returned) }
    };
    let inserted = span(insertion);
    let removed = match removal {
        Some(removal) => span(removal),
        None if inserted.until == FOREVER => return None,
        None => EffectSpan { from: end, until: FOREVER },
    };
    Some(ElementLife {
        insertion,
        removal,
        inserted: EffectSpan { from: inserted.from, until: inserted.until.min(removed.until) },
        removed: EffectSpan { from: removed.from.max(inserted.from), until: removed.until },
    })
}
