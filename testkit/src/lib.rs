//! Helpers for the tests of this workspace. Only tests and benches may depend on this crate.
//!
//! - [`TestRandom`]: the generator of random numbers. A failing test prints its seed, and the seed reproduces the history
//!   on every machine.
//! - [`record_operation`]: adds one operation to a history. [`registers`] and [`transactions`]: small random histories. [`draw_history`]:
//!   a history as text, for failure messages. [`corpus`]: the histories of `histories/corpus`.
//! - [`check_all`], [`assert_confirmed`], [`forge_report`] and [`assert_refuted`]: run the checker, and verify its claims with
//!   the verifier. A test of tampered evidence changes one answer and expects the verifier to refute it.
//! - [`monitoring`]: the monitor of transactions beside the check of each prefix.
//! - [`WebRequest`]: a request to a web application that a test brings itself.

mod checking;
pub mod corpus;
mod drawing;
pub mod monitoring;
mod random;
mod recording;
pub mod registers;
pub mod transactions;
mod web;

pub use checking::{
    OTHER_MODELS, assert_confirmed, assert_refuted, check_all, check_confirmed, claim_standing, forge_report,
    isolation_properties, level_properties, model_of_transactions, question_about, test_limits, verdict_of,
};
pub use drawing::draw_history;
pub use random::TestRandom;
pub use recording::record_operation;
pub use web::WebRequest;
