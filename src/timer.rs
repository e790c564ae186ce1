//! A stop flag that is set when a time limit is reached. The checker has no clock of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// Sets its flag when the time limit is reached, unless it is dropped earlier.
pub(crate) struct StopTimer {
    stop: Arc<AtomicBool>,
    /// Dropping this sender ends the timer's thread.
    _cancel: Option<Sender<()>>,
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
        let cancel = limit.map(|limit| {
            let (cancel, cancelled) = mpsc::channel::<()>();
            let flag = Arc::clone(&stop);
            std::thread::spawn(move || {
                if cancelled.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                    flag.store(true, Ordering::Relaxed);
                }
            });
            cancel
        });
        StopTimer { stop, _cancel: cancel }
    }

    /// The flag for readers, which run on threads of their own.
    pub(crate) fn shared_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// The flag for [`checker::Limits`].
    pub(crate) fn stop_flag(&self) -> &AtomicBool {
        &self.stop
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
