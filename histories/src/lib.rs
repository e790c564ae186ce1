//! What clients did to a store and what they observed: events, operations and sessions, and the file formats of
//! histories.
//!
//! Every checker reads a [`History`]. The names of processes, sessions, keys, values and functions are interned once,
//! when the history is built, into dense `u32` ids. An operation is one row in flat columns. This crate judges nothing:
//! what a history *means* is decided by the checker.
//!
//! ```
//! let history = histories::notation::parse("
//!     a: [w1  ]     [r1]
//!     b:    [r_]
//! ").unwrap();
//! assert_eq!(history.len(), 3);
//! ```
//!
//! # The crate in examples
#![doc = include_str!("../README.md")]

mod builder;
mod declared;
mod distinct_elements;
mod effect;
mod event_notes;
mod history;
mod ids;
mod independent;
mod initial;
mod intern;
mod lists;
mod look_alikes;
mod naming;
mod note;
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
pub use declared::{DeclaredConsistency, DeclaredIsolation};
pub use distinct_elements::NewElements;
pub use effect::{Effect, TookEffect};
pub use event_notes::Note;
pub use history::{ActorEvent, History};
pub use ids::{Id, KeyId, ListId, OpId, ProcessId, SessionId, ValueId};
pub use initial::InitialTransaction;
pub use intern::Interner;
pub use lists::Lists;
pub use look_alikes::LookAlikes;
pub use naming::with_names;
pub use operation::{Argument, Function, Micro, MicroKind, NEVER, Operation, Outcome};
pub use problem::{Problem, Problems};

/// Reads the history of a file, or of the folder of a run. The format is recognised, and the default options apply.
///
/// Remarks about how the file was understood are dropped; [`format::read`] returns them.
///
/// ```no_run
/// let history = histories::read("run.jsonl")?;
/// println!("{} operations on {} keys", history.len(), history.keys.len());
/// # Ok::<(), histories::Problems>(())
/// ```
///
/// # Errors
/// All problems of the file, each with its line and column.
pub fn read(path: impl AsRef<std::path::Path>) -> Result<History, Problems> {
    let input = format::Input::Path(path.as_ref().to_owned());
    format::read(input, &format::ReadOptions::default(), &|_, _| {}).map(|loaded| loaded.history)
}
