//! The one question that users ask: does this level hold of this history?

use crate::causality::{self, Orders, Refutation};
use crate::linearizability::{self, Core, Order};
use crate::sessions::{self, Cycle, VersionOrder};
use crate::{Level, Limits, Unknown, Verdict};
use histories::{History, KeyId, OpId, ValueId};

/// What is asked of a history, beside the level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// The sequential specification of its objects.
    pub model: Model,
    /// What every register holds before the first operation.
    pub initial: ValueId,
    /// What a failed compare-and-set tells.
    pub failed_cas: FailedCas,
    /// What the user asserts of version orders.
    pub assume: Assume,
}

/// The sequential specifications by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "each is told in Model::line")]
pub enum Model {
    Register,
    CasRegister,
    MultiRegister,
    Kv,
    Counter,
    Set,
    Queue,
    Stack,
    Mutex,
}

/// What a failed compare-and-set tells of the state.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum FailedCas {
    /// Nothing, as in Jepsen and Knossos.
    #[default]
    SaysNothing,
    /// That the state differed from what it expected, as in Porcupine's model of etcd.
    Observes,
}

/// What else is known of version orders because the user says so.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Assume {
    /// The writes of one session to one object keep their order.
    pub sequential_keys: bool,
    /// The writes to one object keep real-time order.
    pub linearizable_keys: bool,
}

impl Assume {
    /// What can be assumed of a history: nothing of real time where it has none.
    pub(crate) fn of(self, history: &History) -> Assume {
        Assume { linearizable_keys: self.linearizable_keys && history.has_real_time(), ..self }
    }
}

/// The answer for one level.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The level that was asked for.
    pub level: Level,
    /// The engine that decided.
    pub method: String,
    /// What it found.
    pub verdict: Verdict<Witness, Vec<Anomaly>>,
}

/// Why a level holds.
#[derive(Clone, Debug)]
pub enum Witness {
    /// For each object, its operations in an order that explains what was observed.
    Orders(Vec<Order>),
    /// For each object, its writes in an order that meets the guarantees.
    Versions(Vec<VersionOrder>),
    /// One order of all operations, or an order a session.
    Causal(Orders),
}

/// One way in which a level is violated.
#[derive(Clone, Debug)]
pub struct Anomaly {
    /// Its name in the definitions: `stale-read`.
    pub kind: &'static str,
    /// The object.
    pub key: KeyId,
    /// The operations that show it, the telling ones first.
    pub operations: Vec<OpId>,
    /// Why no permitted execution explains them.
    pub evidence: Evidence,
}

/// Why no permitted execution explains an anomaly.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// Operations on one object that no order explains.
    Core(Core),
    /// A cycle in what must be the version order of one object.
    Cycle(Cycle),
    /// Cycles in what must come before what, whatever the objects.
    Causal(Refutation),
}

/// Why a level that extends real time is unknown of a history without it.
pub const NO_REAL_TIME: &str = "the history tells what each session did and nothing of when, so that no operation is \
     known to have come before one of another session";

/// Decides one level. The answer carries its evidence; it is checked again before anyone sees it.
pub fn check(history: &History, level: Level, question: &Question, limits: &Limits<'_>) -> Answer {
    if level.needs_real_time() && !history.has_real_time() {
        let reason = NO_REAL_TIME.to_owned();
        return Answer { level, method: "none".to_owned(), verdict: Verdict::Unknown(Unknown { reason }) };
    }
    let question = &Question { assume: question.assume.of(history), ..*question };
    let (method, verdict) = match level {
        Level::Linearizable => linearizability::check(history, question, limits),
        Level::ReadYourWrites
        | Level::MonotonicReads
        | Level::MonotonicWrites
        | Level::WritesFollowReads
        | Level::Session => sessions::check(history, level, question, limits),
        Level::Sequential | Level::CausalConvergence | Level::CausalMemory | Level::Causal | Level::Pram => {
            causality::check(history, level, question, limits)
        }
    };
    Answer { level, method, verdict }
}
