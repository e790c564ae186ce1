//! Decides a level from its definition when the history leaves choices open: a search through the cases.
//!
//! Two kinds of choices may be open. The first is the version order: a register does not show the order in which its versions were
//! written, and a list does not show the place of appends that no read returned. The second is the source of a read whose value
//! was written more than once. An execution makes one choice for each. The choices imply edges, and a level forbids cycles of these
//! edges ([`shape`]). The open choices form a *hyper-polygraph* (Papadimitriou 1979; Zhang et al., *VeriStrong*). Conflict-driven
//! clause learning ([`clauses`]) decides whether some set of choices has no forbidden cycle; a topological order is kept up to date
//! as choices are made and undone ([`order`]).
//!
//! The naive way tries all sets of choices, which is exponential in the number of choices. Clause learning is exponential only in
//! the worst case. Its memory is quadratic in the number of writers of one key. This engine therefore decides only what the faster
//! engines leave undecided, and answers *unknown* beyond its limits.
//!
//! Both answers carry evidence. A level that holds has an order, with the source of each read that has several candidates. A refuted
//! level has the clauses that lead to a contradiction, each with its cycle ([`claims::CaseStep`]).

mod case_facts;
mod choices;
mod clauses;
mod closure;
mod completion;
mod cursor;
mod direct_misses;
mod element_candidates;
mod element_rules;
mod encode;
mod list_places;
mod list_rules;
mod misses;
mod moments;
mod order;
mod reachability;
mod sequence;
mod shape;
mod shown_appends;
mod shown_elements;
mod shown_lists;
mod suspect_keys;
mod suspects;
mod written_key;

use case_facts::{CaseFacts, ExtractionOutcome, INITIAL};
use claims::{
    Assume, CaseChoice, CaseEdge, CaseReason, CaseStep, IsolationLevel, Limits, ListPlace, MixedExecution,
    OrderExtent, ReadAt, ReadChoice, TransactionAction, TransactionExecution, TransactionPoint,
    TransactionWitness,
};
use clauses::{ChoiceLiteral, Clause, ClauseOrigin, ClauseSolver, SolverOutcome};
use encode::{CaseEncoding, CaseLink, CaseLinkReason, CaseVariable};
use histories::{History, KeyId, OpId};
use list_places::UNLISTED;
use rustc_hash::FxHashSet;
use shape::{AntiDependencyRule, LevelShape, MomentLayout};
use std::sync::Arc;

pub(super) use case_facts::CaseScope;
pub(crate) use shape::representative_level;

/// Whether a level asks nothing of what reads return.
pub(super) fn asks_nothing_of_reads(level: IsolationLevel) -> bool {
    use IsolationLevel::{ReadUncommitted, StrongReadUncommitted, StrongSessionReadUncommitted};
    matches!(level, ReadUncommitted | StrongSessionReadUncommitted | StrongReadUncommitted)
}

/// The maximum number of steps for one level, even if the caller allows more. It corresponds to minutes of work. Histories of
/// thousands of transactions with repeated values can need more; an early *unknown* is more useful to their users.
const STEPS_MAX: u64 = 1 << 31;

const DOUBTFUL: &str = "dirty reads show what an indeterminate transaction appended, and other reads leave open whether it committed";

/// The result of the search through the cases.
pub(super) enum CaseOutcome {
    Holds(TransactionWitness),
    /// No execution of the level explains the history.
    Impossible(Vec<CaseStep>),
    /// Two reads returned lists. Even without the readers' own appends, neither list is a prefix of the other.
    Incompatible(ReadAt, ReadAt),
    Unknown(String),
}

/// Decides a level by a search through the cases. Precondition: every read that follows a write of its own transaction to the same
/// key returned that write.
pub(super) fn try_cases(
    history: &History,
    level: IsolationLevel,
    assume: Assume,
    limits: &Limits<'_>,
) -> CaseOutcome {
    try_cases_of(history, level, assume, CaseScope::All, limits)
}

/// The same of a part of the history: that no execution explains the part is so of the whole then; that one does is not.
pub(super) fn try_cases_of(
    history: &History,
    level: IsolationLevel,
    assume: Assume,
    scope: CaseScope<'_>,
    limits: &Limits<'_>,
) -> CaseOutcome {
    match solve_cases(history, level, assume, scope, limits) {
        Ok(solution) => CaseOutcome::Holds(solution.witness),
        Err(outcome) => outcome,
    }
}

/// A way to place appends that explains what some keys show at a level.
///
/// # Errors
/// The outcome, if none was found.
pub(super) fn find_places_of(
    history: &History,
    level: IsolationLevel,
    assume: Assume,
    keys: &FxHashSet<KeyId>,
    limits: &Limits<'_>,
) -> Result<Vec<ListPlace>, CaseOutcome> {
    solve_cases(history, level, assume, CaseScope::Keys(keys), limits).map(|solution| solution.places)
}

/// What explains a history, or a part of it.
struct CaseSolution {
    witness: TransactionWitness,
    /// Where the appends stand that may stand at several places.
    places: Vec<ListPlace>,
}

/// The error is another outcome than that the level holds.
fn solve_cases(
    history: &History,
    level: IsolationLevel,
    assume: Assume,
    scope: CaseScope<'_>,
    limits: &Limits<'_>,
) -> Result<CaseSolution, CaseOutcome> {
    let shape = LevelShape::for_level(level);
    if shape.extent == OrderExtent::RealTime && !history.has_real_time() {
        return Err(CaseOutcome::Unknown(claims::NO_REAL_TIME.to_owned()));
    }
    let every_read = shape.layout == MomentLayout::Actions;
    let assume = Some(assume.applicable_to(history));
    let declared = (level == IsolationLevel::Mixed).then(|| claims::declared_levels(history));
    let extracted = match asks_nothing_of_reads(level) {
        true => shown_elements::extract_shown_elements(history, limits),
        false => case_facts::extract_case_facts(
            history,
            (every_read, !level.is_defined_by_visibility()),
            assume,
            scope,
            declared,
            limits,
        ),
    };
    let facts = match extracted {
        ExtractionOutcome::Ready(facts) => facts,
        ExtractionOutcome::Incompatible(one, other) => return Err(CaseOutcome::Incompatible(one, other)),
        ExtractionOutcome::Unclear(reason) => return Err(CaseOutcome::Unknown(reason)),
    };
    if let Some(read) = facts.find_unexplained_read() {
        return Err(CaseOutcome::Impossible(vec![CaseStep::by_unexplained_read(read)]));
    }
    match solve_facts(&facts, level, shape, limits) {
        Err(CaseOutcome::Impossible(_)) if facts.has_doubtful => {
            Err(CaseOutcome::Unknown(DOUBTFUL.to_owned()))
        }
        solved => solved,
    }
}

/// The same once the facts have been extracted.
fn solve_facts(
    facts: &CaseFacts<'_>,
    level: IsolationLevel,
    shape: LevelShape,
    limits: &Limits<'_>,
) -> Result<CaseSolution, CaseOutcome> {
    let mut cases = match CaseEncoding::new(facts, shape, limits) {
        Ok(cases) => cases,
        Err(reason) => return Err(CaseOutcome::Unknown(reason.to_owned())),
    };
    let mut steps = limits.steps.min(STEPS_MAX);
    if let Err(cycle) = cases.activate_certain_edges(0, &mut steps) {
        return Err(CaseOutcome::Impossible(write_proof(&[cycle], facts, &cases.variables)));
    }
    let first = cases.edges.len() as u32;
    if let Err(reason) = cases.connect_certain_misses(limits, &mut steps) {
        return Err(CaseOutcome::Unknown(reason.to_owned()));
    }
    if let Err(cycle) = cases.activate_certain_edges(first, &mut steps) {
        return Err(CaseOutcome::Impossible(write_proof(&[cycle], facts, &cases.variables)));
    }
    let preferred = cases.preferred_values();
    let rules = std::mem::take(&mut cases.rules);
    let mut solver = ClauseSolver::new(cases, preferred);
    rules.into_iter().for_each(|rule| solver.add_clause(rule));
    match solver.solve(&mut steps, limits) {
        SolverOutcome::Choices(values) => Ok(CaseSolution {
            witness: build_witness(level, shape, facts, &solver.theory, &values),
            places: chosen_places(facts, &solver.theory, &values),
        }),
        SolverOutcome::Refuted(proof) => {
            Err(CaseOutcome::Impossible(write_proof(&proof, facts, &solver.theory.variables)))
        }
        SolverOutcome::Unknown(reason) => Err(CaseOutcome::Unknown(reason.to_owned())),
    }
}

fn build_witness(
    level: IsolationLevel,
    shape: LevelShape,
    facts: &CaseFacts<'_>,
    cases: &CaseEncoding<'_, '_>,
    values: &[bool],
) -> TransactionWitness {
    let points = || {
        let point = |(id, place): (OpId, Option<u32>)| match place {
            Some(_) => TransactionPoint::Begin(id),
            None => TransactionPoint::Commit(id),
        };
        Arc::new(cases.moment_sequence().map(point).collect::<Vec<_>>())
    };
    match (shape.layout, shape.anti) {
        _ if level == IsolationLevel::Mixed => TransactionWitness::Mixed(Arc::new(MixedExecution {
            points: with_all_begin_points(&points(), facts),
            elements: chosen_elements(facts, cases, values),
        })),
        (MomentLayout::Whole, AntiDependencyRule::Edges) => {
            TransactionWitness::Serial(shape.extent, Arc::new(cases.commit_sequence()))
        }
        (MomentLayout::Points, _) if shape.conflicts => TransactionWitness::Snapshots(shape.extent, points()),
        (MomentLayout::Points, _) => TransactionWitness::Prefixes(points()),
        (MomentLayout::Actions, AntiDependencyRule::Edges) => {
            TransactionWitness::Actions(Arc::new(order_all_actions(facts.history, cases)))
        }
        _ => {
            let order = cases.commit_sequence();
            let mut reads: Vec<ReadChoice> = Vec::new();
            for (variable, _) in cases.variables.iter().zip(values).filter(|(_, value)| **value) {
                // The order itself shows who left a list at the length at which it was read.
                let is_list = |read: u32| facts.reads[read as usize].length.is_some();
                if let CaseVariable::From { read, source } = *variable
                    && !is_list(read)
                {
                    let choice = build_read_choice(facts, read, source);
                    let known =
                        |known: &ReadChoice| (known.reader, known.place) == (choice.reader, choice.place);
                    if !reads.iter().rev().take(facts.reads[read as usize].sources.len()).any(known) {
                        reads.push(choice);
                    }
                }
            }
            let elements = chosen_elements(facts, cases, values);
            TransactionWitness::Execution(level, Arc::new(TransactionExecution { order, reads, elements }))
        }
    }
}

/// Which transactions appended the elements of the lists that are read at read-uncommitted, where the search chose them.
fn chosen_elements(facts: &CaseFacts<'_>, cases: &CaseEncoding<'_, '_>, values: &[bool]) -> Vec<ListPlace> {
    let chosen = cases.variables.iter().zip(values).filter(|(_, value)| **value);
    let place = |(variable, _): (&CaseVariable, &bool)| match *variable {
        CaseVariable::Shown { key, writer, start } => Some(build_shown_place(facts, key, writer, start)),
        _ => None,
    };
    chosen.filter_map(place).collect()
}

/// Where appends stand as a whole, where that was chosen.
fn chosen_places(facts: &CaseFacts<'_>, cases: &CaseEncoding<'_, '_>, values: &[bool]) -> Vec<ListPlace> {
    let chosen = cases.variables.iter().zip(values).filter(|(_, value)| **value);
    let place = |(variable, _): (&CaseVariable, &bool)| match *variable {
        CaseVariable::Placed { key, writer, start } => Some(build_list_place(facts, key, writer, start)),
        _ => None,
    };
    chosen.filter_map(place).collect()
}

/// Adds the begin point of each transaction that has none, directly before its commit.
fn with_all_begin_points(points: &[TransactionPoint], facts: &CaseFacts<'_>) -> Vec<TransactionPoint> {
    let numbers: rustc_hash::FxHashMap<OpId, u32> = facts.transactions.iter().copied().zip(0..).collect();
    let with_begin = |&point: &TransactionPoint| {
        let begin = match point {
            TransactionPoint::Commit(id) if !facts.has_begin_point(numbers[&id]) => {
                Some(TransactionPoint::Begin(id))
            }
            _ => None,
        };
        begin.into_iter().chain([point])
    };
    points.iter().flat_map(with_begin).collect()
}

/// Every micro-operation and commit in order. A micro-operation without a moment of its own is placed together with the next
/// moment of its transaction.
fn order_all_actions(history: &History, cases: &CaseEncoding<'_, '_>) -> Vec<TransactionAction> {
    let mut next: rustc_hash::FxHashMap<OpId, usize> = rustc_hash::FxHashMap::default();
    let mut actions = Vec::new();
    for (id, place) in cases.moment_sequence() {
        let done = next.entry(id).or_default();
        let end = place.map_or(history.micros_of(id).len(), |place| place as usize + 1);
        actions.extend((*done..end).map(|place| TransactionAction::Act(id, place)));
        *done = end;
        if place.is_none() {
            actions.push(TransactionAction::Commit(id));
        }
    }
    actions
}

fn build_read_choice(facts: &CaseFacts<'_>, read: u32, source: u32) -> ReadChoice {
    let each = &facts.reads[read as usize];
    ReadChoice {
        reader: facts.transactions[each.reader as usize],
        place: each.place as usize,
        writer: (source != INITIAL).then(|| facts.transactions[source as usize]),
    }
}

fn build_list_place(facts: &CaseFacts<'_>, key: u32, writer: u32, start: u32) -> ListPlace {
    let written = &facts.keys[key as usize];
    let writer = facts.transactions[written.writers[writer as usize] as usize];
    ListPlace { key: written.key, writer, start: (start != UNLISTED).then_some(start as usize) }
}

fn build_shown_place(facts: &CaseFacts<'_>, key: u32, writer: u32, start: u32) -> ListPlace {
    // The lists are in the order of their keys.
    let list = facts.elements.binary_search_by_key(&key, |list| list.key).expect("it is one of the lists");
    let writer = facts.elements[list].writers[writer as usize].id;
    let key = facts.keys[key as usize].key;
    ListPlace { key, writer, start: (start != UNLISTED).then_some(start as usize) }
}

/// Translates the clauses of a refutation to steps of a proof. The clauses that are rules need no step.
fn write_proof(
    clauses: &[Clause<CaseLink>],
    facts: &CaseFacts<'_>,
    variables: &[CaseVariable],
) -> Vec<CaseStep> {
    let choice = |literal: ChoiceLiteral| match variables[literal.variable() as usize] {
        CaseVariable::True => unreachable!("no clause contains the constant true"),
        CaseVariable::Before { key, one, other } => {
            let writers = &facts.keys[key as usize].writers;
            let id = |at: u32| facts.transactions[writers[at as usize] as usize];
            let (earlier, later) = if literal.is_positive() { (one, other) } else { (other, one) };
            CaseChoice::Before { key: facts.keys[key as usize].key, earlier: id(earlier), later: id(later) }
        }
        CaseVariable::From { read, source } => match literal.is_positive() {
            true => CaseChoice::ReadFrom(build_read_choice(facts, read, source)),
            false => CaseChoice::NotReadFrom(build_read_choice(facts, read, source)),
        },
        CaseVariable::Placed { key, writer, start } => {
            let place = build_list_place(facts, key, writer, start);
            if literal.is_positive() { CaseChoice::Placed(place) } else { CaseChoice::NotPlaced(place) }
        }
        CaseVariable::Shown { key, writer, start } => {
            let place = build_shown_place(facts, key, writer, start);
            if literal.is_positive() { CaseChoice::Shown(place) } else { CaseChoice::NotShown(place) }
        }
    };
    let mut steps = Vec::new();
    for clause in clauses {
        let cycle = match &clause.origin {
            ClauseOrigin::Rule => continue,
            ClauseOrigin::Deferred { .. } => unreachable!("a refutation has the cycles of its clauses"),
            ClauseOrigin::Learned { .. } | ClauseOrigin::Evident => Vec::new(),
            ClauseOrigin::Cycle(links) => choices::join_by_transaction(links),
        };
        let assumed = clause.literals.iter().map(|literal| choice(literal.negated())).collect();
        steps.push(CaseStep::new(
            assumed,
            cycle.into_iter().map(|link| build_case_edge(link, facts)).collect(),
        ));
    }
    if steps.last().is_none_or(|last| !last.assumed.is_empty()) {
        steps.push(CaseStep::new(Vec::new(), Vec::new()));
    }
    steps
}

fn build_case_edge(CaseLink { from, to, link }: CaseLink, facts: &CaseFacts<'_>) -> CaseEdge {
    let why = match link {
        CaseLinkReason::Within => unreachable!("steps within one transaction were left out"),
        CaseLinkReason::Session => CaseReason::Session,
        CaseLinkReason::Time => CaseReason::RealTime,
        CaseLinkReason::Read { read, .. } => CaseReason::Read(facts.reads[read as usize].place as usize),
        CaseLinkReason::Wrote { key } => CaseReason::Overwrote(facts.keys[key as usize].key),
        CaseLinkReason::Missed { read, source } => {
            let ReadChoice { place, writer, .. } = build_read_choice(facts, read, source);
            CaseReason::Missed { place, writer }
        }
    };
    let id = |number: u32| facts.transactions[number as usize];
    CaseEdge { from: id(from), to: id(to), why }
}
