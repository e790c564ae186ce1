//! Turns vertices into evidence: the shortest cycle, and, for each inferred edge on it, the path that it follows
//! from.
//!
//! An edge inferred in one round follows from what was known before that round. So each path uses only edges of
//! earlier rounds, and the inferences sorted by round are a proof. Paths are found by breadth-first search when
//! evidence is built, not while the level is decided.

use super::facts::INITIAL;
use super::problem::{CausalProblem, INFERRED, READ_FROM, REAL_TIME, ReadSource, SESSION};
use crate::graph::{Components, Csr, CycleSearch, Edge, Graph, WalkAutomaton};
use claims::{CausalLink, Contradiction, InferenceRule, InferredOrder, LinkReason};
use histories::{OpId, SessionId};
use std::collections::BTreeMap;

/// How many edges the search for shorter cycles may examine, once a component has a cycle.
const SHORTER_STEPS_MAX: u64 = 1_000_000;
/// The label of an edge from the initial value.
pub(super) const INITIALLY: u32 = u32::MAX;
/// The label of an edge that a case assumes.
pub(super) const ASSUMED: u32 = u32::MAX - 1;

/// An edge that follows from a read.
#[derive(Clone, Copy, Debug)]
pub(super) struct DerivedEdge {
    pub(super) read: u32,
    pub(super) other: u32,
    pub(super) rule: InferenceRule,
    /// The round in which the edge was inferred. It follows from edges of earlier rounds.
    pub(super) round: u32,
}

impl DerivedEdge {
    /// The approximate memory for `count` inferred edges. Each is stored here, as an edge, and in the graph of the
    /// next round.
    pub(super) fn bytes_needed(count: usize) -> usize {
        count.saturating_mul(size_of::<DerivedEdge>() + 3 * size_of::<Edge>())
    }

    /// The inferred edge: between two vertices, or from a vertex to [`INITIAL`].
    pub(super) fn derived_edge(&self, problem: &CausalProblem<'_>, number: usize) -> Edge {
        let label = INFERRED + number as u32;
        match (self.rule, problem.source[self.read as usize]) {
            (InferenceRule::NotBetween, ReadSource::Write(write)) => {
                Edge { from: self.other, to: write, label }
            }
            (InferenceRule::NotBetween, _) => Edge { from: self.other, to: INITIAL, label },
            (InferenceRule::NotYet, _) => Edge { from: self.read, to: self.other, label },
        }
    }
}

fn is_inferred(edge: Edge) -> bool {
    (INFERRED..ASSUMED).contains(&edge.label)
}

/// Finds paths and turns them into evidence.
pub(super) struct Prover<'a> {
    pub(super) problem: &'a CausalProblem<'a>,
    pub(super) graph: &'a Csr,
    pub(super) derived: &'a [DerivedEdge],
    /// For each vertex, the number of the search that last reached it, and the edge by which it was reached.
    reached: Vec<(u32, Edge)>,
    search: u32,
    /// The number of edges examined so far.
    pub(super) effort: u64,
}

impl<'a> Prover<'a> {
    pub(super) fn new(problem: &'a CausalProblem<'a>, graph: &'a Csr, derived: &'a [DerivedEdge]) -> Self {
        let reached = vec![(0, Edge { from: 0, to: 0, label: 0 }); problem.vertex_count()];
        Self { problem, graph, derived, reached, search: 0, effort: 0 }
    }

    fn is_known_before(&self, edge: Edge, round: u32) -> bool {
        !is_inferred(edge) || self.derived[(edge.label - INFERRED) as usize].round < round
    }

    /// A path with the fewest edges among those known before a round, through vertices that `through` accepts. The
    /// caller knows that such a path exists; this panics otherwise.
    pub(super) fn find_path(
        &mut self,
        from: u32,
        to: u32,
        round: u32,
        through: impl Fn(u32) -> bool,
    ) -> Vec<Edge> {
        self.search += 1;
        let mut queue = std::collections::VecDeque::from([from]);
        self.reached[from as usize].0 = self.search;
        while let Some(vertex) = queue.pop_front() {
            for edge in self.graph.edges(vertex) {
                self.effort += 1;
                let known = self.is_known_before(edge, round);
                if !known || self.reached[edge.to as usize].0 == self.search || !through(edge.to) {
                    continue;
                }
                self.reached[edge.to as usize] = (self.search, edge);
                if edge.to == to {
                    return self.trace_path(from, to);
                }
                queue.push_back(edge.to);
            }
        }
        unreachable!("what was inferred follows from a path")
    }

    fn trace_path(&self, from: u32, to: u32) -> Vec<Edge> {
        let mut edges = Vec::new();
        let mut at = to;
        while at != from || edges.is_empty() {
            let edge = self.reached[at as usize].1;
            edges.push(edge);
            at = edge.from;
        }
        edges.reverse();
        edges
    }

    /// The path that an inference follows from.
    fn find_premise(&mut self, derived: DerivedEdge) -> Vec<Edge> {
        let DerivedEdge { read, other, rule, round } = derived;
        match (rule, self.problem.source[read as usize]) {
            (InferenceRule::NotBetween, _) => self.find_path(other, read, round, |_| true),
            (InferenceRule::NotYet, ReadSource::Write(write)) => {
                self.find_path(write, other, round, |_| true)
            }
            (InferenceRule::NotYet, _) => vec![Edge { from: INITIAL, to: other, label: INITIALLY }],
        }
    }

    /// A cycle together with everything that it follows from.
    pub(super) fn prove_contradiction(
        &mut self,
        session: Option<SessionId>,
        cycle: &[Edge],
    ) -> Contradiction {
        let mut premises: BTreeMap<(u32, u32), Vec<Edge>> = BTreeMap::new();
        let mut todo: Vec<Edge> = cycle.to_vec();
        while let Some(edge) = todo.pop() {
            if !is_inferred(edge) {
                continue;
            }
            let number = edge.label - INFERRED;
            let derived = self.derived[number as usize];
            if premises.contains_key(&(derived.round, number)) {
                continue;
            }
            let path = self.find_premise(derived);
            todo.extend(&path);
            premises.insert((derived.round, number), path);
        }
        self.to_contradiction(session, cycle, &premises)
    }

    /// Translates a cycle and its premises into operations.
    pub(super) fn to_contradiction(
        &self,
        session: Option<SessionId>,
        cycle: &[Edge],
        premises: &BTreeMap<(u32, u32), Vec<Edge>>,
    ) -> Contradiction {
        let numbers: Vec<u32> = premises.keys().map(|&(_, number)| number).collect();
        let inferred = premises.iter().map(|(&(_, number), path)| {
            let DerivedEdge { read, other, rule, .. } = self.derived[number as usize];
            let source = match self.problem.source[read as usize] {
                ReadSource::Write(write) => Some(self.op_id(write)),
                _ => None,
            };
            InferredOrder {
                read: self.op_id(read),
                source,
                other: self.op_id(other),
                rule,
                path: self.to_links(path, &numbers),
            }
        });
        let inferred = inferred.collect();
        let mut cycle = cycle.to_vec();
        // Begin with an inferred edge, because the others contradict it.
        let first = |is: fn(&Edge) -> bool| cycle.iter().position(is);
        let at = first(|&edge| is_inferred(edge)).or_else(|| first(|edge| edge.label != SESSION));
        cycle.rotate_left(at.unwrap_or(0));
        Contradiction { session, inferred, cycle: self.to_links(&cycle, &numbers) }
    }

    fn op_id(&self, vertex: u32) -> OpId {
        self.problem.facts.rows[vertex as usize].op
    }

    /// Edges as links. Successive edges of session order become one link, and so do those before an edge of real time.
    fn to_links(&self, edges: &[Edge], numbers: &[u32]) -> Vec<CausalLink> {
        let op = |vertex: u32| (vertex != INITIAL).then(|| self.op_id(vertex));
        let mut links: Vec<CausalLink> = Vec::new();
        for edge in edges {
            let why = match edge.label {
                SESSION => LinkReason::SessionOrder,
                REAL_TIME => LinkReason::RealTime,
                READ_FROM => LinkReason::ReadsFrom,
                INITIALLY => LinkReason::Initial,
                ASSUMED => LinkReason::Assumed,
                label => {
                    let number = numbers.iter().position(|&number| number == label - INFERRED);
                    LinkReason::Inferred(number.expect("each has its premise"))
                }
            };
            match links.last_mut() {
                Some(last) if why == LinkReason::SessionOrder && last.why == why => last.to = op(edge.to),
                // Both orders are real time, and the operation at the end is a write.
                Some(last)
                    if why == LinkReason::RealTime
                        && matches!(last.why, LinkReason::SessionOrder | LinkReason::RealTime) =>
                {
                    *last = CausalLink { from: last.from, to: op(edge.to), why };
                }
                _ => links.push(CausalLink { from: op(edge.from), to: op(edge.to), why }),
            }
        }
        links
    }
}

/// Accepts every closed walk within the component of its start.
struct ComponentWalk<'a> {
    component: &'a [u32],
    start: u32,
}

impl WalkAutomaton for ComponentWalk<'_> {
    const STATES: usize = 1;

    fn step(&self, state: u8, edge: Edge) -> Option<u8> {
        (self.component[edge.to as usize] == self.component[self.start as usize]).then_some(state)
    }

    fn counts_edge(&self, edge: Edge) -> bool {
        edge.label != SESSION
    }

    fn accepts_state(&self, _: u8) -> bool {
        true
    }
}

/// One cycle for each component with more than one vertex, usually the shortest, for up to `limit` components. Edges
/// of session order have no length, because any number of them in a row is one link.
pub(super) fn shortest_cycle_per_component(
    graph: &Csr,
    components: Components,
    limit: usize,
) -> Vec<Vec<Edge>> {
    let (starts, members) = components.members();
    let mut component = components.of;
    let mut memory = CycleSearch::new(graph.vertex_count(), 1);
    let mut budget = SHORTER_STEPS_MAX;
    let large = starts.windows(2).filter(|range| range[1] - range[0] > 1).take(limit);
    let one = |range: &[u32]| {
        let members = &members[range[0] as usize..range[1] as usize];
        let length = |walk: &Vec<Edge>| walk.iter().filter(|edge| edge.label != SESSION).count() as u32;
        let mut best: Option<Vec<Edge>> = None;
        for &start in members {
            if best.is_some() && budget == 0 {
                break;
            }
            let bound = best.as_ref().map_or(u32::MAX, length);
            let mut unlimited = u64::MAX;
            let budget = if best.is_some() { &mut budget } else { &mut unlimited };
            let walk = ComponentWalk { component: &component, start };
            best = memory.shortest_through(graph, &walk, start, bound, budget).or(best);
            component[start as usize] = u32::MAX;
        }
        best.expect("a component of several vertices has a cycle")
    };
    large.map(one).collect()
}
