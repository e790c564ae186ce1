//! What answers show of the writes of registers.
//!
//! A value that exactly one operation wrote identifies its write. An answer with a value shows its write. It lacks each
//! acknowledged write that began after that value was first observed and that was acknowledged before the answer was
//! requested: nothing can have put the older value in its place. Of these writes, the one that was acknowledged first
//! is named, and [`lacks`](super::lacks) finds the first of each reign.

use super::super::in_time::{TimeOver, UntilStopped, in_time};
use super::super::recorder_events::settled_position;
use super::branches::LossEvidence;
use super::lacks::Lack;
use super::write_list::WriteList;
use histories::{Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::atomic::AtomicBool;

/// The operation that wrote a value of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RegisterWriter {
    One(OpId),
    /// No operation wrote it: the object held it at first.
    Nobody,
    /// One of several operations, or a failed one.
    Unclear,
}

/// Whether all operations are on registers.
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
///
/// # Errors
/// The time limit was reached.
pub(super) fn collect_evidence(
    history: &History,
    initial: ValueId,
    entries: &[OpId],
    stop: &AtomicBool,
) -> Result<LossEvidence, TimeOver> {
    let writers = find_writers(history, initial, stop)?;
    let newer = NewerWrites::from_entries(history, entries);
    // For each version, the completion of the first operation that wrote or returned it.
    let mut had: FxHashMap<(KeyId, ValueId), u32> = FxHashMap::default();
    for op in history.operations().until_stopped(stop).filter(|op| op.outcome == Outcome::Ok) {
        for value in [written_value(history, op.id), returned_value(history, op.id)].into_iter().flatten() {
            let first = had.entry((op.key, value)).or_insert(u32::MAX);
            *first = (*first).min(op.completed);
        }
    }
    in_time(stop)?;
    let mut evidence = LossEvidence::default();
    for op in history.operations().until_stopped(stop).filter(|op| op.outcome == Outcome::Ok) {
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
            evidence.lacks.push(Lack { read: op.id, key: op.key, since });
        }
    }
    in_time(stop)?;
    evidence.lost = find_finally_lost_writes(history, initial, &writers, &had);
    Ok(evidence)
}

fn find_writers(
    history: &History,
    initial: ValueId,
    stop: &AtomicBool,
) -> Result<FxHashMap<(KeyId, ValueId), RegisterWriter>, TimeOver> {
    let mut writers: FxHashMap<(KeyId, ValueId), RegisterWriter> = FxHashMap::default();
    for id in history.ids().until_stopped(stop) {
        let Some(value) = written_value(history, id) else { continue };
        let clear = history.outcome(id) != Outcome::Fail && value != initial;
        let own = if clear { RegisterWriter::One(id) } else { RegisterWriter::Unclear };
        writers
            .entry((history.key(id), value))
            .and_modify(|known| *known = RegisterWriter::Unclear)
            .or_insert(own);
    }
    in_time(stop)?;
    Ok(writers)
}

/// Acknowledged writes that are lost in the end: a final read returned a version that was observed before they began.
fn find_finally_lost_writes(
    history: &History,
    initial: ValueId,
    writers: &FxHashMap<(KeyId, ValueId), RegisterWriter>,
    had: &FxHashMap<(KeyId, ValueId), u32>,
) -> FxHashSet<OpId> {
    let settled = settled_position(history);
    // The value that each object held in the end, and since when it was observed. Of several answers, the last counts.
    let mut survivors: Vec<Option<(ValueId, u32)>> = vec![None; history.keys.len()];
    for op in history.operations().filter(|op| op.invoked > settled && op.outcome == Outcome::Ok) {
        let Some(value) = returned_value(history, op.id) else { continue };
        let writer = writers.get(&(op.key, value)).copied().unwrap_or(RegisterWriter::Nobody);
        survivors[op.key.index()] = match writer {
            // If the value was not observed before the end, its write may have taken effect last.
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

/// The acknowledged writes of each object.
pub(super) struct NewerWrites(Vec<WriteList>);

impl NewerWrites {
    pub(super) fn from_entries(history: &History, entries: &[OpId]) -> Self {
        let mut by_key: Vec<WriteList> = vec![WriteList::default(); history.keys.len()];
        for &id in entries.iter().rev() {
            by_key[history.key(id).index()].push_earlier(history, id);
        }
        Self(by_key)
    }

    /// Among the writes that began after one position, the one acknowledged first, if that was before another position.
    pub(super) fn first_acknowledged_after(&self, key: KeyId, since: u32, before: u32) -> Option<OpId> {
        self.0[key.index()].first_acknowledged_after(since, before)
    }
}

/// The value that an acknowledged operation observed.
fn returned_value(history: &History, id: OpId) -> Option<ValueId> {
    history.effect(id)?.observed()
}

/// The value that an operation writes, if it takes effect.
fn written_value(history: &History, id: OpId) -> Option<ValueId> {
    history.effect(id)?.writes
}
