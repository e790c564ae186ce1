//! Checks the evidence of the levels that demand orders of registers: causal levels, PRAM, sequential and ordered sequential
//! consistency, and those of them that are demanded of each object by itself (`objects.rs`).
//!
//! Orders must contain all required operations, extend the required orders, and explain each read. In a refutation,
//! each link must follow from the operations that it names. This module shares no code with the search.
//!
//! Cost: O(n) for each order. `causal` and `causal-convergence` need more if the order itself is not legal: time and
//! memory O(n · c), where c is the number of operations that sessions have in flight together. If that exceeds two
//! gigabytes, the causal pasts are not checked and the result is [`Confirmation::TooLarge`]. A refutation costs time
//! proportional to its length.

mod execution;
mod objects;
mod orders;
mod past;
mod refutation;

use crate::sessions::{Records, check_unwritten_violation, check_violation_matches_evidence};
use crate::watch::Watch;
use crate::{Confirmation, Mismatch};
use claims::{Evidence, Level, ObjectQuestion, Verdict, Witness};
use histories::{History, KeyId};

/// Checks the evidence of a verdict on one of these levels. The error names the part that does not follow.
///
/// An *unknown* or *untested* verdict has no evidence and is confirmed.
pub(crate) fn verify_causal_level(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    match verdict {
        Verdict::Unknown(_) | Verdict::Untested(_) => Ok(Confirmation::Confirmed),
        Verdict::Holds(Witness::Causal(found)) => {
            Ok(orders::verify_orders(history, level, question, found, watch)?)
        }
        Verdict::Holds(_) => Err(Mismatch("this level is witnessed by orders of operations".to_owned())),
        Verdict::Violated(violations) if violations.is_empty() => {
            Err(Mismatch("violated, but by nothing".to_owned()))
        }
        Verdict::Violated(violations) => {
            let records = Records::with_writes(history, question, watch);
            if matches!(level, Level::Pram | Level::SlowMemory) {
                records.refuse_circles()?;
            }
            violations.iter().try_for_each(|violation| match &violation.evidence {
                Evidence::Causal(found) => {
                    let operations = found.involved_operations();
                    let key = operations.first().map_or(KeyId::NONE, |&op| history.key(op));
                    check_violation_matches_evidence(violation, found.anomaly_name(level), key, &operations)?;
                    refutation::verify_refutation(&records, level, found)
                }
                Evidence::Core(core) => check_unwritten_violation(&records, violation, core),
                _ => Err("evidence of another kind of property".to_owned()),
            })?;
            Ok(Confirmation::Confirmed)
        }
    }
}
