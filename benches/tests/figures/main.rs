//! Measured figures against observers that share no code with what measures: somebody who polls, who looks all the time, or who reads
//! the files of a server.

#![allow(clippy::print_stderr, reason = "says what was measured and what was skipped")]

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

mod sentinel_questions;

mod convergence;
mod losses;
mod losses_redis;
mod recovery;
mod recovery_redis;
mod replication;

static QUIET: RwLock<()> = RwLock::new(());

/// What measures a time measures it while no other test runs.
fn run_alone() -> RwLockWriteGuard<'static, ()> {
    QUIET.write().unwrap_or_else(PoisonError::into_inner)
}

/// What counts losses may run beside others that count.
fn run_beside_others() -> RwLockReadGuard<'static, ()> {
    QUIET.read().unwrap_or_else(PoisonError::into_inner)
}
