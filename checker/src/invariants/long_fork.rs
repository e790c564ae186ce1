//! Long forks: two readers who saw two writes in opposite orders.
//!
//! Jepsen's `long-fork` writes each key once and reads groups of keys in one transaction. Of two reads of the same keys
//! one must have seen all that the other saw, if writes are seen in one order by all, as under snapshot isolation; under
//! parallel snapshot isolation two reads can be *forks*: one saw x and not yet y, the other y and not yet x. Jepsen
//! compares reads of the same group; here any two reads that have two keys in common. What was written is not looked
//! at, only that something was: a key that was written twice makes no difference as long as nothing is deleted.
//!
//! Every pair of keys in a read is one of four cases (neither seen, x, y, both), and a fork is the pair of keys for which
//! both x alone and y alone were seen. That is one look-up for each pair of keys in each read: O(reads · keys²), and
//! reads are short.
//!
//! Reads may also be micro-operations of a `txn`; then what a transaction wrote itself is left out.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;

/// Keys of a read beyond which pairs would not be cheap any more.
const KEYS_MAX: usize = 1000;

pub(super) fn check_long_fork(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    let mut names: FxHashMap<String, u32> = FxHashMap::default();
    // Of each pair of keys, what saw only the first and what saw only the second.
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
