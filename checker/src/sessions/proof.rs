//! From a cycle of vertices to versions that contradict each other, with a reason for every step.
//!
//! Helper vertices stand for no operation and must not be seen: a walk from a version through helpers to the
//! next version is one constraint. The operations that it follows from are on its first edge (`a`, which
//! completed) and on its last (`b`, which was invoked later); which guarantee it is, the kind of the helpers
//! and the strictness of the last edge tell.

use super::guarantees::Guarantees;
use super::objects::SessionObject;
use super::version_graph::{VersionGraph, VertexKind, is_strict, operation_of_label};
use crate::graph::{Components, Csr, CycleSearch, Edge, WalkAutomaton};
use claims::{ConstraintReason, Level, VersionConstraint};

/// Edges looked at for shorter cycles, an object, once each component has one.
const SHORTER_STEPS_MAX: u64 = 2_000_000;

/// Closed walks that no order of versions allows: through another version, or over a strict edge.
pub(super) struct ContradictionWalk<'a> {
    pub(super) start: u32,
    pub(super) version_count: u32,
    /// The component of each vertex; walks stay in that of their start.
    pub(super) component: Option<&'a [u32]>,
}

impl WalkAutomaton for ContradictionWalk<'_> {
    const STATES: usize = 2;

    fn step(&self, state: u8, edge: Edge) -> Option<u8> {
        if let Some(component) = self.component
            && component[edge.to as usize] != component[self.start as usize]
        {
            return None;
        }
        let other = edge.to < self.version_count && edge.to != self.start;
        Some(state | u8::from(other || is_strict(edge.label)))
    }

    fn counts_edge(&self, edge: Edge) -> bool {
        edge.to < self.version_count
    }

    fn accepts_state(&self, state: u8) -> bool {
        state == 1
    }
}

/// A walk around a component, the shortest that was found, and whether all starts were tried.
pub(super) struct FoundContradiction {
    pub(super) walk: Vec<Edge>,
    pub(super) shortest: bool,
}

/// The shortest contradiction in each of the components that have one, up to `limit` of them.
///
/// The first walk of a component is found in O(E); then all other starts are tried, within a budget. One stale
/// read of a long history ties most of it into one component, so the first start is the version that was read
/// longest after it was written: the shortest cycle through it mostly is the shortest of all.
pub(super) fn find_contradictions(
    object: &SessionObject<'_>,
    graph: &VersionGraph,
    csr: &Csr,
    components: Components,
    bad: &[u32],
    limit: usize,
) -> Vec<FoundContradiction> {
    let (starts, members) = components.members();
    let mut component = components.of;
    let staleness = measure_staleness(object, graph, &component);
    let mut memory = CycleSearch::new(graph.vertex_count(), ContradictionWalk::STATES);
    let mut budget = SHORTER_STEPS_MAX;
    let one = |&bad: &u32| {
        let range = starts[bad as usize] as usize..starts[bad as usize + 1] as usize;
        let mut versions: Vec<u32> =
            members[range].iter().copied().filter(|&vertex| vertex < graph.version_count).collect();
        versions.sort_by_key(|&version| std::cmp::Reverse(staleness[version as usize]));
        let mut best: Option<Vec<Edge>> = None;
        for &start in &versions {
            if best.is_some() && budget == 0 {
                break;
            }
            let walk =
                ContradictionWalk { start, version_count: graph.version_count, component: Some(&component) };
            let bound = best.as_ref().map_or(u32::MAX, |best| walk_length(graph, best));
            let mut unlimited = u64::MAX;
            let budget = if best.is_some() { &mut budget } else { &mut unlimited };
            best = memory.shortest_through(csr, &walk, start, bound, budget).or(best);
            // All cycles through this version are known: the others need not pass it again.
            component[start as usize] = u32::MAX;
        }
        FoundContradiction {
            walk: best.expect("each component here has a contradiction"),
            shortest: budget > 0,
        }
    };
    bad.iter().take(limit).map(one).collect()
}

/// Of each version, how many operations were invoked between its write and the last read that its component
/// has of it.
fn measure_staleness(object: &SessionObject<'_>, graph: &VersionGraph, component: &[u32]) -> Vec<u32> {
    let mut staleness = vec![0; graph.version_count as usize];
    for edge in graph.edges.iter().filter(|edge| edge.to < graph.version_count) {
        if component[edge.from as usize] == component[edge.to as usize]
            && let Some(reader) = operation_of_label(edge.label)
        {
            let writer = object.writer(edge.to).map_or(0, |op| op.raw());
            let stale = &mut staleness[edge.to as usize];
            *stale = (*stale).max(reader.raw().saturating_sub(writer));
        }
    }
    staleness
}

fn walk_length(graph: &VersionGraph, walk: &[Edge]) -> u32 {
    walk.iter().filter(|edge| edge.to < graph.version_count).count() as u32
}

/// A closed walk that starts at a version, as constraints between versions; the one that a user notices first first.
pub(super) fn walk_to_constraints(
    object: &SessionObject<'_>,
    graph: &VersionGraph,
    guarantees: Guarantees,
    walk: &[Edge],
) -> Vec<VersionConstraint> {
    let is_version = |vertex: u32| graph.vertex_kind(vertex) == VertexKind::Version;
    debug_assert!(is_version(walk[0].from) && walk[walk.len() - 1].to == walk[0].from);
    let segments = walk.split_inclusive(|edge| is_version(edge.to));
    let mut constraints: Vec<VersionConstraint> = segments
        .map(|segment| {
            let (first, last) = (segment[0], segment[segment.len() - 1]);
            let reason = constraint_reason(graph, guarantees, first, last);
            VersionConstraint { from: object.writer(first.from), to: object.writer(last.to), reason }
        })
        .collect();
    let ranks = constraints.iter().map(|constraint| notice_rank(&constraint.reason));
    let first = ranks.enumerate().min_by_key(|&(_, rank)| rank).map_or(0, |(at, _)| at);
    constraints.rotate_left(first);
    constraints
}

fn constraint_reason(
    graph: &VersionGraph,
    guarantees: Guarantees,
    first: Edge,
    last: Edge,
) -> ConstraintReason {
    let kind = graph.vertex_kind(first.to);
    let Some(a) = operation_of_label(first.label) else { return ConstraintReason::Initial };
    if kind == VertexKind::Version {
        return ConstraintReason::CompareAndSet { op: a };
    }
    let b = operation_of_label(last.label).expect("an edge into a version names an operation");
    let guarantee = |guarantee| ConstraintReason::SessionOrder { guarantee, a, b };
    match (kind, is_strict(last.label)) {
        (VertexKind::SessionRead, false) => guarantee(Level::MonotonicReads),
        (VertexKind::SessionRead, true) => guarantee(Level::WritesFollowReads),
        (VertexKind::SessionWrote, false) => guarantee(Level::ReadYourWrites),
        (VertexKind::SessionWrote, true) if guarantees.monotonic_writes => guarantee(Level::MonotonicWrites),
        (VertexKind::SessionWrote, true) => ConstraintReason::SessionWrites { a, b },
        (VertexKind::EveryoneWrote, _) => ConstraintReason::RealTimeWrites { a, b },
        (VertexKind::Token, _) => ConstraintReason::Token { a, b },
        (VertexKind::Version, _) => unreachable!("told apart above"),
    }
}

/// How soon a user notices: a read that went back before a write that did, and what no session did last.
fn notice_rank(reason: &ConstraintReason) -> u8 {
    match reason {
        ConstraintReason::SessionOrder { guarantee: Level::ReadYourWrites, .. } => 0,
        ConstraintReason::SessionOrder { guarantee: Level::MonotonicReads, .. } => 1,
        ConstraintReason::SessionOrder { guarantee: Level::WritesFollowReads, .. } => 2,
        ConstraintReason::SessionOrder { .. } => 3,
        _ => 4,
    }
}
