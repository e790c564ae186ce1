//! What the tests of this workspace share. No crate but a test or a bench may depend on it.
//!
//! - [`Random`]: the one generator of random numbers. A test prints its seed when it fails, and the seed brings the same
//!   history back on every machine.
//! - [`record`]: adds one operation to a history. [`registers`] and [`transactions`]: small random histories. [`draw`]: a
//!   history as text, for the message of a failure. [`corpus`]: the histories of `histories/corpus`.
//! - [`check_all`], [`assert_confirmed`], [`forge`] and [`assert_refuted`]: ask the checker, and hold what it claims against the
//!   verifier. A test of tampered evidence changes one answer and expects that the verifier refutes it.
//! - [`steadfast()`]: the program itself, for tests of the command line.

mod checking;
pub mod corpus;
mod drawing;
mod program;
mod random;
mod recording;
pub mod registers;
pub mod transactions;

pub use checking::{
    assert_confirmed, assert_refuted, check_all, check_confirmed, claim_standing, forge_report,
    isolation_properties, level_properties, model_of_transactions, question_about, test_limits, verdict_of,
};
pub use drawing::draw_history;
pub use program::steadfast_command;
pub use random::TestRandom;
pub use recording::record_operation;
