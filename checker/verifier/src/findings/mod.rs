//! Checks findings against the history alone.
//!
//! A finding names a few operations and claims that no operation between them can explain the observation. The verifier
//! derives the conditions from the named operations and then tests every other operation on the same ids as a possible
//! explanation. The code is short and shares nothing with the search. It is slow if an id has many findings.

mod actions;
mod claims;
mod contents;
mod groups;
pub(crate) mod live;
mod nothing;
mod presence;
mod trails;
mod updates;

use crate::recorded_facts::RecordedFacts;
use crate::watch::{StepCost, Watch};
use crate::{Mismatch, Standing};
use ::claims::{
    Answer, Evidence, Finding, FindingKind, FindingProof, Report, SessionRules, Verdict, Witness,
};
use groups::OperationGroups;
use histories::{Function, History, Id, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId};
use live::LiveRecord;
use nothing::CounterEvidence;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

type FindingCheck = Result<(), Mismatch>;

/// The claims of a report about findings. They are checked together, because an operation that one finding shows to be
/// wrong is no evidence for another.
pub(crate) struct FindingClaims {
    /// For each kind with findings: the result of checking them.
    found: HashMap<FindingKind, FindingCheck>,
    /// Counter-evidence to the claims that there are no findings.
    against: Vec<CounterEvidence>,
    /// The kinds that the report says are absent or untested.
    denied: HashSet<FindingKind>,
}

impl FindingClaims {
    /// Checks all findings of a report, and examines the history for others. O(n log n), plus for each finding the
    /// number of operations on its ids.
    pub(crate) fn new(
        history: &History,
        rules: &SessionRules,
        report: &Report,
        facts: &RecordedFacts<'_>,
        watch: &Watch<'_>,
    ) -> Self {
        if !watch.has_time_for(history.len() as u64) {
            return Self { found: HashMap::new(), against: Vec::new(), denied: HashSet::new() };
        }
        // Made for the first violation. A report without findings needs no record.
        let mut record: Option<SessionRecord<'_>> = None;
        let answers = || report.answers.iter().chain(&report.beside);
        let (mut found, mut wrong) = (HashMap::new(), HashSet::new());
        for answer in answers() {
            let ::claims::Property::Finding(kind) = answer.property else { continue };
            let Verdict::Violated(_) = answer.verdict else { continue };
            let record = record.get_or_insert_with(|| SessionRecord::new(history, rules));
            let checked = check_all_findings(record, kind, answer, watch);
            if checked.is_ok() {
                wrong.extend(findings_in_answer(answer).filter_map(Finding::wrong_operation));
            }
            found.insert(kind, checked);
        }
        let absent = answers().filter_map(|answer| match (answer.property, &answer.verdict) {
            (::claims::Property::Finding(kind), Verdict::Holds(_) | Verdict::Untested(_)) => Some(kind),
            _ => None,
        });
        let denied: HashSet<FindingKind> = absent.collect();
        drop(record);
        let against = match denied.is_empty() || watch.is_over() {
            true => Vec::new(),
            false => nothing::collect_counter_evidence(history, rules, &wrong, facts, watch),
        };
        Self { found, against, denied }
    }

    /// The standing of the claim about a kind.
    pub(crate) fn standing_of_kind(&self, kind: FindingKind, verdict: &Verdict) -> Standing {
        match verdict {
            Verdict::Violated(_) => match self.found.get(&kind) {
                Some(Ok(())) => Standing::Confirmed,
                Some(Err(why)) => Standing::Refuted(why.0.clone()),
                None => Standing::Unchecked,
            },
            Verdict::Holds(Witness::NothingFound) => self.standing_of_absence(kind),
            Verdict::Holds(_) => Standing::Refuted("that nothing was found has no such witness".to_owned()),
            Verdict::Untested(_) | Verdict::Unknown(_) => Standing::Confirmed,
        }
    }

    /// Counter-evidence may concern one of several kinds. It refutes the claim about one kind only if the report denies
    /// all of them.
    pub(crate) fn standing_of_absence(&self, kind: FindingKind) -> Standing {
        let own = || self.against.iter().filter(|against| against.kinds.contains(&kind));
        let refutes = |against: &&CounterEvidence| {
            against.certain && against.kinds.iter().all(|kind| self.denied.contains(kind))
        };
        match (own().find(refutes), own().next()) {
            (Some(against), _) => Standing::Refuted(against.why.clone()),
            (None, Some(against)) if against.certain => {
                Standing::Partly(format!("{}, which may be this or another finding", against.why))
            }
            (None, Some(against)) => Standing::Partly(against.why.clone()),
            (None, None) => Standing::Confirmed,
        }
    }
}

fn findings_in_answer(answer: &Answer) -> impl Iterator<Item = &Finding> {
    let violations = match &answer.verdict {
        Verdict::Violated(violations) => violations.as_slice(),
        _ => &[],
    };
    violations.iter().filter_map(|violation| violation.as_finding())
}

/// Checks every finding of a kind. The error names the first that is not confirmed.
fn check_all_findings(
    record: &SessionRecord<'_>,
    kind: FindingKind,
    answer: &Answer,
    watch: &Watch<'_>,
) -> FindingCheck {
    let Verdict::Violated(violations) = &answer.verdict else { return Ok(()) };
    ensure(!violations.is_empty(), || "violated without a finding".to_owned())?;
    watch.take_while_in_time(StepCost::Follow, violations.iter()).try_for_each(|violation| {
        let Evidence::Finding(finding) = &violation.evidence else {
            return Err(Mismatch("evidence of another kind of property".to_owned()));
        };
        ensure(finding.kind == kind && violation.kind.as_str() == kind.name(), || {
            format!("{} among {}", finding.kind.name(), kind.name())
        })?;
        ensure(violation.key == finding.key && violation.operations == finding.operations, || {
            format!("{} is told of other operations than it names", kind.name())
        })?;
        check_finding(record, finding).map_err(|why| {
            let indexes = finding.operations.iter().map(|&id| record.history.operation_index(id));
            let operations: Vec<u64> = indexes.collect();
            Mismatch(format!("{} of operations {operations:?}: {why}", finding.kind.name()))
        })
    })
}

fn check_finding(record: &SessionRecord<'_>, finding: &Finding) -> FindingCheck {
    let named = finding.proof.involved_operations();
    ensure(claims::kind_fits_proof(record, finding.kind, &finding.proof), || {
        "it does not show that".to_owned()
    })?;
    ensure(named.iter().all(|id| finding.operations.contains(id)), || {
        "it rests on operations that it does not name".to_owned()
    })?;
    match finding.proof {
        FindingProof::Entries { .. } | FindingProof::OutOfOrder { .. } | FindingProof::Differ { .. } => {
            trails::check_trail_finding(record, finding)
        }
        FindingProof::NotResumed { .. }
        | FindingProof::Skipped { .. }
        | FindingProof::BroughtAgain { .. } => live::check_live_finding(record, finding),
        _ => claims::check_claim(record, finding),
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> FindingCheck {
    if holds { Ok(()) } else { Err(Mismatch(why())) }
}

/// Indexes of the history by id, value and user.
struct SessionRecord<'a> {
    history: &'a History,
    question: &'a SessionRules,
    by_key: OperationGroups,
    /// By id: the renewals that produced it.
    given_by: OperationGroups,
    /// By value: the operations that wrote it, including failed ones.
    written: OperationGroups,
    acts: OperationGroups,
    /// The users that requested a session of their own.
    creators: HashSet<SessionId>,
    /// The expected and the actual entries of the audit trail, computed on first use.
    trail: OnceCell<trails::AuditTrail>,
    /// What is recorded of live connections, computed on first use.
    live: OnceCell<LiveRecord>,
    /// Whether each save follows a read of its process, computed on first use.
    saves_follow_reads: OnceCell<bool>,
}

impl<'a> SessionRecord<'a> {
    fn new(history: &'a History, question: &'a SessionRules) -> Self {
        let (mut by_key, mut given_by, mut written, mut acts) = (vec![], vec![], vec![], vec![]);
        let mut creators = HashSet::new();
        for op in history.operations() {
            by_key.push((op.key.index(), op.id));
            if op.function == Function::CREATE {
                creators.insert(op.session);
            }
            match op.function {
                Function::CREATE | Function::WRITE | Function::PATCH => {
                    written.push((op.value().index(), op.id));
                }
                Function::RENEW if op.outcome != Outcome::Fail => {
                    let new = history.keys.get(history.value_text(op.value()));
                    given_by.extend(new.map(|new| (new.index(), op.id)));
                }
                Function::ACT => acts.push((op.value().index(), op.id)),
                _ => {}
            }
        }
        Self {
            history,
            question,
            by_key: OperationGroups::from_pairs(&by_key),
            given_by: OperationGroups::from_pairs(&given_by),
            written: OperationGroups::from_pairs(&written),
            acts: OperationGroups::from_pairs(&acts),
            creators,
            trail: OnceCell::new(),
            live: OnceCell::new(),
            saves_follow_reads: OnceCell::new(),
        }
    }

    fn operation(&self, id: OpId) -> Operation {
        self.history.operation(id)
    }

    /// The operations on an id that did not fail.
    fn operations_on(&self, key: KeyId) -> impl Iterator<Item = Operation> + '_ {
        let all = self.by_key.of(key.index()).iter();
        all.map(|&id| self.operation(id)).filter(|op| op.outcome != Outcome::Fail)
    }

    /// The creations of an id and the renewals that produced it.
    fn births_of_id(&self, key: KeyId) -> Vec<Operation> {
        let given = self.given_by.of(key.index()).iter().map(|&id| self.operation(id));
        self.operations_on(key).filter(|op| op.function == Function::CREATE).chain(given).collect()
    }

    /// All ids of a session, connected by renewals in either direction.
    fn ids_of_session(&self, key: KeyId) -> Vec<KeyId> {
        let mut all = vec![key];
        let mut known = HashSet::from([key]);
        let mut at = 0;
        while at < all.len() {
            let renewed = self.operations_on(all[at]).filter_map(|op| renewed_id(self, &op));
            let from = self.given_by.of(all[at].index()).iter().map(|&id| self.operation(id).key);
            let near: Vec<KeyId> = renewed.chain(from).collect();
            all.extend(near.into_iter().filter(|&key| known.insert(key)));
            at += 1;
        }
        all
    }
}

/// The new id of a renewal.
fn renewed_id(record: &SessionRecord<'_>, op: &Operation) -> Option<KeyId> {
    (op.function == Function::RENEW)
        .then(|| record.history.keys.get(record.history.value_text(op.value())))?
}

/// Whether the id can only have been produced from `from`, through renewals.
fn descends_from(record: &SessionRecord<'_>, mut key: KeyId, from: KeyId) -> bool {
    for _ in 0..record.history.keys.len() {
        match record.births_of_id(key).as_slice() {
            [_] if key == from => return true,
            [birth] if birth.function == Function::RENEW => key = birth.key,
            _ => return false,
        }
    }
    false
}

fn belong_to_one_session(record: &SessionRecord<'_>, ops: &[&Operation]) -> bool {
    let ids = record.ids_of_session(ops[0].key);
    ops.iter().all(|op| ids.contains(&op.key))
}

/// The number of creations of the session that an operation is about.
fn count_creations(record: &SessionRecord<'_>, op: &Operation) -> usize {
    let ids = record.ids_of_session(op.key);
    ids.iter()
        .map(|&key| record.operations_on(key).filter(|op| op.function == Function::CREATE).count())
        .sum()
}

/// Whether the operation created the id, or produced it by a renewal.
fn is_birth(record: &SessionRecord<'_>, key: KeyId, op: &Operation) -> bool {
    record.births_of_id(key).iter().any(|birth| birth.id == op.id)
}

fn ends_session(op: &Operation) -> bool {
    matches!(op.function, Function::DESTROY | Function::RENEW)
}

/// The time that an answer reports.
fn reported_clock(record: &SessionRecord<'_>, op: &Operation) -> Option<i64> {
    record.history.note_number(op.completed, "clock")
}

/// The position by which an operation had certainly taken effect.
fn took_effect_by(op: &Operation) -> u32 {
    if op.outcome == Outcome::Ok { op.completed } else { NEVER }
}

/// Whether the answer shows that the session existed.
fn found_session(op: &Operation) -> bool {
    let reads = op.function == Function::READ;
    let acts = [Function::WRITE, Function::PATCH, Function::TOUCH, Function::RENEW, Function::DESTROY];
    op.outcome == Outcome::Ok && if reads { op.result != ValueId::NULL } else { acts.contains(&op.function) }
}

/// Whether the answer shows that no session existed.
fn found_no_session(op: &Operation) -> bool {
    op.outcome == Outcome::Ok && op.function == Function::READ && op.result == ValueId::NULL
}

/// Whether the value is equal to the one that this JSON text denotes.
fn equals_json(value: &serde_json::Value, text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|told| told == *value)
}
