//! A flag that is set after a while: the checker has no clock of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

/// Sets its flag when the time is over, unless it is dropped before.
pub(crate) struct Timer {
    stop: Arc<AtomicBool>,
    /// Dropped with the timer, which ends its thread.
    _cancel: Option<Sender<()>>,
}

impl Timer {
    /// Starts to count. Without a limit there is no thread and the flag is never set.
    pub(crate) fn start(limit: Option<Duration>) -> Timer {
        Self::start_with(limit, Arc::default())
    }

    /// The same with a flag that others can set too.
    pub(crate) fn start_with(limit: Option<Duration>, stop: Arc<AtomicBool>) -> Timer {
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
        Timer { stop, _cancel: cancel }
    }

    /// The flag for [`checker::Limits`].
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.stop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_set_after_the_limit_and_not_without_one() {
        let never = Timer::start(None);
        let soon = Timer::start(Some(Duration::from_millis(1)));
        while !soon.flag().load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!never.flag().load(Ordering::Relaxed));
    }
}
