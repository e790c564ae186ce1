//! Weak causal consistency and causal convergence, by vector clocks.
//!
//! Both levels begin with causal order, which must have no cycle. Let `r` read the value of `w`. For each lane, only
//! the last write `w'` of the object in the past of `r` matters: every earlier write in that lane also comes before
//! `w'`. If `w` is in the past of `w'`, the read returned an overwritten value, which rules out both levels.
//! Otherwise causal convergence demands `w'` before `w` in the common order. The level is violated if these demands
//! form a cycle with causal order.
//!
//! Cost: O(lanes · n) for the clocks, and the same times a binary search for the reads.

use super::beyond;
use super::cases::{Found, LIMIT};
use super::clocks::{Clocks, Ordered, ordered};
use super::facts::INITIAL;
use super::paths::{Derived, INITIALLY, Prover, cycles};
use super::problem::{INFERRED, Problem, Source};
use crate::graph::Edge;
use claims::{
    CausalOrders, CausalProofStep, Contradiction, InferenceRule, Level, Limits, SessionSerialization,
};

/// How many edges may be examined for further evidence, once some was found.
const EFFORT_MAX: u64 = 20_000_000;

/// The result for one assignment of sources.
pub(super) type Answer = Found<Vec<Vec<CausalProofStep>>>;

/// Decides `causal` or `causal-convergence`.
pub(super) fn check(problem: &Problem<'_>, level: Level, limits: &Limits<'_>) -> Answer {
    let mut edges = problem.session_edges.clone();
    edges.extend(problem.read_edges(|_| true));
    let bytes = Clocks::bytes(problem);
    let causal = match ordered(problem.count(), &edges) {
        Ok(causal) => causal,
        Err(cyclic) => {
            let mut prover = Prover::new(problem, &cyclic.graph, &[]);
            let cycles = cycles(&cyclic.graph, cyclic.components, LIMIT);
            return refuted(cycles.iter().map(|cycle| prover.contradiction(None, cycle)));
        }
    };
    if bytes > limits.bytes {
        return Found::Unknown(beyond(bytes, limits));
    }
    let clocks = Clocks::new(problem, &causal);
    let room = match level {
        Level::Causal => 0,
        _ => (limits.bytes - bytes) / Derived::bytes(1),
    };
    let (overwritten, demands) = demands(problem, &clocks, room);
    if !overwritten.is_empty() {
        return refuted(explained(problem, &causal, &clocks, &overwritten).into_iter());
    }
    if level == Level::Causal {
        return Found::Explained(everybody(problem, &causal.order));
    }
    if demands.len() == room {
        return Found::Unknown(beyond(bytes.saturating_add(Derived::bytes(room + 1)), limits));
    }
    drop(clocks);
    edges.extend((0..).zip(&demands).map(|(number, derived)| derived.edge(problem, number)));
    match ordered(problem.count(), &edges) {
        Ok(agreed) => Found::Explained(everybody(problem, &agreed.order)),
        Err(cyclic) => {
            let mut prover = Prover::new(problem, &cyclic.graph, &demands);
            let cycles = cycles(&cyclic.graph, cyclic.components, LIMIT);
            refuted(cycles.iter().map(|cycle| prover.contradiction(None, cycle)))
        }
    }
}

/// Turns each contradiction into a proof.
fn refuted(found: impl Iterator<Item = Contradiction>) -> Answer {
    Found::Refuted(found.map(|found| vec![CausalProofStep::Contradiction(found)]).collect())
}

/// Reads of values that were overwritten in their past, and demands on the order of conflicting writes, up to `room`
/// of them.
fn demands(problem: &Problem<'_>, clocks: &Clocks, room: usize) -> (Vec<Derived>, Vec<Derived>) {
    let (mut overwritten, mut demands) = (Vec::new(), Vec::new());
    for read in (0..problem.count() as u32).filter(|&vertex| problem.reads(vertex)) {
        let mut bad = None;
        for (lane, writes) in problem.writes.of(problem.key(read)) {
            let Some(other) = clocks.last_before(problem, writes, lane, read) else { continue };
            let derived = Derived { read, other, rule: InferenceRule::NotBetween, round: 1 };
            match problem.source[read as usize] {
                Source::Write(write) if write == other => {}
                Source::Write(write) if !clocks.precedes(problem, write, other) => {
                    if demands.len() < room && !clocks.precedes(problem, other, write) {
                        demands.push(derived);
                    }
                }
                _ => bad = bad.or(Some(derived)),
            }
        }
        overwritten.extend(bad);
    }
    (overwritten, demands)
}

/// A cycle for each read of a value that was overwritten in its past.
fn explained(
    problem: &Problem<'_>,
    causal: &Ordered,
    clocks: &Clocks,
    overwritten: &[Derived],
) -> Vec<Contradiction> {
    let mut prover = Prover::new(problem, &causal.graph, overwritten);
    let mut found = Vec::new();
    for (number, derived) in overwritten.iter().enumerate().take(LIMIT) {
        if prover.effort > EFFORT_MAX {
            break;
        }
        let Derived { read, other, .. } = *derived;
        let within = |end: u32| move |vertex: u32| clocks.precedes(problem, vertex, end);
        let path = prover.path(other, read, 1, within(read));
        let mut cycle = match problem.source[read as usize] {
            Source::Write(write) => prover.path(write, other, 1, within(other)),
            _ => vec![Edge { from: INITIAL, to: other, label: INITIALLY }],
        };
        cycle.push(Edge { label: INFERRED + number as u32, ..derived.edge(problem, number) });
        let premises = [((1, number as u32), path)].into_iter().collect();
        found.push(prover.told(None, &cycle, &premises));
    }
    found
}

/// One order of all operations that took effect.
pub(super) fn everybody(problem: &Problem<'_>, order: &[u32]) -> CausalOrders {
    let happened = order.iter().filter(|&&vertex| problem.took_effect(vertex));
    let operations = happened.map(|&vertex| problem.facts.rows[vertex as usize].op).collect();
    CausalOrders { orders: vec![SessionSerialization { session: None, operations }], returned: Vec::new() }
}
