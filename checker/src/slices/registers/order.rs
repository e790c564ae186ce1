//! The order in which the versions of a register are presumed to have replaced each other.
//!
//! Nothing depends on this order being right but the size of slices. By completions alone, two writers that overlap are often in the wrong
//! order. So it is the order of a register at which each write and each read happens at one moment, if there is one: a version was there by
//! the first completion among its writer and its readers, and still at the last invocation among them. Where these *zones* (Gibbons &
//! Korach, *Testing Shared Memories*, 1997) do not overlap, the order of their middles is that of the zones. A transaction that reads a
//! version and writes the next is a reader of the one and the writer of the other, so both ends of its zone are at least those of
//! the version before. What completed before another writer was invoked comes before it in any case.

use crate::slices::KeyUse;
use histories::Outcome;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A version: the use that wrote it, or `None` for the initial one.
pub(super) type Source = Option<usize>;

/// Puts writers into the presumed order. O(n log n).
pub(super) fn presume_order(uses: &[KeyUse], sources: &[Vec<Source>], writers: &[usize]) -> Vec<usize> {
    let zones = Zones::new(uses, sources, writers);
    let mut by_invocation = writers.to_vec();
    by_invocation.sort_unstable_by_key(|&at| uses[at].transaction.invoked);
    let mut by_end = writers.to_vec();
    by_end.sort_unstable_by_key(|&at| end(&uses[at]));
    let mut is_placed = vec![false; uses.len()];
    let mut order = Vec::with_capacity(writers.len());
    let (mut invoked, mut ended) = (0, 0);
    let mut open = BinaryHeap::new();
    while order.len() < writers.len() {
        while is_placed[by_end[ended]] {
            ended += 1;
        }
        // What is invoked after this moment comes after the writer that ends here.
        let moment = end(&uses[by_end[ended]]);
        while let Some(&at) = by_invocation.get(invoked).filter(|&&at| uses[at].transaction.invoked <= moment)
        {
            open.push(Reverse((zones.middle(at), zones.depth[at], uses[at].transaction.invoked, at)));
            invoked += 1;
        }
        let Some(Reverse((.., at))) = open.pop() else { break };
        is_placed[at] = true;
        order.push(at);
    }
    debug_assert_eq!(order.len(), writers.len(), "the writer that ends next was invoked");
    order
}

fn end(of: &KeyUse) -> u64 {
    match of.transaction.outcome {
        Outcome::Ok | Outcome::Fail => of.transaction.completed.unwrap_or(u64::MAX),
        Outcome::Info => u64::MAX,
    }
}

/// The zone of each version.
struct Zones {
    /// The first completion.
    first_end: Vec<u64>,
    /// The last invocation.
    last_begin: Vec<u64>,
    /// How many versions before it are known, each the one that the writer of the next had read.
    depth: Vec<u32>,
}

impl Zones {
    fn new(uses: &[KeyUse], sources: &[Vec<Source>], writers: &[usize]) -> Self {
        let mut zones = Zones {
            first_end: uses.iter().map(end).collect(),
            last_begin: uses.iter().map(|of| of.transaction.invoked).collect(),
            depth: vec![0; uses.len()],
        };
        for (reader, sources) in sources.iter().enumerate() {
            for &version in sources.iter().flatten() {
                zones.first_end[version] = zones.first_end[version].min(end(&uses[reader]));
                zones.last_begin[version] = zones.last_begin[version].max(uses[reader].transaction.invoked);
            }
        }
        let before = |at: usize| sources[at].first().copied().flatten();
        let chains = chain_order(uses.len(), before, writers);
        for &at in &chains {
            if let Some(before) = before(at) {
                zones.last_begin[at] = zones.last_begin[at].max(zones.last_begin[before]);
                zones.depth[at] = zones.depth[before] + 1;
            }
        }
        for &at in chains.iter().rev() {
            if let Some(before) = before(at) {
                zones.first_end[before] = zones.first_end[before].min(zones.first_end[at]);
            }
        }
        zones
    }

    fn middle(&self, at: usize) -> u64 {
        self.first_end[at] / 2 + self.last_begin[at] / 2
    }
}

/// The writers that read a version, each after the writer of that version. Those in a cycle are left out. O(n).
fn chain_order(count: usize, before: impl Fn(usize) -> Option<usize>, writers: &[usize]) -> Vec<usize> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut ready = Vec::new();
    for &at in writers {
        match before(at) {
            Some(before) => next[before].push(at),
            None => ready.push(at),
        }
    }
    let mut order = Vec::new();
    while let Some(at) = ready.pop() {
        order.push(at);
        ready.append(&mut next[at]);
    }
    order
}
