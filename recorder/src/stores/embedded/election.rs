//! Who is primary: elections, and the promises that make leases safe.
//!
//! A node that hears no primary asks the others whether they *would* vote for it, and only if a majority
//! would, begins a new term (Ongaro's thesis, §9.6): a node that comes back from a partition does not depose
//! a primary that is well. Nobody votes who heard a primary within the lease, or was started within it (it
//! may have promised something before), nor a primary that holds its lease.

use super::data::LogCommand;
use super::message::NodeMessage;
use super::node::{NodeRole, Outbox, Peer, Primary, SimulatedNode};
use super::{EXPIRY_NS, LEASE_NS};
use std::collections::{BTreeSet, VecDeque};

impl SimulatedNode {
    /// Stands for election, or asks how one would end.
    pub(super) fn stand_for_election(&mut self, now_ns: u64, asking: bool, out: &mut Outbox) {
        self.reset_election_timer(now_ns);
        self.leader = None;
        if !asking {
            self.term += 1;
            self.voted_for = Some(self.id);
        }
        self.role = NodeRole::Candidate { asking, votes: BTreeSet::from([self.id]) };
        let term = if asking { self.term + 1 } else { self.term };
        let (last_term, length) = self.last_log_position();
        for other in (0..self.options.nodes).filter(|&other| other != self.id) {
            out.push((other, NodeMessage::Vote { term, length, last_term, asking }));
        }
        self.act_on_votes(now_ns, out);
    }

    /// Whether to vote for a candidate whose log ends like this.
    pub(super) fn decide_vote(
        &mut self,
        now_ns: u64,
        candidate: usize,
        term: u64,
        last: (u64, usize),
        asking: bool,
    ) -> bool {
        let promised = self.heard_ns.is_some_and(|heard_ns| now_ns < heard_ns + LEASE_NS);
        if promised || self.newcomer.is_some() || term < self.term || self.holds_lease(now_ns) {
            return false;
        }
        if asking {
            return term > self.term && last >= self.last_log_position();
        }
        self.observe_term(term);
        let granted =
            self.voted_for.is_none_or(|other| other == candidate) && last >= self.last_log_position();
        if granted {
            self.voted_for = Some(candidate);
            self.reset_election_timer(now_ns);
        }
        granted
    }

    /// Takes note of an answer to [`Node::stand`].
    pub(super) fn record_vote(
        &mut self,
        now_ns: u64,
        from: usize,
        term: u64,
        granted: bool,
        asked: bool,
        out: &mut Outbox,
    ) {
        self.record_term(from, term);
        self.observe_term(term);
        let NodeRole::Candidate { asking, votes } = &mut self.role else { return };
        // A late answer to the question is no vote, and one of an earlier term is for an earlier election.
        if granted && *asking == asked && (asked || term == self.term) {
            votes.insert(from);
            self.act_on_votes(now_ns, out);
        }
    }

    /// Somebody lives in a later term: whatever this node was, it is a replica now.
    pub(super) fn observe_term(&mut self, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted_for = None;
            self.role = NodeRole::Replica;
            self.leader = None;
        }
    }

    fn act_on_votes(&mut self, now_ns: u64, out: &mut Outbox) {
        let NodeRole::Candidate { asking, votes } = &self.role else { return };
        if votes.len() < self.options.majority() {
            return;
        }
        if *asking {
            self.stand_for_election(now_ns, false, out);
        } else {
            self.become_primary(now_ns, out);
        }
    }

    fn become_primary(&mut self, now_ns: u64, out: &mut Outbox) {
        let next = self.log.len();
        let peers = vec![Peer { next, ..Peer::default() }; self.options.nodes];
        let begins = self.append_entry(LogCommand::Begin);
        self.leader = Some(self.id);
        let (heartbeat_ns, expiry_ns) = (now_ns, now_ns + EXPIRY_NS);
        self.role =
            NodeRole::Primary(Primary { peers, begins, heartbeat_ns, expiry_ns, waiting: VecDeque::new() });
        if self.effective_replication() != super::ReplicationMode::Quorum {
            self.apply_up_to(begins);
        }
        self.do_due_work(now_ns, out);
        self.advance_commit(out);
    }

    /// The term of the last entry, and how many there are: who has more of it is more up to date.
    fn last_log_position(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |entry| entry.term), self.log.len())
    }
}
