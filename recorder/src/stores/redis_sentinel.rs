//! A Redis primary with two replicas and three Sentinels, started by us and broken by us.
//!
//! Each host is an address of the loopback network (127.0.0.11, .12, .13) with one server and one Sentinel on
//! it, both bound to that address for what they accept *and* for what they open: so a firewall rule on a pair
//! of addresses cuts a pair of hosts. Clients come from 127.0.0.1 and reach all of them, as users reach both
//! sides of a partition between data centres.
//!
//! What to expect (measured): Sentinels agree on a new primary 2–3 s after the old one is cut off; the old one
//! goes on acknowledging writes until about ten seconds *after the heal*, when it is told to become a replica
//! and throws them away. A run whose load ends before that shows nothing.

use super::redis::resp::{Connection, Reply};
use super::redis::{GROUP, RedisOptions, RedisStore, ask_sentinel};
use crate::Nemesis;
use crate::shapes::cuts;
use crate::system::{
    Firewall, Folder, Isolation, Machine, Machines, Needs, Server, ServerError, find_program,
};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use workloads::{Episode, Fault, Kind, Plan, Target};

/// How many hosts there are.
pub const HOSTS: usize = 3;

/// How long everything may take to come up.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// How the servers are configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct SentinelOptions {
    /// Refuse writes with fewer replicas than this that were heard within so many seconds.
    pub min_replicas: Option<(u32, u32)>,
    /// What the faults to come need of the hosts.
    pub needs: Needs,
}

/// The running hosts. Everything ends when this is dropped. Must stay on the thread that started it.
pub struct SentinelCluster {
    hosts: Vec<Host>,
    firewall: Firewall,
    isolation: Isolation,
    broken: BTreeMap<usize, (Fault, Vec<usize>)>,
    // Last, so that it is removed after the servers are gone.
    folder: Folder,
}

struct Host {
    address: String,
    port: u16,
    sentinel_port: u16,
    server: Server,
    sentinel: Server,
    // After the servers, which have files open on its disk.
    machine: Machine,
}

impl SentinelCluster {
    /// Starts everything and waits until the Sentinels know one another and both replicas follow.
    pub async fn start(options: SentinelOptions, isolation: Isolation) -> Result<Self, ServerError> {
        let server_program = find_program("redis-server", "redis-server")?;
        let sentinel_program = find_program("redis-sentinel", "redis-sentinel")?;
        let folder = Folder::create().map_err(|why| ServerError::System(why.to_string()))?;
        let machines = Machines::prepare(options.needs, folder.path()).map_err(ServerError::System)?;
        let mut hosts: Vec<Host> = Vec::new();
        for number in 1..=HOSTS {
            let address = format!("127.0.0.{}", 10 + number);
            let home = folder.path().join(format!("n{number}"));
            std::fs::create_dir(&home).map_err(|why| ServerError::System(why.to_string()))?;
            let machine = machines.machine(&home).map_err(ServerError::System)?;
            let (port, sentinel_port) = (free_port(&address)?, free_port(&address)?);
            let primary = hosts.first().map_or((&address, port), |first| (&first.address, first.port));
            let arguments = server_arguments(&address, port, primary, &home, options);
            let environment = machine.environment();
            let server =
                Server::start_with(&server_program, arguments, environment.clone(), home.join("redis.log"))?;
            let file = home.join("sentinel.conf");
            std::fs::write(&file, sentinel_file(&address, sentinel_port, primary, &home))
                .map_err(|why| ServerError::System(why.to_string()))?;
            let arguments = vec![file.to_string_lossy().into_owned()];
            let log = home.join("sentinel.log");
            let sentinel = Server::start_with(&sentinel_program, arguments, environment, log)?;
            hosts.push(Host { address, port, sentinel_port, server, sentinel, machine });
        }
        let mut cluster =
            Self { hosts, firewall: Firewall::default(), isolation, broken: BTreeMap::new(), folder };
        cluster.come_up().await?;
        Ok(cluster)
    }

    /// Where its files are, logs among them.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The names of the hosts.
    pub fn node_names() -> Vec<String> {
        (1..=HOSTS).map(|number| format!("n{number}")).collect()
    }

    /// Whether every fault of a plan can be caused here; if not, why.
    pub fn can(&self, plan: &Plan) -> Result<(), String> {
        plan.episodes.iter().try_for_each(|episode| match (episode.fault, &self.isolation) {
            (Fault::Kill | Fault::Pause | Fault::Restart, _) => Ok(()),
            // What they need is there, or the hosts would not have started.
            (fault, _) if Machine::has(fault) => Ok(()),
            (fault, _) if episode.target.is_link() => {
                Err(format!("{fault} cannot be caused on one link of redis-sentinel"))
            }
            (fault, Isolation::Shared(why)) if is_partition(fault) => {
                Err(format!("{fault} needs a network of its own for the servers, and there is none: {why}"))
            }
            (fault, Isolation::Own) if is_partition(fault) => Firewall::probe(),
            (fault, _) => Err(format!("{fault} cannot be caused on redis-sentinel")),
        })
    }

    /// A store for clients of these servers.
    pub fn store(
        &self,
        kind: Kind,
        replica_reads: bool,
        wait: Option<(u32, Duration)>,
        time_to_live: Duration,
    ) -> RedisStore {
        let server = |(number, host): (usize, &Host)| {
            (format!("n{}", number + 1).into(), format!("{}:{}", host.address, host.port))
        };
        RedisStore::new(RedisOptions {
            servers: self.hosts.iter().enumerate().map(server).collect::<Vec<(Arc<str>, String)>>(),
            sentinels: self.hosts.iter().map(Host::sentinel_address).collect(),
            prefix: String::new(),
            replica_reads,
            wait,
            kind,
            time_to_live,
        })
    }

    async fn come_up(&mut self) -> Result<(), ServerError> {
        let began = Instant::now();
        for number in 0..HOSTS {
            loop {
                let host = &mut self.hosts[number];
                if !host.server.runs() {
                    return Err(host.server.down("ended at once"));
                }
                if !host.sentinel.runs() {
                    return Err(host.sentinel.down("ended at once"));
                }
                if is_ready(&host.sentinel_address()).await {
                    break;
                }
                if began.elapsed() > START_PATIENCE {
                    return Err(host.sentinel.down("did not find the others in 20 s"));
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// The host that most Sentinels take for the primary; the first one if none answers.
    async fn primary(&self) -> usize {
        let mut votes = [0; HOSTS];
        for host in &self.hosts {
            let told = ask_sentinel(&host.sentinel_address()).await;
            let named = self.hosts.iter().position(|host| told.as_ref() == Some(&host.server_address()));
            if let Some(named) = named {
                votes[named] += 1;
            }
        }
        (0..HOSTS).rev().max_by_key(|&host| votes[host]).unwrap_or(0)
    }

    async fn resolve(&self, number: usize, target: &Target) -> Vec<usize> {
        let primary = self.primary().await;
        match target {
            Target::Primary => vec![primary],
            // Another one for each episode: which one, follows from the plan.
            Target::Replica | Target::Random => vec![(primary + 1 + number % (HOSTS - 1)) % HOSTS],
            Target::All => (0..HOSTS).collect(),
            Target::Node(name) => {
                Self::node_names().iter().position(|known| known == name).into_iter().collect()
            }
            Target::Client | Target::Link { .. } => Vec::new(),
        }
    }

    /// Sets the firewall as the partitions that are on have it.
    fn rewire(&mut self) -> Result<(), String> {
        self.firewall.mend_all()?;
        for (fault, struck) in self.broken.values() {
            for (from, to) in (0..HOSTS).flat_map(|from| (0..HOSTS).map(move |to| (from, to))) {
                if cuts(*fault, struck, from, to, HOSTS) {
                    self.firewall.cut(&self.hosts[from].address, &self.hosts[to].address)?;
                }
            }
        }
        Ok(())
    }
}

impl Nemesis for SentinelCluster {
    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let struck = self.resolve(number, &episode.target).await;
        for &host in &struck {
            let server = &mut self.hosts[host].server;
            match episode.fault {
                Fault::Kill => server.kill(),
                Fault::Restart => {
                    server.kill();
                    server.start_again().map_err(|why| why.to_string())?;
                }
                Fault::Pause => server.pause()?,
                fault if Machine::has(fault) => self.hosts[host].machine.strike(number, fault)?,
                _ => {}
            }
        }
        let names = struck.iter().map(|host| format!("n{}", host + 1)).collect();
        self.broken.insert(number, (episode.fault, struck));
        if is_partition(episode.fault) {
            self.rewire()?;
        }
        Ok(names)
    }

    async fn heal(&mut self, number: usize, episode: &Episode) -> Result<(), String> {
        let Some((fault, struck)) = self.broken.remove(&number) else { return Ok(()) };
        for host in struck {
            let server = &mut self.hosts[host].server;
            match fault {
                Fault::Kill => server.start_again().map_err(|why| why.to_string())?,
                Fault::Pause => server.resume()?,
                fault if Machine::has(fault) => self.hosts[host].machine.heal(number)?,
                _ => {}
            }
        }
        if is_partition(episode.fault) { self.rewire() } else { Ok(()) }
    }
}

impl Host {
    fn server_address(&self) -> String {
        format!("{}:{}", self.address, self.port)
    }

    fn sentinel_address(&self) -> String {
        format!("{}:{}", self.address, self.sentinel_port)
    }
}

fn is_partition(fault: Fault) -> bool {
    matches!(fault, Fault::Partition | Fault::OneWay | Fault::Bridge | Fault::MajoritiesRing)
}

/// A port that nobody has at this address.
fn free_port(address: &str) -> Result<u16, ServerError> {
    let listener = TcpListener::bind((address, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|why| ServerError::System(format!("{address}: {why}")))
}

fn server_arguments(
    address: &str,
    port: u16,
    primary: (&String, u16),
    home: &Path,
    options: SentinelOptions,
) -> Vec<String> {
    let (port_text, home) = (port.to_string(), home.to_string_lossy());
    let mut arguments: Vec<&str> = vec!["--bind", address, "--bind-source-addr", address];
    arguments.extend(["--port", &port_text, "--dir", &home, "--protected-mode", "no", "--save", ""]);
    arguments.extend(["--appendonly", "yes", "--repl-diskless-sync-delay", "0"]);
    arguments.extend(["--repl-ping-replica-period", "1", "--replica-announce-ip", address]);
    let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    if primary != (&address.to_owned(), port) {
        arguments.extend(["--replicaof".to_owned(), primary.0.clone(), primary.1.to_string()]);
    }
    if let Some((count, lag)) = options.min_replicas {
        arguments.extend(["--min-replicas-to-write".to_owned(), count.to_string()]);
        arguments.extend(["--min-replicas-max-lag".to_owned(), lag.to_string()]);
    }
    arguments
}

fn sentinel_file(address: &str, port: u16, primary: (&String, u16), home: &Path) -> String {
    let (primary, primary_port) = primary;
    format!(
        "bind {address}\nbind-source-addr {address}\nport {port}\ndir {}\nprotected-mode no\n\
         sentinel announce-ip {address}\n\
         sentinel monitor {GROUP} {primary} {primary_port} 2\n\
         sentinel down-after-milliseconds {GROUP} 1000\n\
         sentinel failover-timeout {GROUP} 5000\n\
         sentinel parallel-syncs {GROUP} 1\n",
        home.display()
    )
}

/// Whether a Sentinel sees the primary, both replicas and the two other Sentinels.
async fn is_ready(sentinel: &str) -> bool {
    let ask = async {
        let mut connection = Connection::open(sentinel).await.ok()?;
        connection.ask_one(&["SENTINEL", "master", GROUP]).await.ok()
    };
    let Ok(Some(Reply::Array(Some(fields)))) = tokio::time::timeout(Duration::from_secs(1), ask).await else {
        return false;
    };
    let texts: Vec<String> = fields
        .iter()
        .map(|field| match field {
            Reply::Bulk(Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        })
        .collect();
    let field = |name: &str| texts.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1));
    field("flags").is_some_and(|flags| flags == "master")
        && field("num-slaves").is_some_and(|count| count == "2")
        && field("num-other-sentinels").is_some_and(|count| count == "2")
}
