//! The faults of the connections between two ends, which can be changed while the connections exist.

use super::messages::{MessageCounter, Uncounted};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The direction of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// From the end that opened the connection.
    ToServer,
    /// From the end that accepted the connection.
    ToClient,
}

impl Direction {
    pub(super) fn index(self) -> usize {
        match self {
            Direction::ToServer => 0,
            Direction::ToClient => 1,
        }
    }
}

/// How bytes pass in one direction. By default they pass at once and unchanged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flow {
    /// The additional time that each byte takes at least.
    pub delay: Duration,
    /// The mean of a further additional time, which is distributed exponentially. The order stays.
    pub jitter: Duration,
    /// Nothing passes while this is set. Bytes that arrive wait in the proxy while it has room, and after that at
    /// their sender: nothing is lost.
    pub held: bool,
    /// The highest number of bytes a second, over all connections of the link.
    pub rate: Option<u64>,
    /// The largest number of bytes that are sent at once.
    pub slice: Option<usize>,
}

/// What happens to new connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Gate {
    /// They are carried.
    #[default]
    Open,
    /// They are refused (`ECONNREFUSED`). Existing connections continue. If several links share a listening address
    /// and not all of them refuse, connections are accepted and broken instead.
    Refuse,
    /// They are accepted and broken (`ECONNRESET`).
    Reset,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkSettings {
    pub(super) flows: [Flow; 2],
    pub(super) gate: Gate,
    /// How many times all connections were broken.
    pub(super) resets: u64,
    /// How many times all connections were closed for one direction.
    pub(super) closings: [u64; 2],
}

/// What passed in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    /// Number of bytes that have left the proxy.
    pub bytes: u64,
    /// Number of messages, if they are counted.
    pub messages: u64,
    /// Pieces that were sent at once, and how late they were in all: from when they came in, in ns.
    pub pieces: u64,
    /// See `pieces`.
    pub late_ns: u64,
    /// The largest piece since the link's flow was last changed, in bytes.
    pub largest: u64,
    /// Bytes that have come in and wait.
    pub waiting: u64,
}

/// What a link has carried since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkCounts {
    /// Connections that were accepted, broken ones included.
    pub connections: u64,
    /// Connections that are there now.
    pub open: u64,
    /// Connections that the link broke.
    pub broken: u64,
    /// From those who opened connections.
    pub to_server: Carried,
    /// What passed to the ends that opened connections.
    pub to_client: Carried,
}

/// All connections that one end opens to another, and their faults. Clones are the same link.
#[derive(Clone, Debug)]
pub struct ProxyLink(Arc<ProxyLinkState>);

#[derive(Debug)]
struct ProxyLinkState {
    state: watch::Sender<LinkSettings>,
    /// When the next byte may pass, if the rate is limited.
    free: [Mutex<Option<Instant>>; 2],
    connections: AtomicU64,
    open: AtomicU64,
    broken: AtomicU64,
    /// How many more requests have their connection broken.
    to_fail: AtomicU64,
    of_direction: [Counters; 2],
    counter: fn() -> Box<dyn MessageCounter>,
}

/// What went one way, as it is counted.
#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicU64,
    messages: AtomicU64,
    pieces: AtomicU64,
    late_ns: AtomicU64,
    largest: AtomicU64,
    waiting: AtomicU64,
}

impl Counters {
    fn read(&self) -> Carried {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Carried {
            bytes: read(&self.bytes),
            messages: read(&self.messages),
            pieces: read(&self.pieces),
            late_ns: read(&self.late_ns),
            largest: read(&self.largest),
            waiting: read(&self.waiting),
        }
    }
}

impl Default for ProxyLink {
    fn default() -> Self {
        Self::with_counter(|| Box::new(Uncounted))
    }
}

impl ProxyLink {
    /// Creates a link that counts the messages of some protocol. Each direction of each connection has its own
    /// counter.
    pub fn with_counter(counter: fn() -> Box<dyn MessageCounter>) -> Self {
        Self(Arc::new(ProxyLinkState {
            state: watch::Sender::new(LinkSettings::default()),
            free: Default::default(),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            to_fail: AtomicU64::new(0),
            of_direction: Default::default(),
            counter,
        }))
    }

    /// Sets how bytes pass in one direction. Bytes that were held or delayed under the old setting follow the new
    /// one, in order.
    pub fn set_flow(&self, direction: Direction, flow: Flow) {
        self.0.state.send_if_modified(|state| {
            let present = &mut state.flows[direction.index()];
            let modified = *present != flow;
            *present = flow;
            if modified {
                self.0.of_direction[direction.index()].largest.store(0, Ordering::Relaxed);
            }
            modified
        });
    }

    /// Breaks the connections of the next `requests` requests. A request is the next data that the opener of a connection
    /// sends on it.
    pub fn break_next_requests(&self, requests: u64) {
        self.0.to_fail.store(requests, Ordering::Relaxed);
    }

    /// Whether a request that has come in is one of those whose connection is to be broken.
    pub(super) fn take_request_to_break(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        self.0.to_fail.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// Sets what happens to connections that are opened from now on. [`Gate::Reset`] also breaks those that exist.
    pub fn set_gate(&self, gate: Gate) {
        self.0.state.send_if_modified(|state| {
            let modified = state.gate != gate;
            if modified && gate == Gate::Reset {
                state.resets += 1;
            }
            state.gate = gate;
            modified
        });
    }

    /// Breaks all existing connections: both ends see `ECONNRESET`.
    pub fn reset_connections(&self) {
        self.0.state.send_modify(|state| state.resets += 1);
    }

    /// Closes all existing connections for one direction. The receiver of that direction sees the end of the stream
    /// after the bytes that have arrived so far, and the other direction continues.
    pub fn half_close(&self, direction: Direction) {
        self.0.state.send_modify(|state| state.closings[direction.index()] += 1);
    }

    /// What the link has carried so far.
    pub fn counts(&self) -> LinkCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let [to_server, to_client] = [0, 1].map(|index: usize| self.0.of_direction[index].read());
        LinkCounts {
            connections: read(&self.0.connections),
            open: read(&self.0.open),
            broken: read(&self.0.broken),
            to_server,
            to_client,
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<LinkSettings> {
        self.0.state.subscribe()
    }

    /// Counts a connection and returns its number, from one. The connection counts as open until the second value is dropped.
    pub(super) fn count_connection(&self) -> (u64, OpenConnection) {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        let number = self.0.connections.fetch_add(1, Ordering::Relaxed) + 1;
        (number, OpenConnection(self.0.clone()))
    }

    /// Counts a connection that was broken.
    pub(super) fn count_broken_connection(&self) {
        self.0.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes that have arrived and wait to be sent on.
    pub(super) fn count_waiting_bytes(&self, direction: Direction, bytes: u64) {
        self.0.of_direction[direction.index()].waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Subtracts waiting bytes that will never be sent on, because their connection is gone.
    pub(super) fn discount_waiting_bytes(&self, direction: Direction, bytes: u64) {
        self.0.of_direction[direction.index()].waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn new_counter(&self) -> Box<dyn MessageCounter> {
        (self.0.counter)()
    }

    /// Counts a piece of data that was sent on, and computes when the next byte may be sent if there is a rate.
    pub(super) fn record_carried(&self, direction: Direction, piece: SentPiece, rate: Option<u64>) {
        let SentPiece { bytes, messages, late } = piece;
        let index = direction.index();
        let counters = &self.0.of_direction[index];
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        counters.messages.fetch_add(messages, Ordering::Relaxed);
        counters.pieces.fetch_add(1, Ordering::Relaxed);
        counters.late_ns.fetch_add(late.as_nanos() as u64, Ordering::Relaxed);
        counters.largest.fetch_max(bytes, Ordering::Relaxed);
        counters.waiting.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(rate) = rate {
            let mut free = self.0.free[index].lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let from = free.map_or(now, |free| free.max(now));
            *free = Some(from + Duration::from_secs_f64(bytes as f64 / rate as f64));
        }
    }

    /// When the next byte may pass at the current rate.
    pub(super) fn next_send_time(&self, direction: Direction) -> Option<Instant> {
        *self.0.free[direction.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that went out at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentPiece {
    pub(super) bytes: u64,
    pub(super) messages: u64,
    /// How long after they had come in.
    pub(super) late: Duration,
}

/// A connection that is counted as open until this is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection(Arc<ProxyLinkState>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
