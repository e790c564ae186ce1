//! Long forks: two readers observe two writes in opposite orders.
//!
//! Jepsen's `long-fork` writes each key once and reads groups of keys in one transaction. If all readers observe writes
//! in one order, as under snapshot isolation, then of two reads of the same keys, one has seen all that the other saw.
//! Under parallel snapshot isolation two reads can form a *fork*: one saw x and not yet y, the other y and not yet x.
//! Jepsen compares reads of the same group; this check compares any two reads that have two keys in common. It
//! considers only whether a key had been written, not the value. A key that was written twice makes no difference, as
//! long as nothing is deleted.
//!
//! A read sees neither of two keys, one of them, or both. A fork is a pair of keys for which one read saw only x and
//! another read saw only y. That is one look-up for each pair of keys in each read: O(reads · keys²), and reads are
//! short.
//!
//! The micro-operations of a `txn` count as reads too, except for keys that the transaction wrote before.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;

/// A read of more keys than this is not checked, because its pairs would be too many.
const KEYS_MAX: usize = 1000;

pub(super) fn check_long_fork(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    let mut names: FxHashMap<String, u32> = FxHashMap::default();
    // For each pair of keys, a read that saw only the first and a read that saw only the second.
    let mut pairs: FxHashMap<(u32, u32), [Option<OpId>; 2]> = FxHashMap::default();
    let mut forks: FxHashSet<[OpId; 2]> = FxHashSet::default();
    let mut reads: Vec<OpId> = object
        .acknowledged_operations(Function::READ)
        .chain(object.acknowledged_operations(Function::TXN))
        .collect();
    reads.sort_unstable();
    for read in reads {
        let Some(snapshot) = values::read_snapshot(history, read) else {
            found.note_unclear(format!(
                "operation {} is no read of keys: [[\"r\", key, value], …]",
                history.operation_index(read)
            ));
            continue;
        };
        if snapshot.len() > KEYS_MAX {
            found.note_unclear(format!(
                "operation {} reads more than {KEYS_MAX} keys",
                history.operation_index(read)
            ));
            continue;
        }
        found.looked += u64::from(!snapshot.is_empty());
        let mut keys: Vec<(u32, bool, String)> = Vec::with_capacity(snapshot.len());
        for (name, seen) in snapshot {
            let next = names.len() as u32;
            keys.push((*names.entry(name.clone()).or_insert(next), seen, name));
        }
        keys.sort_unstable();
        for (at, (x, x_seen, x_name)) in keys.iter().enumerate() {
            for (y, y_seen, y_name) in
                keys[at + 1..].iter().filter(|(y, y_seen, _)| y != x && y_seen != x_seen)
            {
                let mine = usize::from(*y_seen);
                let slots = match pairs.entry((*x, *y)) {
                    Entry::Occupied(slots) => slots.into_mut(),
                    Entry::Vacant(slot) => slot.insert([None; 2]),
                };
                slots[mine].get_or_insert(read);
                let Some(other) = slots[1 - mine].filter(|&other| other != read) else { continue };
                if !forks.insert([other, read]) {
                    continue;
                }
                let (seen, unseen) = if *x_seen { (x_name, y_name) } else { (y_name, x_name) };
                found.add_breach("long-fork", object.key(), || BreachEvidence::Fork {
                    one: other,
                    other: read,
                    x: unseen.clone(),
                    y: seen.clone(),
                });
            }
        }
    }
}
