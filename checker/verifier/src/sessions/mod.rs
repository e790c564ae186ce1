//! Verifies verdicts on session guarantees from the definitions.
//!
//! The search for an order or a cycle is long, and a bug in it would be a false verdict. Its evidence is short to
//! verify: an order must meet every constraint, and each constraint of a cycle must follow from the operations that it
//! names. This module shares no code with the search. It uses no graph and no rows; it has its own hash table of
//! writers, built from the operations directly.
//!
//! Cost: O(n log n) for all orders of a history together. A cycle costs the length of its proof, plus O(n) where it
//! depends on indeterminate writes.

mod cycle;
mod order;
mod records;

use crate::Mismatch;
use crate::watch::Watch;
use claims::{
    Answer, Core, Evidence, Level, ObjectQuestion, Property, Verdict, VersionOrder, Violation, Witness,
};
use histories::{History, KeyId, OpId, Outcome};
use order::CheckedGuarantees;
pub(crate) use records::{Records, value_read_by, value_written_by};

/// The verdicts of a report on session levels, verified together.
///
/// Levels are often witnessed by the same orders. Such orders are checked once, for the guarantees of all these levels.
pub(crate) struct SessionClaims {
    results: Vec<(Level, Result<(), Mismatch>)>,
}

impl SessionClaims {
    /// Verifies all verdicts on session levels. At most one verdict of each level is expected.
    pub(crate) fn new<'a>(
        history: &History,
        question: &ObjectQuestion,
        answers: impl Iterator<Item = &'a Answer>,
        watch: &Watch<'_>,
    ) -> Self {
        let claims: Vec<(Level, &Verdict)> = answers
            .filter_map(|answer| match answer.property {
                Property::Level(level) if level.is_session_guarantee() => Some((level, &answer.verdict)),
                _ => None,
            })
            .collect();
        let is_violated = |&(_, verdict): &(Level, &Verdict)| matches!(verdict, Verdict::Violated(_));
        let records = match claims.iter().any(is_violated) {
            true => Records::with_writes(history, question, watch),
            false => Records::new(history, question, watch),
        };
        let mut results = Vec::new();
        let mut by_orders: Vec<(&[VersionOrder], Vec<Level>)> = Vec::new();
        for (level, verdict) in claims {
            match verdict {
                Verdict::Unknown(_) | Verdict::Untested(_) => results.push((level, Ok(()))),
                Verdict::Holds(Witness::Versions(orders)) => {
                    match by_orders.iter_mut().find(|group| group.0 == orders.as_slice()) {
                        Some(group) => group.1.push(level),
                        None => by_orders.push((orders, vec![level])),
                    }
                }
                Verdict::Holds(_) => {
                    let why = "a session level is witnessed by orders of versions".to_owned();
                    results.push((level, Err(Mismatch(why))));
                }
                Verdict::Violated(violations) => {
                    results.push((level, check_session_violations(&records, level, violations)));
                }
            }
        }
        for (orders, levels) in by_orders {
            let check = |levels: &[Level]| {
                order::check_all_version_orders(&records, CheckedGuarantees::of_levels(levels), orders)
            };
            let all_hold = check(&levels).is_ok();
            // Where the orders break one level, the others may still hold.
            let one = |level| (level, if all_hold { Ok(()) } else { check(&[level]).map_err(Mismatch) });
            results.extend(levels.into_iter().map(one));
        }
        Self { results }
    }

    /// The result for one level. The error names the part that does not follow.
    pub(crate) fn result_of_level(&self, level: Level) -> Result<(), Mismatch> {
        let found = self.results.iter().find(|result| result.0 == level);
        found.map_or_else(|| Err(Mismatch("it was not verified".to_owned())), |result| result.1.clone())
    }
}

fn check_session_violations(
    records: &Records<'_>,
    level: Level,
    violations: &[Violation],
) -> Result<(), Mismatch> {
    if violations.is_empty() {
        return Err(Mismatch("violated, but by nothing".to_owned()));
    }
    violations.iter().try_for_each(|violation| match &violation.evidence {
        Evidence::Cycle(found) => {
            check_violation_matches_evidence(
                violation,
                found.anomaly_name(),
                found.key,
                &found.involved_operations(),
            )?;
            cycle::verify_version_refutation(records, level, found)
        }
        Evidence::Core(core) => check_unwritten_violation(records, violation, core),
        _ => Err("evidence of another kind of property".to_owned()),
    })?;
    Ok(())
}

/// Checks that the first operation of a violation returned a value that no operation wrote. The violation may also list writes that
/// would have led to it, and it must be called an aborted read if one of all such writes failed.
pub(crate) fn check_unwritten_violation(
    records: &Records<'_>,
    violation: &Violation,
    core: &Core,
) -> Result<(), String> {
    let Some(&read) = violation.operations.first() else {
        return Err("it is told of no operation".to_owned());
    };
    let led_there = records.writes_that_did_not_happen(read);
    let is_strange = |&&id: &&OpId| id != read && !led_there.contains(&id);
    if let Some(&strange) = core.operations.iter().find(is_strange) {
        let index = records.history.operation_index(strange);
        return Err(format!("operation {index} would not have written what was read"));
    }
    let failed = led_there.iter().any(|&id| records.history.outcome(id) == Outcome::Fail);
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

/// Checks that a violation agrees with its evidence about the anomaly's name, the object and the operations.
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
