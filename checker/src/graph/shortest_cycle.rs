//! The shortest cycle through a vertex, of the kind that an automaton accepts.
//!
//! "There is a cycle" convinces nobody; the fewest operations that contradict each other do. Breadth-first
//! search from a vertex back to itself finds the shortest cycle through it, but not every cycle tells
//! something: one may have to contain a strict edge, another exactly one anti-dependency, a third no two in a
//! row. Enumerating cycles and filtering them is exponential. Instead the search runs over pairs of a vertex
//! and the state of a small automaton that reads the edges of the walk: the first accepted return is a
//! shortest *closed walk* of that kind. (It may pass through a vertex twice, once in each state; then no
//! simple cycle through the start is shorter.)
//!
//! Edges cost 0 or 1, so that helper vertices, which stand for no operation, are free: 0-1 breadth-first
//! search keeps the vertices of the present distance and those of the next in two stacks.
//!
//! Cost: O(states · (V + E)) a start, of what the automaton lets through; 12 bytes a (vertex, state).

use super::{Edge, Graph};

/// Which closed walks count, and what an edge costs. The automaton starts in state 0.
pub trait WalkAutomaton {
    /// How many states there are; they are `0..STATES`.
    const STATES: usize;
    /// The state after an edge, or `None` where the walk may not take it.
    fn step(&self, state: u8, edge: Edge) -> Option<u8>;
    /// Whether the edge counts towards the length: the others are free.
    fn counts_edge(&self, edge: Edge) -> bool;
    /// Whether a walk that has come back to its start in this state is one to report.
    fn accepts_state(&self, state: u8) -> bool;
}

/// The memory of a search, kept from one start to the next so that each pays only for what it visits.
pub struct CycleSearch {
    /// Distance and how it was reached, a (vertex, state); valid where `round` is the present one.
    reached: Vec<ReachedPair>,
    round: u32,
    now: Vec<u32>,
    next: Vec<u32>,
}

#[derive(Clone, Copy)]
struct ReachedPair {
    round: u32,
    distance: u32,
    /// The (vertex, state) before this one.
    before: u32,
    label: u32,
}

const UNREACHED: ReachedPair = ReachedPair { round: 0, distance: u32::MAX, before: 0, label: 0 };

impl CycleSearch {
    /// Memory for searches of graphs with up to `vertex_count` vertices by automata of up to `states` states.
    ///
    /// Panics if their product does not fit in 32 bits.
    pub fn new(vertex_count: usize, states: usize) -> Self {
        let pairs = vertex_count * states;
        assert!(u32::try_from(pairs).is_ok(), "fewer than 2^32 pairs of a vertex and a state");
        Self { reached: vec![UNREACHED; pairs], round: 0, now: Vec::new(), next: Vec::new() }
    }

    /// The shortest accepted closed walk through `start` with a length below `bound`, if there is one.
    ///
    /// `budget` is lowered by the edges looked at; at zero the search gives up and answers `None`: the caller
    /// tells that from "there is none" by the budget.
    pub fn shortest_through<G: Graph, W: WalkAutomaton>(
        &mut self,
        graph: &G,
        walk: &W,
        start: u32,
        bound: u32,
        budget: &mut u64,
    ) -> Option<Vec<Edge>> {
        self.begin_round();
        let (mut distance, mut best) = (0, None::<(u32, Edge, u32)>);
        self.mark_reached(
            pair_index::<W>(start, 0),
            ReachedPair { round: self.round, distance, before: u32::MAX, label: 0 },
        );
        self.now.push(pair_index::<W>(start, 0));
        loop {
            while let Some(at) = self.now.pop() {
                if self.reached[at as usize].distance < distance {
                    continue;
                }
                let (vertex, state) = (at / W::STATES as u32, (at % W::STATES as u32) as u8);
                for edge in graph.edges(vertex) {
                    if *budget == 0 {
                        return None;
                    }
                    *budget -= 1;
                    let Some(state) = walk.step(state, edge) else { continue };
                    let length = distance + u32::from(walk.counts_edge(edge));
                    if length >= best.map_or(bound, |(best, ..)| best) {
                        continue;
                    }
                    if edge.to == start && walk.accepts_state(state) {
                        best = Some((length, edge, at));
                        continue;
                    }
                    let to = pair_index::<W>(edge.to, state);
                    if self.distance_to(to) > length {
                        self.mark_reached(
                            to,
                            ReachedPair {
                                round: self.round,
                                distance: length,
                                before: at,
                                label: edge.label,
                            },
                        );
                        if length > distance { self.next.push(to) } else { self.now.push(to) }
                    }
                }
            }
            // What lies further away than a walk that is already known cannot be shorter.
            if self.next.is_empty() || best.is_some_and(|(length, ..)| length <= distance + 1) {
                return best.map(|(_, last, from)| self.trace_walk::<W>(last, from));
            }
            distance += 1;
            std::mem::swap(&mut self.now, &mut self.next);
        }
    }

    fn begin_round(&mut self) {
        self.now.clear();
        self.next.clear();
        if self.round == u32::MAX {
            self.reached.fill(UNREACHED);
            self.round = 0;
        }
        self.round += 1;
    }

    fn distance_to(&self, pair: u32) -> u32 {
        let reached = self.reached[pair as usize];
        if reached.round == self.round { reached.distance } else { u32::MAX }
    }

    fn mark_reached(&mut self, pair: u32, reached: ReachedPair) {
        self.reached[pair as usize] = reached;
    }

    /// The edges from the start to `from`, and `last`.
    fn trace_walk<W: WalkAutomaton>(&self, last: Edge, mut from: u32) -> Vec<Edge> {
        let mut edges = vec![last];
        loop {
            let ReachedPair { before, label, .. } = self.reached[from as usize];
            if before == u32::MAX {
                break;
            }
            let vertex = |pair: u32| pair / W::STATES as u32;
            edges.push(Edge { from: vertex(before), to: vertex(from), label });
            from = before;
        }
        edges.reverse();
        edges
    }
}

fn pair_index<W: WalkAutomaton>(vertex: u32, state: u8) -> u32 {
    vertex * W::STATES as u32 + u32::from(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Csr;

    /// Accepts walks with at least one edge of label 1; edges of label 2 are free.
    struct AtLeastOne;

    impl WalkAutomaton for AtLeastOne {
        const STATES: usize = 2;
        fn step(&self, state: u8, edge: Edge) -> Option<u8> {
            Some(state.max(u8::from(edge.label == 1)))
        }
        fn counts_edge(&self, edge: Edge) -> bool {
            edge.label != 2
        }
        fn accepts_state(&self, state: u8) -> bool {
            state == 1
        }
    }

    fn search(edges: &[(u32, u32, u32)], start: u32, bound: u32) -> Option<Vec<(u32, u32)>> {
        let edges: Vec<Edge> = edges.iter().map(|&(from, to, label)| Edge { from, to, label }).collect();
        let graph = Csr::new(8, &edges);
        let mut memory = CycleSearch::new(8, 2);
        // Twice: what the first search left in the memory must not show in the second.
        memory.shortest_through(&graph, &AtLeastOne, 0, 9, &mut 1_000);
        let found = memory.shortest_through(&graph, &AtLeastOne, start, bound, &mut 1_000);
        found.map(|walk| walk.iter().map(|edge| (edge.from, edge.to)).collect())
    }

    #[test]
    fn passes_over_a_short_cycle_that_does_not_count() {
        let edges = [(0, 1, 0), (1, 0, 0), (1, 2, 1), (2, 0, 0)];
        assert_eq!(search(&edges, 0, 9), Some(vec![(0, 1), (1, 2), (2, 0)]));
        assert_eq!(search(&edges[..2], 0, 9), None);
    }

    #[test]
    fn free_edges_make_a_longer_path_the_shorter_one() {
        let edges = [(0, 1, 1), (1, 0, 0), (0, 2, 1), (2, 3, 2), (3, 4, 2), (4, 0, 2)];
        assert_eq!(search(&edges, 0, 9), Some(vec![(0, 2), (2, 3), (3, 4), (4, 0)]));
    }

    #[test]
    fn keeps_below_the_bound_and_starts_anywhere() {
        let edges = [(5, 6, 1), (6, 7, 0), (7, 5, 0), (4, 4, 1)];
        assert_eq!(search(&edges, 6, 4), Some(vec![(6, 7), (7, 5), (5, 6)]));
        assert_eq!(search(&edges, 6, 3), None);
        assert_eq!(search(&edges, 4, 9), Some(vec![(4, 4)]));
    }

    #[test]
    fn a_walk_may_pass_twice_where_only_that_counts() {
        let edges = [(0, 1, 0), (1, 2, 1), (2, 1, 0), (1, 0, 0)];
        assert_eq!(search(&edges, 0, 9), Some(vec![(0, 1), (1, 2), (2, 1), (1, 0)]));
    }

    #[test]
    fn gives_up_when_the_budget_is_spent() {
        let graph = Csr::new(2, &[Edge { from: 0, to: 1, label: 1 }, Edge { from: 1, to: 0, label: 1 }]);
        let mut budget = 1;
        assert_eq!(CycleSearch::new(2, 2).shortest_through(&graph, &AtLeastOne, 0, 9, &mut budget), None);
        assert_eq!(budget, 0);
    }
}
