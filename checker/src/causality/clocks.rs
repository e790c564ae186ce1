//! What precedes each operation: one number a lane.
//!
//! The past of an operation is closed under session order, and a lane is ordered by it: so the past is a prefix of each
//! lane, and its length says all. In topological order each operation takes the greatest of what its predecessors have.
//!
//! Cost: O(lanes · (V + E)) time, 4 · lanes · V bytes: the caller sees to it that they may be had.
//!
//! Fidge, *Timestamps in message-passing systems that preserve the partial ordering*, ACSC 1988; Mattern, *Virtual time
//! and global states of distributed systems*, 1989.

use super::problem::CausalProblem;
use crate::graph::{Components, Csr, Edge, Graph};

/// A graph without cycles, its vertices in topological order.
pub(super) struct OrderedGraph {
    pub(super) graph: Csr,
    pub(super) order: Vec<u32>,
}

/// The components of a graph that has a cycle.
pub(super) struct CyclicGraph {
    pub(super) graph: Csr,
    pub(super) components: Components,
}

/// Puts vertices in an order that every edge follows. O(V + E).
pub(super) fn order_topologically(vertex_count: usize, edges: &[Edge]) -> Result<OrderedGraph, CyclicGraph> {
    let graph = Csr::new(vertex_count, edges);
    let components = Components::new(&graph);
    if (components.count as usize) < vertex_count {
        return Err(CyclicGraph { graph, components });
    }
    let mut order = vec![0; vertex_count];
    for (vertex, &place) in (0u32..).zip(&components.of) {
        order[place as usize] = vertex;
    }
    Ok(OrderedGraph { graph, order })
}

/// Of each operation the lengths of the prefixes that precede it, itself included.
pub(super) struct LaneClocks {
    lanes: usize,
    counts: Vec<u32>,
}

impl LaneClocks {
    /// Bytes that the clocks of a problem take.
    pub(super) fn bytes_needed(problem: &CausalProblem<'_>) -> usize {
        problem.vertex_count().saturating_mul(problem.lanes.len()).saturating_mul(4)
    }

    pub(super) fn new(problem: &CausalProblem<'_>, ordered: &OrderedGraph) -> Self {
        let lanes = problem.lanes.len();
        let mut counts = vec![0u32; problem.vertex_count() * lanes];
        let mut own = vec![0u32; lanes];
        for &vertex in ordered.order.iter().filter(|&&vertex| problem.took_effect(vertex)) {
            let at = vertex as usize * lanes;
            counts[at + problem.lane[vertex as usize] as usize] = problem.place[vertex as usize] + 1;
            own.copy_from_slice(&counts[at..at + lanes]);
            for edge in ordered.graph.edges(vertex) {
                let to = edge.to as usize * lanes;
                let theirs = &mut counts[to..to + lanes];
                theirs.iter_mut().zip(&own).for_each(|(theirs, &own)| *theirs = own.max(*theirs));
            }
        }
        Self { lanes, counts }
    }

    /// How much of each lane precedes an operation, itself included.
    pub(super) fn prefix_lengths(&self, vertex: u32) -> &[u32] {
        &self.counts[vertex as usize * self.lanes..(vertex as usize + 1) * self.lanes]
    }

    /// Whether `a` precedes `b`, or is `b`.
    pub(super) fn precedes(&self, problem: &CausalProblem<'_>, a: u32, b: u32) -> bool {
        self.counts[b as usize * self.lanes + problem.lane[a as usize] as usize] > problem.place[a as usize]
    }

    /// Of the writes of one lane, in order, the last that precedes an operation and is not the operation itself.
    pub(super) fn last_write_before(
        &self,
        problem: &CausalProblem<'_>,
        writes: &[u32],
        lane: u32,
        vertex: u32,
    ) -> Option<u32> {
        let mut length = self.prefix_lengths(vertex)[lane as usize];
        if problem.lane[vertex as usize] == lane {
            length = problem.place[vertex as usize];
        }
        let before = writes.partition_point(|&write| problem.place[write as usize] < length);
        before.checked_sub(1).map(|at| writes[at])
    }

    /// Of the writes of one lane, in order, the first that comes after an operation and is not the operation itself.
    pub(super) fn first_write_after(
        &self,
        problem: &CausalProblem<'_>,
        writes: &[u32],
        vertex: u32,
    ) -> Option<u32> {
        let at = writes.partition_point(|&write| write == vertex || !self.precedes(problem, vertex, write));
        // The operation itself may be among them: what comes before it does not come after it.
        writes.get(at).copied()
    }
}
