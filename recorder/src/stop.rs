//! A request to end, which all tasks can see and can wait for.
//!
//! Signals make such a request. The first SIGINT, SIGTERM or SIGHUP during a recording ends it in an orderly way
//! within [`UNDO_PATIENCE`]: active faults are undone, servers are stopped, folders are removed. After that time the
//! process no longer waits. A second signal ends the process at once. Both ways lead to [`leave`], which kills what
//! this process started.

use crate::Clock;
use crate::system::kill_descendants_and_clean;
use crate::unfinished::UnfinishedFile;
use nix::sys::signal::{SigHandler, Signal};
use std::future::Future;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::Notify;

/// How long a recording may take after the first signal to undo everything it did. Then the process exits without
/// waiting any longer.
pub const UNDO_PATIENCE: Duration = Duration::from_millis(1900);

/// The exit code of a process that a signal ended early.
const EXIT_INTERRUPTED: i32 = 130;

/// The recording that signals currently apply to. Its journal is valid at any moment.
static RECORDING: Mutex<Option<Stop>> = Mutex::new(None);
/// The thread that listens for signals is started once, because signal handlers stay installed for the life of the
/// process.
static LISTENER: Once = Once::new();

/// A flag that wakes the tasks that wait for it. It works under any executor.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

/// Guards a recording that has something to undo. Once the guard is dropped, a signal ends the process at once.
#[derive(Debug)]
#[must_use = "when this is dropped, signals no longer wait for the recording"]
pub struct SignalGuard(Stop);

impl Stop {
    /// Requests the end.
    pub fn request_stop(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// Lets the first SIGINT, SIGTERM or SIGHUP request the end, and the second exit at once (exit code 130). It
    /// needs no async runtime. A SIGHUP that was ignored when the process started (`nohup`) stays ignored.
    ///
    /// From now on, a write that exceeds the limit on the size of files returns an error, as it does on a full disk.
    /// Without this, SIGXFSZ would end the process.
    pub fn request_on_signals(&self) -> SignalGuard {
        // SAFETY: the signal is ignored, so no handler of this program runs.
        // The call cannot fail for a signal that may be ignored.
        #[allow(unsafe_code, reason = "signal(2) has no safe form")]
        let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
        *lock_recording() = Some(self.clone());
        start_listening();
        SignalGuard(self.clone())
    }

    /// Whether the end was requested.
    pub fn is_requested(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Returns once the end is requested.
    pub async fn wait_until_requested(&self) {
        // The waiter is registered before the flag is read, so that no request is missed in between.
        let notified = self.0.1.notified();
        if !self.is_requested() {
            notified.await;
        }
    }

    /// Returns the output of a future, or `None` if it is not done within `grace` after the request to end. Then the
    /// future is dropped.
    pub async fn finish_within_grace<F: Future>(
        &self,
        clock: &Clock,
        grace: Duration,
        future: F,
    ) -> Option<F::Output> {
        finish_before(future, self.wait_out_grace(clock, grace)).await
    }

    /// Returns the output of a future, or `None` if the request to end comes first. Then the future is dropped.
    pub async fn finish_unless_requested<F: Future>(&self, future: F) -> Option<F::Output> {
        finish_before(future, self.wait_until_requested()).await
    }

    /// Returns `grace` after the request to end.
    async fn wait_out_grace(&self, clock: &Clock, grace: Duration) {
        self.wait_until_requested().await;
        clock.sleep(grace).await;
    }
}

/// Returns the output of a future, or `None` if the other future ends first. If both end at once, the output is
/// returned.
async fn finish_before<F: Future>(future: F, other: impl Future<Output = ()>) -> Option<F::Output> {
    let (mut future, mut other) = (Box::pin(future), Box::pin(other));
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => other.as_mut().poll(context).map(|()| None),
    })
    .await
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        let mut current = lock_recording();
        if current.as_ref().is_some_and(|stop| Arc::ptr_eq(&stop.0, &self.0.0)) {
            *current = None;
        }
    }
}

fn lock_recording() -> MutexGuard<'static, Option<Stop>> {
    // A poisoned lock is safe to use: each use leaves the content consistent.
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that listens for signals, if it does not run yet. Without a recording, a signal then removes what is not finished, and
/// ends the process.
pub(crate) fn start_listening() {
    LISTENER.call_once(|| {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || listen_for_signals(&tell));
        // From here on no signal is missed. If the runtime could not start, no signal is heard, and each one ends
        // the process.
        let _ = told.recv();
    });
}

/// Listens for signals until the process ends.
fn listen_for_signals(tell: &std::sync::mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let Ok(mut signals) = Signals::new() else { return };
        // Sending fails only if the receiver no longer waits.
        let _ = tell.send(());
        loop {
            signals.next_signal().await;
            let current = lock_recording().clone();
            match current.filter(|stop| !stop.is_requested()) {
                // This is a second signal, or there is nothing to undo.
                None => leave_and_exit(),
                Some(stop) => stop_recording_or_exit(&stop, &mut signals).await,
            }
        }
    });
}

/// Requests the end of a recording. Exits if the recording takes too long or if another signal comes first.
async fn stop_recording_or_exit(stop: &Stop, signals: &mut Signals) {
    stop.request_stop();
    let again = tokio::time::timeout(UNDO_PATIENCE, signals.next_signal()).await;
    let undone = !lock_recording().as_ref().is_some_and(|current| Arc::ptr_eq(&current.0, &stop.0));
    match again {
        Ok(()) => leave_and_exit(),
        Err(_) if undone => {}
        Err(_) => {
            let said = "error: the run did not end in time after the signal; what it had started was killed, and what \
                        was recorded until then is a valid history";
            // Standard error may be closed. The process exits nevertheless.
            let _ = writeln!(std::io::stderr(), "{said}");
            leave_and_exit();
        }
    }
}

/// Kills the processes that this one started, removes its folders and its unfinished files, and ends the process.
fn leave_and_exit() -> ! {
    kill_descendants_and_clean();
    let _unfinished = UnfinishedFile::remove_all();
    std::process::exit(EXIT_INTERRUPTED);
}

/// The signals that end a run. The streams stay registered between two calls, so that a second signal that comes at
/// once is not missed.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: Option<unix::Signal>,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        let hang_up =
            if is_signal_ignored(Signal::SIGHUP) { None } else { Some(unix::signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: unix::signal(interrupt)?, terminate: unix::signal(terminate)?, hang_up })
    }

    async fn next_signal(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }
}

/// Whether the parent of this process had set the signal to be ignored.
fn is_signal_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal as i32 - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_longer_than_the_grace_is_cut_only_once_it_is_asked() {
        let (stop, clock) = (Stop::default(), Clock::start_real());
        let slow = || clock.sleep(Duration::from_millis(60));
        assert_eq!(
            stop.finish_within_grace(&clock, Duration::ZERO, slow()).await,
            Some(()),
            "nobody has asked"
        );
        stop.request_stop();
        assert_eq!(stop.finish_within_grace(&clock, Duration::from_millis(5), slow()).await, None);
        assert_eq!(stop.finish_within_grace(&clock, Duration::from_secs(60), slow()).await, Some(()));
    }
}
