//! Simulated databases of known isolation, for testing checkers.
//!
//! To judge a checker's verdict on a history, one must know what the store did. Here it is known: the store is a few
//! lines long, each isolation level is implemented by the mechanism that it is named for, and each [`Defect`] breaks
//! exactly one rule. Everything is determined by a seed.
//!
//! All levels share one representation. Commits are numbered. A key is the list of its writes with the numbers of the
//! commits that made them. A *snapshot* is therefore a commit number, and the state of a key in a snapshot is a prefix
//! of its list. Parallel snapshot isolation numbers commits by site, and a snapshot has one number for each of the two
//! sites.

mod plan;
mod random;
mod simulate;

pub use plan::{Shape, SimulationPlan};
pub use random::Random;
pub use simulate::simulate_history;

/// The isolation level that a simulated database promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// Each transaction takes effect at one moment between its invocation and its completion.
    StrictSerializable,
    /// Like strict serializable, but read-only transactions may read an older state.
    Serializable,
    /// Each transaction reads the state at its beginning. Of two concurrent transactions that write the same key, the
    /// first to commit wins.
    SnapshotIsolation,
    /// Two sites with snapshot isolation each. A site sees the other site's commits with a delay. Write conflicts are
    /// detected across both.
    ParallelSnapshotIsolation,
    /// Each read returns what is committed at that moment.
    ReadCommitted,
}

impl Isolation {
    /// All levels, strongest first.
    pub const ALL: [Isolation; 5] = [
        Isolation::StrictSerializable,
        Isolation::Serializable,
        Isolation::SnapshotIsolation,
        Isolation::ParallelSnapshotIsolation,
        Isolation::ReadCommitted,
    ];
}

/// A rule that a database breaks occasionally.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A read-only transaction reads a state from before its invocation.
    StaleRead,
    /// A transaction reads the state at its beginning, although others have replaced it since.
    WriteSkew,
    /// A transaction commits although another one has written the same key since it began.
    LostUpdate,
    /// One read of a transaction returns the newest state, the others an older one.
    FracturedRead,
    /// Writes of an aborted transaction can be read for a while.
    DirtyRead,
    /// A read returns a write that its transaction later overwrites.
    IntermediateRead,
}

impl Defect {
    /// All defects.
    pub const ALL: [Defect; 6] = [
        Defect::StaleRead,
        Defect::WriteSkew,
        Defect::LostUpdate,
        Defect::FracturedRead,
        Defect::DirtyRead,
        Defect::IntermediateRead,
    ];

    /// The strongest level that all other rules maintain, so that a violation is due to this defect alone.
    pub fn broken_level(self) -> Isolation {
        match self {
            Defect::StaleRead => Isolation::StrictSerializable,
            Defect::WriteSkew => Isolation::Serializable,
            Defect::LostUpdate | Defect::FracturedRead => Isolation::SnapshotIsolation,
            Defect::DirtyRead | Defect::IntermediateRead => Isolation::ReadCommitted,
        }
    }
}
