//! PostgreSQL as a [`Backend`].

use super::{PostgresCluster, PostgresStore, SWITCHES, programs};
use crate::Outcome;
use crate::stores::backend::{Backend, Choices, Recording};
use crate::stores::hosts;
use crate::stores::switches::Switch;
use crate::system::{Capabilities, ServerError, isolated};
use workloads::{Kind, Strike};

/// A primary and a standby that the run starts itself.
#[derive(Debug)]
pub struct Postgres;

impl Backend for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn line(&self) -> &'static str {
        "a primary and a standby that is promoted, started for the run"
    }

    fn switches(&self) -> &'static [Switch] {
        SWITCHES
    }

    fn kinds(&self) -> &'static [Kind] {
        PostgresStore::KINDS
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("kill")
    }

    fn node_names(&self, _choices: &Choices) -> Result<Vec<String>, String> {
        Ok(PostgresCluster::node_names())
    }

    fn place(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        hosts::place(self.name(), strike, capabilities)
    }

    fn missing(&self) -> Result<(), ServerError> {
        programs()
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record(&self, choices: &Choices, recording: Recording) -> Result<Outcome, String> {
        isolated(|isolation| async move {
            let started = PostgresCluster::start(&choices.switches, isolation);
            let mut cluster = recording.unless_stopped(started).await?.map_err(|why| why.to_string())?;
            cluster.can(&recording.settings.plan)?;
            let kind = recording.settings.workload.kind;
            let store = cluster.store(kind, choices.replica_reads, choices.time_to_live);
            recording.drive(store, &mut cluster).await
        })
    }
}
