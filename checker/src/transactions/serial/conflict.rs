//! Learns lemmas from transactions that cannot be placed.
//!
//! When all remaining transactions wait, some of them wait for each other in a cycle. Some waits hold in every order,
//! because the graph demands them. The others depend on what was placed: b waits until r has read what a wrote
//! *because a was placed before b*. So the cycle proves a **lemma**: the assumptions that it depends on cannot all
//! hold. A lemma with one assumption is a fact: b comes before a. A lemma without assumptions shows that no order
//! exists; together with the lemmas that it depends on, it is the proof.
//!
//! A lemma may have several assumptions in which the same transaction is the earlier one. That transaction must come
//! after the later one of at least one of them. To follow one of them, the search takes the others as **hypotheses**.
//! A lemma found under hypotheses says that not all of them hold. The search then drops the last hypothesis of that
//! lemma and looks for another cycle, until a cycle needs no hypothesis.
//!
//! SAT solvers learn in this way (Marques-Silva & Sakallah, *GRASP*, 1996); here acyclicity is the theory. No formula
//! is ever built: the growing order is the assignment, and a lemma involves only the few transactions around a
//! conflict.

use super::implied::ImpliedLemmas;
use super::lemmas::{Bond, LearnedLemma, Lemmas, Literal, PrecedenceEvidence, Tie};
use super::problem::SerialProblem;
use super::schedule::SerialSchedule;
use crate::transactions::graph::{DependencyArc, EdgeKinds, Predecessors};
use crate::transactions::index::NONE;
use claims::{Limits, OrderExtent};
use histories::KeyId;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A vertex that another vertex waits for, with the reason.
#[derive(Clone, Copy)]
struct WaitEdge {
    /// The vertex waited for.
    on: u32,
    bond: Bond,
}

pub(super) struct ConflictAnalysis<'p, 'a, 'h> {
    problem: &'p SerialProblem<'a, 'h>,
    predecessors: Predecessors<'a>,
    arcs: Vec<DependencyArc>,
    implied: ImpliedLemmas,
    /// The number of a lemma that the hypotheses violate.
    broken: Option<u32>,
}

/// How many vertices the search for the cycle with the fewest assumptions may visit.
const CIRCLE_STEPS: u64 = 1 << 14;

/// The cost of a cycle: the number of its assumptions, then the number of its edges.
type CycleCost = (u32, u32);

impl<'p, 'a, 'h> ConflictAnalysis<'p, 'a, 'h> {
    /// O(edges). Returns `None` if the check was stopped.
    pub(super) fn new(problem: &'p SerialProblem<'a, 'h>, limits: &Limits<'_>) -> Option<Self> {
        let predecessors = Predecessors::new(problem.graph, limits)?;
        Some(Self {
            problem,
            predecessors,
            arcs: Vec::new(),
            implied: ImpliedLemmas::default(),
            broken: None,
        })
    }

    /// Derives a lemma from a transaction that is on a wait-for cycle, or blocked by one. The lemma uses only
    /// assumptions that still hold. Returns `None` if there is no such cycle or if the steps ran out. Lemmas found
    /// under hypotheses are added to `lemmas`.
    pub(super) fn derive_lemma(
        &mut self,
        start: u32,
        schedule: &SerialSchedule<'_, '_, '_>,
        lemmas: &mut Lemmas,
        steps: &mut u64,
    ) -> Option<LearnedLemma> {
        lemmas.supposed.clear();
        let found = loop {
            self.broken = None;
            let found = self.find_cycle_lemma(start, schedule, lemmas, steps);
            if let Some(broken) = self.broken {
                let assumed = &lemmas.all[broken as usize].assumed;
                let Some(last) = lemmas.supposed.iter().rposition(|each| assumed.contains(each)) else {
                    break None;
                };
                lemmas.supposed.truncate(last);
                continue;
            }
            let Some(lemma) = found else { break None };
            let supposed =
                lemma.assumed.iter().copied().filter(|&literal| !schedule.affirms_literal(literal));
            let supposed: Vec<Literal> = supposed.collect();
            if supposed.is_empty() {
                break Some(lemma);
            }
            for &each in &supposed {
                if !lemmas.supposed.contains(&each) {
                    lemmas.supposed.push(each);
                }
            }
            let last = lemmas.supposed.iter().rposition(|each| supposed.contains(each));
            lemmas.supposed.truncate(last.expect("all of them are there"));
            lemmas.add_lemma(lemma);
            if lemmas.is_full() {
                break None;
            }
        };
        lemmas.supposed.clear();
        found
    }

    /// Finds a wait-for cycle that a transaction is on or blocked by, and the assumptions that the cycle depends on.
    fn find_cycle_lemma(
        &mut self,
        start: u32,
        schedule: &SerialSchedule<'_, '_, '_>,
        lemmas: &mut Lemmas,
        steps: &mut u64,
    ) -> Option<LearnedLemma> {
        let walked = self.follow_first_waits(start, schedule, lemmas, steps)?;
        let on_it = walked[0].0;
        let chain = self.lightest_cycle(on_it, schedule, lemmas, steps).unwrap_or(walked);
        let cycle = self.ties_of_chain(&chain);
        let mut assumed = Vec::new();
        for tie in &cycle {
            match tie.bond {
                Bond::Unread { key, version, order: PrecedenceEvidence::Assumed } => {
                    let earlier = self
                        .problem
                        .index
                        .committed_writer(key, version)
                        .expect("the initial one is no assumption");
                    assumed.push(Literal { key, earlier, later: tie.to });
                }
                Bond::Taken { key } => {
                    let earlier = self.problem.op(tie.from);
                    let later = self.problem.commit_of(self.problem.op(tie.to));
                    assumed.push(Literal { key, earlier, later });
                }
                Bond::Lemma(number) => {
                    let others = lemmas.all[number as usize].assumed.iter();
                    assumed.extend(
                        others.filter(|literal| (literal.earlier, literal.later) != (tie.to, tie.from)),
                    );
                }
                Bond::Arc { .. } | Bond::Unread { .. } => {}
            }
        }
        assumed.sort_unstable();
        assumed.dedup();
        Some(LearnedLemma { assumed, cycle })
    }

    /// Follows the first wait of each vertex until a vertex repeats. Returns the cycle as a chain of waits, from a
    /// transaction back to itself.
    fn follow_first_waits(
        &mut self,
        start: u32,
        schedule: &SerialSchedule<'_, '_, '_>,
        lemmas: &mut Lemmas,
        steps: &mut u64,
    ) -> Option<Vec<(u32, Bond)>> {
        let mut seen: FxHashMap<u32, usize> = FxHashMap::default();
        let mut path: Vec<(u32, Bond)> = Vec::new();
        let mut at = start;
        let mut waits = Vec::new();
        loop {
            if let Some(&from) = seen.get(&at) {
                path.drain(..from);
                // Helpers alone form no cycle, so the cycle has a transaction.
                let first = path.iter().position(|&(vertex, _)| self.problem.is_placeable(vertex))?;
                path.rotate_left(first);
                return Some(path);
            }
            *steps = steps.checked_sub(1)?;
            self.collect_waits(at, schedule, lemmas, &mut waits);
            let first = waits.first()?;
            seen.insert(at, path.len());
            path.push((at, first.bond));
            at = first.on;
        }
    }

    /// The cycle through a transaction with the fewest assumptions, found by Dijkstra's algorithm. `None` if the step
    /// limit was reached first.
    fn lightest_cycle(
        &mut self,
        start: u32,
        schedule: &SerialSchedule<'_, '_, '_>,
        lemmas: &mut Lemmas,
        steps: &mut u64,
    ) -> Option<Vec<(u32, Bond)>> {
        const GOAL: u32 = NONE;
        // For each vertex: the cost to reach it, its predecessor, the reason, and whether the cost is final.
        let mut reached: FxHashMap<u32, (CycleCost, u32, Bond, bool)> = FxHashMap::default();
        let mut queue = BinaryHeap::from([Reverse(((0, 0), start))]);
        let mut waits = Vec::new();
        let mut left = CIRCLE_STEPS;
        while let Some(Reverse((cost, vertex))) = queue.pop() {
            if vertex == GOAL {
                return Some(trace_chain(start, GOAL, &reached));
            }
            if let Some(entry) = reached.get_mut(&vertex) {
                if entry.3 {
                    continue;
                }
                entry.3 = true;
            }
            left = left.checked_sub(1)?;
            *steps = steps.checked_sub(1)?;
            self.collect_waits(vertex, schedule, lemmas, &mut waits);
            for wait in &waits {
                let to = if wait.on == start { GOAL } else { wait.on };
                let leans = match wait.bond {
                    Bond::Unread { order: PrecedenceEvidence::Assumed, .. } | Bond::Taken { .. } => 1,
                    Bond::Lemma(number) => lemmas.all[number as usize].assumed.len() as u32 - 1,
                    Bond::Arc { .. } | Bond::Unread { .. } => 0,
                };
                let cost = (cost.0 + leans, cost.1 + u32::from(self.problem.is_placeable(wait.on)));
                let better = reached.get(&to).is_none_or(|known| !known.3 && cost < known.0);
                if better {
                    reached.insert(to, (cost, vertex, wait.bond, false));
                    queue.push(Reverse((cost, to)));
                }
            }
        }
        None
    }

    /// Collects the vertices that a vertex waits for, with the reasons.
    fn collect_waits(
        &mut self,
        vertex: u32,
        schedule: &SerialSchedule<'_, '_, '_>,
        lemmas: &mut Lemmas,
        found: &mut Vec<WaitEdge>,
    ) {
        found.clear();
        self.arcs.clear();
        self.predecessors.push_arcs_into(vertex, self.problem.kinds, &mut self.arcs);
        for &DependencyArc { to, key, kind } in self.arcs.iter().filter(|arc| !schedule.is_past(arc.to)) {
            let bond = match kind {
                EdgeKinds::IMPLIED => self.implied.bond_of_edge(self.problem, (to, vertex, key), lemmas),
                _ => Bond::Arc { kind, key },
            };
            found.push(WaitEdge { on: to, bond });
        }
        if !found.is_empty() || !self.problem.is_placeable(vertex) {
            return;
        }
        let (begins, commits) = (self.problem.begins(vertex), self.problem.commits(vertex));
        for each in self.problem.uses_of_transaction(vertex).iter().filter(|each| each.leaves != NONE) {
            if let (true, Some(op)) = (begins, schedule.taken_by(each.key)) {
                let bond = Bond::Taken { key: each.key };
                found.push(WaitEdge { on: self.problem.commit_of(op), bond });
            }
            if !commits {
                continue;
            }
            let version = schedule.current_version(each.key);
            let readers =
                self.problem.readers_of_version(self.problem.version_number(each.key, version)).iter();
            let order = self.precedence_evidence(each.key, version, vertex, each.reads == version);
            let bond = Bond::Unread { key: each.key, version, order };
            let unread = readers.filter(|&&reader| reader != vertex && !schedule.is_placed(reader));
            found.extend(unread.map(|&on| WaitEdge { on, bond }));
        }
        // A lemma with several assumptions about this transaction needs hypotheses. It is followed only if the
        // transaction waits for nothing else. Of such lemmas, those with the fewest hypotheses are followed.
        let mut against: Vec<(u32, Vec<Literal>)> =
            lemmas.blocking_lemmas(vertex, schedule.positions()).collect();
        let Some(fewest) = against.iter().map(|(_, own)| own.len()).min() else { return };
        if fewest > 1 && !found.is_empty() {
            return;
        }
        against.retain(|(_, own)| own.len() == fewest);
        for (number, own) in against {
            match own.first() {
                Some(first) => found.push(WaitEdge { on: first.later, bond: Bond::Lemma(number) }),
                None => self.broken = Some(number),
            }
        }
    }

    /// How it is known that the writer of a version comes before a transaction that would overwrite the version.
    fn precedence_evidence(
        &self,
        key: KeyId,
        version: u32,
        later: u32,
        reads_it: bool,
    ) -> PrecedenceEvidence {
        let index = self.problem.index;
        let Some(earlier) = index.committed_writer(key, version) else { return PrecedenceEvidence::Initial };
        let later = self.problem.op(later);
        if reads_it {
            return PrecedenceEvidence::Read;
        }
        let (a, b) =
            (index.history.operation(index.op_id(earlier)), index.history.operation(index.op_id(later)));
        match self.problem.extent {
            OrderExtent::Session | OrderExtent::RealTime if a.session == b.session && a.precedes(&b) => {
                PrecedenceEvidence::Before(OrderExtent::Session)
            }
            OrderExtent::RealTime if a.precedes(&b) => PrecedenceEvidence::Before(OrderExtent::RealTime),
            _ => PrecedenceEvidence::Assumed,
        }
    }

    /// The edges of the cycle, each from the earlier vertex to the later one. A path through helpers becomes one
    /// edge, of the kind that leads into the helpers.
    fn ties_of_chain(&self, chain: &[(u32, Bond)]) -> Vec<Tie> {
        let mut ties: Vec<Tie> = Vec::new();
        // The chain lists waits, so the vertex that comes first is at the end.
        for at in (0..chain.len()).rev() {
            let (to, bond) = chain[at];
            let from = chain[(at + 1) % chain.len()].0;
            match ties.last_mut() {
                Some(last) if !self.problem.is_placeable(from) => last.to = to,
                _ => ties.push(Tie { from, to, bond }),
            }
        }
        ties
    }
}

/// The chain of waits from the start to the goal.
fn trace_chain(
    start: u32,
    goal: u32,
    reached: &FxHashMap<u32, (CycleCost, u32, Bond, bool)>,
) -> Vec<(u32, Bond)> {
    let mut chain = Vec::new();
    let mut at = goal;
    loop {
        let (_, from, bond, _) = reached[&at];
        chain.push((from, bond));
        if from == start {
            chain.reverse();
            return chain;
        }
        at = from;
    }
}
