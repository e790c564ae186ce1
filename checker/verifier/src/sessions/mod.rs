//! Checks a verdict's evidence again, straight from the definitions.
//!
//! The search that finds an order or a cycle is long, and a bug in it would be a false verdict. What it found is
//! short to verify: of an order, that it keeps every constraint; of a cycle, that each of its constraints
//! follows from the operations that it names. Nothing in here shares code with the search: no graph, no rows,
//! its own table of who wrote what, built with hash maps from the operations as they are.
//!
//! Cost: O(n log n) for all orders of a history together; for a cycle the length of its proof, and O(n) where
//! it depends on indeterminate writes.

mod cycle;
mod order;
mod records;

use crate::Mismatch;
use crate::watch::Watch;
use claims::{Core, Evidence, Level, ObjectQuestion, Verdict, Violation, Witness};
use histories::{History, KeyId, OpId, Outcome};
pub(crate) use records::{Records, value_read_by, value_written_by};

/// Checks all that a verdict on a session level rests on. The error says what does not follow.
///
/// An *unknown* rests on nothing.
pub(crate) fn verify_session_level(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    match verdict {
        Verdict::Unknown(_) | Verdict::Untested(_) => Ok(()),
        Verdict::Holds(Witness::Versions(found)) => {
            Ok(order::check_all_version_orders(&Records::new(history, question, watch), level, found)?)
        }
        Verdict::Holds(_) => Err(Mismatch("a session level is witnessed by orders of versions".to_owned())),
        Verdict::Violated(violations) => {
            if violations.is_empty() {
                return Err(Mismatch("violated, but by nothing".to_owned()));
            }
            let records = Records::with_writes(history, question, watch);
            violations.iter().try_for_each(|violation| match &violation.evidence {
                Evidence::Cycle(found) => {
                    check_violation_matches_evidence(
                        violation,
                        found.anomaly_name(),
                        found.key,
                        &found.involved_operations(),
                    )?;
                    cycle::verify_version_refutation(&records, level, found)
                }
                Evidence::Core(core) => check_unwritten_violation(&records, violation, core),
                _ => Err("evidence of another kind of property".to_owned()),
            })?;
            Ok(())
        }
    }
}

/// Checks that the first operation of a violation returned what nobody wrote, and that it is told so: with the writes that
/// did not happen, and as an aborted read where one of these failed.
pub(crate) fn check_unwritten_violation(
    records: &Records<'_>,
    violation: &Violation,
    core: &Core,
) -> Result<(), String> {
    let Some(&read) = violation.operations.first() else {
        return Err("it is told of no operation".to_owned());
    };
    let failed = core.operations.iter().any(|&id| records.history.outcome(id) == Outcome::Fail);
    let mut told = violation.operations.clone();
    told.sort_unstable();
    let telling = Violation { operations: told, ..violation.clone() };
    check_violation_matches_evidence(
        &telling,
        if failed { "aborted-read" } else { "phantom-read" },
        core.key,
        &core.operations,
    )?;
    cycle::check_read_of_unwritten_value(records, core.key, read)
}

/// Checks that a violation is told as its evidence has it: by this name, on this object and of these operations.
pub(crate) fn check_violation_matches_evidence(
    violation: &Violation,
    kind: &str,
    key: KeyId,
    operations: &[OpId],
) -> Result<(), String> {
    if violation.kind.as_str() != kind {
        return Err(format!("it is told as {}, and is {kind}", violation.kind));
    }
    if violation.key != key || violation.operations != operations {
        return Err("it is told of other operations than its evidence".to_owned());
    }
    Ok(())
}
