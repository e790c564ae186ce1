//! etcd through its JSON gateway. It is the positive control: its linearizable reads are linearizable.
//!
//! | operation | request |
//! | --- | --- |
//! | `read` | `range`; serializable, at the node of the seat, if reads may be stale |
//! | `write` of a register | `put` |
//! | `cas` | `txn`: if the value (or its absence) compares, `put` |
//! | `create` of a session | `lease/grant`, `txn`: if there is none, `put` under the lease |
//! | `write` of a session | `lease/grant`, `txn`: if there is one, `put` under the new lease |
//! | `patch`, `touch`, `renew` | `range`, `lease/grant`, `txn`: if the revision is unchanged, `put` |
//! | `destroy` | `deleterange` |
//! | `act` | `range` of the user's list, `txn`: if its revision is unchanged and the session exists, `put` |
//! | `actions` | `range` |
//!
//! A `txn` that found another revision did nothing and is tried again. After twenty attempts the operation is
//! reported as indeterminate. That is weaker than what is known, but a `fail` would be a statement about the session.
//!
//! Codes 3 (invalid), 5 (not found), 8 (exhausted: too many requests, no space), 9 (compacted) and 11 (out of range)
//! are definite, because etcd returns them instead of proposing the request.
//!
//! | error | |
//! | --- | --- |
//! | no connection; the request was not sent | definite |
//! | codes 3, 5, 8, 9, 11 | definite |
//! | 14 (unavailable: leader changed, timed out), anything else, a broken connection | indeterminate |

mod backend;
mod cluster;
mod gateway;

pub use backend::Etcd;
pub use cluster::{EtcdCluster, NODES};

use super::document;
use crate::stack_fact::{ask_together, told_in_time};
use crate::{Client, Failure, StackFact, Store, StoreAnswer, StoreRequest};
use gateway::{Gateway, RevisedValue, build_comparison, build_put_step};
use histories::Function;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use workloads::{Value, WorkloadKind};

/// How many times an optimistic transaction is tried.
const TRIES: usize = 20;

/// The servers to connect to, and the kind of requests.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// The members, `host:port`, by name.
    pub members: Vec<(Arc<str>, String)>,
    /// Whether reads are serializable: the node of the seat answers them from its own data.
    pub serializable: bool,
    /// The kind of objects.
    pub kind: WorkloadKind,
    /// How long sessions live.
    pub time_to_live: Duration,
}

/// etcd as its clients see it.
#[derive(Clone, Debug)]
pub struct EtcdStore(Arc<EtcdOptions>);

impl EtcdStore {
    /// Creates a store of these members.
    pub fn new(options: EtcdOptions) -> Self {
        Self(Arc::new(options))
    }

    /// The supported workloads.
    pub const KINDS: &[WorkloadKind] =
        &[WorkloadKind::Register, WorkloadKind::CasRegister, WorkloadKind::Session];
}

/// A connection to one member.
#[derive(Debug)]
pub struct EtcdClient {
    options: Arc<EtcdOptions>,
    name: Arc<str>,
    gateway: Gateway,
}

impl Store for EtcdStore {
    type Client = EtcdClient;

    async fn connect(&self, seat: usize) -> Result<EtcdClient, Failure> {
        let options = self.0.clone();
        let (name, address) = &options.members[seat % options.members.len()];
        let gateway = Gateway::open(address).await?;
        Ok(EtcdClient { name: name.clone(), gateway, options })
    }

    fn replica_names(&self) -> Vec<Arc<str>> {
        self.0.members.iter().map(|(name, _)| name.clone()).collect()
    }

    async fn facts(&self) -> Vec<StackFact> {
        let questions = self.0.members.iter().cloned().map(|(name, address)| async move {
            let asked = name.clone();
            let ask = async move {
                let status = cluster::fetch_status(&address).await?;
                let role = if status.own == status.leader { "leader" } else { "follower" };
                let mut facts = vec![StackFact::new(&asked, "role", role)];
                facts.extend(status.term.map(|term| StackFact::new(&asked, "epoch", Value::Int(term))));
                Some(facts)
            };
            told_in_time(&name, ask).await
        });
        ask_together(questions).await
    }

    async fn read_replica(&self, replica: &str, key: &Arc<str>) -> Result<Value, Failure> {
        let member = self.0.members.iter().find(|(name, _)| **name == *replica);
        let (_, address) = member.ok_or_else(|| Failure::definite(format!("there is no {replica}")))?;
        let mut gateway = Gateway::open(address).await?;
        Ok(gateway.get_value(key, true).await?.map_or(Value::Null, |held| self.0.decode_value(&held.bytes)))
    }
}

impl EtcdOptions {
    fn decode_value(&self, bytes: &[u8]) -> Value {
        if self.kind == WorkloadKind::Session {
            return document::parse_session(bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        text.parse().map_or_else(|_| Value::from(text.as_ref()), Value::Int)
    }
}

impl Client for EtcdClient {
    async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let name = self.name.clone();
        let done = self.execute_operation(request).await;
        done.map(|answer| answer.with_node(&name)).map_err(|failure| failure.with_node(&name))
    }
}

impl EtcdClient {
    async fn execute_operation(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let operation = request.operation;
        let key = operation.key.as_ref().ok_or_else(|| Failure::definite("which object?"))?;
        let done = || StoreAnswer::from_value(operation.value.clone());
        match (operation.function, &operation.value) {
            (Function::READ, _) => {
                let held = self.gateway.get_value(key, self.options.serializable).await?;
                Ok(match held {
                    Some(held) => StoreAnswer {
                        version: Some(held.revision),
                        ..StoreAnswer::from_value(self.options.decode_value(&held.bytes))
                    },
                    None => StoreAnswer::default(),
                })
            }
            (Function::WRITE, value) if self.options.kind != WorkloadKind::Session => {
                let written = self.gateway.put_value(key, &encode_value(value)?).await?;
                Ok(StoreAnswer { version: Some(written), ..done() })
            }
            (Function::CAS, Value::List(pair)) if pair.len() == 2 => {
                let expected = match &pair[0] {
                    Value::Null => build_comparison(key, "CREATE", "create_revision", json!("0")),
                    value => build_comparison(
                        key,
                        "VALUE",
                        "value",
                        json!(gateway::encode_base64(&encode_value(value)?)),
                    ),
                };
                let set = build_put_step(key, &encode_value(&pair[1])?, None);
                if self.gateway.run_transaction(vec![expected], vec![set]).await? {
                    Ok(done())
                } else {
                    Err(Failure::definite("the value differs"))
                }
            }
            (Function::CREATE, value) => {
                let lease = self.grant_session_lease().await?;
                let absent = build_comparison(key, "CREATE", "create_revision", json!("0"));
                let set = build_put_step(key, &encode_value(value)?, Some(lease));
                match self.gateway.run_transaction(vec![absent], vec![set]).await? {
                    true => Ok(done()),
                    false => Err(Failure::definite("it exists")),
                }
            }
            (Function::WRITE, value) => {
                let lease = self.grant_session_lease().await?;
                let set = build_put_step(key, &encode_value(value)?, Some(lease));
                match self.gateway.run_transaction(vec![build_presence_check(key)], vec![set]).await? {
                    true => Ok(done()),
                    false => Err(Failure::no_such_session()),
                }
            }
            (Function::PATCH, Value::Payload(patch)) => self
                .rewrite_session(key, key, |held| document::apply_patch(&held.bytes, patch))
                .await
                .map(|()| done()),
            (Function::TOUCH, _) => self
                .rewrite_session(key, key, |held| held.bytes.clone())
                .await
                .map(|()| StoreAnswer::default()),
            (Function::RENEW, Value::Text(new)) => {
                self.rewrite_session(key, new, |held| held.bytes.clone()).await.map(|()| done())
            }
            (Function::DESTROY, _) => match self.gateway.delete_key(key).await? {
                0 => Err(Failure::no_such_session()),
                _ => Ok(StoreAnswer::default()),
            },
            (Function::ACT, Value::Text(action)) => {
                self.append_action(key, &ledger_key(request.session), action).await.map(|()| done())
            }
            (Function::ACTIONS, _) => {
                let held = self.gateway.get_value(&ledger_key(key), self.options.serializable).await?;
                Ok(StoreAnswer::from_value(
                    held.map_or(Value::List(Vec::new()), |held| document::parse_actions(&held.bytes)),
                ))
            }
            _ => Err(Failure::definite("etcd is not used for this here")),
        }
    }

    /// Appends an action to a list, if the session exists and no other client has written the list in the meantime.
    ///
    /// A comparison that fails does not show that nothing was done: the gateway may have sent the request twice and
    /// found its own first attempt. Each further attempt therefore looks for the action first, and errors until then
    /// are indeterminate.
    async fn append_action(&mut self, session: &str, ledger: &str, action: &str) -> Result<(), Failure> {
        let unsure = |failure: Failure| Failure { definite: false, ..failure };
        for number in 0..TRIES {
            let looked = self.gateway.get_value(ledger, false).await;
            let held = if number == 0 { looked } else { looked.map_err(unsure) }?;
            let (bytes, unchanged) = match &held {
                Some(held) => {
                    let revision = json!(held.revision.to_string());
                    (held.bytes.as_slice(), build_comparison(ledger, "MOD", "mod_revision", revision))
                }
                None => (&b""[..], build_comparison(ledger, "CREATE", "create_revision", json!("0"))),
            };
            if document::contains_action(bytes, action) {
                return Ok(());
            }
            if number > 0 && self.gateway.get_value(session, false).await?.is_none() {
                return Err(Failure::no_such_session());
            }
            let new = build_put_step(ledger, &document::append_action(bytes, action), None);
            if self.gateway.run_transaction(vec![unchanged, build_presence_check(session)], vec![new]).await?
            {
                return Ok(());
            }
        }
        Err(Failure::indefinite(format!("written by others {TRIES} times")))
    }

    /// Reads a session and writes a changed session under the same id or another one, if no other client has written
    /// it in the meantime.
    async fn rewrite_session(
        &mut self,
        key: &str,
        target: &str,
        new: impl Fn(&RevisedValue) -> Vec<u8>,
    ) -> Result<(), Failure> {
        for _ in 0..TRIES {
            let Some(held) = self.gateway.get_value(key, false).await? else {
                return Err(Failure::no_such_session());
            };
            let lease = self.grant_session_lease().await?;
            let same = build_comparison(key, "MOD", "mod_revision", json!(held.revision.to_string()));
            let (mut conditions, mut steps) =
                (vec![same], vec![build_put_step(target, &new(&held), Some(lease))]);
            if target != key {
                conditions.push(build_comparison(target, "CREATE", "create_revision", json!("0")));
                steps.push(json!({"request_delete_range": {"key": gateway::encode_base64(key.as_bytes())}}));
            }
            if self.gateway.run_transaction(conditions, steps).await? {
                return Ok(());
            }
        }
        Err(Failure::indefinite(format!("written by others {TRIES} times")))
    }

    /// Grants a lease for a full time to live. A lease that no key is attached to expires by itself.
    async fn grant_session_lease(&mut self) -> Result<i64, Failure> {
        let seconds = self.options.time_to_live.as_secs_f64().ceil() as i64;
        // No write happens without a lease. Whatever fails here, the session is unchanged.
        self.gateway
            .grant_lease(seconds.max(1))
            .await
            .map_err(|failure| Failure { definite: true, ..failure })
    }
}

/// The key of a user's list of actions.
fn ledger_key(user: &str) -> String {
    format!("ledger/{user}")
}

fn build_presence_check(key: &str) -> serde_json::Value {
    let mut compare = build_comparison(key, "CREATE", "create_revision", json!("0"));
    compare["result"] = json!("GREATER");
    compare
}

/// Encodes a value for the store.
fn encode_value(value: &Value) -> Result<Vec<u8>, Failure> {
    match value {
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::Text(text) => Ok(text.as_bytes().to_vec()),
        Value::Payload(payload) => Ok(payload.to_bytes()),
        _ => Err(Failure::definite("etcd keeps no such value here")),
    }
}
