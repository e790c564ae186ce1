//! Real time, for `ordered-sequential`: each operation comes before each *ordered* operation that was invoked after it had completed.
//! Ordered are the writes and the operations that declare so (`OperationRow::is_ordered`).
//!
//! Real time is an interval order, so most of its edges follow from others. Let `w` be an ordered operation, and `t` the latest
//! invocation of an ordered one that completed before `w` was invoked. An operation that completed before `t` precedes that one, and that
//! one precedes `w`. Of the other operations, only the last one of each lane needs an edge to `w`.
//!
//! Cost: O(n log n), and O(lanes) for each ordered operation.

use super::clocks::LaneClocks;
use super::outcome::Effort;
use super::problem::{CausalProblem, REAL_TIME};
use crate::graph::Edge;
use claims::Limits;

/// The edges from each operation to the ordered operations that came after it in real time, without most of those that follow from
/// others and from session order. Fails with a reason if a limit is reached.
pub(super) fn real_time_edges(
    problem: &CausalProblem<'_>,
    limits: &Limits<'_>,
    effort: &mut Effort,
) -> Result<Vec<Edge>, String> {
    let rows = &problem.facts.rows;
    // Position, whether it is a completion, and the vertex.
    let mut events: Vec<(u32, bool, u32)> = Vec::with_capacity(rows.len() * 2);
    for vertex in (0..rows.len() as u32).filter(|&vertex| problem.took_effect(vertex)) {
        let row = &rows[vertex as usize];
        events.push((row.invoked, false, vertex));
        if row.is_ok() {
            events.push((row.completed, true, vertex));
        }
    }
    events.sort_unstable();
    let held = LaneClocks::bytes_needed(problem)
        .saturating_add(problem.vertex_count().saturating_mul(super::BYTES_PER_OPERATION));
    let mut edges = Vec::new();
    // The operation of each lane that completed last, and the latest invocation of a completed ordered one.
    let mut last_of_lane: Vec<Option<u32>> = vec![None; problem.lanes.len()];
    let mut newest_ordered = 0;
    for (_, is_completion, vertex) in events {
        let row = &rows[vertex as usize];
        if is_completion {
            last_of_lane[problem.lane[vertex as usize] as usize] = Some(vertex);
            if row.is_ordered {
                newest_ordered = row.invoked.max(newest_ordered);
            }
            continue;
        }
        if !row.is_ordered {
            continue;
        }
        effort.spend(last_of_lane.len(), limits)?;
        let before = last_of_lane.iter().flatten().copied();
        let counts = |&from: &u32| rows[from as usize].completed >= newest_ordered;
        let to = vertex;
        edges.extend(before.filter(counts).map(|from| Edge { from, to, label: REAL_TIME }));
        let bytes = edges.len().saturating_mul(BYTES_PER_EDGE).saturating_add(held);
        if bytes > limits.bytes {
            return Err(super::memory_limit_reason(bytes, limits));
        }
    }
    Ok(edges)
}

/// The memory for an edge: here, among the edges of the order, and in the graph.
const BYTES_PER_EDGE: usize = 3 * size_of::<Edge>();

/// Whether no ordered operation comes in the order before an operation that completed before it was invoked. O(n).
pub(super) fn keeps_real_time(problem: &CausalProblem<'_>, order: &[u32]) -> bool {
    let mut newest_ordered = 0;
    order.iter().all(|&vertex| {
        let row = &problem.facts.rows[vertex as usize];
        let in_time = row.completed >= newest_ordered;
        if row.is_ordered {
            newest_ordered = row.invoked.max(newest_ordered);
        }
        in_time
    })
}
