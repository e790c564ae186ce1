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
use claims::{Core, Evidence, Level, ObjectQuestion, Verdict, Witness};
use histories::History;
pub(crate) use records::{Records, reads, writes};

/// Checks all that a verdict on a session level rests on. The error says what does not follow.
///
/// An *unknown* rests on nothing.
pub(crate) fn verdict(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    match verdict {
        Verdict::Unknown(_) | Verdict::Untested(_) => Ok(()),
        Verdict::Holds(Witness::Versions(found)) => {
            Ok(order::check_all(&Records::new(history, question, watch), level, found)?)
        }
        Verdict::Holds(_) => Err(Mismatch("a session level is witnessed by orders of versions".to_owned())),
        Verdict::Violated(violations) => {
            if violations.is_empty() {
                return Err(Mismatch("violated, but by nothing".to_owned()));
            }
            let records = Records::with_writes(history, question, watch);
            violations.iter().try_for_each(|violation| match &violation.evidence {
                Evidence::Cycle(found) => cycle::check(&records, level, found),
                Evidence::Core(core) => cycle::check_unwritten(&records, core),
                _ => Err("evidence of another kind of property".to_owned()),
            })?;
            Ok(())
        }
    }
}

/// Checks that the first completed read (or compare-and-set) of a core returned what nobody wrote.
pub(crate) fn unwritten_in(records: &Records<'_>, core: &Core) -> Result<(), String> {
    cycle::check_unwritten(records, core)
}
