//! Which pairs of operations a level puts in order.

use claims::{Assume, Level};

/// The constraints of one level, with what the user asserts of version orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarantees {
    /// What was written is not after what is read.
    pub(super) read_your_writes: bool,
    /// What was read is not after what is read.
    pub(super) monotonic_reads: bool,
    /// What was written is before what is written.
    pub(super) monotonic_writes: bool,
    /// What was read is before what is written.
    pub(super) writes_follow_reads: bool,
    /// `--assume sequential-keys`: the same constraints as monotonic writes, whatever the level.
    pub(super) session_writes: bool,
    /// `--assume linearizable-keys`.
    pub(super) real_time_writes: bool,
}

impl Guarantees {
    /// Panics for a level that is no session level.
    pub(super) fn new(level: Level, assume: Assume) -> Self {
        let four =
            [Level::ReadYourWrites, Level::MonotonicReads, Level::MonotonicWrites, Level::WritesFollowReads];
        assert!(level == Level::Session || four.contains(&level), "{} is no session level", level.name());
        let [read_your_writes, monotonic_reads, monotonic_writes, writes_follow_reads] =
            four.map(|one| level == one || level == Level::Session);
        Self {
            read_your_writes,
            monotonic_reads,
            monotonic_writes,
            writes_follow_reads,
            session_writes: assume.sequential_keys,
            real_time_writes: assume.linearizable_keys,
        }
    }

    /// Whether what a session read matters to what it does later.
    pub(super) fn reads_constrain_later(&self) -> bool {
        self.monotonic_reads || self.writes_follow_reads
    }

    /// Whether what a session wrote matters to what it does later.
    pub(super) fn writes_constrain_later(&self) -> bool {
        self.read_your_writes || self.writes_are_ordered()
    }

    /// Whether the writes of a session are in order.
    pub(super) fn writes_are_ordered(&self) -> bool {
        self.monotonic_writes || self.session_writes
    }
}
