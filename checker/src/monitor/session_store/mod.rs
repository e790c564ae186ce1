//! Session stores: lost, stale, leaked, resurrected and overdue sessions. What is kept are sessions as a whole.
//!
//! The window has all operations on the sessions that are kept, so the engine that judges it is that of a check. `forget.rs` says when a
//! session may be forgotten, and why.

mod forget;
mod judging;
mod kept;
mod memory;
mod pairing;

use super::limits::{MonitorError, MonitorLimits};
use super::stream::{ProcessName, StreamEvent};
use super::verdicts::{MonitorAnswer, MonitorVerdict, OnlineViolation, UnknownFrom};
use claims::{FindingKind, Model, Property, Question, SessionRules};
use kept::KeptSession;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The findings that are judged online.
///
/// *Choices.* A lost update depends on whether *every* save of the history follows a read. A clock that went back is about all sessions of
/// a user, without end. Audit trails, replicas and live connections are recorded at the end of a run. These are left to a check.
pub(super) const ONLINE_FINDINGS: [FindingKind; 12] = [
    FindingKind::LostSession,
    FindingKind::LostWrite,
    FindingKind::StaleSession,
    FindingKind::ResurrectedSession,
    FindingKind::ExpiredEarly,
    FindingKind::ExpiredLate,
    FindingKind::OldIdAlive,
    FindingKind::SessionLeak,
    FindingKind::TornSession,
    FindingKind::DuplicatedAction,
    FindingKind::LostAction,
    FindingKind::Unexplained,
];

/// One finding that is monitored.
#[derive(Serialize, Deserialize)]
struct MonitoredFinding {
    kind: FindingKind,
    #[serde(with = "super::snapshot::violation")]
    violation: Option<Box<OnlineViolation>>,
    /// A session was given up.
    unknown: Option<UnknownFrom>,
    /// The last judgement left it open. A later one may decide.
    undecided: Option<UnknownFrom>,
    /// Whether something was recorded that could have shown it.
    is_tested: bool,
}

/// An operation without a completion.
#[derive(Serialize, Deserialize)]
struct OpenRequest {
    place: RequestPlace,
    key: Arc<str>,
    /// The position of its invocation.
    invoked: u64,
}

/// What was recorded so far, whether or not it was forgotten. A finding that nothing could have shown is *untested*.
#[derive(Default, Serialize, Deserialize)]
struct RecordedFacts {
    renewal: bool,
    destroy: bool,
    time: bool,
    /// The position of the event with which the store had settled.
    settled: Option<u64>,
    /// Whether a session that was forgotten was read with success.
    forgotten_read: bool,
    /// Whether such a read began after the store had settled, and could have lacked an acknowledged write.
    forgotten_read_after_settling: bool,
    /// Whether any read of a session succeeded.
    session_read: bool,
    /// An answer that could have been wrong.
    answer: bool,
}

impl RecordedFacts {
    /// Whether something that was recorded could have shown a finding about presence or contents.
    fn could_show(&self, kind: FindingKind, rules: &SessionRules) -> bool {
        let expires = rules.time_to_live_ns.is_some();
        let is_recorded = match kind {
            FindingKind::OldIdAlive => self.renewal,
            FindingKind::ResurrectedSession => self.destroy || expires,
            FindingKind::ExpiredEarly | FindingKind::ExpiredLate => expires && self.time,
            // All other reads are in a window that was judged.
            FindingKind::LostWrite => self.forgotten_read_after_settling,
            FindingKind::LostSession | FindingKind::StaleSession => self.forgotten_read,
            // Operations on actions are in the window, or were given up.
            FindingKind::DuplicatedAction | FindingKind::LostAction => false,
            FindingKind::TornSession => self.session_read,
            _ => true,
        };
        self.answer && is_recorded
    }
}

/// Where an operation is filed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum RequestPlace {
    /// Under its id.
    Session,
    /// With the lists of actions.
    Actions,
    /// Its id is that of a session that was forgotten.
    Forgotten,
    /// It is not judged.
    Nowhere,
}

/// Judges a stream of events of a session store while it grows.
#[derive(Serialize, Deserialize)]
pub(super) struct StoreMonitor {
    question: Question,
    limits: MonitorLimits,
    /// The header of the stream, once an event has come.
    header: Option<String>,
    has_header: bool,
    findings: Vec<MonitoredFinding>,
    sessions: Vec<Option<KeptSession>>,
    /// Places among the sessions that are free.
    free: Vec<u32>,
    session_of: FxHashMap<Arc<str>, u32>,
    /// The operations on lists of actions. Each list repeats all earlier actions, so these operations are never forgotten.
    actions: KeptSession,
    actions_lost: bool,
    /// Fingerprints of the ids that were forgotten, and the order in which they were.
    forgotten_ids: FxHashSet<u64>,
    forgotten_order: VecDeque<u64>,
    /// Those of them under which a write could be missed: it had replaced another version, and nothing but time ended the id.
    forgotten_unended: FxHashSet<u64>,
    /// Whether there were more of these than are remembered.
    forgot_fingerprints: bool,
    /// Fingerprints of ids that are not judged any more.
    lost_ids: FxHashSet<u64>,
    /// Fingerprints of the users who created a session that was forgotten.
    forgotten_users: FxHashSet<u64>,
    forgot_users: bool,
    /// Fingerprints of the users who read a session of somebody else that was forgotten. That is a leak once they have a session.
    suspected_readers: FxHashSet<u64>,
    /// Whether operations were forgotten.
    has_forgotten: bool,
    #[serde(with = "super::snapshot::pairs")]
    open: FxHashMap<ProcessName, OpenRequest>,
    /// Events of fault injectors as lines, with their positions: the latest, and those that findings depend on.
    actors: VecDeque<(u64, Box<str>)>,
    deciding_actors: Vec<(u64, Box<str>)>,
    recorded: RecordedFacts,
    /// The latest time of an event.
    now_ns: Option<i64>,
    /// The number of events so far, and how many of them were judged.
    position: u64,
    judged: u64,
    /// The index of the latest event.
    latest_index: u64,
    kept: usize,
    /// The memory of what is kept.
    bytes: usize,
    /// The bytes from which the next attempt to forget pays.
    forget_from: usize,
    /// Why no further event is judged.
    ended: Option<String>,
    /// The findings that were not taken yet.
    news: Vec<usize>,
}

impl StoreMonitor {
    pub(super) fn new(question: Question, limits: MonitorLimits) -> Result<Self, MonitorError> {
        debug_assert_eq!(question.model, Model::Session, "the caller chose this monitor by the model");
        if let Some(name) = question.assume.assumption_names().next() {
            return Err(MonitorError::OfflineOnly(format!("the assumption {name}")));
        }
        let findings = choose_findings(&question)?;
        Ok(Self {
            question,
            limits,
            header: None,
            has_header: false,
            findings,
            sessions: Vec::new(),
            free: Vec::new(),
            session_of: FxHashMap::default(),
            actions: KeptSession::default(),
            actions_lost: false,
            forgotten_ids: FxHashSet::default(),
            forgotten_order: VecDeque::new(),
            forgotten_unended: FxHashSet::default(),
            forgot_fingerprints: false,
            lost_ids: FxHashSet::default(),
            forgotten_users: FxHashSet::default(),
            forgot_users: false,
            suspected_readers: FxHashSet::default(),
            has_forgotten: false,
            open: FxHashMap::default(),
            actors: VecDeque::new(),
            deciding_actors: Vec::new(),
            recorded: RecordedFacts::default(),
            now_ns: None,
            position: 0,
            judged: 0,
            latest_index: 0,
            kept: 0,
            bytes: 0,
            forget_from: 0,
            ended: None,
            news: Vec::new(),
        })
    }

    /// Sets the rules of the sessions, which the header of a stream tells. No event may have been taken.
    pub(super) fn set_session_rules(&mut self, rules: SessionRules) -> Result<(), MonitorError> {
        debug_assert_eq!(self.position, 0, "rules come before events");
        self.question.sessions = rules;
        self.findings = choose_findings(&self.question)?;
        Ok(())
    }

    pub(super) fn push(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        self.take_event(event)?;
        let new = self.position - self.judged;
        if new >= self.limits.judge_after.max(2 * self.kept as u64) || self.bytes >= self.limits.bytes {
            self.judge()?;
        }
        Ok(())
    }

    pub(super) fn judge(&mut self) -> Result<(), MonitorError> {
        if self.judged == self.position {
            return Ok(());
        }
        self.judge_window()?;
        self.judged = self.position;
        self.forget_if_it_pays();
        Ok(())
    }

    pub(super) fn take_violations(&mut self) -> Vec<&OnlineViolation> {
        let news = std::mem::take(&mut self.news);
        news.into_iter().filter_map(|at| self.findings[at].violation.as_deref()).collect()
    }

    /// The verdicts so far. What nothing was recorded of is left out, unless it was asked by name, or nothing at all was recorded.
    pub(super) fn answers(&self) -> Vec<MonitorAnswer<'_>> {
        let answers = self.findings.iter().map(|told| {
            let untested = !told.is_tested && !self.question.accept_untested;
            let verdict = match (&told.violation, told.unknown.as_ref().or(told.undecided.as_ref())) {
                (Some(violation), _) => MonitorVerdict::Violated(violation),
                // What would have shown it may be among what was given up.
                (None, Some(unknown)) => MonitorVerdict::Unknown(unknown),
                (None, None) if untested => MonitorVerdict::Untested,
                (None, None) => MonitorVerdict::HoldsSoFar,
            };
            MonitorAnswer { property: Property::Finding(told.kind), verdict }
        });
        let mut answers: Vec<MonitorAnswer<'_>> = answers.collect();
        let is_tested = |answer: &MonitorAnswer<'_>| !matches!(answer.verdict, MonitorVerdict::Untested);
        if self.question.asked.is_none() && answers.iter().any(is_tested) {
            answers.retain(is_tested);
        }
        answers
    }

    /// What each verdict assumes.
    pub(super) fn assumption(&self) -> String {
        let mut text = super::FORGET_ASSUMPTION.to_owned();
        if let Some(idle) = self.limits.session_idle_ns {
            text += &format!(
                ", and that no session is used again after {} s without a request (--session-idle)",
                idle as f64 / 1e9
            );
        }
        text
    }

    pub(super) fn watermark(&self) -> u64 {
        self.open.values().map(|open| open.invoked).fold(self.judged, u64::min)
    }

    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    pub(super) fn limits(&self) -> MonitorLimits {
        self.limits
    }

    pub(super) fn event_count(&self) -> u64 {
        self.position
    }

    pub(super) fn kept_operations(&self) -> usize {
        self.kept
    }

    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    pub(super) fn end_judgement(&mut self, event: u64, reason: &str) {
        self.give_up_findings(event, reason, 0, |_| true);
        self.ended.get_or_insert_with(|| reason.to_owned());
    }

    fn is_over(&self) -> bool {
        self.ended.is_some() || self.findings.iter().all(|told| told.violation.is_some())
    }
}

/// The findings that are asked, or those of the default that are judged online.
fn choose_findings(question: &Question) -> Result<Vec<MonitoredFinding>, MonitorError> {
    let mut findings = Vec::new();
    for property in question.asked_properties() {
        match property {
            Property::Finding(kind) if ONLINE_FINDINGS.contains(&kind) => findings.push(MonitoredFinding {
                kind,
                violation: None,
                unknown: None,
                undecided: None,
                is_tested: false,
            }),
            Property::Finding(_) if question.asked.is_none() => {}
            other => return Err(MonitorError::OfflineOnly(format!("the finding {}", other.name()))),
        }
    }
    Ok(findings)
}

/// By what a name is remembered after everything else about it was forgotten.
fn fingerprint(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    name.hash(&mut hasher);
    hasher.finish()
}
