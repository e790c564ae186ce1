//! Objects: linearizability of registers, and the session guarantees. What is kept are operations, by object.

pub(super) mod evidence;
mod forget;
mod judging;
pub(super) mod kept;
pub(super) mod levels;
mod memory;
mod pairing;
pub(super) mod window;

use super::limits::{BYTES_PER_OPERATION, MonitorError, MonitorLimits};
use super::stream::{ProcessName, StreamEvent};
use super::verdicts::{MonitorAnswer, OnlineViolation, UnknownFrom};
use claims::{Level, Property, Question};
use histories::ActorEvent;
use kept::KeptObject;
use levels::MonitoredLevel;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Whether the level is judged online.
pub(super) fn judges_level(level: Level) -> bool {
    level == Level::Linearizable || level.is_session_guarantee()
}

/// Judges a stream of events on registers while it grows.
#[derive(Serialize, Deserialize)]
pub(super) struct ObjectMonitor {
    question: Question,
    limits: MonitorLimits,
    levels: Vec<MonitoredLevel>,
    objects: Vec<KeptObject>,
    object_of: FxHashMap<Arc<str>, u32>,
    /// The open operation of each process: its object, if that is judged, and the position of its invocation.
    #[serde(with = "super::snapshot::pairs")]
    open: FxHashMap<ProcessName, (Option<u32>, u64)>,
    #[serde(with = "super::snapshot::actors")]
    actors: VecDeque<(u64, u64, ActorEvent)>,
    /// The number of events so far, and how many of them were judged.
    position: u64,
    judged: u64,
    /// The index of the latest event.
    latest_index: u64,
    kept: usize,
    /// The number of kept operations from which the next attempt to forget pays.
    forget_from: usize,
    /// Whether whole objects were forgotten, so that one that is not known may be one of them.
    forgot_objects: bool,
    /// Whether some answer could have been wrong.
    has_falsifiable_answer: bool,
    /// Why no further event is judged.
    ended: Option<String>,
    /// The levels whose violations were not taken yet.
    news: Vec<usize>,
}

impl ObjectMonitor {
    /// A monitor for a question about registers.
    ///
    /// # Errors
    /// [`MonitorError::OfflineOnly`] for a level other than `linearizable` and the session guarantees.
    pub(in crate::monitor) fn new(question: Question, limits: MonitorLimits) -> Result<Self, MonitorError> {
        let mut levels = Vec::new();
        for property in question.asked_properties() {
            match property {
                Property::Level(level) if judges_level(level) => {
                    levels.push(MonitoredLevel::new(level));
                }
                other => return Err(MonitorError::OfflineOnly(format!("the level {}", other.name()))),
            }
        }
        Ok(Self {
            question,
            limits,
            levels,
            objects: Vec::new(),
            object_of: FxHashMap::default(),
            open: FxHashMap::default(),
            actors: VecDeque::new(),
            position: 0,
            judged: 0,
            latest_index: 0,
            kept: 0,
            forget_from: 0,
            forgot_objects: false,
            has_falsifiable_answer: false,
            ended: None,
            news: Vec::new(),
        })
    }

    /// Takes one event. Judges if enough events came since the last judgement.
    ///
    /// # Errors
    /// [`MonitorError::Pairing`] if the event does not fit those before it, [`MonitorError::OfflineOnly`] if it is none
    /// of a register. The event is then not taken; after the second, the levels are *unknown* from it on.
    /// [`MonitorError::Internal`] from judging.
    pub(in crate::monitor) fn push(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        self.take_event(event)?;
        let new = self.position - self.judged;
        if new >= self.limits.judge_after.max(self.kept as u64) || self.kept >= self.operations_max() {
            self.judge()?;
        }
        Ok(())
    }

    /// Judges all events so far.
    ///
    /// # Errors
    /// [`MonitorError::Internal`] if the verifier refutes an answer.
    pub(in crate::monitor) fn judge(&mut self) -> Result<(), MonitorError> {
        if self.judged == self.position {
            return Ok(());
        }
        self.levels.iter_mut().for_each(|level| level.undecided = None);
        let dirty: Vec<u32> =
            (0u32..).zip(&self.objects).filter(|(_, object)| object.is_dirty).map(|(at, _)| at).collect();
        let both = |object: &KeptObject| (object.judges_linearizability, object.judges_sessions);
        for kinds in [(true, true), (true, false), (false, true)] {
            let group: Vec<u32> =
                dirty.iter().copied().filter(|&at| both(&self.objects[at as usize]) == kinds).collect();
            self.judge_objects(&group, kinds)?;
        }
        if self.levels.iter().all(|level| level.undecided.is_none()) {
            dirty.iter().for_each(|&at| self.objects[at as usize].is_dirty = false);
        }
        self.judged = self.position;
        self.give_up_after_initial_reads(&dirty);
        self.forget_if_it_pays();
        Ok(())
    }

    /// The violations that were found since the last call, in the order in which they were found. At most one for each
    /// level.
    pub(in crate::monitor) fn take_violations(&mut self) -> Vec<&OnlineViolation> {
        let news = std::mem::take(&mut self.news);
        news.into_iter().filter_map(|at| self.levels[at].violation.as_deref()).collect()
    }

    /// The verdicts so far, in the order of the question.
    pub(in crate::monitor) fn answers(&self) -> Vec<MonitorAnswer<'_>> {
        let is_tested = self.has_falsifiable_answer || self.question.accept_untested || self.ended.is_some();
        let answers = self.levels.iter().map(|told| MonitorAnswer {
            property: Property::Level(told.level),
            verdict: told.verdict(is_tested),
        });
        answers.collect()
    }

    /// The number of events from the beginning that are judged and that no later event can change the meaning of: those
    /// before the invocation of the slowest open operation. An indeterminate operation is not open.
    pub(in crate::monitor) fn watermark(&self) -> u64 {
        self.open.values().map(|open| open.1).fold(self.judged, u64::min)
    }

    /// Whether violations were found that were not taken.
    pub(in crate::monitor) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The number of events so far.
    pub(in crate::monitor) fn event_count(&self) -> u64 {
        self.position
    }

    /// The number of operations that are kept.
    pub(in crate::monitor) fn kept_operations(&self) -> usize {
        self.kept
    }

    /// Judges an object no further: the levels are *unknown* because of it, unless they are violated.
    pub(in crate::monitor) fn give_up_key(&mut self, key: &str, event: u64, reason: &str) {
        if let Some(at) = self.find_object(key, event) {
            self.give_up_object(at, event, reason);
        }
    }

    /// Ends the judgement: the levels are *unknown* from the next event on.
    pub(in crate::monitor) fn end_judgement(&mut self, event: u64, reason: &str) {
        self.give_up_levels(event, reason, 0, |_| true);
        self.ended.get_or_insert_with(|| reason.to_owned());
    }

    fn operations_max(&self) -> usize {
        self.limits.bytes / BYTES_PER_OPERATION
    }
}
