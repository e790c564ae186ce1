//! A Redis primary with two replicas and three Sentinels, which the run starts and causes faults in.
//!
//! Each host is an address of the loopback network (127.0.0.11, .12, .13) with one server and one Sentinel on it.
//! Both are bound to that address for the connections that they accept *and* for those that they open, so that a
//! firewall rule on a pair of addresses cuts a pair of hosts. Clients come from 127.0.0.1 and reach all hosts, as
//! users reach both sides of a partition between data centres.
//!
//! Where no firewall is available, the same links lead through proxies. Each server and each Sentinel announces the
//! address of a proxy before it, through which all other hosts and the clients reach it. The proxy tells the hosts
//! apart by the addresses that they connect from.
//!
//! What to expect (measured): Sentinels agree on a new primary 2–3 s after the old one is cut off. The old one
//! acknowledges writes until about ten seconds *after the heal*, when it is told to become a replica and discards
//! them. A run whose load ends before that shows nothing.

mod backend;

pub use backend::RedisSentinel;
pub(crate) use backend::{AFTER_HEAL, PROGRAMS, probe_machine_fault};

use super::redis::resp::{RespConnection, RespReply};
use super::redis::{GROUP, RedisOptions, RedisStore, ask_sentinel_for_primary};
use crate::shapes::StruckTargets;
use crate::system::{
    Capabilities, FaultyNetwork, Launch, Machine, MachineNeeds, Machines, Means, NetworkIsolation, RunFolder,
    Server, ServerError, find_free_port, find_program,
};
use crate::{FaultEvidence, Nemesis};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use workloads::{Episode, Fault, Plan, WorkloadKind};

/// The number of hosts.
pub const HOSTS: usize = 3;

/// How long the hosts may take to start.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// How long a restarted server may take until it serves requests.
const SERVE_PATIENCE: Duration = Duration::from_secs(10);

/// The configuration of the servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentinelOptions {
    /// A primary refuses writes if it heard from fewer than this many replicas within this many seconds.
    pub min_replicas: Option<(u32, u32)>,
    /// What the faults of the plan require of the hosts.
    pub needs: MachineNeeds,
    /// By which means faults of links are caused. `None` chooses packets in a separate network namespace, and
    /// otherwise proxies.
    pub means: Option<Means>,
}

/// The address that clients connect from.
const CLIENTS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The running hosts. They end when this is dropped. It must stay on the thread that started it.
pub struct SentinelCluster {
    hosts: Vec<SentinelHost>,
    network: FaultyNetwork,
    capabilities: Capabilities,
    broken: BTreeMap<usize, (Fault, Vec<usize>)>,
    /// How the drained servers ended, by episode.
    drained: BTreeMap<usize, String>,
    /// Whom the Sentinels took for the primary when they last said.
    last_primary: usize,
    // This is the last field, so that the folder is removed after the servers have ended.
    folder: RunFolder,
}

struct SentinelHost {
    address: String,
    /// The ports on which the server and the Sentinel listen.
    ports: Ports,
    /// The ports at which others reach them, at the same address. If there are proxies, these are the ports of the
    /// proxies.
    announced: Ports,
    server: Server,
    sentinel: Server,
    // This is after the servers, which have open files on its disk.
    machine: Machine,
}

#[derive(Clone, Copy)]
struct Ports {
    server: u16,
    sentinel: u16,
}

impl SentinelCluster {
    /// Starts the hosts and waits until the Sentinels know one another and both replicas follow.
    pub async fn start(options: SentinelOptions, isolation: NetworkIsolation) -> Result<Self, ServerError> {
        let server_program = find_program("redis-server", "redis-server")?;
        let sentinel_program = find_program("redis-sentinel", "redis-sentinel")?;
        let folder = RunFolder::create().map_err(|why| ServerError::System(why.to_string()))?;
        let capabilities = Capabilities::probe_here(&isolation);
        let usual = if isolation == NetworkIsolation::Own { Means::Packets } else { Means::Proxies };
        let mut network = match options.means.unwrap_or(usual) {
            Means::Packets => {
                let addresses: Vec<Ipv4Addr> = (0..HOSTS).map(host_address).collect();
                FaultyNetwork::of_packets(&addresses, CLIENTS, false)
            }
            Means::Proxies => FaultyNetwork::of_proxies(&Self::node_names(), false),
        };
        let machines = Machines::prepare(options.needs, folder.path()).map_err(ServerError::System)?;
        let mut servers: Vec<StartedServer> = Vec::new();
        for number in 0..HOSTS {
            let address = host_address(number).to_string();
            let home = folder.path().join(format!("n{}", number + 1));
            std::fs::create_dir(&home).map_err(|why| ServerError::System(why.to_string()))?;
            let machine = machines.machine_for(&home).map_err(ServerError::System)?;
            let ports = Ports { server: find_free_port(&address)?, sentinel: find_free_port(&address)? };
            let announced = announce_ports(&mut network, number, ports).await?;
            let seat = HostLayout { address: &address, ports, announced, home: &home };
            let own = (address.clone(), announced.server);
            let primary = servers.first().map_or(own, StartedServer::announced_address);
            let arguments = server_arguments(&seat, &primary, options);
            let program = server_program.clone();
            let environment = machine.environment();
            let launch = Launch { program, arguments, environment, ..Launch::default() };
            let server = Server::launch(launch, home.join("redis.log"))?;
            servers.push(StartedServer { address, ports, announced, home, server, machine });
        }
        wait_for_replicas(&mut servers).await?;
        let primary = servers[0].announced_address();
        let mut hosts: Vec<SentinelHost> = Vec::new();
        for StartedServer { address, ports, announced, home, server, machine } in servers {
            let seat = HostLayout { address: &address, ports, announced, home: &home };
            let file = home.join("sentinel.conf");
            std::fs::write(&file, render_sentinel_config(&seat, &primary))
                .map_err(|why| ServerError::System(why.to_string()))?;
            let arguments = vec![file.to_string_lossy().into_owned()];
            let program = sentinel_program.clone();
            let environment = machine.environment();
            let launch = Launch { program, arguments, environment, ..Launch::default() };
            let sentinel = Server::launch(launch, home.join("sentinel.log"))?;
            hosts.push(SentinelHost { address, ports, announced, server, sentinel, machine });
        }
        let (broken, drained, last_primary) = (BTreeMap::new(), BTreeMap::new(), 0);
        let mut cluster = Self { hosts, network, capabilities, broken, drained, last_primary, folder };
        cluster.wait_until_up().await?;
        Ok(cluster)
    }

    /// The folder of its files, logs included.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The names of the hosts.
    pub fn node_names() -> Vec<String> {
        (1..=HOSTS).map(|number| format!("n{number}")).collect()
    }

    /// Chooses the means by which all faults of a plan can be caused here. `asked` is the user's choice.
    ///
    /// # Errors
    /// The reason why the faults cannot be caused.
    pub fn choose_means(
        asked: Option<Means>,
        isolation: &NetworkIsolation,
        plan: &Plan,
    ) -> Result<Means, String> {
        let faults: Vec<Fault> = plan.episodes.iter().map(|episode| episode.fault).collect();
        Capabilities::probe_here(isolation).choose_means(asked, &faults)
    }

    /// The network between the hosts.
    pub fn network(&self) -> &FaultyNetwork {
        &self.network
    }

    /// Checks that every fault of a plan can be caused here.
    ///
    /// # Errors
    /// The first fault that cannot be caused, and the reason.
    pub fn check_plan(&self, plan: &Plan) -> Result<(), String> {
        plan.episodes.iter().try_for_each(|episode| match episode.fault {
            Fault::Kill | Fault::Pause | Fault::Restart | Fault::Replace | Fault::Drain => Ok(()),
            // What they need is there, or the hosts would not have started.
            fault if Machine::is_machine_fault(fault) => Ok(()),
            fault if fault.strikes_links() => {
                let can = self.capabilities.check_fault(self.network.means(), fault);
                can.map_err(|why| format!("{fault} cannot be caused on redis-sentinel here: {why}"))
            }
            fault => Err(format!("{fault} cannot be caused on redis-sentinel")),
        })
    }

    /// Returns a store whose clients connect to these servers.
    pub fn open_store(
        &self,
        kind: WorkloadKind,
        replica_reads: bool,
        wait: Option<(u32, Duration)>,
        time_to_live: Duration,
    ) -> RedisStore {
        let server = |(number, host): (usize, &SentinelHost)| {
            (format!("n{}", number + 1).into(), host.server_address())
        };
        RedisStore::new(RedisOptions {
            servers: self.hosts.iter().enumerate().map(server).collect::<Vec<(Arc<str>, String)>>(),
            sentinels: self.hosts.iter().map(SentinelHost::sentinel_address).collect(),
            fronts: BTreeMap::new(),
            prefix: String::new(),
            replica_reads,
            wait,
            confirms_reads: false,
            kind,
            time_to_live,
        })
    }

    /// The addresses of the server and the Sentinel of each host, `host:port`.
    pub(crate) fn host_addresses(&self) -> Vec<(String, String)> {
        self.hosts.iter().map(|host| (host.server_address(), host.sentinel_address())).collect()
    }

    async fn wait_until_up(&mut self) -> Result<(), ServerError> {
        let began = Instant::now();
        for number in 0..HOSTS {
            loop {
                let host = &mut self.hosts[number];
                if !host.server.is_running() {
                    return Err(host.server.failure_with_log("ended at once"));
                }
                if !host.sentinel.is_running() {
                    return Err(host.sentinel.failure_with_log("ended at once"));
                }
                if is_sentinel_ready(&host.direct_sentinel_address()).await {
                    break;
                }
                if began.elapsed() > START_PATIENCE {
                    return Err(host.sentinel.failure_with_log("did not find the others in 20 s"));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Finds the host that most Sentinels name as the primary. If none answers, the last one that they named is
    /// returned.
    pub(crate) async fn find_primary(&mut self) -> usize {
        let mut votes = [0; HOSTS];
        for host in &self.hosts {
            let told = ask_sentinel_for_primary(&host.direct_sentinel_address()).await;
            let named = self.hosts.iter().position(|host| told.as_ref() == Some(&host.server_address()));
            if let Some(named) = named {
                votes[named] += 1;
            }
        }
        let most = (0..HOSTS).rev().max_by_key(|&host| votes[host]).filter(|&host| votes[host] > 0);
        self.last_primary = most.unwrap_or(self.last_primary);
        self.last_primary
    }
}

impl Nemesis for SentinelCluster {
    async fn observe_fault(&mut self, number: usize, _episode: &Episode) -> Option<FaultEvidence> {
        let (fault, struck) = self.broken.get(&number).cloned()?;
        if fault.strikes_links() {
            return self.network.observe_fault(number);
        }
        let names = Self::node_names();
        if Machine::is_machine_fault(fault) {
            let mut seen = Vec::new();
            for host in struck {
                let (name, host) = (&names[host], &self.hosts[host]);
                let of_clock =
                    host.clock_evidence(name).await.filter(|_| matches!(fault, Fault::Skew { .. }));
                seen.extend(of_clock.or_else(|| host.machine.disk_evidence(number, name)));
            }
            return FaultEvidence::combine_parts(seen);
        }
        let seen = struck.iter().filter_map(|&host| {
            FaultEvidence::from_process_state(&fault, &names[host], self.hosts[host].server.kernel_state())
        });
        let seen = FaultEvidence::combine_parts(seen.collect());
        seen.map(|seen| seen.with_observation_at_start(self.drained.get(&number)))
    }

    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let (names, primary) = (Self::node_names(), self.find_primary().await);
        let struck = StruckTargets::resolve_among(&episode.target, &names, primary, number);
        for &host in struck.struck_nodes() {
            let server = &mut self.hosts[host].server;
            match episode.fault {
                Fault::Kill => server.kill(),
                Fault::Restart => {
                    server.kill();
                    server.start_again().map_err(|why| why.to_string())?;
                    self.hosts[host].wait_until_serving().await;
                }
                Fault::Replace => {
                    server.kill();
                    remove_server_data(&self.folder.path().join(&names[host]))?;
                    server.start_again().map_err(|why| why.to_string())?;
                    self.hosts[host].wait_until_serving().await;
                }
                Fault::Pause => server.pause()?,
                Fault::Drain => {
                    let ended = server.drain(&names[host]).await;
                    let told = self.drained.entry(number).or_default();
                    *told = if told.is_empty() { ended } else { format!("{told}; {ended}") };
                }
                fault if Machine::is_machine_fault(fault) => {
                    self.hosts[host].machine.strike(number, fault)?
                }
                _ => {}
            }
        }
        self.broken.insert(number, (episode.fault, struck.struck_nodes().to_vec()));
        let told = struck.struck_names(&names);
        if episode.fault.strikes_links() {
            self.network.strike(number, episode.fault, struck)?;
        }
        Ok(told)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        let Some((fault, struck)) = self.broken.remove(&number) else { return Ok(()) };
        for host in struck {
            let server = &mut self.hosts[host].server;
            match fault {
                Fault::Kill | Fault::Drain => {
                    server.start_again().map_err(|why| why.to_string())?;
                    self.hosts[host].wait_until_serving().await;
                }
                Fault::Pause => server.resume()?,
                fault if Machine::is_machine_fault(fault) => self.hosts[host].machine.heal(number)?,
                _ => {}
            }
        }
        self.network.heal(number)
    }
}

impl SentinelHost {
    fn server_address(&self) -> String {
        format!("{}:{}", self.address, self.announced.server)
    }

    fn sentinel_address(&self) -> String {
        format!("{}:{}", self.address, self.announced.sentinel)
    }

    /// Waits until the server answers PING with PONG, at most for [`SERVE_PATIENCE`]. A server that is still loading
    /// its files answers with an error.
    async fn wait_until_serving(&self) {
        let (began, server) = (Instant::now(), format!("{}:{}", self.address, self.ports.server));
        while began.elapsed() < SERVE_PATIENCE {
            let ask = async { RespConnection::open(&server).await.ok()?.run_command(&["PING"]).await.ok() };
            let answer = tokio::time::timeout(Duration::from_millis(200), ask).await;
            if let Ok(Some(RespReply::Simple(_))) = answer {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Evidence that the clock of the server is off by the requested time, from its answer to `TIME`. `None` if the server
    /// does not answer, or so slowly that its clock may be right as well.
    async fn clock_evidence(&self, name: &str) -> Option<FaultEvidence> {
        let asked_ns = i128::from(self.machine.clock_offset_ns());
        let server = format!("{}:{}", self.address, self.ports.server);
        let before_ns = unix_ns();
        let ask = async { RespConnection::open(&server).await.ok()?.run_command(&["TIME"]).await.ok() };
        let reply = tokio::time::timeout(Duration::from_millis(300), ask).await.ok()??;
        let after_ns = unix_ns();
        let RespReply::Array(Some(parts)) = reply else { return None };
        let number = |part: Option<&RespReply>| match part {
            Some(RespReply::Bulk(Some(digits))) => String::from_utf8_lossy(digits).parse::<i128>().ok(),
            _ => None,
        };
        let told_ns = number(parts.first())? * 1_000_000_000 + number(parts.get(1))? * 1000;
        // The server read its clock at some moment between request and answer, and returns whole microseconds.
        let may_be = told_ns - after_ns - 1_000_000..=told_ns - before_ns + 1_000_000;
        if may_be.contains(&asked_ns) && may_be.contains(&0) {
            return None;
        }
        let shown_ms = (told_ns - before_ns) / 1_000_000;
        let how = format!("{name}: its clock is {shown_ms} ms ahead of the run's");
        Some(FaultEvidence { in_force: may_be.contains(&asked_ns), how })
    }

    /// Where the Sentinel itself listens: what we ask it goes by no link that we may have broken.
    fn direct_sentinel_address(&self) -> String {
        format!("{}:{}", self.address, self.ports.sentinel)
    }
}

/// Our wall clock.
fn unix_ns() -> i128 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i128::try_from(now.as_nanos()).unwrap_or(i128::MAX)
}

/// Removes what a server has written into its folder.
fn remove_server_data(home: &Path) -> Result<(), String> {
    let data = home.join("appendonlydir");
    match std::fs::remove_dir_all(&data) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {why}", data.display())),
        _ => Ok(()),
    }
}

/// The address of a host, by its number.
pub(crate) fn host_address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 11 + host as u8)
}

/// Returns the ports at which others reach a host's server and Sentinel.
async fn announce_ports(
    network: &mut FaultyNetwork,
    number: usize,
    ports: Ports,
) -> Result<Ports, ServerError> {
    if network.means() == Means::Packets {
        return Ok(ports);
    }
    let sources: Vec<IpAddr> = (0..HOSTS).map(|host| host_address(host).into()).collect();
    let address = host_address(number);
    let mut fronts = [ports.server, ports.sentinel];
    for port in &mut fronts {
        let (listen, server) = (format!("{address}:0"), format!("{address}:{port}"));
        let front = network.open_shared_front(number, &listen, &server, &sources).await;
        *port = front.map_err(|why| ServerError::System(format!("{address}: {why}")))?.port();
    }
    let [server, sentinel] = fronts;
    Ok(Ports { server, sentinel })
}

/// A server that runs and has no Sentinel yet.
struct StartedServer {
    address: String,
    ports: Ports,
    announced: Ports,
    home: PathBuf,
    server: Server,
    machine: Machine,
}

impl StartedServer {
    /// The address and port at which others reach the server.
    fn announced_address(&self) -> (String, u16) {
        (self.address.clone(), self.announced.server)
    }
}

/// Waits until all servers follow the first. A Sentinel that looks earlier sees a primary without replicas and looks
/// again only after ten seconds.
async fn wait_for_replicas(servers: &mut [StartedServer]) -> Result<(), ServerError> {
    let began = Instant::now();
    loop {
        let first = format!("{}:{}", servers[0].address, servers[0].ports.server);
        let ask = async {
            let mut connection = RespConnection::open(&first).await.ok()?;
            connection.run_command(&["INFO", "replication"]).await.ok()
        };
        if let Ok(Some(RespReply::Bulk(Some(text)))) = tokio::time::timeout(Duration::from_secs(1), ask).await
            && String::from_utf8_lossy(&text).matches("state=online").count() == servers.len() - 1
        {
            return Ok(());
        }
        if let Some(ended) =
            servers.iter_mut().find_map(|placed| (!placed.server.is_running()).then_some(placed))
        {
            return Err(ended.server.failure_with_log("ended at once"));
        }
        if began.elapsed() > START_PATIENCE {
            return Err(servers[0].server.failure_with_log("has no replicas after 20 s"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The properties of a host that its configuration needs.
struct HostLayout<'a> {
    address: &'a str,
    ports: Ports,
    announced: Ports,
    home: &'a Path,
}

fn server_arguments(seat: &HostLayout<'_>, primary: &(String, u16), options: SentinelOptions) -> Vec<String> {
    let HostLayout { address, ports, announced, home } = seat;
    let (port, announced, home) =
        (ports.server.to_string(), announced.server.to_string(), home.to_string_lossy());
    let mut arguments: Vec<&str> = vec!["--bind", address, "--bind-source-addr", address];
    arguments.extend(["--port", &port, "--dir", &home, "--protected-mode", "no", "--save", ""]);
    arguments.extend(["--appendonly", "yes", "--repl-diskless-sync-delay", "0"]);
    arguments.extend(["--repl-ping-replica-period", "1"]);
    arguments.extend(["--replica-announce-ip", address, "--replica-announce-port", &announced]);
    let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    if *primary != ((*address).to_owned(), seat.announced.server) {
        arguments.extend(["--replicaof".to_owned(), primary.0.clone(), primary.1.to_string()]);
    }
    if let Some((count, lag)) = options.min_replicas {
        arguments.extend(["--min-replicas-to-write".to_owned(), count.to_string()]);
        arguments.extend(["--min-replicas-max-lag".to_owned(), lag.to_string()]);
    }
    arguments
}

fn render_sentinel_config(seat: &HostLayout<'_>, primary: &(String, u16)) -> String {
    let (primary, primary_port) = primary;
    let HostLayout { address, ports, announced, home } = seat;
    format!(
        "bind {address}\nbind-source-addr {address}\nport {}\ndir {}\nprotected-mode no\n\
         sentinel announce-ip {address}\n\
         sentinel announce-port {}\n\
         sentinel monitor {GROUP} {primary} {primary_port} 2\n\
         sentinel down-after-milliseconds {GROUP} 1000\n\
         sentinel failover-timeout {GROUP} 5000\n\
         sentinel parallel-syncs {GROUP} 1\n",
        ports.sentinel,
        home.display(),
        announced.sentinel,
    )
}

/// Whether a Sentinel sees the primary, both replicas and the two other Sentinels.
async fn is_sentinel_ready(sentinel: &str) -> bool {
    let ask = async {
        let mut connection = RespConnection::open(sentinel).await.ok()?;
        connection.run_command(&["SENTINEL", "master", GROUP]).await.ok()
    };
    let Ok(Some(RespReply::Array(Some(fields)))) = tokio::time::timeout(Duration::from_secs(1), ask).await
    else {
        return false;
    };
    let texts: Vec<String> = fields
        .iter()
        .map(|field| match field {
            RespReply::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        })
        .collect();
    let field = |name: &str| texts.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1));
    field("flags").is_some_and(|flags| flags == "master")
        && field("num-slaves").is_some_and(|count| count == "2")
        && field("num-other-sentinels").is_some_and(|count| count == "2")
}
