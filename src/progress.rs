//! A progress bar on standard error for work that takes more than a second.
//!
//! One thread reads two counters ten times a second, so the work itself pays for an atomic store and reads no clock. If
//! standard error is not a terminal there is no thread and no bar. Nothing is drawn in the first second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Called with the stage, and with the position and the extent within it; an extent of 0 is unknown.
pub type ProgressListener = Box<dyn Fn(&str, u64, u64) + Send + Sync>;

/// Shows the progress of some work until it is dropped.
pub(crate) struct ProgressDisplay {
    shared: Arc<ProgressState>,
    #[cfg(feature = "command-line")]
    bar: Option<bar::DrawnBar>,
    listener: Option<ProgressListener>,
}

#[derive(Default)]
struct ProgressState {
    stage: Mutex<String>,
    done: AtomicU64,
    total: AtomicU64,
}

impl ProgressDisplay {
    /// Starts the display if standard error is a terminal and `quiet` is not set.
    #[cfg(feature = "command-line")]
    pub(crate) fn start(quiet: bool) -> ProgressDisplay {
        let shared = Arc::new(ProgressState::default());
        let bar = bar::DrawnBar::start(quiet, &shared);
        ProgressDisplay { shared, bar, listener: None }
    }

    /// Shows nothing; a listener, if there is one, is told instead.
    pub(crate) fn tell(listener: Option<ProgressListener>) -> ProgressDisplay {
        ProgressDisplay {
            shared: Arc::default(),
            #[cfg(feature = "command-line")]
            bar: None,
            listener,
        }
    }

    /// Names the current stage. [`ProgressDisplay::set_position`] gives its extent, if that is known.
    pub(crate) fn set_stage(&self, stage: &str) {
        if self.is_watched() {
            stage.clone_into(&mut self.shared.stage.lock().expect("nobody panics while holding it"));
            self.set_position(0, 0);
        }
    }

    /// Sets the position within the stage; a total of 0 means unknown.
    pub(crate) fn set_position(&self, done: u64, total: u64) {
        self.shared.done.store(done, Ordering::Relaxed);
        self.shared.total.store(total, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            listener(&self.shared.stage.lock().expect("nobody panics while holding it"), done, total);
        }
    }

    #[cfg(feature = "command-line")]
    fn is_watched(&self) -> bool {
        self.bar.is_some() || self.listener.is_some()
    }

    #[cfg(not(feature = "command-line"))]
    fn is_watched(&self) -> bool {
        self.listener.is_some()
    }
}

/// The bar itself.
#[cfg(feature = "command-line")]
mod bar {
    use super::ProgressState;
    use indicatif::{ProgressBar, ProgressStyle};
    use std::io::IsTerminal;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc::{self, RecvTimeoutError, Sender};
    use std::thread::JoinHandle;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_millis(100);

    /// The thread that draws the bar until this is dropped.
    pub(super) struct DrawnBar {
        thread: Option<(Sender<()>, JoinHandle<()>)>,
    }

    impl DrawnBar {
        pub(super) fn start(quiet: bool, shared: &Arc<ProgressState>) -> Option<DrawnBar> {
            let watched = !quiet && std::io::stderr().is_terminal();
            watched.then(|| {
                let (stop, stopped) = mpsc::channel();
                let shared = Arc::clone(shared);
                let thread = std::thread::spawn(move || draw_progress(&shared, &stopped));
                DrawnBar { thread: Some((stop, thread)) }
            })
        }
    }

    impl Drop for DrawnBar {
        fn drop(&mut self) {
            if let Some((stop, thread)) = self.thread.take() {
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
}
