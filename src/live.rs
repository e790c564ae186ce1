//! The status of a recording on standard error while it runs.
//!
//! The status line shows the elapsed time, operations per second, outcomes, operations in flight, and active faults. On a
//! terminal the line is redrawn each second; elsewhere a plain line is printed every five seconds. Nothing is printed in
//! the first second, so a simulation that finishes at once prints nothing.

use crate::output;
use recorder::{RunCounts, Tally};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_secs(1);
/// Ticks between two plain lines.
const PLAIN: u64 = 5;

/// The thread that prints the status. Ends when dropped.
pub(crate) struct LiveStatus(Option<(Sender<()>, JoinHandle<()>)>);

impl LiveStatus {
    /// Starts the thread unless `quiet` is set.
    pub(crate) fn start(counts: Arc<RunCounts>, quiet: bool) -> LiveStatus {
        if quiet {
            return LiveStatus(None);
        }
        let (stop, stopped) = mpsc::channel();
        LiveStatus(Some((stop, std::thread::spawn(move || report_status(&counts, &stopped)))))
    }
}

impl Drop for LiveStatus {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn report_status(counts: &RunCounts, stopped: &mpsc::Receiver<()>) {
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
        let rate = (count_operations(now) - count_operations(before)) as f64 / told.elapsed().as_secs_f64();
        let text = format_status_line(began.elapsed(), rate, now, &counts.active_faults());
        (before, told) = (now, Instant::now());
        // A failed write is ignored: the run does not depend on a reader.
        if terminal {
            // Cut to one line: redrawing a longer one would leave its rest on the screen.
            let text: String = text.chars().take(output::terminal_width() - 1).collect();
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

fn count_operations(tally: Tally) -> u64 {
    tally.ok + tally.fail + tally.info
}

fn format_status_line(elapsed: Duration, rate: f64, now: Tally, faults: &[String]) -> String {
    let Tally { ok, fail, info, in_flight } = now;
    let faults = if faults.is_empty() { String::new() } else { format!("  {}", faults.join("; ")) };
    let seconds = elapsed.as_secs();
    format!(
        "{seconds:>4} s  {rate:>6.0} op/s  {ok} ok  {fail} failed  {info} indeterminate  {in_flight} in flight{faults}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_it_goes_and_what_is_on() {
        let now = Tally { ok: 550, fail: 40, info: 10, in_flight: 7 };
        let told = format_status_line(
            Duration::from_millis(12_900),
            499.6,
            now,
            &["partition n1".into(), "skew=1s n2".into()],
        );
        let expected =
            "  12 s     500 op/s  550 ok  40 failed  10 indeterminate  7 in flight  partition n1; skew=1s n2";
        assert_eq!(told, expected);
    }
}
