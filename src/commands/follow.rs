//! `steadfast check --follow`: judges a history while it is being written.
//!
//! This file understands the options and reads; [`StreamFollower`] has the stream judged and prints.

use super::follower::{OTHER_MODELS, StreamFollower};
use crate::args::{CheckPlan, FollowPlan, HistorySource};
use crate::exit::Exit;
use crate::input::read_trace_map;
use crate::output;
use crate::output_file::is_same_file;
use crate::stream_checkpoint::StreamState;
use crate::stream_input::{self, StreamReading};
use crate::stream_judge::QUIET;
use crate::stream_objectives::count_for_objectives;
use crate::stream_sorter::LateSorter;
use crate::stream_spans::start_receiving;
use crate::stream_watch::StreamWatchers;
use crate::traces::SpanStream;
use checker::measurements::StreamFigures;
use checker::{Model, Monitor, MonitorError, MonitorLimits, Question};
use histories::HistoryBuilder;
use recorder::Stop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

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
    let stop = Stop::default();
    let mut guard = Some(stop.request_on_signals());
    let reading_ends = Arc::new(AtomicBool::new(false));
    let offset = resumed.as_ref().map_or(0, |state| state.place.offset());
    // A file, or a receiver of spans, has an end after the signal.
    let has_end = matches!(source, HistorySource::File(_));
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
    let reading = match &follow.listen {
        Some(address) => {
            follower.read_spans(open_spans(plan, follow)?);
            receive_spans(address, stop.clone())?
        }
        None => stream_input::start_reading(source, Arc::clone(&reading_ends), offset)?,
    };
    follower.has_view = follow.view && follower.watchers.open_view();
    follower.recall_violations();
    let mut late_inputs = 0;
    loop {
        let stops = stop.is_requested();
        if stops {
            reading_ends.store(true, Ordering::SeqCst);
            // There is nothing to undo: from here on, a signal ends the program at once.
            drop(guard.take());
        }
        let goes_on = match reading.input.recv_timeout(if stops && !has_end { Duration::ZERO } else { QUIET })
        {
            // A pipe that is never silent is read up to what waited when the signal came.
            Ok(_) if stops && !has_end && late_inputs > stream_input::CHUNKS_MAX => false,
            Ok(input) => {
                late_inputs += usize::from(stops);
                follower.take_input(input)
            }
            Err(RecvTimeoutError::Timeout) if stops && !has_end => false,
            Err(RecvTimeoutError::Timeout) => follower.judge_in_silence(),
            Err(RecvTimeoutError::Disconnected) => false,
        };
        if !goes_on {
            break;
        }
        if follower.has_ended() {
            reading_ends.store(true, Ordering::SeqCst);
        }
        follower.print_progress();
        follower.watchers.show_if_due(&follower.judge, reading.unread_bytes());
    }
    drop(guard);
    // Exporters whose spans are not judged any more are told.
    drop(reading);
    Ok(follower.finish())
}

/// A reader of spans, by the map that the user gave.
fn open_spans(plan: &CheckPlan, follow: &FollowPlan) -> Result<SpanStream, String> {
    let map = plan.reading.map.as_deref().expect("a plan that receives spans has a map");
    Ok(SpanStream::new(read_trace_map(map)?, follow.lateness_ns().unwrap_or(0), plan.bytes / 4))
}

/// Starts to receive spans, and says where.
fn receive_spans(address: &str, stop: Stop) -> Result<StreamReading, String> {
    let (reading, address) = start_receiving(address, stop)?;
    output::print_status(&format!(
        "listening on {address} for spans, OTLP over gRPC and HTTP (http://{address}/v1/traces); Ctrl-C ends it"
    ));
    Ok(reading)
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
        || state.sorter.as_ref().map(LateSorter::lateness_ns)
            != plan.follow.as_ref().and_then(FollowPlan::lateness_ns)
    {
        return Err(format!(
            "{} was written with other options (model, levels, initial values, rules of sessions, objectives, memory, lateness or bounds). Pass the same, or \
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
