//! A request to end: asked once, seen by all, waited for by those who sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
