//! The graph of dependencies between transactions: flat arrays, walked without recursion.
//!
//! A vertex is an operation of the history, or a *helper* that stands for many edges at once. Real-time order has a
//! pair for almost every two transactions, which is n² pairs. But one vertex can say "everything that completed by
//! now comes before everything invoked from now on". A chain of such moments, each leading to the next, carries the
//! whole order with three edges a transaction: from each transaction to the moment of its completion, from each
//! moment to the next, and from each moment to the transactions invoked then. (Elle thins the order to its transitive
//! reduction instead, which is quadratic in the concurrency.) The chain is not stored as edges: see [`Timeline`].
//!
//! A walk through helpers counts as one edge, of the kind that led into them.

mod components;
mod paths;
mod predecessors;
mod timeline;

pub(crate) use components::{DependencyComponents, GraphScope};
pub(crate) use paths::{Budget, DependencyStep, PathGoal, PathSearch};
pub(crate) use predecessors::Predecessors;
pub(crate) use timeline::RealTimeChain;

use claims::Limits;
use histories::KeyId;

/// For tests: transactions that overlap in every way. One of them failed, and one has no completion.
#[cfg(test)]
const OVERLAPPING: &str = "
    a: [t ax1 ] [t ax2  ]       [t ax3 ]
    b:   [t ax4   !  [t ax5 ?
    c:     [t ax6 ][t ax7]  [t ax8       ]
    d: [t ax9                        ]
";

/// A set of kinds of edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EdgeKinds(pub u8);

impl EdgeKinds {
    pub(crate) const WW: EdgeKinds = EdgeKinds(1);
    pub(crate) const WR: EdgeKinds = EdgeKinds(2);
    pub(crate) const RW: EdgeKinds = EdgeKinds(4);
    pub(crate) const SESSION: EdgeKinds = EdgeKinds(8);
    pub(crate) const TIME: EdgeKinds = EdgeKinds(16);
    /// What other edges and one read imply: see `serial/implied.rs`. Only the graph of a search for snapshots has such edges.
    pub(crate) const IMPLIED: EdgeKinds = EdgeKinds(32);
    /// An edge that leaves a helper. It continues the kind of the edge that led into the helper.
    pub(crate) const THROUGH: EdgeKinds = EdgeKinds(64);
    /// Marks a `ww` edge of a list that leaves an indeterminate transaction, in addition to [`EdgeKinds::WW`]. Such a transaction may have
    /// failed, and a dirty read may have shown its append. So no `G0` has such an edge.
    pub(crate) const INDETERMINATE: EdgeKinds = EdgeKinds(128);

    pub(crate) const fn union(self, other: EdgeKinds) -> EdgeKinds {
        EdgeKinds(self.0 | other.0)
    }

    pub(crate) fn intersects(self, other: EdgeKinds) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether this set is a subset of `all`. An anti-dependency that only session order shows has two kinds;
    /// searches see it only if they follow both.
    pub(crate) fn is_subset_of(self, all: EdgeKinds) -> bool {
        self.0 & !all.0 == 0
    }
}

/// An edge that is being added to a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DependencyEdge {
    pub from: u32,
    pub to: u32,
    pub kind: EdgeKinds,
    /// The object that the dependency is about.
    pub key: KeyId,
}

/// The target of an edge, with its key and kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DependencyArc {
    pub to: u32,
    pub key: KeyId,
    pub kind: EdgeKinds,
}

/// Collects edges one by one and hands out helpers.
pub(crate) struct DependencyGraphBuilder {
    operations: u32,
    helpers: u32,
    edges: Vec<DependencyEdge>,
}

impl DependencyGraphBuilder {
    /// A builder for a graph of `operations` vertices, with capacity for `edges` edges.
    pub(crate) fn new(operations: usize, edges: usize) -> Self {
        Self { operations: operations as u32, helpers: 0, edges: Vec::with_capacity(edges) }
    }

    pub(crate) fn add_edge(&mut self, from: u32, to: u32, kind: EdgeKinds, key: KeyId) {
        debug_assert!(from != to, "no transaction depends on itself");
        self.edges.push(DependencyEdge { from, to, kind, key });
    }

    pub(crate) fn add_helper(&mut self) -> u32 {
        self.helpers += 1;
        self.operations + self.helpers - 1
    }

    /// Builds the graph of all edges. O(edges). The graph has no edges if the check was stopped.
    pub(crate) fn into_graph(self, timeline: Option<RealTimeChain>, limits: &Limits<'_>) -> DependencyGraph {
        let stored = (self.operations + self.helpers) as usize;
        let mut starts = vec![0u32; stored + 1];
        let parts = || self.edges.chunks(1 << 16).take_while(|_| !limits.stop_requested());
        for edge in parts().flatten() {
            starts[edge.from as usize + 1] += 1;
        }
        for vertex in 1..starts.len() {
            starts[vertex] += starts[vertex - 1];
        }
        let mut next = starts.clone();
        let mut arcs = vec![DependencyArc { to: 0, key: KeyId::NONE, kind: EdgeKinds(0) }; self.edges.len()];
        for edge in parts().flatten() {
            let place = &mut next[edge.from as usize];
            arcs[*place as usize] = DependencyArc { to: edge.to, key: edge.key, kind: edge.kind };
            *place += 1;
        }
        if limits.stop_requested() {
            starts.fill(0);
        }
        DependencyGraph { operations: self.operations, starts, arcs, timeline }
    }
}

/// The dependency graph. Its vertices are numbered: operations first, then helpers, then the moments of the timeline.
pub(crate) struct DependencyGraph {
    operations: u32,
    starts: Vec<u32>,
    arcs: Vec<DependencyArc>,
    timeline: Option<RealTimeChain>,
}

impl DependencyGraph {
    pub(crate) fn vertex_count(&self) -> usize {
        self.starts.len() - 1 + self.timeline.as_ref().map_or(0, RealTimeChain::moment_count)
    }

    pub(crate) fn operation_count(&self) -> u32 {
        self.operations
    }

    pub(crate) fn is_operation(&self, vertex: u32) -> bool {
        vertex < self.operations
    }

    /// The stored edges that leave a vertex. The edges of the timeline are not stored.
    pub(crate) fn arcs_from(&self, vertex: u32) -> &[DependencyArc] {
        match self.starts.get(vertex as usize + 1) {
            Some(&end) => &self.arcs[self.starts[vertex as usize] as usize..end as usize],
            None => &[],
        }
    }

    /// The first edge that leaves `vertex` at position `cursor` or later and is of the wanted kinds, with the
    /// position after it. Edges into and out of a moment have the kind [`Kinds::TIME`].
    pub(crate) fn next_arc(
        &self,
        vertex: u32,
        mut cursor: u32,
        kinds: EdgeKinds,
    ) -> Option<(DependencyArc, u32)> {
        let arcs = self.arcs_from(vertex);
        while let Some(&arc) = arcs.get(cursor as usize) {
            cursor += 1;
            if arc.kind.is_subset_of(kinds) {
                return Some((arc, cursor));
            }
        }
        let timeline = self.timeline.as_ref().filter(|_| kinds.intersects(EdgeKinds::TIME))?;
        let base = self.starts.len() as u32 - 1;
        let to = if vertex < base {
            if cursor as usize > arcs.len() || !self.is_operation(vertex) {
                return None;
            }
            base + timeline.moment_after(vertex)?
        } else {
            let moment = vertex - base;
            match cursor.checked_sub(1) {
                None if moment + 1 < timeline.moment_count() as u32 => base + moment + 1,
                None => return self.next_arc(vertex, 1, kinds),
                Some(at) => timeline.invoked_at(moment).nth(at as usize)?,
            }
        };
        Some((DependencyArc { to, key: KeyId::NONE, kind: EdgeKinds::TIME }, cursor + 1))
    }
}
