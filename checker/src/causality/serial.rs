//! Causal memory, PRAM and sequential consistency: legal orders that extend a given order.
//!
//! All three levels demand an order of all writes and of some reads. The *scope* is the set of these reads: those of
//! one session, or all. The order has to extend causal order (causal memory) or session order (the others). Edges
//! that follow from the reads in scope are inferred in rounds: a round computes clocks for the known edges, and then
//! examines, for each read and lane, the one write that matters. A cycle refutes the level. Without a cycle,
//! `greedy.rs` builds the order. If it finds two writes whose order is open, both cases are tried.
//!
//! Cost: O(lanes · n) for each round and scope. There are few rounds, because each infers everything that one step of
//! reasoning gives.

use super::cases::{Effort, Found, LIMIT};
use super::clocks::{Clocks, Ordered, ordered};
use super::facts::INITIAL;
use super::paths::{ASSUMED, Derived, INITIALLY, Prover, cycles};
use super::problem::{INFERRED, Problem, Source};
use super::weak::Answer;
use super::{beyond, greedy};
use crate::graph::Edge;
use claims::{
    CausalOrders, CausalProofStep, Contradiction, InferenceRule, Level, Limits, SessionSerialization,
};
use histories::{OpId, SessionId};

/// The work of one round. One operation in one lane is one unit.
pub(super) fn work(problem: &Problem<'_>) -> usize {
    problem.count().saturating_mul(problem.lanes.len() + 8)
}

/// Decides `causal-memory`, `pram` or `sequential`.
pub(super) fn check(problem: &Problem<'_>, level: Level, limits: &Limits<'_>, effort: &mut Effort) -> Answer {
    let bytes = Clocks::bytes(problem);
    if bytes > limits.bytes {
        return Found::Unknown(beyond(bytes, limits));
    }
    let (mut orders, mut refuted, mut unknown) = (Vec::new(), Vec::new(), None);
    for session in sessions(problem, level) {
        if refuted.len() >= LIMIT {
            break;
        }
        let mut scope = Scope::new(problem, level, session);
        match scope.decide(limits, effort) {
            Found::Explained(order) => orders.extend(order.orders),
            Found::Refuted(proof) => refuted.push(proof),
            Found::Unknown(reason) => unknown = unknown.or(Some(reason)),
        }
    }
    match unknown {
        _ if !refuted.is_empty() => Found::Refuted(refuted),
        Some(reason) => Found::Unknown(reason),
        None => Found::Explained(CausalOrders { orders, returned: Vec::new() }),
    }
}

/// The sessions that need an order of their own: each session that read something. `None` stands for one order of
/// everything.
fn sessions(problem: &Problem<'_>, level: Level) -> Vec<Option<SessionId>> {
    if level == Level::Sequential {
        return vec![None];
    }
    let readers = (0..problem.count() as u32).filter(|&vertex| problem.reads(vertex));
    let mut sessions: Vec<Option<SessionId>> = readers.map(|vertex| Some(problem.session(vertex))).collect();
    sessions.sort_unstable();
    sessions.dedup();
    sessions
}

/// One order that the level demands.
struct Scope<'a> {
    problem: &'a Problem<'a>,
    session: Option<SessionId>,
    reads: Vec<u32>,
    in_scope: Vec<bool>,
    /// The edges that the order has to extend.
    base: Vec<Edge>,
}

/// All inferred edges, without a cycle.
struct Saturated {
    ordered: Ordered,
    clocks: Clocks,
}

/// Why the inference ended without a saturated graph.
enum Stopped {
    Refuted(Contradiction),
    Unknown(String),
}

/// Two writes, one of which is assumed to come first.
struct Case {
    a: u32,
    b: u32,
    swapped: bool,
}

impl<'a> Scope<'a> {
    fn new(problem: &'a Problem<'a>, level: Level, session: Option<SessionId>) -> Self {
        let mut in_scope = vec![false; problem.count()];
        let is_own = |vertex: u32| session.is_none_or(|session| problem.session(vertex) == session);
        let reads: Vec<u32> =
            (0..problem.count() as u32).filter(|&vertex| problem.reads(vertex) && is_own(vertex)).collect();
        reads.iter().for_each(|&read| in_scope[read as usize] = true);
        let mut base = problem.session_edges.clone();
        let all = level == Level::CausalMemory;
        base.extend(problem.read_edges(|vertex| all || in_scope[vertex as usize]));
        Self { problem, session, reads, in_scope, base }
    }

    fn decide(&mut self, limits: &Limits<'_>, effort: &mut Effort) -> Found<Vec<CausalProofStep>> {
        let op = |vertex: u32| self.problem.facts.rows[vertex as usize].op;
        let (mut cases, mut proof): (Vec<Case>, Vec<CausalProofStep>) = (Vec::new(), Vec::new());
        loop {
            let assumed = cases.iter().map(|case| match case.swapped {
                false => Edge { from: case.a, to: case.b, label: ASSUMED },
                true => Edge { from: case.b, to: case.a, label: ASSUMED },
            });
            let edges: Vec<Edge> = self.base.iter().copied().chain(assumed).collect();
            match self.explain(edges, limits, effort) {
                Ok(Ok(order)) => return Found::Explained(self.told(&order)),
                Ok(Err((a, b))) => {
                    proof.push(CausalProofStep::Order { a: op(a), b: op(b) });
                    cases.push(Case { a, b, swapped: false });
                }
                Err(Stopped::Unknown(reason)) => return Found::Unknown(reason),
                Err(Stopped::Refuted(found)) => {
                    proof.push(CausalProofStep::Contradiction(found));
                    while cases.pop_if(|case| case.swapped).is_some() {}
                    match cases.last_mut() {
                        Some(case) => case.swapped = true,
                        None => return Found::Refuted(proof),
                    }
                }
            }
        }
    }

    /// An order, or two writes for a case distinction.
    fn explain(
        &self,
        edges: Vec<Edge>,
        limits: &Limits<'_>,
        effort: &mut Effort,
    ) -> Result<greedy::OrderOrPair, Stopped> {
        let mut saturation = Saturation { edges, derived: Vec::new(), round: 0 };
        if self.session.is_some() {
            let Saturated { ordered, clocks } = self.saturate(&mut saturation, false, limits, effort)?;
            if let Some(order) = greedy::layers(self.problem, &ordered, &clocks, &self.in_scope) {
                return Ok(Ok(order));
            }
        }
        let Saturated { ordered, .. } = self.saturate(&mut saturation, true, limits, effort)?;
        Ok(greedy::greedy(self.problem, &ordered, &self.in_scope))
    }

    /// Infers edges until nothing new follows.
    fn saturate(
        &self,
        saturation: &mut Saturation,
        both: bool,
        limits: &Limits<'_>,
        effort: &mut Effort,
    ) -> Result<Saturated, Stopped> {
        let problem = self.problem;
        loop {
            effort.spend(work(problem), limits).map_err(Stopped::Unknown)?;
            let ordered = ordered(problem.count(), &saturation.edges).map_err(|cyclic| {
                let cycle = cycles(&cyclic.graph, cyclic.components, 1).swap_remove(0);
                let mut prover = Prover::new(problem, &cyclic.graph, &saturation.derived);
                Stopped::Refuted(prover.contradiction(self.session, &cycle))
            })?;
            let clocks = Clocks::new(problem, &ordered);
            saturation.round += 1;
            let known = saturation.derived.len();
            for &read in &self.reads {
                self.infer(read, &clocks, both, saturation);
                let bytes = Clocks::bytes(problem).saturating_add(Derived::bytes(saturation.derived.len()));
                if bytes > limits.bytes {
                    return Err(Stopped::Unknown(beyond(bytes, limits)));
                }
            }
            let new = &saturation.derived[known..];
            let initial = |derived: &Derived| {
                derived.rule == InferenceRule::NotBetween
                    && problem.source[derived.read as usize] == Source::Initial
            };
            if let Some(at) = new.iter().position(initial) {
                let other = new[at].other;
                let cycle = [
                    Edge { from: INITIAL, to: other, label: INITIALLY },
                    Edge { from: other, to: INITIAL, label: INFERRED + (known + at) as u32 },
                ];
                let mut prover = Prover::new(problem, &ordered.graph, &saturation.derived);
                return Err(Stopped::Refuted(prover.contradiction(self.session, &cycle)));
            }
            if new.is_empty() {
                return Ok(Saturated { ordered, clocks });
            }
            let edges = (known..).zip(new).map(|(number, derived)| derived.edge(problem, number));
            saturation.edges.extend(edges);
        }
    }

    /// Infers what follows from one read. For each lane only the write that matters most is examined.
    fn infer(&self, read: u32, clocks: &Clocks, both: bool, saturation: &mut Saturation) {
        let problem = self.problem;
        let source = problem.source[read as usize];
        for (lane, writes) in problem.writes.of(problem.key(read)) {
            let mut add = |other: u32, rule: InferenceRule| {
                saturation.derived.push(Derived { read, other, rule, round: saturation.round });
            };
            if let Some(other) = clocks.last_before(problem, writes, lane, read)
                && source != Source::Write(other)
                && !matches!(source, Source::Write(write) if clocks.precedes(problem, other, write))
            {
                add(other, InferenceRule::NotBetween);
            }
            if !both {
                continue;
            }
            let after = match source {
                Source::Write(write) => clocks.first_after(problem, writes, write),
                _ => writes.first().copied(),
            };
            if let Some(other) =
                after.filter(|&other| other != read && !clocks.precedes(problem, read, other))
            {
                add(other, InferenceRule::NotYet);
            }
        }
    }

    fn told(&self, order: &[u32]) -> CausalOrders {
        let op = |&vertex: &u32| -> OpId { self.problem.facts.rows[vertex as usize].op };
        let operations = order.iter().map(op).collect();
        CausalOrders {
            orders: vec![SessionSerialization { session: self.session, operations }],
            returned: Vec::new(),
        }
    }
}

/// The edges so far, and which of them were inferred.
struct Saturation {
    edges: Vec<Edge>,
    derived: Vec<Derived>,
    round: u32,
}
