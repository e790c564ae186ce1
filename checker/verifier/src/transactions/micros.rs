//! What single micro-operations read and wrote.

use super::ensure;
use crate::Mismatch;
use claims::ReadAt;
use histories::{Function, History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use std::collections::HashMap;

/// The values that a read returned: all elements of a list, or the value of a register, where `null` is no value.
pub(super) fn values_of_micro(history: &History, micro: Micro) -> Vec<ValueId> {
    match micro.kind {
        MicroKind::ReadList => history.list(micro.list()).to_vec(),
        _ if micro.value() == ValueId::NULL => Vec::new(),
        _ => vec![micro.value()],
    }
}

pub(super) fn is_read(micro: Micro) -> bool {
    matches!(micro.kind, MicroKind::Read | MicroKind::ReadList)
}

/// The places at which a transaction wrote a value to a key.
pub(super) fn places_of_write(
    history: &History,
    id: OpId,
    key: KeyId,
    value: ValueId,
) -> impl Iterator<Item = usize> + '_ {
    let micros = history.micros_of(id).iter().enumerate();
    micros.filter(move |(_, m)| !is_read(**m) && m.key == key && m.value() == value).map(|(at, _)| at)
}

pub(super) fn values_of_read(history: &History, read: ReadAt) -> Result<Vec<ValueId>, Mismatch> {
    ensure(history.function(read.transaction) == Function::TXN, || "a read outside a transaction".into())?;
    ensure(history.outcome(read.transaction) == Outcome::Ok, || "a read that did not complete".into())?;
    let micro = history.micros_of(read.transaction).get(read.place).copied();
    match micro.filter(|micro| is_read(*micro) && micro.key == read.key) {
        Some(micro) => Ok(values_of_micro(history, micro)),
        None => Err(Mismatch("no such read".into())),
    }
}

/// An element that a list has more often than transactions appended it, if there is one. Two transactions may have appended equal
/// elements. An element that none appended counts as appended once.
pub(super) fn find_excess_element(history: &History, key: KeyId, list: &[ValueId]) -> Option<ValueId> {
    let mut counts: HashMap<ValueId, usize> = HashMap::new();
    list.iter().for_each(|&value| *counts.entry(value).or_default() += 1);
    let is_excess = |value, count| count > 1 && count > count_appends(history, key, value);
    counts.into_iter().find(|&(value, count)| is_excess(value, count)).map(|(value, _)| value)
}

/// How often transactions appended the element, or may have. O(micro-operations).
pub(super) fn count_appends(history: &History, key: KeyId, value: ValueId) -> usize {
    history.ids().map(|id| places_of_write(history, id, key, value).count()).sum()
}

/// Whether a read does not return what its own transaction had previously written to the key.
pub(super) fn misses_own_write(history: &History, at: ReadAt) -> bool {
    let Ok(seen) = values_of_read(history, at) else { return false };
    let micros = history.micros_of(at.transaction);
    let own: Vec<Micro> =
        micros[..at.place].iter().copied().filter(|micro| !is_read(*micro) && micro.key == at.key).collect();
    let Some(last) = own.last() else { return false };
    // A register has one value, which may be null.
    if last.kind == MicroKind::Write && micros[at.place].kind == MicroKind::Read {
        return micros[at.place].value() != last.value();
    }
    let last_write = own.iter().rposition(|micro| micro.kind == MicroKind::Write).unwrap_or(0);
    let own: Vec<ValueId> = own[last_write..].iter().map(|micro| micro.value()).collect();
    !seen.ends_with(&own)
}
