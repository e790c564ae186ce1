//! The consistency levels, by the names that users type.

use crate::names::named;

named! {
    /// A promise about objects: a consistency level.
    Level, "level";
    Linearizable "linearizable"
        "one order of all operations on an object that extends real time and is legal for it",
    Sequential "sequential"
        "one order of all operations on all objects that extends session order and is legal",
    CausalConvergence "causal-convergence"
        "causal, and all agree on the order of conflicting writes",
    CausalMemory "causal-memory"
        "for each session an order of all writes and its reads that extends causal order and is legal",
    Causal "causal"
        "of registers: no read returns what was overwritten in its causal past",
    Pram "pram"
        "for each session an order of all writes and its reads that extends session order and is legal",
    ReadYourWrites "read-your-writes"
        "a session never reads a version older than one it wrote before",
    MonotonicReads "monotonic-reads"
        "a session never reads a version older than one it read before",
    MonotonicWrites "monotonic-writes"
        "the writes of a session take effect in the order in which it made them",
    WritesFollowReads "writes-follow-reads"
        "a session's write comes after every version that it read before",
    Session "session"
        "all four session guarantees at once, on one version order per object",
}

impl Level {
    /// Whether it is one of the guarantees of sessions, or all of them.
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

    /// Whether it can be judged of a history that tells only what each session did. New levels cannot, until somebody
    /// has thought about it.
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
