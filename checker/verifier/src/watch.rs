//! Limits how long verification may continue: until the caller asks to stop, plus a short grace period.
//!
//! Verification follows the search, so evidence that was found just in time would be lost without a grace period. The
//! grace period is a number of steps. It suffices for a cycle of a few transactions in a history of millions, and it
//! passes in a fraction of a second. When it is used up, loops end early and their results are meaningless. The caller
//! must therefore check [`Watch::is_over`] first.

use claims::{Limits, is_stop_flag_set};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The number of steps that may still be done after the caller has asked to stop.
const GRACE: u64 = 1 << 22;

/// The number of steps between two reads of the stop flag.
const BETWEEN: u64 = 1 << 15;

/// The cost of one item of a loop, in steps.
#[derive(Clone, Copy)]
pub(crate) enum StepCost {
    /// Looks at one operation.
    Look = 1,
    /// Follows the reads or writes of an operation to other operations.
    Follow = 8,
    /// Parses what an operation wrote or returned.
    Parse = 64,
}

/// A stop flag and the rest of the grace period. Several threads may use it.
pub(crate) struct Watch<'a> {
    /// The number of steps since the stop flag was last read, for loops that count their steps.
    since: AtomicU64,
    stop: &'a AtomicBool,
    left: AtomicU64,
    over: AtomicBool,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(stop: &'a AtomicBool) -> Self {
        Self { since: AtomicU64::new(0), stop, left: AtomicU64::new(GRACE), over: AtomicBool::new(false) }
    }

    pub(crate) fn from_limits(limits: &Limits<'a>) -> Self {
        Self::new(limits.stop)
    }

    /// Whether a loop ended early. All conclusions since then are meaningless.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The items, for as long as there is time.
    pub(crate) fn take_while_in_time<I: Iterator>(
        &self,
        cost: StepCost,
        items: I,
    ) -> impl Iterator<Item = I::Item> {
        let between = BETWEEN / cost as u64;
        let mut until = 0;
        items.take_while(move |_| {
            if until == 0 {
                until = between;
                if !self.has_time() {
                    return false;
                }
            }
            until -= 1;
            true
        })
    }

    /// Whether there is time left after this number of steps. For loops that do not iterate over items.
    pub(crate) fn has_time_after(&self, steps: u64) -> bool {
        if self.since.fetch_add(steps, Ordering::Relaxed) + steps < BETWEEN {
            return !self.is_over();
        }
        self.since.store(0, Ordering::Relaxed);
        self.has_time()
    }

    /// Whether there is time for this number of steps, which cannot be interrupted.
    pub(crate) fn has_time_for(&self, steps: u64) -> bool {
        (0..=steps / BETWEEN).all(|_| self.has_time())
    }

    /// Whether there is time for [`BETWEEN`] more steps.
    fn has_time(&self) -> bool {
        if !is_stop_flag_set(self.stop) {
            return true;
        }
        let spend = |left: u64| left.checked_sub(BETWEEN);
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        if spent.is_err() {
            self.over.store(true, Ordering::Relaxed);
        }
        spent.is_ok()
    }
}
