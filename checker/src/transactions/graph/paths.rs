//! Shortest paths, counted in edges between transactions, within a budget of counted work.
//!
//! Breadth first, layer by layer. Going through a helper costs nothing, so a helper is put into the layer
//! that reached it. The tables are as large as the graph and are reused: an entry counts only if it bears the
//! number of the search that wrote it.

use super::{DependencyComponents, DependencyGraph, EdgeKinds, GraphScope};
use claims::is_stop_flag_set;
use histories::KeyId;

/// How many edges a search may still look at. Counted, so that the same history gives the same answer on any
/// machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(pub u64);

/// One edge of a path between operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DependencyStep {
    pub from: u32,
    pub to: u32,
    pub kind: EdgeKinds,
    pub key: KeyId,
}

/// Where a path is to lead, and over what.
#[derive(Clone, Copy)]
pub(crate) struct PathGoal<'a> {
    /// The vertex to start from, and whether one has arrived there by an anti-dependency.
    pub from: (u32, bool),
    /// The operation to reach; if no two anti-dependencies may follow one another, not by one.
    pub to: u32,
    pub scope: GraphScope<'a>,
    /// Only over vertices whose component's number, in this pass, is not below that of `to`: nothing else
    /// leads there.
    pub ranks: Option<&'a DependencyComponents>,
}

pub(crate) struct PathSearch<'g> {
    graph: &'g DependencyGraph,
    search: u32,
    seen: Vec<u32>,
    parent: Vec<(u32, KeyId, EdgeKinds)>,
    layer: Vec<u32>,
    next_layer: Vec<u32>,
}

impl<'g> PathSearch<'g> {
    pub(crate) fn new(graph: &'g DependencyGraph) -> Self {
        let size = graph.vertex_count() * 2;
        Self {
            graph,
            search: 0,
            seen: vec![0; size],
            parent: vec![(0, KeyId::NONE, EdgeKinds(0)); size],
            layer: Vec::new(),
            next_layer: Vec::new(),
        }
    }

    /// The shortest path, of at least one edge; none if there is none, or if the budget ran out or it was stopped
    /// first: then nothing is left of the budget.
    pub(crate) fn find_shortest(
        &mut self,
        goal: PathGoal<'_>,
        budget: &mut Budget,
    ) -> Option<Vec<DependencyStep>> {
        self.search += 1;
        let size = self.graph.vertex_count() as u32;
        let start = goal.from.0 + if goal.from.1 { size } else { 0 };
        self.layer.clear();
        self.next_layer.clear();
        self.layer.push(start);
        self.seen[start as usize] = self.search;
        while !self.layer.is_empty() {
            let mut at = 0;
            while at < self.layer.len() {
                let vertex = self.layer[at];
                at += 1;
                if at & 0xfff == 0 && is_stop_flag_set(goal.scope.stop) {
                    budget.0 = 0;
                    return None;
                }
                if let Some(last) = self.expand_vertex(vertex, goal, budget) {
                    return Some(self.walk_back(start, last, goal.to));
                }
                if budget.0 == 0 {
                    return None;
                }
            }
            std::mem::swap(&mut self.layer, &mut self.next_layer);
            self.next_layer.clear();
        }
        None
    }

    /// Looks at the edges out of a vertex; the last edge, if one reaches the goal.
    fn expand_vertex(
        &mut self,
        vertex: u32,
        goal: PathGoal<'_>,
        budget: &mut Budget,
    ) -> Option<(u32, KeyId, EdgeKinds)> {
        let size = self.graph.vertex_count() as u32;
        let by_rw = vertex >= size;
        let plain = if by_rw { vertex - size } else { vertex };
        let mut kinds = goal.scope.kinds;
        if by_rw {
            kinds.0 &= !EdgeKinds::RW.0;
        }
        let mut cursor = 0;
        while let Some((arc, next)) = self.graph.next_arc(plain, cursor, kinds) {
            cursor = next;
            budget.0 = budget.0.saturating_sub(1);
            if budget.0 == 0 {
                return None;
            }
            if goal.scope.within.is_some_and(|within| !within.in_same_component(plain, arc.to)) {
                continue;
            }
            if let Some(ranks) = goal.ranks
                && ranks.number[arc.to as usize] < ranks.number[goal.to as usize]
            {
                continue;
            }
            let arrives_by_rw = goal.scope.nonadjacent
                && (arc.kind.intersects(EdgeKinds::RW) || (by_rw && arc.kind.intersects(EdgeKinds::THROUGH)));
            let edge = (vertex, arc.key, arc.kind);
            if arc.to == goal.to && !arrives_by_rw {
                return Some(edge);
            }
            let to = arc.to + if arrives_by_rw { size } else { 0 };
            if self.seen[to as usize] != self.search {
                self.seen[to as usize] = self.search;
                self.parent[to as usize] = edge;
                let layer =
                    if self.graph.is_operation(arc.to) { &mut self.next_layer } else { &mut self.layer };
                layer.push(to);
            }
        }
        None
    }

    fn walk_back(&self, start: u32, last: (u32, KeyId, EdgeKinds), goal: u32) -> Vec<DependencyStep> {
        let size = self.graph.vertex_count() as u32;
        let plain = |vertex: u32| if vertex >= size { vertex - size } else { vertex };
        let mut steps = Vec::new();
        let (mut to, mut edge) = (goal, last);
        loop {
            let from = plain(edge.0);
            if self.graph.is_operation(from) {
                steps.push(DependencyStep { from, to, kind: edge.2, key: edge.1 });
                to = from;
            }
            if edge.0 == start {
                break;
            }
            edge = self.parent[edge.0 as usize];
        }
        steps.reverse();
        steps
    }
}
