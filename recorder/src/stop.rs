//! A request to end: asked once, seen by all, waited for by those who sleep.

use crate::system::leave;
use nix::sys::signal::{SigHandler, Signal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::Notify;

/// A flag that wakes those who wait for it. Works under any executor.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<(AtomicBool, Notify)>);

impl Stop {
    /// Asks everybody to end.
    pub fn ask(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    /// Lets the first SIGINT or SIGTERM ask, and the second leave at once (exit code 130): the journal is valid
    /// as it is, and [`leave`] ends and removes what was started. Works without any runtime around.
    ///
    /// A limit on the size of files is from now on an error of the write that runs into it, as a full disk is, and
    /// not a signal that ends everything.
    pub fn on_signals(&self) {
        // SAFETY: a signal is ignored; no handler of ours runs.
        // It fails for no signal that may be ignored.
        let _ = unsafe { nix::sys::signal::signal(Signal::SIGXFSZ, SigHandler::SigIgn) };
        let stop = self.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                let Ok(mut signals) = Signals::new() else { return };
                signals.next().await;
                stop.ask();
                signals.next().await;
                leave();
                std::process::exit(130);
            });
        });
    }

    /// Whether it was asked.
    pub fn is_asked(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Returns once it is asked.
    pub async fn asked(&self) {
        // Registered before the flag is looked at, so that no request falls between the two.
        let notified = self.0.1.notified();
        if !self.is_asked() {
            notified.await;
        }
    }
}

/// SIGINT and SIGTERM. Listened to from one until the next: a second that comes at once is not missed.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: unix::signal(interrupt)?, terminate: unix::signal(terminate)? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
