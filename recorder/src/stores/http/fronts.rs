//! Proxies before the entries of a web application, so that its links to users can be broken.
//!
//! Only what this program's users send goes through them, and the application sees the `Host` that its description
//! says: other users go on as before. What is behind the entries (its nodes, their store) is not ours.

use super::Description;
use crate::Nemesis;
use crate::shapes::StruckTargets;
use crate::system::FaultyNetwork;
use workloads::Episode;

/// Whoever breaks the links of users to entries.
#[derive(Debug)]
pub struct HttpFronts {
    network: FaultyNetwork,
    names: Vec<String>,
}

impl HttpFronts {
    /// Puts a proxy before each entry, and has the description lead through them.
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
        // Among entries none is before the others: the first one stands in for a primary.
        let struck = StruckTargets::resolve_among(&episode.target, &self.names, 0, number);
        let told = struck.struck_names(&self.names);
        self.network.strike(number, episode.fault, struck)?;
        Ok(told)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        self.network.heal(number)
    }
}
