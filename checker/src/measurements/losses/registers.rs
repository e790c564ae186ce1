//! What answers say of the writes of registers.
//!
//! Values that one operation wrote, and no other, name their write. An answer with a value shows its write. It lacks each
//! acknowledged write that began after somebody had that value, and that was acknowledged before the answer was asked
//! for: nothing can have put the older value in its place. Of those the one that was acknowledged first is taken.

use super::super::samples::settled_position;
use super::branches::LossEvidence;
use histories::{Argument, Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Who wrote a value of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RegisterWriter {
    One(OpId),
    /// It stood there at first, and nobody wrote it.
    Nobody,
    /// Nobody knows which of several, or a failed operation did.
    Unclear,
}

/// Whether all operations are of registers.
pub(super) fn has_only_registers(history: &History) -> bool {
    let is_of_register = |function| {
        matches!(function, Function::READ | Function::WRITE | Function::CAS | Function::GET | Function::PUT)
    };
    history.ids().all(|id| is_of_register(history.function(id)))
}

/// The acknowledged writes, in order of invocation.
pub(super) fn acknowledged_writes(history: &History) -> Vec<OpId> {
    history
        .ids()
        .filter(|&id| history.outcome(id) == Outcome::Ok && written_value(history, id).is_some())
        .collect()
}

/// What is known of the writes. O(n log n).
pub(super) fn collect_evidence(history: &History, initial: ValueId, entries: &[OpId]) -> LossEvidence {
    let writers = find_writers(history, initial);
    let newer = NewerWrites::from_entries(history, entries);
    // When somebody had each version first.
    let mut had: FxHashMap<(KeyId, ValueId), u32> = FxHashMap::default();
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok) {
        for value in [written_value(history, op.id), returned_value(history, op.id)].into_iter().flatten() {
            let first = had.entry((op.key, value)).or_insert(u32::MAX);
            *first = (*first).min(op.completed);
        }
    }
    let mut evidence = LossEvidence::default();
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok) {
        let Some(value) = returned_value(history, op.id) else { continue };
        let since = match writers.get(&(op.key, value)) {
            Some(RegisterWriter::One(writer)) => {
                if history.outcome(*writer) == Outcome::Ok {
                    evidence.seen.push((*writer, op.id));
                }
                had[&(op.key, value)]
            }
            None if value == initial => 0,
            _ => continue,
        };
        if let Some(entry) = newer.first_acknowledged_after(op.key, since, op.invoked) {
            evidence.missing.push((entry, op.id));
        }
    }
    evidence.lost = find_finally_lost_writes(history, initial, &writers, &had);
    evidence
}

fn find_writers(history: &History, initial: ValueId) -> FxHashMap<(KeyId, ValueId), RegisterWriter> {
    let mut writers: FxHashMap<(KeyId, ValueId), RegisterWriter> = FxHashMap::default();
    for id in history.ids() {
        let Some(value) = written_value(history, id) else { continue };
        let clear = history.outcome(id) != Outcome::Fail && value != initial;
        let own = if clear { RegisterWriter::One(id) } else { RegisterWriter::Unclear };
        writers
            .entry((history.key(id), value))
            .and_modify(|known| *known = RegisterWriter::Unclear)
            .or_insert(own);
    }
    writers
}

/// Acknowledged writes that are gone in the end: a final read returned a version that somebody had before they began.
fn find_finally_lost_writes(
    history: &History,
    initial: ValueId,
    writers: &FxHashMap<(KeyId, ValueId), RegisterWriter>,
    had: &FxHashMap<(KeyId, ValueId), u32>,
) -> FxHashSet<OpId> {
    let settled = settled_position(history);
    // What each object held in the end, and since when somebody had that; of several answers the last counts.
    let mut survivors: Vec<Option<(ValueId, u32)>> = vec![None; history.keys.len()];
    for op in history.operations().filter(|op| op.invoked > settled && op.outcome == Outcome::Ok) {
        let Some(value) = returned_value(history, op.id) else { continue };
        let writer = writers.get(&(op.key, value)).copied().unwrap_or(RegisterWriter::Nobody);
        survivors[op.key.index()] = match writer {
            // If nobody is known to have had it before the end, it may have come last.
            RegisterWriter::One(_) => Some((value, had[&(op.key, value)])),
            RegisterWriter::Nobody if value == initial => Some((value, 0)),
            _ => None,
        };
    }
    let mut lost = FxHashSet::default();
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok && op.invoked < settled) {
        let Some((value, since)) = survivors[op.key.index()] else { continue };
        let wrote = written_value(history, op.id).is_some_and(|wrote| wrote != value);
        if wrote && op.invoked >= since {
            lost.insert(op.id);
        }
    }
    lost
}

/// The acknowledged writes of each object by when they began, with the one of each and all later ones that was
/// acknowledged first.
pub(super) struct NewerWrites(Vec<Vec<(u32, u32, OpId)>>);

impl NewerWrites {
    pub(super) fn from_entries(history: &History, entries: &[OpId]) -> Self {
        let mut by_key: Vec<Vec<(u32, u32, OpId)>> = vec![Vec::new(); history.keys.len()];
        for &id in entries.iter().rev() {
            let op = history.operation(id);
            let list = &mut by_key[op.key.index()];
            let (_, completed, first) = match list.last() {
                Some(&later) if later.1 < op.completed => later,
                _ => (0, op.completed, id),
            };
            list.push((op.invoked, completed, first));
        }
        by_key.iter_mut().for_each(|list| list.reverse());
        Self(by_key)
    }

    /// The write that began after one position and was acknowledged first, if that was before another.
    pub(super) fn first_acknowledged_after(&self, key: KeyId, since: u32, before: u32) -> Option<OpId> {
        let list = &self.0[key.index()];
        let &(_, completed, id) = list.get(list.partition_point(|entry| entry.0 <= since))?;
        (completed < before).then_some(id)
    }
}

fn returned_value(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id)) {
        (Function::READ | Function::GET, _) => Some(history.operation(id).result),
        (Function::CAS, Argument::Pair(old, _)) => Some(old),
        _ => None,
    }
}

fn written_value(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id)) {
        (Function::WRITE | Function::PUT, Argument::Value(value)) => Some(value),
        (Function::CAS, Argument::Pair(_, new)) => Some(new),
        _ => None,
    }
}
