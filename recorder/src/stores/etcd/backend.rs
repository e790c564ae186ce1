//! etcd as a value.

use super::{EtcdCluster, EtcdStore};
use crate::RunOutcome;
use crate::stores::backend::{Backend, Choices, Recording};
use crate::stores::hosts;
use crate::system::{Capabilities, ServerError, find_program, run_isolated};
use workloads::{Strike, WorkloadKind};

/// Three members of our own.
#[derive(Debug)]
pub struct Etcd;

impl Backend for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn summary(&self) -> &'static str {
        "three members, started for the run: the control that keeps its promise"
    }

    fn workload_kinds(&self) -> &'static [WorkloadKind] {
        EtcdStore::KINDS
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("partition")
    }

    fn node_names(&self, _choices: &Choices) -> Result<Vec<String>, String> {
        Ok(EtcdCluster::node_names())
    }

    fn describe_means(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        hosts::describe_host_means(self.name(), strike, capabilities)
    }

    fn check_requirements(&self) -> Result<(), ServerError> {
        find_program("etcd", "etcd-server").map(drop)
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        run_isolated(|isolation| async move {
            let started = recording.unless_stopped(EtcdCluster::start(isolation)).await?;
            let mut cluster = started.map_err(|why| why.to_string())?;
            cluster.check_plan(&recording.settings.plan)?;
            let kind = recording.settings.workload.kind;
            let store = cluster.open_store(kind, choices.replica_reads, choices.time_to_live);
            recording.record_in_real_time(store, &mut cluster).await
        })
    }
}
