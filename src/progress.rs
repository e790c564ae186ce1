//! A progress bar on standard error for work that takes more than a second.
//!
//! One thread reads two counters ten times a second, so the work itself pays for an atomic store and reads no clock. If
//! standard error is not a terminal there is no thread and no bar. Nothing is drawn in the first second.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// Shows the progress of some work until it is dropped.
pub(crate) struct ProgressDisplay {
    shared: Arc<ProgressState>,
    watcher: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Default)]
struct ProgressState {
    stage: Mutex<String>,
    done: AtomicU64,
    total: AtomicU64,
}

impl ProgressDisplay {
    /// Starts the display if standard error is a terminal and `quiet` is not set.
    pub(crate) fn start(quiet: bool) -> ProgressDisplay {
        let shared = Arc::new(ProgressState::default());
        let watched = !quiet && std::io::stderr().is_terminal();
        let watcher = watched.then(|| {
            let (stop, stopped) = mpsc::channel();
            let shared = Arc::clone(&shared);
            (stop, std::thread::spawn(move || draw_progress(&shared, &stopped)))
        });
        ProgressDisplay { shared, watcher }
    }

    /// Names the current stage. [`ProgressDisplay::set_position`] gives its extent, if that is known.
    pub(crate) fn set_stage(&self, stage: &str) {
        if self.watcher.is_some() {
            self.set_position(0, 0);
            stage.clone_into(&mut self.shared.stage.lock().expect("nobody panics while holding it"));
        }
    }

    /// Sets the position within the stage; a total of 0 means unknown.
    pub(crate) fn set_position(&self, done: u64, total: u64) {
        self.shared.done.store(done, Ordering::Relaxed);
        self.shared.total.store(total, Ordering::Relaxed);
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.watcher.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn draw_progress(shared: &ProgressState, stopped: &mpsc::Receiver<()>) {
    if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let counted = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {elapsed}");
    let open = ProgressStyle::with_template("{msg} {spinner} {elapsed}");
    let (counted, open) = (counted.expect("a template"), open.expect("a template"));
    let bar = ProgressBar::new(0);
    loop {
        let total = shared.total.load(Ordering::Relaxed);
        bar.set_style(if total > 0 { counted.clone() } else { open.clone() });
        bar.set_message(shared.stage.lock().expect("nobody panics while holding it").clone());
        bar.set_length(total);
        bar.set_position(shared.done.load(Ordering::Relaxed));
        bar.tick();
        if stopped.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}
