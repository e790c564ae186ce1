//! Evidence about executions of transactions whose version order, or whose reads, the history leaves open: a proof by cases
//! that a level permits none, and for what the order of a witness does not tell, which write each read returned.
//!
//! A proof is a list of steps. Each step says that some [`Choice`]s cannot all hold. Either they close a cycle that the level
//! forbids, or that follows from the steps before it by *unit propagation*: suppose all of them, and go on concluding whatever
//! has one choice left until nothing is. The last step supposes nothing. Two rules need no step: of two writes of a
//! key, one came before the other; a read returned what one of the transactions wrote that may have written its value. This is
//! how solvers for satisfiability prove that there is no solution (Goldberg & Novikov, *Verification of proofs of
//! unsatisfiability*, DATE 2003), with cycles as the clauses.

use histories::{KeyId, OpId};
use serde::{Deserialize, Serialize};

/// One choice that the history leaves open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Both transactions wrote the key, and the version of `earlier` came first.
    Before {
        /// The object.
        key: KeyId,
        /// The one transaction.
        earlier: OpId,
        /// The other.
        later: OpId,
    },
    /// A read returned what this transaction wrote.
    ReadFrom(ReadChoice),
    /// A read did not return what this transaction wrote.
    NotReadFrom(ReadChoice),
}

/// Which write a read returned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ReadChoice {
    /// The transaction that read.
    pub reader: OpId,
    /// Which of its micro-operations.
    pub place: usize,
    /// The transaction whose write the read returned; none is the initial state.
    pub writer: Option<OpId>,
}

/// One step of a proof by cases: not all of these choices hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaseStep {
    /// The choices.
    pub assumed: Vec<Choice>,
    /// The cycle that they close. Without one, the step follows from those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<CaseEdge>,
}

/// One transaction comes before another, if the choices of a step hold.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaseEdge {
    /// The earlier.
    pub from: OpId,
    /// The later.
    pub to: OpId,
    /// Why.
    pub why: CaseReason,
}

/// Why one transaction comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseReason {
    /// This micro-operation of the later one read what the earlier one wrote.
    Read(usize),
    /// The later one overwrote what the earlier one wrote to the key.
    Overwrote(KeyId),
    /// This micro-operation of the earlier one read a version of its key that the later one overwrote.
    Missed {
        /// The read.
        place: usize,
        /// Who wrote what it returned; none is the initial state.
        writer: Option<OpId>,
    },
    /// The earlier one completed before the later one was invoked, in the same session.
    Session,
    /// The earlier one completed before the later one was invoked.
    RealTime,
}
