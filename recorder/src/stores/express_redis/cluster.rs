//! The processes of the stack, and the faults that are caused in them.

use super::files;
use crate::shapes::StruckTargets;
use crate::stores::redis_sentinel::{HOSTS, SentinelCluster, SentinelOptions, host_address};
use crate::stores::switches::Switches;
use crate::system::{
    Capabilities, FaultyNetwork, Launch, MachineNeeds, Means, NetworkIsolation, RunFolder, Server,
    ServerError, find_free_port, find_program,
};
use crate::{FaultEvidence, Nemesis};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use workloads::{Episode, Fault, Plan, Target};

/// How long the whole stack may take to start.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long the application may take for an orderly stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);
/// How long a restarted node of the application may take until it serves requests.
const SERVE_PATIENCE: Duration = Duration::from_secs(20);
/// How long the proxy takes at most to notice that a node serves: two health checks, which are 200 ms apart.
const PROXY_LOOKS: Duration = Duration::from_millis(400);
const PROXY: &str = "127.0.0.31";
/// The name of the socket at which the proxy answers `show stat`.
const PROXY_SOCKET: &str = "proxy.sock";
const APPS: [(&str, &str); 2] = [("a1", "127.0.0.21"), ("a2", "127.0.0.22")];
/// The number of the proxy among the ends of the network, after the Redis hosts and the nodes of the application.
const CLIENTS: usize = HOSTS + APPS.len();

/// The running stack. It ends when this is dropped. It must stay on the thread that started it.
pub struct ExpressCluster {
    redis: SentinelCluster,
    apps: Vec<Server>,
    proxy: Server,
    proxy_port: u16,
    /// The ports on which the nodes of the application listen.
    app_ports: Vec<u16>,
    /// The network between the Redis hosts, the nodes of the application, and the proxy. Users connect through the
    /// proxy.
    network: FaultyNetwork,
    capabilities: Capabilities,
    /// For each episode: the fault and the processes that it struck.
    broken: BTreeMap<usize, StruckProcesses>,
    /// How the processes ended that were asked to, by episode.
    drained: BTreeMap<usize, String>,
    switches: Switches,
    at_headers: bool,
    folder: RunFolder,
}

#[derive(Clone, Debug)]
struct StruckProcesses {
    fault: Fault,
    redis: Vec<usize>,
    apps: Vec<usize>,
    proxy: bool,
}

impl ExpressCluster {
    /// Starts the stack and waits until the proxy sees both nodes.
    pub async fn start(
        switches: Switches,
        time_to_live: Duration,
        isolation: NetworkIsolation,
        needs: MachineNeeds,
    ) -> Result<Self, ServerError> {
        let environment = build_environment(&switches, time_to_live).map_err(ServerError::System)?;
        let at_headers =
            switches.get_one_of("acknowledged", &["body", "headers"]).map_err(ServerError::System)?;
        let (node, proxy) = (find_program("node", "nodejs")?, find_program("haproxy", "haproxy")?);
        let packages = files::find_packages()?;
        let system = |why: std::io::Error| ServerError::System(why.to_string());
        let folder = RunFolder::create().map_err(system)?;
        let redis = SentinelOptions { needs, ..SentinelOptions::default() };
        let redis = SentinelCluster::start(redis, isolation.clone()).await?;
        let apps_at = APPS.map(|(_, host)| host.parse().expect("an address"));
        let addresses: Vec<_> = (0..HOSTS).map(host_address).chain(apps_at).collect();
        let network = FaultyNetwork::of_packets(&addresses, PROXY.parse().expect("an address"), false);
        let sentinels: Vec<_> = redis.host_addresses().into_iter().map(|(_, sentinel)| sentinel).collect();
        let program = folder.path().join("app.js");
        std::fs::write(&program, files::APPLICATION).map_err(system)?;
        let (mut apps, mut ports) = (Vec::new(), Vec::new());
        for ((name, host), version) in
            APPS.into_iter().zip(parse_versions(&switches).map_err(ServerError::System)?)
        {
            let port = find_free_port(host)?;
            let own = [
                ("NAME", name.to_owned()),
                ("HOST", host.to_owned()),
                ("PORT", port.to_string()),
                ("SENTINELS", sentinels.join(",")),
                ("AUDIT", folder.path().join("audit.jsonl").to_string_lossy().into_owned()),
                ("NODE_PATH", packages.to_string_lossy().into_owned()),
                ("NODE_ENV", "production".to_owned()),
                ("VERSION", version),
            ];
            let launch = Launch {
                program: node.clone(),
                arguments: vec![program.to_string_lossy().into_owned()],
                environment: own
                    .map(|(name, value)| (name.to_owned(), value))
                    .into_iter()
                    .chain(environment.clone())
                    .collect(),
                ..Launch::default()
            };
            apps.push(Server::launch(launch, folder.path().join(format!("{name}.log")))?);
            ports.push(port);
        }
        let proxy_port = find_free_port(PROXY)?;
        let file = folder.path().join("haproxy.cfg");
        let text = render_proxy_config(&switches, proxy_port, &ports, &folder.path().join(PROXY_SOCKET))
            .map_err(ServerError::System)?;
        std::fs::write(&file, text).map_err(system)?;
        let arguments = vec!["-db".to_owned(), "-f".to_owned(), file.to_string_lossy().into_owned()];
        // SIGUSR1 lets HAProxy finish open requests. SIGTERM would break them off.
        let stop_signal = Some(Signal::SIGUSR1);
        let launch = Launch { program: proxy, arguments, stop_signal, ..Launch::default() };
        let proxy = Server::launch(launch, folder.path().join("haproxy.log"))?;
        let mut cluster = Self {
            redis,
            apps,
            proxy,
            proxy_port,
            app_ports: ports.clone(),
            network,
            capabilities: Capabilities::probe_here(&isolation),
            broken: BTreeMap::new(),
            drained: BTreeMap::new(),
            switches,
            at_headers: at_headers == "headers",
            folder,
        };
        cluster.wait_until_up(&ports).await?;
        Ok(cluster)
    }

    /// The names of the hosts.
    pub fn node_names() -> Vec<String> {
        let mut names = SentinelCluster::node_names();
        names.extend(["a1", "a2", "proxy"].map(str::to_owned));
        names
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
        plan.episodes.iter().try_for_each(|episode| match episode.fault {
            Fault::Kill | Fault::Pause | Fault::Restart | Fault::Drain => Ok(()),
            fault if fault.strikes_links() => {
                let can = self.capabilities.check_fault(Means::Packets, fault);
                can.map_err(|why| format!("{fault} cannot be caused on express-redis here: {why}"))
            }
            // The clocks of the Redis servers are struck. What that needs is present, because otherwise the servers would
            // not have started.
            fault @ Fault::Skew { .. } => {
                check_target_host(&episode.target, &SentinelCluster::node_names(), true).ok_or_else(|| {
                    format!("{fault} strikes Redis: {}", SentinelCluster::node_names().join(", "))
                })
            }
            fault @ Fault::Deploy { version: 1 | 2 } => {
                check_target_host(&episode.target, &app_names(), false)
                    .ok_or_else(|| format!("{fault} strikes the application: {}", app_names().join(" or ")))
            }
            Fault::Deploy { version } => {
                Err(format!("deploy={version}: there are versions 1 and 2 of the application"))
            }
            fault => Err(format!("{fault} cannot be caused on express-redis")),
        })
    }

    pub(super) fn switches(&self) -> &Switches {
        &self.switches
    }

    pub(super) fn acknowledges_at_headers(&self) -> bool {
        self.at_headers
    }

    /// The URL through which users enter.
    pub fn entry_url(&self) -> String {
        format!("http://{PROXY}:{}", self.proxy_port)
    }

    pub(super) fn redis_servers(&self) -> Vec<(Arc<str>, String)> {
        let names = SentinelCluster::node_names().into_iter().map(Into::into);
        names.zip(self.redis.host_addresses().into_iter().map(|(server, _)| server)).collect()
    }

    pub(super) fn sentinels(&self) -> Vec<String> {
        self.redis.host_addresses().into_iter().map(|(_, sentinel)| sentinel).collect()
    }

    /// The path of the socket at which the proxy answers `show stat`.
    pub(super) fn proxy_socket(&self) -> PathBuf {
        self.folder.path().join(PROXY_SOCKET)
    }

    async fn wait_until_up(&mut self, ports: &[u16]) -> Result<(), ServerError> {
        let began = Instant::now();
        for (app, (port, (name, host))) in self.apps.iter_mut().zip(ports.iter().zip(APPS)) {
            while TcpStream::connect((host, *port)).await.is_err() {
                if !app.is_running() {
                    return Err(app.failure_with_log("ended at once"));
                }
                if began.elapsed() > START_PATIENCE {
                    return Err(app.failure_with_log(&format!(
                        "({name}) does not listen after {} s",
                        START_PATIENCE.as_secs()
                    )));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while TcpStream::connect((PROXY, self.proxy_port)).await.is_err() {
            if !self.proxy.is_running() {
                return Err(self.proxy.failure_with_log("ended at once"));
            }
            if began.elapsed() > START_PATIENCE {
                return Err(self.proxy.failure_with_log("does not listen in time"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // This covers two health checks, so that both nodes get requests from the start.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    }

    async fn resolve_target(&mut self, number: usize, target: &Target) -> StruckTargets {
        let (primary, names) = (self.redis.find_primary().await, Self::node_names());
        StruckTargets::resolve_target(target, CLIENTS, |target| match target {
            Target::Primary => vec![primary],
            // Each episode strikes a different replica. The number of the episode determines which.
            Target::Replica | Target::Random => vec![(primary + 1 + number % (HOSTS - 1)) % HOSTS],
            Target::All => (0..HOSTS).collect(),
            Target::Node(name) => names.iter().position(|known| known == name).into_iter().collect(),
            Target::Client | Target::Link { .. } => Vec::new(),
        })
    }

    /// Waits until these nodes of the application answer `GET /health` with 200 and the proxy has had time to notice,
    /// at most for [`SERVE_PATIENCE`]. If the next node were taken down earlier, users would have no node.
    async fn wait_until_serving(&self, apps: &[usize]) {
        let began = Instant::now();
        for &app in apps {
            let address = (APPS[app].1, self.app_ports[app]);
            while !is_healthy(address).await && began.elapsed() < SERVE_PATIENCE {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        if !apps.is_empty() {
            tokio::time::sleep(PROXY_LOOKS).await;
        }
    }

    /// Asks the struck processes other than Redis to end, and returns how each of them ended.
    async fn drain_struck_processes(&mut self, struck: &StruckProcesses) -> String {
        let mut ended = Vec::new();
        for &app in &struck.apps {
            ended.push(self.apps[app].drain(APPS[app].0).await);
        }
        if struck.proxy {
            ended.push(self.proxy.drain("proxy").await);
        }
        ended.join("; ")
    }

    /// The processes that were struck beside Redis.
    fn struck_servers(&mut self, struck: &StruckProcesses) -> Vec<&mut Server> {
        let proxy = struck.proxy.then_some(&mut self.proxy);
        let apps = self.apps.iter_mut().enumerate().filter(|(app, _)| struck.apps.contains(app));
        apps.map(|(_, server)| server).chain(proxy).collect()
    }
}

impl Nemesis for ExpressCluster {
    async fn observe_fault(&mut self, number: usize, episode: &Episode) -> Option<FaultEvidence> {
        let Some(struck) = self.broken.get(&number).cloned() else {
            return self.network.observe_fault(number);
        };
        let of_redis =
            if struck.redis.is_empty() { None } else { self.redis.observe_fault(number, episode).await };
        let mut seen: Vec<FaultEvidence> = of_redis.into_iter().collect();
        for app in &struck.apps {
            seen.extend(FaultEvidence::from_process_state(
                &struck.fault,
                APPS[*app].0,
                self.apps[*app].kernel_state(),
            ));
        }
        if struck.proxy {
            seen.extend(FaultEvidence::from_process_state(&struck.fault, "proxy", self.proxy.kernel_state()));
        }
        FaultEvidence::combine_parts(seen)
            .map(|seen| seen.with_observation_at_start(self.drained.get(&number)))
    }

    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let ends = self.resolve_target(number, &episode.target).await;
        let told = ends.struck_names(&Self::node_names());
        if episode.fault.strikes_links() {
            if ends.struck_nodes().contains(&CLIENTS) {
                return Err(
                    "the proxy is where the users are: name the link, a1-proxy, or what is behind it"
                        .to_owned(),
                );
            }
            self.network.strike(number, episode.fault, resolve_request_links(episode.fault, ends))?;
            return Ok(told);
        }
        let of_kind = |from: usize, to: usize| -> Vec<usize> {
            ends.struck_nodes().iter().filter(|end| (from..to).contains(*end)).map(|end| end - from).collect()
        };
        let (redis, apps) = (of_kind(0, HOSTS), of_kind(HOSTS, CLIENTS));
        let struck = StruckProcesses {
            fault: episode.fault,
            redis,
            apps,
            proxy: ends.struck_nodes().contains(&CLIENTS),
        };
        if !struck.redis.is_empty() {
            self.redis.strike(number, episode).await?;
        }
        if episode.fault == Fault::Drain {
            let ended = self.drain_struck_processes(&struck).await;
            if !ended.is_empty() {
                self.drained.insert(number, ended);
            }
            self.broken.insert(number, struck);
            return Ok(told);
        }
        for server in self.struck_servers(&struck) {
            match episode.fault {
                Fault::Kill => server.kill(),
                Fault::Restart => {
                    server.kill();
                    server.start_again().map_err(|why| why.to_string())?;
                }
                Fault::Pause => server.pause()?,
                Fault::Deploy { version } => {
                    server.stop(STOP_PATIENCE).await?;
                    server.set_environment("VERSION", &version.to_string());
                    server.start_again().map_err(|why| why.to_string())?;
                }
                fault => return Err(format!("{fault} cannot be caused on express-redis")),
            }
        }
        if matches!(episode.fault, Fault::Restart | Fault::Deploy { .. }) {
            self.wait_until_serving(&struck.apps).await;
        }
        self.broken.insert(number, struck);
        Ok(told)
    }

    async fn heal(&mut self, number: usize, episode: &Episode) -> Result<(), String> {
        let Some(struck) = self.broken.remove(&number) else { return self.network.heal(number) };
        if !struck.redis.is_empty() {
            self.redis.heal(number, episode).await?;
        }
        for server in self.struck_servers(&struck) {
            match struck.fault {
                Fault::Kill | Fault::Drain => server.start_again().map_err(|why| why.to_string())?,
                Fault::Pause => server.resume()?,
                _ => {}
            }
        }
        if matches!(struck.fault, Fault::Kill | Fault::Drain) {
            self.wait_until_serving(&struck.apps).await;
        }
        Ok(())
    }
}

/// Resolves the ways that a fault of links strikes. A fault of requests to Redis hosts strikes the requests of the
/// application, and one to nodes of the application strikes the requests of the proxy.
fn resolve_request_links(fault: Fault, ends: StruckTargets) -> StruckTargets {
    match &ends {
        StruckTargets::Nodes(nodes) if fault.strikes_requests() && nodes.iter().all(|&node| node < HOSTS) => {
            StruckTargets::Link { from: (HOSTS..CLIENTS).collect(), to: nodes.clone(), both: false }
        }
        _ => ends,
    }
}

/// Whether a node of the application answers `GET /health` with 200.
async fn is_healthy((host, port): (&str, u16)) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((host, port)).await.ok()?;
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.ok()?;
        Some(status.ends_with(b" 200"))
    };
    matches!(tokio::time::timeout(Duration::from_millis(500), ask).await, Ok(Some(true)))
}

/// The names of the nodes of the application.
fn app_names() -> Vec<String> {
    APPS.map(|(name, _)| name.to_owned()).to_vec()
}

/// Checks that a target is among these hosts. Roles are allowed only where the hosts are Redis servers.
fn check_target_host(target: &Target, hosts: &[String], roles: bool) -> Option<()> {
    let among = match target {
        Target::Node(name) => hosts.contains(name),
        target => roles && !target.is_link(),
    };
    among.then_some(())
}

fn parse_versions(switches: &Switches) -> Result<[String; 2], String> {
    let text = switches.get("versions");
    match text.split_once('/') {
        Some((one, two)) if [one, two].iter().all(|version| ["1", "2"].contains(version)) => {
            Ok([one.to_owned(), two.to_owned()])
        }
        _ => Err(format!("versions is two of 1 and 2, as in versions=1/2, not {text:?}")),
    }
}

/// The settings as environment variables of the application.
fn build_environment(switches: &Switches, time_to_live: Duration) -> Result<Vec<(String, String)>, String> {
    let mut all = vec![("TTL_MS".to_owned(), time_to_live.as_millis().to_string())];
    for (variable, name) in [
        ("RESAVE", "resave"),
        ("ROLLING", "rolling"),
        ("SAVE_UNINITIALIZED", "save-uninitialized"),
        ("REGENERATE", "regenerate"),
        ("REPLICA_READS", "replica-reads"),
        ("MEMORY", "memory"),
    ] {
        let value = if switches.is_on(name)? { "yes" } else { "no" };
        all.push((variable.to_owned(), value.to_owned()));
    }
    for (variable, name, values) in [
        ("REDIRECT", "redirect", ["no", "yes", "after-save"].as_slice()),
        ("SAVE_OVER", "save-over", &["any", "existing"]),
        ("EDITS", "edits", &["any", "compared"]),
        ("ORDERS", "orders", &["redis", "session"]),
        ("READS", "reads", &["any", "confirmed"]),
        ("MIGRATION", "migration", &["at-once", "expand"]),
        ("NEWS", "live", &["no", "yes", "forget"]),
    ] {
        all.push((variable.to_owned(), switches.get_one_of(name, values)?.to_owned()));
    }
    let confirms = switches.get("reads") == "confirmed";
    if confirms && (switches.get_number("wait")? == 0 || switches.is_on("replica-reads")?) {
        return Err(
            "reads=confirmed is about how many replicas have what the primary shows: it needs wait=1 or \
                    more, and replica-reads=no"
                .to_owned(),
        );
    }
    if switches.is_on("memory")? {
        for (name, value) in [("save-over", "existing"), ("orders", "session"), ("edits", "compared")] {
            if switches.get(name) == value {
                return Err(format!(
                    "{name}={value} is about sessions in Redis; with memory=yes there are none"
                ));
            }
        }
    }
    for (variable, name) in
        [("STORE_DELAY_MS", "store-delay"), ("SLOW_WRITE_MS", "slow-write"), ("SLOW_RENEW_MS", "slow-renew")]
    {
        all.push((variable.to_owned(), switches.get_millis(name)?.to_string()));
    }
    all.push(("WAIT".to_owned(), switches.get_number("wait")?.to_string()));
    all.push(("SLOW_SHARE".to_owned(), format!("{}", switches.get_number("slow-share")? as f64 / 100.0)));
    Ok(all)
}

fn render_proxy_config(
    switches: &Switches,
    port: u16,
    ports: &[u16],
    socket: &Path,
) -> Result<String, String> {
    let mut lines = vec![
        "global".to_owned(),
        "    maxconn 4000".to_owned(),
        "    nbthread 1".to_owned(),
        format!("    stats socket {} mode 600 level user", socket.display()),
        "defaults".to_owned(),
        "    mode http".to_owned(),
        "    timeout connect 300ms".to_owned(),
        "    timeout check 500ms".to_owned(),
        "    timeout client 60s".to_owned(),
        format!("    timeout server {}ms", switches.get_millis("server-timeout")?),
        "    option redispatch 1".to_owned(),
        "    retries 2".to_owned(),
        // The proxy forwards headers as they arrive, without waiting for the body, so that their arrival is a moment
        // of its own.
        "    option http-no-delay".to_owned(),
        "listen stack".to_owned(),
        format!("    bind {PROXY}:{port}"),
        format!("    source {PROXY}"),
        "    balance roundrobin".to_owned(),
        "    option httpchk GET /health".to_owned(),
    ];
    if switches.is_on("cache")? {
        // The URL is the whole cache key. Answers of this application carry an ETag, which makes them cacheable.
        lines.splice(0..0, ["cache shared", "    total-max-size 4", "    max-age 1"].map(str::to_owned));
        lines.push("    http-request cache-use shared if { method GET } { path /session }".to_owned());
        lines.push("    http-response cache-store shared".to_owned());
    }
    let sticky = switches.is_on("sticky")?;
    if sticky {
        lines.push("    cookie node insert indirect nocache".to_owned());
    }
    if switches.is_on("retry")? {
        lines.push("    retry-on conn-failure empty-response response-timeout 500 502 503 504".to_owned());
    }
    for ((name, host), port) in APPS.into_iter().zip(ports) {
        let cookie = if sticky { format!(" cookie {name}") } else { String::new() };
        lines.push(format!("    server {name} {host}:{port} check inter 200ms fall 2 rise 1{cookie}"));
    }
    Ok(lines.join("\n") + "\n")
}
