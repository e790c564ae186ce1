//! Causal: what a transaction has seen along any chain of session order and reads.
//!
//! Each transaction has a clock. It tells, for each client, how many of that client's transactions are in the causal
//! past. In an order that extends `so` and `wr`, a clock is the maximum of the clocks of the direct predecessors. A
//! predecessor whose place the clock has already reached adds nothing, so most reads cost one look-up.
//!
//! [`outdated`] checks an order against the axiom. It goes through the order and keeps the writers of each key so
//! far. No writer that comes after the one that was read may be within the reader's clock. Stores return recent
//! versions, so few writers come after it. If there are many, and in [`all`], a binary search finds, for each client,
//! its last transaction within the clock that wrote the key.

use super::Arbitration;
use super::commit_order::{CommitOrder, ExtraPredecessors};
use super::facts::TransactionFacts;
use crate::transactions::index::NONE;
use claims::Limits;
use histories::{Id, KeyId, OpId, Outcome, ProcessId, SessionId};
use rustc_hash::FxHashMap;

/// The place of a transaction in its chain.
#[derive(Clone, Copy, Default)]
struct ChainLink {
    chain: u32,
    /// Counted from 1.
    place: u32,
}

/// The clocks of the transactions, one row each.
pub(super) struct ChainClocks {
    links: Vec<ChainLink>,
    width: usize,
    entries: Vec<u32>,
}

impl ChainClocks {
    /// Fails with a reason if the clocks exceed the memory limit, or if the check was stopped.
    pub(super) fn new(
        facts: &TransactionFacts<'_>,
        order: &CommitOrder,
        limits: &Limits<'_>,
    ) -> Result<Self, String> {
        let count = facts.history.len();
        let (links, width) = assign_chains(facts);
        let bytes = count.saturating_mul(width).saturating_mul(size_of::<u32>());
        if bytes > limits.bytes {
            return Err(format!(
                "clocks of {width} clients for {count} transactions exceed the limit of memory"
            ));
        }
        let further = ExtraPredecessors::new(facts, &[]);
        let mut clocks = Self { links, width, entries: vec![0; count * width] };
        for (at, &op) in order.sequence.iter().enumerate() {
            if at & 0xfff == 0 && limits.stop_requested() {
                return Err(Limits::STOPPED.to_owned());
            }
            let previous = std::iter::once(facts.previous[op as usize]);
            let read = facts.reads.row(op).iter().map(|read| read.1);
            // Besides session order, `required` has the version order of lists, through which a transaction sees
            // nothing.
            let overlapping = further
                .predecessors_of(op)
                .iter()
                .copied()
                .filter(|&before| precedes_in_session(facts, before, op));
            for before in previous.chain(read).chain(overlapping).filter(|&before| before != NONE) {
                clocks.include_past_of(op, before);
            }
            // A transaction that has seen this one has also seen everything before it in its chain.
            let ChainLink { chain, place } = clocks.links[op as usize];
            clocks.entries[op as usize * width + chain as usize] = place;
        }
        Ok(clocks)
    }

    fn clock_of(&self, op: u32) -> &[u32] {
        &self.entries[op as usize * self.width..(op as usize + 1) * self.width]
    }

    fn include_past_of(&mut self, op: u32, seen: u32) {
        if self.has_seen(op, seen) {
            return;
        }
        let (op, seen) = (op as usize * self.width, seen as usize * self.width);
        let (low, high) = (op.min(seen), op.max(seen));
        let (front, back) = self.entries.split_at_mut(high);
        let (first, second) = (&mut front[low..low + self.width], &mut back[..self.width]);
        let (into, from) = if op < seen { (first, &*second) } else { (second, &*first) };
        for (into, &from) in into.iter_mut().zip(from) {
            *into = (*into).max(from);
        }
    }

    fn has_seen(&self, op: u32, other: u32) -> bool {
        let ChainLink { chain, place } = self.links[other as usize];
        self.entries[op as usize * self.width + chain as usize] >= place
    }
}

fn precedes_in_session(facts: &TransactionFacts<'_>, a: u32, b: u32) -> bool {
    let (a, b) = (facts.history.operation(OpId::from_raw(a)), facts.history.operation(OpId::from_raw(b)));
    a.session == b.session && a.precedes(&b)
}

/// Cuts session order into chains, and counts them. A chain is what one process does in one session, up to an
/// operation with an indeterminate outcome.
fn assign_chains(facts: &TransactionFacts<'_>) -> (Vec<ChainLink>, usize) {
    let history = facts.history;
    let mut links = vec![ChainLink::default(); history.len()];
    let mut open: FxHashMap<(SessionId, ProcessId), ChainLink> = FxHashMap::default();
    let mut count = 0;
    for operation in history.operations().filter(|operation| facts.is_committed(operation.id.raw())) {
        let client = (operation.session, operation.process);
        let link = open.entry(client).or_insert_with(|| {
            count += 1;
            ChainLink { chain: count - 1, place: 0 }
        });
        link.place += 1;
        links[operation.id.index()] = *link;
        if operation.outcome != Outcome::Ok {
            open.remove(&client);
        }
    }
    (links, count as usize)
}

/// Pairs that the axiom demands and that the order contradicts. Some may be missing if the check was stopped.
pub(super) fn find_violated_arbitrations(
    facts: &TransactionFacts<'_>,
    clocks: &ChainClocks,
    order: &CommitOrder,
    limits: &Limits<'_>,
) -> Vec<Arbitration> {
    let mut so_far: Vec<Vec<u32>> = vec![Vec::new(); facts.history.keys.len()];
    let mut found = Vec::new();
    let mut by_chain = None;
    for (at, &reader) in order.sequence.iter().enumerate() {
        if at & 0xfff == 0 && limits.stop_requested() {
            break;
        }
        for &(key, later) in facts.reads.row(reader) {
            let behind = so_far[key.index()].iter().rev().take_while(|&&writer| writer != later);
            let mut many = false;
            for (at, &earlier) in behind.enumerate() {
                if at > 16 + 4 * clocks.width {
                    many = true;
                    break;
                }
                if clocks.has_seen(reader, earlier) {
                    found.push(Arbitration { earlier, later, key, reader });
                    // Any corrected order keeps the earlier writers before this one, so they need no check.
                    break;
                }
            }
            if many {
                let writers = by_chain.get_or_insert_with(|| writers_by_key(facts, clocks));
                let wrong = |earlier: u32| {
                    later == NONE || order.place[earlier as usize] > order.place[later as usize]
                };
                for_each_last_seen(clocks, &writers[key.index()], reader, |earlier| {
                    if earlier != later && wrong(earlier) {
                        found.push(Arbitration { earlier, later, key, reader });
                    }
                });
            }
        }
        for &key in facts.writes.row(reader) {
            so_far[key.index()].push(reader);
        }
    }
    found
}

/// All pairs that the axiom demands, except those that follow from other pairs and session order. Some may be missing
/// if the check was stopped.
pub(super) fn all_causal_arbitrations(
    facts: &TransactionFacts<'_>,
    clocks: &ChainClocks,
) -> Vec<Arbitration> {
    let writers = writers_by_key(facts, clocks);
    let mut found = Vec::new();
    for reader in 0..facts.operation_count() {
        if reader & 0xfff == 0 && facts.limits.stop_requested() {
            break;
        }
        for &(key, later) in facts.reads.row(reader) {
            for_each_last_seen(clocks, &writers[key.index()], reader, |earlier| {
                if earlier != later {
                    found.push(Arbitration { earlier, later, key, reader });
                }
            });
        }
    }
    found
}

/// Calls `tell` with the last transaction of each chain that wrote the key and is within the reader's clock.
fn for_each_last_seen(clocks: &ChainClocks, writers: &[ChainWrites], reader: u32, mut tell: impl FnMut(u32)) {
    for &(chain, ref wrote) in writers {
        let seen = clocks.clock_of(reader)[chain as usize];
        // The reader's own place is within its clock, but it has not seen itself.
        let end = wrote.partition_point(|&(place, _)| place <= seen);
        if let Some(&(_, earlier)) = wrote[..end].iter().rfind(|&&(_, op)| op != reader) {
            tell(earlier);
        }
    }
}

/// A chain with its transactions that wrote a key, as (place, transaction), in order.
type ChainWrites = (u32, Vec<(u32, u32)>);

fn writers_by_key(facts: &TransactionFacts<'_>, clocks: &ChainClocks) -> Vec<Vec<ChainWrites>> {
    let mut all: Vec<(KeyId, u32, u32, u32)> = Vec::new();
    for op in 0..facts.operation_count() {
        let ChainLink { chain, place } = clocks.links[op as usize];
        all.extend(facts.writes.row(op).iter().map(|&key| (key, chain, place, op)));
    }
    all.sort_unstable();
    let mut writers: Vec<Vec<ChainWrites>> = vec![Vec::new(); facts.history.keys.len()];
    for same in all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let wrote = same.iter().map(|&(_, _, place, op)| (place, op)).collect();
        writers[same[0].0.index()].push((same[0].1, wrote));
    }
    writers
}
