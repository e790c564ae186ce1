//! The order of writers that lists show, at whatever level the reading transaction runs.
//!
//! A transaction at `read-uncommitted` may read elements of transactions that never commit. Then its list is not a version of the key. The order of the
//! *committed* elements is still the order of their writes, as at `read-uncommitted` itself: for each key, the longest list counts (the
//! first of several). Elements that no list shows come last. Elements that only other lists show have no place.

use histories::{History, KeyId, Micro, MicroKind, OpId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// The lists of a history.
#[derive(Default)]
pub(super) struct ShownLists<'h> {
    longest: FxHashMap<KeyId, &'h [ValueId]>,
    /// All elements of all lists.
    pub(super) elements: FxHashSet<(KeyId, ValueId)>,
}

impl<'h> ShownLists<'h> {
    /// Adds the lists of some keys that a transaction read.
    pub(super) fn add_lists(&mut self, history: &'h History, id: OpId, counts: impl Fn(KeyId) -> bool) {
        let lists = history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::ReadList);
        for micro in lists.filter(|micro| counts(micro.key)) {
            let list = history.list(micro.list());
            let longest = self.longest.entry(micro.key).or_default();
            if list.len() > longest.len() {
                // Usually the longest list so far is a prefix of this one.
                let known = if list.starts_with(longest) { longest.len() } else { 0 };
                self.elements.extend(list[known..].iter().map(|&value| (micro.key, value)));
                *longest = list;
            } else if !longest.starts_with(list) {
                self.elements.extend(list.iter().map(|&value| (micro.key, value)));
            }
        }
    }

    /// Pairs of writers of a key: the first comes before the second. Two writers whose elements are interleaved are in both orders.
    /// Writers are given by their numbers. O(w log w) for w writers, plus the longest list.
    pub(super) fn order_writers(
        &self,
        history: &History,
        key: KeyId,
        writers: &[u32],
        transactions: &[OpId],
    ) -> Vec<(u32, u32)> {
        let Some(longest) = self.longest.get(&key) else { return Vec::new() };
        let mut ranks: FxHashMap<ValueId, usize> = FxHashMap::default();
        for (rank, &value) in longest.iter().enumerate() {
            ranks.entry(value).or_insert(rank);
        }
        let rank = |micro: &Micro| {
            let unread = || (!self.elements.contains(&(key, micro.value()))).then_some(usize::MAX);
            ranks.get(&micro.value()).copied().or_else(unread)
        };
        // The first and the last rank of each writer.
        let mut spans: Vec<(usize, usize, u32)> = Vec::new();
        for &writer in writers {
            let micros = history.micros_of(transactions[writer as usize]).iter();
            let own = micros.filter(|micro| micro.kind == MicroKind::Append && micro.key == key);
            let own: Vec<usize> = own.filter_map(rank).collect();
            if let (Some(&first), Some(&last)) = (own.iter().min(), own.iter().max()) {
                spans.push((first, last, writer));
            }
        }
        spans.sort_unstable();
        // A writer must come before another unless all its elements come before all of the other.
        let mut pairs = Vec::new();
        let listed = spans.partition_point(|span| span.0 != usize::MAX);
        let mut widest = 0;
        for at in 1..spans.len() {
            let (previous, span) = (spans[(at - 1).min(listed.saturating_sub(1))], spans[at]);
            if previous.0 < span.1 {
                pairs.push((previous.2, span.2));
            }
            if spans[at - 1].1 > spans[widest].1 {
                widest = at - 1;
            }
            if spans[widest].1 > span.0 {
                pairs.push((span.2, spans[widest].2));
            }
        }
        pairs
    }
}
