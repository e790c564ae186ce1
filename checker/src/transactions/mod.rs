//! Transactions: which isolation level a store provided, judged from what its clients observed.
//!
//! A history of transactions over lists (`append`, `r`) or registers (`w`, `r`) shows which transaction read from
//! which. It also shows, in part or in full, the order in which the versions of an object replaced one another.
//! *Dependencies* between transactions follow from both. An isolation level promises that certain cycles of
//! dependencies do not occur (Adya 1999; Elle, Kingsbury & Alvaro 2020). The analysis has these steps, each in a
//! module of its own:
//!
//! 1. `index`: which transaction wrote each value, and which version each read returned;
//! 2. `reads`, `internal`: the anomalies that single reads show;
//! 3. `versions`: the version order of each register, as far as it is known;
//! 4. `dependencies`, `graph`: the edges, with session order and real-time order in O(n);
//! 5. `cycles`: which kinds of cycles exist, and the shortest cycle of each kind;
//! 6. `why`, [`explain`]: the reason for each edge, as data and as text;
//! 7. `weak`: the levels that are defined by a commit order; `serial`: the search for a serial order where the
//!    version order is known only in part; `witness`: orders that prove the other levels;
//! 8. the crate `verifier`: checks all evidence again, with code that shares nothing with these modules.
//!
//! [`analyze`] runs all of these steps.

mod analysis;
mod candidates;
mod cycles;
mod dependencies;
pub mod explain;
mod export;
mod findings;
mod graph;
mod index;
mod internal;
mod placement;
mod reads;
mod serial;
#[cfg(test)]
mod stopping;
mod versions;
mod weak;
mod why;
mod witness;

pub use analysis::{Judgement, TransactionAnalysis, TransactionOptions, analyze};
pub use export::dependencies;
pub use why::cycle_shape;

use claims::IsolationLevel;

/// Whether a level has no decision procedure of its own. Such a level holds if a level that implies it holds, and is
/// violated if a level that it implies is violated.
pub(crate) fn is_decided_through_others(level: IsolationLevel) -> bool {
    use IsolationLevel::*;
    !matches!(
        level,
        ReadUncommitted
            | ReadCommitted
            | MonotonicAtomicView
            | ReadAtomic
            | Causal
            | ConsistentView
            | ForwardConsistentView
            | SnapshotIsolation
            | RepeatableRead
            | Serializable
            | StrongSessionReadUncommitted
            | StrongSessionReadCommitted
            | StrongSessionSnapshotIsolation
            | StrongSessionSerializable
            | StrongReadUncommitted
            | StrongReadCommitted
            | StrongSnapshotIsolation
            | StrictSerializable
    )
}

/// The name, used in reports, of the engine that decides a level.
pub(crate) fn isolation_method(level: IsolationLevel) -> &'static str {
    match level {
        IsolationLevel::MonotonicAtomicView | IsolationLevel::ReadAtomic | IsolationLevel::Causal => {
            "commit-order"
        }
        _ => "dependency-graph",
    }
}
