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
mod facts;
mod guess;
mod visible;

pub(crate) use facts::Facts;

use super::cycles::Found;
use super::dependencies::{immediate_successors, outside_reads};
use super::graph::{Budget, Builder, Components, Goal, Graph, Kinds, Paths, Scope, Step};
use super::index::{Index, KeyShape, NONE, UNKNOWN};
use super::versions::VersionEdge;
use super::why::Explainer;
use claims::{
    Axiom, CycleFamily, CycleKind, Dependency, DependencyCycle, DependencyReason, Limits, OrderExtent,
    SeenThrough, TransactionEvidence,
};
use guess::Guess;
use histories::{KeyId, OpId};
use std::sync::atomic::AtomicBool;

/// The result of checking an axiom.
pub(crate) enum Decision {
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
pub(crate) fn decide(
    index: &Index<'_>,
    facts: &Facts<'_>,
    orders: &[Vec<VersionEdge>],
    axiom: Axiom,
    limits: &Limits<'_>,
) -> Decision {
    let arbitrations = match guess::guess(facts, axiom, limits) {
        Guess::Holds(order) => return Decision::Holds(named(&order.sequence)),
        Guess::Stopped => return Decision::Unknown(Limits::STOPPED.to_owned()),
        Guess::TooLarge(why) => return Decision::Unknown(why),
        Guess::Broken(arbitrations) => arbitrations,
        Guess::Open => match all(facts, axiom, limits) {
            Ok(arbitrations) => arbitrations,
            Err(why) => return Decision::Unknown(why),
        },
    };
    let stopped = || Decision::Unknown(Limits::STOPPED.to_owned());
    if limits.stopped() {
        return stopped();
    }
    let base = graph(index, facts, &[]);
    let graph = graph(index, facts, &arbitrations);
    let scope = Scope { kinds: ALL, within: None, nonadjacent: false, stop: limits.stop };
    let components = Components::find(&graph, scope, 0..graph.operations());
    if limits.stopped() {
        return stopped();
    }
    let Some(members) = components.nontrivial.first() else {
        let mut at_number = vec![None; components.count as usize];
        for op in (0..facts.count()).filter(|&op| facts.committed(op)) {
            at_number[components.number[op as usize] as usize] = Some(OpId::from_raw(op));
        }
        return Decision::Holds(at_number.into_iter().rev().flatten().collect());
    };
    let Some(steps) = shortest(&graph, members, &components, limits) else { return stopped() };
    let explain = Explain { index, facts, orders, axiom, base: &base, arbitrations: &arbitrations };
    Decision::Violated(TransactionEvidence::Cycle(explain.cycle(&steps)))
}

/// A commit order, if one is found without the index. For histories in which every read identifies its writer.
///
/// The error is a reason for *unknown*, or `None` if the caller has to use the index.
pub(crate) fn plainly(
    facts: &Facts<'_>,
    axiom: Axiom,
    limits: &Limits<'_>,
) -> Result<Vec<OpId>, Option<String>> {
    match guess::guess(facts, axiom, limits) {
        Guess::Holds(order) => Ok(named(&order.sequence)),
        Guess::Stopped => Err(Some(Limits::STOPPED.to_owned())),
        Guess::TooLarge(why) => Err(Some(why)),
        Guess::Broken(_) | Guess::Open => Err(None),
    }
}

fn named(sequence: &[u32]) -> Vec<OpId> {
    sequence.iter().map(|&op| OpId::from_raw(op)).collect()
}

/// All pairs that the axiom demands. With session order, reads and lists they have a cycle exactly if the axiom is
/// broken.
fn all(facts: &Facts<'_>, axiom: Axiom, limits: &Limits<'_>) -> Result<Vec<Arbitration>, String> {
    let any = |_: u32, _: u32| true;
    match axiom {
        Axiom::MonotonicAtomicView => Ok(visible::monotonic_atomic_view(facts, &any)),
        Axiom::ReadAtomic => Ok(visible::read_atomic(facts, &any)),
        Axiom::Causal => {
            // The first round of guessing found such an order, so only a stop can prevent it now.
            let order = guess::Order::extending(facts, &[]).ok_or_else(|| Limits::STOPPED.to_owned())?;
            Ok(causal::all(facts, &causal::Clocks::new(facts, &order, limits)?))
        }
    }
}

/// Session order, reads-from, the version order of lists, and the demanded commit order.
const ALL: Kinds =
    Kinds::SESSION.and(Kinds::WR).and(Kinds::WW).and(Kinds::RW).and(Kinds::TIME).and(Kinds::THROUGH);

/// [`Kinds::TIME`] stands for a commit order that an axiom demands: these levels do not use real time.
const ARBITRATED: Kinds = Kinds::TIME;

/// The graph is incomplete if the check was stopped. The search for components then sees the stop flag too.
fn graph(index: &Index<'_>, facts: &Facts<'_>, arbitrations: &[Arbitration]) -> Graph {
    let mut builder = Builder::new(index.history.len(), index.history.micros().len() / 2);
    for reader in 0..facts.count() {
        if reader & 0xfff == 0 && facts.limits.stopped() {
            break;
        }
        for &(key, writer) in facts.reads.of(reader) {
            if writer != NONE {
                builder.edge(writer, reader, Kinds::WR, key);
            }
        }
    }
    for session in &facts.sessions {
        let ends = |&op: &u32| {
            let operation = index.history.operation(index.op(op));
            (operation.invoked, operation.completed)
        };
        let intervals: Vec<(u32, u32)> = session.iter().map(ends).collect();
        for (at, range) in immediate_successors(&intervals).into_iter().enumerate() {
            range.for_each(|later| builder.edge(session[at], session[later], Kinds::SESSION, KeyId::NONE));
        }
    }
    for key in index.key_ids().filter(|&key| index.key(key).shape == KeyShape::List) {
        facts::list_order(index, key, |earlier, later| builder.edge(earlier, later, Kinds::WW, key));
    }
    for each in arbitrations {
        match each.later {
            NONE => builder.edge(each.reader, each.earlier, Kinds::RW, each.key),
            later => builder.edge(each.earlier, later, ARBITRATED, each.key),
        }
    }
    builder.finish(None, &facts.limits)
}

/// A short cycle in a component. Returns `None` if the check was stopped before one was found.
fn shortest(
    graph: &Graph,
    members: &[u32],
    components: &Components,
    limits: &Limits<'_>,
) -> Option<Vec<Step>> {
    let scope = Scope { kinds: ALL, within: Some(components), nonadjacent: false, stop: limits.stop };
    let mut paths = Paths::new(graph);
    let mut budget = Budget(1_000_000);
    let mut best: Option<Vec<Step>> = None;
    for &start in members {
        let goal = Goal { from: (start, false), to: start, scope, ranks: None };
        let found = paths.shortest(goal, &mut budget);
        if let Some(steps) = found
            && best.as_ref().is_none_or(|best| steps.len() < best.len())
        {
            best = Some(steps);
        }
        if budget.0 == 0 && (best.is_some() || limits.stopped()) {
            break;
        }
        if budget.0 == 0 {
            budget = Budget(u64::MAX); // the component has a cycle, so one must be found
        }
    }
    debug_assert!(best.is_some() || limits.stopped(), "a component of more than one vertex has a cycle");
    best
}

/// Explains the edges of a cycle.
struct Explain<'a, 'h> {
    index: &'a Index<'h>,
    facts: &'a Facts<'h>,
    orders: &'a [Vec<VersionEdge>],
    axiom: Axiom,
    base: &'a Graph,
    arbitrations: &'a [Arbitration],
}

impl Explain<'_, '_> {
    fn cycle(&self, steps: &[Step]) -> DependencyCycle {
        let mut edges: Vec<Dependency> = steps.iter().flat_map(|&step| self.dependency(step)).collect();
        // A missed write is explained together with the path from the writer back to the reader; the two form a cycle
        // on their own.
        if let Some(at) = steps.iter().position(|step| step.kind == Kinds::RW) {
            edges = self.missed(steps[at]);
        }
        DependencyCycle { shape: super::why::shape(&edges), edges, shortest: false }
    }

    fn plain(&self, steps: &[Step]) -> Vec<Dependency> {
        let explainer = Explainer { index: self.index, orders: self.orders };
        let kind = CycleKind { family: CycleFamily::G2, extent: OrderExtent::Session };
        let found = Found { kind, steps: steps.to_vec(), shortest: false, components: 1 };
        explainer.cycle(&found).edges
    }

    fn dependency(&self, step: Step) -> Vec<Dependency> {
        if step.kind != ARBITRATED {
            return self.plain(&[step]);
        }
        let same =
            |each: &&Arbitration| (each.earlier, each.later, each.key) == (step.from, step.to, step.key);
        let each = self.arbitrations.iter().find(same).expect("the edge was made for it");
        let index = self.index;
        let value = self.value_read(each).expect("somebody wrote what was read");
        let why = DependencyReason::Arbitrated {
            axiom: self.axiom,
            key: each.key,
            reader: index.op(each.reader),
            value,
            seen: self.seen(each),
        };
        vec![Dependency { from: index.op(step.from), to: index.op(step.to), why }]
    }

    fn value_read(&self, each: &Arbitration) -> Option<histories::ValueId> {
        let index = self.index;
        let mut reads = outside_reads(index, each.key).filter(|(touch, _)| touch.op == each.reader);
        let version = reads.find(|&(_, version)| index.writer(each.key, version) == Some(each.later))?.1;
        debug_assert!(version < UNKNOWN);
        index.value(each.key, version)
    }

    /// How the reader has seen the earlier writer.
    fn seen(&self, each: &Arbitration) -> SeenThrough {
        let read = self.facts.reads.of(each.reader).iter().find(|read| read.1 == each.earlier);
        if let Some(&(key, _)) = read {
            return SeenThrough::Read(key);
        }
        let index = self.index;
        let (a, b) =
            (index.history.operation(index.op(each.earlier)), index.history.operation(index.op(each.reader)));
        if a.session == b.session && a.precedes(&b) {
            return SeenThrough::Session;
        }
        let steps = self.way(each.earlier, each.reader);
        SeenThrough::Causally(steps[1..].iter().map(|step| index.op(step.from)).collect())
    }

    /// The shortest chain of session order and reads.
    fn way(&self, from: u32, to: u32) -> Vec<Step> {
        let kinds = Kinds::SESSION.and(Kinds::WR);
        // Only a few edges are explained, so this ignores the stop flag.
        let never = AtomicBool::new(false);
        let scope = Scope { kinds, within: None, nonadjacent: false, stop: &never };
        let goal = Goal { from: (from, false), to, scope, ranks: None };
        let mut budget = Budget(u64::MAX);
        Paths::new(self.base).shortest(goal, &mut budget).expect("it was seen along some chain")
    }

    /// The reader saw the writer and missed its write.
    fn missed(&self, step: Step) -> Vec<Dependency> {
        let (writer, reader) = (step.to, step.from);
        let direct = |kind, key| vec![Step { from: writer, to: reader, kind, key }];
        let same = |each: &&Arbitration| (each.earlier, each.reader, each.key) == (writer, reader, step.key);
        let each = self.arbitrations.iter().find(same).expect("the edge was made for it");
        let mut steps = match self.seen(each) {
            SeenThrough::Read(key) => direct(Kinds::WR, key),
            SeenThrough::Session => direct(Kinds::SESSION, KeyId::NONE),
            SeenThrough::Causally(_) => self.way(writer, reader),
        };
        steps.push(step);
        self.plain(&steps)
    }
}
