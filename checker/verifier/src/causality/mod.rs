//! Checks a verdict's evidence again, straight from the definitions.
//!
//! Of orders, that they have all that they must, extend what they must, and answer each read; of a refutation, that each
//! link of it follows from the operations that it names. Nothing in here shares code with the search.
//!
//! Cost: O(n) an order; for `causal` and `causal-convergence`, where the order is not legal by itself, O(n) for each
//! operation that sessions have in flight together, and the clocks of that: beyond two gigabytes the pasts of the reads are
//! left out, and the answer is [`Confirmation::TooLarge`]. Of a refutation, its length.

mod orders;
mod past;
mod refutation;

use crate::sessions::{Records, check_unwritten_violation, check_violation_matches_evidence};
use crate::watch::Watch;
use crate::{Confirmation, Mismatch};
use claims::{Evidence, Level, ObjectQuestion, Verdict, Witness};
use histories::{History, KeyId};

/// Checks all that a verdict on one of the five levels rests on. The error says what does not follow.
///
/// An *unknown* rests on nothing.
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
