//! The four verdicts. Each has its evidence or its reason.

use super::{Violation, Witness};
use serde::{Deserialize, Serialize};

/// The result of a check.
///
/// `W` is the witness for *holds*: an order of the operations, a version order. `E` is the evidence for *violated*: a
/// cycle, a set of operations that no order explains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "because", rename_all = "kebab-case")]
pub enum Verdict<W = Witness, E = Vec<Violation>> {
    /// An execution that the level permits yields what the clients observed. The witness describes it.
    Holds(W),
    /// No execution that the level permits yields what the clients observed. The evidence shows why.
    Violated(E),
    /// Nothing in the history could have contradicted the property, so that *holds* would say nothing about the store.
    Untested(Reason),
    /// The check ended before the answer was known.
    Unknown(Reason),
}

/// Why there is no verdict, and how far the search got. A sentence fragment that fits after "unknown: ".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason {
    /// The text, for example the limit that was reached.
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

    /// *Unknown* with a reason.
    pub fn unknown(reason: impl Into<String>) -> Self {
        Verdict::Unknown(Reason { reason: reason.into() })
    }

    /// *Untested* with a reason.
    pub fn untested(reason: impl Into<String>) -> Self {
        Verdict::Untested(Reason { reason: reason.into() })
    }

    /// Converts the witness and the evidence.
    pub fn map<W2, E2>(self, holds: impl FnOnce(W) -> W2, violated: impl FnOnce(E) -> E2) -> Verdict<W2, E2> {
        match self {
            Verdict::Holds(witness) => Verdict::Holds(holds(witness)),
            Verdict::Violated(evidence) => Verdict::Violated(violated(evidence)),
            Verdict::Untested(why) => Verdict::Untested(why),
            Verdict::Unknown(why) => Verdict::Unknown(why),
        }
    }
}
