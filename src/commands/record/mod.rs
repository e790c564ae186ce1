//! `steadfast record`: drives a store under faults and writes the history. What is specific to a store is in `recorder`.

mod exercised;
mod live_judge;
mod replay;
mod silent_parts;

use crate::args::{HistoryFile, LivePlan, RunPlan, SpanTarget};
use crate::exit::Exit;
use crate::live::LiveStatus;
use crate::output;
use crate::output_file::{refuse_equal_outputs, refuse_existing, refuse_other_form};
use crate::report::layout::count_noun;
use crate::report::rehearsal::describe_plan;
use crate::spans;
use crate::stream_watch::PendingSpans;
use live_judge::LiveJudge;
use recorder::journal::FileSink;
use recorder::stores::backend::Recording;
use recorder::system::enter_user_namespace;
use recorder::{RunCounts, RunOutcome, Stop, Unread};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use workloads::WorkloadKind;

/// The number of names that are tried for a history if the user gave none.
const NAMES_MAX: u32 = 1000;

pub(crate) fn run_record(plan: &RunPlan) -> Exit {
    match record_run(plan, None) {
        Ok(Some(recorded)) => export_spans(plan, &recorded.file).max(recorded.exit_code()),
        Ok(None) => Exit::Holds,
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

/// Exports the recording as spans, if the user asked for that.
pub(crate) fn export_spans(plan: &RunPlan, file: &Path) -> Exit {
    let Some(target) = &plan.spans else { return Exit::Holds };
    match spans::export_history(file, target, plan.force) {
        Ok(done) => {
            output::print_status(&done);
            Exit::Holds
        }
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

/// A finished recording.
pub(crate) struct RecordedRun {
    pub(crate) outcome: RunOutcome,
    /// The file with the history.
    pub(crate) file: PathBuf,
    /// The reasons why it says nothing about the store, or does not answer what the user asked. They have been printed.
    shortcomings: Vec<String>,
    /// The violations that are still to be sent to a collector.
    pub(crate) spans: Option<PendingSpans>,
}

impl RecordedRun {
    /// The exit code: a run that did not test the store does not end with 0.
    pub(crate) fn exit_code(&self) -> Exit {
        if self.shortcomings.is_empty() { Exit::Holds } else { Exit::Unknown }
    }
}

/// Records a run and reports it on standard error. Returns none if the user asked only for the plan. `live` has the history
/// judged while it is written.
pub(crate) fn record_run(plan: &RunPlan, live: Option<&LivePlan>) -> Result<Option<RecordedRun>, String> {
    if plan.only_plan {
        super::print_result(&describe_plan(plan, output::terminal_width()));
        if plan.store.is_described() {
            super::print_result(&plan.store.dry_run(&plan.choices, &plan.settings.plan)?);
        }
        return Ok(None);
    }
    announce_run(plan);
    if plan.store.wants_user_namespace(&plan.choices) {
        // This must happen before a second thread starts. If it is not permitted, setting up the network fails later and
        // names the reason.
        let _ = enter_user_namespace();
    }
    let (sink, file) = create_journal(plan)?;
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    let undoing = stop.request_on_signals();
    let judging = live.map(|live| LiveJudge::start(live, &file, stop.clone())).transpose();
    let judging = judging.inspect_err(|_| remove_empty_file(&file))?;
    let status = LiveStatus::start(counts.clone(), plan.quiet);
    let recording = Recording {
        settings: plan.settings.clone(),
        sink,
        header: history_header(plan),
        counts,
        stop,
        remark: output::print_note,
    };
    let result = plan.store.record_run(&plan.choices, recording);
    drop(status);
    // All changes to the machine are undone: from here on a signal may end the program at once.
    drop(undoing);
    match result {
        Ok(outcome) => {
            let spans = judging.and_then(LiveJudge::finish);
            summarize_run(plan, &outcome, &file);
            silent_parts::find_silent_parts(&file).iter().for_each(|silent| output::print_note(silent));
            let shortcomings = exercised::find_shortcomings(plan, &outcome);
            for shortcoming in &shortcomings {
                output::print_warning(shortcoming);
            }
            Ok(Some(RecordedRun { outcome, file, shortcomings, spans }))
        }
        Err(why) if is_empty_file(&file) => {
            remove_empty_file(&file);
            Err(why)
        }
        Err(why) => Err(format!("{why}\nThe recording so far is in {}.", file.display())),
    }
}

/// Creates the journal under its final name, so that the recording survives a crash. If the default name is taken, a number
/// is added to it.
fn create_journal(plan: &RunPlan) -> Result<(FileSink, PathBuf), String> {
    let inputs: Vec<&Path> = plan.inputs.iter().map(PathBuf::as_path).collect();
    let path = plan.output.path();
    refuse_equal_outputs(&plan.output_files())?;
    if let Some(SpanTarget::File(spans)) = &plan.spans {
        // Checked before the run, which would otherwise be wasted.
        refuse_existing(spans, plan.force, &inputs)?;
    }
    match &plan.output {
        HistoryFile::Usual(_) if !plan.force => {}
        _ => return create_typed_journal(path, plan.force, &inputs).map(|sink| (sink, path.to_owned())),
    }
    for number in 1..=NAMES_MAX {
        let fresh =
            if number == 1 { path.to_owned() } else { path.with_extension(format!("{number}.jsonl")) };
        match FileSink::create(&fresh) {
            Ok(sink) => {
                if number > 1 {
                    let (old, new) = (path.display(), fresh.display());
                    output::print_note(&format!("{old} exists, so the history is written to {new}"));
                }
                return Ok((sink, fresh));
            }
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(describe_create_error(&fresh, &why)),
        }
    }
    Err(format!("{} and {NAMES_MAX} files with similar names exist. Pass --output FILE.", path.display()))
}

/// Creates the journal under the name that the user typed.
pub(crate) fn create_typed_journal(path: &Path, force: bool, inputs: &[&Path]) -> Result<FileSink, String> {
    refuse_other_form(path, "a recording is")?;
    refuse_existing(path, force, inputs)?;
    let create = if force { FileSink::replace } else { FileSink::create };
    create(path).map_err(|why| describe_create_error(path, &why))
}

fn describe_create_error(path: &Path, why: &io::Error) -> String {
    format!("failed to write {}: {why}", path.display())
}

/// Removes a file in which nothing was recorded: it would look like a history.
fn remove_empty_file(path: &Path) {
    if is_empty_file(path) {
        let _ = std::fs::remove_file(path);
    }
}

fn is_empty_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0)
}

/// The first line of the history: what was run, and the command that runs it again.
fn history_header(plan: &RunPlan) -> String {
    let mut header = serde_json::json!({
        "steadfast": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "store": plan.store.name(),
        "workload": plan.settings.workload.kind.name(),
        "seed": plan.settings.workload.seed,
        "command": replay::replay_command(plan),
        "start": start_name(plan),
    });
    if let Some(name) = &plan.settings.workload.run {
        header["run"] = serde_json::json!(&**name);
    }
    if plan.settings.workload.kind == WorkloadKind::Session {
        header["time_to_live_ms"] = (plan.choices.time_to_live.as_millis() as u64).into();
        header["renewed_by"] = serde_json::json!(plan.store.renewing_operations(&plan.choices));
    }
    // The first field identifies the line as a header.
    let rest = header.as_object().expect("an object").iter().filter(|(name, _)| *name != "steadfast");
    let fields: Vec<String> = rest.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{\"steadfast\":1,{}}}", fields.join(","))
}

/// Whether the stack is warm when the load begins, in a word.
fn start_name(plan: &RunPlan) -> &'static str {
    if plan.settings.warm_start { "warm" } else { "cold" }
}

fn announce_run(plan: &RunPlan) {
    let (store, settings) = (plan.store.name(), &plan.settings);
    let (workload, seed) = (settings.workload.kind.name(), settings.workload.seed);
    let setup = match plan.store.describe_setup(&plan.choices) {
        nothing if nothing.is_empty() => nothing,
        setup => format!(" ({setup})"),
    };
    let faults = if settings.plan.episodes.is_empty() {
        "no faults".to_owned()
    } else {
        format!("faults:\n{}", settings.plan).trim_end().to_owned()
    };
    let long = workloads::format_duration(settings.duration + settings.after_heal);
    output::print_status(&format!(
        "{store}{setup}, workload {workload}, {} start, seed {seed}, {long}; {faults}",
        start_name(plan)
    ));
}

/// The number of unread objects that are named.
const UNREAD_NAMED: usize = 5;

/// Describes the objects whose final read failed, with the reason.
fn describe_unread(unread: &Unread) -> String {
    let count = unread.objects.len();
    let why = unread.limit.as_ref().map_or(String::new(), |limit| format!(" ({limit})"));
    if count == 0 {
        return if why.is_empty() { why } else { format!("; the final reads are incomplete{why}") };
    }
    let mut names =
        unread.objects.iter().take(UNREAD_NAMED).map(|name| &**name).collect::<Vec<_>>().join(", ");
    if count > UNREAD_NAMED {
        names += ", …";
    }
    let objects = if count == 1 { "object" } else { "objects" };
    format!("; the final read of {count} {objects} failed{why}: {names}")
}

fn summarize_run(plan: &RunPlan, outcome: &RunOutcome, file: &Path) {
    let tally = outcome.tally;
    let total = tally.ok + tally.fail + tally.info;
    let mut text = format!(
        "{} in {}: {} ok, {} failed, {} indeterminate",
        count_noun(total as usize, "operation"),
        workloads::format_duration(outcome.took),
        tally.ok,
        tally.fail,
        tally.info,
    );
    text += &format!("; at most {} in flight", outcome.most_in_flight);
    if let Some((count, took)) = outcome.warm_up {
        text += &format!("; {count} of them before the load, in {}", workloads::format_duration(took));
    }
    if outcome.dropped > 0 {
        text += &format!("; {} requests were not sent because no client was free", outcome.dropped);
    }
    text += &describe_unread(&outcome.unread);
    if outcome.stopped {
        text += "; stopped early";
    }
    output::print_status(&text);
    output::print_status(&format!("history: {}\nagain:   {}", file.display(), replay::replay_command(plan)));
}
