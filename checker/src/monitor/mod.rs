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
//! every few thousand events it gives the window to [`check()`](crate::check()), so that engines, evidence and verifier
//! are those of a check offline. Then it forgets the operations that provably cannot matter any more. What is kept is
//! judged again with the next events; since at least as many events are new as are kept, each operation is judged a
//! constant number of times on average.
//!
//! `objects` has the windows of single registers, `causal` that of all registers, `transactions` that of transactions, and
//! `session_store` that of a session store. Each has a `forget.rs` with the proof.
//!
//! # The promise
//!
//! - *Violated* is final, and carries a small history whose evidence the verifier confirmed. For linearizability and
//!   strict serializability this needs no assumption about reads: every prefix of such a history is one. All other levels
//!   do not know real time. By their definition, a write in the future could explain a read, and a value could be written
//!   again. A verdict on them therefore makes an assumption, which [`Monitor::assumption`] words.
//! - *Holds so far* is about the events before [`Monitor::watermark`].
//! - What is kept is bounded by [`MonitorLimits::bytes`]. If more than that can still matter, the level is *unknown* from
//!   some event on, with the reason.
//!
//! Cost: amortized O(log n) an event, and the cost of the engines.

mod causal;
mod limits;
mod objects;
mod registers;
mod session_store;
mod snapshot;
mod stream;
mod transactions;
mod verdicts;
mod window;

use claims::{Model, Property, Question, SessionRules};
pub use limits::{BYTES_PER_OPERATION, MonitorError, MonitorLimits};
use registers::RegisterMonitor;
use serde::{Deserialize, Serialize};
use session_store::StoreMonitor;
pub(crate) use snapshot::pairs;
pub(crate) use stream::ProcessName;
pub use stream::StreamEvent;
use transactions::TransactionMonitor;
pub use verdicts::{MonitorAnswer, MonitorVerdict, OnlineViolation, UnknownFrom};

/// What a verdict on a level without real time assumes about the rest of the stream.
pub const SESSION_ASSUMPTION: &str = "assumes that no read returned a value before its write was invoked, and that no value is written again \
     after it was forgotten";

/// What a verdict assumes whose proof needs no more than that a forgotten value can be told from a new one.
const FORGET_ASSUMPTION: &str = "assumes that no value is written again after it was forgotten";

/// Judges a stream of events while it grows.
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
///
/// Its state can be serialized at any time. A monitor that was deserialized goes on as the first one would have.
#[derive(Serialize, Deserialize)]
pub struct Monitor(MonitorKind);

/// What the stream is about.
#[derive(Serialize, Deserialize)]
enum MonitorKind {
    Registers(Box<RegisterMonitor>),
    Transactions(Box<TransactionMonitor>),
    Store(Box<StoreMonitor>),
}

/// Calls a method of the monitor, whatever it is about.
macro_rules! of_either {
    ($kind:expr, $monitor:ident => $call:expr) => {
        match $kind {
            MonitorKind::Registers($monitor) => $call,
            MonitorKind::Transactions($monitor) => $call,
            MonitorKind::Store($monitor) => $call,
        }
    };
}

impl Monitor {
    /// A monitor for a question about registers, about transactions, or about a session store.
    ///
    /// # Errors
    /// [`MonitorError::OfflineOnly`] for any other model, for a level that only a whole history decides, and for
    /// assumptions about version orders.
    pub fn new(question: Question, limits: MonitorLimits) -> Result<Self, MonitorError> {
        let limits = MonitorLimits { bytes: limits.bytes.max(MonitorLimits::BYTES_MIN), ..limits };
        Ok(Self(match question.model {
            Model::Session => MonitorKind::Store(Box::new(StoreMonitor::new(question, limits)?)),
            model if model.has_transactions() => {
                MonitorKind::Transactions(Box::new(TransactionMonitor::new(question, limits)?))
            }
            _ => MonitorKind::Registers(Box::new(RegisterMonitor::new(question, limits)?)),
        }))
    }

    /// Sets the rules of the sessions of a session store, which the header of a stream tells. Of another model, nothing happens.
    ///
    /// # Errors
    /// [`MonitorError::OfflineOnly`] if a finding was asked that does not follow from a sample.
    ///
    /// # Panics
    /// In debug builds, if an event was taken before.
    pub fn set_session_rules(&mut self, rules: SessionRules) -> Result<(), MonitorError> {
        match &mut self.0 {
            MonitorKind::Store(monitor) => monitor.set_session_rules(rules),
            MonitorKind::Registers(_) | MonitorKind::Transactions(_) => Ok(()),
        }
    }

    /// Whether a monitor judges this property of some model. All others are offline only.
    pub fn judges(property: Property) -> bool {
        match property {
            Property::Level(level) => registers::judges_level(level),
            Property::Isolation(level) => transactions::ONLINE_LEVELS.contains(&level),
            Property::Finding(kind) => session_store::ONLINE_FINDINGS.contains(&kind),
            Property::Invariant(_) => false,
        }
    }

    /// Takes one event. Judges if enough events came since the last judgement.
    ///
    /// # Errors
    /// [`MonitorError::Pairing`] if the event does not fit those before it, [`MonitorError::OfflineOnly`] if the model
    /// does not have it. The event is then not taken; after the second, the levels are *unknown* from it on.
    /// [`MonitorError::Internal`] from judging.
    pub fn push(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        of_either!(&mut self.0, monitor => monitor.push(event))
    }

    /// Judges all events so far.
    ///
    /// # Errors
    /// [`MonitorError::Internal`] if the verifier refutes an answer.
    pub fn judge(&mut self) -> Result<(), MonitorError> {
        of_either!(&mut self.0, monitor => monitor.judge())
    }

    /// The violations that were found since the last call, in the order in which they were found. At most one for each
    /// level.
    pub fn take_violations(&mut self) -> Vec<&OnlineViolation> {
        of_either!(&mut self.0, monitor => monitor.take_violations())
    }

    /// Whether violations were found that were not taken.
    pub fn has_news(&self) -> bool {
        of_either!(&self.0, monitor => monitor.has_news())
    }

    /// The limits of the monitor.
    pub fn limits(&self) -> MonitorLimits {
        of_either!(&self.0, monitor => monitor.limits())
    }

    /// The verdicts so far, in the order of the question.
    pub fn answers(&self) -> impl Iterator<Item = MonitorAnswer<'_>> {
        of_either!(&self.0, monitor => monitor.answers()).into_iter()
    }

    /// What a verdict on a property assumes about the stream: a fragment that fits after "each verdict". None if it
    /// assumes nothing.
    pub fn assumption(&self, property: Property) -> Option<String> {
        match &self.0 {
            MonitorKind::Registers(monitor) => monitor.assumption(property),
            MonitorKind::Transactions(monitor) => Some(monitor.assumption(property)),
            MonitorKind::Store(monitor) => Some(monitor.assumption()),
        }
    }

    /// The number of events from the beginning that are judged and that no later event can change the meaning of: those
    /// before the invocation of the slowest open operation. An indeterminate operation is not open.
    pub fn watermark(&self) -> u64 {
        of_either!(&self.0, monitor => monitor.watermark())
    }

    /// The number of events so far.
    pub fn event_count(&self) -> u64 {
        of_either!(&self.0, monitor => monitor.event_count())
    }

    /// The number of operations that are kept.
    pub fn kept_operations(&self) -> usize {
        of_either!(&self.0, monitor => monitor.kept_operations())
    }

    /// The question that is asked of the stream.
    pub fn question(&self) -> &Question {
        of_either!(&self.0, monitor => monitor.question())
    }

    /// Judges an object no further, because an event on it came too late: it is *unknown* from this event on. The objects of transactions,
    /// of causal levels and of session stores are judged together, so all of these are. `key` is JSON; without one, it may be any object.
    pub fn give_up_key(&mut self, key: Option<&str>, event: u64, reason: &str) {
        match (&mut self.0, key) {
            (MonitorKind::Registers(monitor), Some(key)) => monitor.give_up_key(key, event, reason),
            (_, _) => self.end_judgement(event, reason),
        }
    }

    /// Ends the judgement: the levels are *unknown* from the next event on.
    pub fn end_judgement(&mut self, event: u64, reason: &str) {
        of_either!(&mut self.0, monitor => monitor.end_judgement(event, reason));
    }
}
