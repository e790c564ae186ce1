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

pub(crate) use components::{Components, Scope};
pub(crate) use paths::{Budget, Goal, Paths, Step};
pub(crate) use predecessors::Predecessors;
pub(crate) use timeline::Timeline;

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
pub(crate) struct Kinds(pub u8);

impl Kinds {
    pub(crate) const WW: Kinds = Kinds(1);
    pub(crate) const WR: Kinds = Kinds(2);
    pub(crate) const RW: Kinds = Kinds(4);
    pub(crate) const SESSION: Kinds = Kinds(8);
    pub(crate) const TIME: Kinds = Kinds(16);
    /// An edge that leaves a helper. It continues the kind of the edge that led into the helper.
    pub(crate) const THROUGH: Kinds = Kinds(64);

    pub(crate) const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    pub(crate) fn has(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether this set is a subset of `all`. An anti-dependency that only session order shows has two kinds;
    /// searches see it only if they follow both.
    pub(crate) fn within(self, all: Kinds) -> bool {
        self.0 & !all.0 == 0
    }
}

/// An edge that is being added to a graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    pub from: u32,
    pub to: u32,
    pub kind: Kinds,
    /// The object that the dependency is about.
    pub key: KeyId,
}

/// The target of an edge, with its key and kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arc {
    pub to: u32,
    pub key: KeyId,
    pub kind: Kinds,
}

/// Collects edges one by one and hands out helpers.
pub(crate) struct Builder {
    operations: u32,
    helpers: u32,
    edges: Vec<Edge>,
}

impl Builder {
    /// A builder for a graph of `operations` vertices, with capacity for `edges` edges.
    pub(crate) fn new(operations: usize, edges: usize) -> Self {
        Self { operations: operations as u32, helpers: 0, edges: Vec::with_capacity(edges) }
    }

    pub(crate) fn edge(&mut self, from: u32, to: u32, kind: Kinds, key: KeyId) {
        debug_assert!(from != to, "no transaction depends on itself");
        self.edges.push(Edge { from, to, kind, key });
    }

    pub(crate) fn helper(&mut self) -> u32 {
        self.helpers += 1;
        self.operations + self.helpers - 1
    }

    /// Builds the graph of all edges. O(edges). The graph has no edges if the check was stopped.
    pub(crate) fn finish(self, timeline: Option<Timeline>, limits: &Limits<'_>) -> Graph {
        let stored = (self.operations + self.helpers) as usize;
        let mut starts = vec![0u32; stored + 1];
        let parts = || self.edges.chunks(1 << 16).take_while(|_| !limits.stopped());
        for edge in parts().flatten() {
            starts[edge.from as usize + 1] += 1;
        }
        for vertex in 1..starts.len() {
            starts[vertex] += starts[vertex - 1];
        }
        let mut next = starts.clone();
        let mut arcs = vec![Arc { to: 0, key: KeyId::NONE, kind: Kinds(0) }; self.edges.len()];
        for edge in parts().flatten() {
            let place = &mut next[edge.from as usize];
            arcs[*place as usize] = Arc { to: edge.to, key: edge.key, kind: edge.kind };
            *place += 1;
        }
        if limits.stopped() {
            starts.fill(0);
        }
        Graph { operations: self.operations, starts, arcs, timeline }
    }
}

/// The dependency graph. Its vertices are numbered: operations first, then helpers, then the moments of the timeline.
pub(crate) struct Graph {
    operations: u32,
    starts: Vec<u32>,
    arcs: Vec<Arc>,
    timeline: Option<Timeline>,
}

impl Graph {
    pub(crate) fn vertices(&self) -> usize {
        self.starts.len() - 1 + self.timeline.as_ref().map_or(0, Timeline::moments)
    }

    pub(crate) fn operations(&self) -> u32 {
        self.operations
    }

    pub(crate) fn is_operation(&self, vertex: u32) -> bool {
        vertex < self.operations
    }

    /// The stored edges that leave a vertex. The edges of the timeline are not stored.
    pub(crate) fn arcs(&self, vertex: u32) -> &[Arc] {
        match self.starts.get(vertex as usize + 1) {
            Some(&end) => &self.arcs[self.starts[vertex as usize] as usize..end as usize],
            None => &[],
        }
    }

    /// The first edge that leaves `vertex` at position `cursor` or later and is of the wanted kinds, with the
    /// position after it. Edges into and out of a moment have the kind [`Kinds::TIME`].
    pub(crate) fn next(&self, vertex: u32, mut cursor: u32, kinds: Kinds) -> Option<(Arc, u32)> {
        let arcs = self.arcs(vertex);
        while let Some(&arc) = arcs.get(cursor as usize) {
            cursor += 1;
            if arc.kind.within(kinds) {
                return Some((arc, cursor));
            }
        }
        let timeline = self.timeline.as_ref().filter(|_| kinds.has(Kinds::TIME))?;
        let base = self.starts.len() as u32 - 1;
        let to = if vertex < base {
            if cursor as usize > arcs.len() || !self.is_operation(vertex) {
                return None;
            }
            base + timeline.moment_after(vertex)?
        } else {
            let moment = vertex - base;
            match cursor.checked_sub(1) {
                None if moment + 1 < timeline.moments() as u32 => base + moment + 1,
                None => return self.next(vertex, 1, kinds),
                Some(at) => timeline.invoked_at(moment).nth(at as usize)?,
            }
        };
        Some((Arc { to, key: KeyId::NONE, kind: Kinds::TIME }, cursor + 1))
    }
}
