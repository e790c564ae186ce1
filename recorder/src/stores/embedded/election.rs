//! Elections, and the promises that make leases safe.
//!
//! A node that hears no primary first asks the others whether they *would* vote for it. Only if a majority would, it
//! begins a new term (Ongaro's thesis, §9.6). A node that comes back from a partition therefore does not depose a
//! primary that works. Three kinds of nodes do not vote: a node that heard a primary within the lease, a node that
//! was started within the lease (it may have made promises before), and a primary that holds its lease.

use super::data::Command;
use super::message::Message;
use super::node::{Node, Outbox, Peer, Primary, Role};
use super::{EXPIRY_NS, LEASE_NS};
use std::collections::{BTreeSet, VecDeque};

impl Node {
    /// Stands for election or, if `asking` is set, asks how an election would end.
    pub(super) fn stand(&mut self, now_ns: u64, asking: bool, out: &mut Outbox) {
        self.rest(now_ns);
        self.leader = None;
        if !asking {
            self.term += 1;
            self.voted_for = Some(self.id);
        }
        self.role = Role::Candidate { asking, votes: BTreeSet::from([self.id]) };
        let term = if asking { self.term + 1 } else { self.term };
        let (last_term, length) = self.last();
        for other in (0..self.options.nodes).filter(|&other| other != self.id) {
            out.push((other, Message::Vote { term, length, last_term, asking }));
        }
        self.count(now_ns, out);
    }

    /// Decides whether to vote for a candidate whose log ends at this position.
    pub(super) fn vote(
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
            return term > self.term && last >= self.last();
        }
        self.meet(term);
        let granted = self.voted_for.is_none_or(|other| other == candidate) && last >= self.last();
        if granted {
            self.voted_for = Some(candidate);
            self.rest(now_ns);
        }
        granted
    }

    /// Records an answer to [`Node::stand`].
    pub(super) fn voted(
        &mut self,
        now_ns: u64,
        from: usize,
        term: u64,
        granted: bool,
        asked: bool,
        out: &mut Outbox,
    ) {
        self.learn(from, term);
        self.meet(term);
        let Role::Candidate { asking, votes } = &mut self.role else { return };
        // A late answer to the question is not a vote, and a vote of an earlier term belongs to an earlier election.
        if granted && *asking == asked && (asked || term == self.term) {
            votes.insert(from);
            self.count(now_ns, out);
        }
    }

    /// Learns of a term. If the term is later than its own, the node becomes a replica in that term.
    pub(super) fn meet(&mut self, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted_for = None;
            self.role = Role::Replica;
            self.leader = None;
        }
    }

    fn count(&mut self, now_ns: u64, out: &mut Outbox) {
        let Role::Candidate { asking, votes } = &self.role else { return };
        if votes.len() < self.options.majority() {
            return;
        }
        if *asking {
            self.stand(now_ns, false, out);
        } else {
            self.lead(now_ns, out);
        }
    }

    fn lead(&mut self, now_ns: u64, out: &mut Outbox) {
        let next = self.log.len();
        let peers = vec![Peer { next, ..Peer::default() }; self.options.nodes];
        let begins = self.push(Command::Begin);
        self.leader = Some(self.id);
        let (heartbeat_ns, expiry_ns) = (now_ns, now_ns + EXPIRY_NS);
        self.role =
            Role::Primary(Primary { peers, begins, heartbeat_ns, expiry_ns, waiting: VecDeque::new() });
        if self.replication() != super::Replication::Quorum {
            self.apply_to(begins);
        }
        self.tick(now_ns, out);
        self.commit(out);
    }

    /// The term of the last entry, and the number of entries. The node with the greater pair is more up to date.
    fn last(&self) -> (u64, usize) {
        (self.log.last().map_or(0, |entry| entry.term), self.log.len())
    }
}
