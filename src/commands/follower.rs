//! Passes a stream to the monitor, and prints what it finds and how the stream ends.

use super::followed::{FollowedStream, write_json, write_text};
use crate::args::{CheckPlan, ColorMode, FollowPlan};
use crate::exit::Exit;
use crate::output;
use crate::report::{self, ReportFormat, ReportWriter};
use crate::stream_checkpoint::{CheckpointWriter, FilePlace, ResumedWriter, StreamState};
use crate::stream_input::StreamInput;
use crate::stream_judge::{StreamJudge, StreamTrouble};
use crate::stream_levels::describe_answers;
use crate::stream_lines::is_whole_line;
use crate::stream_objectives::describe_objectives;
use crate::stream_sorter::{LateSorter, SortedPart};
use crate::stream_violation::write_violation;
use crate::stream_watch::{StreamWatchers, wait_for_spans};
use crate::traces::SpanStream;
use checker::measurements::StreamFigures;
use checker::{Monitor, MonitorAnswer, MonitorVerdict, OnlineViolation, Property};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant, SystemTime};

/// What to pass if the stream is not about registers.
pub(super) const OTHER_MODELS: &str =
    "For transactions, pass --model list-append or --model rw-register; for a session store, --model session";

/// The time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Passes a stream to the monitor, and prints what it finds.
pub(super) struct StreamFollower<'a> {
    plan: &'a CheckPlan,
    name: String,
    pub(super) judge: StreamJudge,
    report: Box<dyn ReportWriter>,
    out: ResumedWriter,
    checkpoint: Option<CheckpointWriter>,
    /// The end of the last whole line that was read.
    place: FilePlace,
    told_about_checkpoint: bool,
    /// The worst exit code that does not follow from the verdicts.
    exit: Exit,
    began: Instant,
    progress_at: Instant,
    progress_events: u64,
    told_about_clock: bool,
    pub(super) watchers: StreamWatchers,
    /// If events may come out of order.
    sorter: Option<LateSorter>,
    /// If spans are received.
    spans: Option<SpanStream>,
    /// When spans came last, or time was last noted to pass.
    spans_at: Instant,
    /// Whether the state is shown on the terminal.
    pub(super) has_view: bool,
    /// What waits until the view has ended, because it would be printed on the same terminal.
    held_output: Vec<u8>,
}

impl<'a> StreamFollower<'a> {
    pub(super) fn new(
        plan: &'a CheckPlan,
        watchers: StreamWatchers,
        monitor: Monitor,
        figures: StreamFigures,
    ) -> Self {
        let now = Instant::now();
        Self {
            plan,
            name: plan.sources[0].name(),
            judge: StreamJudge::new(monitor, plan.sessions.clone(), figures),
            report: report::report_writer(plan.format, plan.quiet, output::terminal_width()),
            out: ResumedWriter::new(output::ResultWriter::new(plan.color), Vec::new(), true),
            checkpoint: plan
                .follow
                .as_ref()
                .and_then(|follow| follow.checkpoint.clone())
                .map(CheckpointWriter::new),
            place: FilePlace::default(),
            told_about_checkpoint: false,
            exit: Exit::Holds,
            began: now,
            progress_at: now,
            progress_events: 0,
            told_about_clock: false,
            watchers,
            sorter: plan
                .follow
                .as_ref()
                .and_then(FollowPlan::lateness_ns)
                .map(|lateness| LateSorter::new(lateness, plan.bytes)),
            spans: None,
            spans_at: now,
            has_view: false,
            held_output: Vec::new(),
        }
    }

    /// Goes on from the state of an earlier process.
    pub(super) fn resume(plan: &'a CheckPlan, watchers: StreamWatchers, state: StreamState) -> Self {
        let already = state.read_printed_since();
        let mut follower = Self::new(plan, watchers, state.monitor, state.figures);
        let plain = plan.color != ColorMode::Always;
        follower.out = ResumedWriter::new(output::ResultWriter::new(plan.color), already, plain);
        follower.judge.lines = state.lines;
        follower.sorter = state.sorter.map(|sorter| sorter.resume(plan.bytes));
        follower.judge.late_events = follower.sorter.as_ref().map_or(0, LateSorter::late_count);
        follower.place = state.place;
        follower.watchers.begin_rate(&follower.judge);
        follower
    }

    /// Whether the event came with which a recording ends.
    pub(super) fn has_ended(&self) -> bool {
        self.judge.lines.has_ended || self.sorter.as_ref().is_some_and(LateSorter::has_ended)
    }

    /// Takes bytes. Returns whether to go on.
    fn take_bytes(&mut self, bytes: &[u8]) -> bool {
        let before = match self.checkpoint {
            Some(_) => self.unfinished().to_vec(),
            None => Vec::new(),
        };
        let taken = self.pass_on(bytes);
        if self.checkpoint.is_some() && taken.is_ok() {
            let rest = self.unfinished().len();
            let whole = [&before, bytes].concat();
            self.place.advance(&whole[..whole.len() - rest]);
        }
        self.print_taken(taken)
    }

    /// Judges the spans that come by this reader of theirs.
    pub(super) fn read_spans(&mut self, spans: SpanStream) {
        (self.sorter, self.spans) = (None, Some(spans));
    }

    /// Takes the spans of a request. Returns whether to go on.
    fn take_spans(&mut self, line: &str) -> bool {
        let Some(spans) = &mut self.spans else { return true };
        self.spans_at = Instant::now();
        let mut parts = Vec::new();
        let added = spans.add_request(line, unix_now_ns(), &mut parts);
        self.take_parts(parts, added)
    }

    /// Lets time pass for spans while none come. Returns whether to go on.
    fn pass_time(&mut self) -> bool {
        let Some(spans) = &mut self.spans else { return true };
        let elapsed = std::mem::replace(&mut self.spans_at, Instant::now()).elapsed();
        let mut parts = Vec::new();
        spans.pass_time(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX), unix_now_ns(), &mut parts);
        self.take_parts(parts, Ok(()))
    }

    fn take_parts(&mut self, parts: Vec<SortedPart>, added: Result<(), String>) -> bool {
        let taken = self.judge.take_sorted(parts).and_then(|()| added.map_err(StreamTrouble::Input));
        self.print_taken(taken)
    }

    /// Prints what was found in what was taken. Returns whether to go on.
    fn print_taken(&mut self, taken: Result<(), StreamTrouble>) -> bool {
        self.tell_about_clock();
        match taken {
            Ok(()) => {
                self.print_violations();
                let judged = self.judge.judge_if_due();
                self.print_judged(judged)
            }
            // First, because what is printed then is not in the state: a part of these bytes was judged, and would be judged again.
            Err(trouble) => {
                self.end_with_trouble(trouble);
                self.print_violations();
                false
            }
        }
    }

    /// Has bytes judged, in the order of their times if they may come out of order.
    fn pass_on(&mut self, bytes: &[u8]) -> Result<(), StreamTrouble> {
        let Some(sorter) = &mut self.sorter else { return self.judge.take_bytes(bytes) };
        let mut parts = Vec::new();
        let sorted = sorter.add_bytes(bytes, &mut parts);
        self.judge.take_sorted(parts)?;
        sorted.map_err(StreamTrouble::Input)
    }

    /// The bytes of the line that is not complete.
    fn unfinished(&self) -> &[u8] {
        self.sorter.as_ref().map_or(self.judge.lines.unfinished(), LateSorter::unfinished)
    }

    /// The number of the line that is not complete.
    fn unfinished_line(&self) -> u64 {
        self.sorter.as_ref().map_or(self.judge.lines.unfinished_line(), LateSorter::unfinished_line)
    }

    /// Takes a line without a newline if it is whole. Returns whether to go on.
    fn take_last_line(&mut self) -> bool {
        if self.exit != Exit::Holds || !is_whole_line(self.unfinished()) {
            return true;
        }
        let line = self.unfinished().to_vec();
        match self.pass_on(b"\n") {
            // The newline is not in the file.
            Ok(()) => self.place.advance(&line),
            Err(trouble) => return self.end_with_trouble(trouble),
        }
        self.tell_about_clock();
        true
    }

    /// Writes the state, if that is asked for. A state that cannot be written is reported once.
    fn save_state(&mut self) {
        let _ = self.out.flush();
        let Some(checkpoint) = &mut self.checkpoint else { return };
        let saved = checkpoint.save(&self.place, &self.judge, self.sorter.as_ref(), self.out.bytes_ahead());
        if let Err(why) = saved
            && !std::mem::replace(&mut self.told_about_checkpoint, true)
        {
            let message = format!("--checkpoint: {why}. A killed monitor will begin again");
            self.watchers.messages().tell(&message, output::print_warning);
        }
    }

    /// Takes what was read. Returns whether to go on.
    pub(super) fn take_input(&mut self, input: StreamInput) -> bool {
        match input {
            StreamInput::Bytes(bytes) => self.take_bytes(&bytes),
            StreamInput::Spans(line) => self.take_spans(&line),
            StreamInput::Warning(warning) => {
                self.watchers.messages().tell(&warning, output::print_warning);
                true
            }
            StreamInput::Replaced if !self.take_last_line() => false,
            StreamInput::Replaced if !self.unfinished().is_empty() => self.end_with(&format!(
                "line {}: the file was replaced in the middle of this line",
                self.unfinished_line()
            )),
            StreamInput::Replaced => {
                self.place = FilePlace::default();
                self.judge.lines.begin_file();
                if let Some(sorter) = &mut self.sorter {
                    sorter.begin_file();
                }
                let message = format!("{} was replaced; reading the new file from its beginning", self.name);
                self.watchers.messages().tell(&message, output::print_note);
                true
            }
            StreamInput::Failed(why) => {
                self.end_with(&why);
                false
            }
            StreamInput::End => false,
        }
    }

    /// Reports that the stream cannot be judged any further.
    fn end_with(&mut self, why: &str) -> bool {
        // An event that is missing may have come before those that wait.
        let waiting = self.sorter.as_ref().map_or(0, LateSorter::waiting_count)
            + self.spans.as_ref().map_or(0, SpanStream::waiting_count);
        let waiting = match waiting {
            0 => String::new(),
            count => format!(", nor {} that waited (--lateness)", report::layout::count_noun(count, "event")),
        };
        let message = format!("{}: {why}. Nothing after this is judged{waiting}", self.name);
        self.watchers.messages().tell(&message, output::print_error);
        if self.plan.model.is_none() && why.contains("not a read or a write of a register") {
            self.watchers.messages().tell(OTHER_MODELS, output::print_note);
        }
        self.judge.monitor.end_judgement(self.judge.lines.event_count(), why);
        self.exit = self.exit.max(Exit::BadInput);
        false
    }

    fn end_with_trouble(&mut self, trouble: StreamTrouble) -> bool {
        match trouble {
            StreamTrouble::Input(why) => self.end_with(&why),
            StreamTrouble::Internal(why) => {
                self.exit = Exit::Internal;
                self.end_with(&why)
            }
        }
    }

    fn tell_about_clock(&mut self) {
        if let Some((event, ns)) = self.judge.lines.clock_went_back
            && !std::mem::replace(&mut self.told_about_clock, true)
        {
            let back = report::layout::format_elapsed(ns as f64 / 1e9);
            let message = format!(
                "the time of event {event} lies {back} before that of an earlier event. The order of the stream counts; if \
                 it is not the order in which the events happened, verdicts can be wrong"
            );
            self.watchers.messages().tell(&message, output::print_warning);
        }
    }

    /// Judges everything so far, because nothing came for a while. Returns whether to go on.
    pub(super) fn judge_in_silence(&mut self) -> bool {
        self.pass_time() && self.judge_now()
    }

    /// Judges everything so far. Returns whether to go on.
    fn judge_now(&mut self) -> bool {
        let judged = self.judge.judge_now();
        self.print_judged(judged)
    }

    /// Prints what a judgement found. Returns whether to go on.
    fn print_judged(&mut self, judged: Result<(), StreamTrouble>) -> bool {
        self.print_violations();
        if self.exit == Exit::Holds && self.checkpoint.as_ref().is_some_and(CheckpointWriter::is_due) {
            self.save_state();
        }
        match judged {
            Ok(()) => true,
            Err(trouble) => self.end_with_trouble(trouble),
        }
    }

    /// Shows the violations of an earlier process to those who look at this one, and prints those that it did not print. They keep
    /// their numbers.
    pub(super) fn recall_violations(&mut self) {
        let new: Vec<Property> =
            self.judge.monitor.take_violations().into_iter().map(|violation| violation.property).collect();
        let mut found: Vec<_> = self.judge.monitor.answers().filter_map(violation_of).collect();
        found.sort_by_key(|violation| violation.event);
        let holds_back = self.has_view && io::stdout().is_terminal();
        for violation in found {
            if !new.contains(&violation.property) {
                self.watchers.recall_violation(&self.name, violation);
                continue;
            }
            let out: &mut dyn Write = if holds_back { &mut self.held_output } else { &mut self.out };
            write_violation(&mut *self.report, out, &self.name, violation);
            self.watchers.tell_violation(&self.name, violation);
        }
    }

    /// Prints the violations that are new, each as `check` prints it. They are in the state before they are printed.
    fn print_violations(&mut self) {
        // What follows a mistake in the stream is not in the state: another process may find it mended.
        if self.judge.monitor.has_news() && self.exit == Exit::Holds {
            self.save_state();
        }
        let holds_back = self.has_view && io::stdout().is_terminal();
        for violation in self.judge.monitor.take_violations() {
            let out: &mut dyn Write = if holds_back { &mut self.held_output } else { &mut self.out };
            write_violation(&mut *self.report, out, &self.name, violation);
            self.watchers.tell_violation(&self.name, violation);
        }
        for alert in self.judge.figures.take_alerts() {
            self.watchers.tell_alert(&self.name, &alert);
        }
    }

    pub(super) fn print_progress(&mut self) {
        let elapsed = self.progress_at.elapsed();
        if self.plan.quiet || self.has_view || elapsed < PROGRESS_EVERY {
            return;
        }
        let events = self.judge.monitor.event_count();
        let rate = (events - self.progress_events) as f64 / elapsed.as_secs_f64();
        (self.progress_at, self.progress_events) = (Instant::now(), events);
        let levels: Vec<String> = self
            .judge
            .monitor
            .answers()
            .map(|answer| format!("{} {}", answer.property.name(), name_so_far(&answer.verdict)))
            .collect();
        output::print_status(&format!(
            "{:>4} s  {rate:>7.0} events/s  {events} events  judged up to {}  {} operations kept  {}",
            self.began.elapsed().as_secs(),
            self.judge.monitor.watermark(),
            self.judge.monitor.kept_operations(),
            levels.join("; ")
        ));
    }

    /// Takes the last line, and judges everything. Returns whether the stream is whole.
    fn take_rest(&mut self) -> bool {
        self.take_last_line();
        self.judge_now();
        // What cannot be judged is not in the state: another process may find it mended, and a line completed.
        let mut sound = self.exit == Exit::Holds;
        if sound {
            self.save_state();
        }
        if !self.unfinished().is_empty() && sound {
            sound = false;
            let why = format!("line {}: the stream ends in the middle of this line", self.unfinished_line());
            match self.plan.reading.lenient {
                true => {
                    let message = format!("{}: {why}; it was dropped (--lenient)", self.name);
                    self.watchers.messages().tell(&message, output::print_note);
                }
                false => _ = self.end_with(&why),
            }
        }
        self.judge_waiting();
        self.judge_now();
        sound
    }

    /// Judges what waited, because nothing comes before it any more. It stays in the state as it is: another process may find that the
    /// file has grown.
    fn judge_waiting(&mut self) {
        let waiting = match (&mut self.sorter, &mut self.spans) {
            _ if self.exit != Exit::Holds => None,
            (Some(sorter), _) => Some(sorter.finish()),
            (None, Some(spans)) => Some(spans.finish()),
            (None, None) => None,
        };
        if let Some(parts) = waiting {
            self.checkpoint = None;
            if let Err(trouble) = self.judge.take_sorted(parts) {
                self.end_with_trouble(trouble);
            }
            self.tell_about_clock();
        }
    }

    /// Judges the rest, and prints the verdicts.
    pub(super) fn finish(mut self) -> Exit {
        let sound = self.take_rest();
        self.watchers.close_view();
        for remark in self.spans.as_mut().map(SpanStream::describe_spans).into_iter().flatten() {
            output::print_note(&remark);
        }
        let _ = self.out.write_all(&std::mem::take(&mut self.held_output));
        let answers = describe_answers(&self.judge.monitor);
        let objectives = describe_objectives(&self.judge.figures, true);
        let has = |verdict: &str| {
            let levels = answers.iter().map(|answer| answer.verdict);
            levels.chain(objectives.iter().map(|objective| objective.verdict)).any(|found| found == verdict)
        };
        let verdict = ["violated", "missed", "unknown", "untested"]
            .into_iter()
            .find(|&name| has(name))
            .unwrap_or("holds");
        let exit = match verdict {
            "violated" | "missed" => Exit::Violated,
            "holds" => Exit::Holds,
            _ => Exit::Unknown,
        };
        let told = FollowedStream {
            history: &self.name,
            followed: true,
            model: self.judge.monitor.question().model.name(),
            verdict,
            events: self.judge.monitor.event_count(),
            judged: self.judge.monitor.watermark(),
            late_events: self.judge.late_events,
            levels: answers,
            objectives,
        };
        let _ = match self.plan.format {
            ReportFormat::Json => write_json(&told, &mut self.out),
            _ => write_text(&told, &mut self.out),
        };
        if sound {
            self.save_state();
        }
        let _ = self.out.flush();
        let spans = self.watchers.finish(&self.judge);
        wait_for_spans(spans.into_iter().collect());
        self.out.into_inner().finish(exit.max(self.exit))
    }
}

/// The time of this machine, in nanoseconds since 1970.
fn unix_now_ns() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

fn violation_of(answer: MonitorAnswer<'_>) -> Option<&OnlineViolation> {
    match answer.verdict {
        MonitorVerdict::Violated(violation) => Some(violation),
        _ => None,
    }
}

fn name_so_far(verdict: &MonitorVerdict<'_>) -> &'static str {
    match verdict {
        MonitorVerdict::HoldsSoFar => "holds so far",
        other => other.name(),
    }
}
