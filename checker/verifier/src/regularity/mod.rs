//! Checks verdicts on `regular`, `safe`, `consistent-prefix` and `regular-write-order` from the definitions.
//!
//! A witness names the write that each read returned. For each read, one condition is checked on that write alone: the read did not
//! complete before it, and no other write lies wholly between the two. A violation names a read and the operations that rule out
//! every write of its value; each of these writes is looked at by itself. For one order of the writes see `write_order.rs`.
//!
//! Cost: O(n log n) for a witness. A violation costs O(k²) for the k operations that it names; one of `safe` also O(n).

mod reads;
mod witness;
mod write_order;

use crate::sessions::{Records, check_unwritten_violation, check_violation_matches_evidence};
use crate::watch::Watch;
use crate::{Confirmation, Mismatch};
use claims::{Core, Evidence, Level, ObjectQuestion, Verdict, Violation, Witness};
use histories::{History, OpId};
use reads::ReadRefutation;
pub(crate) use witness::overlapped_reads;

/// Whether a core of more operations is minimal is not checked.
const OPERATIONS_MAX: usize = 64;

/// What is not checked of a core with too many operations.
const NOT_CHECKED: &str = "whether the set of operations is minimal was not checked, because it is large";

/// Checks the evidence of a verdict on one of these levels. The error names the part that does not follow.
pub(crate) fn verify_single_reads(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    match verdict {
        Verdict::Unknown(_) | Verdict::Untested(_) => Ok(Confirmation::Confirmed),
        Verdict::Holds(Witness::Orders(orders)) if level == Level::RegularWriteOrder => {
            write_order::verify_write_orders(history, question, orders, watch)?;
            Ok(Confirmation::Confirmed)
        }
        Verdict::Holds(Witness::Sources(sources)) if level != Level::RegularWriteOrder => {
            witness::verify_sources(history, level, question, sources, watch)?;
            Ok(Confirmation::Confirmed)
        }
        Verdict::Holds(_) => Err(Mismatch("this level has a witness of another kind".to_owned())),
        Verdict::Violated(violations) if violations.is_empty() => {
            Err(Mismatch("violated, but by nothing".to_owned()))
        }
        Verdict::Violated(violations) => {
            let records = Records::with_writes(history, question, watch);
            records.refuse_circles()?;
            let one = |worst: Confirmation, violation| {
                check_violation(&records, level, violation).map(|checked| worst.and(checked))
            };
            Ok(violations.iter().try_fold(Confirmation::Confirmed, one)?)
        }
    }
}

fn check_violation(
    records: &Records<'_>,
    level: Level,
    violation: &Violation,
) -> Result<Confirmation, String> {
    let Evidence::Core(core) = &violation.evidence else {
        return Err("evidence against a level of single reads is a core".to_owned());
    };
    if ["aborted-read", "phantom-read"].contains(&violation.kind.as_str()) {
        check_unwritten_violation(records, violation, core)?;
        let read = violation.operations[0];
        let may_return_anything =
            level == Level::Safe && ReadRefutation::new(records, level, core).may_overlap(read);
        return match may_return_anything {
            true => Err("the read overlaps a write, so it may return anything".to_owned()),
            false => Ok(Confirmation::Confirmed),
        };
    }
    let is_of_order = violation.kind.as_str() == "conflicting-order" && level == Level::RegularWriteOrder;
    if !is_of_order && !["stale-read", "future-read"].contains(&violation.kind.as_str()) {
        return Err(format!("no read is unexplained as {}", violation.kind));
    }
    check_violation_matches_evidence(violation, violation.kind.as_str(), core.key, &core.operations)?;
    let is_refuted = |core: &Core| {
        let refutation = ReadRefutation::new(records, level, core);
        if is_of_order { refutation.check_order_conflict() } else { refutation.check_core() }
    };
    is_refuted(core)?;
    let refutation = ReadRefutation::new(records, level, core);
    if !is_of_order && !refutation.shows_name(violation.kind.as_str() == "future-read") {
        return Err(format!("the core shows no {}", violation.kind));
    }
    if !core.minimal {
        return Ok(Confirmation::Confirmed);
    }
    if core.operations.len() > OPERATIONS_MAX {
        return Ok(Confirmation::DetailUnchecked(NOT_CHECKED));
    }
    check_each_is_needed(records, core, &|op| !is_of_order && refutation.is_source_of_read(op), &is_refuted)
}

/// Checks that a core does not show the violation without one of its operations. Some are told to show what a read returned, and need
/// not be there.
fn check_each_is_needed(
    records: &Records<'_>,
    core: &Core,
    is_told_anyway: &dyn Fn(OpId) -> bool,
    is_refuted: &dyn Fn(&Core) -> Result<(), String>,
) -> Result<Confirmation, String> {
    for &op in core.operations.iter().filter(|&&op| !is_told_anyway(op)) {
        let mut fewer = core.clone();
        fewer.operations.retain(|&other| other != op);
        if is_refuted(&fewer).is_ok() {
            let index = records.history.operation_index(op);
            return Err(format!("the core is not minimal: operation {index} is not needed"));
        }
    }
    Ok(Confirmation::Confirmed)
}
