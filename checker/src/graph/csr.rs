//! Compressed sparse rows: a graph that is built once and then only read.

/// A directed edge. What its label means is the business of who built the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The vertex that it leaves.
    pub from: u32,
    /// The vertex that it enters.
    pub to: u32,
    /// Where it came from.
    pub label: u32,
}

/// What the searches in here ask of a graph.
pub trait Graph {
    /// How many vertices there are; they are `0..vertex_count`.
    fn vertex_count(&self) -> usize;
    /// The edges that leave a vertex.
    fn edges(&self, from: u32) -> impl Iterator<Item = Edge>;
}

/// A graph in compressed sparse rows: 4 bytes a vertex, 8 an edge.
#[derive(Clone, Debug)]
pub struct Csr {
    /// Where the edges of each vertex start; one more entry than there are vertices.
    starts: Vec<u32>,
    /// Target and label.
    arcs: Vec<(u32, u32)>,
}

impl Csr {
    /// Sorts edges by the vertex that they leave, keeping their order otherwise. O(V + E).
    ///
    /// Panics if an edge names a vertex beyond `vertex_count`, or if there are 2³² edges or more.
    pub fn new(vertex_count: usize, edges: &[Edge]) -> Self {
        assert!(u32::try_from(edges.len()).is_ok(), "fewer than 2^32 edges");
        let mut starts = vec![0u32; vertex_count + 1];
        for edge in edges {
            assert!((edge.to as usize) < vertex_count, "an edge enters a vertex that there is not");
            starts[edge.from as usize + 1] += 1;
        }
        for vertex in 0..vertex_count {
            starts[vertex + 1] += starts[vertex];
        }
        let mut next = starts.clone();
        let mut arcs = vec![(0, 0); edges.len()];
        for edge in edges {
            let at = &mut next[edge.from as usize];
            arcs[*at as usize] = (edge.to, edge.label);
            *at += 1;
        }
        Self { starts, arcs }
    }

    /// How many edges there are.
    pub fn edge_count(&self) -> usize {
        self.arcs.len()
    }

    /// Where in [`Csr::arc`] the edges of a vertex are.
    pub(super) fn edge_range(&self, from: u32) -> std::ops::Range<u32> {
        self.starts[from as usize]..self.starts[from as usize + 1]
    }

    /// Target and label of one edge.
    pub(super) fn target_and_label(&self, at: u32) -> (u32, u32) {
        self.arcs[at as usize]
    }
}

impl Graph for Csr {
    fn vertex_count(&self) -> usize {
        self.starts.len() - 1
    }

    fn edges(&self, from: u32) -> impl Iterator<Item = Edge> {
        let range = self.edge_range(from);
        let arcs = &self.arcs[range.start as usize..range.end as usize];
        arcs.iter().map(move |&(to, label)| Edge { from, to, label })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_edge_with_its_label_in_order() {
        let edge = |from, to, label| Edge { from, to, label };
        let given = [edge(2, 0, 7), edge(0, 1, 8), edge(2, 1, 9), edge(2, 2, 10)];
        let graph = Csr::new(4, &given);
        assert_eq!((graph.vertex_count(), graph.edge_count()), (4, 4));
        assert_eq!(graph.edges(2).collect::<Vec<_>>(), [given[0], given[2], given[3]]);
        assert_eq!(graph.edges(0).collect::<Vec<_>>(), [given[1]]);
        assert_eq!(graph.edges(1).count() + graph.edges(3).count(), 0);
    }

    #[test]
    #[should_panic(expected = "a vertex that there is not")]
    fn refuses_an_edge_to_nowhere() {
        Csr::new(1, &[Edge { from: 0, to: 1, label: 0 }]);
    }
}
