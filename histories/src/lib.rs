//! What clients did and saw: events, operations, sessions, and the formats they are written in.
//!
//! A [`History`] is what every checker reads. Names (processes, sessions, keys, values, functions) are
//! interned once, at the border, into dense `u32` ids; an operation is a row in flat columns. Nothing in
//! here judges: what a history *means* is the checker's business.
//!
//! ```
//! let history = histories::notation::parse("
//!     a: [w1  ]     [r1]
//!     b:    [r_]
//! ").unwrap();
//! assert_eq!(history.len(), 3);
//! ```

mod builder;
mod effect;
mod history;
mod ids;
mod independent;
mod initial;
mod intern;
mod lists;
mod look_alikes;
mod numbering;
mod operation;
mod part;
mod problem;
mod same;

pub mod events;
pub mod faults;
pub mod format;
pub mod notation;

pub use builder::{Completion, HistoryBuilder, Invocation, MicroInput, PairingError, Payload};
pub use effect::{Effect, TookEffect};
pub use history::{ActorEvent, History, Note};
pub use ids::{Id, KeyId, ListId, OpId, ProcessId, SessionId, ValueId};
pub use initial::InitialTransaction;
pub use intern::Interner;
pub use lists::Lists;
pub use look_alikes::LookAlikes;
pub use operation::{Argument, Function, Micro, MicroKind, NEVER, Operation, Outcome};
pub use problem::{Problem, Problems};
