//! Breaks and mends the embedded store.

use super::cluster::SimulatedCluster;
use crate::Nemesis;
use crate::client::lock_unpoisoned;
use std::sync::{Arc, Mutex};
use workloads::Episode;

/// Whoever breaks the simulated nodes and network.
pub struct EmbeddedNemesis(Arc<Mutex<SimulatedCluster>>);

impl EmbeddedNemesis {
    pub(super) fn new(cluster: Arc<Mutex<SimulatedCluster>>) -> Self {
        Self(cluster)
    }
}

impl Nemesis for EmbeddedNemesis {
    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        Ok(lock_unpoisoned(&self.0).strike(number, episode.fault, &episode.target))
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        lock_unpoisoned(&self.0).heal(number);
        Ok(())
    }
}
