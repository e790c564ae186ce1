//! Independent memcached nodes that the run starts and causes faults in. They do not know of one another.

use super::{MemcachedOptions, MemcachedStore};
use crate::stores::hosts::{Hosts, wait_until_serves};
use crate::stores::switches::{Switch, Switches};
use crate::system::{NetworkIsolation, RunFolder, Server, ServerError, find_free_port, find_program};
use crate::{FaultEvidence, Nemesis};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use workloads::{Episode, Fault, Plan, WorkloadKind};

/// The settings, each with its default.
pub const SWITCHES: &[Switch] =
    &[("nodes", "1", "how many nodes there are, up to 9"), ("memory", "64", "how much each may hold, in MB")];

const START_PATIENCE: Duration = Duration::from_secs(10);

/// The running nodes. They end when this is dropped. It must stay on the thread that started it.
pub struct MemcachedCluster {
    hosts: Hosts,
    addresses: Vec<String>,
    folder: RunFolder,
}

impl MemcachedCluster {
    /// Starts the nodes.
    pub async fn start(switches: &Switches, isolation: NetworkIsolation) -> Result<Self, ServerError> {
        let program = find_program("memcached", "memcached")?;
        let memory = switches.get_number("memory").map_err(ServerError::System)?.to_string();
        let names = Self::node_names(switches).map_err(ServerError::System)?;
        let folder = RunFolder::create().map_err(|why| ServerError::System(why.to_string()))?;
        let at: Vec<Ipv4Addr> = (0..names.len() as u8).map(|n| Ipv4Addr::new(127, 0, 0, 51 + n)).collect();
        let (mut servers, mut addresses) = (Vec::new(), Vec::new());
        for (name, address) in names.iter().zip(&at) {
            let address = address.to_string();
            let port = find_free_port(&address)?;
            let port_text = port.to_string();
            let mut arguments = vec!["-l", &address, "-p", &port_text, "-U", "0", "-m", &memory, "-t", "1"];
            if nix::unistd::geteuid().is_root() {
                // memcached refuses to run as root.
                arguments.extend(["-u", "nobody"]);
            }
            let arguments = arguments.into_iter().map(str::to_owned).collect();
            servers.push(Server::start(&program, arguments, folder.path().join(format!("{name}.log")))?);
            addresses.push(format!("{address}:{port}"));
        }
        let mut cluster = Self { hosts: Hosts::new(names, servers, &at, &isolation), addresses, folder };
        let began = Instant::now();
        for (address, server) in cluster.addresses.iter().zip(&mut cluster.hosts.servers) {
            while TcpStream::connect(address).await.is_err() {
                if !server.is_running() || began.elapsed() > START_PATIENCE {
                    return Err(server.failure_with_log("does not listen"));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(cluster)
    }

    /// The names of the nodes.
    pub fn node_names(switches: &Switches) -> Result<Vec<String>, String> {
        match switches.get_number("nodes")? {
            count @ 1..=9 => Ok((1..=count).map(|number| format!("m{number}")).collect()),
            count => Err(format!("nodes is a number from 1 to 9, not {count}")),
        }
    }

    /// The folder of its files, logs included.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Checks that every fault of a plan can be caused here.
    ///
    /// # Errors
    /// The first fault that cannot be caused, and the reason.
    pub fn check_plan(&self, plan: &Plan) -> Result<(), String> {
        let of_shape = plan.episodes.iter().map(|episode| episode.fault).find(Fault::divides_nodes);
        if let Some(fault) = of_shape {
            return Err(format!("{fault}: the nodes of memcached do not speak to one another"));
        }
        self.hosts.check_plan("memcached", plan)
    }

    /// Waits until the nodes that were started again answer a command.
    async fn wait_until_serving(&mut self) {
        for node in self.hosts.take_started() {
            let address = &self.addresses[node];
            wait_until_serves(|| answers_version(address)).await;
        }
    }

    /// A store for clients of these nodes.
    pub fn open_store(&self, kind: WorkloadKind, time_to_live: Duration) -> MemcachedStore {
        let names = self.hosts.names.iter().map(|name| name.as_str().into());
        let nodes = names.zip(self.addresses.iter().cloned()).collect();
        MemcachedStore::new(MemcachedOptions { nodes, kind, time_to_live })
    }
}

impl Nemesis for MemcachedCluster {
    async fn observe_fault(&mut self, number: usize, _episode: &Episode) -> Option<FaultEvidence> {
        self.hosts.observe_fault(number)
    }

    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let told = self.hosts.strike(number, episode, 0).await?;
        self.wait_until_serving().await;
        Ok(told)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        self.hosts.heal(number, |_| true)?;
        self.wait_until_serving().await;
        Ok(())
    }
}

/// Whether a node answers a command.
async fn answers_version(address: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"version\r\n").await.ok()?;
        let mut begins = [0; 7];
        stream.read_exact(&mut begins).await.ok()?;
        Some(&begins == b"VERSION")
    };
    ask.await == Some(true)
}
