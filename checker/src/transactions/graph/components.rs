//! Strongly connected components, in one pass and without recursion.
//!
//! Tarjan (1972) visits vertices depth first. A stack holds the vertices whose component is still open. A session is
//! a chain, so a recursive visit would overflow the call stack at the length of a history. Here an explicit stack of
//! (vertex, next edge) holds the state of the visit. Components are numbered in the order in which they close, sinks
//! first. An edge between two components leads from a higher number to a lower one, so the numbers are a reversed
//! topological order.

use super::{DependencyGraph, EdgeKinds};
use claims::is_stop_flag_set;
use std::sync::atomic::AtomicBool;

const NEW: u32 = u32::MAX;

/// The part of the graph that a search examines.
#[derive(Clone, Copy)]
pub(crate) struct GraphScope<'a> {
    /// The kinds of edges to follow.
    pub kinds: EdgeKinds,
    /// If given, only edges within one component of an earlier pass are followed, between vertices that the pass
    /// visited.
    pub within: Option<&'a DependencyComponents>,
    /// Whether two anti-dependencies must not follow one another. If so, every vertex has a second copy, whose number
    /// is higher by the number of vertices. A walk that arrives by an anti-dependency is at the second copy, from
    /// which no anti-dependency leads on.
    pub nonadjacent: bool,
    /// A flag that the caller sets to end the search early. The result is then incomplete.
    pub stop: &'a AtomicBool,
}

/// The strongly connected components of a part of a graph.
pub(crate) struct DependencyComponents {
    /// The number of each vertex's component; [`Components::LEFT_OUT`] for vertices that were not visited.
    pub number: Vec<u32>,
    /// How many components there are.
    pub count: u32,
    /// The vertices of each component with more than one vertex, in ascending order.
    pub nontrivial: Vec<Vec<u32>>,
}

impl DependencyComponents {
    pub(crate) const LEFT_OUT: u32 = u32::MAX;

    /// Whether two vertices were visited and are in the same component.
    pub(crate) fn in_same_component(&self, a: u32, b: u32) -> bool {
        self.number[a as usize] == self.number[b as usize] && self.number[a as usize] != Self::LEFT_OUT
    }

    /// The components that can be reached from `roots`. O(vertices + edges). The result is incomplete if the stop
    /// flag was set; the caller must check the flag.
    pub(crate) fn find_from_roots(
        graph: &DependencyGraph,
        scope: GraphScope<'_>,
        roots: impl Iterator<Item = u32>,
    ) -> Self {
        let copies = if scope.nonadjacent { 2 } else { 1 };
        let size = graph.vertex_count() * copies;
        let mut search = ComponentSearch {
            graph,
            scope,
            size: graph.vertex_count() as u32,
            entered: vec![NEW; size],
            low: vec![0; size],
            found: DependencyComponents {
                number: vec![Self::LEFT_OUT; size],
                count: 0,
                nontrivial: Vec::new(),
            },
            clock: 0,
            open: Vec::new(),
            visit: Vec::new(),
        };
        for root in roots {
            search.visit_from(root);
            if !search.visit.is_empty() {
                break; // stopped
            }
        }
        search.found
    }
}

struct ComponentSearch<'a> {
    graph: &'a DependencyGraph,
    scope: GraphScope<'a>,
    size: u32,
    entered: Vec<u32>,
    low: Vec<u32>,
    found: DependencyComponents,
    clock: u32,
    /// Visited vertices whose component is still open.
    open: Vec<u32>,
    /// The path of the visit: each vertex with the number of the next edge to follow.
    visit: Vec<(u32, u32)>,
}

impl ComponentSearch<'_> {
    fn visit_from(&mut self, root: u32) {
        if self.entered[root as usize] != NEW {
            return;
        }
        self.enter_vertex(root);
        while let Some(&(vertex, cursor)) = self.visit.last() {
            if self.clock & 0xfff == 0 && is_stop_flag_set(self.scope.stop) {
                return;
            }
            let Some((to, cursor)) = self.next_target(vertex, cursor) else {
                self.leave_vertex(vertex);
                continue;
            };
            self.visit.last_mut().expect("just read").1 = cursor;
            if self.entered[to as usize] == NEW {
                self.enter_vertex(to);
            } else if self.found.number[to as usize] == DependencyComponents::LEFT_OUT {
                self.low[vertex as usize] = self.low[vertex as usize].min(self.entered[to as usize]);
            }
        }
    }

    fn enter_vertex(&mut self, vertex: u32) {
        self.entered[vertex as usize] = self.clock;
        self.low[vertex as usize] = self.clock;
        self.clock += 1;
        self.open.push(vertex);
        self.visit.push((vertex, 0));
    }

    fn leave_vertex(&mut self, vertex: u32) {
        self.visit.pop();
        let low = self.low[vertex as usize];
        if let Some(&(parent, _)) = self.visit.last() {
            self.low[parent as usize] = self.low[parent as usize].min(low);
        }
        if low != self.entered[vertex as usize] {
            return;
        }
        let start = self.open.iter().rposition(|&open| open == vertex).expect("it is open");
        let number = self.found.count;
        self.found.count += 1;
        for &member in &self.open[start..] {
            self.found.number[member as usize] = number;
        }
        if self.open.len() - start > 1 {
            let mut members = self.open.split_off(start);
            members.sort_unstable();
            self.found.nontrivial.push(members);
        } else {
            self.open.truncate(start);
        }
    }

    fn next_target(&self, vertex: u32, mut cursor: u32) -> Option<(u32, u32)> {
        let GraphScope { mut kinds, within, nonadjacent, .. } = self.scope;
        let by_rw = vertex >= self.size;
        let plain = if by_rw { vertex - self.size } else { vertex };
        if by_rw {
            kinds.0 &= !EdgeKinds::RW.0;
        }
        loop {
            let (arc, next) = self.graph.next_arc(plain, cursor, kinds)?;
            cursor = next;
            if within.is_none_or(|within| within.in_same_component(plain, arc.to)) {
                let arrives_by_rw =
                    arc.kind.intersects(EdgeKinds::RW) || (by_rw && arc.kind.intersects(EdgeKinds::THROUGH));
                let copy = if nonadjacent && arrives_by_rw { self.size } else { 0 };
                return Some((arc.to + copy, cursor));
            }
        }
    }
}
