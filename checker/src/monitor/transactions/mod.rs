//! Transactions over lists and over registers. What is kept are transactions, and the state that the forgotten ones left.
//!
//! The window is a history of its own. Each list begins with the elements that were forgotten; the window leaves these
//! out, so that it begins with the empty list. A register begins with the value that the last forgotten transaction
//! wrote; the window has the initial value instead. `forget.rs` says what may be forgotten, and why.

mod closure;
mod forget;
mod involved;
mod judging;
mod kept;
mod keys;
mod memory;
mod pairing;
mod places;
mod registers;
mod times;
mod window;

use super::limits::{MonitorError, MonitorLimits};
use super::stream::{ProcessName, StreamEvent};
use super::verdicts::{MonitorAnswer, MonitorVerdict, OnlineViolation, UnknownFrom};
use super::{FORGET_ASSUMPTION, SESSION_ASSUMPTION};
use claims::{IsolationLevel, Model, Property, Question};
use histories::ActorEvent;
use kept::KeptTransaction;
use keys::KeptKey;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;
use times::StreamTimes;

/// The levels that are judged online.
pub(super) const ONLINE_LEVELS: [IsolationLevel; 6] = [
    IsolationLevel::StrictSerializable,
    IsolationLevel::Serializable,
    IsolationLevel::ReadCommitted,
    IsolationLevel::MonotonicAtomicView,
    IsolationLevel::ReadAtomic,
    IsolationLevel::Causal,
];

/// The memory for each unit of a kept transaction, including the memory of the check that judges it. A transaction has two
/// units, and one more for each micro-operation.
const BYTES_PER_UNIT: usize = 500;

/// One level that is monitored.
#[derive(Serialize, Deserialize)]
struct MonitoredIsolation {
    level: IsolationLevel,
    #[serde(with = "super::snapshot::violation")]
    violation: Option<Box<OnlineViolation>>,
    /// A key was lost.
    unknown: Option<UnknownFrom>,
    /// The last judgement reached a limit. A later one may decide.
    undecided: Option<UnknownFrom>,
    /// It is not judged any more.
    is_given_up: bool,
}

impl MonitoredIsolation {
    /// The verdict so far. `untested`: no answer so far could have contradicted a level.
    fn verdict(&self, untested: bool) -> MonitorVerdict<'_> {
        match (&self.violation, self.unknown.as_ref().or(self.undecided.as_ref())) {
            (Some(violation), _) => MonitorVerdict::Violated(violation),
            (None, _) if untested => MonitorVerdict::Untested,
            (None, Some(unknown)) => MonitorVerdict::Unknown(unknown),
            (None, None) => MonitorVerdict::HoldsSoFar,
        }
    }
}

/// Judges a stream of transactions while it grows.
#[derive(Serialize, Deserialize)]
pub(super) struct TransactionMonitor {
    question: Question,
    limits: MonitorLimits,
    levels: Vec<MonitoredIsolation>,
    /// In order of invocation.
    transactions: Vec<KeptTransaction>,
    keys: Vec<KeptKey>,
    /// Places among the keys that are free.
    free_keys: Vec<u32>,
    key_of: FxHashMap<Arc<str>, u32>,
    /// Fingerprints of the keys that were forgotten.
    forgotten_keys: FxHashSet<u64>,
    /// Whether there were more of these than are remembered.
    forgot_fingerprints: bool,
    /// The open transaction of each process: the position of its invocation.
    #[serde(with = "super::snapshot::pairs")]
    open: FxHashMap<ProcessName, u64>,
    #[serde(with = "super::snapshot::actors")]
    actors: VecDeque<(u64, u64, ActorEvent)>,
    times: StreamTimes,
    /// The number of events so far, and how many of them were judged.
    position: u64,
    judged: u64,
    /// The index of the latest event.
    latest_index: u64,
    units: usize,
    /// The number of units from which the next attempt to forget pays.
    forget_from: usize,
    /// Whether some answer could have been wrong.
    has_falsifiable_answer: bool,
    /// Whether the store returned version tokens, which order the versions of registers.
    has_tokens: bool,
    /// Why no further event is judged.
    ended: Option<String>,
    /// The levels whose violations were not taken yet.
    news: Vec<usize>,
}

impl TransactionMonitor {
    pub(super) fn new(question: Question, limits: MonitorLimits) -> Result<Self, MonitorError> {
        if !matches!(question.model, Model::ListAppend | Model::RwRegister) {
            return Err(MonitorError::OfflineOnly(format!("the model {}", question.model.name())));
        }
        if let Some(name) = question.assume.assumption_names().next() {
            return Err(MonitorError::OfflineOnly(format!("the assumption {name}")));
        }
        if !question.initial.are_all_absent() {
            return Err(MonitorError::OfflineOnly("initial values of transactions".to_owned()));
        }
        let mut levels = Vec::new();
        for property in question.asked_properties() {
            match property {
                Property::Isolation(level) if ONLINE_LEVELS.contains(&level) => {
                    levels.push(MonitoredIsolation {
                        level,
                        violation: None,
                        unknown: None,
                        undecided: None,
                        is_given_up: false,
                    });
                }
                other => return Err(MonitorError::OfflineOnly(format!("the level {}", other.name()))),
            }
        }
        Ok(Self {
            question,
            limits,
            levels,
            transactions: Vec::new(),
            keys: Vec::new(),
            free_keys: Vec::new(),
            key_of: FxHashMap::default(),
            forgotten_keys: FxHashSet::default(),
            forgot_fingerprints: false,
            open: FxHashMap::default(),
            actors: VecDeque::new(),
            times: StreamTimes::new(limits.staleness_bound_ns),
            position: 0,
            judged: 0,
            latest_index: 0,
            units: 0,
            forget_from: 0,
            has_falsifiable_answer: false,
            has_tokens: false,
            ended: None,
            news: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        self.take_event(event)?;
        let new = self.position - self.judged;
        if new >= self.limits.judge_after.max(self.transactions.len() as u64)
            || self.units >= self.units_max()
        {
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
        news.into_iter().filter_map(|at| self.levels[at].violation.as_deref()).collect()
    }

    pub(super) fn answers(&self) -> Vec<MonitorAnswer<'_>> {
        let untested = !self.has_falsifiable_answer && !self.question.accept_untested && self.ended.is_none();
        let answers = self.levels.iter().map(|told| MonitorAnswer {
            property: Property::Isolation(told.level),
            verdict: told.verdict(untested),
        });
        answers.collect()
    }

    /// What a verdict on a level assumes.
    pub(super) fn assumption(&self, property: Property) -> String {
        if property == Property::Isolation(IsolationLevel::StrictSerializable) {
            return FORGET_ASSUMPTION.to_owned();
        }
        match self.limits.staleness_bound_ns {
            None => SESSION_ASSUMPTION.to_owned(),
            Some(bound) => format!(
                "{SESSION_ASSUMPTION}, and that no transaction takes effect before one that had completed {} s before it \
                 began (--staleness-bound)",
                bound as f64 / 1e9
            ),
        }
    }

    pub(super) fn watermark(&self) -> u64 {
        self.open.values().copied().fold(self.judged, u64::min)
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
        self.transactions.len()
    }

    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    pub(super) fn end_judgement(&mut self, event: u64, reason: &str) {
        self.give_up_levels(event, reason, 0);
        self.ended.get_or_insert_with(|| reason.to_owned());
    }

    /// Makes all levels that are not violated unknown from an event on.
    fn give_up_levels(&mut self, event: u64, reason: &str, keys: u64) {
        for told in &mut self.levels {
            match &mut told.unknown {
                Some(known) => known.objects += keys,
                None => {
                    told.unknown = Some(UnknownFrom { event, reason: reason.to_owned(), objects: keys });
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.ended.is_some() || self.levels.iter().all(|told| told.violation.is_some() || told.is_given_up)
    }

    fn is_about_lists(&self) -> bool {
        self.question.model == Model::ListAppend
    }

    fn units_max(&self) -> usize {
        self.limits.bytes / BYTES_PER_UNIT
    }
}
