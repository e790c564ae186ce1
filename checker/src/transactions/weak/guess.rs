//! Guesses a commit order, checks it against the axiom, and corrects it where it breaks the axiom.
//!
//! The textbook algorithm collects all edges that the axiom demands, up to one for each read and session, and looks
//! for a cycle. With a million transactions these edges take more time and memory than everything else, and nearly
//! all of them repeat what the order of events says. So this module begins with an order: a depth-first walk along
//! predecessors, earliest invocation first, which extends `so` and `wr` without a graph. Then the axiom is checked
//! for each reader, but only for pairs that *this* order contradicts. Every commit order must keep each such pair,
//! whichever order exposed it. So the pairs become predecessors, and the walk is repeated.
//!
//! * No pair is contradicted: the order is the witness.
//! * The walk returns to a vertex on its path: `so`, `wr` and the pairs form a cycle, so no commit order exists.
//! * Neither happens in [`ROUNDS_MAX`] rounds: the caller collects all edges. Every round adds at least one pair, so
//!   the rounds would end eventually, but perhaps not soon.

use super::commit_order::CommitOrder;
use super::facts::TransactionFacts;
use super::{Arbitration, causal, visible};
use crate::transactions::index::NONE;
use claims::{Axiom, Limits};

/// How often an order is corrected. For a correct store a few rounds are enough.
const ROUNDS_MAX: usize = 24;

/// The result of the rounds.
pub(super) enum Guess {
    Holds(CommitOrder),
    /// These pairs form a cycle with session order and reads, or one of them puts a writer before the initial state.
    Broken(Vec<Arbitration>),
    /// The rounds ended without an answer.
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
