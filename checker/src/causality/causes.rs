//! Terry's *writes follow reads* of the whole database: what a session had read comes before what it then writes, on all objects.
//!
//! Each server has a set of the writes, and one order of all writes that all servers share. If a session reads the write `u` and then
//! writes `v`, every server that has `v` also has `u`, before `v`. A read may come from a server that has only its own write and what
//! this rule demands, and all of that is before its write. So the rule is violated exactly if the order has a cycle: from each write to
//! its readers, and from a read to the later reads and writes of its session. Unlike in causal order, a write of a session does not
//! precede the session's next one.
//!
//! Cost: O(n) times the number of operations that a session has in flight at once.
//!
//! Terry et al., *Session guarantees for weakly consistent replicated data*, PDIS 1994.

use super::clocks::order_topologically;
use super::outcome::{AssignmentOutcome, CausalOutcome, LIMIT};
use super::paths::{Prover, shortest_cycle_per_component};
use super::problem::{CausalProblem, SESSION};
use super::weak::{refutation_from, single_order};
use crate::graph::Edge;
use rustc_hash::FxHashMap;

/// Decides `database-writes-follow-reads`.
pub(super) fn check_causes(problem: &CausalProblem<'_>) -> AssignmentOutcome {
    let mut edges: Vec<Edge> = problem.read_edges(|_| true).collect();
    edges.extend(edges_from_reads(problem));
    match order_topologically(problem.vertex_count(), &edges) {
        Ok(ordered) => CausalOutcome::Explained(single_order(problem, &ordered.order)),
        Err(cyclic) => {
            let mut prover = Prover::new(problem, &cyclic.graph, &[]);
            let cycles = shortest_cycle_per_component(&cyclic.graph, cyclic.components, LIMIT);
            refutation_from(cycles.iter().map(|cycle| prover.prove_contradiction(None, cycle)))
        }
    }
}

/// From the last read of each lane of a session that completed before an operation of the session, to that operation.
fn edges_from_reads(problem: &CausalProblem<'_>) -> Vec<Edge> {
    let rows = &problem.facts.rows;
    let mut reads_of_lane: FxHashMap<u32, FxHashMap<u32, Vec<u32>>> = FxHashMap::default();
    let mut edges = Vec::new();
    for vertex in (0..problem.vertex_count() as u32).filter(|&vertex| problem.took_effect(vertex)) {
        let row = &rows[vertex as usize];
        let lanes = reads_of_lane.entry(row.session_number).or_default();
        for reads in lanes.values() {
            let before = reads.partition_point(|&read| rows[read as usize].completed < row.invoked);
            let last = before.checked_sub(1).map(|at| reads[at]);
            edges.extend(last.map(|from| Edge { from, to: vertex, label: SESSION }));
        }
        if problem.is_known_read(vertex) {
            lanes.entry(problem.lane[vertex as usize]).or_default().push(vertex);
        }
    }
    edges
}
