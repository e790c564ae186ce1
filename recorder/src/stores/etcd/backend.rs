//! etcd as a [`Backend`].

use super::{EtcdCluster, EtcdStore};
use crate::Outcome;
use crate::stores::backend::{Backend, Choices, Recording};
use crate::stores::hosts;
use crate::system::{Capabilities, ServerError, find_program, isolated};
use workloads::{Kind, Strike};

/// Three members that the run starts itself.
#[derive(Debug)]
pub struct Etcd;

impl Backend for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn line(&self) -> &'static str {
        "three members, started for the run: the control that keeps its promise"
    }

    fn kinds(&self) -> &'static [Kind] {
        EtcdStore::KINDS
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("partition")
    }

    fn node_names(&self, _choices: &Choices) -> Result<Vec<String>, String> {
        Ok(EtcdCluster::node_names())
    }

    fn place(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        hosts::place(self.name(), strike, capabilities)
    }

    fn missing(&self) -> Result<(), ServerError> {
        find_program("etcd", "etcd-server").map(drop)
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record(&self, choices: &Choices, recording: Recording) -> Result<Outcome, String> {
        isolated(|isolation| async move {
            let started = recording.unless_stopped(EtcdCluster::start(isolation)).await?;
            let mut cluster = started.map_err(|why| why.to_string())?;
            cluster.can(&recording.settings.plan)?;
            let kind = recording.settings.workload.kind;
            let store = cluster.store(kind, choices.replica_reads, choices.time_to_live);
            recording.drive(store, &mut cluster).await
        })
    }
}
