//! The verdict on one level.

use claims::{IsolationLevel, Phenomenon, TransactionWitness, Verdict};

/// The verdict on one level.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The level.
    pub level: IsolationLevel,
    /// The verdict. *Violated* lists the phenomena that rule the level out.
    pub verdict: Verdict<TransactionWitness, Vec<Phenomenon>>,
}
