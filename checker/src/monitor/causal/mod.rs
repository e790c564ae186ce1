//! Causal levels of registers. Causal order joins all objects, so the window holds the operations of all of them.
//!
//! `forget.rs` says what is forgotten and why, `unplaced.rs` which reads show that something was missed.

mod forget;
mod judging;
mod kept;
mod memory;
mod pairing;
mod past;
mod unplaced;

use super::limits::{BYTES_PER_OPERATION, MonitorError, MonitorLimits};
use super::objects::levels::MonitoredLevel;
use super::stream::{ProcessName, StreamEvent};
use super::verdicts::{MonitorAnswer, OnlineViolation};
use claims::{Level, Property, Question};
use histories::ActorEvent;
use kept::{KeptSession, KeyMemory, WindowEntry};
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Whether the level is judged by the window of all objects.
pub(super) fn judges_level(level: Level) -> bool {
    matches!(level, Level::Causal | Level::RealTimeCausal | Level::CausalConvergence)
}

/// Judges causal levels of a stream of events on registers.
#[derive(Serialize, Deserialize)]
pub(super) struct CausalMonitor {
    question: Question,
    limits: MonitorLimits,
    levels: Vec<MonitoredLevel>,
    /// In order of invocation.
    window: Vec<WindowEntry>,
    keys: Vec<KeyMemory>,
    key_of: FxHashMap<Arc<str>, u32>,
    sessions: FxHashMap<Arc<str>, KeptSession>,
    /// Fingerprints of the sessions that were forgotten.
    gone_sessions: FxHashSet<u64>,
    /// Whether fingerprints were dropped, so that a session that seems new may have been forgotten.
    lost_fingerprints: bool,
    /// Whether keys were forgotten with everything about them.
    forgot_keys: bool,
    /// The open operation of each process: whether it is kept, and the position of its invocation.
    #[serde(with = "super::snapshot::pairs")]
    open: FxHashMap<ProcessName, (bool, u64)>,
    #[serde(with = "super::snapshot::actors")]
    actors: VecDeque<(u64, u64, ActorEvent)>,
    /// A read that refers to something that was forgotten, and why nothing is known after it. The window may still show that it
    /// is a violation.
    late_read: Option<(u64, String)>,
    /// Whether a read returned a value that no operation had begun to write.
    has_phantom_read: bool,
    /// The number of events so far, and how many of them were judged.
    position: u64,
    judged: u64,
    /// The number of events when something was forgotten last.
    forgot_at: u64,
    /// The latest time of an event.
    now_ns: Option<i64>,
    /// The index of the latest event.
    latest_index: u64,
    /// The number of kept operations from which the next attempt to forget pays.
    forget_from: usize,
    /// Whether some answer could have been wrong.
    has_falsifiable_answer: bool,
    /// Why no further event is judged.
    ended: Option<String>,
    /// The levels whose violations were not taken yet.
    news: Vec<usize>,
}

impl CausalMonitor {
    /// A monitor for the causal levels of a question about registers. All asked levels must be such levels.
    pub(super) fn new(question: Question, limits: MonitorLimits) -> Self {
        let asked = question.asked_properties();
        let levels = asked.iter().filter_map(|property| match property {
            Property::Level(level) => Some(MonitoredLevel::new(*level)),
            _ => None,
        });
        let levels = levels.collect();
        Self {
            question,
            limits,
            levels,
            window: Vec::new(),
            keys: Vec::new(),
            key_of: FxHashMap::default(),
            sessions: FxHashMap::default(),
            gone_sessions: FxHashSet::default(),
            lost_fingerprints: false,
            forgot_keys: false,
            open: FxHashMap::default(),
            actors: VecDeque::new(),
            late_read: None,
            has_phantom_read: false,
            position: 0,
            judged: 0,
            forgot_at: 0,
            now_ns: None,
            latest_index: 0,
            forget_from: 0,
            has_falsifiable_answer: false,
            ended: None,
            news: Vec::new(),
        }
    }

    /// Takes one event. Judges if enough events came since the last judgement.
    ///
    /// # Errors
    /// [`MonitorError::Pairing`] if the event does not fit those before it, [`MonitorError::OfflineOnly`] if it is none
    /// of a register. [`MonitorError::Internal`] from judging.
    pub(super) fn push(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        self.take_event(event)?;
        let new = self.position - self.judged;
        if self.has_phantom_read
            || new >= self.limits.judge_after.max(self.kept_operations() as u64)
            || self.kept_operations() >= self.operations_max()
        {
            self.judge()?;
        }
        Ok(())
    }

    /// Judges all events so far.
    ///
    /// # Errors
    /// [`MonitorError::Internal`] if the verifier refutes an answer.
    pub(super) fn judge(&mut self) -> Result<(), MonitorError> {
        if self.judged == self.position {
            return Ok(());
        }
        self.levels.iter_mut().for_each(|level| level.undecided = None);
        self.judge_window()?;
        self.judged = self.position;
        self.give_up_after_late_reads();
        self.forget_if_it_pays();
        Ok(())
    }

    /// The violations that were found since the last call.
    pub(super) fn take_violations(&mut self) -> Vec<&OnlineViolation> {
        let news = std::mem::take(&mut self.news);
        news.into_iter().filter_map(|at| self.levels[at].violation.as_deref()).collect()
    }

    /// The verdicts so far, in the order of the question.
    pub(super) fn answers(&self) -> Vec<MonitorAnswer<'_>> {
        let is_tested = self.has_falsifiable_answer || self.question.accept_untested || self.ended.is_some();
        let answers = self.levels.iter().map(|told| MonitorAnswer {
            property: Property::Level(told.level),
            verdict: told.verdict(is_tested),
        });
        answers.collect()
    }

    /// The number of events from the beginning that are judged, up to the invocation of the slowest open operation.
    pub(super) fn watermark(&self) -> u64 {
        self.open.values().map(|open| open.1).fold(self.judged, u64::min)
    }

    /// Whether violations were found that were not taken.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The number of operations, keys and sessions that are kept.
    pub(super) fn kept_operations(&self) -> usize {
        self.window.len() + self.keys.len() + self.sessions.len()
    }

    /// The number of events so far.
    pub(super) fn event_count(&self) -> u64 {
        self.position
    }

    /// Ends the judgement: the levels are *unknown* from the next event on.
    pub(super) fn end_judgement(&mut self, event: u64, reason: &str) {
        self.give_up_levels(event, reason, |_| true);
        self.ended.get_or_insert_with(|| reason.to_owned());
    }

    /// Whether a level is still judged that speaks of one order of all writes.
    fn judges_convergence(&self) -> bool {
        let is_open =
            |told: &MonitoredLevel| told.level == Level::CausalConvergence && told.violation.is_none();
        self.levels.iter().any(is_open)
    }

    fn operations_max(&self) -> usize {
        self.limits.bytes / BYTES_PER_OPERATION
    }
}
