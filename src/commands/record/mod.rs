//! `steadfast record`: drives a store under faults and writes the history. The stores have files of their own.

mod databases;
mod exercised;
mod redis;
mod replay;
mod web;

use crate::args::{HistoryFile, RunPlan, StoreName};
use crate::exit::Exit;
use crate::live::Live;
use crate::output;
use crate::output_file::refuse_existing;
use crate::report::rehearsal::rehearsal;
use crate::spans;
use recorder::journal::FileSink;
use recorder::stores::embedded;
use recorder::system::{Means, own_users};
use recorder::{Clock, Counts, Journal, Nemesis, Outcome, Stop, Store, Unread};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use workloads::Kind;

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
    match spans::export(file, target) {
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
    pub(crate) outcome: Outcome,
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
    if plan.only_plan {
        super::print(&rehearsal(plan, output::width()));
        return Ok(None);
    }
    announce(plan);
    if plan.store == StoreName::RedisSentinel && plan.means != Some(Means::Proxies) {
        // Before there is a second thread. If it may not, the network will not be its own either, and says why.
        let _ = own_users();
    }
    let (sink, file) = create_journal(plan)?;
    let (counts, stop) = (Arc::new(Counts::default()), Stop::default());
    let undoing = stop.on_signals();
    let live = Live::start(counts.clone(), plan.quiet);
    let recording = Recording { plan, sink, header: header(plan), counts, stop };
    let result = match plan.store {
        StoreName::Embedded => on_embedded(recording),
        StoreName::Redis => redis::on_redis(recording),
        StoreName::RedisSentinel => redis::on_redis_sentinel(recording),
        StoreName::Http => web::on_http(recording),
        StoreName::ExpressRedis => web::on_express_redis(recording),
        StoreName::Postgres => databases::on_postgres(recording),
        StoreName::Etcd => databases::on_etcd(recording),
        StoreName::Memcached => databases::on_memcached(recording),
    };
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

fn on_embedded(recording: Recording<'_>) -> Result<Outcome, String> {
    let Recording { plan, sink, header, counts, stop } = recording;
    embedded::simulate(&plan.embedded, &plan.settings, sink, &header, counts, stop)
        .map_err(|why| why.to_string())
}

/// What every recording needs, beside a store and whom it is broken by.
struct Recording<'a> {
    plan: &'a RunPlan,
    sink: FileSink,
    header: String,
    counts: Arc<Counts>,
    stop: Stop,
}

impl Recording<'_> {
    /// What a step before the recording yields; an error if the run is asked to stop first.
    async fn unless_stopped<T>(&self, step: impl Future<Output = T>) -> Result<T, String> {
        let done = self.stop.unless_asked(step).await;
        done.ok_or_else(|| "the run was asked to stop before it began".to_owned())
    }

    /// Records on a store that is there, in real time.
    async fn drive<S: Store, N: Nemesis>(self, store: S, nemesis: &mut N) -> Result<Outcome, String> {
        let clock = Clock::real();
        let journal = Journal::new(self.sink, clock.clone(), &self.header).map_err(|why| why.to_string())?;
        let (journal, settings) = (Arc::new(journal), &self.plan.settings);
        let ran = recorder::run(store, nemesis, settings, clock, journal, self.counts, self.stop).await;
        ran.map_err(|why| why.to_string())
    }
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
    if plan.settings.workload.kind == Kind::Session {
        header["time_to_live_ms"] = (plan.time_to_live.as_millis() as u64).into();
        header["renewed_by"] = serde_json::json!(plan.renewed_by());
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
    let setup = match plan.store {
        StoreName::Embedded => {
            let (replication, reads) = (plan.embedded.replication.name(), plan.embedded.reads.name());
            let bugs: String = plan.embedded.bugs.iter().map(|bug| format!(", bug {}", bug.name())).collect();
            format!(" ({replication} replication, reads at {reads}{bugs})")
        }
        StoreName::Redis => {
            let named = |(number, address)| format!("n{number} {address}");
            let servers: Vec<String> = (1..).zip(&plan.addresses).map(named).collect();
            format!(" ({})", servers.join(", "))
        }
        StoreName::Http => match &plan.stack.description {
            Some((file, _)) => format!(" ({})", file.display()),
            None => String::new(),
        },
        _ => match plan.stack.switches.shown() {
            set if set.is_empty() => set,
            set => format!(" ({set})"),
        },
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

fn summarize(plan: &RunPlan, outcome: &Outcome, file: &Path) {
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
