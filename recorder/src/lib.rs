//! Drives a store under faults and records what happened.
//!
//! A [`Store`] is the system under test: the embedded one in its own simulation ([`stores::embedded`]) or a real one.
//! Clients take tasks from a [`workloads::Generator`]. A [`Nemesis`] carries out a [`workloads::Plan`]. Every
//! invocation and every completion goes into one [`Journal`] in one order: invocations before the request leaves,
//! completions after the answer arrived. The recorder does not judge what a history means.

mod client;
mod clock;
mod ending;
mod evidence;
pub mod journal;
mod nemesis;
mod pace;
mod run;
mod shapes;
pub mod simulation;
mod stop;
mod store;
pub mod stores;
pub mod system;
mod warm_up;
mod watch;

pub use client::{Attempt, RunCounts, Tally};
pub use clock::Clock;
pub use ending::Unread;
pub use evidence::FaultEvidence;
pub use journal::Journal;
pub use nemesis::{CarriedFault, IdleNemesis, Nemesis};
pub use run::{RunError, RunOutcome, RunSettings, run};
pub use shapes::StruckTargets;
pub use stop::{SignalGuard, Stop, UNDO_PATIENCE};
pub use store::{AuditEntry, Client, Failure, Notes, Store, StoreAnswer, StoreRequest, Trace, Traffic};
