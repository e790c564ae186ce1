//! A store as a value: its name, what can be done to it, and how it is recorded on, behind one trait.
//!
//! Whatever is particular to one store is in its folder, and its name stands once outside of that: in [`ALL`]. To add a
//! store, add a folder with a `backend.rs`, and a line here.

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

/// Every store that can be driven. The first is the one unless said.
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

/// What the operations are that renew a session, unless a store knows better.
const RENEWED_BY: [&str; 5] = ["create", "write", "patch", "touch", "renew"];

/// A store that can be driven.
pub trait Backend: Sync + std::fmt::Debug {
    /// The name that users type.
    fn name(&self) -> &'static str;

    /// One line about it.
    fn summary(&self) -> &'static str;

    /// How it can be configured.
    fn switches(&self) -> &'static [Switch] {
        &[]
    }

    /// The workloads that it can be driven with, the usual one first; none: all, registers first.
    fn workload_kinds(&self) -> &'static [WorkloadKind] {
        &[]
    }

    /// The fault unless said: one that it has reason to fear. None where its servers are not ours to break.
    fn usual_fault(&self) -> Option<&'static str>;

    /// How long the load stays on after the last fault, unless said.
    fn after_heal(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// Whether sessions live there as the embedded store has them live, unless said: with ends, actions, and some that
    /// are left alone.
    fn has_session_lifecycles(&self) -> bool {
        false
    }

    /// Whether it lives in a simulation, where the same seed gives the same history, and nothing else is.
    fn is_simulated(&self) -> bool {
        false
    }

    /// What cannot be done to its sessions.
    fn unsupported_functions(&self, _choices: &Choices) -> Vec<Function> {
        Vec::new()
    }

    /// Whether a file describes it.
    fn is_described(&self) -> bool {
        false
    }

    /// The operations that give a session its whole time to live anew.
    fn renewing_operations(&self, _choices: &Choices) -> Vec<String> {
        RENEWED_BY.map(str::to_owned).to_vec()
    }

    /// Whether it can confirm reads; if not, why.
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

    /// How a fault can be caused on it on this machine, for the listing; nothing if it never can.
    fn describe_means(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String>;

    /// Whether its replicas can be read one by one with a workload, so that it can be measured when they agree.
    fn can_read_replicas(&self, _kind: WorkloadKind) -> bool {
        true
    }

    /// Whether it counts the writes that reach its servers.
    fn counts_writes(&self) -> bool {
        true
    }

    /// What it needs that is not on this machine.
    fn check_requirements(&self) -> Result<(), ServerError> {
        Ok(())
    }

    /// How it is set up, for whoever watches the run.
    fn describe_setup(&self, choices: &Choices) -> String {
        choices.switches.describe_set_switches()
    }

    /// Whether a user without privileges needs users of its own for it.
    fn wants_user_namespace(&self, _choices: &Choices) -> bool {
        false
    }

    /// Starts it, if it is ours to start, and records on it.
    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String>;
}

/// What the user chose of what is particular to stores.
#[derive(Clone, Debug)]
pub struct Choices {
    /// The embedded store's options.
    pub embedded: embedded::EmbeddedOptions,
    /// Servers that are there already, `host:port`, the primary first.
    pub addresses: Vec<String>,
    /// Sentinels that are there already.
    pub sentinels: Vec<String>,
    /// Which process is which server, of those that are there already.
    pub processes: Vec<(String, i32)>,
    /// A command that starts one of them again.
    pub restart_command: Option<String>,
    /// How a stack is configured.
    pub switches: Switches,
    /// The description of a web application, and where it is from.
    pub description: Option<(PathBuf, Description)>,
    /// How many replicas must confirm a write, and for how long to wait for them.
    pub wait: Option<(u32, Duration)>,
    /// Whether reads go to the server beside the client.
    pub replica_reads: bool,
    /// Whether as many replicas must confirm what a read shows.
    pub confirms_reads: bool,
    /// With how many replicas a primary writes, and with how much lag in seconds.
    pub min_replicas: Option<(u32, u32)>,
    /// What the links are to be made of, if the user said.
    pub means: Option<Means>,
    /// How long sessions live.
    pub time_to_live: Duration,
    /// Whether ids and tokens stand in the history as they are.
    pub keep_secrets: bool,
    /// Whether a described application is not tried before the run.
    pub skip_probe: bool,
}

/// A recording that is about to begin.
pub struct Recording {
    /// What is done.
    pub settings: RunSettings,
    /// Where it goes.
    pub sink: FileSink,
    /// The first line of the history.
    pub header: String,
    /// What has happened so far.
    pub counts: Arc<RunCounts>,
    /// Asked when it is to end.
    pub stop: Stop,
    /// Tells the user something that is no error.
    pub remark: fn(&str),
}

impl Recording {
    /// What a step before the recording yields; an error if the run is asked to stop first.
    pub async fn unless_stopped<T>(&self, step: impl Future<Output = T>) -> Result<T, String> {
        let done = self.stop.finish_unless_requested(step).await;
        done.ok_or_else(|| "the run was asked to stop before it began".to_owned())
    }

    /// Records on a store that is there, in real time.
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

/// By which means a fault of links can be caused here, in words; none if by neither of these.
pub(super) fn describe_link_means(
    strike: &Strike,
    all: &[Means],
    capabilities: &Capabilities,
) -> Option<String> {
    let can = all.iter().filter(|means| capabilities.check_fault(**means, strike.fault).is_ok());
    let names: Vec<&str> = can.map(|means| means.name()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

/// Whether a strike is at links between servers, and not at those to clients.
pub(super) fn is_between_servers(strike: &Strike) -> bool {
    use workloads::{Fault, Target};
    match &strike.target {
        Some(Target::Link { from, to, .. }) => **from != Target::Client && **to != Target::Client,
        _ => matches!(strike.fault, Fault::OneWay | Fault::Bridge | Fault::MajoritiesRing),
    }
}

/// Whether a fault is one of processes.
pub(super) fn is_of_processes(strike: &Strike) -> bool {
    use workloads::Fault;
    matches!(strike.fault, Fault::Kill | Fault::Pause | Fault::Restart | Fault::Drain)
}
