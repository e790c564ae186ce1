//! Finds a serial order of transactions over registers, or proves that none exists.
//!
//! The version order is known only in part, and finding one that explains all reads is NP-complete (Papadimitriou
//! 1979). But a serializable store committed in *some* order, usually the order in which it answered. So nearly all
//! of a history needs no search. Transactions are [placed](schedule) one after another, sorted by the first
//! completion among the transaction and its successors. If all remaining transactions wait, an earlier one was placed
//! too early. The [cycle](conflict) in which they wait gives the reason, and it is learned as a lemma. The order is
//! taken back as far as the lemma demands, and then grows again. A lemma without assumptions proves that no order
//! exists.
//!
//! Snapshots are searched for in the same way, with begin and commit points in place of transactions
//! ([`search_snapshots`]).
//!
//! Both results are exact. The limits are the counted steps and the memory for lemmas. If clients wait for their
//! answers, the part of the order that is taken back is about as long as the number of clients. The cost is then O(n
//! log n) with few lemmas.

mod conflict;
mod deadlines;
mod implied;
mod lemmas;
mod problem;
mod schedule;

pub(crate) use implied::implied_order;
pub(crate) use lemmas::{Bond, LearnedLemma, Literal, PrecedenceEvidence, Tie};
pub(crate) use problem::RegisterUses;

use super::graph::DependencyGraph;
use super::index::TransactionIndex;
use claims::{Limits, OrderExtent, TransactionPoint};
use conflict::ConflictAnalysis;
use histories::{KeyId, NEVER, OpId};
use lemmas::Lemmas;
use problem::SerialProblem;
use rustc_hash::FxHashMap;
use schedule::SerialSchedule;

/// The result of the search for a serial order.
pub(crate) enum SerialOutcome {
    /// All committed transactions in an order that explains all reads of registers and extends the graph.
    Order(Vec<OpId>),
    /// No serial order exists. The last lemma has no assumptions, and each lemma depends only on earlier ones.
    Impossible(Vec<LearnedLemma>),
    /// The search ended without an answer, for this reason.
    Unknown(&'static str),
}

/// Searches for a serial order. The graph must have no cycles of the kinds that belong to `extent`. Every read must
/// have returned the last write of some transaction to the key, or the initial state.
pub(crate) fn search_serial_order(
    index: &TransactionIndex<'_>,
    graph: &DependencyGraph,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> SerialOutcome {
    let uses = RegisterUses::collect(index, false, limits);
    let problem = SerialProblem::new(index, uses, graph, extent, false);
    match place_all(&problem, limits) {
        Placed::All(order) => SerialOutcome::Order(order.into_iter().map(|op| index.op_id(op)).collect()),
        Placed::Impossible(proof) => SerialOutcome::Impossible(proof),
        Placed::Unknown(reason) => SerialOutcome::Unknown(reason),
    }
}

/// What came of the search for snapshots.
pub(crate) enum SnapshotSearch {
    /// Beginnings and commits of all committed transactions in an order that explains all reads.
    Points(Vec<TransactionPoint>),
    /// There is none: these transactions, and those that they read from, show it.
    Impossible(Vec<OpId>),
    /// It ended first.
    Unknown(&'static str),
}

/// Searches for an order of beginnings and commits. The graph is one of both, commits numbered on after beginnings.
pub(crate) fn search_snapshots(
    index: &TransactionIndex<'_>,
    uses: RegisterUses,
    points: &DependencyGraph,
    extent: OrderExtent,
    limits: &Limits<'_>,
) -> SnapshotSearch {
    let problem = SerialProblem::new(index, uses, points, extent, true);
    let count = index.history.len() as u32;
    match place_all(&problem, limits) {
        Placed::All(order) => {
            let point = |vertex: u32| match vertex < count {
                true => TransactionPoint::Begin(index.op_id(vertex)),
                false => TransactionPoint::Commit(index.op_id(vertex - count)),
            };
            SnapshotSearch::Points(order.into_iter().map(point).collect())
        }
        Placed::Impossible(proof) => {
            let ties = proof.iter().flat_map(|lemma| &lemma.cycle);
            let mut core: Vec<u32> =
                ties.flat_map(|tie| [problem.op(tie.from), problem.op(tie.to)]).collect();
            core.extend(
                proof
                    .iter()
                    .flat_map(|lemma| &lemma.assumed)
                    .flat_map(|literal| [problem.op(literal.earlier), problem.op(literal.later)]),
            );
            core.sort_unstable();
            core.dedup();
            SnapshotSearch::Impossible(core.into_iter().map(|op| index.op_id(op)).collect())
        }
        Placed::Unknown(reason) => SnapshotSearch::Unknown(reason),
    }
}

enum Placed {
    /// The vertices in order.
    All(Vec<u32>),
    Impossible(Vec<LearnedLemma>),
    Unknown(&'static str),
}

fn place_all(problem: &SerialProblem<'_, '_>, limits: &Limits<'_>) -> Placed {
    let graph = problem.graph;
    let Some(priority) = guess_deadlines(problem, limits) else { return Placed::Unknown(Limits::STOPPED) };
    let committed = (0..graph.operation_count()).filter(|&vertex| problem.is_placeable(vertex)).count();
    let Some(mut schedule) = SerialSchedule::new(problem, &priority, limits) else {
        return Placed::Unknown(Limits::STOPPED);
    };
    let mut lemmas = Lemmas::default();
    let mut conflicts = None;
    let mut steps = limits.steps.min(steps_worthwhile(problem));
    loop {
        let overdue = place_until_overdue(&mut schedule, &lemmas, &priority, &mut steps, limits);
        if schedule.placed.len() == committed {
            return Placed::All(schedule.placed);
        }
        if let Some(reason) = reason_to_end(&lemmas, steps, limits) {
            return Placed::Unknown(reason);
        }
        if conflicts.is_none() {
            conflicts = ConflictAnalysis::new(problem, limits);
        }
        let Some(conflicts) = &mut conflicts else { return Placed::Unknown(Limits::STOPPED) };
        let mut found = None;
        for &op in &overdue {
            found = found.or_else(|| conflicts.derive_lemma(op, &schedule, &mut lemmas, &mut steps));
        }
        if found.is_none() && !overdue.is_empty() && steps > 0 {
            continue; // they wait for a transaction that may still be placed
        }
        if found.is_none() {
            // When a transaction occurs in two assumptions of a lemma, only the first one blocks it.
            schedule.release_all_held();
            if schedule.place_next(&lemmas, &mut steps, limits).is_some() {
                continue;
            }
            let start = schedule.blocked_transactions().next();
            found = start.and_then(|op| conflicts.derive_lemma(op, &schedule, &mut lemmas, &mut steps));
        }
        let Some(lemma) = found else {
            return Placed::Unknown(reason_to_end(&lemmas, steps, limits).unwrap_or(NO_CIRCLE));
        };
        if lemma.assumed.is_empty() {
            return Placed::Impossible(extract_proof(lemmas.all, lemma));
        }
        let earlier = lemma.assumed.iter().map(|literal| schedule.position(literal.earlier));
        let last = earlier.max().expect("it assumes something");
        lemmas.add_lemma(lemma);
        while schedule.placed.len() > last as usize {
            schedule.take_back_last();
            steps = steps.saturating_sub(1);
        }
        schedule.release_all_held();
    }
}

/// The largest history of registers for which it is worth deciding case by case, instead of a long search for an order: its transactions, and the
/// pairs of writers of one key.
const CASES_TRANSACTIONS_MAX: u32 = 20_000;
const CASES_PAIRS_MAX: u64 = 1 << 21;
/// How many steps a search may then take for each transaction.
const STEPS_EACH: u64 = 200;

/// How many steps the search should take. Without real time, its first guess may be far from any order, and then it learns more lemmas than it
/// can use. Small histories are better decided case by case ([`super::polygraph`]).
fn steps_worthwhile(problem: &SerialProblem<'_, '_>) -> u64 {
    let index = problem.index;
    let transactions = problem.graph.operation_count();
    let pairs = |key: KeyId| (index.versions(key).len() as u64).pow(2) / 2;
    let has_cases =
        transactions <= CASES_TRANSACTIONS_MAX && index.key_ids().map(pairs).sum::<u64>() <= CASES_PAIRS_MAX;
    match has_cases && !index.history.has_real_time() {
        true => STEPS_EACH * u64::from(transactions),
        false => u64::MAX,
    }
}

/// After every `LOOK_EVERY` placements the search checks for overdue transactions. A blocked transaction is overdue
/// if a transaction was placed whose deadline is more than `OVERDUE` events later. Without real-time order between
/// sessions, nothing else would stop the placements before the end.
const LOOK_EVERY: usize = 64;
const OVERDUE: u32 = 1024;
/// How many blocked transactions are checked.
const OVERDUE_MAX: usize = 8;

/// Places transactions until none can be placed or a blocked one is overdue. Returns the overdue transactions.
fn place_until_overdue(
    schedule: &mut SerialSchedule<'_, '_, '_>,
    lemmas: &Lemmas,
    priority: &[u32],
    steps: &mut u64,
    limits: &Limits<'_>,
) -> Vec<u32> {
    while let Some(op) = schedule.place_next(lemmas, steps, limits) {
        if schedule.placed.len().is_multiple_of(LOOK_EVERY) {
            let is_overdue =
                |&late: &u32| priority[late as usize].saturating_add(OVERDUE) < priority[op as usize];
            let overdue: Vec<u32> =
                schedule.blocked_transactions().take(OVERDUE_MAX).filter(is_overdue).collect();
            if !overdue.is_empty() {
                return overdue;
            }
        }
    }
    Vec::new()
}

const OUT_OF_STEPS: &str = "the search for a serial order ran out of steps";
const LEARNED_TOO_MUCH: &str = "the search for a serial order learned more than it may hold";
/// For completeness: this cannot happen if every read is explained.
const NO_CIRCLE: &str = "a read returned what no transaction that is known to have happened left there";

/// The reason why the search must end, if there is one.
fn reason_to_end(lemmas: &Lemmas, steps: u64, limits: &Limits<'_>) -> Option<&'static str> {
    match () {
        () if limits.stop_requested() => Some(Limits::STOPPED),
        () if steps == 0 => Some(OUT_OF_STEPS),
        () if lemmas.is_full() => Some(LEARNED_TOO_MUCH),
        () => None,
    }
}

/// The last lemma and the lemmas that it depends on, renumbered.
fn extract_proof(mut all: Vec<LearnedLemma>, last: LearnedLemma) -> Vec<LearnedLemma> {
    let leans_on = |lemma: &LearnedLemma| {
        let numbers = lemma.cycle.iter().filter_map(|tie| match tie.bond {
            Bond::Lemma(number) => Some(number),
            Bond::Arc { .. } | Bond::Unread { .. } | Bond::Taken { .. } => None,
        });
        numbers.collect::<Vec<u32>>()
    };
    all.push(last);
    let mut needed = vec![false; all.len()];
    needed[all.len() - 1] = true;
    for at in (0..all.len()).rev() {
        if needed[at] {
            leans_on(&all[at]).into_iter().for_each(|number| needed[number as usize] = true);
        }
    }
    let mut renumbered: FxHashMap<u32, u32> = FxHashMap::default();
    let mut proof: Vec<LearnedLemma> = Vec::new();
    for (number, mut lemma) in (0u32..).zip(all).filter(|(number, _)| needed[*number as usize]) {
        for tie in &mut lemma.cycle {
            if let Bond::Lemma(old) = &mut tie.bond {
                *old = renumbered[old];
            }
        }
        renumbered.insert(number, proof.len() as u32);
        proof.push(lemma);
    }
    proof
}

/// When each vertex should be placed at the latest. Returns `None` if the check was stopped.
fn guess_deadlines(problem: &SerialProblem<'_, '_>, limits: &Limits<'_>) -> Option<Vec<u32>> {
    let (graph, kinds) = (problem.graph, problem.kinds);
    let sinks_first = deadlines::order_sinks_first(graph, kinds, limits)?;
    match problem.index.history.has_real_time() {
        true => {
            let completions = completion_times(problem);
            deadlines::deadlines_by_completion(graph, kinds, &sinks_first, completions, limits)
        }
        false => deadlines::deadlines_by_depth(graph, kinds, &sinks_first, limits),
    }
}

/// The completion of each vertex's operation. Helpers never complete.
fn completion_times(problem: &SerialProblem<'_, '_>) -> Vec<u32> {
    let index = problem.index;
    let completed = |vertex: u32| match problem.graph.is_operation(vertex) {
        true => index.history.operation(index.op_id(problem.op(vertex))).completed,
        false => NEVER,
    };
    (0..problem.graph.vertex_count() as u32).map(completed).collect()
}
