//! Redis: one server, or a primary with replicas that Sentinels watch.
//!
//! The client finds the primary (configured, or named by a Sentinel), connects, and reports what the server answers.
//! It never retries. The client in seat n asks the Sentinel on host n first, like an application with a Sentinel next
//! to it, and asks again every half second. In a partition, clients on the two sides therefore get different answers
//! and act on them.

mod backend;
mod commands;
pub(crate) mod facts;
mod fronts;
mod given;
pub mod resp;
mod traffic;

pub use backend::GivenRedis;
pub use fronts::RedisFronts;
pub use given::GivenServers;

use crate::client::lock_unpoisoned;
use crate::{Client, Clock, Failure, Stop, Store, StoreAnswer, StoreRequest, Traffic};
use histories::Function;
use resp::{RespConnection, RespReply};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use workloads::{ClientOperation, Value, WorkloadKind};

/// The name under which Sentinels know the primary.
pub const GROUP: &str = "steadfast";

/// How long to wait for a connection, or for a Sentinel's answer, before the next one is tried.
const CONNECT_PATIENCE: Duration = Duration::from_millis(300);

/// How long a client relies on the answer of its Sentinel.
const RELY: Duration = Duration::from_millis(500);

/// Timeout of a request before or after the recording.
const REPLY_PATIENCE: Duration = Duration::from_secs(2);
/// How long it may take to remove the keys of a run.
pub const FORGET_PATIENCE: Duration = Duration::from_secs(20);
/// How long it may still take after the run was asked to stop.
const FORGET_GRACE_STOPPED: Duration = Duration::from_millis(300);

/// The servers to connect to, and the kind of requests.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// The servers, `host:port`, by name.
    pub servers: Vec<(Arc<str>, String)>,
    /// The Sentinels, `host:port`. If there are none, the first server is the primary.
    pub sentinels: Vec<String>,
    /// Proxies to connect to, by the address of the server or Sentinel behind each.
    pub fronts: BTreeMap<String, String>,
    /// The prefix of all keys, so that keys of earlier runs are not seen. It is empty for servers that the run
    /// started.
    pub prefix: String,
    /// Whether reads go to the server of the client's seat, whether or not it is the primary.
    pub replica_reads: bool,
    /// How many replicas must confirm a write before it counts as acknowledged, and how long to wait for them.
    pub wait: Option<(u32, Duration)>,
    /// Whether as many replicas must confirm everything that a read can show before the read counts.
    pub confirms_reads: bool,
    /// The kind of objects.
    pub kind: WorkloadKind,
    /// How long sessions live.
    pub time_to_live: Duration,
}

/// Redis as its clients see it.
#[derive(Clone, Debug)]
pub struct RedisStore(Arc<RedisOptions>, Arc<Mutex<Vec<String>>>);

impl RedisStore {
    /// Creates a store of these servers.
    pub fn new(options: RedisOptions) -> Self {
        Self(Arc::new(options), Arc::default())
    }

    /// Returns a store in which a read counts only if as many replicas as must confirm a write have everything that
    /// the read can show.
    ///
    /// A primary that was cut off shows writes that no replica has. `WAIT` waits for the last write of its own
    /// connection. The client therefore sends a write after each read: everything that the read saw came before that
    /// write.
    #[must_use]
    pub fn confirming_reads(self) -> Self {
        let options = RedisOptions { confirms_reads: true, ..self.0.as_ref().clone() };
        Self(Arc::new(options), self.1)
    }

    /// Checks that the primary answers, before anything is recorded.
    pub async fn probe_primary(&self) -> Result<(), String> {
        let (name, mut primary) = find_primary(&self.0, 0).await.map_err(|failure| failure.error)?;
        match ask_within_patience(&mut primary, vec![b"PING".to_vec()]).await {
            Ok(RespReply::Simple(_)) => Ok(()),
            Ok(reply) => Err(format!("{name} answers PING with {reply:?}")),
            Err(why) => Err(format!("{name}: {why}")),
        }
    }

    /// Removes every key of this run within [`FORGET_PATIENCE`] and returns how many there were.
    ///
    /// # Errors
    /// Which keys are left, and why.
    ///
    /// # Panics
    /// If there is no prefix, because then every key of the server would match.
    pub async fn remove_run_keys(&self, stop: &Stop) -> Result<u64, String> {
        assert!(!self.0.prefix.is_empty(), "only keys of this run are removed");
        let removed = AtomicU64::new(0);
        let clock = Clock::start_real();
        let cut = stop.finish_within_grace(&clock, FORGET_GRACE_STOPPED, self.remove_keys(&removed));
        let why = match tokio::time::timeout(FORGET_PATIENCE, cut).await {
            Ok(Some(Ok(()))) => return Ok(removed.into_inner()),
            Ok(Some(Err(why))) => why,
            Ok(None) => "the run was asked to stop".to_owned(),
            Err(_) => format!("it was not done within {}", workloads::format_duration(FORGET_PATIENCE)),
        };
        let (removed, prefix) = (removed.into_inner(), &self.0.prefix);
        Err(format!("{why}; {removed} were removed, and others that begin with {prefix} may be left"))
    }

    async fn remove_keys(&self, removed: &AtomicU64) -> Result<(), String> {
        let (_, mut primary) = find_primary(&self.0, 0).await.map_err(|failure| failure.error)?;
        let pattern = format!("{}*", self.0.prefix);
        let mut cursor = "0".to_owned();
        loop {
            let scan = ["SCAN", &cursor, "MATCH", &pattern, "COUNT", "1000"];
            let scan = scan.map(|word| word.as_bytes().to_vec()).to_vec();
            let reply = ask_within_patience(&mut primary, scan).await?;
            let RespReply::Array(Some(parts)) = reply else { return Err(format!("SCAN: {reply:?}")) };
            let [RespReply::Bulk(Some(next)), RespReply::Array(Some(keys))] = parts.as_slice() else {
                return Err(format!("SCAN: {parts:?}"));
            };
            let ours = keys.iter().filter_map(|key| match key {
                // A server may answer anything. Only keys of this run are removed.
                RespReply::Bulk(Some(key)) if key.starts_with(self.0.prefix.as_bytes()) => Some(key.clone()),
                _ => None,
            });
            let mut command = vec![b"DEL".to_vec()];
            command.extend(ours);
            if command.len() > 1 {
                match ask_within_patience(&mut primary, command).await? {
                    RespReply::Integer(count) => removed.fetch_add(count.max(0) as u64, Ordering::Relaxed),
                    other => return Err(format!("DEL: {other:?}")),
                };
            }
            cursor = String::from_utf8_lossy(next).into_owned();
            if cursor == "0" {
                return Ok(());
            }
        }
    }
}

/// The reply to one command of the recorder itself, within [`REPLY_PATIENCE`].
async fn ask_within_patience(
    connection: &mut RespConnection,
    command: Vec<Vec<u8>>,
) -> Result<RespReply, String> {
    let name = String::from_utf8_lossy(command.first().map_or(&[][..], Vec::as_slice)).into_owned();
    match tokio::time::timeout(REPLY_PATIENCE, connection.run_commands(&[command])).await {
        Ok(Ok(mut replies)) => Ok(replies.remove(0)),
        Ok(Err(why)) => Err(format!("{name}: {why}")),
        Err(_) => Err(format!("no answer to {name} within {}", workloads::format_duration(REPLY_PATIENCE))),
    }
}

/// A connection to the primary and, if reads go to another server, a second connection.
#[derive(Debug)]
pub struct RedisClient {
    options: Arc<RedisOptions>,
    seat: usize,
    asked: Instant,
    primary: (Arc<str>, RespConnection),
    nearest: Option<(Arc<str>, RespConnection)>,
}

impl Store for RedisStore {
    type Client = RedisClient;

    async fn connect(&self, seat: usize) -> Result<RedisClient, Failure> {
        let options = self.0.clone();
        let primary = find_primary(&options, seat).await?;
        let nearest = if options.replica_reads {
            let (name, address) = &options.servers[seat % options.servers.len()];
            Some((name.clone(), open_connection(&options, address).await?))
        } else {
            None
        };
        Ok(RedisClient { options, seat, asked: Instant::now(), primary, nearest })
    }

    /// All servers, if what they hold under a key can be compared. Sets cannot, because their elements come in any
    /// order.
    fn replica_names(&self) -> Vec<Arc<str>> {
        let alike = matches!(
            self.0.kind,
            WorkloadKind::Register
                | WorkloadKind::CasRegister
                | WorkloadKind::Counter
                | WorkloadKind::Session
        );
        let servers = self.0.servers.iter().filter(|_| alike && self.0.servers.len() > 1);
        servers.map(|(name, _)| name.clone()).collect()
    }

    async fn read_replica(&self, replica: &str, key: &Arc<str>) -> Result<Value, Failure> {
        let server = self.0.servers.iter().find(|(name, _)| **name == *replica);
        let (_, address) = server.ok_or_else(|| Failure::definite(format!("there is no {replica}")))?;
        let read = ClientOperation::on_key(key, Function::READ, Value::Null);
        let commands = commands::build_commands(&read, "", self.0.kind, &self.0.prefix, 0)
            .ok_or_else(|| Failure::definite("Redis has no such operation"))?;
        let look = async {
            open_connection(&self.0, address).await?.run_commands(&commands).await.map_err(connection_failure)
        };
        let replies = tokio::time::timeout(CONNECT_PATIENCE, look).await;
        let replies = replies.map_err(|_| Failure::indefinite("no answer in time"))??;
        commands::parse_answer(&read, self.0.kind, &replies).map(|answer| answer.value)
    }

    async fn facts(&self) -> Vec<crate::StackFact> {
        self.0.read_all_facts().await
    }

    /// By the servers' own count, that of other clients of theirs included. Nothing once one of them has started
    /// anew: it has forgotten what it had counted.
    async fn count_traffic(&self) -> Option<Traffic> {
        let counted = traffic::query_server_traffic(&self.0).await?;
        let runs: Vec<String> = counted.iter().map(|server| server.run.clone()).collect();
        let mut first = lock_unpoisoned(&self.1);
        if first.is_empty() {
            *first = runs;
        } else if *first != runs {
            return None;
        }
        Some(counted.iter().fold(Traffic::default(), |sum, server| Traffic {
            commands: sum.commands + server.traffic.commands,
            bytes_in: sum.bytes_in + server.traffic.bytes_in,
            bytes_out: sum.bytes_out + server.traffic.bytes_out,
        }))
    }
}

async fn open_connection(options: &RedisOptions, address: &str) -> Result<RespConnection, Failure> {
    let front = options.fronts.get(address).map_or(address, String::as_str);
    match tokio::time::timeout(CONNECT_PATIENCE, RespConnection::open(front)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(Failure::unreachable(format!("{address}: {error}"))),
        Err(_) => Err(Failure::unreachable(format!("{address}: no connection in time"))),
    }
}

/// Connects to the primary that the first answering Sentinel names, beginning with the Sentinel of the seat.
async fn find_primary(options: &RedisOptions, seat: usize) -> Result<(Arc<str>, RespConnection), Failure> {
    let address = match options.sentinels.len() {
        0 => options.servers[0].1.clone(),
        count => {
            let mut found = None;
            for step in 0..count {
                found = ask_sentinel_for_primary(&options.sentinels[(seat + step) % count]).await;
                if found.is_some() {
                    break;
                }
            }
            found.ok_or_else(|| Failure::unreachable("no Sentinel knows a primary"))?
        }
    };
    Ok((server_name_at(options, &address), open_connection(options, &address).await?))
}

/// The name of the server at an address, or the address itself if the server is not known.
fn server_name_at(options: &RedisOptions, address: &str) -> Arc<str> {
    let known = options.servers.iter().find(|(_, server)| server == address);
    known.map_or_else(|| address.into(), |(name, _)| name.clone())
}

/// Asks a Sentinel for the address of the primary; `None` if it does not answer or does not know.
pub(crate) async fn ask_sentinel_for_primary(sentinel: &str) -> Option<String> {
    let ask = async {
        let mut connection = RespConnection::open(sentinel).await.ok()?;
        connection.run_command(&["SENTINEL", "get-master-addr-by-name", GROUP]).await.ok()
    };
    match tokio::time::timeout(CONNECT_PATIENCE, ask).await.ok()?? {
        RespReply::Array(Some(parts)) => match parts.as_slice() {
            [RespReply::Bulk(Some(host)), RespReply::Bulk(Some(port))] => {
                Some(format!("{}:{}", String::from_utf8_lossy(host), String::from_utf8_lossy(port)))
            }
            _ => None,
        },
        _ => None,
    }
}

impl RedisClient {
    /// Connects to another primary if the Sentinel of the seat names one. No operation has been sent yet, so that a
    /// failure here is definite.
    async fn follow_primary(&mut self) -> Result<(), Failure> {
        let count = self.options.sentinels.len();
        if count == 0 || self.asked.elapsed() < RELY {
            return Ok(());
        }
        let told = ask_sentinel_for_primary(&self.options.sentinels[self.seat % count]).await;
        self.asked = Instant::now();
        let Some(address) = told else { return Ok(()) };
        if server_name_at(&self.options, &address) != self.primary.0 {
            self.primary =
                (server_name_at(&self.options, &address), open_connection(&self.options, &address).await?);
        }
        Ok(())
    }
}

impl Client for RedisClient {
    async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        self.follow_primary().await?;
        let (operation, kind) = (request.operation, self.options.kind);
        let lives_ms = self.options.time_to_live.as_millis() as u64;
        let prefix = &self.options.prefix;
        let mut commands = commands::build_commands(operation, request.session, kind, prefix, lives_ms)
            .ok_or_else(|| Failure::definite("Redis has no such operation"))?;
        let reads = operation.is_read();
        let waits = self.options.wait.filter(|_| !reads || self.options.confirms_reads);
        if let Some((replicas, patience)) = waits {
            if reads {
                let fence = format!("{}fence", self.options.prefix);
                commands.push(["SET", &fence, ""].map(|word| word.as_bytes().to_vec()).to_vec());
            }
            let words = ["WAIT".to_owned(), replicas.to_string(), patience.as_millis().to_string()];
            commands.push(words.map(String::into_bytes).to_vec());
        }
        let (name, connection) = match &mut self.nearest {
            Some(nearest) if reads => nearest,
            _ => &mut self.primary,
        };
        let from = |failure: Failure| failure.with_node(name);
        let mut replies =
            connection.run_commands(&commands).await.map_err(connection_failure).map_err(from)?;
        let confirmed = if waits.is_some() { replies.pop() } else { None };
        if waits.is_some() && reads {
            let fence = replies.pop();
            if !matches!(&fence, Some(RespReply::Simple(said)) if said == "OK") {
                return Err(from(Failure::unreachable(format!("the write after the read: {fence:?}"))));
            }
        }
        let answer = commands::parse_answer(operation, kind, &replies).map_err(from)?;
        if let Some((replicas, _)) = waits {
            // A read changes nothing, however many replicas confirm it.
            check_confirmations(confirmed, replicas)
                .map_err(|why| from(Failure { definite: reads, connected: reads, ..why }))?;
        }
        Ok(answer.with_node(name))
    }
}

/// The failure of a connection that broke after a request was sent.
fn connection_failure(error: io::Error) -> Failure {
    Failure::indefinite(error.to_string())
}

/// Fails if fewer replicas confirmed than promised. The write is there then, and may or may not survive.
fn check_confirmations(confirmed: Option<RespReply>, replicas: u32) -> Result<(), Failure> {
    match confirmed {
        Some(RespReply::Integer(count)) if count >= i64::from(replicas) => Ok(()),
        other => Err(Failure::indefinite(format!("WAIT {replicas}: confirmed by {other:?}"))),
    }
}
