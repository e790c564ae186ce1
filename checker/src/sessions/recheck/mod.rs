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

use super::{Cycle, VersionOrder};
use crate::check::{Anomaly, Evidence, Question, Witness};
use crate::linearizability::Core;
use crate::{Level, Verdict};
use histories::History;
pub(crate) use records::{Records, reads, writes};

/// Checks all that a verdict on a session level rests on. The error says what does not follow.
///
/// An *unknown* rests on nothing.
pub fn verdict(
    history: &History,
    level: Level,
    question: &Question,
    verdict: &Verdict<Witness, Vec<Anomaly>>,
) -> Result<(), String> {
    match verdict {
        Verdict::Unknown(_) => Ok(()),
        Verdict::Holds(Witness::Versions(found)) => orders(history, level, question, found),
        Verdict::Holds(_) => Err("a session level is witnessed by orders of versions".to_owned()),
        Verdict::Violated(anomalies) => {
            if anomalies.is_empty() {
                return Err("violated, but by nothing".to_owned());
            }
            let records = Records::with_writes(history, question);
            anomalies.iter().try_for_each(|anomaly| match &anomaly.evidence {
                Evidence::Cycle(found) => cycle::check(&records, level, found),
                Evidence::Core(core) => cycle::check_unwritten(&records, core),
                Evidence::Causal(_) => Err("evidence of another kind of level".to_owned()),
            })
        }
    }
}

/// Checks that there is a version order for each object, and that each keeps the level's constraints.
pub fn orders(
    history: &History,
    level: Level,
    question: &Question,
    orders: &[VersionOrder],
) -> Result<(), String> {
    order::check_all(&Records::new(history, question), level, orders)
}

/// Checks a proof that one object has no version order.
pub fn cycle(history: &History, level: Level, question: &Question, found: &Cycle) -> Result<(), String> {
    cycle::check(&Records::with_writes(history, question), level, found)
}

/// Checks that the first completed read (or compare-and-set) of a core returned what nobody wrote.
pub fn unwritten(history: &History, question: &Question, core: &Core) -> Result<(), String> {
    cycle::check_unwritten(&Records::with_writes(history, question), core)
}

/// The same, for whoever has the records.
pub(crate) fn unwritten_in(records: &Records<'_>, core: &Core) -> Result<(), String> {
    cycle::check_unwritten(records, core)
}
