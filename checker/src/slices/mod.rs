//! Slices: parts of a history of transactions that can be checked one by one, for histories that no machine can hold. This is about
//! transactions over lists; [`registers`] is about those over registers.
//!
//! # What is cut
//!
//! Each transaction gets a *place*: the index of its completion, or of its invocation if its outcome is unknown. An edge of the
//! dependency graph that leads to a lower place is *backward*; the interval between its two places is a [`Span`]. A cycle climbs and has
//! to come down again, and it comes down by backward edges alone. So all transactions of a cycle lie in the union of the spans, and in
//! one connected component of it ([`merge_spans`]). Real time and session order never lead backward. What a key contributes is computed
//! from the uses of that key alone ([`key_edges`]), so a cluster computes it key by key.
//!
//! Where components are too large, because a store shows versions that are long outdated, [`find_knots`] computes the strongly connected
//! components of the edges in them. They are the smallest sets that contain every cycle.
//!
//! # Why slices suffice
//!
//! A slice is the history of the transactions in some components, or of one knot. Where an append of the slice is read by other
//! transactions only, one of them is added as a witness of the order ([`reading_witnesses`]). Elements of lists that no transaction of
//! the slice appended are left out ([`slice_history`]).
//!
//! - *A slice is violated: so is the whole.* An execution of the whole that a level permits, restricted to the transactions of the
//!   slice, is one of the slice. Every list in it is what the reader saw, without the elements of others. Witnesses change nothing.
//! - *All slices hold: so does the whole.* No edge leads from a later component to an earlier one, and knots have a topological order. So
//!   the executions of all slices can be run one after the other, together with the transactions in no slice. Each reader sees all
//!   elements of earlier slices: if it missed one, an anti-dependency would lead back. The elements of one slice lie side by
//!   side in each list, because two neighbours in the other order would be an edge that leads back. Levels that
//!   know real time or sessions need an order of the slices that respects them. Components have one. Knots have one if these orders are
//!   among their edges.
//!
//! Some keys have more than edges can say: lists that contradict each other, elements that nobody appended or that were appended twice,
//! reads of failed or of unfinished appends. All transactions that use such an *irregular* key are put into one slice, and its lists stay
//! complete there ([`KeyPart`]). An append that no read shows may have any place behind the last one that was read. The slice leaves it
//! open; between slices it has the order of the slices. An indeterminate transaction is left out if no read shows any of its appends,
//! because it may never have taken effect.

mod history;
mod key_edges;
mod knots;
pub mod registers;
mod spans;

pub use history::{KeyPart, list_uses, register_uses, slice_history};
pub use key_edges::{KeyEdges, Vertex, key_edges, reading_witnesses};
pub use knots::{Knot, KnotEdges, find_knots};
pub use spans::{Span, merge_spans};

use histories::Outcome;

/// A transaction, as far as slices depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlacedTransaction {
    /// The index of its invocation. It identifies the transaction.
    pub invoked: u64,
    /// The index of its completion, if it has one.
    pub completed: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
}

impl PlacedTransaction {
    /// The place in the order by which a history is cut.
    pub fn place(&self) -> u64 {
        match self.outcome {
            Outcome::Info => self.invoked,
            Outcome::Ok | Outcome::Fail => self.completed.unwrap_or(self.invoked),
        }
    }
}

/// What one transaction did to one key, in its order. Only an `ok` transaction has reads.
#[derive(Clone, Debug)]
pub struct KeyUse {
    /// Which transaction.
    pub transaction: PlacedTransaction,
    /// What it did.
    pub steps: Vec<KeyStep>,
}

/// A step of a transaction on one list or register. Values are numbers that the caller gave to them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyStep {
    /// Appends an element to the list, or writes the register.
    Write(u32),
    /// Reads the list; or the register, as a list of its value, which is empty for the initial one.
    Read(Vec<u32>),
    /// Does something that makes the key irregular: what no list offers, or no register.
    Foreign,
}
