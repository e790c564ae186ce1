//! Causal memory, PRAM, sequential and ordered sequential consistency: legal orders that extend a given order.
//!
//! These levels demand an order of all writes and of some reads. The *scope* is the set of these reads: those of
//! one session, or all. The order has to extend causal order (causal memory) or session order (the others), and for
//! ordered sequential consistency also real time before writes (`real_time.rs`). Edges
//! that follow from the reads in scope are inferred in rounds: a round computes clocks for the known edges, and then
//! examines one write for each read and lane: the extreme one, which implies all others. A cycle refutes the level. Without a cycle,
//! `greedy.rs` builds the order. If it finds two writes whose order is open, both cases are tried.
//!
//! Cost: O(lanes · n) for each round and scope. There are few rounds, because each infers everything that one step of
//! reasoning gives.

use super::clocks::{LaneClocks, OrderedGraph, order_topologically};
use super::facts::INITIAL;
use super::outcome::{AssignmentOutcome, CausalOutcome, Effort, LIMIT};
use super::paths::{ASSUMED, DerivedEdge, INITIALLY, Prover, shortest_cycle_per_component};
use super::problem::{CausalProblem, INFERRED, ReadSource};
use super::real_time::real_time_edges;
use super::{greedy, memory_limit_reason};
use crate::graph::Edge;
use claims::{
    CausalOrders, CausalProofStep, Contradiction, InferenceRule, Level, Limits, SessionSerialization,
};
use histories::{OpId, SessionId};

/// The work of one round. One operation in one lane is one unit.
pub(super) fn round_work(problem: &CausalProblem<'_>) -> usize {
    problem.vertex_count().saturating_mul(problem.lanes.len() + 8)
}

/// Decides `causal-memory`, `pram`, `sequential` or `ordered-sequential`.
pub(super) fn check_serial_level(
    problem: &CausalProblem<'_>,
    level: Level,
    limits: &Limits<'_>,
    effort: &mut Effort,
) -> AssignmentOutcome {
    let bytes = LaneClocks::bytes_needed(problem);
    if bytes > limits.bytes {
        return CausalOutcome::Unknown(memory_limit_reason(bytes, limits));
    }
    let timed = match level {
        Level::OrderedSequential => match real_time_edges(problem, limits, effort) {
            Ok(edges) => edges,
            Err(reason) => return CausalOutcome::Unknown(reason),
        },
        _ => Vec::new(),
    };
    let (mut orders, mut refuted, mut unknown) = (Vec::new(), Vec::new(), None);
    for session in sessions_to_order(problem, level) {
        if refuted.len() >= LIMIT {
            break;
        }
        let mut scope = SerialScope::new(problem, level, session);
        scope.base.extend(&timed);
        match scope.decide_scope(limits, effort) {
            CausalOutcome::Explained(order) => orders.extend(order.orders),
            CausalOutcome::Refuted(proof) => refuted.push(proof),
            CausalOutcome::Unknown(reason) => unknown = unknown.or(Some(reason)),
        }
    }
    match unknown {
        _ if !refuted.is_empty() => CausalOutcome::Refuted(refuted),
        Some(reason) => CausalOutcome::Unknown(reason),
        None => CausalOutcome::Explained(CausalOrders { orders, returned: Vec::new() }),
    }
}

/// The sessions that need an order of their own: each session that read something. `None` stands for one order of
/// everything.
fn sessions_to_order(problem: &CausalProblem<'_>, level: Level) -> Vec<Option<SessionId>> {
    if matches!(level, Level::Sequential | Level::OrderedSequential) {
        return vec![None];
    }
    let readers = (0..problem.vertex_count() as u32).filter(|&vertex| problem.is_known_read(vertex));
    let mut sessions: Vec<Option<SessionId>> = readers.map(|vertex| Some(problem.session(vertex))).collect();
    sessions.sort_unstable();
    sessions.dedup();
    sessions
}

/// One order that the level demands.
struct SerialScope<'a> {
    problem: &'a CausalProblem<'a>,
    session: Option<SessionId>,
    reads: Vec<u32>,
    in_scope: Vec<bool>,
    /// The edges that the order has to extend.
    base: Vec<Edge>,
}

/// All inferred edges, without a cycle.
struct Saturated {
    ordered: OrderedGraph,
    clocks: LaneClocks,
}

/// Why the inference ended without a saturated graph.
enum SaturationEnd {
    Refuted(Contradiction),
    Unknown(String),
}

/// Two writes, `a` and `b`. The case assumes that `a` comes first, or `b` if `swapped`.
struct WriteOrderCase {
    a: u32,
    b: u32,
    swapped: bool,
}

impl<'a> SerialScope<'a> {
    fn new(problem: &'a CausalProblem<'a>, level: Level, session: Option<SessionId>) -> Self {
        let mut in_scope = vec![false; problem.vertex_count()];
        let is_own = |vertex: u32| session.is_none_or(|session| problem.session(vertex) == session);
        let reads: Vec<u32> = (0..problem.vertex_count() as u32)
            .filter(|&vertex| problem.is_known_read(vertex) && is_own(vertex))
            .collect();
        reads.iter().for_each(|&read| in_scope[read as usize] = true);
        let mut base = problem.session_edges.clone();
        let all = level == Level::CausalMemory;
        base.extend(problem.read_edges(|vertex| all || in_scope[vertex as usize]));
        Self { problem, session, reads, in_scope, base }
    }

    fn decide_scope(
        &mut self,
        limits: &Limits<'_>,
        effort: &mut Effort,
    ) -> CausalOutcome<Vec<CausalProofStep>> {
        let op = |vertex: u32| self.problem.facts.rows[vertex as usize].op;
        let (mut cases, mut proof): (Vec<WriteOrderCase>, Vec<CausalProofStep>) = (Vec::new(), Vec::new());
        loop {
            let assumed = cases.iter().map(|case| match case.swapped {
                false => Edge { from: case.a, to: case.b, label: ASSUMED },
                true => Edge { from: case.b, to: case.a, label: ASSUMED },
            });
            let edges: Vec<Edge> = self.base.iter().copied().chain(assumed).collect();
            match self.find_order_or_pair(edges, limits, effort) {
                Ok(Ok(order)) => return CausalOutcome::Explained(self.to_causal_orders(&order)),
                Ok(Err((a, b))) => {
                    proof.push(CausalProofStep::Order { a: op(a), b: op(b) });
                    cases.push(WriteOrderCase { a, b, swapped: false });
                }
                Err(SaturationEnd::Unknown(reason)) => return CausalOutcome::Unknown(reason),
                Err(SaturationEnd::Refuted(found)) => {
                    proof.push(CausalProofStep::Contradiction(found));
                    while cases.pop_if(|case| case.swapped).is_some() {}
                    match cases.last_mut() {
                        Some(case) => case.swapped = true,
                        None => return CausalOutcome::Refuted(proof),
                    }
                }
            }
        }
    }

    /// An order, or two writes for a case distinction.
    fn find_order_or_pair(
        &self,
        edges: Vec<Edge>,
        limits: &Limits<'_>,
        effort: &mut Effort,
    ) -> Result<greedy::OrderOrPair, SaturationEnd> {
        let mut saturation = Saturation { edges, derived: Vec::new(), round: 0 };
        if self.session.is_some() {
            let Saturated { ordered, clocks } = self.saturate(&mut saturation, false, limits, effort)?;
            if let Some(order) = greedy::order_by_layers(self.problem, &ordered, &clocks, &self.in_scope) {
                return Ok(Ok(order));
            }
        }
        let Saturated { ordered, .. } = self.saturate(&mut saturation, true, limits, effort)?;
        Ok(greedy::order_greedily(self.problem, &ordered, &self.in_scope))
    }

    /// Infers edges until nothing new follows.
    fn saturate(
        &self,
        saturation: &mut Saturation,
        both: bool,
        limits: &Limits<'_>,
        effort: &mut Effort,
    ) -> Result<Saturated, SaturationEnd> {
        let problem = self.problem;
        loop {
            effort.spend(round_work(problem), limits).map_err(SaturationEnd::Unknown)?;
            let ordered =
                order_topologically(problem.vertex_count(), &saturation.edges).map_err(|cyclic| {
                    let cycle =
                        shortest_cycle_per_component(&cyclic.graph, cyclic.components, 1).swap_remove(0);
                    let mut prover = Prover::new(problem, &cyclic.graph, &saturation.derived);
                    SaturationEnd::Refuted(prover.prove_contradiction(self.session, &cycle))
                })?;
            let clocks = LaneClocks::new(problem, &ordered);
            saturation.round += 1;
            let known = saturation.derived.len();
            for &read in &self.reads {
                self.infer_from_read(read, &clocks, both, saturation);
                let bytes = LaneClocks::bytes_needed(problem)
                    .saturating_add(DerivedEdge::bytes_needed(saturation.derived.len()));
                if bytes > limits.bytes {
                    return Err(SaturationEnd::Unknown(memory_limit_reason(bytes, limits)));
                }
            }
            let new = &saturation.derived[known..];
            let initial = |derived: &DerivedEdge| {
                derived.rule == InferenceRule::NotBetween
                    && problem.source[derived.read as usize] == ReadSource::Initial
            };
            if let Some(at) = new.iter().position(initial) {
                let other = new[at].other;
                let cycle = [
                    Edge { from: INITIAL, to: other, label: INITIALLY },
                    Edge { from: other, to: INITIAL, label: INFERRED + (known + at) as u32 },
                ];
                let mut prover = Prover::new(problem, &ordered.graph, &saturation.derived);
                return Err(SaturationEnd::Refuted(prover.prove_contradiction(self.session, &cycle)));
            }
            if new.is_empty() {
                return Ok(Saturated { ordered, clocks });
            }
            let edges = (known..).zip(new).map(|(number, derived)| derived.derived_edge(problem, number));
            saturation.edges.extend(edges);
        }
    }

    /// Infers the edges that follow from one read. In each lane only the last write before it, or the first write after its
    /// source, is examined.
    fn infer_from_read(&self, read: u32, clocks: &LaneClocks, both: bool, saturation: &mut Saturation) {
        let problem = self.problem;
        let source = problem.source[read as usize];
        for (lane, writes) in problem.writes.writes_by_lane(problem.key(read)) {
            let mut add = |other: u32, rule: InferenceRule| {
                saturation.derived.push(DerivedEdge { read, other, rule, round: saturation.round });
            };
            if let Some(other) = clocks.last_write_before(problem, writes, lane, read)
                && source != ReadSource::Write(other)
                && !matches!(source, ReadSource::Write(write) if clocks.precedes(problem, other, write))
            {
                add(other, InferenceRule::NotBetween);
            }
            if !both {
                continue;
            }
            let after = match source {
                ReadSource::Write(write) => clocks.first_write_after(problem, writes, write),
                _ => writes.first().copied(),
            };
            if let Some(other) =
                after.filter(|&other| other != read && !clocks.precedes(problem, read, other))
            {
                add(other, InferenceRule::NotYet);
            }
        }
    }

    fn to_causal_orders(&self, order: &[u32]) -> CausalOrders {
        let op = |&vertex: &u32| -> OpId { self.problem.facts.rows[vertex as usize].op };
        let operations = order.iter().map(op).collect();
        CausalOrders {
            orders: vec![SessionSerialization { session: self.session, key: None, operations }],
            returned: Vec::new(),
        }
    }
}

/// The edges so far, and which of them were inferred.
struct Saturation {
    edges: Vec<Edge>,
    derived: Vec<DerivedEdge>,
    round: u32,
}
