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
mod expiry;
mod faults;
mod index;
mod live;
mod presence;
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
    let mut judge = Judge::new(history, *question);
    let stopped = judge.judge_sessions(limits);
    let mut unrecorded: Vec<(FindingKind, String)> = Vec::new();
    if !stopped {
        unrecorded.extend(actions::judge_actions(&mut judge).map(|why| (FindingKind::LostAction, why)));
        unrecorded.extend(clocks::judge_clocks(&mut judge).map(|why| (FindingKind::ClockWentBack, why)));
        unrecorded.extend(audit::judge_audit_trail(&mut judge).map(|why| (FindingKind::AuditMissing, why)));
        unrecorded.extend(updates::judge_lost_updates(&mut judge).map(|why| (FindingKind::LostUpdate, why)));
        unrecorded
            .extend(replicas::judge_replicas(&mut judge).map(|why| (FindingKind::DivergentReplicas, why)));
        unrecorded.extend(live::judge_live_connections(&mut judge));
    }
    let ambiguous = judge.index.ambiguous;
    let mut by_kind: Vec<Vec<Finding>> = vec![Vec::new(); FindingKind::ALL.len()];
    for finding in judge.findings {
        by_kind[finding.kind as usize].push(finding);
    }
    let judged = FindingKind::ALL.iter().zip(by_kind).map(|(&kind, mut findings)| {
        findings.sort_by_key(|finding| finding.observed_position(history));
        let missing = unrecorded
            .iter()
            .find(|missing| missing.0 == family_of_kind(kind))
            .map(|missing| missing.1.clone())
            .or_else(|| reason_not_recorded(history, question, kind));
        let verdict = match (findings.is_empty(), missing) {
            (false, _) => Verdict::Violated(findings),
            (true, None) if stopped => Verdict::unknown(Limits::STOPPED),
            (true, Some(missing)) if is_partly_recorded(history, kind) => Verdict::unknown(missing),
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

/// Why the history cannot show a kind. The modules of the kinds report further reasons themselves.
fn reason_not_recorded(history: &History, question: &SessionRules, kind: FindingKind) -> Option<String> {
    let does = |function| history.ids().any(|id| history.function(id) == function);
    let timed = || history.ids().any(|id| history.invoked_at(id).is_some());
    let missing = match kind {
        FindingKind::ExpiredEarly | FindingKind::ExpiredLate if question.time_to_live_ns.is_none() => {
            "no time to live is known (time_to_live_ms in the header, or --time-to-live)"
        }
        FindingKind::ExpiredEarly | FindingKind::ExpiredLate if !timed() => "the history has no times",
        FindingKind::LostWrite if settled_position(history).is_none() => {
            "no event says that the store had settled (recorder, settled), so a write that is not seen may be late rather \
             than lost: see stale-session"
        }
        FindingKind::OldIdAlive if !does(Function::RENEW) => "the history has no renewal",
        FindingKind::ResurrectedSession if !does(Function::DESTROY) && question.time_to_live_ns.is_none() => {
            "no operation ended a session"
        }
        _ => return None,
    };
    Some(missing.to_owned())
}

/// The position of the event with which the recorder says that the store had settled.
fn settled_position(history: &History) -> Option<u32> {
    let events = history.actor_events().iter();
    let mut settled = events.filter(|event| event.actor == "recorder" && event.function == "settled");
    settled.next().map(|event| event.position)
}

/// The state of a judgement in progress.
struct Judge<'a> {
    history: &'a History,
    question: SessionRules,
    index: SessionIndex,
    faults: FaultPeriods,
    settled: Option<u32>,
    findings: Vec<Finding>,
    /// Operations that a finding showed to be wrong. What they returned is no evidence for further findings.
    excluded: Vec<bool>,
    /// The session that created the id of each component.
    owners: Vec<Option<SessionId>>,
}

impl<'a> Judge<'a> {
    fn new(history: &'a History, question: SessionRules) -> Self {
        let index = SessionIndex::new(history);
        let mut owners = vec![None; history.keys.len()];
        for id in history.ids().filter(|&id| history.function(id) == Function::CREATE) {
            let owner: &mut Option<SessionId> = &mut owners[index.component_of(history.key(id)) as usize];
            owner.get_or_insert(history.session(id));
        }
        Self {
            history,
            question,
            index,
            faults: FaultPeriods::from_history(history),
            settled: settled_position(history),
            findings: Vec::new(),
            excluded: vec![false; history.len()],
            owners,
        }
    }

    /// Judges presence and contents of every component. Returns whether the stop flag ended it early.
    fn judge_sessions(&mut self, limits: &Limits<'_>) -> bool {
        let first = presence::FirstSeen::new(self);
        let users = contents::users_with_sessions(self.history);
        let components: Vec<(u32, Vec<OpId>)> =
            self.index.components().map(|(component, members)| (component, members.to_vec())).collect();
        for (component, members) in components {
            if limits.stop_requested() {
                return true;
            }
            presence::judge_presence(self, component, &members, &first);
            contents::judge_contents(self, component, &members, &users);
        }
        false
    }

    fn session_owner(&self, component: u32) -> Option<SessionId> {
        self.owners[component as usize]
    }

    fn is_excluded(&self, id: OpId) -> bool {
        self.excluded[id.raw() as usize]
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
        let history = self.history;
        let (key, session) = (history.key(operations[0]), history.session(operations[0]));
        let from = operations.iter().map(|&id| history.operation(id).invoked).min().expect("some operation");
        let faults = self.faults.active_between(from, end_position(history, operations[0]));
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
        let history = self.history;
        self.excluded[wrong.raw() as usize] = true;
        let telling = operations[0];
        let key = history.key(telling);
        let owner = self.session_owner(self.index.component_of(key));
        let from = operations.iter().map(|&id| history.operation(id).invoked).min().expect("some operation");
        // A lost session or write was lost, at the latest, by the end of the operations that show it.
        let until =
            operations.iter().take(2).map(|&id| end_position(history, id)).max().expect("some operation");
        let faults = self.faults.active_between(from, until);
        let session = owner.unwrap_or_else(|| history.session(telling));
        self.findings.push(Finding { kind, key, session, operations, events: Vec::new(), faults, proof });
    }
}

/// Whether an operation was acknowledged.
fn is_ok(history: &History, id: OpId) -> bool {
    history.outcome(id) == Outcome::Ok
}
