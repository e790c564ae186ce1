//! Proxies before Redis servers that are there already, so that their links to clients can be broken.
//!
//! Only what this program's clients send goes through them: servers and Sentinels, and other clients, go on as
//! before. Clients ask Sentinels directly, too: whom they hear of is reached through the proxy before it.

use super::{RedisOptions, ask_sentinel_for_primary};
use crate::Nemesis;
use crate::shapes::StruckTargets;
use crate::system::FaultyNetwork;
use workloads::Episode;

/// Whoever breaks the links of clients to given servers.
#[derive(Debug)]
pub struct RedisFronts {
    network: FaultyNetwork,
    names: Vec<String>,
    addresses: Vec<String>,
    sentinels: Vec<String>,
}

impl RedisFronts {
    /// Puts a proxy before each server, and has `options` lead through them.
    pub async fn install_before_servers(options: &mut RedisOptions) -> Result<Self, String> {
        let names: Vec<String> = options.servers.iter().map(|(name, _)| name.to_string()).collect();
        let addresses: Vec<String> = options.servers.iter().map(|(_, address)| address.clone()).collect();
        let mut network = FaultyNetwork::of_proxies(&names, true);
        let clients = network.client_end();
        for (number, address) in addresses.iter().enumerate() {
            let front = network.open_front(clients, number, address).await;
            let front = front.map_err(|why| format!("a proxy before {address}: {why}"))?;
            options.fronts.insert(address.clone(), front.to_string());
        }
        Ok(Self { network, names, addresses, sentinels: options.sentinels.clone() })
    }

    /// The server that the first Sentinel that answers takes for the primary; without any, the first one.
    async fn find_primary_number(&self) -> usize {
        for sentinel in &self.sentinels {
            if let Some(told) = ask_sentinel_for_primary(sentinel).await {
                return self.addresses.iter().position(|address| *address == told).unwrap_or(0);
            }
        }
        0
    }
}

impl Nemesis for RedisFronts {
    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let struck = StruckTargets::resolve_among(
            &episode.target,
            &self.names,
            self.find_primary_number().await,
            number,
        );
        let told = struck.struck_names(&self.names);
        self.network.strike(number, episode.fault, struck)?;
        Ok(told)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        self.network.heal(number)
    }
}
