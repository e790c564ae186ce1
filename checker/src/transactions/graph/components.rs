//! Strongly connected components, in one pass and without recursion.
//!
//! Tarjan (1972) visits vertices depth first and keeps those whose component is still open on a stack. A
//! session *is* a chain, so a recursive visit overflows at a history's length; here the visit's state is an
//! explicit stack of (vertex, next edge). Components are numbered in the order in which they close, sinks
//! first: an edge between two components leads from a higher number to a lower one, so the numbers are a
//! topological order read backwards.

use super::{DependencyGraph, EdgeKinds};
use claims::is_stop_flag_set;
use std::sync::atomic::AtomicBool;

const NEW: u32 = u32::MAX;

/// Which part of the graph is looked at.
#[derive(Clone, Copy)]
pub(crate) struct GraphScope<'a> {
    /// Edges of these kinds.
    pub kinds: EdgeKinds,
    /// If given: edges within one component of an earlier pass, between vertices that it keeps.
    pub within: Option<&'a DependencyComponents>,
    /// Whether no two anti-dependencies may follow one another. Then every vertex has a second copy, its number
    /// plus that of all vertices, for having arrived there by an anti-dependency: from it no other leads on.
    pub nonadjacent: bool,
    /// Set by the caller to make the search end soon, with what it has.
    pub stop: &'a AtomicBool,
}

/// The components of a part of a graph.
pub(crate) struct DependencyComponents {
    /// The number of each vertex's component; [`Components::LEFT_OUT`] where it was not looked at.
    pub number: Vec<u32>,
    /// How many components there are.
    pub count: u32,
    /// The vertices of each component of more than one vertex, in ascending order, by component.
    pub nontrivial: Vec<Vec<u32>>,
}

impl DependencyComponents {
    pub(crate) const LEFT_OUT: u32 = u32::MAX;

    /// Whether both are in one component that was looked at.
    pub(crate) fn in_same_component(&self, a: u32, b: u32) -> bool {
        self.number[a as usize] == self.number[b as usize] && self.number[a as usize] != Self::LEFT_OUT
    }

    /// The components that can be reached from `roots`. O(vertices + edges). If it was stopped they are not all there:
    /// the caller asks.
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
    /// Vertices whose component is not closed.
    open: Vec<u32>,
    /// The path of the visit: vertices and the edge to look at next.
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
