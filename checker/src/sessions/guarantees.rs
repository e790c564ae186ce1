//! Which pairs of operations a level puts in order.

use claims::{Assume, Level};

/// The constraints of one level, including those of the user's assertions about version orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guarantees {
    /// What `a` wrote is not newer than what `b` reads.
    pub(super) read_your_writes: bool,
    /// What `a` read is not newer than what `b` reads.
    pub(super) monotonic_reads: bool,
    /// What `a` wrote is older than what `b` writes.
    pub(super) monotonic_writes: bool,
    /// What `a` read is older than what `b` writes.
    pub(super) writes_follow_reads: bool,
    /// `--assume sequential-keys`: the constraints of monotonic writes, whatever the level.
    pub(super) session_writes: bool,
    /// `--assume linearizable-keys`: all writes keep their real-time order.
    pub(super) real_time_writes: bool,
}

impl Guarantees {
    /// Panics if the level is not a session level.
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

    /// The constraints of all these levels together.
    pub(super) fn union_of(levels: &[Level], assume: Assume) -> Self {
        let all: Vec<Self> = levels.iter().map(|&level| Self::new(level, assume)).collect();
        let any = |demands: fn(&Self) -> bool| all.iter().any(demands);
        Self {
            read_your_writes: any(|one| one.read_your_writes),
            monotonic_reads: any(|one| one.monotonic_reads),
            monotonic_writes: any(|one| one.monotonic_writes),
            writes_follow_reads: any(|one| one.writes_follow_reads),
            session_writes: assume.sequential_keys,
            real_time_writes: assume.linearizable_keys,
        }
    }

    /// Whether what a session read constrains its later operations.
    pub(super) fn reads_constrain_later(&self) -> bool {
        self.monotonic_reads || self.writes_follow_reads
    }

    /// Whether what a session wrote constrains its later operations.
    pub(super) fn writes_constrain_later(&self) -> bool {
        self.read_your_writes || self.writes_are_ordered()
    }

    /// Whether the writes of a session are ordered.
    pub(super) fn writes_are_ordered(&self) -> bool {
        self.monotonic_writes || self.session_writes
    }
}
