//! The embedded store's client library: finds the primary, follows hints, gives up definitely where it can.

use super::cluster::Cluster;
use super::message::Reply;
use super::{Bug, Reads};
use crate::client::lock;
use crate::{Answer, Client, Clock, Failure, Request, Store};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use workloads::{Operation, Stream};

/// Between two tries to find the primary.
const PAUSE: Duration = Duration::from_millis(20);

/// With [`Bug::RetriedWrites`]: when a write is sent again.
const RETRY: Duration = Duration::from_millis(200);

/// The embedded store, seen by clients.
pub struct EmbeddedStore(Arc<Inner>);

struct Inner {
    cluster: Arc<Mutex<Cluster>>,
    clock: Clock,
    stream: Mutex<Stream>,
    /// Whom the clients of each place believe to be primary.
    believed: Mutex<Vec<usize>>,
    /// With [`Bug::MixedReplies`]: answers that may still come for questions nobody waits for any more.
    owed: Mutex<Vec<oneshot::Receiver<Reply>>>,
}

impl EmbeddedStore {
    pub(super) fn new(cluster: Arc<Mutex<Cluster>>, clock: Clock, stream: Stream) -> Self {
        let nodes = lock(&cluster).options.nodes;
        Self(Arc::new(Inner {
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
        let options = lock(&self.0.cluster).options.clone();
        let place = seat % options.nodes;
        Ok(EmbeddedClient { store: self.0.clone(), place, detour: 0, options, pending: None })
    }
}

/// A connection from one of the places.
pub struct EmbeddedClient {
    store: Arc<Inner>,
    options: Arc<super::Options>,
    place: usize,
    /// How many nodes further than its own a local read goes, because those before did not answer.
    detour: usize,
    /// The answer that is waited for, and by whom it should be given.
    pending: Option<(usize, oneshot::Receiver<Reply>)>,
}

impl Client for EmbeddedClient {
    async fn execute(&mut self, request: &Request<'_>) -> Result<Answer, Failure> {
        let operation = Arc::new(request.operation.clone());
        let local = operation.is_read()
            && (self.options.reads != Reads::Primary || self.options.has(Bug::StaleReplicaReads));
        let clock = self.store.clock.clone();
        loop {
            let node = if local { self.near(request) } else { lock(&self.store.believed)[self.place] };
            let name: Arc<str> = format!("n{}", node + 1).into();
            match self.ask(node, &operation, local).await {
                Some(Reply::Done(result)) => {
                    return match result {
                        Ok(answer) => Ok(answer.from_node(&name)),
                        Err(failure) => Err(failure.from_node(&name)),
                    };
                }
                Some(Reply::Elsewhere(Some(hint))) => lock(&self.store.believed)[self.place] = hint,
                Some(Reply::Elsewhere(None) | Reply::Refused) if local => self.detour += 1,
                Some(Reply::Elsewhere(None) | Reply::Refused) | None => self.look_further(node),
            }
            let again_ns = clock.now_ns() + PAUSE.as_nanos() as u64;
            if again_ns >= request.deadline_ns {
                return Err(Failure::unreachable("no primary"));
            }
            clock.sleep_until_ns(again_ns).await;
        }
    }
}

impl EmbeddedClient {
    /// The node that answers a local read.
    fn near(&mut self, request: &Request<'_>) -> usize {
        let first = match self.options.reads {
            Reads::Sticky => request
                .session
                .bytes()
                .fold(0, |sum: usize, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte))),
            Reads::Any | Reads::Primary => lock(&self.store.stream).index(self.options.nodes),
        };
        (first % self.options.nodes + self.detour) % self.options.nodes
    }

    /// Asks a node. Nothing: with [`Bug::RetriedWrites`], no answer came in time.
    async fn ask(&mut self, node: usize, operation: &Arc<Operation>, local: bool) -> Option<Reply> {
        let receiver = lock(&self.store.cluster).ask(self.place, node, operation, local);
        self.pending = Some((node, receiver));
        let owed = if self.options.has(Bug::MixedReplies) { lock(&self.store.owed).pop() } else { None };
        if let Some(mut late) = owed {
            let (_, mut own) = self.pending.take().expect("just asked");
            // Whichever comes first is taken for the answer, and the other one stays owed. That is the bug.
            let (reply, other) = tokio::select! {
                biased;
                Ok(reply) = &mut late => (reply, own),
                Ok(reply) = &mut own => (reply, late),
                else => std::future::pending().await,
            };
            lock(&self.store.owed).push(other);
            return Some(reply);
        }
        let retries = self.options.has(Bug::RetriedWrites) && !operation.is_read();
        let until_ns = if retries { self.store.clock.now_ns() + RETRY.as_nanos() as u64 } else { u64::MAX };
        let clock = self.store.clock.clone();
        let (_, own) = self.pending.as_mut().expect("just asked");
        let reply = if retries { clock.before_ns(until_ns, own).await? } else { own.await };
        self.pending = None;
        match reply {
            Ok(reply) => Some(reply),
            Err(_closed) => std::future::pending().await,
        }
    }

    fn look_further(&self, node: usize) {
        let mut believed = lock(&self.store.believed);
        if believed[self.place] == node {
            believed[self.place] = (node + 1) % self.options.nodes;
        }
    }
}

impl Drop for EmbeddedClient {
    /// Whoever gives up on a node lets the next client of its place try another one.
    fn drop(&mut self) {
        if let Some((node, receiver)) = self.pending.take() {
            self.look_further(node);
            if self.options.has(Bug::MixedReplies) {
                lock(&self.store.owed).push(receiver);
            }
        }
    }
}
