//! Measuring within a time limit: loops that end when they are told to, and nothing that is made of half of them.
//!
//! A loop over a whole history ends early once the stop flag is set ([`UntilStopped`]). What it counted until then is worth
//! nothing, so each stage asks [`in_time`] before anybody uses its result.

pub(super) use claims::UntilStopped;
use claims::is_stop_flag_set;
use std::sync::atomic::AtomicBool;

/// The time limit was reached before everything had been measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimeOver;

impl TimeOver {
    /// The reason, as a figure that is missing gives it.
    pub(super) const WHY: &'static str = "the time limit was reached before it had been measured";
}

impl std::fmt::Display for TimeOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::WHY)
    }
}

impl std::error::Error for TimeOver {}

/// Whether a stage may use what was counted.
pub(super) fn in_time(stop: &AtomicBool) -> Result<(), TimeOver> {
    if is_stop_flag_set(stop) { Err(TimeOver) } else { Ok(()) }
}
