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
use crate::stack_fact::{ask_together, told_in_time};
use crate::{Client, Failure, StackFact, Store, StoreAnswer, StoreRequest};
use histories::Function;
use protocol::{CachedValue, MemcachedConnection};
use std::sync::Arc;
use std::time::Duration;
use workloads::{ClientOperation, SessionPayload, Value, WorkloadKind};

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
    pub kind: WorkloadKind,
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
    pub const KINDS: &[WorkloadKind] =
        &[WorkloadKind::Register, WorkloadKind::CasRegister, WorkloadKind::Session];
}

/// Connections to the nodes.
#[derive(Debug)]
pub struct MemcachedClient {
    options: Arc<MemcachedOptions>,
    connections: Vec<Option<MemcachedConnection>>,
}

impl Store for MemcachedStore {
    type Client = MemcachedClient;

    async fn connect(&self, _seat: usize) -> Result<MemcachedClient, Failure> {
        let connections = self.0.nodes.iter().map(|_| None).collect();
        Ok(MemcachedClient { options: self.0.clone(), connections })
    }

    async fn facts(&self) -> Vec<StackFact> {
        let questions = self.0.nodes.iter().cloned().map(|(name, address)| async move {
            let asked = name.clone();
            let ask = async move {
                let process = protocol::fetch_process_id(&address).await?;
                Some(vec![StackFact::new(&asked, "process", Value::Int(process))])
            };
            told_in_time(&name, ask).await
        });
        ask_together(questions).await
    }
}

impl Client for MemcachedClient {
    async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let operation = request.operation;
        let key = operation.key.as_ref().ok_or_else(|| Failure::definite("which object?"))?;
        let name = self.options.nodes[self.node_for_key(key)].0.clone();
        let done = self.execute_operation(key, request.session, operation).await;
        done.map(|value| StoreAnswer::from_value(value).with_node(&name))
            .map_err(|failure| failure.with_node(&name))
    }
}

impl MemcachedClient {
    async fn execute_operation(
        &mut self,
        key: &Arc<str>,
        user: &str,
        operation: &ClientOperation,
    ) -> Result<Value, Failure> {
        let sessions = self.options.kind == WorkloadKind::Session;
        let lives = match (sessions, self.options.time_to_live.as_secs_f64().ceil() as u64) {
            (true, seconds) if seconds <= LONGEST_SECONDS => seconds,
            _ => 0,
        };
        let value = || Ok(operation.value.clone());
        match (operation.function, &operation.value) {
            (Function::READ, _) => {
                let held = self.connection_for_key(key).await?.get_value(key).await?;
                Ok(held.map_or(Value::Null, |held| self.options.decode_value(&held.bytes)))
            }
            (Function::WRITE, new) if !sessions => {
                self.connection_for_key(key)
                    .await?
                    .store_value("set", key, &encode_value(new)?, lives, None)
                    .await?;
                value()
            }
            (Function::CAS, Value::List(pair)) if pair.len() == 2 => {
                self.compare_and_set(key, &pair[0], &pair[1]).await.and_then(|()| value())
            }
            (Function::CREATE, new) => {
                self.connection_for_key(key)
                    .await?
                    .store_value("add", key, &encode_value(new)?, lives, None)
                    .await?;
                value()
            }
            (Function::WRITE, new) => {
                self.connection_for_key(key)
                    .await?
                    .store_value("replace", key, &encode_value(new)?, lives, None)
                    .await?;
                value()
            }
            (Function::PATCH, Value::Payload(patch)) => {
                self.patch_session(key, patch, lives).await.and_then(|()| value())
            }
            (Function::TOUCH, _) => {
                self.connection_for_key(key)
                    .await?
                    .run_line_command(&format!("touch {key} {lives}"), "TOUCHED")
                    .await?;
                Ok(Value::Null)
            }
            (Function::RENEW, Value::Text(new)) => {
                self.renew_session(key, new, lives).await.and_then(|()| value())
            }
            (Function::DESTROY, _) => {
                self.connection_for_key(key)
                    .await?
                    .run_line_command(&format!("delete {key}"), "DELETED")
                    .await?;
                Ok(Value::Null)
            }
            (Function::ACT, Value::Text(action)) => {
                self.append_action(key, &ledger_key(user), action).await.and_then(|()| value())
            }
            (Function::ACTIONS, _) => {
                let ledger = ledger_key(key);
                let held = self.connection_for_key(&ledger).await?.get_value(&ledger).await?;
                Ok(document::parse_actions(held.as_ref().map_or(b"", |held| &held.bytes)))
            }
            _ => Err(Failure::definite("memcached is not used for this here")),
        }
    }

    async fn compare_and_set(&mut self, key: &str, old: &Value, new: &Value) -> Result<(), Failure> {
        let bytes = encode_value(new)?;
        let options = self.options.clone();
        let connection = self.connection_for_key(key).await?;
        let held = connection.get_value(key).await?;
        let found = held.as_ref().map_or(Value::Null, |held| options.decode_value(&held.bytes));
        if found != *old {
            return Err(Failure::definite("the value differs"));
        }
        match held {
            Some(held) => connection.store_value("cas", key, &bytes, 0, Some(held.unique)).await,
            None => connection.store_value("add", key, &bytes, 0, None).await,
        }
    }

    /// Replaces one field of a session. Tries again when another client wrote in between.
    async fn patch_session(&mut self, key: &str, patch: &SessionPayload, lives: u64) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let connection = self.connection_for_key(key).await?;
            let held = connection.get_value(key).await?.ok_or_else(no_session_failure)?;
            let bytes = document::apply_patch(&held.bytes, patch);
            match connection.store_value("cas", key, &bytes, lives, Some(held.unique)).await {
                Err(failure) if failure.error == protocol::CHANGED => {}
                other => return other,
            }
        }
        Err(Failure::indefinite(format!("written by others {TRIES} times")))
    }

    /// Appends an action to a list, if the session exists. These are two steps, and the session may end between them.
    /// The list never expires; it lasts while the node runs and has memory.
    async fn append_action(&mut self, session: &str, ledger: &str, action: &str) -> Result<(), Failure> {
        self.connection_for_key(session).await?.get_value(session).await?.ok_or_else(no_session_failure)?;
        let line = document::append_action(b"", action);
        for _ in 0..TRIES {
            let connection = self.connection_for_key(ledger).await?;
            for command in ["append", "add"] {
                match connection.store_value(command, ledger, &line, 0, None).await {
                    // There was no list to append to, or another client has created it in the meantime.
                    Err(failure) if failure.definite && failure.connected => {}
                    other => return other,
                }
            }
        }
        Err(Failure::definite(format!("the list came and went {TRIES} times")))
    }

    async fn renew_session(&mut self, key: &str, new: &str, lives: u64) -> Result<(), Failure> {
        let CachedValue { bytes, .. } =
            self.connection_for_key(key).await?.get_value(key).await?.ok_or_else(no_session_failure)?;
        self.connection_for_key(new).await?.store_value("add", new, &bytes, lives, None).await?;
        // From here on the renewal is half done, whatever the node answers.
        let removed = async {
            self.connection_for_key(key).await?.run_line_command(&format!("delete {key}"), "DELETED").await
        }
        .await;
        removed.map_err(|failure| Failure { definite: false, ..failure })
    }

    /// The connection to the node of a key.
    async fn connection_for_key(&mut self, key: &str) -> Result<&mut MemcachedConnection, Failure> {
        let node = self.node_for_key(key);
        let open = match self.connections[node].take() {
            Some(connection) => connection,
            None => {
                let address = &self.options.nodes[node].1;
                match tokio::time::timeout(CONNECT_PATIENCE, MemcachedConnection::open(address)).await {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(error)) => return Err(Failure::unreachable(format!("{address}: {error}"))),
                    Err(_) => return Err(Failure::unreachable(format!("{address}: no connection in time"))),
                }
            }
        };
        Ok(self.connections[node].insert(open))
    }

    /// The node of a key, by its hash. All clients agree on it.
    fn node_for_key(&self, key: &str) -> usize {
        let hash = key
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        hash as usize % self.connections.len()
    }
}

impl MemcachedOptions {
    fn decode_value(&self, bytes: &[u8]) -> Value {
        if self.kind == WorkloadKind::Session {
            return document::parse_session(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        text.parse().map_or_else(|_| Value::from(text.as_ref()), Value::Int)
    }
}

/// The key of a user's list of actions.
fn ledger_key(user: &str) -> String {
    format!("ledger:{user}")
}

fn no_session_failure() -> Failure {
    Failure::no_such_session()
}

/// Encodes a value for the store.
fn encode_value(value: &Value) -> Result<Vec<u8>, Failure> {
    match value {
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::Text(text) => Ok(text.as_bytes().to_vec()),
        Value::Payload(payload) => Ok(payload.to_bytes()),
        _ => Err(Failure::definite("memcached keeps no such value here")),
    }
}
