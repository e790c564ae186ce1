//! Measured figures against observers that share no code with what measures: somebody who polls, who looks all the time, or who reads
//! the files of a server.

#![allow(clippy::print_stderr, reason = "says what was measured and what was skipped")]

use std::sync::{Mutex, MutexGuard, PoisonError};

mod sentinel_questions;

mod convergence;
mod losses;
mod losses_redis;
mod recovery;
mod recovery_redis;
mod replication;

/// Figures are times. One test at a time measures, whatever the number of threads.
fn wait_for_quiet() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
