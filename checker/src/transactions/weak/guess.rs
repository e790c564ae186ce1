//! Guess a commit order, hold it against the axiom, and mend it where it breaks it.
//!
//! The textbook way collects all edges that the axiom asks for, up to one a read and session, into a graph and looks
//! for a cycle: at a million transactions the edges take more time and memory than all else, and nearly all of them
//! say what the order of events said already. So the order comes first: a depth-first walk along predecessors,
//! earliest invocation first, which extends `so` and `wr` without a graph. Then each reader is asked by the axiom, but
//! only about pairs that *this* order has the wrong way round. Each such pair is one that every commit order has to
//! keep, whichever order it was found with; so they join the predecessors and the walk is done again.
//!
//! * No pair is wrong: the order is the witness.
//! * The walk comes back to where it is: `so`, `wr` and pairs that must be kept form a cycle, and no order is one.
//! * Neither in [`ROUNDS_MAX`] rounds: the caller asks for all edges after all. Every round adds at least one pair, so
//!   it would end by itself, but not necessarily soon.

use super::facts::TransactionFacts;
use super::{Arbitration, causal, visible};
use crate::transactions::index::NONE;
use claims::{Axiom, Limits};

/// How often an order is mended. A store that is right needs a handful of rounds.
const ROUNDS_MAX: usize = 24;

/// A total order of the committed transactions.
pub(crate) struct CommitOrder {
    pub sequence: Vec<u32>,
    /// Where each operation is in it; [`NONE`] where it is not.
    pub place: Vec<u32>,
}

/// What came of guessing.
pub(super) enum Guess {
    Holds(CommitOrder),
    /// These pairs, with sessions and reads, form a cycle, or one of them is with the initial state.
    Broken(Vec<Arbitration>),
    /// Neither came about.
    Open,
    Stopped,
    TooLarge(String),
}

pub(super) fn guess_commit_order(facts: &TransactionFacts<'_>, axiom: Axiom, limits: &Limits<'_>) -> Guess {
    let mut kept: Vec<Arbitration> = Vec::new();
    let mut clocks = None;
    for _ in 0..ROUNDS_MAX {
        if limits.stop_requested() {
            return Guess::Stopped;
        }
        let Some(order) = CommitOrder::extending_pairs(facts, &kept) else {
            return if limits.stop_requested() { Guess::Stopped } else { Guess::Broken(kept) };
        };
        let wrong = |earlier: u32, later: u32| {
            later == NONE || order.place[earlier as usize] > order.place[later as usize]
        };
        let broken = match axiom {
            Axiom::MonotonicAtomicView => visible::monotonic_atomic_view_arbitrations(facts, &wrong),
            Axiom::ReadAtomic => visible::read_atomic_arbitrations(facts, &wrong),
            Axiom::Causal => {
                if clocks.is_none() {
                    match causal::ChainClocks::new(facts, &order, limits) {
                        Ok(found) => clocks = Some(found),
                        Err(why) => return Guess::TooLarge(why),
                    }
                }
                causal::find_violated_arbitrations(facts, clocks.as_ref().expect("just made"), &order, limits)
            }
        };
        if limits.stop_requested() {
            return Guess::Stopped;
        }
        if broken.is_empty() {
            return Guess::Holds(order);
        }
        let initial = broken.iter().any(|pair| pair.later == NONE);
        kept.extend(broken);
        if initial {
            return Guess::Broken(kept);
        }
    }
    Guess::Open
}

/// A transaction that is being visited.
const OPEN: u32 = u32::MAX - 1;

impl CommitOrder {
    /// An order that extends sessions, reads, what is required, and these pairs; none if there is a cycle of them, or if
    /// it was stopped.
    pub(super) fn extending_pairs(facts: &TransactionFacts<'_>, kept: &[Arbitration]) -> Option<CommitOrder> {
        let further = ExtraPredecessors::new(facts, kept);
        let count = facts.operation_count();
        let mut order =
            CommitOrder { sequence: Vec::with_capacity(count as usize), place: vec![NONE; count as usize] };
        let mut path: Vec<(u32, u32)> = Vec::new();
        for root in (0..count).filter(|&op| facts.is_committed(op)) {
            if order.place[root as usize] != NONE {
                continue;
            }
            order.place[root as usize] = OPEN;
            path.push((root, 0));
            while let Some(&mut (op, ref mut cursor)) = path.last_mut() {
                let Some(before) = nth_predecessor(facts, &further, op, *cursor) else {
                    order.place[op as usize] = order.sequence.len() as u32;
                    order.sequence.push(op);
                    if order.sequence.len() & 0xfff == 0 && facts.limits.stop_requested() {
                        return None;
                    }
                    path.pop();
                    continue;
                };
                *cursor += 1;
                if before == NONE {
                    continue;
                }
                match order.place[before as usize] {
                    NONE => {
                        order.place[before as usize] = OPEN;
                        path.push((before, 0));
                    }
                    OPEN => return None,
                    _ => {}
                }
            }
        }
        Some(order)
    }
}

/// The predecessor of this number; [`NONE`] where it is nobody, nothing after the last.
fn nth_predecessor(
    facts: &TransactionFacts<'_>,
    further: &ExtraPredecessors,
    op: u32,
    cursor: u32,
) -> Option<u32> {
    let reads = facts.reads.row(op);
    match cursor as usize {
        0 => Some(facts.previous[op as usize]),
        at if at <= reads.len() => Some(reads[at - 1].1),
        at => further.predecessors_of(op).get(at - 1 - reads.len()).copied(),
    }
}

/// Predecessors beyond sessions and reads, by who comes later.
pub(super) struct ExtraPredecessors {
    starts: Vec<u32>,
    before: Vec<u32>,
}

impl ExtraPredecessors {
    pub(super) fn new(facts: &TransactionFacts<'_>, kept: &[Arbitration]) -> Self {
        let pairs = || {
            let kept = kept.iter().map(|pair| (pair.earlier, pair.later));
            facts.required.iter().copied().chain(kept)
        };
        let mut starts = vec![0u32; facts.operation_count() as usize + 1];
        for (_, later) in pairs() {
            starts[later as usize + 1] += 1;
        }
        for op in 1..starts.len() {
            starts[op] += starts[op - 1];
        }
        let mut next = starts.clone();
        let mut before = vec![0; *starts.last().expect("never empty") as usize];
        for (earlier, later) in pairs() {
            before[next[later as usize] as usize] = earlier;
            next[later as usize] += 1;
        }
        Self { starts, before }
    }

    pub(super) fn predecessors_of(&self, op: u32) -> &[u32] {
        &self.before[self.starts[op as usize] as usize..self.starts[op as usize + 1] as usize]
    }
}
