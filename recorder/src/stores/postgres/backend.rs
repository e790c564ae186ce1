//! PostgreSQL as a value.

use super::{PostgresCluster, PostgresStore, SWITCHES, check_programs};
use crate::RunOutcome;
use crate::stores::backend::{Backend, Choices, Recording};
use crate::stores::hosts;
use crate::stores::switches::Switch;
use crate::system::{Capabilities, ServerError, run_isolated};
use workloads::{Strike, WorkloadKind};

/// A primary and a standby of our own.
#[derive(Debug)]
pub struct Postgres;

impl Backend for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn summary(&self) -> &'static str {
        "a primary and a standby that is promoted, started for the run"
    }

    fn switches(&self) -> &'static [Switch] {
        SWITCHES
    }

    fn workload_kinds(&self) -> &'static [WorkloadKind] {
        PostgresStore::KINDS
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("kill")
    }

    fn node_names(&self, _choices: &Choices) -> Result<Vec<String>, String> {
        Ok(PostgresCluster::node_names())
    }

    fn describe_means(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        hosts::describe_host_means(self.name(), strike, capabilities)
    }

    fn check_requirements(&self) -> Result<(), ServerError> {
        check_programs()
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record_run(&self, choices: &Choices, recording: Recording) -> Result<RunOutcome, String> {
        run_isolated(|isolation| async move {
            let started = PostgresCluster::start(&choices.switches, isolation);
            let mut cluster = recording.unless_stopped(started).await?.map_err(|why| why.to_string())?;
            cluster.check_plan(&recording.settings.plan)?;
            let kind = recording.settings.workload.kind;
            let store = cluster.open_store(kind, choices.replica_reads, choices.time_to_live);
            recording.record_in_real_time(store, &mut cluster).await
        })
    }
}
