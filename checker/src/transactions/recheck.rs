//! All evidence again, by code that shares nothing with the search.
//!
//! What is checked is only what is claimed: that the reads named show what they are said to show, that each
//! edge of a cycle has its reason in the history, that a witness replays. Everything is looked up in the
//! history itself, the slow and obvious way; a cycle is a handful of transactions, and a witness is replayed
//! in one pass. A mismatch is a bug of this program, never a verdict.

mod anomalies;
mod commit_order;
mod cycle;
mod witness;
mod writers;

use super::analysis::{Analysis, Options};
use crate::Verdict;
use histories::History;

/// Why a piece of evidence does not hold: a bug in this program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch(pub String);

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the evidence does not bear out the verdict: {}", self.0)
    }
}

impl std::error::Error for Mismatch {}

/// Checks every example of every anomaly and every witness of an analysis.
pub fn analysis(history: &History, options: &Options, analysis: &Analysis) -> Result<(), Mismatch> {
    for anomaly in &analysis.anomalies {
        if anomaly.examples.is_empty() {
            return Err(Mismatch(format!("{} without an example", anomaly.phenomenon.name())));
        }
        for example in &anomaly.examples {
            anomalies::check(history, options.assume, anomaly.phenomenon, example)?;
        }
    }
    let mut checked = Vec::new();
    for judgement in &analysis.judgements {
        if let Verdict::Holds(proof) = &judgement.verdict {
            witness::proves(proof, judgement.level)?;
            if !checked.contains(&proof) {
                witness::check(history, proof)?;
                checked.push(proof);
            }
        }
    }
    Ok(())
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Mismatch> {
    if holds { Ok(()) } else { Err(Mismatch(what())) }
}
