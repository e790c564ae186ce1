//! A node that returns under its old name with an empty disk.
//!
//! It has forgotten its promises: its votes, the entries that it confirmed, and the leases that it supported. If it
//! voted at once, one term could have two primaries, or a primary could lack entries that a majority had. So it first
//! finds out how far the others are. Until then it neither listens to a primary nor votes:
//!
//! 1. It asks *all* others for their terms. Any node that it voted for, and any node that counted its confirmations,
//!    is among them and is in that term or a later one. It listens to primaries from the latest of these terms on,
//!    and to no earlier ones.
//! 2. It votes and stands for election again when it has all entries that such a primary had in its log when it sent
//!    them, after the newcomer began. Everything it had confirmed to that primary is among them. The election of that
//!    primary decided whether what it had confirmed to an earlier primary is safe or gone.
//!
//! The price is that it cannot join while another node is down. A majority of the others continues without it.

use super::super::message::NodeMessage;
use super::super::{Bug, HEARTBEAT_NS};
use super::{Outbox, SimulatedNode};

/// What a newcomer has found out.
#[derive(Clone, Debug)]
pub(in crate::stores::embedded) struct Newcomer {
    /// When it began.
    since_ns: u64,
    /// The terms of the other nodes, as they reported them.
    terms: Vec<(usize, u64)>,
    others: usize,
}

impl Newcomer {
    pub(in crate::stores::embedded) fn new(since_ns: u64, others: usize) -> Self {
        Self { since_ns, terms: Vec::new(), others }
    }

    fn knows_all_terms(&self) -> bool {
        self.terms.len() == self.others
    }
}

impl SimulatedNode {
    /// Whether it must not listen to primaries yet.
    pub(in crate::stores::embedded) fn ignores_primaries(&self) -> bool {
        self.newcomer.as_ref().is_some_and(|newcomer| !newcomer.knows_all_terms())
    }

    /// Asks the others for their terms. It sends a question for votes, because nodes answer that with their term. It
    /// does not matter that no node would vote for an empty log.
    pub(in crate::stores::embedded) fn ask_for_terms(&mut self, now_ns: u64, out: &mut Outbox) {
        debug_assert!(!self.options.has_bug(Bug::HastyNewcomer), "the hasty one asks nobody");
        self.election_ns = now_ns + HEARTBEAT_NS;
        for other in (0..self.options.nodes).filter(|&other| other != self.id) {
            out.push((other, NodeMessage::Vote { term: 0, length: 0, last_term: 0, asking: true }));
        }
    }

    /// Records the term that another node reported.
    pub(in crate::stores::embedded) fn record_term(&mut self, from: usize, term: u64) {
        let Some(newcomer) = &mut self.newcomer else { return };
        match newcomer.terms.iter_mut().find(|known| known.0 == from) {
            Some(known) => known.1 = known.1.max(term),
            None => newcomer.terms.push((from, term)),
        }
    }

    /// Called when a primary's entries were taken; `all` tells whether these were all that the primary had when it
    /// sent them. If so, and if they were sent after the newcomer began, the node stops
    /// being a newcomer.
    pub(in crate::stores::embedded) fn finish_as_newcomer(
        &mut self,
        primary: usize,
        all: bool,
        sent_ns: u64,
    ) {
        if all && self.newcomer.as_ref().is_some_and(|newcomer| sent_ns >= newcomer.since_ns) {
            self.newcomer = None;
            self.voted_for = Some(primary);
        }
    }
}
