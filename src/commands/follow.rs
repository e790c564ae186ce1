//! `steadfast check --follow`: judges a history while it is being written.
//!
//! This file reads, waits and prints; [`StreamJudge`] has the stream judged.

use super::followed::{FollowedStream, write_json, write_text};
use crate::args::{CheckPlan, ColorMode, FollowPlan, HistorySource};
use crate::exit::Exit;
use crate::output;
use crate::output_file::is_same_file;
use crate::report::{self, ReportFormat, ReportWriter};
use crate::stream_checkpoint::{CheckpointWriter, FilePlace, ResumedWriter, StreamState};
use crate::stream_input::{self, StreamInput};
use crate::stream_judge::{QUIET, StreamJudge, StreamTrouble};
use crate::stream_levels::describe_answers;
use crate::stream_objectives::{count_for_objectives, describe_objectives};
use crate::stream_sorter::LateSorter;
use crate::stream_violation::write_violation;
use crate::stream_watch::{StreamWatchers, wait_for_spans};
use checker::measurements::StreamFigures;
use checker::{
    Model, Monitor, MonitorAnswer, MonitorError, MonitorLimits, MonitorVerdict, OnlineViolation, Property,
    Question,
};
use histories::HistoryBuilder;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// What to pass if the stream is not about registers.
const OTHER_MODELS: &str =
    "For transactions, pass --model list-append or --model rw-register; for a session store, --model session";

/// The time between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run_follow(plan: &CheckPlan) -> Exit {
    match follow_stream(plan) {
        Ok(exit) => exit,
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

fn follow_stream(plan: &CheckPlan) -> Result<Exit, String> {
    let source = &plan.sources[0];
    let resumed = read_checkpoint(plan)?;
    let stop = recorder::Stop::default();
    let guard = stop.request_on_signals();
    let reading_ends = Arc::new(AtomicBool::new(false));
    let offset = resumed.as_ref().map_or(0, |state| state.place.offset());
    let reads_file = matches!(source, HistorySource::File(_));
    let follow = plan.follow.as_ref().expect("only a plan that follows comes here");
    let watchers = StreamWatchers::start(&follow.watch, &source.name())?;
    let mut follower = match resumed {
        Some(state) => StreamFollower::resume(plan, watchers, state),
        None => {
            let monitor = Monitor::new(build_question(plan)?, build_limits(plan))
                .map_err(|why| describe_refusal(plan, &why))?;
            StreamFollower::new(plan, watchers, monitor, count_for_plan(plan)?)
        }
    };
    let reading = stream_input::start_reading(source, Arc::clone(&reading_ends), offset)?;
    follower.has_view = follow.view && follower.watchers.open_view();
    follower.recall_violations();
    let mut late_inputs = 0;
    loop {
        let stops = stop.is_requested();
        if stops {
            reading_ends.store(true, Ordering::SeqCst);
        }
        let goes_on =
            match reading.input.recv_timeout(if stops && !reads_file { Duration::ZERO } else { QUIET }) {
                // A pipe that is never silent is read up to what waited when the signal came.
                Ok(_) if stops && !reads_file && late_inputs > stream_input::CHUNKS_MAX => false,
                Ok(input) => {
                    late_inputs += usize::from(stops);
                    follower.take_input(input)
                }
                Err(RecvTimeoutError::Timeout) if stops && !reads_file => false,
                Err(RecvTimeoutError::Timeout) => follower.judge_now(),
                Err(RecvTimeoutError::Disconnected) => false,
            };
        if !goes_on {
            break;
        }
        if follower.judge.lines.has_ended {
            reading_ends.store(true, Ordering::SeqCst);
        }
        follower.print_progress();
        follower.watchers.show_if_due(&follower.judge, reading.unread_bytes());
    }
    // There is nothing to undo: from here on, a signal ends the program at once.
    drop(guard);
    Ok(follower.finish())
}

/// The limits that the options describe.
fn build_limits(plan: &CheckPlan) -> MonitorLimits {
    let staleness_bound_ns = plan.follow.as_ref().and_then(FollowPlan::staleness_bound_ns);
    let session_idle_ns = plan.follow.as_ref().and_then(FollowPlan::session_idle_ns);
    let within = MonitorLimits::within(plan.bytes.max(MonitorLimits::BYTES_MIN));
    MonitorLimits { staleness_bound_ns, session_idle_ns, ..within }
}

/// The counters for the objectives that the options describe.
fn count_for_plan(plan: &CheckPlan) -> Result<StreamFigures, String> {
    let rules = plan.follow.as_ref().map_or(&[][..], |follow| follow.watch.alert_rules());
    count_for_objectives(&plan.measuring.objectives, rules)
}

/// Says what to pass if the stream is about something else.
fn describe_refusal(plan: &CheckPlan, why: &MonitorError) -> String {
    match (why, plan.model) {
        (MonitorError::OfflineOnly(_), None) => {
            format!("{why}. {OTHER_MODELS}")
        }
        _ => why.to_string(),
    }
}

/// The state of an earlier process that followed the same file with the same options.
fn read_checkpoint(plan: &CheckPlan) -> Result<Option<StreamState>, String> {
    let Some(path) = plan.follow.as_ref().and_then(|follow| follow.checkpoint.as_deref()) else {
        return Ok(None);
    };
    let HistorySource::File(history) = &plan.sources[0] else {
        return Err(
            "--checkpoint needs a file: what was read from standard input cannot be found again".to_owned()
        );
    };
    if is_same_file(history, path) {
        return Err(format!("{} is the history itself. Pass another file to --checkpoint", path.display()));
    }
    let Some(state) = StreamState::read(path)? else { return Ok(None) };
    if *state.monitor.question() != question_of_state(plan, &state)?
        || state.monitor.limits() != build_limits(plan)
        || !state.figures.objectives().eq(count_for_plan(plan)?.objectives())
    {
        return Err(format!(
            "{} was written with other options (model, levels, initial values, rules of sessions, objectives, memory or bounds). Pass the same, or \
             remove the file to begin again",
            path.display()
        ));
    }
    state.place.check_file(history)?;
    output::print_note(&format!(
        "going on after event {} of {} (--checkpoint)",
        state.lines.event_count(),
        history.display()
    ));
    Ok(Some(state))
}

/// The question that the options describe, with what the header of the stream says of sessions.
fn question_of_state(plan: &CheckPlan, state: &StreamState) -> Result<Question, String> {
    let mut question = build_question(plan)?;
    if question.model == Model::Session && state.lines.event_count() > 0 {
        let mut builder = HistoryBuilder::new();
        if let Some(header) = state.lines.header() {
            builder.set_header(header);
        }
        question.sessions = plan.sessions.session_rules(&builder.finish())?;
    }
    Ok(question)
}

/// The question that the options describe. Without `--model` it is about registers.
fn build_question(plan: &CheckPlan) -> Result<Question, String> {
    let model = plan.model.unwrap_or(Model::Register);
    let mut question = Question::about(model);
    if let Some(typed) = &plan.properties {
        let meant = typed.iter().map(|property| {
            property.resolve_for_model(model).ok_or_else(|| {
                format!("the level {} is not defined for the model {}", property.name(), model.name())
            })
        });
        question.asked = Some(meant.collect::<Result<_, _>>()?);
    }
    question.initial = plan.initial.clone();
    question.failed_cas = plan.failed_cas;
    question.assume = plan.assume;
    question.accept_untested = plan.accept_untested;
    Ok(question)
}

/// Passes a stream to the monitor, and prints what it finds.
struct StreamFollower<'a> {
    plan: &'a CheckPlan,
    name: String,
    judge: StreamJudge,
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
    watchers: StreamWatchers,
    /// If events may come out of order.
    sorter: Option<LateSorter>,
    /// Whether the state is shown on the terminal.
    has_view: bool,
    /// What waits until the view has ended, because it would be printed on the same terminal.
    held_output: Vec<u8>,
}

impl<'a> StreamFollower<'a> {
    fn new(plan: &'a CheckPlan, watchers: StreamWatchers, monitor: Monitor, figures: StreamFigures) -> Self {
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
            has_view: false,
            held_output: Vec::new(),
        }
    }

    /// Goes on from the state of an earlier process.
    fn resume(plan: &'a CheckPlan, watchers: StreamWatchers, state: StreamState) -> Self {
        let already = state.read_printed_since();
        let mut follower = Self::new(plan, watchers, state.monitor, state.figures);
        let plain = plan.color != ColorMode::Always;
        follower.out = ResumedWriter::new(output::ResultWriter::new(plan.color), already, plain);
        follower.judge.lines = state.lines;
        follower.place = state.place;
        follower.watchers.begin_rate(&follower.judge);
        follower
    }

    /// Takes whole lines. Returns whether to go on.
    fn take_bytes(&mut self, bytes: &[u8]) -> bool {
        let before = match self.checkpoint {
            Some(_) => self.judge.lines.unfinished().to_vec(),
            None => Vec::new(),
        };
        let taken = self.judge.take_bytes(bytes);
        if self.checkpoint.is_some() && taken.is_ok() {
            let rest = self.judge.lines.unfinished_bytes();
            let whole = [&before, bytes].concat();
            self.place.advance(&whole[..whole.len() - rest]);
        }
        self.print_violations();
        self.tell_about_clock();
        match taken {
            Ok(()) => {
                let judged = self.judge.judge_if_due();
                self.print_judged(judged)
            }
            Err(trouble) => self.end_with_trouble(trouble),
        }
    }

    /// Takes a line without a newline if it is whole. Returns whether to go on.
    fn take_last_line(&mut self) -> bool {
        if self.exit != Exit::Holds || !self.judge.lines.is_unfinished_line_whole() {
            return true;
        }
        let line = self.judge.lines.unfinished().to_vec();
        let taken = self.judge.take_bytes(b"\n");
        match taken {
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
        let saved = checkpoint.save(&self.place, &self.judge, self.out.bytes_ahead());
        if let Err(why) = saved
            && !std::mem::replace(&mut self.told_about_checkpoint, true)
        {
            let message = format!("--checkpoint: {why}. A killed monitor will begin again");
            self.watchers.messages().tell(&message, output::print_warning);
        }
    }

    /// Takes bytes, and judges the events in the order of their times if they may come out of order. Returns whether to go on.
    fn take_unsorted(&mut self, bytes: &[u8]) -> bool {
        let Some(sorter) = &mut self.sorter else { return self.take_bytes(bytes) };
        let sorted = sorter.add_bytes(bytes);
        self.give_up_late();
        match sorted {
            Ok(sorted) => self.take_bytes(&sorted),
            Err(why) => self.end_with(&why),
        }
    }

    /// Gives up what late events are about.
    fn give_up_late(&mut self) {
        let Some(sorter) = &mut self.sorter else { return };
        let event = self.judge.lines.event_count();
        for late in sorter.take_late() {
            let by = match late.excess_ns {
                0 => "an event does not fit those that came in time".to_owned(),
                excess => {
                    format!("an event came {} too late", report::layout::format_elapsed(excess as f64 / 1e9))
                }
            };
            let key = late.key.as_deref();
            let about = key.map_or_else(String::new, |key| format!(" on key {key}"));
            self.judge.monitor.give_up_key(key, event, &format!("{by}{about} (--lateness)"));
        }
        self.judge.late_events = sorter.late_count();
    }

    /// Takes what was read. Returns whether to go on.
    fn take_input(&mut self, input: StreamInput) -> bool {
        match input {
            StreamInput::Bytes(bytes) => self.take_unsorted(&bytes),
            StreamInput::Replaced if !self.take_last_line() => false,
            StreamInput::Replaced if self.judge.lines.unfinished_bytes() > 0 => self.end_with(&format!(
                "line {}: the file was replaced in the middle of this line",
                self.judge.lines.unfinished_line()
            )),
            StreamInput::Replaced => {
                self.place = FilePlace::default();
                self.judge.lines.begin_file();
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
        let message = format!("{}: {why}. Nothing after this is judged", self.name);
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
    fn recall_violations(&mut self) {
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

    fn print_progress(&mut self) {
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

    /// Judges the rest, and prints the verdicts.
    fn finish(mut self) -> Exit {
        if self.exit == Exit::Holds
            && let Some(waiting) = self.sorter.as_mut().map(LateSorter::finish)
        {
            self.give_up_late();
            self.take_bytes(&waiting);
        }
        self.take_last_line();
        self.judge_now();
        // What cannot be judged is not in the state: another process may find it mended, and a line completed.
        let mut sound = self.exit == Exit::Holds;
        if sound {
            self.save_state();
        }
        if self.judge.lines.unfinished_bytes() > 0 && sound {
            sound = false;
            let line = self.judge.lines.unfinished_line();
            let why = format!("line {line}: the stream ends in the middle of this line");
            match self.plan.reading.lenient {
                true => {
                    let message = format!("{}: {why}; it was dropped (--lenient)", self.name);
                    self.watchers.messages().tell(&message, output::print_note);
                }
                false => _ = self.end_with(&why),
            }
            self.judge_now();
        }
        self.watchers.close_view();
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
