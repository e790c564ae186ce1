//! One node as a state machine. Time, messages and restarts come in, and messages go out. It owns no thread, no clock
//! and no socket, so that each of its runs can be replayed.
//!
//! The *durable* state survives a kill: the term, the vote, the log. All other state is lost with the process.

mod newcomer;

use super::data::{LogCommand, OperationMoment, ReplicatedData};
use super::message::{LogEntry, NodeMessage, NodeReply};
use super::{
    Bug, ELECTION_LEAST_NS, ELECTION_MOST_NS, EXPIRY_NS, EmbeddedOptions, HEARTBEAT_NS, LEASE_NS,
    ReplicationMode,
};
use crate::{Failure, StoreAnswer};
use histories::Function;
use newcomer::Newcomer;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use workloads::{ClientOperation, Stream, Value};

/// With [`Bug::LazyExpiry`]: the interval at which a primary looks for expired sessions.
const LAZY_EXPIRY_NS: u64 = 5_000_000_000;
/// The wall-clock time at which simulated time begins.
const BEGINNING_NS: i64 = 1_700_000_000_000_000_000;

/// Messages to send, each with the end that it goes to.
pub(super) type Outbox = Vec<(usize, NodeMessage)>;

pub(super) struct SimulatedNode {
    pub(super) id: usize,
    pub(super) options: Arc<EmbeddedOptions>,
    pub(super) stream: Stream,
    /// The error of the wall clock. All monotonic clocks agree.
    pub(super) skew_ns: i64,
    // Durable.
    pub(super) term: u64,
    pub(super) voted_for: Option<usize>,
    pub(super) log: Vec<LogEntry>,
    /// The version of the program that the node runs.
    pub(super) version: u8,
    /// What a node with an empty disk has to find out before it may vote; `None` for other nodes.
    pub(super) newcomer: Option<Newcomer>,
    // Lost with the process.
    pub(super) role: NodeRole,
    pub(super) leader: Option<usize>,
    /// When the node last heard a primary, or was restarted: before the restart it may have made promises.
    pub(super) heard_ns: Option<u64>,
    pub(super) election_ns: u64,
    /// The number of entries that are known to be on a majority.
    pub(super) committed: usize,
    /// The number of entries that are applied to `data`.
    pub(super) applied: usize,
    pub(super) data: ReplicatedData,
}

pub(super) enum NodeRole {
    Replica,
    /// Asks which nodes would vote for it (without a new term), and then which do.
    Candidate {
        asking: bool,
        votes: BTreeSet<usize>,
    },
    Primary(Primary),
}

/// The state that only a primary has.
pub(super) struct Primary {
    pub(super) peers: Vec<Peer>,
    /// The length of the log when the node became primary, its own first entry included.
    pub(super) begins: usize,
    pub(super) heartbeat_ns: u64,
    pub(super) expiry_ns: u64,
    pub(super) waiting: VecDeque<WaitingClient>,
}

/// What a primary knows about another node.
#[derive(Clone, Copy, Default)]
pub(super) struct Peer {
    /// Where the next entries to send begin.
    pub(super) next: usize,
    /// How much of the log the node is known to have.
    pub(super) matched: usize,
    /// After a refusal: the position from which the node asked to try again, until it agrees.
    pub(super) probe: Option<usize>,
    /// When the latest message that the node answered was sent.
    pub(super) acked_ns: Option<u64>,
}

/// A client that waits until an entry is safe.
pub(super) struct WaitingClient {
    /// The length of the log up to and including that entry.
    pub(super) length: usize,
    pub(super) end: usize,
    pub(super) id: u64,
    /// The result that the client will get, once it is known.
    pub(super) result: Option<Result<StoreAnswer, Failure>>,
}

impl SimulatedNode {
    /// Creates a node that was never started before. The first node stands for election at once.
    pub(super) fn new(id: usize, options: Arc<EmbeddedOptions>, mut stream: Stream) -> Self {
        let least_ns = if id == 0 { HEARTBEAT_NS } else { ELECTION_LEAST_NS };
        let election_ns = least_ns + stream.draw_below(HEARTBEAT_NS);
        Self {
            id,
            options,
            stream,
            skew_ns: 0,
            term: 0,
            voted_for: None,
            log: Vec::new(),
            version: 1,
            newcomer: None,
            role: NodeRole::Replica,
            leader: None,
            heard_ns: None,
            election_ns,
            committed: 0,
            applied: 0,
            data: ReplicatedData::default(),
        }
    }

    /// Ends the process. The connections of clients that waited for it break.
    pub(super) fn crash(&mut self, out: &mut Outbox) {
        if let NodeRole::Primary(primary) = std::mem::replace(&mut self.role, NodeRole::Replica) {
            for waiting in primary.waiting {
                let broken = Err(Failure::indefinite("connection reset"));
                out.push((
                    waiting.end,
                    NodeMessage::Reply { id: waiting.id, reply: NodeReply::Done(broken) },
                ));
            }
        }
    }

    /// Replaces the disk with an empty one.
    pub(super) fn wipe_disk(&mut self, now_ns: u64) {
        (self.term, self.voted_for) = (0, None);
        self.log.clear();
        let careful = !self.options.has_bug(Bug::HastyNewcomer);
        self.newcomer = careful.then(|| Newcomer::new(now_ns, self.options.nodes - 1));
    }

    /// Starts the process again with its durable state.
    pub(super) fn restart(&mut self, now_ns: u64) {
        self.role = NodeRole::Replica;
        self.leader = None;
        self.heard_ns = Some(now_ns);
        self.committed = 0;
        self.applied = 0;
        self.data = ReplicatedData::default();
        self.reset_election_timer(now_ns);
        if self.newcomer.is_some() {
            self.election_ns = now_ns;
        }
        if self.effective_replication() != ReplicationMode::Quorum {
            self.apply_up_to(self.log.len());
        }
    }

    /// When the next work is due.
    pub(super) fn next_due_ns(&self) -> u64 {
        match &self.role {
            NodeRole::Primary(primary) => primary.heartbeat_ns.min(primary.expiry_ns),
            _ => self.election_ns,
        }
    }

    /// Does the work that is due.
    pub(super) fn do_due_work(&mut self, now_ns: u64, out: &mut Outbox) {
        let NodeRole::Primary(primary) = &mut self.role else {
            if now_ns >= self.election_ns && self.newcomer.is_some() {
                self.ask_for_terms(now_ns, out);
            } else if now_ns >= self.election_ns {
                self.stand_for_election(now_ns, true, out);
            }
            return;
        };
        if now_ns >= primary.heartbeat_ns {
            primary.heartbeat_ns = now_ns + HEARTBEAT_NS;
            self.send_entries_to_all(now_ns, out);
        }
        self.expire_sessions(now_ns, out);
    }

    pub(super) fn receive_message(
        &mut self,
        now_ns: u64,
        from: usize,
        message: NodeMessage,
        out: &mut Outbox,
    ) {
        match message {
            NodeMessage::Ask { id, operation, local } => {
                self.answer_client(now_ns, from, id, &operation, local, out)
            }
            NodeMessage::Vote { term, length, last_term, asking } => {
                let granted = self.decide_vote(now_ns, from, term, (last_term, length), asking);
                out.push((from, NodeMessage::VoteReply { term: self.term, granted, asking }));
            }
            NodeMessage::VoteReply { term, granted, asking } => {
                self.record_vote(now_ns, from, term, granted, asking, out);
            }
            NodeMessage::Append { .. } => self.handle_append(now_ns, from, message, out),
            NodeMessage::AppendReply { .. } => self.handle_append_reply(now_ns, from, message, out),
            NodeMessage::Reply { .. } => unreachable!("replies go to clients"),
        }
    }

    /// When writes are acknowledged. [`Bug::LostOnFailover`] acknowledges them earlier than promised.
    pub(super) fn effective_replication(&self) -> ReplicationMode {
        if self.options.has_bug(Bug::LostOnFailover) {
            ReplicationMode::Async
        } else {
            self.options.replication
        }
    }

    /// Restarts the wait for a heartbeat.
    pub(super) fn reset_election_timer(&mut self, now_ns: u64) {
        self.election_ns = now_ns + self.stream.draw_between(ELECTION_LEAST_NS, ELECTION_MOST_NS);
    }

    fn answer_client(
        &mut self,
        now_ns: u64,
        from: usize,
        id: u64,
        operation: &Arc<ClientOperation>,
        local: bool,
        out: &mut Outbox,
    ) {
        let reads = operation.is_read();
        let reply = if reads && (local || self.may_serve_clients(now_ns, true)) {
            Some(NodeReply::Done(self.read_own_data(now_ns, operation)))
        } else if reads || !self.may_serve_clients(now_ns, false) {
            Some(NodeReply::Elsewhere(self.leader.filter(|&leader| leader != self.id)))
        } else {
            self.append_write(now_ns, from, id, operation, out)
        };
        if let Some(reply) = reply {
            out.push((from, NodeMessage::Reply { id, reply }));
        }
    }

    /// Whether this node is a primary that holds its lease. To answer reads, its first own entry must also have been
    /// applied. Only then does it know everything that its predecessors acknowledged.
    fn may_serve_clients(&self, now_ns: u64, reads: bool) -> bool {
        let NodeRole::Primary(primary) = &self.role else { return false };
        let leased = self.holds_lease(now_ns) || self.options.has_bug(Bug::SplitBrain);
        leased && (!reads || self.applied >= primary.begins)
    }

    /// Whether this node is a primary that others must not replace yet.
    pub(super) fn holds_lease(&self, now_ns: u64) -> bool {
        match &self.role {
            NodeRole::Primary(primary) => self.lease_end_ns(primary).is_none_or(|end_ns| now_ns < end_ns),
            _ => false,
        }
    }

    /// When the lease ends: zero if it has not begun, `None` if the primary needs no other node.
    fn lease_end_ns(&self, primary: &Primary) -> Option<u64> {
        let others = self.options.majority() - 1;
        let mut acked: Vec<_> = (primary.peers.iter().enumerate())
            .filter(|(peer, _)| *peer != self.id)
            .map(|(_, peer)| peer.acked_ns.map_or(0, |sent_ns| sent_ns + LEASE_NS))
            .collect();
        acked.sort_unstable_by(|a, b| b.cmp(a));
        others.checked_sub(1).map(|last| acked[last])
    }

    fn read_own_data(&self, now_ns: u64, operation: &ClientOperation) -> Result<StoreAnswer, Failure> {
        let now_ns =
            match (self.options.has_bug(Bug::LazyExpiry), self.options.has_bug(Bug::ExpireByLocalClock)) {
                (true, _) => None,
                (false, true) => Some(now_ns as i64 + self.skew_ns),
                (false, false) => Some(now_ns as i64),
            };
        self.data.evaluate_read(operation, now_ns, self.runs_later_version()).map(StoreAnswer::from_value)
    }

    /// Reads what this node holds under a key, whatever the other nodes hold.
    pub(super) fn read_replica_value(&self, now_ns: u64, key: &Arc<str>) -> Result<Value, Failure> {
        self.data.evaluate_read(
            &ClientOperation::on_key(key, Function::READ, Value::Null),
            Some(now_ns as i64),
            true,
        )
    }

    /// Whether the node runs the later version: with [`Bug::MixedVersions`] every other node does, otherwise the
    /// nodes where it was deployed.
    fn runs_later_version(&self) -> bool {
        if self.options.has_bug(Bug::MixedVersions) { self.id % 2 == 1 } else { self.version > 1 }
    }

    /// The clock that its answers carry.
    pub(super) fn answer_clock_ns(&self, now_ns: u64) -> i64 {
        let skew_ns = if self.options.has_bug(Bug::WallClock) { self.skew_ns } else { 0 };
        BEGINNING_NS + now_ns as i64 + skew_ns
    }

    /// Appends a write to the log. Returns the reply if there is one at once.
    fn append_write(
        &mut self,
        now_ns: u64,
        from: usize,
        id: u64,
        operation: &Arc<ClientOperation>,
        out: &mut Outbox,
    ) -> Option<NodeReply> {
        let now = now_ns as i64;
        let expires_ns = now + self.options.time_to_live.as_nanos() as i64;
        let incompatible = self.options.has_bug(Bug::MixedVersions) || self.options.has_bug(Bug::NoWayBack);
        let later = incompatible && self.runs_later_version();
        let moment = OperationMoment { now_ns: now, expires_ns, later };
        if let Some(operation) = self.torn_first_half(operation) {
            self.append_entry(LogCommand::Do { operation: Arc::new(operation), moment });
            self.send_entries_to_all(now_ns, out);
        }
        let length = self.append_entry(LogCommand::Do { operation: operation.clone(), moment });
        let result =
            (self.effective_replication() != ReplicationMode::Quorum).then(|| self.apply_up_to(length));
        let reply = if self.effective_replication() == ReplicationMode::Async {
            result.flatten().map(NodeReply::Done)
        } else {
            let NodeRole::Primary(primary) = &mut self.role else { unreachable!("only a primary writes") };
            primary.waiting.push_back(WaitingClient { length, end: from, id, result: result.flatten() });
            None
        };
        self.send_entries_to_all(now_ns, out);
        self.advance_commit(out);
        reply
    }

    /// With [`Bug::TornWrites`]: the first half of a write.
    fn torn_first_half(&self, operation: &ClientOperation) -> Option<ClientOperation> {
        let Value::Payload(payload) = &operation.value else { return None };
        let half = Value::Torn { bytes: payload.bytes, checksum: 0, begins: "half of it".into() };
        let value = match (operation.function, &payload.field) {
            (Function::WRITE, _) => half,
            (Function::PATCH, Some(field)) => Value::Fields(vec![(field.clone(), half)]),
            _ => return None,
        };
        self.options.has_bug(Bug::TornWrites).then(|| ClientOperation { value, ..operation.clone() })
    }

    fn expire_sessions(&mut self, now_ns: u64, out: &mut Outbox) {
        let now = now_ns as i64;
        let NodeRole::Primary(primary) = &mut self.role else { return };
        if now_ns < primary.expiry_ns {
            return;
        }
        primary.expiry_ns =
            now_ns + if self.options.has_bug(Bug::LazyExpiry) { LAZY_EXPIRY_NS } else { EXPIRY_NS };
        if self.data.any_expired(now) && self.may_serve_clients(now_ns, false) {
            let length = self.append_entry(LogCommand::Expire { now_ns: now });
            if self.effective_replication() != ReplicationMode::Quorum {
                self.apply_up_to(length);
            }
            self.send_entries_to_all(now_ns, out);
        }
    }

    /// Appends an entry to the log and returns the new length.
    pub(super) fn append_entry(&mut self, command: LogCommand) -> usize {
        self.log.push(LogEntry { term: self.term, command: Arc::new(command) });
        self.log.len()
    }

    /// Applies the log up to this length. Returns the result of the last entry if it was applied now.
    pub(super) fn apply_up_to(&mut self, length: usize) -> Option<Result<StoreAnswer, Failure>> {
        let mut last = None;
        while self.applied < length {
            let entry = &self.log[self.applied];
            let result = match self.skips_command(&entry.command) {
                true => Ok(StoreAnswer::default()),
                false => self.data.apply_command(&entry.command, entry.term, &self.options.bugs),
            };
            self.applied += 1;
            if self.effective_replication() == ReplicationMode::Quorum {
                self.set_waiting_result(&result);
            }
            last = Some(result);
        }
        last
    }

    /// With [`Bug::ReplicasKeep`]: whether a replica does not carry out the command.
    fn skips_command(&self, command: &LogCommand) -> bool {
        let ends = |operation: &ClientOperation| operation.function == Function::DESTROY;
        let replica = !matches!(self.role, NodeRole::Primary(_));
        let LogCommand::Do { operation, .. } = command else { return false };
        replica && self.options.has_bug(Bug::ReplicasKeep) && ends(operation)
    }

    /// Stores the result that a waiting client gets once its entry is safe.
    fn set_waiting_result(&mut self, result: &Result<StoreAnswer, Failure>) {
        let NodeRole::Primary(primary) = &mut self.role else { return };
        let applied = self.applied;
        if let Some(waiting) = primary.waiting.iter_mut().find(|waiting| waiting.length >= applied)
            && waiting.length == applied
        {
            waiting.result = Some(result.clone());
        }
    }

    /// Removes the entries after this length and undoes their effect.
    pub(super) fn truncate_log(&mut self, length: usize) {
        if length >= self.log.len() {
            return;
        }
        assert!(length >= self.committed, "an entry that a majority has is never taken back");
        self.log.truncate(length);
        if self.applied > length {
            self.applied = 0;
            self.data = ReplicatedData::default();
            self.apply_up_to(length);
        }
    }
}
