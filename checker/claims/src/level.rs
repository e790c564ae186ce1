//! The consistency levels, by the names that users type.

use crate::names::named;

named! {
    /// A consistency level: a promise about objects.
    Level, "level";
    Linearizable "linearizable"
        "a legal order of all operations on each object extends real time",
    TwoAtomic "two-atomic" ["2-atomic"]
        "as linearizable, but a read may return the version before the last one",
    OrderedSequential "ordered-sequential" ["osc"]
        "sequential, and no write comes before an operation that completed before the write began",
    Sequential "sequential"
        "a legal order of all operations on all objects extends session order",
    CausalConvergence "causal-convergence"
        "causal, and all sessions agree on the order of conflicting writes",
    CausalMemory "causal-memory"
        "for each session, a legal order of all writes and its reads extends causal order",
    Causal "causal"
        "no read of a register returns a value that was overwritten in its causal past",
    Pram "pram"
        "for each session, a legal order of all writes and its reads extends session order",
    PerObjectSequential "per-object-sequential" ["cache-consistency"]
        "for each object, a legal order of all operations on it extends session order",
    SlowMemory "slow-memory"
        "for each session and object, a legal order of all writes and its reads of the object extends session order",
    Regular "regular" ["mwregweak"]
        "for each read, a legal order of all writes of its object and of this read extends real time",
    Safe "safe"
        "regular for each read that overlaps no write of its object; any other read may return anything",
    ReadYourWrites "read-your-writes"
        "for each object, a session never reads a version older than its own earlier write",
    MonotonicReads "monotonic-reads"
        "for each object, a session never reads a version older than one it has already read",
    MonotonicWrites "monotonic-writes"
        "for each object, the writes of a session take effect in session order",
    WritesFollowReads "writes-follow-reads"
        "for each object, a write of a session follows every version that the session has read",
    Session "session"
        "all four session guarantees at once, on one version order per object",
}

impl Level {
    /// Whether this is a session guarantee or the conjunction of all of them.
    pub fn is_session_guarantee(self) -> bool {
        matches!(
            self,
            Level::ReadYourWrites
                | Level::MonotonicReads
                | Level::MonotonicWrites
                | Level::WritesFollowReads
                | Level::Session
        )
    }

    /// Whether the level is a demand on each object by itself, with session order among the operations on that object.
    pub fn is_sequential_per_object(self) -> bool {
        matches!(self, Level::PerObjectSequential | Level::SlowMemory)
    }

    /// Whether a history has the level if, for each object, the operations on it have: the level says nothing of operations on
    /// different objects. A new level does not count until it is added to this list.
    pub fn is_local(self) -> bool {
        self.is_session_guarantee()
            || self.is_sequential_per_object()
            || self.judges_single_reads()
            || matches!(self, Level::Linearizable | Level::TwoAtomic)
    }

    /// Whether the level judges each read by itself.
    pub fn judges_single_reads(self) -> bool {
        matches!(self, Level::Regular | Level::Safe)
    }

    /// Whether the level has an order of its own for each session.
    pub fn has_order_per_session(self) -> bool {
        matches!(self, Level::CausalMemory | Level::Pram | Level::SlowMemory)
    }

    /// Whether the level can be judged only if the history has a real-time order across sessions. A new level needs it
    /// until it is added to this list.
    pub fn needs_real_time(self) -> bool {
        let local = [
            Level::ReadYourWrites,
            Level::MonotonicReads,
            Level::MonotonicWrites,
            Level::WritesFollowReads,
            Level::Session,
            Level::Sequential,
            Level::CausalConvergence,
            Level::CausalMemory,
            Level::Causal,
            Level::Pram,
            Level::PerObjectSequential,
            Level::SlowMemory,
        ];
        !local.contains(&self)
    }
}
