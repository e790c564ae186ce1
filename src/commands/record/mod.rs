//! `steadfast record`: drives a store under faults and writes the history. The stores have files of their own.

mod exercised;
mod replay;

use crate::args::{HistoryFile, RunPlan, SpanTarget};
use crate::exit::Exit;
use crate::live::Live;
use crate::output;
use crate::output_file::refuse_existing;
use crate::report::rehearsal::rehearsal;
use crate::spans;
use recorder::journal::FileSink;
use recorder::stores::backend::Recording;
use recorder::system::enter_user_namespace;
use recorder::{RunCounts, RunOutcome, Stop, Unread};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use workloads::WorkloadKind;

/// How many names are tried for a history whose name was not typed.
const NAMES_MAX: u32 = 1000;

pub(crate) fn run(plan: &RunPlan) -> Exit {
    match record(plan) {
        Ok(Some(recorded)) => export(plan, &recorded.file).max(recorded.exit()),
        Ok(None) => Exit::Holds,
        Err(why) => {
            output::complain(&why);
            Exit::BadInput
        }
    }
}

/// Exports what was recorded as spans, if that was asked for.
pub(crate) fn export(plan: &RunPlan, file: &Path) -> Exit {
    let Some(target) = &plan.spans else { return Exit::Holds };
    match spans::export(file, target, plan.force) {
        Ok(done) => {
            output::say(&done);
            Exit::Holds
        }
        Err(why) => {
            output::complain(&why);
            Exit::BadInput
        }
    }
}

/// What was recorded.
pub(crate) struct Recorded {
    pub(crate) outcome: RunOutcome,
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Why it says nothing of the store, or not what was asked for. The user has been told.
    shortcomings: Vec<String>,
}

impl Recorded {
    /// How a call ends that recorded this: what did not test the store is not green.
    pub(crate) fn exit(&self) -> Exit {
        if self.shortcomings.is_empty() { Exit::Holds } else { Exit::Unknown }
    }
}

/// Records, and says on standard error what was done. Nothing, if only the plan was asked for.
pub(crate) fn record(plan: &RunPlan) -> Result<Option<Recorded>, String> {
    if plan.is_dry {
        super::print(&plan.store.dry_run(&plan.choices, &plan.settings.plan)?);
        return Ok(None);
    }
    if plan.only_plan {
        super::print(&rehearsal(plan, output::width()));
        return Ok(None);
    }
    announce(plan);
    if plan.store.wants_user_namespace(&plan.choices) {
        // Before there is a second thread. If it may not, the network will not be its own either, and says why.
        let _ = enter_user_namespace();
    }
    let (sink, file) = create_journal(plan)?;
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    let undoing = stop.request_on_signals();
    let live = Live::start(counts.clone(), plan.quiet);
    let recording = Recording {
        settings: plan.settings.clone(),
        sink,
        header: header(plan),
        counts,
        stop,
        remark: output::remark,
    };
    let result = plan.store.record_run(&plan.choices, recording);
    drop(live);
    // Everything is undone: from here on a signal need not wait for that.
    drop(undoing);
    match result {
        Ok(outcome) => {
            summarize(plan, &outcome, &file);
            let shortcomings = exercised::shortcomings(plan, &outcome);
            for shortcoming in &shortcomings {
                output::warn(shortcoming);
            }
            Ok(Some(Recorded { outcome, file, shortcomings }))
        }
        Err(why) if is_empty(&file) => {
            // Nothing was recorded: an empty file would only look like a history.
            let _ = std::fs::remove_file(&file);
            Err(why)
        }
        Err(why) => Err(format!("{why}\nwhat was recorded until then is in {}", file.display())),
    }
}

/// The file of the journal, under its own name from the start: what was recorded is found after a crash. Where the
/// usual name is taken, another is made from it.
fn create_journal(plan: &RunPlan) -> Result<(FileSink, PathBuf), String> {
    let inputs: Vec<&Path> = plan.inputs.iter().map(PathBuf::as_path).collect();
    let failed = |path: &Path, why: io::Error| format!("failed to write {}: {why}", path.display());
    let path = plan.output.path();
    if let Some(SpanTarget::File(spans)) = &plan.spans {
        // Before the run: afterwards it would be a run for nothing.
        refuse_existing(spans, plan.force, &inputs)?;
    }
    match &plan.output {
        HistoryFile::Usual(_) if !plan.force => {}
        _ => {
            refuse_existing(path, plan.force, &inputs)?;
            let create = if plan.force { FileSink::replace } else { FileSink::create };
            return create(path).map(|sink| (sink, path.to_owned())).map_err(|why| failed(path, why));
        }
    }
    for number in 1..=NAMES_MAX {
        let fresh =
            if number == 1 { path.to_owned() } else { path.with_extension(format!("{number}.jsonl")) };
        match FileSink::create(&fresh) {
            Ok(sink) => {
                if number > 1 {
                    let (old, new) = (path.display(), fresh.display());
                    output::remark(&format!("{old} exists, so the history goes to {new}"));
                }
                return Ok((sink, fresh));
            }
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            Err(why) => return Err(failed(&fresh, why)),
        }
    }
    Err(format!("{} and {NAMES_MAX} others like it exist. Name a file: --output", path.display()))
}

fn is_empty(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0)
}

/// The first line of the history: what was run, and how to run it again.
fn header(plan: &RunPlan) -> String {
    let mut header = serde_json::json!({
        "steadfast": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "store": plan.store.name(),
        "workload": plan.settings.workload.kind.name(),
        "seed": plan.settings.workload.seed,
        "command": replay::command(plan),
        "start": start(plan),
    });
    if let Some(name) = &plan.settings.workload.run {
        header["run"] = serde_json::json!(&**name);
    }
    if plan.settings.workload.kind == WorkloadKind::Session {
        header["time_to_live_ms"] = (plan.choices.time_to_live.as_millis() as u64).into();
        header["renewed_by"] = serde_json::json!(plan.store.renewing_operations(&plan.choices));
    }
    // The first field tells what the line is.
    let rest = header.as_object().expect("an object").iter().filter(|(name, _)| *name != "steadfast");
    let fields: Vec<String> = rest.map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{\"steadfast\":1,{}}}", fields.join(","))
}

/// How warm the stack is when the load begins, in a word.
fn start(plan: &RunPlan) -> &'static str {
    if plan.settings.warm_start { "warm" } else { "cold" }
}

fn announce(plan: &RunPlan) {
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
    output::say(&format!(
        "{store}{setup}, workload {workload}, {} start, seed {seed}, {long}; {faults}",
        start(plan)
    ));
}

/// How many of the objects that were not read are named.
const UNREAD_NAMED: usize = 5;

/// What could not be read in the end, and why.
fn unread(unread: &Unread) -> String {
    let count = unread.objects.len();
    let why = unread.limit.as_ref().map_or(String::new(), |limit| format!(" ({limit})"));
    if count == 0 {
        return if why.is_empty() { why } else { format!("; not everything was read in the end{why}") };
    }
    let mut names =
        unread.objects.iter().take(UNREAD_NAMED).map(|name| &**name).collect::<Vec<_>>().join(", ");
    if count > UNREAD_NAMED {
        names += ", …";
    }
    let objects = if count == 1 { "object" } else { "objects" };
    format!("; {count} {objects} could not be read in the end{why}: {names}")
}

fn summarize(plan: &RunPlan, outcome: &RunOutcome, file: &Path) {
    let tally = outcome.tally;
    let total = tally.ok + tally.fail + tally.info;
    let mut text = format!(
        "{total} operations in {} ({} ok, {} failed, {} of which nobody knows)",
        workloads::format_duration(outcome.took),
        tally.ok,
        tally.fail,
        tally.info,
    );
    text += &format!("; at most {} in flight", outcome.most_in_flight);
    if let Some((count, took)) = outcome.warm_up {
        text += &format!("; {count} of them in {} before the load", workloads::format_duration(took));
    }
    if outcome.dropped > 0 {
        text += &format!("; {} requests were never made because no client was free", outcome.dropped);
    }
    text += &unread(&outcome.unread);
    if outcome.stopped {
        text += "; cut short";
    }
    output::say(&text);
    output::say(&format!("history: {}\nagain:   {}", file.display(), replay::command(plan)));
}
