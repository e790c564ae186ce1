//! `steadfast check --follow`: judges a history while it is being written.
//!
//! This file reads, waits and prints; [`StreamJudge`] has the stream judged.

use crate::args::CheckPlan;
use crate::exit::Exit;
use crate::output;
use crate::report::{self, CheckFindings, ReportFormat, ReportWriter};
use crate::stream_input::{self, StreamInput};
use crate::stream_judge::{QUIET, StreamJudge, StreamTrouble};
use crate::times::PhaseTimes;
use checker::{
    Basis, Model, Monitor, MonitorAnswer, MonitorLimits, MonitorVerdict, OnlineViolation, Question,
    SESSION_ASSUMPTION,
};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

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
    let monitor = Monitor::new(build_question(plan)?, MonitorLimits::within(plan.bytes));
    let monitor = monitor.map_err(|why| why.to_string())?;
    let stop = recorder::Stop::default();
    let _guard = stop.request_on_signals();
    let reading_ends = Arc::new(AtomicBool::new(false));
    let input = stream_input::start_reading(source, Arc::clone(&reading_ends))?;
    let reads_file = matches!(source, crate::args::HistorySource::File(_));
    let mut follower = StreamFollower::new(plan, source.name(), monitor);
    let mut late_inputs = 0;
    loop {
        let stops = stop.is_requested();
        if stops {
            reading_ends.store(true, Ordering::SeqCst);
        }
        let goes_on = match input.recv_timeout(if stops && !reads_file { Duration::ZERO } else { QUIET }) {
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
    }
    Ok(follower.finish())
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
    out: output::ResultWriter,
    /// The worst exit code that does not follow from the verdicts.
    exit: Exit,
    began: Instant,
    progress_at: Instant,
    progress_events: u64,
    told_about_clock: bool,
}

impl<'a> StreamFollower<'a> {
    fn new(plan: &'a CheckPlan, name: String, monitor: Monitor) -> Self {
        let now = Instant::now();
        Self {
            plan,
            name,
            judge: StreamJudge::new(monitor),
            report: report::report_writer(plan.format, plan.quiet, output::terminal_width()),
            out: output::ResultWriter::new(plan.color),
            exit: Exit::Holds,
            began: now,
            progress_at: now,
            progress_events: 0,
            told_about_clock: false,
        }
    }

    /// Takes what was read. Returns whether to go on.
    fn take_input(&mut self, input: StreamInput) -> bool {
        match input {
            StreamInput::Bytes(bytes) => {
                let taken = self.judge.take_bytes(&bytes);
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
            StreamInput::Replaced if self.judge.lines.unfinished_bytes() > 0 => self.end_with(&format!(
                "line {}: the file was replaced in the middle of this line",
                self.judge.lines.unfinished_line()
            )),
            StreamInput::Replaced => {
                output::print_note(&format!(
                    "{} was replaced; reading the new file from its beginning",
                    self.name
                ));
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
        output::print_error(&format!("{}: {why}. Nothing after this is judged", self.name));
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
            output::print_warning(&format!(
                "the time of event {event} lies {back} before that of an earlier event. The order of the stream counts; if \
                 it is not the order in which the events happened, verdicts can be wrong"
            ));
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
        match judged {
            Ok(()) => true,
            Err(trouble) => self.end_with_trouble(trouble),
        }
    }

    /// Prints the violations that are new, each as `check` prints it.
    fn print_violations(&mut self) {
        for violation in self.judge.monitor.take_violations() {
            write_violation(&mut *self.report, &mut self.out, &self.name, violation);
        }
    }

    fn print_progress(&mut self) {
        let elapsed = self.progress_at.elapsed();
        if self.plan.quiet || elapsed < PROGRESS_EVERY {
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
        if self.judge.lines.unfinished_bytes() > 0 && self.exit == Exit::Holds {
            let line = self.judge.lines.unfinished_line();
            let why = format!("line {line}: the stream ends in the middle of this line");
            match self.plan.reading.lenient {
                true => output::print_note(&format!("{}: {why}; it was dropped (--lenient)", self.name)),
                false => _ = self.end_with(&why),
            }
        }
        self.judge_now();
        let answers: Vec<FollowedLevel> =
            self.judge.monitor.answers().map(|answer| describe_answer(&answer)).collect();
        let has = |verdict: &str| answers.iter().any(|answer| answer.verdict == verdict);
        let verdict =
            ["violated", "unknown", "untested"].into_iter().find(|&name| has(name)).unwrap_or("holds");
        let exit = match verdict {
            "violated" => Exit::Violated,
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
            levels: answers,
        };
        let _ = match self.plan.format {
            ReportFormat::Json => write_json(&told, &mut self.out),
            _ => write_text(&told, &mut self.out),
        };
        self.out.finish(exit.max(self.exit))
    }
}

/// Writes a violation that was found in a stream, as `check` writes it. A failed write is remembered by the writer.
pub(crate) fn write_violation(
    report: &mut dyn ReportWriter,
    out: &mut dyn Write,
    stream: &str,
    violation: &OnlineViolation,
) {
    let name = format!("{stream} at event {}", violation.event);
    let findings = CheckFindings {
        name: &name,
        history: &violation.history,
        question: &violation.question,
        report: &violation.report,
        basis: Basis::from_history(&violation.history, violation.question.failed_cas),
        measured: None,
        times: &PhaseTimes::unmeasured(),
        explains: None,
    };
    let _ = report.write_checked(&findings, out);
    let _ = out.flush();
}

fn name_so_far(verdict: &MonitorVerdict<'_>) -> &'static str {
    match verdict {
        MonitorVerdict::HoldsSoFar => "holds so far",
        other => other.name(),
    }
}

/// The verdicts about a stream, as they are printed at its end.
#[derive(Serialize)]
struct FollowedStream<'a> {
    history: &'a str,
    followed: bool,
    model: &'a str,
    verdict: &'a str,
    /// The number of events.
    events: u64,
    /// The number of events before the slowest open operation.
    judged: u64,
    levels: Vec<FollowedLevel>,
}

#[derive(Serialize)]
struct FollowedLevel {
    level: &'static str,
    verdict: &'static str,
    /// The event that made a violation certain, or from which on the level is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The number of keys that the reason applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assumption: Option<&'static str>,
}

fn describe_answer(answer: &MonitorAnswer<'_>) -> FollowedLevel {
    let (event, reason, keys) = match answer.verdict {
        MonitorVerdict::Violated(violation) => (Some(violation.event), None, None),
        MonitorVerdict::Unknown(from) => {
            (Some(from.event), Some(from.reason.clone()), Some(from.objects).filter(|&keys| keys > 0))
        }
        MonitorVerdict::HoldsSoFar | MonitorVerdict::Untested => (None, None, None),
    };
    let needs_assumption =
        matches!(answer.property, checker::Property::Level(level) if level.is_session_guarantee());
    FollowedLevel {
        level: answer.property.name(),
        verdict: answer.verdict.name(),
        event,
        reason,
        keys,
        assumption: needs_assumption.then_some(SESSION_ASSUMPTION),
    }
}

fn write_json(told: &FollowedStream<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, told)?;
    writeln!(out)
}

fn write_text(told: &FollowedStream<'_>, out: &mut dyn Write) -> io::Result<()> {
    if told.verdict == "violated" {
        writeln!(out)?;
    }
    writeln!(out, "followed: {}", told.history)?;
    writeln!(out, "{}: {} events, judged up to event {}\n", told.model, told.events, told.judged)?;
    for level in &told.levels {
        let detail = match (level.event, &level.reason) {
            (Some(event), None) => format!("certain since event {event}"),
            (Some(event), Some(reason)) => format!("from event {event} on: {reason}"),
            _ => String::new(),
        };
        writeln!(out, "{}", format!("  {:<8}  {:<19}  {detail}", level.verdict, level.level).trim_end())?;
    }
    if let Some(assumption) = told.levels.iter().find_map(|level| level.assumption) {
        let text = format!("Each verdict on a session guarantee {assumption}.");
        for line in report::layout::wrap_text(&text, output::terminal_width().saturating_sub(2)) {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out)
}
