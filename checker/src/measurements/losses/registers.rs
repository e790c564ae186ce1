//! What answers show of the writes of registers.
//!
//! A value that exactly one operation wrote identifies its write. An answer with a value shows its write. It lacks each
//! acknowledged write that began after that value was first observed and that was acknowledged before the answer was
//! requested: nothing can have put the older value in its place. Of these writes, the one that was acknowledged first
//! is taken.

use super::super::in_time::{TimeOver, UntilStopped, in_time};
use super::super::samples::settled;
use super::branches::Evidence;
use histories::{Argument, Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::atomic::AtomicBool;

/// The operation that wrote a value of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    One(OpId),
    /// No operation wrote it: the object held it at first.
    Nobody,
    /// One of several operations, or a failed one.
    Unclear,
}

/// Whether all operations are on registers.
pub(super) fn are_registers(history: &History) -> bool {
    let is_of_register = |function| {
        matches!(function, Function::READ | Function::WRITE | Function::CAS | Function::GET | Function::PUT)
    };
    history.ids().all(|id| is_of_register(history.function(id)))
}

/// The acknowledged writes, in order of invocation.
pub(super) fn entries(history: &History) -> Vec<OpId> {
    history.ids().filter(|&id| history.outcome(id) == Outcome::Ok && written(history, id).is_some()).collect()
}

/// What is known of the writes. O(n log n).
///
/// # Errors
/// The time limit was reached.
pub(super) fn evidence(
    history: &History,
    initial: ValueId,
    entries: &[OpId],
    stop: &AtomicBool,
) -> Result<Evidence, TimeOver> {
    let writers = writers(history, initial, stop)?;
    let newer = Newer::of(history, entries);
    // For each version, the completion of the first operation that wrote or returned it.
    let mut had: FxHashMap<(KeyId, ValueId), u32> = FxHashMap::default();
    for op in history.operations().until_stopped(stop).filter(|op| op.outcome == Outcome::Ok) {
        for value in [written(history, op.id), returned(history, op.id)].into_iter().flatten() {
            let first = had.entry((op.key, value)).or_insert(u32::MAX);
            *first = (*first).min(op.completed);
        }
    }
    in_time(stop)?;
    let mut evidence = Evidence::default();
    for op in history.operations().until_stopped(stop).filter(|op| op.outcome == Outcome::Ok) {
        let Some(value) = returned(history, op.id) else { continue };
        let since = match writers.get(&(op.key, value)) {
            Some(Writer::One(writer)) => {
                if history.outcome(*writer) == Outcome::Ok {
                    evidence.seen.push((*writer, op.id));
                }
                had[&(op.key, value)]
            }
            None if value == initial => 0,
            _ => continue,
        };
        if let Some(entry) = newer.first_after(op.key, since, op.invoked) {
            evidence.missing.push((entry, op.id));
        }
    }
    in_time(stop)?;
    evidence.lost = lost_in_the_end(history, initial, &writers, &had);
    Ok(evidence)
}

fn writers(
    history: &History,
    initial: ValueId,
    stop: &AtomicBool,
) -> Result<FxHashMap<(KeyId, ValueId), Writer>, TimeOver> {
    let mut writers: FxHashMap<(KeyId, ValueId), Writer> = FxHashMap::default();
    for id in history.ids().until_stopped(stop) {
        let Some(value) = written(history, id) else { continue };
        let clear = history.outcome(id) != Outcome::Fail && value != initial;
        let own = if clear { Writer::One(id) } else { Writer::Unclear };
        writers.entry((history.key(id), value)).and_modify(|known| *known = Writer::Unclear).or_insert(own);
    }
    in_time(stop)?;
    Ok(writers)
}

/// Acknowledged writes that are lost in the end: a final read returned a version that was observed before they began.
fn lost_in_the_end(
    history: &History,
    initial: ValueId,
    writers: &FxHashMap<(KeyId, ValueId), Writer>,
    had: &FxHashMap<(KeyId, ValueId), u32>,
) -> FxHashSet<OpId> {
    let settled = settled(history);
    // The value that each object held in the end, and since when it was observed. Of several answers, the last counts.
    let mut survivors: Vec<Option<(ValueId, u32)>> = vec![None; history.keys.len()];
    for op in history.operations().filter(|op| op.invoked > settled && op.outcome == Outcome::Ok) {
        let Some(value) = returned(history, op.id) else { continue };
        let writer = writers.get(&(op.key, value)).copied().unwrap_or(Writer::Nobody);
        survivors[op.key.index()] = match writer {
            // If the value was not observed before the end, its write may have taken effect last.
            Writer::One(_) => Some((value, had[&(op.key, value)])),
            Writer::Nobody if value == initial => Some((value, 0)),
            _ => None,
        };
    }
    let mut lost = FxHashSet::default();
    for op in history.operations().filter(|op| op.outcome == Outcome::Ok && op.invoked < settled) {
        let Some((value, since)) = survivors[op.key.index()] else { continue };
        let wrote = written(history, op.id).is_some_and(|wrote| wrote != value);
        if wrote && op.invoked >= since {
            lost.insert(op.id);
        }
    }
    lost
}

/// The acknowledged writes of each object in order of invocation, each with the one that was acknowledged first among
/// it and all later ones.
pub(super) struct Newer(Vec<Vec<(u32, u32, OpId)>>);

impl Newer {
    pub(super) fn of(history: &History, entries: &[OpId]) -> Self {
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

    /// Among the writes that began after one position, the one acknowledged first, if that was before another position.
    pub(super) fn first_after(&self, key: KeyId, since: u32, before: u32) -> Option<OpId> {
        let list = &self.0[key.index()];
        let &(_, completed, id) = list.get(list.partition_point(|entry| entry.0 <= since))?;
        (completed < before).then_some(id)
    }
}

fn returned(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id)) {
        (Function::READ | Function::GET, _) => Some(history.operation(id).result),
        (Function::CAS, Argument::Pair(old, _)) => Some(old),
        _ => None,
    }
}

fn written(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id)) {
        (Function::WRITE | Function::PUT, Argument::Value(value)) => Some(value),
        (Function::CAS, Argument::Pair(_, new)) => Some(new),
        _ => None,
    }
}
