//! A primary and a standby that the run starts, causes faults in, and fails over.
//!
//! The run plays the failover manager. When the primary is killed, drained or paused, the run gives it up, promotes the
//! standby after a while and tells all clients. The old primary stays away, because it would have to be rewound first.
//! Files are not synced to the disk: the faults are those of a process that dies, not of a host that loses power.

use super::protocol::PostgresConnection;
use super::statements::TABLES;
use super::{PostgresOptions, PostgresStore, ServerRoles};
use crate::stores::hosts::{Hosts, assign_users, wait_until_serves};
use crate::stores::switches::{Switch, Switches};
use crate::system::{Launch, NetworkIsolation, RunFolder, Server, ServerError, find_free_port, find_program};
use crate::{FaultEvidence, Nemesis};
use nix::sys::signal::Signal;
use std::net::Ipv4Addr;
use std::os::unix::fs::{PermissionsExt, chown, lchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use workloads::{Episode, Fault, Plan, Target, WorkloadKind};

/// The settings, each with its default.
pub const SWITCHES: &[Switch] = &[
    ("commit", "local", "synchronous_commit: off, local (asynchronous), remote_write, on or remote_apply"),
    ("isolation", "serializable", "of transactions: read-committed, repeatable-read or serializable"),
    ("promote", "yes", "the standby takes over when the primary is killed or stands still"),
    ("promote-after", "1s", "how long after that"),
];

const START_PATIENCE: Duration = Duration::from_secs(30);
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 61), Ipv4Addr::new(127, 0, 0, 62)];

/// The running servers. They end when this is dropped. It must stay on the thread that started it.
pub struct PostgresCluster {
    hosts: Hosts,
    servers_at: Vec<String>,
    roles: Arc<ServerRoles>,
    promotes_after: Option<Duration>,
    isolation_level: &'static str,
    folder: RunFolder,
}

impl PostgresCluster {
    /// Creates a database, copies it to a standby, and waits until the standby follows.
    pub async fn start(switches: &Switches, isolation: NetworkIsolation) -> Result<Self, ServerError> {
        let asked = PostgresSettings::from_switches(switches).map_err(ServerError::System)?;
        let (initdb, copy) = (find_server_program("initdb")?, find_server_program("pg_basebackup")?);
        let postgres = find_server_program("postgres")?;
        let folder = RunFolder::create().map_err(|why| ServerError::System(why.to_string()))?;
        let users = assign_users(&isolation, &ADDRESSES).map_err(ServerError::System)?;
        let user_of = |server: usize| users.as_ref().map(|users| (users[server], users[server]));
        let homes = [folder.path().join("p1"), folder.path().join("p2")];
        let words =
            ["--pgdata", &path_text(&homes[0]), "--username", "postgres", "--auth", "trust", "--no-sync"];
        initialize_database(&initdb, &words, &homes[0], user_of(0))?;
        let allowed = "host all all 127.0.0.0/8 trust\nhost replication all 127.0.0.0/8 trust\n";
        append_to_file(&homes[0].join("pg_hba.conf"), allowed)?;
        let ports = [find_free_port(&ADDRESSES[0].to_string())?, find_free_port(&ADDRESSES[1].to_string())?];
        let start = |server: usize| {
            let launch = Launch {
                program: postgres.clone(),
                arguments: server_arguments(&homes[server], server, ports[server], asked.commit),
                user: user_of(server),
                // What its service files send: SIGTERM would wait for the last client to leave by itself.
                stop_signal: Some(Signal::SIGINT),
                ..Launch::default()
            };
            Server::launch(launch, folder.path().join(format!("p{}.log", server + 1)))
        };
        let servers_at: Vec<_> =
            ADDRESSES.iter().zip(ports).map(|(address, port)| format!("{address}:{port}")).collect();
        let mut first = start(0)?;
        wait_for_result(&mut first, &servers_at[0], "SELECT 1", |_| true).await?;
        let from = format!("host={} port={} user=postgres", ADDRESSES[0], ports[0]);
        let words =
            ["-d", &from, "-D", &path_text(&homes[1]), "-c", "fast", "-R", "-X", "stream", "--no-sync"];
        run_program(&copy, &words, &homes[1], user_of(1))?;
        let second = start(1)?;
        let following = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        wait_for_result(&mut first, &servers_at[0], following, |count| count == "1").await?;
        wait_for_result(&mut first, &servers_at[0], TABLES, |_| true).await?;
        let names = Self::node_names();
        let hosts = Hosts::new(names, vec![first, second], &ADDRESSES, &isolation);
        let mut cluster = Self {
            hosts,
            servers_at,
            roles: Arc::default(),
            promotes_after: asked.promotes_after,
            isolation_level: asked.isolation,
            folder,
        };
        // Wait until the tables have reached the standby. From now on it can be asked.
        let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'ledger'";
        wait_for_result(&mut cluster.hosts.servers[1], &cluster.servers_at[1], there, |count| count == "1")
            .await?;
        Ok(cluster)
    }

    /// The names of the hosts.
    pub fn node_names() -> Vec<String> {
        ["p1", "p2"].map(str::to_owned).to_vec()
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
        self.hosts.check_plan("postgres", plan)
    }

    /// Returns a store whose clients connect to these servers.
    pub fn open_store(
        &self,
        kind: WorkloadKind,
        replica_reads: bool,
        time_to_live: Duration,
    ) -> PostgresStore {
        let names = self.hosts.names.iter().map(|name| name.as_str().into());
        PostgresStore::new(PostgresOptions {
            servers: names.zip(self.servers_at.iter().cloned()).collect(),
            roles: self.roles.clone(),
            replica_reads,
            isolation: self.isolation_level,
            kind,
            time_to_live,
        })
    }

    /// Waits until the servers that were started again answer a query.
    async fn wait_until_serving(&mut self) {
        for server in self.hosts.take_started() {
            let address = &self.servers_at[server];
            let ask = || async { PostgresConnection::open(address).await?.run_query("SELECT 1").await };
            wait_until_serves(|| async { ask().await.is_ok() }).await;
        }
    }

    /// Promotes the standby after a while, in a task of its own, so that further faults strike in time.
    fn promote_standby(&self, old: usize, after: Duration) {
        self.roles.abandon_primary(old);
        let (new, roles) = (1 - old, self.roles.clone());
        let address = self.servers_at[new].clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            // Commits no longer wait for a standby that does not exist any more.
            let alone = "ALTER SYSTEM SET synchronous_standby_names = ''; ";
            if let Ok(mut connection) = PostgresConnection::open(&address).await
                && connection.run_query("SELECT pg_promote(true, 10)").await.is_ok()
            {
                for statement in [alone, "SELECT pg_reload_conf()"] {
                    let _ = connection.run_query(statement).await;
                }
                roles.set_primary(new);
            }
        });
    }
}

impl Nemesis for PostgresCluster {
    async fn observe_fault(&mut self, number: usize, _episode: &Episode) -> Option<FaultEvidence> {
        self.hosts.observe_fault(number)
    }

    async fn strike(&mut self, number: usize, episode: &Episode) -> Result<Vec<String>, String> {
        let primary = self.roles.primary();
        let told = self.hosts.strike(number, episode, primary).await?;
        self.wait_until_serving().await;
        let strikes_primary = told.contains(&self.hosts.names[primary]) && episode.target != Target::All;
        // A primary that hangs is not given up: it accepts connections, and a health check that only connects passes.
        let takes_over =
            matches!(episode.fault, Fault::Kill | Fault::Pause | Fault::Drain) && strikes_primary;
        if let Some(after) = self.promotes_after.filter(|_| takes_over && !self.roles.is_gone(1 - primary)) {
            self.promote_standby(primary, after);
        }
        Ok(told)
    }

    async fn heal(&mut self, number: usize, _episode: &Episode) -> Result<(), String> {
        let roles = self.roles.clone();
        self.hosts.heal(number, |host| !roles.is_gone(host))?;
        self.wait_until_serving().await;
        Ok(())
    }
}

/// The values of the switches.
struct PostgresSettings {
    commit: &'static str,
    isolation: &'static str,
    promotes_after: Option<Duration>,
}

impl PostgresSettings {
    fn from_switches(switches: &Switches) -> Result<Self, String> {
        let levels = ["read-committed", "repeatable-read", "serializable"];
        let isolation = match switches.get_one_of("isolation", &levels)? {
            "read-committed" => "READ COMMITTED",
            "repeatable-read" => "REPEATABLE READ",
            _ => "SERIALIZABLE",
        };
        let after = Duration::from_millis(switches.get_millis("promote-after")?);
        Ok(Self {
            commit: switches.get_one_of("commit", &["off", "local", "remote_write", "on", "remote_apply"])?,
            isolation,
            promotes_after: switches.is_on("promote")?.then_some(after),
        })
    }
}

fn server_arguments(home: &Path, server: usize, port: u16, commit: &str) -> Vec<String> {
    let mut settings = vec![
        format!("listen_addresses={}", ADDRESSES[server]),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        "fsync=off".to_owned(),
        "max_connections=200".to_owned(),
        "wal_level=replica".to_owned(),
        "wal_receiver_status_interval=1s".to_owned(),
        "wal_retrieve_retry_interval=200ms".to_owned(),
        "log_min_messages=warning".to_owned(),
        format!("cluster_name=p{}", server + 1),
        format!("synchronous_commit={commit}"),
    ];
    // Only the first server waits for a standby. The standby waits for no other server, even after it is promoted.
    if server == 0 && ["remote_write", "on", "remote_apply"].contains(&commit) {
        settings.push("synchronous_standby_names=p2".to_owned());
    }
    let set = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]);
    ["-D".to_owned(), path_text(home)].into_iter().chain(set).collect()
}

/// Checks that the server programs are on this machine.
pub fn check_programs() -> Result<(), ServerError> {
    ["initdb", "pg_basebackup", "postgres"]
        .into_iter()
        .try_for_each(|name| find_server_program(name).map(drop))
}

/// Finds a server program where Debian installs it, otherwise on `PATH`.
fn find_server_program(name: &str) -> Result<PathBuf, ServerError> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<PathBuf> =
        versions.map(|entry| entry.path().join("bin").join(name)).filter(|file| file.is_file()).collect();
    found.sort();
    found.pop().map_or_else(|| find_program(name, "postgresql"), Ok)
}

/// Creates a database. `initdb` needs a user that has a name, so it runs as `postgres` if this process runs as root.
/// The files are given to the server's own user afterwards.
fn initialize_database(
    program: &Path,
    words: &[&str],
    home: &Path,
    owner: Option<(u32, u32)>,
) -> Result<(), ServerError> {
    let Some(owner) = owner else { return run_program(program, words, home, None) };
    let found = nix::unistd::User::from_name("postgres").ok().flatten();
    let user = found.ok_or_else(|| ServerError::System("there is no user postgres".to_owned()))?;
    run_program(program, words, home, Some((user.uid.as_raw(), user.gid.as_raw())))?;
    change_owner(home, owner)
}

/// Runs a program to its end, as a user who owns the folder.
fn run_program(
    program: &Path,
    words: &[&str],
    home: &Path,
    user: Option<(u32, u32)>,
) -> Result<(), ServerError> {
    let system = |why: std::io::Error| ServerError::System(format!("{}: {why}", program.display()));
    std::fs::create_dir_all(home).map_err(system)?;
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).map_err(system)?;
    if let Some((user, group)) = user {
        chown(home, Some(user), Some(group)).map_err(system)?;
    }
    let launch = Launch {
        program: program.to_owned(),
        arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        user,
        folder: Some(PathBuf::from("/")),
        ..Launch::default()
    };
    let output = launch.build_command().output().map_err(system)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ServerError::System(format!("{}: {said}", program.display())))
}

/// Gives a folder and its content to another user.
fn change_owner(folder: &Path, (user, group): (u32, u32)) -> Result<(), ServerError> {
    let system = |why: std::io::Error| ServerError::System(format!("{}: {why}", folder.display()));
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        lchown(&path, Some(user), Some(group)).map_err(system)?;
        if path.is_dir() && !path.is_symlink() {
            let inside = std::fs::read_dir(&path).map_err(system)?;
            left.extend(inside.filter_map(Result::ok).map(|entry| entry.path()));
        }
    }
    Ok(())
}

fn append_to_file(file: &Path, text: &str) -> Result<(), ServerError> {
    let mut all = std::fs::read_to_string(file).map_err(|why| ServerError::System(why.to_string()))?;
    all.push_str(text);
    std::fs::write(file, all).map_err(|why| ServerError::System(why.to_string()))
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Repeats a query until the first column of the first row is accepted.
async fn wait_for_result(
    server: &mut Server,
    address: &str,
    statement: &str,
    enough: impl Fn(&str) -> bool,
) -> Result<(), ServerError> {
    let began = Instant::now();
    loop {
        let ask = async { PostgresConnection::open(address).await?.run_query(statement).await };
        let done = tokio::time::timeout(Duration::from_secs(5), ask).await;
        if let Ok(Ok(done)) = done {
            let first = done.last().and_then(|done| done.rows.first()?.first()?.clone());
            if enough(&first.unwrap_or_default()) {
                return Ok(());
            }
        }
        if !server.is_running() {
            return Err(server.failure_with_log("ended at once"));
        }
        if began.elapsed() > START_PATIENCE {
            return Err(server.failure_with_log("is not ready after 30 s"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
