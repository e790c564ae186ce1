//! Elections, and the promises that make leases safe.
//!
//! A node that hears no primary first asks the others whether they *would* vote for it. Only if a majority would, it
//! begins a new term (Ongaro's thesis, §9.6). A node that comes back from a partition therefore does not depose a
//! primary that works. Three kinds of nodes do not vote: a node that heard a primary within the lease, a node that
//! was started within the lease (it may have made promises before), and a primary that holds its lease.

use super::data::LogCommand;
use super::message::NodeMessage;
use super::node::{NodeRole, Outbox, Peer, Primary, SimulatedNode};
use super::{EXPIRY_NS, LEASE_NS};
use std::collections::{BTreeSet, VecDeque};

impl SimulatedNode {
    /// Stands for election or, if `asking` is set, asks how an election would end.
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

    /// Decides whether to vote for a candidate whose log ends at this position.
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

    /// Records an answer to [`Node::stand`].
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
        // A late answer to the question is not a vote, and a vote of an earlier term belongs to an earlier election.
        if granted && *asking == asked && (asked || term == self.term) {
            votes.insert(from);
            self.act_on_votes(now_ns, out);
        }
    }

    /// Learns of a term. If the term is later than its own, the node becomes a replica in that term.
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

    /// The term of the last entry, and the number of entries. The node with the greater pair is more up to date.
    fn last_log_position(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |entry| entry.term), self.log.len())
    }
}
