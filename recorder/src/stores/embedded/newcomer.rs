//! A node that comes under an old name with an empty disk.
//!
//! It has forgotten what it promised: for whom it voted, which entries it had confirmed, whose lease it held up. If it
//! votes again at once, two primaries can be elected in one term, or one that lacks what a majority had. So it
//! first finds out how far the others are, and until then neither hears a primary nor votes:
//!
//! 1. It asks *all* others for their terms. Whoever it voted for, and whoever counted its confirmations, is among them
//!    and lives in that term or a later one. From the latest of them on it hears primaries, and no earlier.
//! 2. It votes and stands again when it has all entries that such a primary had in its log when it sent them, after the
//!    newcomer began: whatever it had confirmed to that primary is among them, and what it had confirmed to an earlier
//!    one was safe, or is gone, in the election of this one.
//!
//! The price is that it cannot join while another node is down; a majority of the others goes on without it.

use super::message::NodeMessage;
use super::node::{Outbox, SimulatedNode};
use super::{Bug, HEARTBEAT_NS};

/// What a newcomer knows.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    /// When it began.
    since_ns: u64,
    /// The terms of the others, as they told.
    terms: Vec<(usize, u64)>,
    others: usize,
}

impl Newcomer {
    pub(super) fn new(since_ns: u64, others: usize) -> Self {
        Self { since_ns, terms: Vec::new(), others }
    }

    fn knows_all_terms(&self) -> bool {
        self.terms.len() == self.others
    }
}

impl SimulatedNode {
    /// Whether it must not listen to primaries yet.
    pub(super) fn ignores_primaries(&self) -> bool {
        self.newcomer.as_ref().is_some_and(|newcomer| !newcomer.knows_all_terms())
    }

    /// Asks the others how far they are. The question is one for votes, which they answer with their term; that nobody
    /// would vote for an empty log does not matter.
    pub(super) fn ask_for_terms(&mut self, now_ns: u64, out: &mut Outbox) {
        debug_assert!(!self.options.has_bug(Bug::HastyNewcomer), "the hasty one asks nobody");
        self.election_ns = now_ns + HEARTBEAT_NS;
        for other in (0..self.options.nodes).filter(|&other| other != self.id) {
            out.push((other, NodeMessage::Vote { term: 0, length: 0, last_term: 0, asking: true }));
        }
    }

    /// Another node has told its term.
    pub(super) fn record_term(&mut self, from: usize, term: u64) {
        let Some(newcomer) = &mut self.newcomer else { return };
        match newcomer.terms.iter_mut().find(|known| known.0 == from) {
            Some(known) => known.1 = known.1.max(term),
            None => newcomer.terms.push((from, term)),
        }
    }

    /// A primary's entries were taken; `all` of what it had when it sent them. Then it is a node like the others.
    pub(super) fn finish_as_newcomer(&mut self, primary: usize, all: bool, sent_ns: u64) {
        if all && self.newcomer.as_ref().is_some_and(|newcomer| sent_ns >= newcomer.since_ns) {
            self.newcomer = None;
            self.voted_for = Some(primary);
        }
    }
}
