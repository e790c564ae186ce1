//! memcached: a cache without replication that many applications keep sessions in. It is the negative control.
//!
//! A key lives on one node, which the client chooses by a hash of the key. A node that restarts has lost everything.
//!
//! | operation | commands |
//! | --- | --- |
//! | `read` | `get` |
//! | `write` of a register | `set` |
//! | `cas` | `gets`, comparison in this client, `cas`; `add` if there was no value |
//! | `create`, `write`, `touch`, `destroy` of a session | `add`, `replace`, `touch`, `delete` |
//! | `patch` | `gets`, `cas`, tried again if another write came between |
//! | `act` | `get` of the session, `append` to the user's list; `add` if there was no list |
//! | `actions` | `get` |
//! | `renew` | `get`, `add` under the new id, `delete`: three steps, between which anything may happen |
//!
//! | reply | |
//! | --- | --- |
//! | `NOT_STORED`, `NOT_FOUND`, `EXISTS` | definite |
//! | `ERROR`, `CLIENT_ERROR` | definite: the command was not understood |
//! | `SERVER_ERROR` | indeterminate: a `set` that finds no memory also removes the old value |
//! | no connection | definite; a connection that broke: indeterminate |

mod backend;
mod cluster;
mod protocol;

pub use backend::Memcached;
pub use cluster::{MemcachedCluster, SWITCHES};

use super::document;
use crate::{Answer, Client, Failure, Request, Store};
use histories::Function;
use protocol::{Connection, Held};
use std::sync::Arc;
use std::time::Duration;
use workloads::{Kind, Operation, Value};

/// How long to wait for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_millis(300);
/// How many times a compare-and-set is tried.
const TRIES: usize = 20;
/// memcached interprets a longer time to live as a date.
const LONGEST_SECONDS: u64 = 30 * 24 * 3600;

/// The nodes to connect to, and the kind of requests.
#[derive(Clone, Debug)]
pub struct MemcachedOptions {
    /// The nodes, `host:port`, by name.
    pub nodes: Vec<(Arc<str>, String)>,
    /// The kind of objects.
    pub kind: Kind,
    /// How long sessions live.
    pub time_to_live: Duration,
}

/// memcached as its clients see it.
#[derive(Clone, Debug)]
pub struct MemcachedStore(Arc<MemcachedOptions>);

impl MemcachedStore {
    /// Creates a store of these nodes.
    pub fn new(options: MemcachedOptions) -> Self {
        Self(Arc::new(options))
    }

    /// The supported workloads.
    pub const KINDS: &[Kind] = &[Kind::Register, Kind::CasRegister, Kind::Session];
}

/// Connections to the nodes.
#[derive(Debug)]
pub struct MemcachedClient {
    options: Arc<MemcachedOptions>,
    connections: Vec<Option<Connection>>,
}

impl Store for MemcachedStore {
    type Client = MemcachedClient;

    async fn connect(&self, _seat: usize) -> Result<MemcachedClient, Failure> {
        let connections = self.0.nodes.iter().map(|_| None).collect();
        Ok(MemcachedClient { options: self.0.clone(), connections })
    }
}

impl Client for MemcachedClient {
    async fn execute(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        let operation = request.operation;
        let key = operation.key.as_ref().ok_or_else(|| Failure::definite("which object?"))?;
        let name = self.options.nodes[self.node_of(key)].0.clone();
        let done = self.done(key, request.session, operation).await;
        done.map(|value| Answer::of(value).from_node(&name)).map_err(|failure| failure.from_node(&name))
    }
}

impl MemcachedClient {
    async fn done(&mut self, key: &Arc<str>, user: &str, operation: &Operation) -> Result<Value, Failure> {
        let sessions = self.options.kind == Kind::Session;
        let lives = match (sessions, self.options.time_to_live.as_secs_f64().ceil() as u64) {
            (true, seconds) if seconds <= LONGEST_SECONDS => seconds,
            _ => 0,
        };
        let value = || Ok(operation.value.clone());
        match (operation.function, &operation.value) {
            (Function::READ, _) => {
                let held = self.at(key).await?.get(key).await?;
                Ok(held.map_or(Value::Null, |held| self.options.value(&held.bytes)))
            }
            (Function::WRITE, new) if !sessions => {
                self.at(key).await?.store("set", key, &stored(new)?, lives, None).await?;
                value()
            }
            (Function::CAS, Value::List(pair)) if pair.len() == 2 => {
                let bytes = stored(&pair[1])?;
                let options = self.options.clone();
                let connection = self.at(key).await?;
                let held = connection.get(key).await?;
                let found = held.as_ref().map_or(Value::Null, |held| options.value(&held.bytes));
                if found != pair[0] {
                    return Err(Failure::definite("the value differs"));
                }
                match held {
                    Some(held) => connection.store("cas", key, &bytes, 0, Some(held.unique)).await?,
                    None => connection.store("add", key, &bytes, 0, None).await?,
                }
                value()
            }
            (Function::CREATE, new) => {
                self.at(key).await?.store("add", key, &stored(new)?, lives, None).await?;
                value()
            }
            (Function::WRITE, new) => {
                self.at(key).await?.store("replace", key, &stored(new)?, lives, None).await?;
                value()
            }
            (Function::PATCH, Value::Payload(patch)) => {
                for _ in 0..TRIES {
                    let connection = self.at(key).await?;
                    let held = connection.get(key).await?.ok_or_else(none)?;
                    let bytes = document::patched(&held.bytes, patch);
                    match connection.store("cas", key, &bytes, lives, Some(held.unique)).await {
                        Err(failure) if failure.error == protocol::CHANGED => {}
                        other => return other.and_then(|()| value()),
                    }
                }
                Err(Failure::indefinite(format!("written by others {TRIES} times")))
            }
            (Function::TOUCH, _) => {
                self.at(key).await?.say(&format!("touch {key} {lives}"), "TOUCHED").await?;
                Ok(Value::Null)
            }
            (Function::RENEW, Value::Text(new)) => self.renew(key, new, lives).await.and_then(|()| value()),
            (Function::DESTROY, _) => {
                self.at(key).await?.say(&format!("delete {key}"), "DELETED").await?;
                Ok(Value::Null)
            }
            (Function::ACT, Value::Text(action)) => {
                self.act(key, &ledger(user), action).await.and_then(|()| value())
            }
            (Function::ACTIONS, _) => {
                let ledger = ledger(key);
                let held = self.at(&ledger).await?.get(&ledger).await?;
                Ok(document::actions(held.as_ref().map_or(b"", |held| &held.bytes)))
            }
            _ => Err(Failure::definite("memcached is not used for this here")),
        }
    }

    /// Appends an action to a list, if the session exists. These are two steps, and the session may end between them.
    /// The list never expires; it lasts while the node runs and has memory.
    async fn act(&mut self, session: &str, ledger: &str, action: &str) -> Result<(), Failure> {
        self.at(session).await?.get(session).await?.ok_or_else(none)?;
        let line = document::acted(b"", action);
        for _ in 0..TRIES {
            let connection = self.at(ledger).await?;
            for command in ["append", "add"] {
                match connection.store(command, ledger, &line, 0, None).await {
                    // There was no list to append to, or another client has created it in the meantime.
                    Err(failure) if failure.definite && failure.connected => {}
                    other => return other,
                }
            }
        }
        Err(Failure::definite(format!("the list came and went {TRIES} times")))
    }

    async fn renew(&mut self, key: &str, new: &str, lives: u64) -> Result<(), Failure> {
        let Held { bytes, .. } = self.at(key).await?.get(key).await?.ok_or_else(none)?;
        self.at(new).await?.store("add", new, &bytes, lives, None).await?;
        // From here on the renewal is half done, whatever the node answers.
        let removed = async { self.at(key).await?.say(&format!("delete {key}"), "DELETED").await }.await;
        removed.map_err(|failure| Failure { definite: false, ..failure })
    }

    /// The connection to the node of a key.
    async fn at(&mut self, key: &str) -> Result<&mut Connection, Failure> {
        let node = self.node_of(key);
        let open = match self.connections[node].take() {
            Some(connection) => connection,
            None => {
                let address = &self.options.nodes[node].1;
                match tokio::time::timeout(CONNECT_PATIENCE, Connection::open(address)).await {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(error)) => return Err(Failure::unreachable(format!("{address}: {error}"))),
                    Err(_) => return Err(Failure::unreachable(format!("{address}: no connection in time"))),
                }
            }
        };
        Ok(self.connections[node].insert(open))
    }

    /// The node of a key, by its hash. All clients agree on it.
    fn node_of(&self, key: &str) -> usize {
        let hash = key
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        hash as usize % self.connections.len()
    }
}

impl MemcachedOptions {
    fn value(&self, bytes: &[u8]) -> Value {
        if self.kind == Kind::Session {
            return document::read(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        text.parse().map_or_else(|_| Value::from(text.as_ref()), Value::Int)
    }
}

/// The key of a user's list of actions.
fn ledger(user: &str) -> String {
    format!("ledger:{user}")
}

fn none() -> Failure {
    Failure::no_such_session()
}

/// Encodes a value for the store.
fn stored(value: &Value) -> Result<Vec<u8>, Failure> {
    match value {
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::Text(text) => Ok(text.as_bytes().to_vec()),
        Value::Payload(payload) => Ok(payload.to_bytes()),
        _ => Err(Failure::definite("memcached keeps no such value here")),
    }
}
