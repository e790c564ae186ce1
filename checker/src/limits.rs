//! How much a check may spend. Passed in, never assumed.

use std::sync::atomic::{AtomicBool, Ordering};

/// The bounds of one check. Reaching one makes the verdict *unknown*.
///
/// There is no clock in here: `steps` count work, so that the same history gives the same answer on any
/// machine; a caller that wants a time limit sets `stop` from a timer of its own.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    /// Steps of search: configurations expanded, candidates tried.
    pub steps: u64,
    /// Bytes that a search may hold at once, beyond the history itself.
    pub bytes: usize,
    /// Set by the caller to make every search stop soon.
    pub stop: &'a AtomicBool,
}

impl Limits<'_> {
    /// Why a verdict is *unknown* where the caller asked to stop.
    pub const STOPPED: &'static str = "the time limit was reached";

    /// Whether the caller asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
