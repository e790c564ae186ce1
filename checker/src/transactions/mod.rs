//! Transactions: which isolation level a store provided, judged from what its clients observed.
//!
//! A history of transactions over lists (`append`, `r`) or registers (`w`, `r`) shows which transaction read from
//! which. It also shows, in part or in full, the order in which the versions of an object replaced one another.
//! *Dependencies* between transactions follow from both. An isolation level promises that certain cycles of
//! dependencies do not occur (Adya 1999; Elle, Kingsbury & Alvaro 2020). The analysis has these steps, each in a
//! module of its own:
//!
//! 1. `index`: who wrote what, which version each read returned;
//! 2. `reads`, `internal`: what single reads give away;
//! 3. `versions`: the order of a register's versions, as far as it is known;
//! 4. `dependencies`, `graph`: the edges, with session and real-time order in O(n);
//! 5. `cycles`: which kinds of cycles there are, and the shortest of each;
//! 6. `why`, [`explain`]: for each edge its reason, as data and as text;
//! 7. `weak`: the levels that are defined by an order of commits; `serial`: the search for a serial order where that of
//!    versions is known in part; `witness`: orders that prove the others;
//! 8. `polygraph`: every level on its own definition, by trying the cases of what the history leaves open, for what is
//!    undecided then;
//! 9. the crate `verifier`: all evidence again, by code that shares nothing with the above.
//!
//! [`analyze`] runs all of these steps.

mod analysis;
mod candidates;
mod case_context;
mod covered;
mod cycles;
mod dependencies;
mod distinct;
pub mod explain;
mod export;
mod extent;
mod findings;
mod graph;
mod guesses;
mod index;
mod internal;
mod judgement;
mod key_facts;
mod placement;
mod polygraph;
mod reads;
mod refuted;
mod serial;
mod snapshots;
#[cfg(test)]
mod stopping;
mod summary;
mod told_order;
mod undecided;
mod versions;
mod weak;
mod why;
mod witness;
mod zones;

pub use analysis::analyze;
pub use export::dependencies;
pub use judgement::Judgement;
pub use summary::{TransactionAnalysis, TransactionOptions};
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
