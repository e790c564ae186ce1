//! Entries that an answer of another reign may lack, because what it shows overlaps them.
//!
//! Two writes of an object overlap, and a server that takes over shows one of them. If that is the later entry of the log, nothing is lost.
//! If it is the earlier one, the other is. No clock of a client tells which, so the entries of the reign are in doubt. But if the server of the
//! other entry showed the same one after both were acknowledged, that one is the later entry.

use histories::{History, Id, KeyId, OpId};
use rustc_hash::FxHashMap;

/// The acknowledged entries of one object, in order of invocation.
#[derive(Default)]
struct ObjectEntries {
    /// Invocation, completion and the operation.
    entries: Vec<(u32, u32, OpId)>,
    /// For each entry, the last completion among it and all earlier ones.
    reach: Vec<u32>,
}

/// For each entry that an answer of another reign shows: the entries of the object that overlap it and were acknowledged before the answer
/// began. O(s log n + k) for s answers and k overlapping pairs.
pub(super) fn find_overlapping_entries(
    history: &History,
    entries: &[OpId],
    seen: &[(OpId, OpId)],
    reign_of: &[u32],
) -> Vec<OpId> {
    // The last answer that shows each entry. A later answer could have shown more.
    let mut shown: FxHashMap<OpId, (u32, u32)> = FxHashMap::default();
    // The last answer of each reign that shows an entry.
    let mut shown_by: FxHashMap<(OpId, u32), u32> = FxHashMap::default();
    for &(entry, read) in seen {
        let (began, reign) = (history.operation(read).invoked, reign_of[read.index()]);
        let last = shown_by.entry((entry, reign)).or_insert(began);
        *last = (*last).max(began);
        if reign != reign_of[entry.index()] {
            let last = shown.entry(entry).or_insert((began, reign));
            *last = (*last).max((began, reign));
        }
    }
    let mut objects: FxHashMap<KeyId, ObjectEntries> = FxHashMap::default();
    for &id in entries {
        let op = history.operation(id);
        let object = objects.entry(op.key).or_default();
        object.reach.push(object.reach.last().map_or(op.completed, |&before| before.max(op.completed)));
        object.entries.push((op.invoked, op.completed, id));
    }
    let mut found = Vec::new();
    for (entry, (began, reign)) in shown {
        let op = history.operation(entry);
        let Some(object) = objects.get(&op.key) else { continue };
        let end = object.entries.partition_point(|other| other.0 < op.completed);
        for at in (0..end).rev().take_while(|&at| object.reach[at] > op.invoked) {
            let (_, completed, other) = object.entries[at];
            let own = reign_of[other.index()];
            let is_after = |&shown: &u32| shown > completed.max(op.completed);
            let is_earlier = shown_by.get(&(entry, own)).is_some_and(is_after);
            if completed > op.invoked && completed < began && other != entry && own != reign && !is_earlier {
                found.push(other);
            }
        }
    }
    found
}
