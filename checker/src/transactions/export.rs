//! The dependencies of a history as a [`petgraph`] graph whose edges carry their reasons, for use with any graph
//! algorithm.
//!
//! The engines use flat rows of `u32`, because a history of ten million transactions is a graph of ten million
//! vertices. Recursive algorithms, such as petgraph's Tarjan, overflow the stack where a session is a long chain. For
//! smaller graphs this module provides the same graph in a widely known type. Tests compare the engines' components
//! and cycles with it.

use super::findings::AnomalyCollector;
use super::graph::DependencyStep;
use super::graph::EdgeKinds;
use super::index::TransactionIndex;
use super::why::EdgeExplainer;
use super::{dependencies as edges, versions};
use claims::{Assume, CycleFamily, DependencyReason, Limits, OrderExtent};
use histories::{History, Id, KeyId, OpId};
use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::FxHashMap;

/// The direct serialization graph of a history (Adya 1999, definition 3.7), as far as it is known. A node is a
/// committed transaction; an edge is a dependency with its reason.
///
/// Session order and real-time order are thinned: a transaction has edges only to those successors with no other
/// transaction in between. The rest follows by transitivity. Cost: O(edges), plus, for each transaction, the number
/// of transactions that overlap it. The graph is empty if the stop flag of `limits` is set.
///
/// ```
/// use checker::{Assume, DependencyReason, Limits, transactions::dependencies};
/// // Two transactions that each missed what the other wrote: write skew.
/// let history = histories::notation::parse("
///     a: [t rx_ wy1]
///     b:  [t ry_ wx1]
/// ").unwrap();
/// let graph = dependencies(&history, Assume::default(), &Limits::unbounded());
/// assert_eq!((graph.node_count(), graph.edge_count()), (2, 2));
/// assert!(graph.edge_weights().all(|why| matches!(why, DependencyReason::Missed { .. })));
/// assert_eq!(petgraph::algo::kosaraju_scc(&graph).len(), 1);
/// ```
pub fn dependencies(
    history: &History,
    assume: Assume,
    limits: &Limits<'_>,
) -> DiGraph<OpId, DependencyReason> {
    let mut graph = DiGraph::new();
    let index = TransactionIndex::new(history, limits);
    let orders = versions::find_version_orders(
        &index,
        assume.applicable_to(history),
        &mut AnomalyCollector::default(),
        limits,
    );
    let rows = edges::build_dependency_graph(&index, &orders, OrderExtent::Data, CycleFamily::G2, limits);
    if limits.stop_requested() {
        return graph;
    }
    let committed: Vec<u32> = (0..rows.operation_count()).filter(|&op| index.is_committed(op)).collect();
    let nodes: FxHashMap<u32, NodeIndex> =
        committed.iter().map(|&op| (op, graph.add_node(OpId::from_raw(op)))).collect();
    let explainer = EdgeExplainer { index: &index, orders: &orders };
    let data = super::cycles::edge_kinds_for(CycleFamily::G2, OrderExtent::Data);
    for &from in &committed {
        for (to, kind, key) in targets_through_helpers(&rows, from, data) {
            if let (Some(&node), true) = (nodes.get(&to), to != from) {
                let why = explainer.explain_dependency(DependencyStep { from, to, kind, key }).why;
                graph.add_edge(nodes[&from], node, why);
            }
        }
    }
    if history.has_real_time() {
        let all: Vec<OpId> = committed.iter().map(|&op| OpId::from_raw(op)).collect();
        add_interval_order(history, &all, &nodes, &DependencyReason::RealTime, &mut graph);
    }
    let mut by_session: FxHashMap<u32, Vec<OpId>> = FxHashMap::default();
    for id in committed.iter().map(|&op| OpId::from_raw(op)) {
        by_session.entry(history.session(id).index() as u32).or_default().push(id);
    }
    let mut sessions: Vec<(u32, Vec<OpId>)> = by_session.into_iter().collect();
    sessions.sort_unstable_by_key(|session| session.0);
    for (_, members) in &sessions {
        add_interval_order(history, members, &nodes, &DependencyReason::Session, &mut graph);
    }
    graph
}

/// The targets of a transaction's edges, followed through helpers. Each target comes with the kind and the key of the
/// edge that left the transaction.
fn targets_through_helpers(
    rows: &super::graph::DependencyGraph,
    from: u32,
    kinds: EdgeKinds,
) -> Vec<(u32, EdgeKinds, KeyId)> {
    let mut found = Vec::new();
    let mut todo: Vec<(u32, Option<(EdgeKinds, KeyId)>)> = vec![(from, None)];
    let mut seen = vec![from];
    while let Some((vertex, led)) = todo.pop() {
        let mut cursor = 0;
        while let Some((arc, next)) = rows.next_arc(vertex, cursor, kinds) {
            cursor = next;
            let (kind, key) = led.unwrap_or((arc.kind, arc.key));
            if rows.is_operation(arc.to) {
                found.push((arc.to, kind, key));
            } else if !seen.contains(&arc.to) {
                seen.push(arc.to);
                todo.push((arc.to, Some((kind, key))));
            }
        }
    }
    found
}

/// Adds the interval order of some transactions, which are sorted by invocation. Each has edges to those that begin
/// after it completed, up to the first completion among these.
fn add_interval_order(
    history: &History,
    members: &[OpId],
    nodes: &FxHashMap<u32, NodeIndex>,
    why: &DependencyReason,
    graph: &mut DiGraph<OpId, DependencyReason>,
) {
    for &id in members {
        let op = history.operation(id);
        if op.outcome != histories::Outcome::Ok {
            continue;
        }
        let first = members.partition_point(|&other| history.operation(other).invoked < op.completed);
        let mut earliest = histories::NEVER;
        for &other in &members[first..] {
            let later = history.operation(other);
            if later.invoked > earliest {
                break;
            }
            graph.add_edge(nodes[&id.raw()], nodes[&other.raw()], why.clone());
            if later.outcome == histories::Outcome::Ok {
                earliest = earliest.min(later.completed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transactions::graph::{DependencyComponents, GraphScope};
    use histories::notation::parse;

    /// The engines' components equal those of petgraph on the exported graph, for drawings with every kind of edge.
    #[test]
    fn the_engines_components_are_those_of_petgraph() {
        let drawings = [
            "a: [t rx_ wy1]\nb:  [t ry_ wx1]",
            "a: [t ax1] [t ax2 ry()]\nb:  [t rx(1) ay1] [t rx(1,2) ry(1)]",
            // The drawing has no register whose version order only real time shows: the export leaves such edges out.
            "a: [t wx1] [t rx1]\nb: [t wy2 ] [t ry2]",
            "a: [t ax1 ] [t ax2  ]       [t ax3 ]\nb:   [t ax4   !  [t ax5 ?\nc:     [t ax6 ][t rx(1,2)]",
        ];
        for drawing in drawings {
            let history = parse(drawing).expect("a drawing");
            let limits = Limits::unbounded();
            let graph = dependencies(&history, Assume::default(), &limits);
            let mut theirs: Vec<Vec<u32>> = petgraph::algo::kosaraju_scc(&graph)
                .into_iter()
                .filter(|component| component.len() > 1)
                .map(|component| component.into_iter().map(|node| graph[node].raw()).collect())
                .collect();
            let index = TransactionIndex::new(&history, &limits);
            let orders = versions::find_version_orders(
                &index,
                Assume::default(),
                &mut AnomalyCollector::default(),
                &limits,
            );
            let rows = edges::build_dependency_graph(
                &index,
                &orders,
                OrderExtent::RealTime,
                CycleFamily::G2,
                &limits,
            );
            let kinds = EdgeKinds(
                EdgeKinds::WW.0
                    | EdgeKinds::INDETERMINATE.0
                    | EdgeKinds::WR.0
                    | EdgeKinds::RW.0
                    | EdgeKinds::TIME.0
                    | EdgeKinds::SESSION.0
                    | EdgeKinds::THROUGH.0,
            );
            let scope = GraphScope { kinds, within: None, nonadjacent: false, stop: limits.stop };
            let components = DependencyComponents::find_from_roots(&rows, scope, 0..rows.operation_count());
            let mut by_number: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
            for op in (0..rows.operation_count()).filter(|&op| index.is_committed(op)) {
                by_number.entry(components.number[op as usize]).or_default().push(op);
            }
            let mut ours: Vec<Vec<u32>> =
                by_number.into_values().filter(|component| component.len() > 1).collect();
            for all in [&mut ours, &mut theirs] {
                all.iter_mut().for_each(|component| component.sort_unstable());
                all.sort();
            }
            assert_eq!(ours, theirs, "{drawing}");
        }
    }
}
