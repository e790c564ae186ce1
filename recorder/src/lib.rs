//! Drives a store under faults and records what clients did and saw.
//!
//! # The crate in examples
#![doc = include_str!("../README.md")]

mod client;
mod clock;
mod ending;
mod evidence;
pub mod journal;
mod nemesis;
mod pace;
mod page_server;
mod run;
mod serving;
mod shapes;
pub mod simulation;
pub mod span_receiver;
mod stack_fact;
mod stack_watch;
mod stop;
mod store;
pub mod stores;
pub mod system;
pub mod tap;
mod unfinished;
mod warm_up;
mod watch;

pub use client::{Attempt, RunCounts, Tally};
pub use clock::Clock;
pub use ending::Unread;
pub use evidence::FaultEvidence;
pub use journal::Journal;
pub use nemesis::{CarriedFault, IdleNemesis, Nemesis};
pub use page_server::{PageMaker, PageServer, ServedPage};
pub use run::{RunError, RunOutcome, RunSettings, run};
pub use serving::ListenTls;
pub use shapes::StruckTargets;
pub use stack_fact::StackFact;
pub use stop::{SignalGuard, Stop, UNDO_PATIENCE};
pub use store::{
    AuditEntry, Client, Failure, LiveEnds, Notes, Store, StoreAnswer, StoreRequest, Trace, Traffic,
};
pub use unfinished::UnfinishedFile;
