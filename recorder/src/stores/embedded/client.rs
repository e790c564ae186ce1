//! The embedded store's client library. It finds the primary, follows hints, and reports definite failures where it
//! can.

use super::cluster::SimulatedCluster;
use super::message::NodeReply;
use super::{Bug, FieldWriteMode, ReadRouting};
use crate::client::lock_unpoisoned;
use crate::{AuditEntry, Client, Clock, Failure, Store, StoreAnswer, StoreRequest, Traffic};
use histories::Function;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use workloads::{ClientOperation, Stream, Value};

/// How long the client waits between two attempts to find the primary.
const PAUSE: Duration = Duration::from_millis(20);

/// With [`Bug::RetriedWrites`]: how long the client waits before it sends a write again.
const RETRY: Duration = Duration::from_millis(200);

/// The embedded store as its clients see it.
pub struct EmbeddedStore(Arc<EmbeddedStoreState>);

struct EmbeddedStoreState {
    cluster: Arc<Mutex<SimulatedCluster>>,
    clock: Clock,
    stream: Mutex<Stream>,
    /// The node that the clients of each place believe to be the primary.
    believed: Mutex<Vec<usize>>,
    /// With [`Bug::MixedReplies`]: the replies to reads that are still to come and that no client waits for any more.
    owed: Mutex<Vec<oneshot::Receiver<NodeReply>>>,
}

impl EmbeddedStore {
    pub(super) fn new(cluster: Arc<Mutex<SimulatedCluster>>, clock: Clock, stream: Stream) -> Self {
        let nodes = lock_unpoisoned(&cluster).options.nodes;
        Self(Arc::new(EmbeddedStoreState {
            cluster,
            clock,
            stream: Mutex::new(stream),
            believed: Mutex::new(vec![0; nodes]),
            owed: Mutex::new(Vec::new()),
        }))
    }
}

impl Store for EmbeddedStore {
    type Client = EmbeddedClient;

    async fn connect(&self, seat: usize) -> Result<EmbeddedClient, Failure> {
        let options = lock_unpoisoned(&self.0.cluster).options.clone();
        let place = seat % options.nodes;
        Ok(EmbeddedClient { store: self.0.clone(), place, detour: 0, options, pending: None, reads: false })
    }

    fn replica_names(&self) -> Vec<Arc<str>> {
        let cluster = lock_unpoisoned(&self.0.cluster);
        let names = cluster.options.node_names();
        if cluster.of_sessions { names.into_iter().map(Arc::from).collect() } else { Vec::new() }
    }

    async fn facts(&self) -> Vec<crate::StackFact> {
        lock_unpoisoned(&self.0.cluster).facts()
    }

    async fn read_replica(&self, replica: &str, key: &Arc<str>) -> Result<Value, Failure> {
        lock_unpoisoned(&self.0.cluster).read_node(replica, key)
    }

    async fn read_audit_trail(&self) -> Result<Option<Vec<AuditEntry>>, Failure> {
        let cluster = lock_unpoisoned(&self.0.cluster);
        if cluster.of_sessions { cluster.collect_audit_trail().map(Some) } else { Ok(None) }
    }

    async fn count_traffic(&self) -> Option<Traffic> {
        let cluster = lock_unpoisoned(&self.0.cluster);
        cluster.of_sessions.then_some(cluster.traffic)
    }
}

/// A connection from one of the places.
pub struct EmbeddedClient {
    store: Arc<EmbeddedStoreState>,
    options: Arc<super::EmbeddedOptions>,
    place: usize,
    /// How many nodes away from its own node a local read goes, because the nodes before did not answer.
    detour: usize,
    /// The node that was asked, and the reply that the client waits for.
    pending: Option<(usize, oneshot::Receiver<NodeReply>)>,
    /// With [`Bug::MixedReplies`]: whether the client waits for the reply to a read of a session.
    reads: bool,
}

impl Client for EmbeddedClient {
    async fn execute(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let whole = self.options.writes == FieldWriteMode::WholeBlob;
        if request.operation.function == Function::PATCH && whole {
            return self.patch_by_write_back(request).await;
        }
        self.send_until_answered(request).await
    }
}

impl EmbeddedClient {
    /// Writes one field as web frameworks do: reads the session, changes the field, and writes the whole session
    /// back.
    async fn patch_by_write_back(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let patch = request.operation;
        let (Some(key), Value::Payload(payload)) = (&patch.key, &patch.value) else {
            return Err(Failure::definite("not understood"));
        };
        let read = ClientOperation::on_key(key, Function::READ, Value::Null);
        let held = self.send_until_answered(&StoreRequest { operation: &read, ..*request }).await;
        // Only a read has been sent so far, so the failure is definite.
        let held = held.map_err(|failure| Failure { definite: true, ..failure })?;
        let mut fields = match held.value {
            Value::Null => return Err(Failure::no_such_session()),
            Value::Fields(fields) => fields,
            whole => vec![("all".into(), whole)],
        };
        let name = payload.field.clone().ok_or_else(|| Failure::definite("a patch of no field"))?;
        fields.retain(|(field, _)| *field != name);
        fields.push((name, patch.value.clone()));
        let write = ClientOperation::on_key(key, Function::WRITE, Value::Fields(fields));
        let answer = self.send_until_answered(&StoreRequest { operation: &write, ..*request }).await?;
        Ok(StoreAnswer { value: patch.value.clone(), ..answer })
    }

    async fn send_until_answered(&mut self, request: &StoreRequest<'_>) -> Result<StoreAnswer, Failure> {
        let mut operation = request.operation.clone();
        if self.options.writes != FieldWriteMode::Compared {
            // Such a store is not told what a write was made from.
            operation.based_on = None;
        }
        let operation = Arc::new(operation);
        let mut retried = false;
        let local = operation.is_read()
            && (self.options.reads != ReadRouting::Primary || self.options.has_bug(Bug::StaleReplicaReads));
        let clock = self.store.clock.clone();
        loop {
            let node = if local {
                self.local_read_node(request)
            } else {
                lock_unpoisoned(&self.store.believed)[self.place]
            };
            let name: Arc<str> = format!("n{}", node + 1).into();
            match self.ask_node(node, &operation, local).await {
                Some(NodeReply::Done(result)) => {
                    return match result {
                        Ok(answer) => Ok(answer.with_node(&name)),
                        // The write was sent twice, so the refusal may answer the second copy.
                        Err(failure) if retried => Err(Failure::indefinite(failure.error).with_node(&name)),
                        Err(failure) => Err(failure.with_node(&name)),
                    };
                }
                Some(NodeReply::Elsewhere(Some(hint))) => {
                    lock_unpoisoned(&self.store.believed)[self.place] = hint
                }
                Some(NodeReply::Elsewhere(None) | NodeReply::Refused) if local => self.detour += 1,
                Some(NodeReply::Elsewhere(None) | NodeReply::Refused) => self.believe_next_node(node),
                None => {
                    retried = true;
                    self.believe_next_node(node);
                }
            }
            let again_ns = clock.now_ns() + PAUSE.as_nanos() as u64;
            if again_ns >= request.deadline_ns {
                return Err(match retried {
                    true => Failure::indefinite("no answer"),
                    false => Failure::unreachable("no primary"),
                });
            }
            clock.sleep_until_ns(again_ns).await;
        }
    }
}

impl EmbeddedClient {
    /// The node that answers a local read.
    fn local_read_node(&mut self, request: &StoreRequest<'_>) -> usize {
        let first = match self.options.reads {
            ReadRouting::Sticky => request
                .session
                .bytes()
                .fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte))),
            ReadRouting::Any | ReadRouting::Primary => {
                lock_unpoisoned(&self.store.stream).draw_index(self.options.nodes)
            }
        };
        (first % self.options.nodes + self.detour) % self.options.nodes
    }

    /// Asks a node. With [`Bug::RetriedWrites`], returns `None` if no reply came in time.
    async fn ask_node(
        &mut self,
        node: usize,
        operation: &Arc<ClientOperation>,
        local: bool,
    ) -> Option<NodeReply> {
        let receiver = lock_unpoisoned(&self.store.cluster).send_question(self.place, node, operation, local);
        self.pending = Some((node, receiver));
        self.reads = operation.function == Function::READ;
        let mixes = self.options.has_bug(Bug::MixedReplies) && self.reads;
        let owed = if mixes { lock_unpoisoned(&self.store.owed).pop() } else { None };
        if let Some(mut late) = owed {
            let (_, mut own) = self.pending.take().expect("just asked");
            // This is the bug: the reply that comes first is taken for this client's own, and the other one stays
            // owed.
            let (reply, other) = tokio::select! {
                biased;
                Ok(reply) = &mut late => (reply, own),
                Ok(reply) = &mut own => (reply, late),
                else => std::future::pending().await,
            };
            lock_unpoisoned(&self.store.owed).push(other);
            return Some(reply);
        }
        let retries = self.options.has_bug(Bug::RetriedWrites) && !operation.is_read();
        let until_ns = if retries { self.store.clock.now_ns() + RETRY.as_nanos() as u64 } else { u64::MAX };
        let clock = self.store.clock.clone();
        let (_, own) = self.pending.as_mut().expect("just asked");
        let reply = if retries { clock.await_until_ns(until_ns, own).await? } else { own.await };
        self.pending = None;
        match reply {
            Ok(reply) => Some(reply),
            Err(_closed) => std::future::pending().await,
        }
    }

    fn believe_next_node(&self, node: usize) {
        let mut believed = lock_unpoisoned(&self.store.believed);
        if believed[self.place] == node {
            believed[self.place] = (node + 1) % self.options.nodes;
        }
    }
}

impl Drop for EmbeddedClient {
    /// When a client gives up on a node, the next client of its place tries another node.
    fn drop(&mut self) {
        if let Some((node, receiver)) = self.pending.take() {
            self.believe_next_node(node);
            if self.options.has_bug(Bug::MixedReplies) && self.reads {
                lock_unpoisoned(&self.store.owed).push(receiver);
            }
        }
    }
}
