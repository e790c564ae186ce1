//! Proxies before the entries of a web application, so that faults can be caused in its links to users.
//!
//! Only the requests of this program go through the proxies, and the application sees the `Host` of its description.
//! Other users are not affected. The run causes no faults behind the entries (in the nodes of the application or
//! their store).

use super::Description;
use crate::Nemesis;
use crate::shapes::StruckTargets;
use crate::system::FaultyNetwork;
use workloads::Episode;

/// Causes faults in the links between users and entries.
#[derive(Debug)]
pub struct HttpFronts {
    network: FaultyNetwork,
    names: Vec<String>,
}

impl HttpFronts {
    /// Starts a proxy before each entry and changes the description so that clients connect through the proxies.
    pub async fn install_before_entries(description: &mut Description) -> Result<Self, String> {
        let names = description.entry_names();
        let mut network = FaultyNetwork::of_proxies(&names, true);
        let clients = network.client_end();
        for (number, entry) in description.entries.iter_mut().enumerate() {
            let front = network.open_front(clients, number, &entry.address).await;
            let front = front.map_err(|why| format!("a proxy before {}: {why}", entry.address))?;
            entry.front = Some(front.to_string());
        }
        Ok(Self { network, names })
    }
}

impl Nemesis for HttpFronts {
    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        // No entry has a special role, so the first one stands in for a primary.
        let struck = StruckTargets::resolve_among(&episode.target, &self.names, 0, number);
        let told = struck.struck_names(&self.names);
        self.network.strike(number, episode.fault, struck)?;
        Ok(told)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        self.network.heal(number)
    }
}
