//! Orders that prove a level. They are found by trying; the verifier replays them before they count.
//!
//! *Snapshots, for lists.* Snapshot isolation gives each transaction two points, begin and commit (Cerone & Gotsman
//! 2016). A dependency leads from a commit point to a begin point, an anti-dependency from a begin point to a commit
//! point. If the version order is total, this graph has an order exactly if every cycle of dependencies has two
//! adjacent anti-dependencies. Appends that no read shows are ordered by completion; appends of transactions that
//! read the key come first.

use super::cycles::edge_kinds_for;
use super::graph::{
    DependencyComponents, DependencyEdge, DependencyGraph, DependencyGraphBuilder, EdgeKinds, GraphScope,
};
use super::index::{KeyShape, TransactionIndex};
use super::key_facts::{outside_reads, unlisted_appenders};
use claims::{CycleFamily, Limits, OrderExtent, TransactionPoint};
use histories::{KeyId, OpId};
use std::cmp::Reverse;

/// An order of begin and commit points. `None` if there are registers, or if no such order exists with the order that
/// was chosen for the appends that no read shows.
pub(crate) fn find_list_snapshots(
    index: &TransactionIndex<'_>,
    graph: &DependencyGraph,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> Option<Vec<TransactionPoint>> {
    let register = |key| index.key(key).shape == KeyShape::Register && !index.versions(key).is_empty();
    if index.key_ids().any(register) {
        return None;
    }
    let count = index.history.len() as u32;
    let mut builder = build_point_graph(graph, extent, limits);
    for key in index.key_ids() {
        order_unlisted_appends(index, key, count, &mut builder);
    }
    let points = builder.into_graph(None, limits);
    let scope = GraphScope { kinds: EdgeKinds(u8::MAX), within: None, nonadjacent: false, stop: limits.stop };
    let components = DependencyComponents::find_from_roots(&points, scope, 0..2 * count);
    if !components.nontrivial.is_empty() || limits.stop_requested() {
        return None;
    }
    let mut order: Vec<u32> = (0..2 * count).collect();
    order.sort_unstable_by_key(|&point| Reverse(components.number[point as usize]));
    let committed = order.into_iter().filter(|&point| index.is_committed(point % count));
    let name = |point: u32| match point < count {
        true => TransactionPoint::Begin(OpId::from_raw(point)),
        false => TransactionPoint::Commit(OpId::from_raw(point - count)),
    };
    Some(committed.map(name).collect())
}

/// The graph of points: begin points, commit points, then the helpers and moments of the dependency graph.
fn build_point_graph(
    graph: &DependencyGraph,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> DependencyGraphBuilder {
    let count = graph.operation_count();
    let mut builder = DependencyGraphBuilder::new(2 * count as usize, 4 * count as usize);
    for _ in count..graph.vertex_count() as u32 {
        builder.add_helper();
    }
    let kinds = edge_kinds_for(CycleFamily::G2, extent);
    // Anti-dependencies lead from a begin point to a commit point, all other edges from a commit point to a begin
    // point. For lists, only anti-dependencies go through helpers.
    for vertex in 0..graph.vertex_count() as u32 {
        if vertex & 0xfff == 0 && limits.stop_requested() {
            break;
        }
        if graph.is_operation(vertex) {
            builder.add_edge(vertex, vertex + count, EdgeKinds::THROUGH, KeyId::NONE);
        }
        let mut cursor = 0;
        while let Some((arc, next)) = graph.next_arc(vertex, cursor, kinds) {
            cursor = next;
            // What order alone tells follows from the rest, by way of the transactions that tell it.
            if arc.kind.intersects(EdgeKinds::RW)
                && arc.kind.intersects(EdgeKinds::SESSION.union(EdgeKinds::TIME))
            {
                continue;
            }
            let anti = arc.kind.intersects(EdgeKinds::RW.union(EdgeKinds::THROUGH));
            let from = match graph.is_operation(vertex) {
                true if anti => vertex,
                _ => vertex + count,
            };
            let to = match graph.is_operation(arc.to) {
                true if !anti => arc.to,
                _ => arc.to + count,
            };
            builder.add_edge(from, to, arc.kind, arc.key);
        }
    }
    builder
}

/// The graph of points for a search, with the implied order of pairs of transactions: the first commits before the
/// second begins. `None` if the graph has a cycle, or if the check was stopped.
pub(crate) fn graph_of_points(
    graph: &DependencyGraph,
    extent: OrderExtent,
    implied: &[DependencyEdge],
    limits: &Limits<'_>,
) -> Option<DependencyGraph> {
    let mut builder = build_point_graph(graph, extent, limits);
    for edge in implied {
        builder.add_edge(edge.from + graph.operation_count(), edge.to, edge.kind, edge.key);
    }
    let points = builder.into_graph(None, limits);
    let scope = GraphScope { kinds: EdgeKinds(u8::MAX), within: None, nonadjacent: false, stop: limits.stop };
    let components = DependencyComponents::find_from_roots(&points, scope, 0..points.operation_count());
    (components.nontrivial.is_empty() && !limits.stop_requested()).then_some(points)
}

fn order_unlisted_appends(
    index: &TransactionIndex<'_>,
    key: KeyId,
    count: u32,
    builder: &mut DependencyGraphBuilder,
) {
    let mut unlisted = unlisted_appenders(index, key);
    if unlisted.len() < 2 {
        return;
    }
    let readers: Vec<u32> = outside_reads(index, key).map(|(touch, _)| touch.op).collect();
    unlisted.sort_by_key(|&op| {
        let operation = index.history.operation(index.op_id(op));
        (readers.binary_search(&op).is_err(), operation.completed, op)
    });
    for pair in unlisted.windows(2) {
        builder.add_edge(pair[0] + count, pair[1], EdgeKinds::THROUGH, key);
    }
}
