//! The log's way to the others, and when an entry is safe.
//!
//! A primary sends entries as they come, without waiting for earlier ones to be answered. When a replica
//! refuses (something was lost, or its log has gone another way), the primary goes back to where the replica
//! says and tries from there, one message at a time, until it agrees.

use super::ReplicationMode;
use super::message::{NodeMessage, NodeReply};
use super::node::{NodeRole, Outbox, SimulatedNode};
use crate::Failure;

/// The most entries in one message.
const BATCH: usize = 1000;

impl SimulatedNode {
    pub(super) fn send_entries_to_all(&mut self, now_ns: u64, out: &mut Outbox) {
        for other in 0..self.options.nodes {
            if other != self.id {
                self.send_entries_to(now_ns, other, out);
            }
        }
    }

    fn send_entries_to(&mut self, now_ns: u64, other: usize, out: &mut Outbox) {
        let NodeRole::Primary(primary) = &mut self.role else { return };
        let peer = &mut primary.peers[other];
        let previous = peer.next;
        let until = self.log.len().min(previous + BATCH);
        let entries = self.log[previous..until].to_vec();
        if peer.probe.is_none() {
            peer.next = until;
        }
        let previous_term = if previous == 0 { 0 } else { self.log[previous - 1].term };
        let (term, committed) = (self.term, self.committed);
        let message =
            NodeMessage::Append { term, previous, previous_term, entries, committed, sent_ns: now_ns };
        out.push((other, message));
    }

    /// A replica is sent entries, or a sign of life.
    pub(super) fn handle_append(&mut self, now_ns: u64, from: usize, message: NodeMessage, out: &mut Outbox) {
        let NodeMessage::Append { term, previous, previous_term, entries, committed, sent_ns } = message
        else {
            unreachable!("called with an append")
        };
        if self.ignores_primaries() {
            return;
        }
        if term < self.term {
            let (term, length) = (self.term, self.log.len());
            out.push((from, NodeMessage::AppendReply { term, ok: false, previous, length, sent_ns }));
            return;
        }
        self.observe_term(term);
        self.role = NodeRole::Replica;
        self.leader = Some(from);
        self.heard_ns = Some(now_ns);
        self.reset_election_timer(now_ns);
        let (ok, length) = match self.find_disagreement(previous, previous_term) {
            Some(length) => (false, length),
            None => {
                let length = previous + entries.len();
                let all = entries.len() < BATCH;
                for (at, entry) in (previous..).zip(entries) {
                    if self.log.get(at).is_none_or(|own| own.term != entry.term) {
                        self.truncate_log(at);
                        self.log.push(entry);
                    }
                }
                self.committed = self.committed.max(committed.min(length));
                self.finish_as_newcomer(from, all, sent_ns);
                (true, length)
            }
        };
        let quorum = self.effective_replication() == ReplicationMode::Quorum;
        self.apply_up_to(if quorum { self.committed } else { self.log.len() });
        out.push((from, NodeMessage::AppendReply { term: self.term, ok, previous, length, sent_ns }));
    }

    /// Where to try again, if the log differs from the primary's at this place.
    fn find_disagreement(&self, previous: usize, previous_term: u64) -> Option<usize> {
        if previous > self.log.len() {
            return Some(self.log.len());
        }
        if previous == 0 || self.log[previous - 1].term == previous_term {
            return None;
        }
        let term = self.log[previous - 1].term;
        Some(self.log[..previous].partition_point(|entry| entry.term < term))
    }

    /// A replica has answered.
    pub(super) fn handle_append_reply(
        &mut self,
        now_ns: u64,
        from: usize,
        message: NodeMessage,
        out: &mut Outbox,
    ) {
        let NodeMessage::AppendReply { term, ok, previous, length, sent_ns } = message else {
            unreachable!("called with an answer")
        };
        self.observe_term(term);
        let NodeRole::Primary(primary) = &mut self.role else { return };
        if term < self.term {
            return;
        }
        let peer = &mut primary.peers[from];
        peer.acked_ns = peer.acked_ns.max(Some(sent_ns));
        let more = if ok {
            peer.matched = peer.matched.max(length);
            peer.next = peer.next.max(length);
            peer.probe = None;
            peer.next < self.log.len()
        } else if peer.probe.is_none_or(|probe| probe == previous) {
            peer.next = length;
            peer.probe = Some(length);
            true
        } else {
            false
        };
        if more {
            self.send_entries_to(now_ns, from, out);
        }
        self.advance_commit(out);
    }

    /// Finds out how much is safe now, and tells those who waited for it.
    pub(super) fn advance_commit(&mut self, out: &mut Outbox) {
        let NodeRole::Primary(primary) = &self.role else { return };
        let mut lengths: Vec<usize> = primary.peers.iter().map(|peer| peer.matched).collect();
        lengths[self.id] = self.log.len();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        // An entry of an earlier term is safe only with one of this term after it (Raft, §5.4.2).
        let majority = lengths[self.options.majority() - 1];
        if majority > self.committed && self.log[majority - 1].term == self.term {
            self.committed = majority;
            self.apply_up_to(majority);
        }
        let safe = match self.effective_replication() {
            ReplicationMode::Async => return,
            ReplicationMode::SemiSync => lengths[1],
            ReplicationMode::Quorum => self.committed,
        };
        let NodeRole::Primary(primary) = &mut self.role else { unreachable!("it was one above") };
        while primary.waiting.front().is_some_and(|waiting| waiting.length <= safe) {
            let waiting = primary.waiting.pop_front().expect("there is a first");
            let result = waiting.result.unwrap_or_else(|| Err(Failure::indefinite("no result")));
            out.push((waiting.end, NodeMessage::Reply { id: waiting.id, reply: NodeReply::Done(result) }));
        }
    }
}
