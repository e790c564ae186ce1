//! Three verdicts, none without its evidence.

/// What a check found.
///
/// `W` is the witness that the level holds (an order of the operations, a version order); `E` is the evidence
/// that it is violated (a cycle, a set of operations that no order explains).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict<W, E> {
    /// An execution that the level permits yields what the clients observed: this one.
    Holds(W),
    /// No execution that the level permits yields it, and this shows why.
    Violated(E),
    /// The search ended before it knew.
    Unknown(Unknown),
}

/// Why a verdict is unknown, as a sentence fragment that fits after "unknown: ", with how far the search got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    /// What stopped it: a limit, values that were written more than once.
    pub reason: String,
}

impl<W, E> Verdict<W, E> {
    /// `holds`, `violated` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Holds(_) => "holds",
            Verdict::Violated(_) => "violated",
            Verdict::Unknown(_) => "unknown",
        }
    }

    /// The same verdict with its witness and evidence wrapped.
    pub fn map<W2, E2>(self, holds: impl FnOnce(W) -> W2, violated: impl FnOnce(E) -> E2) -> Verdict<W2, E2> {
        match self {
            Verdict::Holds(witness) => Verdict::Holds(holds(witness)),
            Verdict::Violated(evidence) => Verdict::Violated(violated(evidence)),
            Verdict::Unknown(unknown) => Verdict::Unknown(unknown),
        }
    }
}
