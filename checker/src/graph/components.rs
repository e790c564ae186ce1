//! Strongly connected components, without recursion.
//!
//! Two vertices are in one component if each can be reached from the other; a constraint graph has a
//! solution if and only if no component ties together what must be apart. Tarjan's algorithm finds all
//! components in one depth-first pass. Written as it is told it recurses once a vertex of the deepest path,
//! and a history is one deep path. Here the path is a vector. Of its variants this is Pearce's, which keeps
//! one number a vertex (its place on the path first, its component later) in place of two numbers and a flag.
//!
//! Components come out sinks first. Counting them downwards makes `of` a topological numbering: an edge
//! between components always leads from the lower to the higher number.
//!
//! Cost: O(V + E) time; 4 bytes a vertex, and 12 a vertex of the deepest path.
//!
//! Tarjan, *Depth-first search and linear graph algorithms*, SIAM J. Comput. 1(2), 1972; Pearce, *A
//! space-efficient algorithm for finding strongly connected components*, IPL 116(1), 2016, section 3.

use super::{Csr, Graph};

/// The strongly connected components of a graph.
#[derive(Clone, Debug)]
pub struct Components {
    /// The component of each vertex. An edge between two components leads to the one with the higher number.
    pub of: Vec<u32>,
    /// How many there are; they are numbered `0..count`.
    pub count: u32,
}

struct ComponentPass<'a> {
    graph: &'a Csr,
    /// 0: not visited. On the path or waiting: its place, from 1. Done: its component, counted down from V.
    number: Vec<u32>,
    next_place: u32,
    next_component: u32,
    /// Vertices that are visited and in no component yet, those on the path left out.
    waiting: Vec<u32>,
    path: Vec<VisitStep>,
}

/// A vertex of the path.
struct VisitStep {
    vertex: u32,
    /// The next of its edges to look at.
    next: u32,
    /// The place at which it was entered.
    place: u32,
}

impl Components {
    /// Finds the components of a graph. O(V + E).
    pub fn new(graph: &Csr) -> Self {
        let vertex_count = u32::try_from(graph.vertex_count()).expect("fewer than 2^32 vertices");
        let mut pass = ComponentPass {
            graph,
            number: vec![0; graph.vertex_count()],
            next_place: 1,
            next_component: vertex_count,
            waiting: Vec::new(),
            path: Vec::new(),
        };
        for vertex in 0..vertex_count {
            if pass.number[vertex as usize] == 0 {
                pass.visit_from(vertex);
            }
        }
        let (mut of, first) = (pass.number, pass.next_component + 1);
        of.iter_mut().for_each(|number| *number -= first);
        Self { of, count: vertex_count + 1 - first }
    }

    /// The vertices of each component, as (where each starts, all vertices by component). O(V).
    pub fn members(&self) -> (Vec<u32>, Vec<u32>) {
        let mut starts = vec![0u32; self.count as usize + 1];
        for &component in &self.of {
            starts[component as usize + 1] += 1;
        }
        for component in 0..self.count as usize {
            starts[component + 1] += starts[component];
        }
        let mut next = starts.clone();
        let mut vertices = vec![0; self.of.len()];
        for (vertex, &component) in (0u32..).zip(&self.of) {
            vertices[next[component as usize] as usize] = vertex;
            next[component as usize] += 1;
        }
        (starts, vertices)
    }
}

impl ComponentPass<'_> {
    fn visit_from(&mut self, start: u32) {
        self.enter_vertex(start);
        while let Some(step) = self.path.last_mut() {
            let vertex = step.vertex;
            if step.next == self.graph.edge_range(vertex).end {
                let step = self.path.pop().expect("there is a last one");
                self.leave_vertex(step);
                continue;
            }
            let (to, _) = self.graph.target_and_label(step.next);
            if self.number[to as usize] == 0 {
                // This edge is looked at again when the path comes back: then it hands up what `to` reached.
                self.enter_vertex(to);
                continue;
            }
            step.next += 1;
            let reached = self.number[to as usize];
            let own = &mut self.number[vertex as usize];
            *own = reached.min(*own);
        }
    }

    fn enter_vertex(&mut self, vertex: u32) {
        let place = self.next_place;
        self.number[vertex as usize] = place;
        self.next_place += 1;
        self.path.push(VisitStep { vertex, next: self.graph.edge_range(vertex).start, place });
    }

    /// A vertex that reached nothing before its own place closes a component: itself and all that wait behind it.
    ///
    /// Places are given back as components close, so that every place in use stays below every component given
    /// out: `next_place - 1` vertices are in no component, and `V - next_component` components have one each.
    fn leave_vertex(&mut self, step: VisitStep) {
        let own = self.number[step.vertex as usize];
        if own < step.place {
            self.waiting.push(step.vertex);
            return;
        }
        while let Some(&vertex) = self.waiting.last()
            && self.number[vertex as usize] >= own
        {
            self.waiting.pop();
            self.number[vertex as usize] = self.next_component;
            self.next_place -= 1;
        }
        self.number[step.vertex as usize] = self.next_component;
        self.next_place -= 1;
        self.next_component -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Edge;

    fn graph(vertex_count: usize, pairs: &[(u32, u32)]) -> Csr {
        let edges: Vec<Edge> = pairs.iter().map(|&(from, to)| Edge { from, to, label: 0 }).collect();
        Csr::new(vertex_count, &edges)
    }

    /// Which vertices reach which, by plain closure, from the definition.
    fn reaches(vertex_count: usize, pairs: &[(u32, u32)]) -> Vec<Vec<bool>> {
        let mut reach = vec![vec![false; vertex_count]; vertex_count];
        (0..vertex_count).for_each(|vertex| reach[vertex][vertex] = true);
        pairs.iter().for_each(|&(from, to)| reach[from as usize][to as usize] = true);
        for middle in 0..vertex_count {
            for from in 0..vertex_count {
                for to in 0..vertex_count {
                    reach[from][to] |= reach[from][middle] && reach[middle][to];
                }
            }
        }
        reach
    }

    #[test]
    fn agrees_with_the_closure_on_every_graph_of_four_vertices() {
        let all: Vec<(u32, u32)> =
            (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(a, b)| a != b).collect();
        for chosen in 0u32..1 << all.len() {
            let pairs: Vec<_> =
                (0..all.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| all[bit]).collect();
            let (reach, of) = (reaches(4, &pairs), Components::new(&graph(4, &pairs)).of);
            for (a, b) in (0..16).map(|pair| (pair / 4, pair % 4)) {
                assert_eq!(of[a] == of[b], reach[a][b] && reach[b][a], "{pairs:?}: {a} {b}");
                assert!(!reach[a][b] || of[a] <= of[b], "{pairs:?}: {a} to {b} leads down");
            }
        }
    }

    #[test]
    fn a_path_and_a_ring_of_a_million_vertices_overflow_nothing() {
        let n = 1_000_000;
        let mut pairs: Vec<(u32, u32)> = (1..n).map(|vertex| (vertex - 1, vertex)).collect();
        let path = Components::new(&graph(n as usize, &pairs));
        assert_eq!(path.count, n);
        assert!(path.of.iter().zip(0..).all(|(&component, vertex)| component == vertex));
        pairs.push((n - 1, 0));
        assert_eq!(Components::new(&graph(n as usize, &pairs)).count, 1);
    }

    #[test]
    fn lists_members() {
        let found = Components::new(&graph(4, &[(0, 1), (1, 0), (2, 3)]));
        let (starts, vertices) = found.members();
        let mut sizes: Vec<u32> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        sizes.sort_unstable();
        assert_eq!((sizes, vertices.len()), (vec![1, 1, 2], 4));
    }
}
