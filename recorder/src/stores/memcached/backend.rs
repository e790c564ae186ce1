//! memcached as a value.

use super::{MemcachedCluster, MemcachedStore, SWITCHES};
use crate::RunOutcome;
use crate::stores::backend::{Backend, Choices, Recording};
use crate::stores::hosts;
use crate::stores::switches::Switch;
use crate::system::{Capabilities, ServerError, find_program, run_isolated};
use workloads::{Strike, WorkloadKind};

/// Nodes of our own, without replication.
#[derive(Debug)]
pub struct Memcached;

impl Backend for Memcached {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn summary(&self) -> &'static str {
        "nodes without replication, started for the run: the control that makes none"
    }

    fn switches(&self) -> &'static [Switch] {
        SWITCHES
    }

    fn workload_kinds(&self) -> &'static [WorkloadKind] {
        MemcachedStore::KINDS
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("kill")
    }

    fn node_names(&self, choices: &Choices) -> Result<Vec<String>, String> {
        MemcachedCluster::node_names(&choices.switches)
    }

    fn describe_means(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        hosts::describe_host_means(self.name(), strike, capabilities)
    }

    fn check_requirements(&self) -> Result<(), ServerError> {
        find_program("memcached", "memcached").map(drop)
    }

    fn can_read_replicas(&self, _: WorkloadKind) -> bool {
        false
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        run_isolated(|isolation| async move {
            let started = MemcachedCluster::start(&choices.switches, isolation);
            let mut cluster = recording.unless_stopped(started).await?.map_err(|why| why.to_string())?;
            cluster.check_plan(&recording.settings.plan)?;
            let store = cluster.open_store(recording.settings.workload.kind, choices.time_to_live);
            recording.record_in_real_time(store, &mut cluster).await
        })
    }
}
