//! memcached as a [`Backend`].

use super::{MemcachedCluster, MemcachedStore, SWITCHES};
use crate::Outcome;
use crate::stores::backend::{Backend, Choices, Recording};
use crate::stores::hosts;
use crate::stores::switches::Switch;
use crate::system::{Capabilities, ServerError, find_program, isolated};
use workloads::{Kind, Strike};

/// Nodes that the run starts itself, without replication.
#[derive(Debug)]
pub struct Memcached;

impl Backend for Memcached {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn line(&self) -> &'static str {
        "nodes without replication, started for the run: the control that makes none"
    }

    fn switches(&self) -> &'static [Switch] {
        SWITCHES
    }

    fn kinds(&self) -> &'static [Kind] {
        MemcachedStore::KINDS
    }

    fn usual_fault(&self) -> Option<&'static str> {
        Some("kill")
    }

    fn node_names(&self, choices: &Choices) -> Result<Vec<String>, String> {
        MemcachedCluster::node_names(&choices.switches)
    }

    fn place(&self, strike: &Strike, capabilities: &Capabilities) -> Option<String> {
        hosts::place(self.name(), strike, capabilities)
    }

    fn missing(&self) -> Result<(), ServerError> {
        find_program("memcached", "memcached").map(drop)
    }

    fn shows_replicas(&self, _: Kind) -> bool {
        false
    }

    fn counts_writes(&self) -> bool {
        false
    }

    fn record(&self, choices: &Choices, recording: Recording) -> Result<Outcome, String> {
        isolated(|isolation| async move {
            let started = MemcachedCluster::start(&choices.switches, isolation);
            let mut cluster = recording.unless_stopped(started).await?.map_err(|why| why.to_string())?;
            cluster.can(&recording.settings.plan)?;
            let store = cluster.store(recording.settings.workload.kind, choices.time_to_live);
            recording.drive(store, &mut cluster).await
        })
    }
}
