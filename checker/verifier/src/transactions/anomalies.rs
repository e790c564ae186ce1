//! Checks evidence about single reads and updates against the history.

use super::{cycle, ensure, lemmas};
use crate::Mismatch;
use crate::watch::{Cost, Watch};
use claims::{Assume, Phenomenon, ReadAt, TransactionEvidence, VersionEvidence, VersionStep};
use histories::{Function, History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use std::collections::HashSet;

/// The values that a read returned: all elements of a list, or the value of a register, where `null` is no value.
pub(super) fn returned(history: &History, micro: Micro) -> Vec<ValueId> {
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
pub(super) fn writes_of(
    history: &History,
    id: OpId,
    key: KeyId,
    value: ValueId,
) -> impl Iterator<Item = usize> + '_ {
    let micros = history.micros_of(id).iter().enumerate();
    micros.filter(move |(_, m)| !is_read(**m) && m.key == key && m.value() == value).map(|(at, _)| at)
}

fn read(history: &History, read: ReadAt) -> Result<Vec<ValueId>, Mismatch> {
    ensure(history.function(read.transaction) == Function::TXN, || "a read outside a transaction".into())?;
    ensure(history.outcome(read.transaction) == Outcome::Ok, || "a read that did not complete".into())?;
    let micro = history.micros_of(read.transaction).get(read.place).copied();
    match micro.filter(|micro| is_read(*micro) && micro.key == read.key) {
        Some(micro) => Ok(returned(history, micro)),
        None => Err(Mismatch("no such read".into())),
    }
}

/// Checks one example of a phenomenon. The result is meaningless if the watch ran out of time.
pub(super) fn check(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    phenomenon: Phenomenon,
    evidence: &TransactionEvidence,
) -> Result<(), Mismatch> {
    let wrote = |id: OpId, key, value| writes_of(history, id, key, value).next();
    let says = |right: bool| ensure(right, || format!("{}: {evidence:?}", phenomenon.name()));
    match (phenomenon, evidence) {
        (Phenomenon::Cycle(kind), TransactionEvidence::Cycle(found)) => {
            cycle::check(history, watch, assume, kind, found)
        }
        (Phenomenon::Cycle(kind), TransactionEvidence::Lemmas(found)) => {
            lemmas::check(history, watch, assume, kind, found)
        }
        (Phenomenon::CommitOrder(axiom), TransactionEvidence::Cycle(found)) => {
            cycle::commit_order(history, watch, assume, axiom, found)
        }
        (Phenomenon::G1a, TransactionEvidence::AbortedRead { read: at, value, writer }) => {
            says(read(history, *at)?.contains(value))?;
            says(wrote(*writer, at.key, *value).is_some() && history.outcome(*writer) == Outcome::Fail)
        }
        (Phenomenon::G1b, TransactionEvidence::IntermediateRead { read: at, value, writer }) => {
            says(read(history, *at)?.last() == Some(value) && *writer != at.transaction)?;
            let place = writes_of(history, *writer, at.key, *value).last();
            let later = |place: usize| {
                history.micros_of(*writer)[place + 1..].iter().any(|m| !is_read(*m) && m.key == at.key)
            };
            says(place.is_some_and(later))
        }
        (Phenomenon::GarbageRead, TransactionEvidence::GarbageRead { read: at, value }) => {
            says(read(history, *at)?.contains(value))?;
            says(watch.watched(Cost::Look, history.ids()).all(|id| wrote(id, at.key, *value).is_none()))
        }
        (Phenomenon::Internal, TransactionEvidence::Internal { read: at, because }) => {
            let seen = read(history, *at)?;
            says(is_latest_known(history, *at, because))?;
            says(!agrees(history, *at, because, &seen))
        }
        (Phenomenon::FutureRead, TransactionEvidence::FutureRead { read: at, value, write }) => {
            says(read(history, *at)?.contains(value) && *write > at.place)?;
            says(writes_of(history, at.transaction, at.key, *value).any(|place| place == *write))?;
            let mut others = watch.watched(Cost::Look, history.ids()).filter(|&id| id != at.transaction);
            says(others.all(|id| wrote(id, at.key, *value).is_none()))
        }
        (Phenomenon::LostUpdate, TransactionEvidence::LostUpdate { key, version, transactions }) => {
            // A transaction that is named twice made one update only.
            let distinct: HashSet<&OpId> = transactions.iter().collect();
            says(distinct.len() > 1 && distinct.len() == transactions.len())?;
            transactions.iter().try_for_each(|&id| says(updates(history, id, *key, *version)))
        }
        (Phenomenon::DirtyUpdate, TransactionEvidence::DirtyUpdate { read: at, aborted, committed }) => {
            let list = read(history, *at)?;
            let place = |value: ValueId| list.iter().position(|&each| each == value);
            says(place(aborted.1).is_some() && place(aborted.1) < place(committed.1))?;
            says(wrote(aborted.0, at.key, aborted.1).is_some())?;
            says(wrote(committed.0, at.key, committed.1).is_some())?;
            says(history.outcome(aborted.0) == Outcome::Fail && history.outcome(committed.0) == Outcome::Ok)
        }
        (Phenomenon::DuplicateElements, TransactionEvidence::DuplicateElement { read: at, value }) => {
            says(read(history, *at)?.iter().filter(|&each| each == value).count() > 1)
        }
        (Phenomenon::IncompatibleOrder, TransactionEvidence::IncompatibleOrder { one, other }) => {
            let (a, b) = (read(history, *one)?, read(history, *other)?);
            says(one.key == other.key && !a.starts_with(&b) && !b.starts_with(&a))
        }
        (
            Phenomenon::IncompatibleOrder,
            TransactionEvidence::AppendsOutOfOrder { read: at, writer, earlier, later },
        ) => {
            let list = read(history, *at)?;
            let place = |value: ValueId| list.iter().position(|&each| each == value);
            let wrote = |value| writes_of(history, *writer, at.key, value).next();
            says(wrote(*earlier).is_some() && wrote(*earlier) < wrote(*later))?;
            says(
                place(*later).is_some()
                    && place(*earlier).is_none_or(|earlier| Some(earlier) > place(*later)),
            )
        }
        (Phenomenon::CyclicVersions, TransactionEvidence::CyclicVersions { key, steps }) => {
            let follows = |(earlier, later, order)| {
                cycle::register_order(history, watch, assume, *key, earlier, later, order)
            };
            says(is_cycle_of_versions(steps, follows))
        }
        _ => says(false),
    }
}

/// Whether each version must precede the next for a valid reason, and the last must precede the first.
fn is_cycle_of_versions(
    steps: &[VersionStep],
    follows: impl Fn((ValueId, ValueId, VersionEvidence)) -> bool,
) -> bool {
    let closes = |at: usize, step: &VersionStep| step.later == steps[(at + 1) % steps.len()].earlier;
    let holds = |step: &VersionStep| match (step.earlier, step.later) {
        (Some(earlier), Some(later)) if step.order != VersionEvidence::Initial => {
            follows((earlier, later, step.order))
        }
        _ => false,
    };
    !steps.is_empty() && steps.iter().enumerate().all(|(at, step)| closes(at, step) && holds(step))
}

/// Whether these are the most recent operations of the transaction on the key of the read, without gaps. An earlier
/// operation, or one on another key, cannot contradict the read.
fn is_latest_known(history: &History, at: ReadAt, because: &[usize]) -> bool {
    let micros = history.micros_of(at.transaction);
    let touches: Vec<usize> = (0..at.place).filter(|&place| micros[place].key == at.key).collect();
    !because.is_empty() && touches.ends_with(because)
}

/// Whether the result of a read agrees with the preceding operations that determine it.
fn agrees(history: &History, at: ReadAt, because: &[usize], seen: &[ValueId]) -> bool {
    let micros = history.micros_of(at.transaction);
    let mut known: Option<Vec<ValueId>> = None;
    let mut appended = Vec::new();
    for &place in because {
        let micro = micros[place];
        match micro.kind {
            MicroKind::Append => appended.push(micro.value()),
            MicroKind::Write => known = Some(vec![micro.value()]),
            MicroKind::Read | MicroKind::ReadList => known = Some(returned(history, micro)),
        }
    }
    match known {
        Some(mut known) => {
            known.extend(appended);
            known == seen
        }
        None => seen.ends_with(&appended),
    }
}

/// Whether a read does not return what its own transaction had previously written to the key.
pub(super) fn misses_own(history: &History, at: ReadAt) -> bool {
    let Ok(seen) = read(history, at) else { return false };
    let before = &history.micros_of(at.transaction)[..at.place];
    let own: Vec<Micro> =
        before.iter().copied().filter(|micro| !is_read(*micro) && micro.key == at.key).collect();
    let last_write = own.iter().rposition(|micro| micro.kind == MicroKind::Write).unwrap_or(0);
    let own: Vec<ValueId> = own[last_write..].iter().map(|micro| micro.value()).collect();
    !seen.ends_with(&own)
}

/// Whether a transaction read this version of a key before it wrote the key.
fn updates(history: &History, id: OpId, key: KeyId, version: Option<ValueId>) -> bool {
    let mut touches = history.micros_of(id).iter().filter(|micro| micro.key == key);
    let read_it = touches
        .next()
        .is_some_and(|&first| is_read(first) && returned(history, first).last().copied() == version);
    read_it && history.outcome(id) == Outcome::Ok && touches.any(|&micro| !is_read(micro))
}
