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

#[cfg(test)]
mod tests {
    use super::{BETWEEN, GRACE, StepCost, Watch};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_loop_ends_when_the_grace_period_is_used_up() {
        for cost in [StepCost::Look, StepCost::Follow, StepCost::Parse] {
            let stop = AtomicBool::new(true);
            let watch = Watch::new(&stop);
            let items = watch.take_while_in_time(cost, 0..u64::MAX).count() as u64;
            assert_eq!(items * cost as u64, GRACE);
            assert!(watch.is_over());
            // Nothing is left for another loop, however short it is.
            assert_eq!(watch.take_while_in_time(cost, 0..1).count(), 0);
            assert!(!watch.has_time_after(1));
            assert!(!watch.has_time_for(1));
        }
    }

    #[test]
    fn steps_that_are_not_items_use_up_the_grace_period_too() {
        let stop = AtomicBool::new(true);
        let watch = Watch::new(&stop);
        let steps = BETWEEN / 4;
        let calls = (1..).find(|_| !watch.has_time_after(steps)).expect("it ends");
        // The flag is looked at after each `BETWEEN` steps. The first look that fails is the one after the grace period.
        assert_eq!(calls * steps, GRACE + BETWEEN);
        assert!(watch.is_over());

        let watch = Watch::new(&stop);
        assert!(watch.has_time_for(GRACE - 1) && !watch.is_over());
        assert!(!watch.has_time_for(0) && watch.is_over());
        let watch = Watch::new(&stop);
        assert!(!watch.has_time_for(GRACE) && watch.is_over());
    }

    #[test]
    fn time_never_ends_before_the_flag_is_set() {
        let stop = AtomicBool::new(false);
        let watch = Watch::new(&stop);
        let items = 2 * GRACE;
        assert_eq!(watch.take_while_in_time(StepCost::Look, 0..items).count() as u64, items);
        assert!((0..2_000).all(|_| watch.has_time_after(BETWEEN)) && watch.has_time_for(items));
        assert!(!watch.is_over());
        // All of the grace period is left for what comes after the flag.
        stop.store(true, Ordering::Relaxed);
        assert!(watch.has_time_for(GRACE - 1) && !watch.is_over());
    }
}
