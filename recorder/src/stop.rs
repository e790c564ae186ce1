//! A request to end: asked once, seen by all tasks, waited for by those who sleep.
//!
//! A signal asks. The first SIGINT, SIGTERM or SIGHUP of a recording ends it in good order, within [`UNDO_PATIENCE`]:
//! faults are healed, servers stopped, folders removed. What is not undone by then is not waited for any longer. The
//! second signal leaves at once. Both ways lead to [`leave`], which kills what this process started.

use crate::Clock;
use crate::system::kill_descendants_and_clean;
use nix::sys::signal::{SigHandler, Signal};
use std::future::Future;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::Notify;

/// How long a recording may take to undo everything after the first signal. Then it is left as it is.
pub const UNDO_PATIENCE: Duration = Duration::from_millis(1900);

/// The exit code of a process that a signal ended before it was done.
const EXIT_INTERRUPTED: i32 = 130;

/// The recording that signals are for at present. Its journal is valid at any moment.
static RECORDING: Mutex<Option<Stop>> = Mutex::new(None);
/// The thread that listens to signals is started once: the handlers stay for as long as the process does.
static LISTENER: Once = Once::new();

/// A flag that wakes those who wait for it. Works under any executor.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

/// A recording that has something to undo. Once this is dropped, a signal ends the process at once.
#[derive(Debug)]
#[must_use = "when this is dropped, signals no longer wait for the recording"]
pub struct SignalGuard(Stop);

impl Stop {
    /// Asks everybody to end.
    pub fn request_stop(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// Lets the first SIGINT, SIGTERM or SIGHUP ask, and the second leave at once (exit code 130). Works without any
    /// runtime around. A SIGHUP that was ignored when the process started (`nohup`) stays ignored.
    ///
    /// A limit on the size of files is from now on an error of the write that runs into it, as a full disk is, and
    /// not a signal that ends everything.
    pub fn request_on_signals(&self) -> SignalGuard {
        // SAFETY: a signal is ignored; no handler of ours runs.
        // It fails for no signal that may be ignored.
        let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
        *lock_recording() = Some(self.clone());
        LISTENER.call_once(|| {
            let (tell, told) = std::sync::mpsc::channel();
            std::thread::spawn(move || listen_for_signals(&tell));
            // From here on no signal is missed; without a runtime none is heard, and each ends the process.
            let _ = told.recv();
        });
        SignalGuard(self.clone())
    }

    /// Whether it was asked.
    pub fn is_requested(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Returns once it is asked.
    pub async fn wait_until_requested(&self) {
        // Registered before the flag is looked at, so that no request falls between the two.
        let notified = self.0.1.notified();
        if !self.is_requested() {
            notified.await;
        }
    }

    /// What a future yields; nothing if it has not yielded within `grace` after the request to end. Then it is dropped.
    pub async fn finish_within_grace<F: Future>(
        &self,
        clock: &Clock,
        grace: Duration,
        future: F,
    ) -> Option<F::Output> {
        finish_before(future, self.wait_out_grace(clock, grace)).await
    }

    /// What a future yields; nothing if the request to end comes first. Then it is dropped.
    pub async fn finish_unless_requested<F: Future>(&self, future: F) -> Option<F::Output> {
        finish_before(future, self.wait_until_requested()).await
    }

    /// Returns so long after it is asked.
    async fn wait_out_grace(&self, clock: &Clock, grace: Duration) {
        self.wait_until_requested().await;
        clock.sleep(grace).await;
    }
}

/// What a future yields, unless another ends before it; if both do at once, it counts.
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
    // Each use leaves it consistent.
    RECORDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens until the process ends.
fn listen_for_signals(tell: &std::sync::mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let Ok(mut signals) = Signals::new() else { return };
        // It fails only if nobody waits any more.
        let _ = tell.send(());
        loop {
            signals.next_signal().await;
            let current = lock_recording().clone();
            match current.filter(|stop| !stop.is_requested()) {
                // A second signal, or nothing to undo.
                None => leave_and_exit(),
                Some(stop) => stop_recording_or_exit(&stop, &mut signals).await,
            }
        }
    });
}

/// Asks a recording to end, and leaves if it takes too long or another signal comes first.
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
            // Standard error may be gone: that is no reason to stay.
            let _ = writeln!(std::io::stderr(), "{said}");
            leave_and_exit();
        }
    }
}

/// Kills what was started, removes folders, and ends the process.
fn leave_and_exit() -> ! {
    kill_descendants_and_clean();
    std::process::exit(EXIT_INTERRUPTED);
}

/// Signals that end a run. Listened to from one until the next: a second that comes at once is not missed.
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

/// Whether a signal was ignored by whoever started this process.
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
