//! What a history means. Pure: no input or output, no clock.
//!
//! A check is a function of a [`histories::History`], a question and [`Limits`]. It answers with a
//! [`Verdict`]: *holds* with a witness, *violated* with evidence, or *unknown* with the reason. Witnesses and
//! evidence are checked again, by short code that shares nothing with the search, before anyone sees them.

pub mod causality;
pub mod check;
pub mod continuity;
pub mod graph;
pub mod invariants;
mod level;
mod limits;
pub mod linearizability;
pub mod measurements;
pub mod models;
pub mod sessions;
pub mod shrink;
pub mod transactions;
mod verdict;

pub use level::Level;
pub use limits::Limits;
pub use verdict::{Unknown, Verdict};
