//! Hosts on loopback addresses, each with one server that the run starts, and the faults that are caused in them.

use crate::FaultEvidence;
use crate::shapes::StruckTargets;
use crate::stores::backend::is_of_processes;
use crate::system::{Capabilities, FaultyNetwork, Means, NetworkIsolation, Server, set_source_addresses};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use workloads::{Episode, Fault, Plan, Strike};

/// The address that clients connect from.
const CLIENTS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The first of the user ids that servers run as, where each needs a source address of its own. No existing user has
/// these ids.
const FIRST_USER: u32 = 65_101;

/// The hosts of a store.
pub(super) struct Hosts {
    pub(super) names: Vec<String>,
    pub(super) servers: Vec<Server>,
    network: FaultyNetwork,
    capabilities: Capabilities,
    broken: BTreeMap<usize, (Fault, Vec<usize>)>,
    /// How the servers ended that were asked to, by episode.
    drained: BTreeMap<usize, String>,
    /// The servers that were started since somebody last asked.
    started: Vec<usize>,
}

/// Assigns a user id to each server, so that the server connects from its own address. `None` if the servers share
/// the machine's network, or if this process is not root.
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

/// Describes how a fault can be caused on such hosts on this machine; `None` if it can never be caused.
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

/// How long a server that was started again may take until it serves.
const SERVE_PATIENCE: Duration = Duration::from_secs(20);
/// How long one question whether it does may take.
const SERVE_QUESTION: Duration = Duration::from_millis(500);

/// Waits until a server that was started again says that it serves, for [`SERVE_PATIENCE`] at most. Whoever takes the next
/// one down earlier leaves clients with fewer than the plan says.
pub(super) async fn wait_until_serves<F: Future<Output = bool>>(asks: impl Fn() -> F) {
    let began = Instant::now();
    while began.elapsed() < SERVE_PATIENCE {
        if matches!(tokio::time::timeout(SERVE_QUESTION, asks()).await, Ok(true)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

impl Hosts {
    /// Creates the hosts of servers that have been started.
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
            drained: BTreeMap::new(),
            started: Vec::new(),
        }
    }

    /// The servers that were started again since this was last asked: whoever strikes next waits until they serve.
    pub(super) fn take_started(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.started)
    }

    /// Whether every fault of a plan can be caused here; if not, why.
    pub(super) fn check_plan(&self, store: &str, plan: &Plan) -> Result<(), String> {
        plan.episodes.iter().try_for_each(|episode| match episode.fault {
            Fault::Kill | Fault::Pause | Fault::Restart | Fault::Drain => Ok(()),
            fault if fault.strikes_links() => {
                let can = self.capabilities.check_fault(Means::Packets, fault);
                can.map_err(|why| format!("{fault} cannot be caused on {store} here: {why}"))
            }
            fault => Err(format!("{fault} cannot be caused on {store}")),
        })
    }

    /// Breaks what an episode says, and returns whom it struck.
    pub(super) async fn strike(
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
                    self.started.push(host);
                }
                Fault::Pause => server.pause()?,
                Fault::Drain => {
                    let ended = server.drain(&self.names[host]).await;
                    let told = self.drained.entry(number).or_default();
                    *told = if told.is_empty() { ended } else { format!("{told}; {ended}") };
                }
                fault => return Err(format!("{fault} cannot be caused on a process")),
            }
        }
        self.broken.insert(number, (episode.fault, struck.struck_nodes().to_vec()));
        Ok(told)
    }

    /// Observes the fault of an episode.
    pub(super) fn observe_fault(&mut self, number: usize) -> Option<FaultEvidence> {
        let Some((fault, struck)) = self.broken.get(&number).cloned() else {
            return self.network.observe_fault(number);
        };
        let seen = struck.iter().filter_map(|&host| {
            FaultEvidence::from_process_state(&fault, &self.names[host], self.servers[host].kernel_state())
        });
        let seen = FaultEvidence::combine_parts(seen.collect());
        seen.map(|seen| seen.with_observation_at_start(self.drained.get(&number)))
    }

    /// Undoes the fault of an episode, except on hosts that are not to come back.
    pub(super) fn heal(&mut self, number: usize, comes_back: impl Fn(usize) -> bool) -> Result<(), String> {
        let Some((fault, struck)) = self.broken.remove(&number) else { return self.network.heal(number) };
        for host in struck.into_iter().filter(|&host| comes_back(host)) {
            let server = &mut self.servers[host];
            match fault {
                Fault::Kill | Fault::Drain => {
                    server.start_again().map_err(|why| why.to_string())?;
                    self.started.push(host);
                }
                Fault::Pause => server.resume()?,
                _ => {}
            }
        }
        Ok(())
    }
}
