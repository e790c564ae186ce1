//! Simulated databases of known isolation, to hold checkers against.
//!
//! A checker's verdict on a recorded history can only be judged by someone who knows what the store did. Here it
//! is known: the store is a few lines, each level is made by the mechanism that gives it its name, and each
//! [`Defect`] breaks exactly one rule. Everything follows from a seed.
//!
//! All levels share one representation. Commits are numbered; a key is the list of its writes with the number of
//! the commit that made each, so a *snapshot* is a number, and what a key held then is a prefix. Parallel snapshot
//! isolation numbers commits by site, and a snapshot is one number for each of the two sites.

mod plan;
mod random;
mod simulate;

pub use plan::{Shape, SimulationPlan};
pub use random::Random;
pub use simulate::simulate_history;

/// What a simulated database promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// Each transaction happens at one moment between its invocation and its completion.
    StrictSerializable,
    /// The same, but transactions that only read may see an older state.
    Serializable,
    /// Each reads the state of when it began; of two that overlap and write the same key, the first to commit wins.
    SnapshotIsolation,
    /// Two sites, each with snapshot isolation; what one commits, the other sees later. Write conflicts are found
    /// across both.
    ParallelSnapshotIsolation,
    /// Each read sees what is committed at that moment.
    ReadCommitted,
}

impl Isolation {
    /// All of them, strongest first.
    pub const ALL: [Isolation; 5] = [
        Isolation::StrictSerializable,
        Isolation::Serializable,
        Isolation::SnapshotIsolation,
        Isolation::ParallelSnapshotIsolation,
        Isolation::ReadCommitted,
    ];
}

/// One rule that a database breaks now and then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defect {
    /// A transaction that only reads sees a state from before it was invoked.
    StaleRead,
    /// A transaction reads the state of when it began, though others have replaced it since.
    WriteSkew,
    /// A transaction commits though another has written the same key since it began.
    LostUpdate,
    /// One of the reads of a transaction sees the newest state, the others an older one.
    FracturedRead,
    /// What a transaction that aborts has written can be read for a while.
    DirtyRead,
    /// A read sees what a transaction has written that has not written it for the last time.
    IntermediateRead,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 6] = [
        Defect::StaleRead,
        Defect::WriteSkew,
        Defect::LostUpdate,
        Defect::FracturedRead,
        Defect::DirtyRead,
        Defect::IntermediateRead,
    ];

    /// The strongest level that is kept by every other rule, so that the defect alone is to blame.
    pub fn broken_level(self) -> Isolation {
        match self {
            Defect::StaleRead => Isolation::StrictSerializable,
            Defect::WriteSkew => Isolation::Serializable,
            Defect::LostUpdate | Defect::FracturedRead => Isolation::SnapshotIsolation,
            Defect::DirtyRead | Defect::IntermediateRead => Isolation::ReadCommitted,
        }
    }
}
