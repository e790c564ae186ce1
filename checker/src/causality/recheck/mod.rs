//! Checks a verdict's evidence again, straight from the definitions.
//!
//! Of orders, that they have all that they must, extend what they must, and answer each read; of a refutation, that each
//! link of it follows from the operations that it names. Nothing in here shares code with the search.
//!
//! Cost: O(n) an order; for `causal` and `causal-convergence`, where the order is not legal by itself, O(n) for each
//! operation that sessions have in flight together, and the clocks of that: beyond two gigabytes the pasts of the reads are
//! left out, and the answer is [`Recheck::TooLarge`]. Of a refutation, its length.

mod orders;
mod past;
mod refutation;

use super::{Orders, Refutation};
use crate::check::{Anomaly, Evidence, Question, Witness};
use crate::linearizability::recheck::Recheck;
use crate::sessions::recheck::Records;
use crate::{Level, Verdict};
use histories::History;

/// Checks all that a verdict on one of the five levels rests on. The error says what does not follow.
///
/// An *unknown* rests on nothing.
pub fn verdict(
    history: &History,
    level: Level,
    question: &Question,
    verdict: &Verdict<Witness, Vec<Anomaly>>,
) -> Result<Recheck, String> {
    match verdict {
        Verdict::Unknown(_) => Ok(Recheck::Confirmed),
        Verdict::Holds(Witness::Causal(found)) => orders(history, level, question, found),
        Verdict::Holds(_) => Err("this level is witnessed by orders of operations".to_owned()),
        Verdict::Violated(anomalies) if anomalies.is_empty() => Err("violated, but by nothing".to_owned()),
        Verdict::Violated(anomalies) => {
            let records = Records::with_writes(history, question);
            anomalies.iter().try_for_each(|anomaly| match &anomaly.evidence {
                Evidence::Causal(found) => refutation::check(&records, level, found),
                Evidence::Core(core) => crate::sessions::recheck::unwritten_in(&records, core),
                Evidence::Cycle(_) => Err("evidence of another kind of level".to_owned()),
            })?;
            Ok(Recheck::Confirmed)
        }
    }
}

/// Checks orders that explain a history.
pub fn orders(
    history: &History,
    level: Level,
    question: &Question,
    found: &Orders,
) -> Result<Recheck, String> {
    orders::check(history, level, question, found)
}

/// Checks a proof that no execution explains a history.
pub fn refutation(
    history: &History,
    level: Level,
    question: &Question,
    found: &Refutation,
) -> Result<(), String> {
    refutation::check(&Records::with_writes(history, question), level, found)
}
