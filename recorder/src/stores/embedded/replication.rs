//! Replication of the log, and when an entry is safe.
//!
//! A primary sends entries as they arrive, without waiting for the answers to earlier ones. When a replica refuses (a
//! message was lost, or its log has diverged), the primary goes back to the position that the replica names. From
//! there it sends one message at a time until the replica agrees.

use super::Replication;
use super::message::{Message, Reply};
use super::node::{Node, Outbox, Role};
use crate::Failure;

/// The highest number of entries in one message.
const BATCH: usize = 1000;

impl Node {
    pub(super) fn send_to_all(&mut self, now_ns: u64, out: &mut Outbox) {
        for other in 0..self.options.nodes {
            if other != self.id {
                self.send_to(now_ns, other, out);
            }
        }
    }

    fn send_to(&mut self, now_ns: u64, other: usize, out: &mut Outbox) {
        let Role::Primary(primary) = &mut self.role else { return };
        let peer = &mut primary.peers[other];
        let previous = peer.next;
        let until = self.log.len().min(previous + BATCH);
        let entries = self.log[previous..until].to_vec();
        if peer.probe.is_none() {
            peer.next = until;
        }
        let previous_term = if previous == 0 { 0 } else { self.log[previous - 1].term };
        let (term, committed) = (self.term, self.committed);
        let message = Message::Append { term, previous, previous_term, entries, committed, sent_ns: now_ns };
        out.push((other, message));
    }

    /// Handles entries, or a heartbeat, of a primary.
    pub(super) fn append(&mut self, now_ns: u64, from: usize, message: Message, out: &mut Outbox) {
        let Message::Append { term, previous, previous_term, entries, committed, sent_ns } = message else {
            unreachable!("called with an append")
        };
        if self.is_deaf() {
            return;
        }
        if term < self.term {
            let (term, length) = (self.term, self.log.len());
            out.push((from, Message::AppendReply { term, ok: false, previous, length, sent_ns }));
            return;
        }
        self.meet(term);
        self.role = Role::Replica;
        self.leader = Some(from);
        self.heard_ns = Some(now_ns);
        self.rest(now_ns);
        let (ok, length) = match self.disagreement(previous, previous_term) {
            Some(length) => (false, length),
            None => {
                let length = previous + entries.len();
                let all = entries.len() < BATCH;
                for (at, entry) in (previous..).zip(entries) {
                    if self.log.get(at).is_none_or(|own| own.term != entry.term) {
                        self.cut(at);
                        self.log.push(entry);
                    }
                }
                self.committed = self.committed.max(committed.min(length));
                self.grow_up(from, all, sent_ns);
                (true, length)
            }
        };
        let quorum = self.replication() == Replication::Quorum;
        self.apply_to(if quorum { self.committed } else { self.log.len() });
        out.push((from, Message::AppendReply { term: self.term, ok, previous, length, sent_ns }));
    }

    /// Returns where the primary should try again, if the log differs from the primary's at this position.
    fn disagreement(&self, previous: usize, previous_term: u64) -> Option<usize> {
        if previous > self.log.len() {
            return Some(self.log.len());
        }
        if previous == 0 || self.log[previous - 1].term == previous_term {
            return None;
        }
        let term = self.log[previous - 1].term;
        Some(self.log[..previous].partition_point(|entry| entry.term < term))
    }

    /// Handles the answer of a replica.
    pub(super) fn appended(&mut self, now_ns: u64, from: usize, message: Message, out: &mut Outbox) {
        let Message::AppendReply { term, ok, previous, length, sent_ns } = message else {
            unreachable!("called with an answer")
        };
        self.meet(term);
        let Role::Primary(primary) = &mut self.role else { return };
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
            self.send_to(now_ns, from, out);
        }
        self.commit(out);
    }

    /// Finds out which entries are safe now, and replies to the clients that waited for them.
    pub(super) fn commit(&mut self, out: &mut Outbox) {
        let Role::Primary(primary) = &self.role else { return };
        let mut lengths: Vec<usize> = primary.peers.iter().map(|peer| peer.matched).collect();
        lengths[self.id] = self.log.len();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        // An entry of an earlier term is safe only if an entry of this term follows it (Raft, §5.4.2).
        let majority = lengths[self.options.majority() - 1];
        if majority > self.committed && self.log[majority - 1].term == self.term {
            self.committed = majority;
            self.apply_to(majority);
        }
        let safe = match self.replication() {
            Replication::Async => return,
            Replication::SemiSync => lengths[1],
            Replication::Quorum => self.committed,
        };
        let Role::Primary(primary) = &mut self.role else { unreachable!("it was one above") };
        while primary.waiting.front().is_some_and(|waiting| waiting.length <= safe) {
            let waiting = primary.waiting.pop_front().expect("there is a first");
            let result = waiting.result.unwrap_or_else(|| Err(Failure::indefinite("no result")));
            out.push((waiting.end, Message::Reply { id: waiting.id, reply: Reply::Done(result) }));
        }
    }
}
