//! Levels that are defined by a commit order: monotonic atomic view, read atomic, causal (Biswas & Enea 2019).
//! Decided exactly.
//!
//! Such a level demands one total *commit order* that extends session order (`so`) and reads-from (`wr`). In this
//! order no transaction may read a version that it should know to be outdated: if t3 read x from t1, and t2 wrote x
//! too and was *seen* by t3, then t2 committed before t1. The levels differ in what counts as seen:
//!
//! | level | t3 has seen t2 if |
//! | --- | --- |
//! | monotonic atomic view | t3 read something from t2 before it read x |
//! | read atomic | t3 read something from t2, or t2 is earlier in its session |
//! | causal | a chain of `so` and `wr` leads from t2 to t3 |
//!
//! The naive way tries all t1, t2, t3: n³. Møldrup & Pavlogiannis (AWDIT, PLDI 2025) show that a few edges for each
//! read are enough: those from the *last* seen transactions that wrote x, because earlier ones are ordered before
//! these anyway. The level holds exactly if `so`, `wr` and these edges have no cycle; any topological order is the
//! witness. This module avoids most of the edges: it guesses an order and corrects it (`guess`), and collects all
//! edges only as a last resort. Costs: n·√n in the worst case for the first two levels, by always walking the smaller
//! of "what t3 reads" and "what t2 writes". Causal takes n·k for k sequential clients, with one clock of k entries
//! for each transaction.
//!
//! The version order of a list is known, and the commit order has to extend it too. If an axiom demands the opposite,
//! there is a cycle with `ww` edges.
//!
//! A read of the initial state is a read from a transaction before all others. No transaction can come before that
//! one. If an axiom demands it, t3 itself is the contradiction: it has seen t2 and missed what t2 wrote. Such a
//! demand is kept as an anti-dependency t3 → t2.
//!
//! # Choices
//!
//! A session may have several transactions in flight. Then its order is partial, and several transactions may be "its
//! last transaction that wrote x". AWDIT and similar checkers only support sessions without overlap. Here each
//! process within a session has a clock entry of its own, because a process runs one transaction at a time.

mod causal;
mod commit_order;
mod facts;
mod guess;
mod visible;

pub(crate) use facts::TransactionFacts;

use super::cycles::FoundCycle;
use super::graph::{
    Budget, DependencyComponents, DependencyGraph, DependencyGraphBuilder, DependencyStep, EdgeKinds,
    GraphScope, PathGoal, PathSearch,
};
use super::index::{KeyShape, NONE, TransactionIndex, UNKNOWN};
use super::key_facts::{immediate_successors, outside_reads};
use super::versions::VersionEdge;
use super::why::EdgeExplainer;
use claims::{
    Axiom, CycleFamily, CycleKind, Dependency, DependencyCycle, DependencyReason, Limits, OrderExtent,
    SeenThrough, TransactionEvidence,
};
use guess::Guess;
use histories::{KeyId, OpId};
use std::sync::atomic::AtomicBool;

/// The result of checking an axiom.
pub(crate) enum AxiomDecision {
    /// A commit order.
    Holds(Vec<OpId>),
    Violated(TransactionEvidence),
    Unknown(String),
}

/// The demand that t2 (`earlier`) commits before t1 (`later`), because `reader` read `key` from t1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arbitration {
    pub earlier: u32,
    /// [`NONE`] for the initial state.
    pub later: u32,
    pub key: KeyId,
    pub reader: u32,
}

/// Decides one of the three levels. Every value that was read must identify its writer: no garbage, nothing
/// ambiguous.
pub(crate) fn decide_axiom(
    index: &TransactionIndex<'_>,
    facts: &TransactionFacts<'_>,
    orders: &[Vec<VersionEdge>],
    axiom: Axiom,
    limits: &Limits<'_>,
) -> AxiomDecision {
    let arbitrations = match guess::guess_commit_order(facts, axiom, limits) {
        Guess::Holds(order) => return AxiomDecision::Holds(operation_ids(&order.sequence)),
        Guess::Stopped => return AxiomDecision::Unknown(Limits::STOPPED.to_owned()),
        Guess::TooLarge(why) => return AxiomDecision::Unknown(why),
        Guess::Broken(arbitrations) => arbitrations,
        Guess::Open => match all_arbitrations(facts, axiom, limits) {
            Ok(arbitrations) => arbitrations,
            Err(why) => return AxiomDecision::Unknown(why),
        },
    };
    let stopped = || AxiomDecision::Unknown(Limits::STOPPED.to_owned());
    if limits.stop_requested() {
        return stopped();
    }
    let base = build_axiom_graph(index, facts, &[]);
    let graph = build_axiom_graph(index, facts, &arbitrations);
    let scope = GraphScope { kinds: ALL, within: None, nonadjacent: false, stop: limits.stop };
    let components = DependencyComponents::find_from_roots(&graph, scope, 0..graph.operation_count());
    if limits.stop_requested() {
        return stopped();
    }
    let Some(members) = components.nontrivial.first() else {
        let mut at_number = vec![None; components.count as usize];
        for op in (0..facts.operation_count()).filter(|&op| facts.is_committed(op)) {
            at_number[components.number[op as usize] as usize] = Some(OpId::from_raw(op));
        }
        return AxiomDecision::Holds(at_number.into_iter().rev().flatten().collect());
    };
    let Some(steps) = find_short_cycle(&graph, members, &components, limits) else { return stopped() };
    let explain =
        ArbitrationExplainer { index, facts, orders, axiom, base: &base, arbitrations: &arbitrations };
    AxiomDecision::Violated(TransactionEvidence::Cycle(explain.explain_cycle(&steps)))
}

/// A commit order, if one is found without the index. For histories in which every read identifies its writer.
///
/// The error is a reason for *unknown*, or `None` if the caller has to use the index.
pub(crate) fn find_plain_commit_order(
    facts: &TransactionFacts<'_>,
    axiom: Axiom,
    limits: &Limits<'_>,
) -> Result<Vec<OpId>, Option<String>> {
    match guess::guess_commit_order(facts, axiom, limits) {
        Guess::Holds(order) => Ok(operation_ids(&order.sequence)),
        Guess::Stopped => Err(Some(Limits::STOPPED.to_owned())),
        Guess::TooLarge(why) => Err(Some(why)),
        Guess::Broken(_) | Guess::Open => Err(None),
    }
}

fn operation_ids(sequence: &[u32]) -> Vec<OpId> {
    sequence.iter().map(|&op| OpId::from_raw(op)).collect()
}

/// All pairs that the axiom demands. With session order, reads and lists they have a cycle exactly if the axiom is
/// broken.
fn all_arbitrations(
    facts: &TransactionFacts<'_>,
    axiom: Axiom,
    limits: &Limits<'_>,
) -> Result<Vec<Arbitration>, String> {
    let any = |_: u32, _: u32| true;
    match axiom {
        Axiom::MonotonicAtomicView => Ok(visible::monotonic_atomic_view_arbitrations(facts, &any)),
        Axiom::ReadAtomic => Ok(visible::read_atomic_arbitrations(facts, &any)),
        Axiom::Causal => {
            // The first round of guessing found such an order, so only a stop can prevent it now.
            let order = commit_order::CommitOrder::extending_pairs(facts, &[])
                .ok_or_else(|| Limits::STOPPED.to_owned())?;
            Ok(causal::all_causal_arbitrations(facts, &causal::ChainClocks::new(facts, &order, limits)?))
        }
    }
}

/// Session order, reads-from, the version order of lists, and the demanded commit order.
const ALL: EdgeKinds = EdgeKinds::SESSION
    .union(EdgeKinds::WR)
    .union(EdgeKinds::WW)
    .union(EdgeKinds::RW)
    .union(EdgeKinds::TIME)
    .union(EdgeKinds::THROUGH);

/// [`Kinds::TIME`] stands for a commit order that an axiom demands: these levels do not use real time.
const ARBITRATED: EdgeKinds = EdgeKinds::TIME;

/// The graph is incomplete if the check was stopped. The search for components then sees the stop flag too.
fn build_axiom_graph(
    index: &TransactionIndex<'_>,
    facts: &TransactionFacts<'_>,
    arbitrations: &[Arbitration],
) -> DependencyGraph {
    let mut builder = DependencyGraphBuilder::new(index.history.len(), index.history.micros().len() / 2);
    for reader in 0..facts.operation_count() {
        if reader & 0xfff == 0 && facts.limits.stop_requested() {
            break;
        }
        for &(key, writer) in facts.reads.row(reader) {
            if writer != NONE {
                builder.add_edge(writer, reader, EdgeKinds::WR, key);
            }
        }
    }
    for session in &facts.sessions {
        let ends = |&op: &u32| {
            let operation = index.history.operation(index.op_id(op));
            (operation.invoked, operation.completed)
        };
        let intervals: Vec<(u32, u32)> = session.iter().map(ends).collect();
        for (at, range) in immediate_successors(&intervals).into_iter().enumerate() {
            range.for_each(|later| {
                builder.add_edge(session[at], session[later], EdgeKinds::SESSION, KeyId::NONE)
            });
        }
    }
    for key in index.key_ids().filter(|&key| index.key(key).shape == KeyShape::List) {
        facts::for_each_list_order_pair(index, key, |earlier, later| {
            builder.add_edge(earlier, later, EdgeKinds::WW, key)
        });
    }
    for each in arbitrations {
        match each.later {
            NONE => builder.add_edge(each.reader, each.earlier, EdgeKinds::RW, each.key),
            later => builder.add_edge(each.earlier, later, ARBITRATED, each.key),
        }
    }
    builder.into_graph(None, &facts.limits)
}

/// A short cycle in a component. Returns `None` if the check was stopped before one was found.
fn find_short_cycle(
    graph: &DependencyGraph,
    members: &[u32],
    components: &DependencyComponents,
    limits: &Limits<'_>,
) -> Option<Vec<DependencyStep>> {
    let scope = GraphScope { kinds: ALL, within: Some(components), nonadjacent: false, stop: limits.stop };
    let mut paths = PathSearch::new(graph);
    let mut budget = Budget(1_000_000);
    let mut best: Option<Vec<DependencyStep>> = None;
    for &start in members {
        let goal = PathGoal { from: (start, false), to: start, scope, ranks: None };
        let found = paths.find_shortest(goal, &mut budget);
        if let Some(steps) = found
            && best.as_ref().is_none_or(|best| steps.len() < best.len())
        {
            best = Some(steps);
        }
        if budget.0 == 0 && (best.is_some() || limits.stop_requested()) {
            break;
        }
        if budget.0 == 0 {
            budget = Budget(u64::MAX); // the component has a cycle, so one must be found
        }
    }
    debug_assert!(
        best.is_some() || limits.stop_requested(),
        "a component of more than one vertex has a cycle"
    );
    best
}

/// Explains the edges of a cycle.
struct ArbitrationExplainer<'a, 'h> {
    index: &'a TransactionIndex<'h>,
    facts: &'a TransactionFacts<'h>,
    orders: &'a [Vec<VersionEdge>],
    axiom: Axiom,
    base: &'a DependencyGraph,
    arbitrations: &'a [Arbitration],
}

impl ArbitrationExplainer<'_, '_> {
    fn explain_cycle(&self, steps: &[DependencyStep]) -> DependencyCycle {
        let mut edges: Vec<Dependency> = steps.iter().flat_map(|&step| self.explain_step(step)).collect();
        // A missed write is explained together with the path from the writer back to the reader; the two form a cycle
        // on their own.
        if let Some(at) = steps.iter().position(|step| step.kind == EdgeKinds::RW) {
            edges = self.explain_missed_write(steps[at]);
        }
        DependencyCycle { shape: super::why::cycle_shape(&edges), edges, shortest: false }
    }

    fn explain_plain_steps(&self, steps: &[DependencyStep]) -> Vec<Dependency> {
        let explainer = EdgeExplainer { index: self.index, orders: self.orders };
        let kind = CycleKind { family: CycleFamily::G2, extent: OrderExtent::Session };
        let found = FoundCycle { kind, steps: steps.to_vec(), shortest: false, components: 1 };
        explainer.explain_cycle(&found).edges
    }

    fn explain_step(&self, step: DependencyStep) -> Vec<Dependency> {
        if step.kind != ARBITRATED {
            return self.explain_plain_steps(&[step]);
        }
        let same =
            |each: &&Arbitration| (each.earlier, each.later, each.key) == (step.from, step.to, step.key);
        let each = self.arbitrations.iter().find(same).expect("the edge was made for it");
        let index = self.index;
        let value = self.value_read(each).expect("somebody wrote what was read");
        let why = DependencyReason::Arbitrated {
            axiom: self.axiom,
            key: each.key,
            reader: index.op_id(each.reader),
            value,
            seen: self.seen_through(each),
        };
        vec![Dependency { from: index.op_id(step.from), to: index.op_id(step.to), why }]
    }

    fn value_read(&self, each: &Arbitration) -> Option<histories::ValueId> {
        let index = self.index;
        let mut reads = outside_reads(index, each.key).filter(|(touch, _)| touch.op == each.reader);
        let version =
            reads.find(|&(_, version)| index.committed_writer(each.key, version) == Some(each.later))?.1;
        debug_assert!(version < UNKNOWN);
        index.value_of_version(each.key, version)
    }

    /// How the reader has seen the earlier writer.
    fn seen_through(&self, each: &Arbitration) -> SeenThrough {
        let read = self.facts.reads.row(each.reader).iter().find(|read| read.1 == each.earlier);
        if let Some(&(key, _)) = read {
            return SeenThrough::Read(key);
        }
        let index = self.index;
        let (a, b) = (
            index.history.operation(index.op_id(each.earlier)),
            index.history.operation(index.op_id(each.reader)),
        );
        if a.session == b.session && a.precedes(&b) {
            return SeenThrough::Session;
        }
        let steps = self.shortest_causal_path(each.earlier, each.reader);
        SeenThrough::Causally(steps[1..].iter().map(|step| index.op_id(step.from)).collect())
    }

    /// The shortest chain of session order and reads.
    fn shortest_causal_path(&self, from: u32, to: u32) -> Vec<DependencyStep> {
        let kinds = EdgeKinds::SESSION.union(EdgeKinds::WR);
        // Only a few edges are explained, so this ignores the stop flag.
        let never = AtomicBool::new(false);
        let scope = GraphScope { kinds, within: None, nonadjacent: false, stop: &never };
        let goal = PathGoal { from: (from, false), to, scope, ranks: None };
        let mut budget = Budget(u64::MAX);
        PathSearch::new(self.base).find_shortest(goal, &mut budget).expect("it was seen along some chain")
    }

    /// The reader saw the writer and missed its write.
    fn explain_missed_write(&self, step: DependencyStep) -> Vec<Dependency> {
        let (writer, reader) = (step.to, step.from);
        let direct = |kind, key| vec![DependencyStep { from: writer, to: reader, kind, key }];
        let same = |each: &&Arbitration| (each.earlier, each.reader, each.key) == (writer, reader, step.key);
        let each = self.arbitrations.iter().find(same).expect("the edge was made for it");
        let steps = match self.seen_through(each) {
            SeenThrough::Read(key) => direct(EdgeKinds::WR, key),
            SeenThrough::Session => direct(EdgeKinds::SESSION, KeyId::NONE),
            SeenThrough::Causally(_) => self.shortest_causal_path(writer, reader),
        };
        // Only a read of the initial state misses every write.
        let explainer = EdgeExplainer { index: self.index, orders: self.orders };
        let missed = explainer.explain_missed_by_initial(step);
        self.explain_plain_steps(&steps).into_iter().chain([missed]).collect()
    }
}
