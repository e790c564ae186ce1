//! What a recording is doing, on standard error, while it does it.
//!
//! How long it goes on, operations a second, how they ended, how many are in flight, and which faults are on.
//! On a terminal one line that is drawn anew each second; elsewhere a plain line every five. Nothing in the
//! first second, so that a simulation that takes no time says nothing.

use crate::output;
use recorder::{RunCounts, Tally};
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
    pub(crate) fn start(counts: Arc<RunCounts>, quiet: bool) -> Live {
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

fn tell(counts: &RunCounts, stopped: &mpsc::Receiver<()>) {
    let terminal = std::io::stderr().is_terminal();
    let began = Instant::now();
    let (mut before, mut told, mut ticks) = (Tally::default(), began, 0_u64);
    let mut drawn = false;
    while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        ticks += 1;
        if !terminal && !ticks.is_multiple_of(PLAIN) {
            continue;
        }
        let now = counts.current_tally();
        let rate = (total(now) - total(before)) as f64 / told.elapsed().as_secs_f64();
        let text = line(began.elapsed(), rate, now, &counts.active_faults());
        (before, told) = (now, Instant::now());
        // Whether anybody reads this is no reason to stop.
        if terminal {
            // One line, or drawing it anew would leave the rest of it.
            let text: String = text.chars().take(output::width() - 1).collect();
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
            drawn = true;
        } else {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
    if drawn {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}

fn total(tally: Tally) -> u64 {
    tally.ok + tally.fail + tally.info
}

fn line(elapsed: Duration, rate: f64, now: Tally, faults: &[String]) -> String {
    let Tally { ok, fail, info, in_flight } = now;
    let faults = if faults.is_empty() { String::new() } else { format!("  {}", faults.join("; ")) };
    let seconds = elapsed.as_secs();
    format!(
        "{seconds:>4} s  {rate:>6.0} op/s  {ok} ok  {fail} failed  {info} unknown  {in_flight} in flight{faults}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_it_goes_and_what_is_on() {
        let now = Tally { ok: 550, fail: 40, info: 10, in_flight: 7 };
        let told =
            line(Duration::from_millis(12_900), 499.6, now, &["partition n1".into(), "skew=1s n2".into()]);
        let expected =
            "  12 s     500 op/s  550 ok  40 failed  10 unknown  7 in flight  partition n1; skew=1s n2";
        assert_eq!(told, expected);
    }
}
