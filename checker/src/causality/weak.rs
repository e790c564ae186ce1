//! Weak causal consistency, with and without real time, and causal convergence, by vector clocks.
//!
//! Both levels begin with causal order, which must have no cycle. Let `r` read the value of `w`. For each lane, only
//! the last write `w'` of the object in the past of `r` matters: every earlier write in that lane also comes before
//! `w'`. If `w` is in the past of `w'`, the read returned an overwritten value, which rules out both levels.
//! Otherwise causal convergence demands `w'` before `w` in the common order. The level is violated if these demands
//! form a cycle with causal order.
//!
//! Causal order goes back in real time if an operation is causally before one that completed before it was invoked. Session order
//! never does, and a session that goes on from a completed operation has nothing of the future in its past, unless that operation had
//! it as well. So only chains of reads-from can go back: a read of a write that had not begun, and with compare-and-sets longer ones.
//!
//! Cost: O(lanes · n) for the clocks, and the same times a binary search for the reads.

use super::clocks::{LaneClocks, OrderedGraph, order_topologically};
use super::facts::INITIAL;
use super::memory_limit_reason;
use super::outcome::{AssignmentOutcome, CausalOutcome, LIMIT};
use super::paths::{DerivedEdge, INITIALLY, Prover, shortest_cycle_per_component};
use super::problem::{CausalProblem, INFERRED, REAL_TIME, ReadSource};
use crate::graph::Edge;
use claims::{
    CausalOrders, CausalProofStep, Contradiction, InferenceRule, Level, Limits, SessionSerialization,
    UntilStopped,
};
use std::collections::BTreeMap;

/// How many edges may be examined for further evidence, once some was found.
const EFFORT_MAX: u64 = 20_000_000;

/// Decides `causal`, `real-time-causal` or `causal-convergence`.
pub(super) fn check_causal_order(
    problem: &CausalProblem<'_>,
    level: Level,
    limits: &Limits<'_>,
) -> AssignmentOutcome {
    let mut edges = problem.session_edges.clone();
    edges.extend(problem.read_edges(|_| true));
    let bytes = LaneClocks::bytes_needed(problem);
    let stopped = || CausalOutcome::Unknown(Limits::STOPPED.to_owned());
    let causal = match order_topologically(problem.vertex_count(), &edges) {
        Ok(causal) => causal,
        Err(cyclic) => {
            let mut prover = Prover::new(problem, &cyclic.graph, &[]);
            let cycles = shortest_cycle_per_component(&cyclic.graph, cyclic.components, LIMIT);
            return refutation_from(cycles.iter().map(|cycle| prover.prove_contradiction(None, cycle)));
        }
    };
    if bytes > limits.bytes {
        return CausalOutcome::Unknown(memory_limit_reason(bytes, limits));
    }
    if limits.stop_requested() {
        return stopped();
    }
    let clocks = LaneClocks::new(problem, &causal);
    let room = match level {
        Level::CausalConvergence => (limits.bytes - bytes) / DerivedEdge::bytes_needed(1),
        _ => 0,
    };
    let (overwritten, demands) = collect_demands(problem, &clocks, room, limits);
    if limits.stop_requested() {
        return stopped();
    }
    if !overwritten.is_empty() {
        return refutation_from(prove_overwritten_reads(problem, &causal, &clocks, &overwritten).into_iter());
    }
    if level == Level::RealTimeCausal
        && let Some((later, earlier)) = find_return_from_future(problem, &causal.order)
    {
        let proof = prove_return_from_future(problem, &causal, later, earlier);
        return refutation_from(std::iter::once(proof));
    }
    if level != Level::CausalConvergence {
        return CausalOutcome::Explained(single_order(problem, &causal.order));
    }
    if demands.len() == room {
        return CausalOutcome::Unknown(memory_limit_reason(
            bytes.saturating_add(DerivedEdge::bytes_needed(room + 1)),
            limits,
        ));
    }
    drop(clocks);
    edges.extend((0..).zip(&demands).map(|(number, derived)| derived.derived_edge(problem, number)));
    match order_topologically(problem.vertex_count(), &edges) {
        Ok(agreed) => CausalOutcome::Explained(single_order(problem, &agreed.order)),
        Err(cyclic) => {
            let mut prover = Prover::new(problem, &cyclic.graph, &demands);
            let cycles = shortest_cycle_per_component(&cyclic.graph, cyclic.components, LIMIT);
            refutation_from(cycles.iter().map(|cycle| prover.prove_contradiction(None, cycle)))
        }
    }
}

/// Turns each contradiction into a proof.
pub(super) fn refutation_from(found: impl Iterator<Item = Contradiction>) -> AssignmentOutcome {
    CausalOutcome::Refuted(found.map(|found| vec![CausalProofStep::Contradiction(found)]).collect())
}

/// Reads of values that were overwritten in their past, and demands on the order of conflicting writes, up to `room`
/// of them.
pub(super) fn collect_demands(
    problem: &CausalProblem<'_>,
    clocks: &LaneClocks,
    room: usize,
    limits: &Limits<'_>,
) -> (Vec<DerivedEdge>, Vec<DerivedEdge>) {
    let (mut overwritten, mut demands) = (Vec::new(), Vec::new());
    let vertices = (0..problem.vertex_count() as u32).until_stopped(limits.stop);
    for read in vertices.filter(|&vertex| problem.is_known_read(vertex)) {
        let mut bad = None;
        for (lane, writes) in problem.writes.writes_by_lane(problem.key(read)) {
            let Some(other) = clocks.last_write_before(problem, writes, lane, read) else { continue };
            let derived = DerivedEdge { read, other, rule: InferenceRule::NotBetween, round: 1 };
            match problem.source[read as usize] {
                ReadSource::Write(write) if write == other => {}
                ReadSource::Write(write) if !clocks.precedes(problem, write, other) => {
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
fn prove_overwritten_reads(
    problem: &CausalProblem<'_>,
    causal: &OrderedGraph,
    clocks: &LaneClocks,
    overwritten: &[DerivedEdge],
) -> Vec<Contradiction> {
    let mut prover = Prover::new(problem, &causal.graph, overwritten);
    let mut found = Vec::new();
    for (number, derived) in overwritten.iter().enumerate().take(LIMIT) {
        if prover.effort > EFFORT_MAX {
            break;
        }
        let DerivedEdge { read, other, .. } = *derived;
        let within = |end: u32| move |vertex: u32| clocks.precedes(problem, vertex, end);
        let path = prover.find_path(other, read, 1, within(read));
        let mut cycle = match problem.source[read as usize] {
            ReadSource::Write(write) => prover.find_path(write, other, 1, within(other)),
            _ => vec![Edge { from: INITIAL, to: other, label: INITIALLY }],
        };
        cycle.push(Edge { label: INFERRED + number as u32, ..derived.derived_edge(problem, number) });
        let premises = [((1, number as u32), path)].into_iter().collect();
        found.push(prover.to_contradiction(None, &cycle, &premises));
    }
    found
}

/// Finds an operation that is causally before one that had completed before it was invoked, and that one. `order` extends causal
/// order.
pub(super) fn find_return_from_future(problem: &CausalProblem<'_>, order: &[u32]) -> Option<(u32, u32)> {
    let rows = &problem.facts.rows;
    // For each vertex: of the operations that lead to it by reads-from alone, and the vertex itself, the one that was invoked last.
    let mut newest: Vec<u32> = (0..problem.vertex_count() as u32).collect();
    let of_effect = order.iter().copied().filter(|&vertex| problem.took_effect(vertex));
    of_effect.into_iter().find_map(|vertex| {
        if let ReadSource::Write(write) = problem.source[vertex as usize] {
            let before = newest[write as usize];
            if rows[before as usize].invoked > rows[vertex as usize].invoked {
                newest[vertex as usize] = before;
            }
        }
        let newest = newest[vertex as usize];
        (rows[newest as usize].invoked > rows[vertex as usize].completed).then_some((newest, vertex))
    })
}

/// A cycle of causal order and one step of real time.
fn prove_return_from_future(
    problem: &CausalProblem<'_>,
    causal: &OrderedGraph,
    later: u32,
    earlier: u32,
) -> Contradiction {
    let mut prover = Prover::new(problem, &causal.graph, &[]);
    let mut cycle = prover.find_path(later, earlier, 1, |_| true);
    cycle.push(Edge { from: earlier, to: later, label: REAL_TIME });
    prover.to_contradiction(None, &cycle, &BTreeMap::new())
}

/// One order of all operations that took effect.
pub(super) fn single_order(problem: &CausalProblem<'_>, order: &[u32]) -> CausalOrders {
    let happened = order.iter().filter(|&&vertex| problem.took_effect(vertex));
    let operations = happened.map(|&vertex| problem.facts.rows[vertex as usize].op).collect();
    let order = SessionSerialization { session: None, key: None, operations };
    CausalOrders { orders: vec![order], returned: Vec::new() }
}
