//! A store as a value: its name, the faults that can be caused in it, and how to record on it, behind one trait.
//!
//! Everything that is particular to one store is in its folder. Its name appears in one other place: [`ALL`]. To add
//! a store, add a folder with a `backend.rs` and a line to [`ALL`].

use super::http::Description;
use super::switches::{Switch, Switches};
use super::{embedded, etcd, express_redis, http, memcached, postgres, redis, redis_sentinel};
use crate::journal::FileSink;
use crate::system::{Capabilities, Means, ServerError};
use crate::{Clock, Journal, Nemesis, RunCounts, RunOutcome, RunSettings, Stop, Store, run};
use histories::Function;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use workloads::{Plan, Strike, WorkloadKind};

/// Every store that can be driven. The first one is the default.
pub static ALL: [&dyn Backend; 8] = [
    &embedded::Embedded,
    &redis::GivenRedis,
    &redis_sentinel::RedisSentinel,
    &http::GivenApplication,
    &express_redis::ExpressRedis,
    &postgres::Postgres,
    &etcd::Etcd,
    &memcached::Memcached,
];

/// Names of the operations that renew a session's time to live, unless a store has its own list.
const RENEWED_BY: [&str; 5] = ["create", "write", "patch", "touch", "renew"];

/// A store that can be driven.
pub trait Backend: Sync + std::fmt::Debug {
    /// The name that users type.
    fn name(&self) -> &'static str;

    /// A description of one line.
    fn summary(&self) -> &'static str;

    /// The settings of the store's stack.
    fn switches(&self) -> &'static [Switch] {
        &[]
    }

    /// The workloads that the store can be driven with, the default first. An empty list means all, with registers as
    /// the default.
    fn workload_kinds(&self) -> &'static [WorkloadKind] {
        &[]
    }

    /// The default fault: one that the store has reason to fear. `None` if the run may not break the servers.
    fn usual_fault(&self) -> Option<&'static str>;

    /// How long the load continues after the last fault, by default.
    fn after_heal(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// Whether sessions have full lifecycles by default, as in the embedded store: they end, act, and are sometimes
    /// left alone.
    fn has_session_lifecycles(&self) -> bool {
        false
    }

    /// Whether the store lives in a simulation, where the same seed gives the same history. Only the embedded store
    /// does.
    fn is_simulated(&self) -> bool {
        false
    }

    /// The operations that cannot be done to its sessions.
    fn unsupported_functions(&self, _choices: &Choices) -> Vec<Function> {
        Vec::new()
    }

    /// Whether a file describes the store.
    fn is_described(&self) -> bool {
        false
    }

    /// The operations that give a session its full time to live again.
    fn renewing_operations(&self, _choices: &Choices) -> Vec<String> {
        RENEWED_BY.map(str::to_owned).to_vec()
    }

    /// Whether the store can confirm reads.
    ///
    /// # Errors
    /// The reason why it cannot.
    fn can_confirm_reads(&self) -> Result<(), String> {
        Err(format!("{} has no reads to confirm (WAIT)", self.name()))
    }

    /// The names of its nodes.
    fn node_names(&self, choices: &Choices) -> Result<Vec<String>, String>;

    /// What a target may be called beside its nodes: roles that it has, ends that only links have.
    fn other_names(&self, _choices: &Choices) -> Vec<String> {
        Vec::new()
    }

    /// Every command and signal that a plan would take, without taking any.
    fn dry_run(&self, _choices: &Choices, _plan: &Plan) -> Result<String, String> {
        Err(format!(
            "{} breaks servers of its own, and has no commands to show; --plan shows when",
            self.name()
        ))
    }

    /// Whether a fault may be caused on it at all, whatever this machine permits; if not, why.
    fn check_strike(&self, _strike: &Strike, _choices: &Choices) -> Result<(), String> {
        Ok(())
    }

    /// Describes how a fault can be caused in the store on this machine, for the listing; `None` if it can never be
    /// caused.
    fn describe_means(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String>;

    /// Whether replicas can be read one by one under this workload, so that the time until they agree can be
    /// measured.
    fn can_read_replicas(&self, _kind: WorkloadKind) -> bool {
        true
    }

    /// Whether the store counts the writes that reach its servers.
    fn counts_writes(&self) -> bool {
        true
    }

    /// Checks that the programs that the store needs are on this machine.
    fn check_requirements(&self) -> Result<(), ServerError> {
        Ok(())
    }

    /// Describes how the store is set up, for progress displays.
    fn describe_setup(&self, choices: &Choices) -> String {
        choices.switches.describe_set_switches()
    }

    /// Whether an unprivileged user needs a user namespace for the store.
    fn wants_user_namespace(&self, _choices: &Choices) -> bool {
        false
    }

    /// Starts the store if the run is to start it, and records on it.
    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String>;
}

/// The user's choices that concern particular stores.
#[derive(Clone, Debug)]
pub struct Choices {
    /// The embedded store's options.
    pub embedded: embedded::EmbeddedOptions,
    /// Servers that are already running, `host:port`, the primary first.
    pub addresses: Vec<String>,
    /// Sentinels that are already running.
    pub sentinels: Vec<String>,
    /// The process ids of servers that are already running, by server.
    pub processes: Vec<(String, i32)>,
    /// A command that restarts one of these servers.
    pub restart_command: Option<String>,
    /// The settings of the stack.
    pub switches: Switches,
    /// The description of a web application, and the file that it was read from.
    pub description: Option<(PathBuf, Description)>,
    /// How many replicas must confirm a write, and how long to wait for them.
    pub wait: Option<(u32, Duration)>,
    /// Whether reads go to the server next to the client.
    pub replica_reads: bool,
    /// Whether the same number of replicas must confirm what a read returns.
    pub confirms_reads: bool,
    /// The number of connected replicas without which a primary refuses writes, and their highest lag in seconds.
    pub min_replicas: Option<(u32, u32)>,
    /// By which means faults of links are caused, if the user chose one.
    pub means: Option<Means>,
    /// How long sessions live.
    pub time_to_live: Duration,
    /// Whether ids and tokens appear in the history unchanged.
    pub keep_secrets: bool,
    /// Whether a described application is not tried before the run.
    pub skip_probe: bool,
}

/// A recording that is about to begin.
pub struct Recording {
    /// The settings of the run.
    pub settings: RunSettings,
    /// The sink that the history is written to.
    pub sink: FileSink,
    /// The first line of the history.
    pub header: String,
    /// Counts of what has happened so far.
    pub counts: Arc<RunCounts>,
    /// Requested when the recording is to end.
    pub stop: Stop,
    /// Shows the user a message that is not an error.
    pub remark: fn(&str),
}

impl Recording {
    /// Returns the output of a step before the recording.
    ///
    /// # Errors
    /// The run was asked to stop before the step was done.
    pub async fn unless_stopped<T>(&self, step: impl Future<Output = T>) -> Result<T, String> {
        let done = self.stop.finish_unless_requested(step).await;
        done.ok_or_else(|| "the run was asked to stop before it began".to_owned())
    }

    /// Records on a store that is running, in real time.
    pub async fn record_in_real_time<S: Store, N: Nemesis>(
        self,
        store: S,
        nemesis: &mut N,
    ) -> Result<RunOutcome, String> {
        let clock = Clock::start_real();
        let journal = Journal::new(self.sink, clock.clone(), &self.header).map_err(|why| why.to_string())?;
        let (journal, settings) = (Arc::new(journal), &self.settings);
        let ran = run(store, nemesis, settings, clock, journal, self.counts, self.stop).await;
        ran.map_err(|why| why.to_string())
    }
}

/// Describes the means by which a fault of links can be caused on this machine; `None` if none of these means can.
pub(super) fn describe_link_means(
    strike: &Strike,
    all: &[Means],
    capabilities: &Capabilities,
) -> Option<String> {
    let can = all.iter().filter(|means| capabilities.check_fault(**means, strike.fault).is_ok());
    let names: Vec<&str> = can.map(|means| means.name()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// Whether a strike affects links between servers, as opposed to links to clients.
pub(super) fn is_between_servers(strike: &Strike) -> bool {
    use workloads::{Fault, Target};
    match &strike.target {
        Some(Target::Link { from, to, .. }) => **from != Target::Client && **to != Target::Client,
        _ => matches!(strike.fault, Fault::OneWay | Fault::Bridge | Fault::MajoritiesRing),
    }
}

/// Whether a fault strikes processes.
pub(super) fn is_of_processes(strike: &Strike) -> bool {
    use workloads::Fault;
    matches!(strike.fault, Fault::Kill | Fault::Pause | Fault::Restart | Fault::Drain)
}
