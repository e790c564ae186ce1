//! A cluster of three members that the run starts and causes faults in.
//!
//! Measured on two busy cores: the members have a leader after about 3 s. When the leader fails, the next write
//! succeeds after 1 to 2 s.

use super::gateway::Gateway;
use super::{EtcdOptions, EtcdStore};
use crate::stores::hosts::{Hosts, assign_users, wait_until_serves};
use crate::system::{Launch, NetworkIsolation, RunFolder, Server, ServerError, find_free_port, find_program};
use crate::{FaultEvidence, Nemesis};
use serde_json::json;
use std::net::Ipv4Addr;
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::{Duration, Instant};
use workloads::{Episode, Plan, WorkloadKind};

/// The number of members.
pub const NODES: usize = 3;

/// How long the members may take to elect a leader.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// The running members. They end when this is dropped. It must stay on the thread that started it.
pub struct EtcdCluster {
    hosts: Hosts,
    clients_at: Vec<String>,
    leader: usize,
    folder: RunFolder,
}

impl EtcdCluster {
    /// Starts the members and waits for a leader.
    pub async fn start(isolation: NetworkIsolation) -> Result<Self, ServerError> {
        let program = find_program("etcd", "etcd-server")?;
        let system = |why: std::io::Error| ServerError::System(why.to_string());
        let folder = RunFolder::create().map_err(system)?;
        let addresses: Vec<Ipv4Addr> = (0..NODES as u8).map(|n| Ipv4Addr::new(127, 0, 0, 41 + n)).collect();
        let users = assign_users(&isolation, &addresses).map_err(ServerError::System)?;
        let (names, mut clients_at, mut peers_at) = (Self::node_names(), Vec::new(), Vec::new());
        for address in &addresses {
            let address = address.to_string();
            clients_at.push(format!("{address}:{}", find_free_port(&address)?));
            peers_at.push(format!("http://{address}:{}", find_free_port(&address)?));
        }
        let members: Vec<_> = names.iter().zip(&peers_at).map(|(name, at)| format!("{name}={at}")).collect();
        let mut servers = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let home = folder.path().join(name);
            std::fs::create_dir(&home).map_err(system)?;
            let user = users.as_ref().map(|users| (users[number], users[number]));
            if let Some((user, group)) = user {
                chown(&home, Some(user), Some(group)).map_err(system)?;
            }
            let (client, all) = (format!("http://{}", clients_at[number]), members.join(","));
            let data = home.join("data").to_string_lossy().into_owned();
            let words = [
                ("--name", name.as_str()),
                ("--data-dir", &data),
                ("--listen-client-urls", &client),
                ("--advertise-client-urls", &client),
                ("--listen-peer-urls", &peers_at[number]),
                ("--initial-advertise-peer-urls", &peers_at[number]),
                ("--initial-cluster", &all),
                ("--initial-cluster-state", "new"),
                ("--log-level", "warn"),
            ];
            let arguments = words.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]);
            let launch = Launch {
                program: program.clone(),
                arguments: arguments.collect(),
                user,
                ..Launch::default()
            };
            servers.push(Server::launch(launch, folder.path().join(format!("{name}.log")))?);
        }
        let hosts = Hosts::new(names, servers, &addresses, &isolation);
        let mut cluster = Self { hosts, clients_at, leader: 0, folder };
        cluster.wait_for_leader().await?;
        Ok(cluster)
    }

    /// The names of the members.
    pub fn node_names() -> Vec<String> {
        (1..=NODES).map(|number| format!("e{number}")).collect()
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
        self.hosts.check_plan("etcd", plan)
    }

    /// Returns a store whose clients connect to these members.
    pub fn open_store(&self, kind: WorkloadKind, serializable: bool, time_to_live: Duration) -> EtcdStore {
        let names = self.hosts.names.iter().map(|name| name.as_str().into());
        let members = names.zip(self.clients_at.iter().cloned()).collect();
        EtcdStore::new(EtcdOptions { members, serializable, kind, time_to_live })
    }

    async fn wait_for_leader(&mut self) -> Result<(), ServerError> {
        let began = Instant::now();
        for number in 0..NODES {
            while ask_for_leader(&self.clients_at[number]).await.is_none() {
                if !self.hosts.servers[number].is_running() {
                    return Err(self.hosts.servers[number].failure_with_log("ended at once"));
                }
                if began.elapsed() > START_PATIENCE {
                    return Err(self.hosts.servers[number].failure_with_log("knows no leader after 30 s"));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Waits until the members that were started again know a leader.
    async fn wait_until_serving(&mut self) {
        for member in self.hosts.take_started() {
            let address = &self.clients_at[member];
            wait_until_serves(|| async { ask_for_leader(address).await.is_some() }).await;
        }
    }

    /// The leader, by the word of the first member that knows one; else the last that was known.
    async fn find_leader(&mut self) -> usize {
        let mut ids = Vec::new();
        for address in &self.clients_at {
            ids.push(ask_for_leader(address).await);
        }
        // A member that is cut off may still name an old leader, so the majority counts.
        let voices = |leader: &str| ids.iter().flatten().filter(|(_, known)| known == leader).count();
        let most = ids.iter().flatten().map(|(_, leader)| leader).max_by_key(|leader| voices(leader));
        let found = ids.iter().position(|told| told.as_ref().map(|(own, _)| own) == most && most.is_some());
        self.leader = found.unwrap_or(self.leader);
        self.leader
    }
}

impl Nemesis for EtcdCluster {
    async fn observe_fault(&mut self, number: usize, _episode: &Episode) -> Option<FaultEvidence> {
        self.hosts.observe_fault(number)
    }

    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let leader = self.find_leader().await;
        let told = self.hosts.strike(number, episode, leader).await?;
        self.wait_until_serving().await;
        Ok(told)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        self.hosts.heal(number, |_| true)?;
        self.wait_until_serving().await;
        Ok(())
    }
}

/// What a member says of itself.
pub(super) struct MemberStatus {
    pub(super) own: String,
    /// Whom it takes for the leader.
    pub(super) leader: String,
    /// The term of the Raft protocol.
    pub(super) term: Option<i64>,
}

/// What the member at an address says of itself, if it knows a leader.
pub(super) async fn fetch_status(address: &str) -> Option<MemberStatus> {
    let answer =
        Gateway::open(address).await.ok()?.post_json("/v3/maintenance/status", &json!({})).await.ok()?;
    let own = answer.pointer("/header/member_id")?.as_str()?.to_owned();
    let leader = answer.get("leader")?.as_str().filter(|leader| *leader != "0")?.to_owned();
    let term = answer.get("raftTerm").and_then(|term| term.as_str()?.parse().ok());
    Some(MemberStatus { own, leader, term })
}

/// The id of the member at an address, and of whom it takes for the leader.
async fn ask_for_leader(address: &str) -> Option<(String, String)> {
    let status = tokio::time::timeout(Duration::from_millis(500), fetch_status(address)).await.ok()??;
    Some((status.own, status.leader))
}
