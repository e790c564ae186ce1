//! A graph of events by predecessors, sorted so that each comes after what it follows; or what lies on its cycles.

use super::trace::NONE;
use crate::graph::{Components, Csr, CycleSearch, Edge, Walk};

/// Edges looked at for a shorter cycle.
const EFFORT: u64 = 20_000_000;

/// Sorts the vertices `0..count`; fewer come back if there is a cycle. Kahn's algorithm, the lowest free first where
/// they lie near: the order of invocation is the first guess, and mostly right.
pub(super) fn sorted(count: u32, csr: &Csr) -> Vec<u32> {
    use crate::graph::Graph;
    let mut waits = vec![0u32; count as usize];
    for vertex in 0..count {
        csr.edges(vertex).for_each(|edge| waits[edge.to as usize] += 1);
    }
    let mut order = Vec::with_capacity(count as usize);
    let mut free = Vec::new();
    for vertex in 0..count {
        if waits[vertex as usize] == 0 {
            free.push(vertex);
        }
        while let Some(next) = free.pop() {
            waits[next as usize] = NONE;
            order.push(next);
            for edge in csr.edges(next) {
                let waits = &mut waits[edge.to as usize];
                *waits -= 1;
                // What lies ahead is found when the scan gets there.
                if *waits == 0 && edge.to <= vertex {
                    free.push(edge.to);
                }
            }
        }
    }
    order
}

/// All cycles count, and all edges cost one.
struct Any;

impl Walk for Any {
    const STATES: usize = 1;
    fn step(&self, _: u8, _: Edge) -> Option<u8> {
        Some(0)
    }
    fn counts(&self, _: Edge) -> bool {
        true
    }
    fn accepts(&self, _: u8) -> bool {
        true
    }
}

/// One short cycle of each component that has one, up to a number of them.
pub(super) fn cycles(csr: &Csr, most: usize) -> Vec<Vec<Edge>> {
    use crate::graph::Graph;
    let components = Components::new(csr);
    let (starts, members) = components.members();
    let mut search = CycleSearch::new(csr.vertex_count(), 1);
    let mut budget = EFFORT;
    let mut found = Vec::new();
    for part in starts.windows(2).map(|pair| &members[pair[0] as usize..pair[1] as usize]) {
        if part.len() < 2 || found.len() >= most {
            continue;
        }
        let within = Within { csr, components: &components };
        let mut best: Option<Vec<Edge>> = None;
        for &start in part {
            let bound = best.as_ref().map_or(u32::MAX, |best| best.len() as u32);
            // One cycle is found whatever it takes.
            let mut whole = u64::MAX;
            let budget = if best.is_some() { &mut budget } else { &mut whole };
            if let Some(cycle) = search.through(&within, &Any, start, bound, budget) {
                best = Some(cycle);
            }
        }
        found.extend(best);
    }
    found
}

/// A graph without the edges from one component to another.
struct Within<'a> {
    csr: &'a Csr,
    components: &'a Components,
}

impl crate::graph::Graph for Within<'_> {
    fn vertex_count(&self) -> usize {
        self.csr.vertex_count()
    }
    fn edges(&self, from: u32) -> impl Iterator<Item = Edge> {
        let of = &self.components.of;
        self.csr.edges(from).filter(move |edge| of[edge.from as usize] == of[edge.to as usize])
    }
}
