//! The consistency levels, by the names that users type.

use crate::names::named;

named! {
    /// A consistency level: a promise about objects.
    Level, "level";
    Linearizable "linearizable"
        "a legal order of all operations on each object extends real time",
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
    ReadYourWrites "read-your-writes"
        "a session never reads a version older than its own earlier write",
    MonotonicReads "monotonic-reads"
        "a session never reads a version older than one it has already read",
    MonotonicWrites "monotonic-writes"
        "the writes of a session take effect in session order",
    WritesFollowReads "writes-follow-reads"
        "a write of a session follows every version that the session has read",
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
        ];
        !local.contains(&self)
    }
}
