//! Redis under Sentinels as a [`Backend`].

use super::{SentinelCluster, SentinelOptions};
use crate::Outcome;
use crate::stores::backend::{Backend, Choices, Recording, is_of_processes, means_in_words};
use crate::system::{
    Capabilities, Disk, Machine, Means, Needs, Preload, ServerError, find_program, isolated,
};
use std::time::Duration;
use workloads::{Fault, Strike};

/// The required programs, each with the package that contains it.
pub(crate) const PROGRAMS: [(&str, &str); 2] =
    [("redis-server", "redis-server"), ("redis-sentinel", "redis-sentinel")];

/// How long it takes until Sentinels have told an old primary, and it has discarded its writes.
pub(crate) const AFTER_HEAL: Duration = Duration::from_secs(16);

/// A primary, replicas and Sentinels that the run starts itself.
#[derive(Debug)]
pub struct RedisSentinel;

impl Backend for RedisSentinel {
    fn name(&self) -> &'static str {
        "redis-sentinel"
    }

    fn line(&self) -> &'static str {
        "a primary, two replicas and three Sentinels, started for the run"
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("partition")
    }

    fn after_heal(&self) -> Duration {
        AFTER_HEAL
    }

    fn can_confirm_reads(&self) -> Result<(), String> {
        Ok(())
    }

    fn node_names(&self, _choices: &Choices) -> Result<Vec<String>, String> {
        Ok(SentinelCluster::node_names())
    }

    fn place(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        let (name, fault) = (self.name(), strike.fault);
        if fault.is_of_links() {
            let how = means_in_words(strike, &[Means::Packets, Means::Proxies], capabilities);
            return Some(format!("{name} ({})", how.as_deref().unwrap_or("not possible here")));
        }
        if is_of_processes(strike) || fault == Fault::Replace {
            return Some(name.to_owned());
        }
        Machine::has(fault).then(|| match probe_machine(fault) {
            Ok(()) => name.to_owned(),
            Err(why) => format!("{name} (not possible here: {why})"),
        })
    }

    fn missing(&self) -> Result<(), ServerError> {
        PROGRAMS.iter().try_for_each(|(program, package)| find_program(program, package).map(drop))
    }

    fn wants_own_users(&self, choices: &Choices) -> bool {
        choices.means != Some(Means::Proxies)
    }

    fn record(&self, choices: &Choices, recording: Recording) -> Result<Outcome, String> {
        isolated(|isolation| async move {
            let plan = recording.settings.plan.clone();
            let means = SentinelCluster::means(choices.means, &isolation, &plan)?;
            let (needs, min_replicas) = (Needs::of(&plan), choices.min_replicas);
            let options = SentinelOptions { min_replicas, means: Some(means), needs };
            let started = recording.unless_stopped(SentinelCluster::start(options, isolation)).await?;
            let mut cluster = started.map_err(|why| why.to_string())?;
            cluster.can(&plan)?;
            let kind = recording.settings.workload.kind;
            let store = cluster.store(kind, choices.replica_reads, choices.wait, choices.time_to_live);
            let store = if choices.confirms_reads { store.confirming_reads() } else { store };
            recording.drive(store, &mut cluster).await
        })
    }
}

/// Checks that a fault of the machine that a server runs on can be caused here.
pub(crate) fn probe_machine(fault: Fault) -> Result<(), String> {
    match fault {
        Fault::FullDisk => Disk::probe(),
        _ => Preload::probe(),
    }
}
