//! PostgreSQL: a primary and a standby that follows it.
//!
//! | operation | statement |
//! | --- | --- |
//! | `read`, `write`, `cas` of a register | `SELECT`, `INSERT … ON CONFLICT`, `UPDATE … WHERE value = …` |
//! | `txn` | `BEGIN ISOLATION LEVEL …`, one statement a step, `COMMIT`, all in one request |
//! | `create`, `read`, `write`, `patch`, `touch`, `renew`, `destroy` of a session | one statement each, with `expires > now()` |
//! | `act`, `actions` | `INSERT … SELECT … WHERE EXISTS` the session, `SELECT` |
//!
//! | SQLSTATE | when | |
//! | --- | --- | --- |
//! | 22, 23, 42 | the data or the statement is wrong | definite |
//! | 25006 | a write at a standby | definite; look for the primary |
//! | 40001, 40P01 | rolled back: serialization, deadlock | definite; 40003 indeterminate |
//! | 28, 53, 57P03 | no connection available: refused, too many, starting | definite |
//! | a warning that a commit was not replicated | the wait was ended | indeterminate |
//! | 57P01, 57P02, 57014, 08, anything else, a broken connection | | indeterminate |
//!
//! The run tells the clients which server is the primary, as a failover manager would: see [`PostgresCluster`].

mod backend;
mod cluster;
mod facts;
mod protocol;
mod statements;

pub use backend::Postgres;
pub use cluster::{PostgresCluster, SWITCHES, check_programs};
pub(crate) use facts::is_in_recovery;

use crate::{Client, Failure, Store, StoreAnswer, StoreRequest};
use histories::Function;
use protocol::PostgresConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use workloads::{Value, WorkloadKind};

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_millis(500);

/// The roles of the servers, as all clients are told.
#[derive(Debug, Default)]
pub struct ServerRoles {
    /// The number of the primary.
    primary: AtomicUsize,
    /// The number of the server that was abandoned and does not come back, plus one; zero if there is none.
    gone: AtomicUsize,
}

impl ServerRoles {
    fn primary(&self) -> usize {
        self.primary.load(Ordering::SeqCst)
    }

    fn is_gone(&self, server: usize) -> bool {
        self.gone.load(Ordering::SeqCst) == server + 1
    }

    /// Abandons the old primary: it does not come back.
    fn abandon_primary(&self, old: usize) {
        self.gone.store(old + 1, Ordering::SeqCst);
    }

    fn set_primary(&self, new: usize) {
        self.primary.store(new, Ordering::SeqCst);
    }
}

/// The servers to connect to, and the kind of requests.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The servers, `host:port`, by name.
    pub servers: Vec<(Arc<str>, String)>,
    /// The current roles of the servers.
    pub roles: Arc<ServerRoles>,
    /// Whether reads go to the server of the client's seat.
    pub replica_reads: bool,
    /// The isolation level of transactions, as a term of SQL.
    pub isolation: &'static str,
    /// The kind of objects.
    pub kind: WorkloadKind,
    /// How long sessions live.
    pub time_to_live: Duration,
}

/// PostgreSQL as its clients see it.
#[derive(Clone, Debug)]
pub struct PostgresStore(Arc<PostgresOptions>);

impl PostgresStore {
    /// Creates a store of these servers, which have the tables already.
    pub fn new(options: PostgresOptions) -> Self {
        Self(Arc::new(options))
    }

    /// The supported workloads.
    pub const KINDS: &[WorkloadKind] = &[
        WorkloadKind::Register,
        WorkloadKind::CasRegister,
        WorkloadKind::Session,
        WorkloadKind::ListAppend,
        WorkloadKind::RwRegister,
    ];
}

/// Connections to the servers.
#[derive(Debug)]
pub struct PostgresClient {
    options: Arc<PostgresOptions>,
    seat: usize,
    connections: Vec<Option<PostgresConnection>>,
}

impl Store for PostgresStore {
    type Client = PostgresClient;

    async fn connect(&self, seat: usize) -> Result<PostgresClient, Failure> {
        let options = self.0.clone();
        let connections = options.servers.iter().map(|_| None).collect();
        Ok(PostgresClient { options, seat, connections })
    }

    fn replica_names(&self) -> Vec<Arc<str>> {
        let all = self.0.servers.iter().enumerate();
        all.filter(|(number, _)| !self.0.roles.is_gone(*number)).map(|(_, (name, _))| name.clone()).collect()
    }

    async fn facts(&self) -> Vec<crate::StackFact> {
        facts::read_facts_of(&self.0.servers).await
    }

    async fn read_replica(&self, replica: &str, key: &Arc<str>) -> Result<Value, Failure> {
        let server = self.0.servers.iter().find(|(name, _)| **name == *replica);
        let (_, address) = server.ok_or_else(|| Failure::definite(format!("there is no {replica}")))?;
        let read = workloads::ClientOperation::on_key(key, Function::READ, Value::Null);
        let statement = statements::build_statements(&read, &self.0)?;
        let look = async { PostgresConnection::open(address).await?.run_query(&statement).await };
        let done = tokio::time::timeout(Duration::from_secs(1), look).await;
        let done = done.map_err(|_| Failure::indefinite("no answer in time"))??;
        statements::parse_answer(&read, &self.0, &done).map(|answer| answer.value)
    }
}

impl Client for PostgresClient {
    async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let options = self.options.clone();
        let operation = request.operation;
        let statement = statements::build_statements(operation, &options)?;
        let (primary, nearest) = (options.roles.primary(), self.seat % options.servers.len());
        let near = options.replica_reads && operation.is_read() && !options.roles.is_gone(nearest);
        let server = if near { nearest } else { primary };
        let (name, address) = &options.servers[server];
        let done = async {
            let open = match self.connections[server].take() {
                Some(connection) => connection,
                None => match tokio::time::timeout(CONNECT_PATIENCE, PostgresConnection::open(address)).await
                {
                    Ok(opened) => opened?,
                    Err(_) => return Err(Failure::unreachable(format!("{address}: no connection in time"))),
                },
            };
            let done = self.connections[server].insert(open).run_query(&statement).await?;
            statements::parse_answer(operation, &options, &done)
        };
        done.await.map(|answer| answer.with_node(name)).map_err(|failure| failure.with_node(name))
    }
}
