//! A bar on standard error for whatever takes more than a second.
//!
//! One thread looks at two counters ten times a second, so the work itself pays an atomic store and no clock.
//! There is no thread, and nothing is drawn, where standard error is no terminal; nothing is drawn in the first
//! second either, so that what is quick stays quiet.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(100);

/// What is being done, for whoever watches. Dropped when it is over.
pub(crate) struct Progress {
    shared: Arc<Shared>,
    watcher: Option<(Sender<()>, JoinHandle<()>)>,
}

#[derive(Default)]
struct Shared {
    stage: Mutex<String>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Starts to watch, if anybody does.
    pub(crate) fn start(quiet: bool) -> Progress {
        let shared = Arc::new(Shared::default());
        let watched = !quiet && std::io::stderr().is_terminal();
        let watcher = watched.then(|| {
            let (stop, stopped) = mpsc::channel();
            let shared = Arc::clone(&shared);
            (stop, std::thread::spawn(move || watch(&shared, &stopped)))
        });
        Progress { shared, watcher }
    }

    /// What is done now; how much of it there is comes with [`Progress::at`], if that is known.
    pub(crate) fn stage(&self, stage: &str) {
        if self.watcher.is_some() {
            self.at(0, 0);
            stage.clone_into(&mut self.shared.stage.lock().expect("nobody panics while holding it"));
        }
    }

    /// How far it has got.
    pub(crate) fn at(&self, done: u64, total: u64) {
        self.shared.done.store(done, Ordering::Relaxed);
        self.shared.total.store(total, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.watcher.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn watch(shared: &Shared, stopped: &mpsc::Receiver<()>) {
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
