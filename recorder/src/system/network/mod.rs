//! A network in which faults can be caused on each way separately, by packets or by proxies.
//!
//! A plan names faults of nodes and links. Which of them can be caused depends on the machine of the run:
//!
//! | made of | needs | partition | delay, jitter, hold, throttle, hang, slow, fail-first | reset, refuse | loss, reorder | slice, half-close |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | **packets** | a network namespace, iptables, NFQUEUE | lost | yes | yes | yes | no |
//! | **proxies** | nothing | held | yes | yes | no | yes |
//!
//! Packets are what a real partition loses, and proxies are available everywhere. A store names the ends (its nodes,
//! numbered from zero, and all clients as one more end). It either binds each node to its own address, or lets all
//! connections lead through [`Network::front`]. Its nemesis then passes faults of links to the network:
//!
//! ```
//! use recorder::StruckTargets;
//! use recorder::system::FaultyNetwork;
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let names = ["web", "redis"].map(str::to_owned);
//! let mut network = FaultyNetwork::of_proxies(&names, true);
//! let (web, redis, clients) = (0, 1, network.client_end());
//! let for_clients = network.open_front(clients, web, "127.0.0.1:8080").await.unwrap();
//! let for_web = network.open_front(web, redis, "127.0.0.1:6379").await.unwrap();
//! // … and when an episode strikes and ends:
//! let strike: workloads::Strike = "delay=50ms:web>redis".parse().unwrap();
//! network.check_fault(strike.fault).unwrap();
//! let struck = StruckTargets::resolve_among(&strike.target.unwrap(), &names, redis, 0);
//! network.strike(0, strike.fault, struck).unwrap();
//! network.heal(0).unwrap();
//! # });
//! ```

mod condition;
mod evidence;

pub(crate) use condition::Condition;

use super::packets::Packets;
use super::proxy::{Carried, Direction, Flow, Gate, LinkCounts, Proxy, ProxyLink, RedisCommands};
use crate::FaultEvidence;
use crate::shapes::{StruckTargets, fault_affects_way};
use evidence::LinkRecord;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;
use workloads::Fault;

/// The means by which faults of links are caused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Means {
    /// Packets between the addresses of a network namespace.
    Packets,
    /// Connections, each through a proxy of this program.
    Proxies,
}

impl Means {
    /// The name that users type.
    pub fn name(self) -> &'static str {
        match self {
            Means::Packets => "packets",
            Means::Proxies => "proxies",
        }
    }
}

/// The ways between nodes, and between nodes and their clients.
#[derive(Debug)]
pub struct FaultyNetwork {
    nodes: usize,
    /// Whether a fault that names a node also affects its links to clients.
    clients_too: bool,
    broken: BTreeMap<usize, (Fault, StruckTargets)>,
    /// The counts of the links of each episode when it struck.
    before: BTreeMap<usize, LinkRecord>,
    /// The episode that changed the rules last. The counts of the firewall began at that moment.
    newest: Option<usize>,
    made_of: NetworkMedium,
}

/// How long a connection to a proxy of the run may take to be accepted or refused.
const KNOCK_PATIENCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum NetworkMedium {
    Packets(Packets),
    Proxies { links: BTreeMap<(usize, usize), ProxyLink>, proxies: Vec<Proxy> },
}

impl FaultyNetwork {
    /// Creates a network of proxies. If `clients_too` is set, a fault that names a node also affects its links to
    /// clients. This is necessary where the network has no other links.
    pub fn of_proxies(nodes: &[String], clients_too: bool) -> Self {
        let made_of = NetworkMedium::Proxies { links: BTreeMap::new(), proxies: Vec::new() };
        Self::peaceful(nodes.len(), clients_too, made_of)
    }

    fn peaceful(nodes: usize, clients_too: bool, made_of: NetworkMedium) -> Self {
        let (broken, before) = (BTreeMap::new(), BTreeMap::new());
        Self { nodes, clients_too, broken, before, newest: None, made_of }
    }

    /// Creates a network of packets between the addresses of the nodes and of the clients. It must be used and
    /// dropped on the thread that the network namespace belongs to.
    pub fn of_packets(nodes: &[Ipv4Addr], clients: Ipv4Addr, clients_too: bool) -> Self {
        let addresses = nodes.iter().copied().chain([clients]).collect();
        let made_of = NetworkMedium::Packets(Packets::new(addresses));
        Self::peaceful(nodes.len(), clients_too, made_of)
    }

    /// The number of the clients among the ends, which is the number after the last node.
    pub fn client_end(&self) -> usize {
        self.nodes
    }

    /// The means by which faults of links are caused here.
    pub fn means(&self) -> Means {
        match self.made_of {
            NetworkMedium::Packets(_) => Means::Packets,
            NetworkMedium::Proxies { .. } => Means::Proxies,
        }
    }

    /// Whether a fault can be caused in these links.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn check_fault(&self, fault: Fault) -> Result<(), String> {
        self.means().check_fault(fault)
    }

    /// The link of the connections that one end opens to another. It counts commands if they are commands of Redis.
    ///
    /// # Panics
    /// In a network of packets.
    pub fn link_between(&mut self, from: usize, to: usize) -> ProxyLink {
        let NetworkMedium::Proxies { links, .. } = &mut self.made_of else { panic!("packets have no links") };
        let link = links
            .entry((from, to))
            .or_insert_with(|| ProxyLink::with_counter(|| Box::<RedisCommands>::default()));
        link.clone()
    }

    /// Listens for the connections of one end to a server of another end, and returns the address.
    ///
    /// # Panics
    /// In a network of packets.
    pub async fn open_front(&mut self, from: usize, to: usize, server: &str) -> io::Result<SocketAddr> {
        self.open_front_at(from, to, "127.0.0.1:0", server).await
    }

    /// Listens for the connections of one end to a server of another end, at this address.
    ///
    /// Panics in a network of packets.
    pub async fn open_front_at(
        &mut self,
        from: usize,
        to: usize,
        listen: &str,
        server: &str,
    ) -> io::Result<SocketAddr> {
        let link = self.link_between(from, to);
        let proxy = Proxy::start(listen, server, link).await?;
        Ok(self.keep_proxy(proxy))
    }

    /// Listens at one address for the connections of all ends to a server of one end, and returns the address. Nodes
    /// are told apart by the addresses that they connect from, one for each node, and the server sees these addresses
    /// too. Connections from any other address are those of clients.
    ///
    /// # Panics
    /// In a network of packets.
    pub async fn open_shared_front(
        &mut self,
        to: usize,
        listen: &str,
        server: &str,
        sources: &[IpAddr],
    ) -> io::Result<SocketAddr> {
        let links =
            sources.iter().enumerate().map(|(from, source)| (*source, self.link_between(from, to))).collect();
        let clients = self.link_between(self.nodes, to);
        let proxy = Proxy::start_by_source(listen, server, links, clients).await?;
        Ok(self.keep_proxy(proxy))
    }

    fn keep_proxy(&mut self, proxy: Proxy) -> SocketAddr {
        let address = proxy.address();
        if let NetworkMedium::Proxies { proxies, .. } = &mut self.made_of {
            proxies.push(proxy);
        }
        address
    }

    /// Causes a fault in links, for the episode of this number.
    ///
    /// # Errors
    /// The fault affects none of the links.
    pub fn strike(&mut self, number: usize, fault: Fault, struck: StruckTargets) -> Result<(), String> {
        if let NetworkMedium::Proxies { links, .. } = &self.made_of {
            let hits = |way| fault_affects_way(fault, &struck, way, self.nodes, self.clients_too);
            if !links.keys().any(|&(client, server)| hits((client, server)) || hits((server, client))) {
                return Err(format!("{} strikes no link that there is here", fault.name()));
            }
        }
        let before = self.count_struck_links(fault, &struck);
        self.before.insert(number, before);
        if fault == Fault::HalfClose {
            self.half_close_links(&struck);
            return Ok(());
        }
        if let Fault::FailFirst { count } = fault {
            self.break_next_requests(&struck, count);
        }
        self.broken.insert(number, (fault, struck));
        self.newest = Some(number);
        self.apply_active_faults()
    }

    /// Evidence for an episode: the traffic on its links since the strike, or the number of packets that have matched its
    /// firewall rules. `None` if no packet has matched and another episode has changed the rules since, because that reset
    /// the firewall's counts.
    pub(crate) fn observe_fault(&self, number: usize) -> Option<FaultEvidence> {
        let before = self.before.get(&number)?;
        let Some((fault, struck)) = self.broken.get(&number) else {
            // A half-close is over at once. It was in force if there was a connection to close.
            let how = format!("{} connections were open", before.open_connections());
            return Some(FaultEvidence { in_force: before.open_connections() > 0, how });
        };
        match &self.made_of {
            NetworkMedium::Packets(packets) if Self::is_done_by_firewall(*fault) => {
                let met = packets.count_matched_packets(self.affected_ways(*fault, struck))?;
                if met == 0 && self.newest != Some(number) {
                    return None;
                }
                Some(FaultEvidence {
                    in_force: met > 0,
                    how: format!("{met} packets matched its firewall rules"),
                })
            }
            NetworkMedium::Proxies { proxies, .. } if *fault == Fault::Refuse => {
                let refused = proxies.iter().filter(|proxy| refuses_connections(proxy.address())).count();
                let broken = self.count_struck_links(*fault, struck).evidence_of(Fault::Reset, before)?;
                let how =
                    format!("{refused} of {} addresses refuse connections; {}", proxies.len(), broken.how);
                Some(FaultEvidence { in_force: refused > 0 || broken.in_force, how })
            }
            _ => self.count_struck_links(*fault, struck).evidence_of(*fault, before),
        }
    }

    /// Whether the firewall itself drops or answers the packets of a fault, instead of handing them to user space.
    fn is_done_by_firewall(fault: Fault) -> bool {
        fault.divides_nodes() || matches!(fault, Fault::Reset | Fault::Refuse)
    }

    /// Returns a test of whether a fault with these targets affects a way. A broken connection is broken for both ends.
    fn affected_ways<'a>(
        &'a self,
        fault: Fault,
        struck: &'a StruckTargets,
    ) -> impl Fn(usize, usize) -> bool + 'a {
        move |from, to| {
            let hit = |way| fault_affects_way(fault, struck, way, self.nodes, self.clients_too);
            hit((from, to)) || (fault == Fault::Reset && hit((to, from)))
        }
    }

    /// The present counts of the links that a fault affects.
    fn count_struck_links(&self, fault: Fault, struck: &StruckTargets) -> LinkRecord {
        const THERE: fn(&LinkCounts) -> Carried = |counts| counts.to_server;
        const BACK: fn(&LinkCounts) -> Carried = |counts| counts.to_client;
        let hits = self.affected_ways(fault, struck);
        match &self.made_of {
            NetworkMedium::Packets(packets) => LinkRecord::sum_packets(&packets.counts(hits)),
            NetworkMedium::Proxies { links, .. } => {
                let struck_links = links.iter().filter_map(|(&(client, server), link)| {
                    let directions: &[fn(&LinkCounts) -> Carried] =
                        match (hits(client, server), hits(server, client)) {
                            (true, true) => &[THERE, BACK],
                            (true, false) => &[THERE],
                            (false, true) => &[BACK],
                            (false, false) => return None,
                        };
                    Some((link.counts(), directions))
                });
                LinkRecord::sum_proxies(struck_links)
            }
        }
    }

    /// Undoes the fault of an episode.
    pub fn heal(&mut self, number: usize) -> Result<(), String> {
        self.before.remove(&number);
        let Some((fault, struck)) = self.broken.remove(&number) else { return Ok(()) };
        if let Fault::FailFirst { .. } = fault {
            self.break_next_requests(&struck, 0);
        }
        self.newest = None;
        self.apply_active_faults()
    }

    /// Lets the proxies break the connections of the next `count` requests.
    fn break_next_requests(&self, struck: &StruckTargets, count: u64) {
        let NetworkMedium::Proxies { links, .. } = &self.made_of else { return };
        let hits = self.affected_ways(Fault::FailFirst { count: 1 }, struck);
        for (_, link) in links.iter().filter(|&(&(client, server), _)| hits(client, server)) {
            link.break_next_requests(count);
        }
    }

    /// The counts of each link, by the ends that open and accept its connections; empty in a network of packets.
    pub fn link_counts(&self) -> BTreeMap<(usize, usize), LinkCounts> {
        match &self.made_of {
            NetworkMedium::Packets(_) => BTreeMap::new(),
            NetworkMedium::Proxies { links, .. } => {
                links.iter().map(|(ends, link)| (*ends, link.counts())).collect()
            }
        }
    }

    fn half_close_links(&mut self, struck: &StruckTargets) {
        let NetworkMedium::Proxies { links, .. } = &self.made_of else { return };
        for (&(client, server), link) in links {
            let hit = |way| fault_affects_way(Fault::HalfClose, struck, way, self.nodes, self.clients_too);
            if hit((client, server)) {
                link.half_close(Direction::ToServer);
            }
            if hit((server, client)) {
                link.half_close(Direction::ToClient);
            }
        }
    }

    /// Applies the combined effect of all active faults to every way.
    fn apply_active_faults(&mut self) -> Result<(), String> {
        let (nodes, clients_too, broken) = (self.nodes, self.clients_too, &self.broken);
        let condition = |from, to| {
            let mut condition = Condition::default();
            for (fault, struck) in broken.values() {
                let hits = |way| fault_affects_way(*fault, struck, way, nodes, clients_too);
                // A reset breaks a connection for both of its ends.
                if hits((from, to)) || (*fault == Fault::Reset && hits((to, from))) {
                    condition.add_fault(*fault);
                }
            }
            condition
        };
        match &mut self.made_of {
            NetworkMedium::Packets(packets) => packets.set_conditions(condition),
            NetworkMedium::Proxies { links, .. } => {
                for (&(client, server), link) in links.iter() {
                    let (there, back) = (condition(client, server), condition(server, client));
                    link.set_flow(Direction::ToServer, proxy_flow(&there));
                    link.set_flow(Direction::ToClient, proxy_flow(&back));
                    link.set_gate(match () {
                        () if there.resets => Gate::Reset,
                        () if there.refuses => Gate::Refuse,
                        () => Gate::Open,
                    });
                }
                Ok(())
            }
        }
    }
}

impl Means {
    /// Whether a fault of links can be caused by these means.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn check_fault(self, fault: Fault) -> Result<(), String> {
        match (self, fault) {
            (_, fault) if !fault.strikes_links() => Err(format!("{} is not a fault of links", fault.name())),
            (Means::Packets, Fault::Slice { .. } | Fault::HalfClose) => {
                Err("it is done to connections, in a proxy, and this network is of packets".to_owned())
            }
            (Means::Proxies, Fault::Loss { .. } | Fault::Reorder { .. }) => {
                Err("it is done to packets, and a proxy carries connections".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The flow by which a proxy imitates a condition. A way that is cut is held, because a proxy cannot lose anything.
fn proxy_flow(condition: &Condition) -> Flow {
    Flow {
        delay: Duration::from_nanos(condition.delay_ns.saturating_add(condition.slow_ns)),
        jitter: Duration::from_nanos(condition.jitter_ns),
        held: condition.held || condition.cut || condition.hangs,
        rate: condition.rate,
        slice: condition.slice.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
    }
}

/// Whether connections to an address are refused.
fn refuses_connections(address: SocketAddr) -> bool {
    let refused = io::ErrorKind::ConnectionRefused;
    TcpStream::connect_timeout(&address, KNOCK_PATIENCE).is_err_and(|why| why.kind() == refused)
}
