//! What lists that were read say beyond their last elements.

use super::ensure;
use super::micros::{find_excess_element, is_read};
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use histories::{History, KeyId, Micro, MicroKind, Outcome, ValueId};
use rustc_hash::FxHashMap;
use std::collections::HashSet;

/// Checks that each element of each list was appended by a transaction that did not fail. O(n) for n micro-operations, plus the lists.
/// Meaningless once the time is over.
pub(super) fn check_elements_were_appended(history: &History, watch: &Watch<'_>) -> Result<(), Mismatch> {
    let ids = || watch.take_while_in_time(StepCost::Follow, history.ids());
    let happened = ids().filter(|&id| history.outcome(id) != Outcome::Fail);
    let written: HashSet<(KeyId, ValueId)> = happened
        .flat_map(|id| history.micros_of(id))
        .filter(|micro| !is_read(**micro))
        .map(|micro| (micro.key, micro.value()))
        .collect();
    let mut reads = ids()
        .filter(|&id| history.outcome(id) == Outcome::Ok)
        .flat_map(|id| history.micros_of(id))
        .filter(|micro| micro.kind == MicroKind::ReadList);
    let unwritten = reads
        .any(|read| history.list(read.list()).iter().any(|&value| !written.contains(&(read.key, value))));
    ensure(!unwritten, || "a list has an element that nobody can have appended".to_owned())
}

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

/// Checks that of any two lists of a key, one is the beginning of the other: versions of a list grow at the end. Unless `with_own`, the
/// elements that the reader had appended itself are left out of its list. O(n) for n micro-operations and elements of lists. Meaningless
/// once the time is over.
pub(super) fn check_lists_extend_one_another(
    history: &History,
    with_own: bool,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    let mut longest: FxHashMap<KeyId, &[ValueId]> = FxHashMap::default();
    let completed = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
    for id in watch.take_while_in_time(StepCost::Follow, completed) {
        let micros = history.micros_of(id);
        for (at, micro) in micros.iter().enumerate().filter(|(_, micro)| micro.kind == MicroKind::ReadList) {
            let list = match with_own {
                true => history.list(micro.list()),
                false => without_own_appends(history, &micros[..at], *micro),
            };
            let known = longest.entry(micro.key).or_default();
            ensure(list.starts_with(known) || known.starts_with(list), || {
                format!(
                    "a list that {id:?} read is not the beginning of another list, nor the other way round"
                )
            })?;
            if list.len() > known.len() {
                *known = list;
            }
        }
    }
    Ok(())
}

/// The list without as many elements at its end as the reader had appended before.
fn without_own_appends<'h>(history: &'h History, before: &[Micro], read: Micro) -> &'h [ValueId] {
    let own = before.iter().filter(|micro| micro.kind == MicroKind::Append && micro.key == read.key).count();
    let list = history.list(read.list());
    &list[..list.len().saturating_sub(own)]
}
