//! Hosts of our own on addresses of the loopback network, one server on each, and what breaks them.

use crate::FaultEvidence;
use crate::shapes::StruckTargets;
use crate::stores::backend::is_of_processes;
use crate::system::{Capabilities, FaultyNetwork, Means, NetworkIsolation, Server, set_source_addresses};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use workloads::{Episode, Fault, Plan, Strike};

/// Where clients come from.
const CLIENTS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The first of the users that servers run as, where each needs a source address of its own. Nobody's.
const FIRST_USER: u32 = 65_101;

/// The hosts of a store.
pub(super) struct Hosts {
    pub(super) names: Vec<String>,
    pub(super) servers: Vec<Server>,
    network: FaultyNetwork,
    capabilities: Capabilities,
    broken: BTreeMap<usize, (Fault, Vec<usize>)>,
}

/// The user that each server runs as and connects from its own address as; none where that is not ours to say.
pub(super) fn assign_users(
    isolation: &NetworkIsolation,
    addresses: &[Ipv4Addr],
) -> Result<Option<Vec<u32>>, String> {
    if *isolation != NetworkIsolation::Own || !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let users: Vec<u32> = (FIRST_USER..).take(addresses.len()).collect();
    set_source_addresses(&users.iter().copied().zip(addresses.iter().copied()).collect::<Vec<_>>())?;
    Ok(Some(users))
}

/// How a fault can be caused on such hosts on this machine; nothing if it never can.
pub(super) fn describe_host_means(
    store: &str,
    strike: &Strike,
    capabilities: &Capabilities,
) -> Option<String> {
    if is_of_processes(strike) {
        return Some(store.to_owned());
    }
    let can = strike.fault.strikes_links() && capabilities.check_fault(Means::Packets, strike.fault).is_ok();
    can.then(|| format!("{store} (packets)"))
}

impl Hosts {
    /// Hosts whose servers are started already.
    pub(super) fn new(
        names: Vec<String>,
        servers: Vec<Server>,
        addresses: &[Ipv4Addr],
        isolation: &NetworkIsolation,
    ) -> Self {
        Self {
            names,
            servers,
            network: FaultyNetwork::of_packets(addresses, CLIENTS, false),
            capabilities: Capabilities::probe_here(isolation),
            broken: BTreeMap::new(),
        }
    }

    /// Whether every fault of a plan can be caused here; if not, why.
    pub(super) fn check_plan(&self, store: &str, plan: &Plan) -> Result<(), String> {
        plan.episodes.iter().try_for_each(|episode| match episode.fault {
            Fault::Kill | Fault::Pause | Fault::Restart => Ok(()),
            fault if fault.strikes_links() => {
                let can = self.capabilities.check_fault(Means::Packets, fault);
                can.map_err(|why| format!("{fault} cannot be caused on {store} here: {why}"))
            }
            fault => Err(format!("{fault} cannot be caused on {store}")),
        })
    }

    /// Breaks what an episode says, and returns whom it struck.
    pub(super) fn strike(
        &mut self,
        number: usize,
        episode: &Episode,
        primary: usize,
    ) -> Result<Vec<String>, String> {
        let struck = StruckTargets::resolve_among(&episode.target, &self.names, primary, number);
        let told = struck.struck_names(&self.names);
        if episode.fault.strikes_links() {
            self.network.strike(number, episode.fault, struck)?;
            return Ok(told);
        }
        for &host in struck.struck_nodes() {
            let server = &mut self.servers[host];
            match episode.fault {
                Fault::Kill => server.kill(),
                Fault::Restart => {
                    server.kill();
                    server.start_again().map_err(|why| why.to_string())?;
                }
                Fault::Pause => server.pause()?,
                fault => return Err(format!("{fault} cannot be caused on a process")),
            }
        }
        self.broken.insert(number, (episode.fault, struck.struck_nodes().to_vec()));
        Ok(told)
    }

    /// What can be seen of an episode.
    pub(super) fn observe_fault(&mut self, number: usize) -> Option<FaultEvidence> {
        let Some((fault, struck)) = self.broken.get(&number).cloned() else {
            return self.network.observe_fault(number);
        };
        let seen = struck.iter().filter_map(|&host| {
            FaultEvidence::from_process_state(&fault, &self.names[host], self.servers[host].kernel_state())
        });
        FaultEvidence::combine_parts(seen.collect())
    }

    /// Mends what an episode broke, but for the hosts that are not to come back.
    pub(super) fn heal(&mut self, number: usize, comes_back: impl Fn(usize) -> bool) -> Result<(), String> {
        let Some((fault, struck)) = self.broken.remove(&number) else { return self.network.heal(number) };
        for host in struck.into_iter().filter(|&host| comes_back(host)) {
            let server = &mut self.servers[host];
            match fault {
                Fault::Kill => server.start_again().map_err(|why| why.to_string())?,
                Fault::Pause => server.resume()?,
                _ => {}
            }
        }
        Ok(())
    }
}
