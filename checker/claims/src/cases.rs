//! Evidence about levels when the history determines neither the version order nor the source of each read: a proof by cases that
//! no execution of the level explains the history. [`ReadChoice`] also completes witnesses whose order does not determine which
//! write a read returned.
//!
//! A proof is a list of steps. Each step says that some [`Choice`]s cannot all hold, for one of two reasons. Either the choices
//! close a cycle that the level forbids, or the step follows from earlier steps by *unit propagation*: assume all its choices;
//! where only one alternative is left, conclude it; repeat until no alternative is left somewhere. The last step assumes nothing.
//! Two rules hold without a step. Of two writes of a key, one came before the other. A read returned the write of one of the
//! transactions that wrote its value. Satisfiability solvers prove in the same way that a formula has no solution (Goldberg &
//! Novikov, *Verification of proofs of unsatisfiability*, DATE 2003); here the clauses are cycles.

use crate::read_at::ReadAt;
use histories::{KeyId, OpId};
use serde::{Deserialize, Serialize};

/// One choice that the history leaves open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseChoice {
    /// Both transactions wrote the key, and the version of `earlier` precedes the version of `later`.
    Before {
        /// The object.
        key: KeyId,
        /// The transaction whose version comes first.
        earlier: OpId,
        /// The transaction whose version comes second.
        later: OpId,
    },
    /// The read returned the write of this writer.
    ReadFrom(ReadChoice),
    /// The read did not return the write of this writer.
    NotReadFrom(ReadChoice),
    /// The appends of the transaction stand at this place.
    Placed(ListPlace),
    /// The appends of the transaction do not stand at this place.
    NotPlaced(ListPlace),
    /// For lists that are read at read-uncommitted: an append of the transaction is the element at this position of the longest list of the key that
    /// any transaction read; without a position, an append of it comes after that list.
    Shown(ListPlace),
    /// No append of the transaction is there.
    NotShown(ListPlace),
}

/// Where the appends of one transaction stand in the longest list that was read of a key. Other transactions may have appended equal
/// elements. In lists that are read at read-uncommitted, each append stands by itself, and a transaction may have several places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ListPlace {
    /// The list.
    pub key: KeyId,
    /// The transaction that appended.
    pub writer: OpId,
    /// The index of its first append in the list, or of this one; `None` if it comes after the list.
    pub start: Option<usize>,
}

/// A read, and the write that it returned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ReadChoice {
    /// The reading transaction.
    pub reader: OpId,
    /// The index of the read among the micro-operations of the reader.
    pub place: usize,
    /// The transaction whose write the read returned; `None` for the initial state.
    pub writer: Option<OpId>,
}

/// One step of a proof by cases: these choices cannot all hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaseStep {
    /// The choices that cannot all hold.
    pub assumed: Vec<CaseChoice>,
    /// The cycle that the choices close. If it is empty, the step follows from earlier steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<CaseEdge>,
    /// Reads that returned what no transactions can have left, whatever the choices. If there is one, it is the contradiction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexplained: Vec<ReadAt>,
}

impl CaseStep {
    /// A step that rests on a cycle, or follows from earlier steps if the cycle is empty.
    pub fn new(assumed: Vec<CaseChoice>, cycle: Vec<CaseEdge>) -> Self {
        Self { assumed, cycle, unexplained: Vec::new() }
    }

    /// The last step of a proof that rests on such a read.
    pub fn by_unexplained_read(read: ReadAt) -> Self {
        Self { assumed: Vec::new(), cycle: Vec::new(), unexplained: vec![read] }
    }
}

/// An edge: if the choices of the step hold, one transaction comes before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaseEdge {
    /// The earlier transaction.
    pub from: OpId,
    /// The later transaction.
    pub to: OpId,
    /// The reason.
    pub why: CaseReason,
}

/// The reason why one transaction comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseReason {
    /// `wr`: this micro-operation of the later transaction read a write of the earlier one.
    Read(usize),
    /// `ww`: the later transaction overwrote the version of the key that the earlier one wrote.
    Overwrote(KeyId),
    /// `rw`: a read of the earlier transaction returned a version that the later transaction overwrote.
    Missed {
        /// The index of the read among the micro-operations of the earlier transaction.
        place: usize,
        /// The transaction that wrote the version that was read; `None` for the initial state.
        writer: Option<OpId>,
    },
    /// Both transactions are in the same session, and the earlier one completed before the later one was invoked.
    Session,
    /// The earlier transaction completed before the later one was invoked.
    RealTime,
}
