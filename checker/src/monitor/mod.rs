//! Verdicts on a stream of events, in bounded memory.
//!
//! # The problem
//!
//! A check reads a history that has ended. Somebody who watches a store wants to know of a violation while it happens,
//! and the stream does not end. So a monitor has to forget, and must not be wrong because of what it forgot.
//!
//! # The naive way, and this one
//!
//! The naive way keeps everything and checks again after each event. Maintaining each engine's data event by event would
//! need a second implementation of each engine. This monitor keeps a *window*: operations that can still matter. After
//! every few thousand events it gives the objects that changed to [`check()`](crate::check()), so that engines, evidence
//! and verifier are those of a check offline. Then it forgets the operations that provably cannot matter any more
//! (`forget.rs`). What is kept is judged again with the next events; since at least as many events are new as are kept,
//! each operation is judged a constant number of times on average.
//!
//! # The promise
//!
//! - *Violated* is final, and carries a small history whose evidence the verifier confirmed. For linearizability this
//!   needs no assumption: every prefix of a linearizable history is linearizable. The session guarantees do not know real
//!   time. By their definition, a write in the future could explain a read, and a value could be written again. A verdict
//!   on them therefore assumes that no read returned a value before its write was invoked, and that no value is written
//!   again after the monitor forgot it: [`SESSION_ASSUMPTION`].
//! - *Holds so far* is about the events before [`Monitor::watermark`].
//! - What is kept is bounded by [`MonitorLimits::bytes`]. If more than that can still matter, the level is *unknown* from
//!   some event on, with the reason. All other objects are still judged.
//!
//! Cost: amortized O(log n) an event, and the cost of the engines.

mod forget;
mod judging;
mod kept;
mod memory;
mod pairing;
mod verdicts;
mod window;

use claims::{Level, Model, Property, Question, QuestionError};
use histories::ActorEvent;
use kept::{KeptObject, ProcessName};
pub use pairing::StreamEvent;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
pub use verdicts::{MonitorAnswer, MonitorVerdict, OnlineViolation, UnknownFrom};

/// What a verdict on a session guarantee assumes about the rest of the stream.
pub const SESSION_ASSUMPTION: &str = "assumes that no read returned a value before its write was invoked, and that no value is written again \
     after it was forgotten";

/// The memory that one kept operation takes, including the memory of the check that judges it.
pub const BYTES_PER_OPERATION: usize = 2_000;
/// The most events of actors (faults) that are kept, to be shown with a violation.
const ACTOR_EVENTS_MAX: usize = 256;

/// The limits of a monitor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MonitorLimits {
    /// The memory in bytes for what is kept and for judging it. At least [`MonitorLimits::BYTES_MIN`].
    pub bytes: usize,
    /// The steps of one search, where values were written more than once.
    pub steps: u64,
    /// After how many events the monitor judges by itself. [`Monitor::judge`] judges earlier.
    pub judge_after: u64,
    /// How many of the latest events are kept in any case, so that a stale read can be shown with the write that it
    /// returned. With 0, everything that can be forgotten is forgotten after each judgement.
    pub horizon: u64,
}

impl MonitorLimits {
    /// The least memory of a monitor.
    pub const BYTES_MIN: usize = 64 * BYTES_PER_OPERATION;

    /// Limits for so many bytes, with blocks and a horizon that fit them.
    pub fn within(bytes: usize) -> Self {
        let operations = (bytes / BYTES_PER_OPERATION) as u64;
        Self {
            bytes,
            steps: 10_000_000,
            judge_after: (operations / 4).clamp(16, 65_536),
            horizon: (operations / 8).clamp(16, 16_384),
        }
    }
}

/// Why a monitor cannot be made, or cannot take an event.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MonitorError {
    /// Only a check of a whole history decides this.
    #[error("{0}: offline only; check the recorded history")]
    OfflineOnly(String),
    /// The question does not fit the model.
    #[error("{0}")]
    Question(#[from] QuestionError),
    /// The event does not fit the events before it. It was not taken.
    #[error("event {event}: {reason}")]
    Pairing {
        /// The index of the event.
        event: u64,
        /// What does not fit.
        reason: String,
    },
    /// The verifier refuted an answer of an engine: a bug of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

/// One level that is monitored.
struct MonitoredLevel {
    level: Level,
    violation: Option<Box<OnlineViolation>>,
    /// An object was given up.
    unknown: Option<UnknownFrom>,
    /// The last judgement reached a limit. A later one may decide.
    undecided: Option<UnknownFrom>,
}

/// Judges a stream of events on registers while it grows.
///
/// ```
/// use checker::{Level, Model, Monitor, MonitorLimits, Property, Question, StreamEvent};
/// let history = histories::notation::parse("a: [w1] [w2]\nb:           [r1]").unwrap();
/// let mut question = Question::about(Model::Register);
/// question.asked = Some(vec![Property::Level(Level::Linearizable)]);
/// let mut monitor = Monitor::new(question, MonitorLimits::within(1 << 24)).unwrap();
/// for event in StreamEvent::all(&history) {
///     monitor.push(event).unwrap();
/// }
/// monitor.judge().unwrap();
/// let violations = monitor.take_violations();
/// assert_eq!(violations[0].report.verdict(), "violated");
/// ```
pub struct Monitor {
    question: Question,
    limits: MonitorLimits,
    levels: Vec<MonitoredLevel>,
    objects: Vec<KeptObject>,
    object_of: FxHashMap<Arc<str>, u32>,
    /// The open operation of each process: its object, if that is judged, and the position of its invocation.
    open: FxHashMap<ProcessName, (Option<u32>, u64)>,
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

impl Monitor {
    /// A monitor for a question about registers.
    ///
    /// # Errors
    /// [`MonitorError::OfflineOnly`] for any other model, for a level other than `linearizable` and the session
    /// guarantees, and for assumptions about version orders.
    pub fn new(question: Question, limits: MonitorLimits) -> Result<Self, MonitorError> {
        if question.model != Model::Register {
            return Err(MonitorError::OfflineOnly(format!("the model {}", question.model.name())));
        }
        if let Some(name) = question.assume.assumption_names().next() {
            return Err(MonitorError::OfflineOnly(format!("the assumption {name}")));
        }
        let mut levels = Vec::new();
        for property in question.asked_properties() {
            match property {
                Property::Level(level) if level == Level::Linearizable || level.is_session_guarantee() => {
                    levels.push(MonitoredLevel { level, violation: None, unknown: None, undecided: None });
                }
                other => return Err(MonitorError::OfflineOnly(format!("the level {}", other.name()))),
            }
        }
        let limits = MonitorLimits { bytes: limits.bytes.max(MonitorLimits::BYTES_MIN), ..limits };
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
    pub fn push(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
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
    pub fn judge(&mut self) -> Result<(), MonitorError> {
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
    pub fn take_violations(&mut self) -> Vec<&OnlineViolation> {
        let news = std::mem::take(&mut self.news);
        news.into_iter().filter_map(|at| self.levels[at].violation.as_deref()).collect()
    }

    /// The verdicts so far, in the order of the question.
    pub fn answers(&self) -> impl Iterator<Item = MonitorAnswer<'_>> {
        self.levels.iter().map(|told| MonitorAnswer {
            property: Property::Level(told.level),
            verdict: match (&told.violation, told.unknown.as_ref().or(told.undecided.as_ref())) {
                (Some(violation), _) => MonitorVerdict::Violated(violation),
                (None, Some(_)) | (None, None)
                    if !self.has_falsifiable_answer
                        && !self.question.accept_untested
                        && self.ended.is_none() =>
                {
                    MonitorVerdict::Untested
                }
                (None, Some(unknown)) => MonitorVerdict::Unknown(unknown),
                (None, None) => MonitorVerdict::HoldsSoFar,
            },
        })
    }

    /// The number of events from the beginning that are judged and that no later event can change the meaning of: those
    /// before the invocation of the slowest open operation. An indeterminate operation is not open.
    pub fn watermark(&self) -> u64 {
        self.open.values().map(|open| open.1).fold(self.judged, u64::min)
    }

    /// The number of events so far.
    pub fn event_count(&self) -> u64 {
        self.position
    }

    /// The number of operations that are kept.
    pub fn kept_operations(&self) -> usize {
        self.kept
    }

    /// The question that is asked of the stream.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Ends the judgement: the levels are *unknown* from the next event on.
    pub fn end_judgement(&mut self, event: u64, reason: &str) {
        self.give_up_levels(event, reason, 0, |_| true);
        self.ended.get_or_insert_with(|| reason.to_owned());
    }

    fn operations_max(&self) -> usize {
        self.limits.bytes / BYTES_PER_OPERATION
    }
}
