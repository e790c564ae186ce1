//! The graph read backwards: who leads to a vertex. Made only where somebody asks, for it takes as much memory again
//! (8 bytes an edge).

use super::{DependencyArc, DependencyGraph, EdgeKinds};
use claims::Limits;
use histories::KeyId;

pub(crate) struct Predecessors<'g> {
    graph: &'g DependencyGraph,
    starts: Vec<u32>,
    /// Of each stored edge, by where it leads: where it begins, and its place among the arcs.
    edges: Vec<(u32, u32)>,
    /// Of the operations that completed into each moment: where they begin in `completed`.
    moments: Vec<u32>,
    completed: Vec<u32>,
}

impl<'g> Predecessors<'g> {
    /// O(vertices + edges). None if it was stopped.
    pub(crate) fn new(graph: &'g DependencyGraph, limits: &Limits<'_>) -> Option<Self> {
        let stored = graph.starts.len() - 1;
        let starts = bucket_starts(stored, graph.arcs.iter().map(|arc| arc.to));
        let mut next = starts.clone();
        let mut edges = vec![(0, 0); graph.arcs.len()];
        for from in 0..stored as u32 {
            if from & 0xfff == 0 && limits.stop_requested() {
                return None;
            }
            for at in graph.starts[from as usize]..graph.starts[from as usize + 1] {
                let place = &mut next[graph.arcs[at as usize].to as usize];
                edges[*place as usize] = (from, at);
                *place += 1;
            }
        }
        let (mut moments, mut completed) = (Vec::new(), Vec::new());
        if let Some(timeline) = &graph.timeline {
            let ended = || {
                (0..graph.operations).filter_map(|op| timeline.moment_after(op).map(|moment| (op, moment)))
            };
            moments = bucket_starts(timeline.moment_count(), ended().map(|(_, moment)| moment));
            let mut next = moments.clone();
            completed = vec![0; ended().count()];
            for (op, moment) in ended() {
                completed[next[moment as usize] as usize] = op;
                next[moment as usize] += 1;
            }
        }
        Some(Self { graph, starts, edges, moments, completed })
    }

    /// Adds every edge of these kinds into a vertex to `found`: in [`Arc::to`] is where it begins.
    pub(crate) fn push_arcs_into(&self, vertex: u32, kinds: EdgeKinds, found: &mut Vec<DependencyArc>) {
        let base = self.starts.len() as u32 - 1;
        if vertex < base {
            let into = self.starts[vertex as usize] as usize..self.starts[vertex as usize + 1] as usize;
            for &(from, at) in &self.edges[into] {
                let arc = self.graph.arcs[at as usize];
                if arc.kind.is_subset_of(kinds) {
                    found.push(DependencyArc { to: from, ..arc });
                }
            }
        }
        let Some(timeline) = self.graph.timeline.as_ref().filter(|_| kinds.intersects(EdgeKinds::TIME))
        else {
            return;
        };
        let mut time = |to: u32| found.push(DependencyArc { to, key: KeyId::NONE, kind: EdgeKinds::TIME });
        if self.graph.is_operation(vertex) {
            if let Some(moment) = timeline.moment_before(vertex) {
                time(base + moment);
            }
        } else if let Some(moment) = vertex.checked_sub(base) {
            if moment > 0 {
                time(vertex - 1);
            }
            let ended = self.moments[moment as usize] as usize..self.moments[moment as usize + 1] as usize;
            self.completed[ended].iter().for_each(|&op| time(op));
        }
    }
}

/// Where each bucket begins, if every item goes into the bucket of its number.
fn bucket_starts(buckets: usize, items: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut starts = vec![0u32; buckets + 1];
    for item in items {
        starts[item as usize + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::super::{DependencyGraphBuilder, RealTimeChain};
    use super::*;
    use histories::notation::parse;

    /// Read backwards or forwards, the same edges.
    #[test]
    fn backwards_is_forwards() {
        let history = parse(super::super::OVERLAPPING).unwrap();
        let mut builder = DependencyGraphBuilder::new(history.len(), 4);
        let key = KeyId::from_raw(0);
        let helper = builder.add_helper();
        builder.add_edge(0, helper, EdgeKinds::RW, key);
        builder.add_edge(helper, 3, EdgeKinds::THROUGH, key);
        builder.add_edge(2, 3, EdgeKinds::WW, key);
        builder.add_edge(5, 1, EdgeKinds::WR, key);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let limits = Limits { steps: 0, bytes: 0, stop: &stop };
        let graph = builder.into_graph(Some(RealTimeChain::new(&history)), &limits);
        let backwards = Predecessors::new(&graph, &limits).unwrap();
        let all = EdgeKinds(u8::MAX);
        let without_ww = EdgeKinds(!EdgeKinds::WW.0);
        for kinds in [all, without_ww] {
            let mut forwards: Vec<(u32, u32, u8)> = Vec::new();
            let mut back: Vec<(u32, u32, u8)> = Vec::new();
            for vertex in 0..graph.vertex_count() as u32 {
                let mut cursor = 0;
                while let Some((arc, next)) = graph.next_arc(vertex, cursor, kinds) {
                    cursor = next;
                    forwards.push((vertex, arc.to, arc.kind.0));
                }
                let mut into = Vec::new();
                backwards.push_arcs_into(vertex, kinds, &mut into);
                back.extend(into.iter().map(|arc| (arc.to, vertex, arc.kind.0)));
            }
            forwards.sort_unstable();
            back.sort_unstable();
            assert!(forwards.len() > 12, "{forwards:?}");
            assert_eq!(forwards, back);
        }
    }
}
