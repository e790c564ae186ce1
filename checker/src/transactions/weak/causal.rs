//! Causal: what a transaction has seen along any chain of sessions and reads.
//!
//! Each transaction gets a clock: for each client, how many of its transactions are in the causal past. In a
//! topological order of `so` and `wr` a clock is the maximum of those of the direct predecessors. For a read of x
//! and each client, the last of its transactions within the clock that wrote x must be older than what was
//! read: a search in a sorted list, and only clients that ever wrote x are asked.

use super::{Arbitration, Facts};
use crate::Limits;
use crate::transactions::graph::{Components, Graph, Kinds};
use histories::{Id, KeyId, Outcome, ProcessId, SessionId};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// Clocks of the transactions, one row each.
struct Clocks {
    width: usize,
    entries: Vec<u32>,
}

impl Clocks {
    fn row(&self, op: u32) -> &[u32] {
        &self.entries[op as usize * self.width..(op as usize + 1) * self.width]
    }

    fn include(&mut self, op: u32, seen: u32) {
        let (op, seen) = (op as usize * self.width, seen as usize * self.width);
        for at in 0..self.width {
            self.entries[op + at] = self.entries[op + at].max(self.entries[seen + at]);
        }
    }
}

/// The commit order that the axiom asks for, or why that was not found out. `order` are the components of
/// `base`, all of one transaction.
pub(super) fn causal(
    facts: &Facts<'_, '_>,
    base: &Graph,
    order: &Components,
    limits: &Limits<'_>,
) -> Result<Vec<Arbitration>, String> {
    let count = facts.index.history.len();
    let (chains, width) = chains(facts);
    let bytes = count.saturating_mul(width).saturating_mul(size_of::<u32>());
    if bytes > limits.bytes {
        return Err(format!("clocks of {width} clients for {count} transactions exceed the limit of memory"));
    }
    let clocks = clocks(facts, base, order, &chains, width);
    let writers = writers(facts, &chains);
    let mut found = Vec::new();
    for reader in 0..count as u32 {
        for &(key, later) in facts.reads.of(reader) {
            for &(chain, ref wrote) in &writers[key.index()] {
                let seen = clocks.row(reader)[chain as usize];
                // Its own place is in its clock, but it has not seen itself.
                let end = wrote.partition_point(|&(place, _)| place <= seen);
                let last = wrote[..end].iter().rfind(|&&(_, op)| op != reader);
                if let Some(&(_, earlier)) = last.filter(|&&(_, earlier)| earlier != later) {
                    found.push(Arbitration { earlier, later, key, reader });
                }
            }
        }
    }
    Ok(found)
}

/// Where a transaction is in its chain.
#[derive(Clone, Copy, Default)]
struct Link {
    chain: u32,
    /// From one.
    place: u32,
}

/// Chains that session order runs along, and how many: what one process does in one session, up to where it no
/// longer knows how an operation ended.
fn chains(facts: &Facts<'_, '_>) -> (Vec<Link>, usize) {
    let history = facts.index.history;
    let mut links = vec![Link::default(); history.len()];
    let mut open: FxHashMap<(SessionId, ProcessId), Link> = FxHashMap::default();
    let mut count = 0;
    for operation in history.operations().filter(|operation| facts.index.committed(operation.id.raw())) {
        let client = (operation.session, operation.process);
        let link = open.entry(client).or_insert_with(|| {
            count += 1;
            Link { chain: count - 1, place: 0 }
        });
        link.place += 1;
        links[operation.id.index()] = *link;
        if operation.outcome != Outcome::Ok {
            open.remove(&client);
        }
    }
    (links, count as usize)
}

fn clocks(facts: &Facts<'_, '_>, base: &Graph, order: &Components, chains: &[Link], width: usize) -> Clocks {
    let count = facts.index.history.len();
    let mut clocks = Clocks { width, entries: vec![0; count * width] };
    let mut sorted: Vec<u32> = (0..count as u32).filter(|&op| facts.index.committed(op)).collect();
    sorted.sort_unstable_by_key(|&op| Reverse(order.number[op as usize]));
    for op in sorted {
        // Whoever has seen it has seen all of its chain before.
        let Link { chain, place } = chains[op as usize];
        clocks.entries[op as usize * width + chain as usize] = place;
        let mut cursor = 0;
        while let Some((arc, next)) = base.next(op, cursor, Kinds::SESSION.and(Kinds::WR)) {
            cursor = next;
            clocks.include(arc.to, op);
        }
    }
    clocks
}

/// The transactions of a chain that wrote a key, as (place, transaction), in order; with the chain.
type Wrote = (u32, Vec<(u32, u32)>);

fn writers(facts: &Facts<'_, '_>, chains: &[Link]) -> Vec<Vec<Wrote>> {
    let mut all: Vec<(KeyId, u32, u32, u32)> = Vec::new();
    for op in 0..facts.index.history.len() as u32 {
        let Link { chain, place } = chains[op as usize];
        all.extend(facts.writes.of(op).iter().map(|&key| (key, chain, place, op)));
    }
    all.sort_unstable();
    let mut writers: Vec<Vec<Wrote>> = vec![Vec::new(); facts.index.keys.len()];
    for same in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let wrote = same.iter().map(|&(_, _, place, op)| (place, op)).collect();
        writers[same[0].0.index()].push((same[0].1, wrote));
    }
    writers
}
