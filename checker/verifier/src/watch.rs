//! How long checking again may go on: until the caller asks to stop, and then for a little while.
//!
//! What was found before the time was over shall not be lost because looking it up again comes after it; so there is a
//! grace, in counted steps, enough for what a cycle of a few transactions needs in a history of millions, and over in a
//! fraction of a second. When it is spent, loops end where they are. Whatever they return then means nothing: who asked has
//! to look at [`Watch::is_over`] first.

use claims::{Limits, is_stop_flag_set};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Steps that may still be done once the caller has asked to stop.
const GRACE: u64 = 1 << 24;

/// Steps between two looks.
const BETWEEN: u64 = 1 << 15;

/// What one item of a loop costs, in steps.
#[derive(Clone, Copy)]
pub(crate) enum StepCost {
    /// A look at an operation.
    Look = 1,
    /// Its reads or writes followed to others.
    Follow = 8,
}

/// A stop flag, and what is left of the grace. May be looked at from several threads.
pub(crate) struct Watch<'a> {
    /// Steps since the last look, of loops that count them.
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

    /// Whether something was broken off: nothing that was concluded since is to be believed.
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

    /// Whether there is time, after so many steps of a loop that is no iteration over items.
    pub(crate) fn has_time_after(&self, steps: u64) -> bool {
        if self.since.fetch_add(steps, Ordering::Relaxed) + steps < BETWEEN {
            return !self.is_over();
        }
        self.since.store(0, Ordering::Relaxed);
        self.has_time()
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
