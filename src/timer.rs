//! A stop flag that is set when a time limit is reached. The checker has no clock of its own.
//!
//! A thread waits for the time. WebAssembly has one thread only: there, the clock is looked at whenever the checker reads the flag.

#[cfg(target_family = "wasm")]
use on_the_only_thread::Waiting;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
#[cfg(not(target_family = "wasm"))]
use thread_that_waits::Waiting;

/// Sets its flag when the time limit is reached, unless it is dropped earlier.
pub(crate) struct StopTimer {
    stop: Arc<AtomicBool>,
    /// Dropping this ends the waiting.
    _waiting: Option<Waiting>,
}

impl StopTimer {
    /// Starts the timer. Without a limit there is no thread, and the flag is never set by time.
    pub(crate) fn start(limit: Option<Duration>) -> StopTimer {
        Self::start_with(limit, Arc::default())
    }

    /// Starts the timer with a flag that others can set too.
    pub(crate) fn start_with(limit: Option<Duration>, stop: Arc<AtomicBool>) -> StopTimer {
        if limit.is_some_and(|limit| limit.is_zero()) {
            // At once, whenever the thread may begin.
            stop.store(true, Ordering::Relaxed);
        }
        let waiting = limit.map(|limit| Waiting::start(limit, &stop));
        StopTimer { stop, _waiting: waiting }
    }

    /// The flag for readers, which run on threads of their own.
    pub(crate) fn shared_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Sets the flag if the time is over. Only WebAssembly needs this, where readers do not read the flag through the checker.
    pub(crate) fn look_at_clock(&self) {
        #[cfg(target_family = "wasm")]
        on_the_only_thread::look_at_clock(&self.stop);
    }

    /// The flag for [`checker::Limits`].
    pub(crate) fn stop_flag(&self) -> &AtomicBool {
        &self.stop
    }
}

#[cfg(not(target_family = "wasm"))]
mod thread_that_waits {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{self, RecvTimeoutError, Sender};
    use std::time::Duration;

    /// A thread that ends when this is dropped.
    pub(super) struct Waiting(#[expect(dead_code, reason = "its drop tells the thread")] Sender<()>);

    impl Waiting {
        pub(super) fn start(limit: Duration, stop: &Arc<AtomicBool>) -> Self {
            let (cancel, cancelled) = mpsc::channel::<()>();
            let flag = Arc::clone(stop);
            std::thread::spawn(move || {
                if cancelled.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                    flag.store(true, Ordering::Relaxed);
                }
            });
            Waiting(cancel)
        }
    }
}

#[cfg(target_family = "wasm")]
mod on_the_only_thread {
    use crate::clock::Instant;
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    thread_local! {
        static RUNNING: RefCell<Vec<(Arc<AtomicBool>, Instant, Duration)>> = const { RefCell::new(Vec::new()) };
    }

    /// An entry among the running timers, which this removes when it is dropped.
    pub(super) struct Waiting(Arc<AtomicBool>);

    impl Waiting {
        pub(super) fn start(limit: Duration, stop: &Arc<AtomicBool>) -> Self {
            checker::set_stop_watcher(look_at_clock);
            RUNNING.with_borrow_mut(|running| running.push((Arc::clone(stop), Instant::now(), limit)));
            Waiting(Arc::clone(stop))
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            RUNNING.with_borrow_mut(|running| running.retain(|(stop, ..)| !Arc::ptr_eq(stop, &self.0)));
        }
    }

    /// Sets a flag if the time of its timer is over.
    pub(super) fn look_at_clock(stop: &AtomicBool) {
        RUNNING.with_borrow(|running| {
            let mut running = running.iter();
            let own = running.find(|(flag, ..)| std::ptr::eq(Arc::as_ptr(flag), stop));
            if own.is_some_and(|(_, began, limit)| began.elapsed() >= *limit) {
                stop.store(true, Ordering::Relaxed);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_set_after_the_limit_and_not_without_one() {
        let never = StopTimer::start(None);
        let soon = StopTimer::start(Some(Duration::from_millis(1)));
        while !soon.stop_flag().load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!never.stop_flag().load(Ordering::Relaxed));
    }
}
