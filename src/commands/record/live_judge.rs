//! `steadfast run --live`: judges a recording while it is being written.
//!
//! A thread follows the file of the history, as `check --follow` does, and prints each violation on standard error when it
//! is certain. When the run has ended, the whole file is checked, so nothing here changes a verdict.

use crate::args::{HistorySource, LivePlan};
use crate::output;
use crate::report::layout::count_noun;
use crate::report::{self, ReportFormat};
use crate::stream_input::{self, StreamInput, StreamReading};
use crate::stream_judge::{QUIET, StreamJudge, StreamTrouble};
use crate::stream_objectives::count_for_some;
use crate::stream_violation::{write_smallest_part, write_violation};
use crate::stream_watch::{PendingSpans, StreamWatchers, wait_for_spans};
use checker::{Monitor, MonitorLimits};
use recorder::Stop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;

/// The thread that judges. When this is dropped, the thread judges what was written by then, and ends.
pub(super) struct LiveJudge {
    writing_ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<Option<PendingSpans>>>,
}

impl LiveJudge {
    /// Starts the thread. With `--until violated`, the first violation requests the end of the run.
    pub(super) fn start(plan: &LivePlan, file: &Path, stop: Stop) -> Result<Self, String> {
        let monitor = Monitor::new(plan.question.clone(), MonitorLimits::within(plan.bytes));
        let monitor = monitor.map_err(|why| format!("--live: {why}"))?;
        let writing_ends = Arc::new(AtomicBool::new(false));
        let name = file.display().to_string();
        let watchers = StreamWatchers::start(&plan.watch, &name)?;
        let reading =
            stream_input::start_reading(&HistorySource::File(file.to_owned()), Arc::clone(&writing_ends), 0)?;
        let figures = count_for_some(&plan.objectives, plan.watch.alert_rules());
        let run = JudgedRun {
            judge: StreamJudge::new(monitor, plan.sessions.clone(), figures),
            name,
            file: file.to_owned(),
            watchers,
            stop: plan.until_violated.then_some(stop),
        };
        let thread = std::thread::spawn(move || run.follow(&reading));
        Ok(Self { writing_ends, thread: Some(thread) })
    }
}

impl LiveJudge {
    /// Has everything judged that was written by now. Returns the spans that are still to be sent.
    pub(super) fn finish(mut self) -> Option<PendingSpans> {
        self.end_thread()
    }

    fn end_thread(&mut self) -> Option<PendingSpans> {
        self.writing_ends.store(true, Ordering::SeqCst);
        self.thread.take().and_then(|thread| thread.join().ok()).flatten()
    }
}

impl Drop for LiveJudge {
    fn drop(&mut self) {
        wait_for_spans(self.end_thread().into_iter().collect());
    }
}

/// A run whose history is judged while it is written.
struct JudgedRun {
    judge: StreamJudge,
    name: String,
    file: PathBuf,
    watchers: StreamWatchers,
    /// The run that a violation ends.
    stop: Option<Stop>,
}

impl JudgedRun {
    fn follow(mut self, reading: &StreamReading) -> Option<PendingSpans> {
        loop {
            let (judged, goes_on) = match reading.input.recv_timeout(QUIET) {
                Ok(StreamInput::Bytes(bytes)) => {
                    let judged = self.judge.take_bytes(&bytes).and_then(|()| self.judge.judge_if_due());
                    (judged, true)
                }
                Err(RecvTimeoutError::Timeout) => (self.judge.judge_now(), true),
                // A file has none of these.
                Ok(StreamInput::Spans(_) | StreamInput::Warning(_)) => (Ok(()), true),
                Ok(StreamInput::Failed(why)) => (Err(StreamTrouble::Input(why)), false),
                Ok(StreamInput::Replaced | StreamInput::End) | Err(RecvTimeoutError::Disconnected) => {
                    (self.judge.judge_now(), false)
                }
            };
            self.tell_violations();
            if let Err(StreamTrouble::Input(why) | StreamTrouble::Internal(why)) = judged {
                output::print_warning(&format!(
                    "--live: {}: {why}. The rest is judged when the run has ended",
                    self.name
                ));
                break;
            }
            if !goes_on {
                break;
            }
            self.watchers.show_if_due(&self.judge, reading.unread_bytes());
        }
        self.watchers.finish(&self.judge)
    }

    fn tell_violations(&mut self) {
        let mut report = report::report_writer(ReportFormat::Text, false, output::terminal_width());
        let violations = self.judge.monitor.take_violations();
        for violation in &violations {
            write_violation(&mut *report, &mut anstream::stderr().lock(), &self.name, violation);
            self.watchers.tell_violation(&self.name, violation);
        }
        for alert in self.judge.figures.take_alerts() {
            self.watchers.tell_alert(&self.name, &alert);
        }
        let Some(first) = violations.first() else { return };
        if let Some(stop) = self.stop.take() {
            stop.request_stop();
            output::print_status("the first violation ends the run (--until violated)");
            match write_smallest_part(&self.file, first) {
                Ok((path, operations)) => output::print_status(&format!(
                    "{} has the smallest part that shows it: {}",
                    path.display(),
                    count_noun(operations, "operation")
                )),
                Err(why) => output::print_warning(&format!("--until violated: {why}")),
            }
        }
    }
}
