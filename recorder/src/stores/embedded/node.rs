//! One node as a state machine. Time, messages and restarts come in, and messages go out. It owns no thread, no clock
//! and no socket, so that each of its runs can be replayed.
//!
//! The *durable* state survives a kill: the term, the vote, the log. All other state is lost with the process.

use super::data::{Command, Data, Moment};
use super::message::{Entry, Message, Reply};
use super::newcomer::Newcomer;
use super::{
    Bug, ELECTION_LEAST_NS, ELECTION_MOST_NS, EXPIRY_NS, HEARTBEAT_NS, LEASE_NS, Options, Replication,
};
use crate::{Answer, Failure};
use histories::Function;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use workloads::{Operation, Stream, Value};

/// With [`Bug::LazyExpiry`]: the interval at which a primary looks for expired sessions.
const LAZY_EXPIRY_NS: u64 = 5_000_000_000;
/// The wall-clock time at which simulated time begins.
const BEGINNING_NS: i64 = 1_700_000_000_000_000_000;

/// Messages to send, each with the end that it goes to.
pub(super) type Outbox = Vec<(usize, Message)>;

pub(super) struct Node {
    pub(super) id: usize,
    pub(super) options: Arc<Options>,
    pub(super) stream: Stream,
    /// The error of the wall clock. All monotonic clocks agree.
    pub(super) skew_ns: i64,
    // Durable.
    pub(super) term: u64,
    pub(super) voted_for: Option<usize>,
    pub(super) log: Vec<Entry>,
    /// The version of the program that the node runs.
    pub(super) version: u8,
    /// What a node with an empty disk has to find out before it may vote; `None` for other nodes.
    pub(super) newcomer: Option<Newcomer>,
    // Lost with the process.
    pub(super) role: Role,
    pub(super) leader: Option<usize>,
    /// When the node last heard a primary, or was restarted: before the restart it may have made promises.
    pub(super) heard_ns: Option<u64>,
    pub(super) election_ns: u64,
    /// The number of entries that are known to be on a majority.
    pub(super) committed: usize,
    /// The number of entries that are applied to `data`.
    pub(super) applied: usize,
    pub(super) data: Data,
}

pub(super) enum Role {
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
    pub(super) waiting: VecDeque<Waiting>,
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
pub(super) struct Waiting {
    /// The length of the log up to and including that entry.
    pub(super) length: usize,
    pub(super) end: usize,
    pub(super) id: u64,
    /// The result that the client will get, once it is known.
    pub(super) result: Option<Result<Answer, Failure>>,
}

impl Node {
    /// Creates a node that was never started before. The first node stands for election at once.
    pub(super) fn new(id: usize, options: Arc<Options>, mut stream: Stream) -> Self {
        let least_ns = if id == 0 { HEARTBEAT_NS } else { ELECTION_LEAST_NS };
        let election_ns = least_ns + stream.below(HEARTBEAT_NS);
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
            role: Role::Replica,
            leader: None,
            heard_ns: None,
            election_ns,
            committed: 0,
            applied: 0,
            data: Data::default(),
        }
    }

    /// Ends the process. The connections of clients that waited for it break.
    pub(super) fn crash(&mut self, out: &mut Outbox) {
        if let Role::Primary(primary) = std::mem::replace(&mut self.role, Role::Replica) {
            for waiting in primary.waiting {
                let broken = Err(Failure::indefinite("connection reset"));
                out.push((waiting.end, Message::Reply { id: waiting.id, reply: Reply::Done(broken) }));
            }
        }
    }

    /// Replaces the disk with an empty one.
    pub(super) fn wipe(&mut self, now_ns: u64) {
        (self.term, self.voted_for) = (0, None);
        self.log.clear();
        let careful = !self.options.has(Bug::HastyNewcomer);
        self.newcomer = careful.then(|| Newcomer::new(now_ns, self.options.nodes - 1));
    }

    /// Starts the process again with its durable state.
    pub(super) fn restart(&mut self, now_ns: u64) {
        self.role = Role::Replica;
        self.leader = None;
        self.heard_ns = Some(now_ns);
        self.committed = 0;
        self.applied = 0;
        self.data = Data::default();
        self.rest(now_ns);
        if self.newcomer.is_some() {
            self.election_ns = now_ns;
        }
        if self.replication() != Replication::Quorum {
            self.apply_to(self.log.len());
        }
    }

    /// When the next work is due.
    pub(super) fn next_ns(&self) -> u64 {
        match &self.role {
            Role::Primary(primary) => primary.heartbeat_ns.min(primary.expiry_ns),
            _ => self.election_ns,
        }
    }

    /// Does the work that is due.
    pub(super) fn tick(&mut self, now_ns: u64, out: &mut Outbox) {
        let Role::Primary(primary) = &mut self.role else {
            if now_ns >= self.election_ns && self.newcomer.is_some() {
                self.ask_around(now_ns, out);
            } else if now_ns >= self.election_ns {
                self.stand(now_ns, true, out);
            }
            return;
        };
        if now_ns >= primary.heartbeat_ns {
            primary.heartbeat_ns = now_ns + HEARTBEAT_NS;
            self.send_to_all(now_ns, out);
        }
        self.expire(now_ns, out);
    }

    pub(super) fn receive(&mut self, now_ns: u64, from: usize, message: Message, out: &mut Outbox) {
        match message {
            Message::Ask { id, operation, local } => self.ask(now_ns, from, id, &operation, local, out),
            Message::Vote { term, length, last_term, asking } => {
                let granted = self.vote(now_ns, from, term, (last_term, length), asking);
                out.push((from, Message::VoteReply { term: self.term, granted, asking }));
            }
            Message::VoteReply { term, granted, asking } => {
                self.voted(now_ns, from, term, granted, asking, out);
            }
            Message::Append { .. } => self.append(now_ns, from, message, out),
            Message::AppendReply { .. } => self.appended(now_ns, from, message, out),
            Message::Reply { .. } => unreachable!("replies go to clients"),
        }
    }

    /// When writes are acknowledged. [`Bug::LostOnFailover`] acknowledges them earlier than promised.
    pub(super) fn replication(&self) -> Replication {
        if self.options.has(Bug::LostOnFailover) { Replication::Async } else { self.options.replication }
    }

    /// Restarts the wait for a heartbeat.
    pub(super) fn rest(&mut self, now_ns: u64) {
        self.election_ns = now_ns + self.stream.between(ELECTION_LEAST_NS, ELECTION_MOST_NS);
    }

    fn ask(
        &mut self,
        now_ns: u64,
        from: usize,
        id: u64,
        operation: &Arc<Operation>,
        local: bool,
        out: &mut Outbox,
    ) {
        let reads = operation.is_read();
        let reply = if reads && (local || self.may_serve(now_ns, true)) {
            Some(Reply::Done(self.read(now_ns, operation)))
        } else if reads || !self.may_serve(now_ns, false) {
            Some(Reply::Elsewhere(self.leader.filter(|&leader| leader != self.id)))
        } else {
            self.write(now_ns, from, id, operation, out)
        };
        if let Some(reply) = reply {
            out.push((from, Message::Reply { id, reply }));
        }
    }

    /// Whether this node is a primary that holds its lease. To answer reads, its first own entry must also have been
    /// applied. Only then does it know everything that its predecessors acknowledged.
    fn may_serve(&self, now_ns: u64, reads: bool) -> bool {
        let Role::Primary(primary) = &self.role else { return false };
        let leased = self.holds_lease(now_ns) || self.options.has(Bug::SplitBrain);
        leased && (!reads || self.applied >= primary.begins)
    }

    /// Whether this node is a primary that others must not replace yet.
    pub(super) fn holds_lease(&self, now_ns: u64) -> bool {
        match &self.role {
            Role::Primary(primary) => self.lease_ns(primary).is_none_or(|end_ns| now_ns < end_ns),
            _ => false,
        }
    }

    /// When the lease ends: zero if it has not begun, `None` if the primary needs no other node.
    fn lease_ns(&self, primary: &Primary) -> Option<u64> {
        let others = self.options.majority() - 1;
        let mut acked: Vec<_> = (primary.peers.iter().enumerate())
            .filter(|(peer, _)| *peer != self.id)
            .map(|(_, peer)| peer.acked_ns.map_or(0, |sent_ns| sent_ns + LEASE_NS))
            .collect();
        acked.sort_unstable_by(|a, b| b.cmp(a));
        others.checked_sub(1).map(|last| acked[last])
    }

    fn read(&self, now_ns: u64, operation: &Operation) -> Result<Answer, Failure> {
        let now_ns = match (self.options.has(Bug::LazyExpiry), self.options.has(Bug::ExpireByLocalClock)) {
            (true, _) => None,
            (false, true) => Some(now_ns as i64 + self.skew_ns),
            (false, false) => Some(now_ns as i64),
        };
        self.data.read(operation, now_ns, self.is_later()).map(Answer::of)
    }

    /// Reads what this node holds under a key, whatever the other nodes hold.
    pub(super) fn look(&self, now_ns: u64, key: &Arc<str>) -> Result<Value, Failure> {
        self.data.read(&Operation::on(key, Function::READ, Value::Null), Some(now_ns as i64), true)
    }

    /// Whether the node runs the later version: with [`Bug::MixedVersions`] every other node does, otherwise the
    /// nodes where it was deployed.
    fn is_later(&self) -> bool {
        if self.options.has(Bug::MixedVersions) { self.id % 2 == 1 } else { self.version > 1 }
    }

    /// The clock that its answers carry.
    pub(super) fn clock_ns(&self, now_ns: u64) -> i64 {
        let skew_ns = if self.options.has(Bug::WallClock) { self.skew_ns } else { 0 };
        BEGINNING_NS + now_ns as i64 + skew_ns
    }

    /// Appends a write to the log. Returns the reply if there is one at once.
    fn write(
        &mut self,
        now_ns: u64,
        from: usize,
        id: u64,
        operation: &Arc<Operation>,
        out: &mut Outbox,
    ) -> Option<Reply> {
        let now = now_ns as i64;
        let expires_ns = now + self.options.time_to_live.as_nanos() as i64;
        let incompatible = self.options.has(Bug::MixedVersions) || self.options.has(Bug::NoWayBack);
        let later = incompatible && self.is_later();
        let moment = Moment { now_ns: now, expires_ns, later };
        if let Some(operation) = self.torn(operation) {
            self.push(Command::Do { operation: Arc::new(operation), moment });
            self.send_to_all(now_ns, out);
        }
        let length = self.push(Command::Do { operation: operation.clone(), moment });
        let result = (self.replication() != Replication::Quorum).then(|| self.apply_to(length));
        let reply = if self.replication() == Replication::Async {
            result.flatten().map(Reply::Done)
        } else {
            let Role::Primary(primary) = &mut self.role else { unreachable!("only a primary writes") };
            primary.waiting.push_back(Waiting { length, end: from, id, result: result.flatten() });
            None
        };
        self.send_to_all(now_ns, out);
        self.commit(out);
        reply
    }

    /// With [`Bug::TornWrites`]: the first half of a write.
    fn torn(&self, operation: &Operation) -> Option<Operation> {
        let Value::Payload(payload) = &operation.value else { return None };
        let half = Value::Torn { bytes: payload.bytes, checksum: 0, begins: "half of it".into() };
        let value = match (operation.function, &payload.field) {
            (Function::WRITE, _) => half,
            (Function::PATCH, Some(field)) => Value::Fields(vec![(field.clone(), half)]),
            _ => return None,
        };
        self.options.has(Bug::TornWrites).then(|| Operation { value, ..operation.clone() })
    }

    fn expire(&mut self, now_ns: u64, out: &mut Outbox) {
        let now = now_ns as i64;
        let Role::Primary(primary) = &mut self.role else { return };
        if now_ns < primary.expiry_ns {
            return;
        }
        primary.expiry_ns =
            now_ns + if self.options.has(Bug::LazyExpiry) { LAZY_EXPIRY_NS } else { EXPIRY_NS };
        if self.data.has_expired(now) && self.may_serve(now_ns, false) {
            let length = self.push(Command::Expire { now_ns: now });
            if self.replication() != Replication::Quorum {
                self.apply_to(length);
            }
            self.send_to_all(now_ns, out);
        }
    }

    /// Appends an entry to the log and returns the new length.
    pub(super) fn push(&mut self, command: Command) -> usize {
        self.log.push(Entry { term: self.term, command: Arc::new(command) });
        self.log.len()
    }

    /// Applies the log up to this length. Returns the result of the last entry if it was applied now.
    pub(super) fn apply_to(&mut self, length: usize) -> Option<Result<Answer, Failure>> {
        let mut last = None;
        while self.applied < length {
            let entry = &self.log[self.applied];
            let result = match self.skips(&entry.command) {
                true => Ok(Answer::default()),
                false => self.data.apply(&entry.command, entry.term, &self.options.bugs),
            };
            self.applied += 1;
            if self.replication() == Replication::Quorum {
                self.fill_in(&result);
            }
            last = Some(result);
        }
        last
    }

    /// With [`Bug::ReplicasKeep`]: whether a replica does not carry out the command.
    fn skips(&self, command: &Command) -> bool {
        let ends = |operation: &Operation| operation.function == Function::DESTROY;
        let replica = !matches!(self.role, Role::Primary(_));
        let Command::Do { operation, .. } = command else { return false };
        replica && self.options.has(Bug::ReplicasKeep) && ends(operation)
    }

    /// Stores the result that a waiting client gets once its entry is safe.
    fn fill_in(&mut self, result: &Result<Answer, Failure>) {
        let Role::Primary(primary) = &mut self.role else { return };
        let applied = self.applied;
        if let Some(waiting) = primary.waiting.iter_mut().find(|waiting| waiting.length >= applied)
            && waiting.length == applied
        {
            waiting.result = Some(result.clone());
        }
    }

    /// Removes the entries after this length and undoes their effect.
    pub(super) fn cut(&mut self, length: usize) {
        if length >= self.log.len() {
            return;
        }
        assert!(length >= self.committed, "an entry that a majority has is never taken back");
        self.log.truncate(length);
        if self.applied > length {
            self.applied = 0;
            self.data = Data::default();
            self.apply_to(length);
        }
    }
}
