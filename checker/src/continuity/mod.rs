//! Session stores: finds lost sessions, lost and stale writes, and lost or repeated actions of users.
//!
//! The levels of objects ask whether *some* order explains all answers. The operator of a session store first asks
//! something else: which sessions were lost, which are stale, which came back after they had ended, and which actions
//! were done twice. So this module starts from the specification of a session: it is absent, or present with fields and
//! a time to live (`docs/definitions.md`, "Session stores"). Each [`FindingKind`] is a pattern of operations that no
//! legal execution of that specification shows. A finding is reported only if no execution allows it, whatever the
//! order of overlapping operations and whether or not indeterminate operations took effect. The brute-force reference
//! in `tests/continuity/` tries all executions.
//!
//! **Cost.** O(n log n) in operations, a few dozen bytes each. There is no search, so the stop flag is the only limit.
//!
//! *Choices.* The linearizability engine could decide the sequential specification instead. It would report only that
//! *no order explains these operations* of a session. That answer names no finding, and it cannot cover the time to
//! live, which is part of the state. The price of patterns is that they must be complete before the verdict can be
//! *holds*; the definitions say how complete they are, and tests measure it.

mod actions;
mod audit;
mod clocks;
mod contents;
mod events;
mod expiry;
mod faults;
mod fields;
mod index;
mod live;
mod payload;
mod presence;
mod read_contents;
mod recorded;
mod replicas;
mod updates;

pub use claims::{Finding, FindingKind, FindingProof, RenewingOperations, SessionRules, TOLERANCE_NS};
#[doc(hidden)]
pub use claims::{
    FindingKind as Kind, FindingProof as Proof, RenewingOperations as RenewedBy, SessionRules as Question,
};
use claims::{Limits, Verdict};
pub(crate) use faults::find_note_field;
use faults::{FaultPeriods, end_position};
use histories::{Function, History, OpId, Outcome, SessionId};
use index::SessionIndex;
use rayon::prelude::*;
pub(crate) use recorded::is_read_after_settling;
use rustc_hash::FxHashSet;

/// The verdict about one kind of finding.
#[derive(Clone, Debug)]
pub struct FindingVerdict {
    /// The kind that was looked for.
    pub kind: FindingKind,
    /// *violated* with the findings; *holds* when the history could have shown a finding and did not; *untested* when
    /// nothing was recorded that could have shown one; *unknown* when only part of the history could be judged.
    pub verdict: Verdict<(), Vec<Finding>>,
}

/// Looks for every kind of finding and returns the verdicts in the order of [`FindingKind::ALL`]. The findings of a
/// kind are in the order in which they were observed.
pub fn judge_session_findings(
    history: &History,
    question: &SessionRules,
    limits: &Limits<'_>,
) -> Vec<FindingVerdict> {
    let facts = JudgeFacts::from_history(history, *question);
    let (sessions, others) = match history.len() < TASK_OPERATIONS {
        // A small history is not worth waking other threads.
        true => (judge_sessions(&facts, limits), judge_without_exclusions(&facts, limits)),
        false => rayon::join(|| judge_sessions(&facts, limits), || judge_without_exclusions(&facts, limits)),
    };
    let mut judge = Judge::new(&facts);
    sessions.judged.into_iter().for_each(|part| judge.absorb(part));
    let stopped = sessions.stopped || others.is_none();
    let mut unrecorded: Vec<(FindingKind, String)> = Vec::new();
    if let Some(others) = others.filter(|_| !stopped) {
        judge.absorb(others.judge);
        unrecorded = others.unrecorded;
        unrecorded.extend(updates::judge_lost_updates(&mut judge).map(|why| (FindingKind::LostUpdate, why)));
        unrecorded.extend(live::judge_live_connections(&mut judge));
    }
    let ambiguous = facts.index.ambiguous;
    let mut by_kind: Vec<Vec<Finding>> = vec![Vec::new(); FindingKind::ALL.len()];
    for finding in judge.findings {
        by_kind[finding.kind as usize].push(finding);
    }
    let judged = FindingKind::ALL.iter().zip(by_kind).map(|(&kind, mut findings)| {
        findings.sort_by_key(|finding| finding.observed_position(history));
        let record = unrecorded.iter().find(|missing| missing.0 == family_of_kind(kind));
        let missing = match record {
            Some((_, why)) => Some(why.clone()),
            None => recorded::reason_not_recorded(&facts, kind),
        };
        let verdict = match (findings.is_empty(), missing) {
            (false, _) => Verdict::Violated(findings),
            (true, None) if stopped => Verdict::unknown(Limits::STOPPED),
            (true, Some(missing)) if record.is_some() && is_partly_recorded(history, kind) => {
                Verdict::unknown(missing)
            }
            (true, Some(missing)) => Verdict::untested(missing),
            (true, None) if ambiguous > 0 && depends_on_written_values(kind) => Verdict::unknown(format!(
                "{ambiguous} values were written more than once, so reads do not tell their writes"
            )),
            (true, None) => Verdict::Holds(()),
        };
        FindingVerdict { kind, verdict }
    });
    judged.collect()
}

/// The kind that stands for a group of kinds when the record that the group needs is missing.
fn family_of_kind(kind: FindingKind) -> FindingKind {
    match kind {
        FindingKind::DuplicatedAction => FindingKind::LostAction,
        FindingKind::AuditDuplicated | FindingKind::AuditForged => FindingKind::AuditMissing,
        FindingKind::DuplicatedMessage => FindingKind::LostMessage,
        kind => kind,
    }
}

/// Whether a finding of this kind depends on which write a read returned.
fn depends_on_written_values(kind: FindingKind) -> bool {
    matches!(
        kind,
        FindingKind::LostWrite
            | FindingKind::StaleSession
            | FindingKind::SessionLeak
            | FindingKind::TornSession
            | FindingKind::Unexplained
    )
}

/// Whether a record that could show this kind exists, but is incomplete.
fn is_partly_recorded(history: &History, kind: FindingKind) -> bool {
    let mut events = history.actor_events().iter();
    match family_of_kind(kind) {
        FindingKind::AuditMissing => {
            events.any(|event| event.actor == "recorder" && event.function == "audit")
        }
        FindingKind::ConnectionNotResumed => live::has_recorded_losses(history),
        _ => false,
    }
}

/// The position of the event with which the recorder says that the store had settled.
fn settled_position(history: &History) -> Option<u32> {
    let events = history.actor_events().iter();
    let mut settled = events.filter(|event| event.actor == "recorder" && event.function == "settled");
    settled.next().map(|event| event.position)
}

/// What a judgement needs to know of a history. Threads share it.
struct JudgeFacts<'a> {
    history: &'a History,
    question: SessionRules,
    index: SessionIndex,
    faults: FaultPeriods,
    settled: Option<u32>,
    /// The session that created the id of each component.
    owners: Vec<Option<SessionId>>,
}

impl<'a> JudgeFacts<'a> {
    fn from_history(history: &'a History, question: SessionRules) -> Self {
        let index = SessionIndex::new(history);
        let mut owners = vec![None; history.keys.len()];
        for id in history.ids().filter(|&id| history.function(id) == Function::CREATE) {
            let owner: &mut Option<SessionId> = &mut owners[index.component_of(history.key(id)) as usize];
            owner.get_or_insert(history.session(id));
        }
        let (faults, settled) = (FaultPeriods::from_history(history), settled_position(history));
        Self { history, question, index, faults, settled, owners }
    }

    fn session_owner(&self, component: u32) -> Option<SessionId> {
        self.owners[component as usize]
    }
}

/// The judgement of all sessions.
struct JudgedSessions<'a> {
    /// In the order of the sessions.
    judged: Vec<Judge<'a>>,
    /// Whether the stop flag ended it early.
    stopped: bool,
}

/// The number of operations that one task judges, or more if one session has more.
const TASK_OPERATIONS: usize = 1 << 14;

/// Judges presence and contents of every component. No component has operations of another, so they are judged in parallel.
fn judge_sessions<'a>(facts: &'a JudgeFacts<'a>, limits: &Limits<'_>) -> JudgedSessions<'a> {
    let first = presence::FirstSeen::new(facts);
    let users = contents::users_with_sessions(facts.history);
    let components: Vec<(u32, &[OpId])> = facts.index.components().collect();
    let mut done = 0;
    let tasks: Vec<&[(u32, &[OpId])]> = components
        .chunk_by(|(_, members), _| {
            done += members.len();
            let is_full = done >= TASK_OPERATIONS;
            done *= usize::from(!is_full);
            !is_full
        })
        .collect();
    let judge_task = |task: &&[(u32, &[OpId])]| {
        let mut judge = Judge::new(facts);
        for &(component, members) in *task {
            if limits.stop_requested() {
                return (judge, true);
            }
            presence::judge_presence(&mut judge, component, members, &first);
            contents::judge_contents(&mut judge, component, members, &users);
        }
        (judge, false)
    };
    let judged: Vec<(Judge<'_>, bool)> = match tasks.len() {
        0 | 1 => tasks.iter().map(judge_task).collect(),
        _ => tasks.par_iter().map(judge_task).collect(),
    };
    let stopped = judged.iter().any(|(_, stopped)| *stopped);
    JudgedSessions { judged: judged.into_iter().map(|(judge, _)| judge).collect(), stopped }
}

/// What was judged whatever other findings had shown to be wrong, and the kinds for which a record is missing.
struct OtherJudgements<'a> {
    judge: Judge<'a>,
    unrecorded: Vec<(FindingKind, String)>,
}

/// Judges actions, clocks, the audit trail and replicas; `None` if the stop flag ended it early.
fn judge_without_exclusions<'a>(
    facts: &'a JudgeFacts<'a>,
    limits: &Limits<'_>,
) -> Option<OtherJudgements<'a>> {
    type JudgeRecord = fn(&mut Judge<'_>) -> Option<String>;
    let records: [(FindingKind, JudgeRecord); 4] = [
        (FindingKind::LostAction, actions::judge_actions),
        (FindingKind::ClockWentBack, clocks::judge_clocks),
        (FindingKind::AuditMissing, audit::judge_audit_trail),
        (FindingKind::DivergentReplicas, replicas::judge_replicas),
    ];
    let mut found = OtherJudgements { judge: Judge::new(facts), unrecorded: Vec::new() };
    for (kind, judge_record) in records {
        if limits.stop_requested() {
            return None;
        }
        found.unrecorded.extend(judge_record(&mut found.judge).map(|why| (kind, why)));
    }
    Some(found)
}

/// The state of a judgement in progress.
struct Judge<'a> {
    facts: &'a JudgeFacts<'a>,
    findings: Vec<Finding>,
    /// Operations that a finding showed to be wrong. What they returned is no evidence for further findings.
    excluded: FxHashSet<OpId>,
}

impl<'a> Judge<'a> {
    fn new(facts: &'a JudgeFacts<'a>) -> Self {
        Self { facts, findings: Vec::new(), excluded: FxHashSet::default() }
    }

    /// Adds what another part of the judgement found.
    fn absorb(&mut self, part: Judge<'a>) {
        self.findings.extend(part.findings);
        self.excluded.extend(part.excluded);
    }

    fn is_excluded(&self, id: OpId) -> bool {
        !self.excluded.is_empty() && self.excluded.contains(&id)
    }

    /// Records a finding about a session. The first operation is the one that shows it, and no longer counts as
    /// evidence.
    fn record_finding(&mut self, kind: FindingKind, operations: Vec<OpId>, proof: FindingProof) {
        let telling = operations[0];
        self.record_finding_against(kind, operations, proof, telling);
    }

    /// Records a finding whose operations still count as evidence.
    fn record_finding_without_exclusion(
        &mut self,
        kind: FindingKind,
        operations: Vec<OpId>,
        proof: FindingProof,
    ) {
        let history = self.facts.history;
        let (key, session) = (history.key(operations[0]), history.session(operations[0]));
        let from =
            operations.iter().map(|&id| history.invocation_position(id)).min().expect("some operation");
        let faults = self.facts.faults.active_between(from, end_position(history, operations[0]));
        self.findings.push(Finding { kind, key, session, operations, events: Vec::new(), faults, proof });
    }

    /// Records a finding. The operation `wrong` no longer counts as evidence for anything else.
    fn record_finding_against(
        &mut self,
        kind: FindingKind,
        operations: Vec<OpId>,
        proof: FindingProof,
        wrong: OpId,
    ) {
        let history = self.facts.history;
        self.excluded.insert(wrong);
        let telling = operations[0];
        let key = history.key(telling);
        let owner = self.facts.session_owner(self.facts.index.component_of(key));
        let from =
            operations.iter().map(|&id| history.invocation_position(id)).min().expect("some operation");
        // A lost session or write was lost, at the latest, by the end of the operations that show it.
        let until =
            operations.iter().take(2).map(|&id| end_position(history, id)).max().expect("some operation");
        let faults = self.facts.faults.active_between(from, until);
        let session = owner.unwrap_or_else(|| history.session(telling));
        self.findings.push(Finding { kind, key, session, operations, events: Vec::new(), faults, proof });
    }
}

/// Whether an operation was acknowledged.
fn is_ok(history: &History, id: OpId) -> bool {
    history.outcome(id) == Outcome::Ok
}
