//! What a history means. Pure: no input or output, no clock.
//!
//! A check is a function of a [`histories::History`], a [`Question`] and [`Limits`]. It answers with a
//! [`Verdict`] for each property: *holds* with a witness, *violated* with evidence, *untested* or *unknown* with the
//! reason. Witnesses and evidence are checked again, by short code that shares nothing with the search, before anyone
//! sees them.
//!
//! ```
//! use checker::{Limits, Question, Verdict};
//! let history = histories::notation::parse("
//!     alice: [w1] [w2]
//!     bob:             [r1]
//! ").unwrap();
//! let question = Question::recognised(&history).unwrap();
//! let report = checker::check(&history, &question, &Limits::unbounded()).unwrap();
//! assert_eq!(report.verdict(), "violated");
//! let Verdict::Violated(violations) = &report.answers[0].verdict else { panic!() };
//! assert_eq!(violations[0].kind, "stale-read");
//! ```

mod basis;
pub mod causality;
pub mod continuity;
mod door;
pub mod graph;
pub mod invariants;
pub mod linearizability;
pub mod measurements;
pub mod sessions;
pub mod shrink;
pub mod transactions;

pub use basis::Basis;
pub use claims::*;
pub use door::{CheckError, CheckPhase, Observer, check, check_observed};
