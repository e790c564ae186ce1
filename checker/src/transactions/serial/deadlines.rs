//! When each vertex should be placed at the latest: the guess by which the search for a serial order begins. No verdict depends on it.
//!
//! A store usually commits in the order in which it answers. So a transaction is due when the first transaction completes that must
//! come after it. A history that was recorded session by session has no real time, and its events stand in the order of the file, often one
//! session after another. Then a vertex is due in the middle between its earliest and its latest place: the longest path that leads
//! to it, and the longest path from it to the end.

use super::super::graph::{DependencyComponents, DependencyGraph, EdgeKinds, GraphScope};
use super::super::index::NONE;
use claims::Limits;

/// The vertices of a graph without cycles, each after all its successors. `None` if the check was stopped.
pub(super) fn order_sinks_first(
    graph: &DependencyGraph,
    kinds: EdgeKinds,
    limits: &Limits<'_>,
) -> Option<Vec<u32>> {
    let scope = GraphScope { kinds, within: None, nonadjacent: false, stop: limits.stop };
    let components = DependencyComponents::find_from_roots(graph, scope, 0..graph.vertex_count() as u32);
    if limits.stop_requested() {
        return None;
    }
    debug_assert!(components.nontrivial.is_empty(), "the caller has excluded cycles");
    // Without cycles every vertex is a component of its own, and components close in order, sinks first.
    let mut sinks_first = vec![NONE; components.count as usize];
    for (vertex, &number) in (0u32..).zip(&components.number) {
        sinks_first[number as usize] = vertex;
    }
    Some(sinks_first)
}

/// The deadline of each vertex: the earliest completion among the vertex and its successors. Returns `None` if the
/// check was stopped.
pub(super) fn deadlines_by_completion(
    graph: &DependencyGraph,
    kinds: EdgeKinds,
    sinks_first: &[u32],
    completions: Vec<u32>,
    limits: &Limits<'_>,
) -> Option<Vec<u32>> {
    let mut deadlines = completions;
    for (at, &vertex) in sinks_first.iter().enumerate() {
        if at & 0xfff == 0 && limits.stop_requested() {
            return None;
        }
        for to in successors(graph, vertex, kinds) {
            deadlines[vertex as usize] = deadlines[vertex as usize].min(deadlines[to as usize]);
        }
    }
    Some(deadlines)
}

/// The deadline of each vertex where nothing tells when it completed, on the scale of event numbers. Returns `None` if the check was
/// stopped.
pub(super) fn deadlines_by_depth(
    graph: &DependencyGraph,
    kinds: EdgeKinds,
    sinks_first: &[u32],
    limits: &Limits<'_>,
) -> Option<Vec<u32>> {
    let count = graph.vertex_count();
    let (mut before, mut behind) = (vec![0_u32; count], vec![0_u32; count]);
    for (at, (&first, &last)) in sinks_first.iter().rev().zip(sinks_first).enumerate() {
        if at & 0xfff == 0 && limits.stop_requested() {
            return None;
        }
        for to in successors(graph, first, kinds) {
            before[to as usize] = before[to as usize].max(before[first as usize] + 1);
        }
        for to in successors(graph, last, kinds) {
            behind[last as usize] = behind[last as usize].max(behind[to as usize] + 1);
        }
    }
    let middle = |vertex: u32| i64::from(before[vertex as usize]) - i64::from(behind[vertex as usize]);
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by_key(|&vertex| middle(vertex));
    let mut deadlines = vec![0; count];
    for (place, vertex) in (0_u32..).zip(order) {
        deadlines[vertex as usize] = place.saturating_mul(2);
    }
    Some(deadlines)
}

fn successors(graph: &DependencyGraph, vertex: u32, kinds: EdgeKinds) -> impl Iterator<Item = u32> {
    let mut cursor = 0;
    std::iter::from_fn(move || {
        let (arc, next) = graph.next_arc(vertex, cursor, kinds)?;
        cursor = next;
        Some(arc.to)
    })
}
