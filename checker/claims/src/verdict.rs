//! Four verdicts, none without its evidence or its reason.

use crate::{Violation, Witness};
use serde::{Deserialize, Serialize};

/// What a check found.
///
/// `W` is the witness that the property holds (an order of the operations, a version order); `E` is the evidence
/// that it is violated (a cycle, a set of operations that no order explains).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "because", rename_all = "kebab-case")]
pub enum Verdict<W = Witness, E = Vec<Violation>> {
    /// An execution that the level permits yields what the clients observed: this one.
    Holds(W),
    /// No execution that the level permits yields it, and this shows why.
    Violated(E),
    /// Nothing in the history could have contradicted it, so that *holds* would say nothing of the store.
    Untested(Reason),
    /// The search ended before it knew.
    Unknown(Reason),
}

/// Why there is no verdict, as a sentence fragment that fits after "unknown: ", with how far the search got.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason {
    /// What stopped it: a limit, values that were written more than once.
    pub reason: String,
}

impl<W, E> Verdict<W, E> {
    /// `holds`, `violated`, `untested` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Holds(_) => "holds",
            Verdict::Violated(_) => "violated",
            Verdict::Untested(_) => "untested",
            Verdict::Unknown(_) => "unknown",
        }
    }

    /// *Unknown*, for a reason.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Verdict::Unknown(Reason { reason: reason.into() })
    }

    /// *Untested*, for a reason.
    pub fn untested(reason: impl Into<String>) -> Self {
        Verdict::Untested(Reason { reason: reason.into() })
    }

    /// The same verdict with its witness and evidence wrapped.
    pub fn map<W2, E2>(self, holds: impl FnOnce(W) -> W2, violated: impl FnOnce(E) -> E2) -> Verdict<W2, E2> {
        match self {
            Verdict::Holds(witness) => Verdict::Holds(holds(witness)),
            Verdict::Violated(evidence) => Verdict::Violated(violated(evidence)),
            Verdict::Untested(why) => Verdict::Untested(why),
            Verdict::Unknown(why) => Verdict::Unknown(why),
        }
    }
}
