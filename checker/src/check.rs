//! The one question that users ask: does this level hold of this history?

use crate::linearizability::{self, Core, Order};
use crate::sessions::{self, Cycle, VersionOrder};
use crate::{Level, Limits, Verdict};
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
}

/// Decides one level. The answer carries its evidence; it is checked again before anyone sees it.
pub fn check(history: &History, level: Level, question: &Question, limits: &Limits<'_>) -> Answer {
    let (method, verdict) = match level {
        Level::Linearizable => linearizability::check(history, question, limits),
        Level::ReadYourWrites
        | Level::MonotonicReads
        | Level::MonotonicWrites
        | Level::WritesFollowReads
        | Level::Session => sessions::check(history, level, question, limits),
    };
    Answer { level, method, verdict }
}
