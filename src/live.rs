//! What a recording is doing, on standard error, while it does it.
//!
//! On a terminal one line that is drawn anew each second; elsewhere a plain line every five. Nothing in the
//! first second, so that a simulation that takes no time says nothing.

use recorder::{Counts, Tally};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_secs(1);
/// Between two plain lines, in ticks.
const PLAIN: u64 = 5;

/// Somebody who tells. Ends when dropped.
pub(crate) struct Live(Option<(Sender<()>, JoinHandle<()>)>);

impl Live {
    /// Begins to tell, unless it should be quiet.
    pub(crate) fn start(counts: Arc<Counts>, quiet: bool) -> Live {
        if quiet {
            return Live(None);
        }
        let (stop, stopped) = mpsc::channel();
        Live(Some((stop, std::thread::spawn(move || tell(&counts, &stopped)))))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn tell(counts: &Counts, stopped: &mpsc::Receiver<()>) {
    let terminal = std::io::stderr().is_terminal();
    let began = Instant::now();
    let (mut before, mut ticks) = (Tally::default(), 0);
    let mut drawn = false;
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        ticks += 1;
        let now = counts.tally();
        let text = line(began.elapsed(), now, before);
        before = now;
        // Whether anybody reads this is no reason to stop.
        if terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
            drawn = true;
        } else if ticks % PLAIN == 0 {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
    if drawn {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

fn line(elapsed: Duration, now: Tally, before: Tally) -> String {
    let total = |tally: Tally| tally.ok + tally.fail + tally.info;
    format!(
        "{:>4} s  {:>6} op/s  {} ok  {} failed  {} unknown  {} in flight",
        elapsed.as_secs(),
        (total(now) - total(before)) / TICK.as_secs(),
        now.ok,
        now.fail,
        now.info,
        now.in_flight
    )
}
