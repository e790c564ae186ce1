//! How far the analysis looks: the deepest family of cycles that matters, and the components in which such cycles lie.

use super::cycles;
use super::graph::{DependencyComponents, DependencyGraph, EdgeKinds, GraphScope};
use super::index::TransactionIndex;
use claims::{CycleFamily, CycleKind, IsolationLevel, Limits, OrderExtent, Phenomenon, levels_ruled_out_by};

/// The deepest family of cycles that can rule out any of these levels. The analysis does not search for deeper ones.
pub(super) fn deepest_relevant_family(levels: &[IsolationLevel]) -> CycleFamily {
    let beyond = [CycleFamily::GSingle, CycleFamily::GNonadjacent, CycleFamily::G2].into_iter();
    let kinds = beyond.flat_map(|family| OrderExtent::ALL.map(|extent| CycleKind { family, extent }));
    let concerns = |kind: CycleKind| {
        let ruled_out = levels_ruled_out_by(Phenomenon::Cycle(kind));
        levels.iter().any(|&level| ruled_out.contains(level))
    };
    if levels.is_empty() || kinds.into_iter().any(concerns) { CycleFamily::G2 } else { CycleFamily::G1c }
}

/// The components of the whole graph. The real-time edges do not include what session order implies about registers,
/// so session edges are added: a cycle through them must lie within these components too.
pub(super) fn find_widest_components(
    index: &TransactionIndex<'_>,
    graph: &DependencyGraph,
    deepest: CycleFamily,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> DependencyComponents {
    let mut kinds = cycles::edge_kinds_for(deepest, extent);
    if extent == OrderExtent::RealTime && index.has_registers() {
        kinds = kinds.union(EdgeKinds::SESSION);
    }
    let scope = GraphScope { kinds, within: None, nonadjacent: false, stop: limits.stop };
    DependencyComponents::find_from_roots(graph, scope, 0..graph.operation_count())
}

/// The components of the graph with the edges of one family and one extent.
pub(super) fn find_components(
    graph: &DependencyGraph,
    family: CycleFamily,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> DependencyComponents {
    let kinds = cycles::edge_kinds_for(family, extent);
    let scope = GraphScope { kinds, within: None, nonadjacent: false, stop: limits.stop };
    DependencyComponents::find_from_roots(graph, scope, 0..graph.operation_count())
}
