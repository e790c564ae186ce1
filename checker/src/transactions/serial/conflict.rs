//! Why nobody can be placed, as something to learn from.
//!
//! Where all that is left waits, those that wait do so in a circle: each must come after another. Some of that is so in
//! every order (the graph); the rest only because of what was placed: b waits for r to read what a wrote *because a was
//! placed before b*. So the circle proves a **lemma**: of the pairs that it leans on, not all have this order. With one
//! pair, that is a fact: b comes before a. With none, there is no order at all, and the lemmas that led there are the
//! proof.
//!
//! This is how solvers for satisfiability learn (Marques-Silva & Sakallah 1996), with acyclicity as the theory, as in
//! Zhou, *PolySI* and Viper; here no formula is ever built: the order that grows is the assignment, and a lemma comes of
//! nothing but the few transactions around the place where it got stuck.

use super::problem::Problem;
use super::schedule::Schedule;
use crate::transactions::graph::{Arc, Kinds, Predecessors};
use crate::transactions::index::NONE;
use crate::transactions::phenomenon::Extent;
use histories::KeyId;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Of two that write a key, the one comes before the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Literal {
    pub key: KeyId,
    pub earlier: u32,
    pub later: u32,
}

/// Why one transaction has to come before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bond {
    /// The graph says so.
    Arc { kind: Kinds, key: KeyId },
    /// It reads this version of the key, and the other overwrites it.
    Unread { key: KeyId, version: u32, order: Order },
    /// An earlier lemma, by its number, of whose other pairs all are assumed.
    Lemma(u32),
}

/// How it is known that what is overwritten was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// It is the initial version.
    Initial,
    /// Whoever overwrites it read it.
    Read,
    /// Its writer comes before, in session or real-time order.
    Before(Extent),
    /// It is assumed.
    Assumed,
}

/// An edge of a circle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tie {
    pub from: u32,
    pub to: u32,
    pub bond: Bond,
}

/// Not all of these hold: each of the circle would have to come before the next.
#[derive(Clone, Debug)]
pub(crate) struct Lemma {
    pub assumed: Vec<Literal>,
    pub circle: Vec<Tie>,
}

/// All that was learned.
#[derive(Default)]
pub(super) struct Lemmas {
    pub all: Vec<Lemma>,
    /// By transaction: the lemmas that have a pair of which it is the earlier.
    by_earlier: FxHashMap<u32, Vec<u32>>,
}

impl Lemmas {
    pub(super) fn learn(&mut self, lemma: Lemma) {
        let number = self.all.len() as u32;
        let mut earlier: Vec<u32> = lemma.assumed.iter().map(|literal| literal.earlier).collect();
        earlier.sort_unstable();
        earlier.dedup();
        for op in earlier {
            self.by_earlier.entry(op).or_default().push(number);
        }
        self.all.push(lemma);
    }

    /// A lemma that forbids to place a transaction now, and the pair of it that it would complete.
    pub(super) fn against(&self, op: u32, schedule: &Schedule<'_, '_, '_>) -> Option<(u32, Literal)> {
        self.all_against(op, schedule).next()
    }

    /// Of how many pairs of a lemma a transaction is the earlier.
    fn pairs_of(&self, number: u32, op: u32) -> usize {
        self.all[number as usize].assumed.iter().filter(|literal| literal.earlier == op).count()
    }

    fn all_against(&self, op: u32, schedule: &Schedule<'_, '_, '_>) -> impl Iterator<Item = (u32, Literal)> {
        let lemmas = self.by_earlier.get(&op).into_iter().flatten();
        lemmas.filter_map(move |&number| {
            let assumed = &self.all[number as usize].assumed;
            let forbids = assumed.iter().all(|&literal| match literal.earlier == op {
                true => !schedule.is_placed(literal.later),
                false => schedule.affirms(literal),
            });
            let own = assumed.iter().find(|literal| literal.earlier == op);
            own.filter(|_| forbids).map(|&own| (number, own))
        })
    }
}

/// Somebody waits for another.
#[derive(Clone, Copy)]
struct Wait {
    /// The vertex waited for.
    on: u32,
    bond: Bond,
}

pub(super) struct Conflicts<'p, 'a, 'h> {
    problem: &'p Problem<'a, 'h>,
    predecessors: Predecessors<'a>,
    arcs: Vec<Arc>,
}

/// How many vertices a search for the circle that leans on least may look at.
const CIRCLE_STEPS: u64 = 1 << 14;

/// By how much a circle is worse: pairs that it leans on, then edges.
type Cost = (u32, u32);

impl<'p, 'a, 'h> Conflicts<'p, 'a, 'h> {
    pub(super) fn new(problem: &'p Problem<'a, 'h>) -> Self {
        Self { problem, predecessors: Predecessors::new(problem.graph), arcs: Vec::new() }
    }

    /// What is to be learned from a transaction that waits in a circle, or for one; none if it does not.
    pub(super) fn lemma(
        &mut self,
        start: u32,
        schedule: &Schedule<'_, '_, '_>,
        lemmas: &Lemmas,
        steps: &mut u64,
    ) -> Option<Lemma> {
        let walked = self.walk(start, schedule, lemmas, steps)?;
        let on_it = walked[0].0;
        let chain = self.lightest(on_it, schedule, lemmas, steps).unwrap_or(walked);
        let circle = self.ties(&chain);
        let mut assumed = Vec::new();
        for tie in &circle {
            match tie.bond {
                Bond::Unread { key, version, order: Order::Assumed } => {
                    let earlier =
                        self.problem.index.writer(key, version).expect("the initial one is no assumption");
                    assumed.push(Literal { key, earlier, later: tie.to });
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
        Some(Lemma { assumed, circle })
    }

    /// Follows whoever is waited for first until somebody comes again: the circle, as a chain of who waits for whom,
    /// from a transaction to itself.
    fn walk(
        &mut self,
        start: u32,
        schedule: &Schedule<'_, '_, '_>,
        lemmas: &Lemmas,
        steps: &mut u64,
    ) -> Option<Vec<(u32, Bond)>> {
        let mut seen: FxHashMap<u32, usize> = FxHashMap::default();
        let mut path: Vec<(u32, Bond)> = Vec::new();
        let mut at = start;
        let mut waits = Vec::new();
        loop {
            if let Some(&from) = seen.get(&at) {
                path.drain(..from);
                // A circle of helpers alone there is not: they only lead on.
                let first = path.iter().position(|&(vertex, _)| self.problem.is_placed(vertex))?;
                path.rotate_left(first);
                return Some(path);
            }
            *steps = steps.checked_sub(1)?;
            self.waits(at, schedule, lemmas, &mut waits);
            let first = waits.first()?;
            seen.insert(at, path.len());
            path.push((at, first.bond));
            at = first.on;
        }
    }

    /// The circle through a transaction that leans on the fewest pairs, by Dijkstra's way, as far as counted work
    /// goes.
    fn lightest(
        &mut self,
        start: u32,
        schedule: &Schedule<'_, '_, '_>,
        lemmas: &Lemmas,
        steps: &mut u64,
    ) -> Option<Vec<(u32, Bond)>> {
        const GOAL: u32 = NONE;
        // Of each vertex: what it costs to get there, from where, by what, and whether that is final.
        let mut reached: FxHashMap<u32, (Cost, u32, Bond, bool)> = FxHashMap::default();
        let mut queue = BinaryHeap::from([Reverse(((0, 0), start))]);
        let mut waits = Vec::new();
        let mut left = CIRCLE_STEPS;
        while let Some(Reverse((cost, vertex))) = queue.pop() {
            if vertex == GOAL {
                return Some(chain(start, GOAL, &reached));
            }
            if let Some(entry) = reached.get_mut(&vertex) {
                if entry.3 {
                    continue;
                }
                entry.3 = true;
            }
            left = left.checked_sub(1)?;
            *steps = steps.checked_sub(1)?;
            self.waits(vertex, schedule, lemmas, &mut waits);
            for wait in &waits {
                let to = if wait.on == start { GOAL } else { wait.on };
                let leans = match wait.bond {
                    Bond::Unread { order: Order::Assumed, .. } => 1,
                    Bond::Lemma(number) => lemmas.all[number as usize].assumed.len() as u32 - 1,
                    Bond::Arc { .. } | Bond::Unread { .. } => 0,
                };
                let cost = (cost.0 + leans, cost.1 + u32::from(self.problem.is_placed(wait.on)));
                let better = reached.get(&to).is_none_or(|known| !known.3 && cost < known.0);
                if better {
                    reached.insert(to, (cost, vertex, wait.bond, false));
                    queue.push(Reverse((cost, to)));
                }
            }
        }
        None
    }

    /// Whom a vertex waits for, and why.
    fn waits(
        &mut self,
        vertex: u32,
        schedule: &Schedule<'_, '_, '_>,
        lemmas: &Lemmas,
        found: &mut Vec<Wait>,
    ) {
        found.clear();
        self.arcs.clear();
        self.predecessors.of(vertex, self.problem.kinds, &mut self.arcs);
        let arcs = self.arcs.iter().filter(|arc| !schedule.is_past(arc.to));
        found.extend(arcs.map(|&Arc { to, key, kind }| Wait { on: to, bond: Bond::Arc { kind, key } }));
        if !found.is_empty() || !self.problem.is_placed(vertex) {
            return;
        }
        for each in self.problem.uses(vertex).iter().filter(|each| each.leaves != NONE) {
            let version = schedule.current(each.key);
            let readers = self.problem.readers(self.problem.version(each.key, version)).iter();
            let order = self.order(each.key, version, vertex, each.reads == version);
            let bond = Bond::Unread { key: each.key, version, order };
            let unread = readers.filter(|&&reader| reader != vertex && !schedule.is_placed(reader));
            found.extend(unread.map(|&on| Wait { on, bond }));
        }
        // A lemma with several pairs of which the vertex is the earlier asks for one or another, and to wait for one
        // is to assume the others: only where nothing else is waited for, and where that assumes least.
        let against = || lemmas.all_against(vertex, schedule);
        let own = |number: u32| lemmas.pairs_of(number, vertex);
        let Some(fewest) = against().map(|(number, _)| own(number)).min() else { return };
        if fewest > 1 && !found.is_empty() {
            return;
        }
        let least = against().filter(|&(number, _)| own(number) == fewest);
        found.extend(least.map(|(number, literal)| Wait { on: literal.later, bond: Bond::Lemma(number) }));
    }

    /// How it is known that the writer of a version comes before a transaction that would overwrite it.
    fn order(&self, key: KeyId, version: u32, later: u32, reads_it: bool) -> Order {
        let index = self.problem.index;
        let Some(earlier) = index.writer(key, version) else { return Order::Initial };
        if reads_it {
            return Order::Read;
        }
        let (a, b) = (index.history.operation(index.op(earlier)), index.history.operation(index.op(later)));
        match self.problem.extent {
            Extent::Session | Extent::RealTime if a.session == b.session && a.precedes(&b) => {
                Order::Before(Extent::Session)
            }
            Extent::RealTime if a.precedes(&b) => Order::Before(Extent::RealTime),
            _ => Order::Assumed,
        }
    }

    /// The edges of the circle, from who comes first to who comes after. A walk through helpers is one edge, of the kind
    /// that leads into them.
    fn ties(&self, chain: &[(u32, Bond)]) -> Vec<Tie> {
        let mut ties: Vec<Tie> = Vec::new();
        // The chain tells who waits for whom; what comes first is at its end.
        for at in (0..chain.len()).rev() {
            let (to, bond) = chain[at];
            let from = chain[(at + 1) % chain.len()].0;
            match ties.last_mut() {
                Some(last) if !self.problem.is_placed(from) => last.to = to,
                _ => ties.push(Tie { from, to, bond }),
            }
        }
        ties
    }
}

/// Who waits for whom, from the start to the goal.
fn chain(start: u32, goal: u32, reached: &FxHashMap<u32, (Cost, u32, Bond, bool)>) -> Vec<(u32, Bond)> {
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
