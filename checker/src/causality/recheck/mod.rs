//! Checks the evidence of a verdict again, straight from the definitions.
//!
//! Of an order, that it extends what it must and that what was read is what was written last. Of a contradiction, that
//! each link follows from the history and that together they cannot be. Nothing in here shares code with the search: no
//! chains, no ranks, its own table of who wrote what.
//!
//! The order of *causal* convergence and of *causal* consistency is of all operations; which of them a read had seen is
//! worked out along it, by processes. That takes as much memory as there are processes, for each operation: where that
//! is more than the caller allows, the order is checked and the answer says that the rest was not.

mod contradiction;
mod records;
mod views;

use crate::check::{Anomaly, Evidence, Question, Witness};
use crate::linearizability::recheck::Recheck;
use crate::{Level, Verdict};
use histories::History;
use records::Records;

/// Checks all that a verdict on a level of this room rests on. The error says what does not follow.
pub fn verdict(
    history: &History,
    level: Level,
    question: &Question,
    verdict: &Verdict<Witness, Vec<Anomaly>>,
) -> Result<Recheck, String> {
    match verdict {
        Verdict::Unknown(_) => Ok(Recheck::Confirmed),
        Verdict::Holds(Witness::Views(found)) => {
            let records = Records::new(history, question)?;
            match level {
                Level::Causal | Level::CausalConvergence => views::of_all(&records, level, found),
                _ => views::of_sessions(&records, level, found).map(|()| Recheck::Confirmed),
            }
        }
        Verdict::Holds(_) => Err("the level is witnessed by orders of all operations".to_owned()),
        Verdict::Violated(anomalies) => {
            if anomalies.is_empty() {
                return Err("violated, but by nothing".to_owned());
            }
            let records = Records::of_violation(history, question);
            for anomaly in anomalies {
                match &anomaly.evidence {
                    Evidence::Causality(found) => contradiction::check(&records, level, found)?,
                    Evidence::Core(core) => crate::sessions::recheck::unwritten(history, question, core)?,
                    Evidence::Cycle(_) => return Err("a cycle of versions is no evidence here".to_owned()),
                }
            }
            Ok(Recheck::Confirmed)
        }
    }
}
