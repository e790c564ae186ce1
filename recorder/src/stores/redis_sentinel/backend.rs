//! Redis under Sentinels as a [`Backend`].

use super::{SentinelCluster, SentinelOptions};
use crate::RunOutcome;
use crate::stores::backend::{Backend, Choices, Recording, describe_link_means, is_of_processes};
use crate::system::{
    Capabilities, Disk, Machine, MachineNeeds, Means, Preload, ServerError, find_program, run_isolated,
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

    fn summary(&self) -> &'static str {
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

    fn describe_means(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        let (name, fault) = (self.name(), strike.fault);
        if fault.strikes_links() {
            let how = describe_link_means(strike, &[Means::Packets, Means::Proxies], capabilities);
            return Some(format!("{name} ({})", how.as_deref().unwrap_or("not possible here")));
        }
        if is_of_processes(strike) || fault == Fault::Replace {
            return Some(name.to_owned());
        }
        Machine::is_machine_fault(fault).then(|| match probe_machine_fault(fault) {
            Ok(()) => name.to_owned(),
            Err(why) => format!("{name} (not possible here: {why})"),
        })
    }

    fn check_requirements(&self) -> Result<(), ServerError> {
        PROGRAMS.iter().try_for_each(|(program, package)| find_program(program, package).map(drop))
    }

    fn wants_user_namespace(&self, choices: &Choices) -> bool {
        choices.means != Some(Means::Proxies)
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        run_isolated(|isolation| async move {
            let plan = recording.settings.plan.clone();
            let means = SentinelCluster::choose_means(choices.means, &isolation, &plan)?;
            let (needs, min_replicas) = (MachineNeeds::for_plan(&plan), choices.min_replicas);
            let options = SentinelOptions { min_replicas, means: Some(means), needs };
            let started = recording.unless_stopped(SentinelCluster::start(options, isolation)).await?;
            let mut cluster = started.map_err(|why| why.to_string())?;
            cluster.check_plan(&plan)?;
            let kind = recording.settings.workload.kind;
            let store = cluster.open_store(kind, choices.replica_reads, choices.wait, choices.time_to_live);
            let store = if choices.confirms_reads { store.confirming_reads() } else { store };
            recording.record_in_real_time(store, &mut cluster).await
        })
    }
}

/// Checks that a fault of the machine that a server runs on can be caused here.
pub(crate) fn probe_machine_fault(fault: Fault) -> Result<(), String> {
    match fault {
        Fault::FullDisk => Disk::probe(),
        _ => Preload::probe(),
    }
}
