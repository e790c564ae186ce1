//! What lists that were read say beyond their last elements.

use super::ensure;
use super::micros::find_excess_element;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use histories::{History, MicroKind, Outcome};

/// Checks that no list has an element more often than transactions appended it. O(n) for n micro-operations, plus O(n) for each element that
/// a list has twice. Meaningless once the time is over.
pub(super) fn check_no_element_too_often(history: &History, watch: &Watch<'_>) -> Result<(), Mismatch> {
    let completed = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
    for id in watch.take_while_in_time(StepCost::Follow, completed) {
        for read in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::ReadList) {
            let excess = find_excess_element(history, read.key, history.list(read.list()));
            ensure(excess.is_none(), || format!("a list that {id:?} read has an element too often"))?;
        }
    }
    Ok(())
}
