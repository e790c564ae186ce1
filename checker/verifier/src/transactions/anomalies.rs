//! Single reads and updates: does the history say what the evidence says?

use super::sources::of_others;
use super::{asks_of_reads, cases, cycle, ensure, lemmas};
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{Assume, Phenomenon, ReadAt, TransactionEvidence, VersionEvidence, VersionStep};
use histories::{Function, History, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use std::collections::HashSet;

/// What a read returned: of a list all elements, of a register its value, `null` being nothing.
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

/// Where a transaction wrote a value to a key.
pub(super) fn places_of_write(
    history: &History,
    id: OpId,
    key: KeyId,
    value: ValueId,
) -> impl Iterator<Item = usize> + '_ {
    let micros = history.micros_of(id).iter().enumerate();
    micros.filter(move |(_, m)| !is_read(**m) && m.key == key && m.value() == value).map(|(at, _)| at)
}

fn values_of_read(history: &History, read: ReadAt) -> Result<Vec<ValueId>, Mismatch> {
    ensure(history.function(read.transaction) == Function::TXN, || "a read outside a transaction".into())?;
    ensure(history.outcome(read.transaction) == Outcome::Ok, || "a read that did not complete".into())?;
    let micro = history.micros_of(read.transaction).get(read.place).copied();
    match micro.filter(|micro| is_read(*micro) && micro.key == read.key) {
        Some(micro) => Ok(values_of_micro(history, micro)),
        None => Err(Mismatch("no such read".into())),
    }
}

/// If time is over, what this returns means nothing.
pub(super) fn check_example(
    history: &History,
    watch: &Watch<'_>,
    assume: Assume,
    phenomenon: Phenomenon,
    evidence: &TransactionEvidence,
) -> Result<(), Mismatch> {
    let wrote = |id: OpId, key, value| places_of_write(history, id, key, value).next();
    let says = |right: bool| ensure(right, || format!("{}: {evidence:?}", phenomenon.name()));
    match (phenomenon, evidence) {
        (Phenomenon::Cycle(kind), TransactionEvidence::Cycle(found)) => {
            cycle::check_dependency_cycle(history, watch, assume, kind, found)
        }
        (Phenomenon::Cycle(kind), TransactionEvidence::Lemmas(found)) => {
            lemmas::verify_lemmas(history, watch, assume, kind, found)
        }
        (Phenomenon::Impossible(level), TransactionEvidence::Cases(steps)) => {
            cases::check(history, watch, assume, level, steps)
        }
        (Phenomenon::CommitOrder(axiom), TransactionEvidence::Cycle(found)) => {
            cycle::check_commit_order_cycle(history, watch, assume, axiom, found)
        }
        (Phenomenon::G1a, TransactionEvidence::AbortedRead { read: at, value, writer }) => {
            says(values_of_read(history, *at)?.contains(value))?;
            says(wrote(*writer, at.key, *value).is_some() && history.outcome(*writer) == Outcome::Fail)
        }
        (Phenomenon::G1b, TransactionEvidence::IntermediateRead { read: at, value, writer }) => {
            says(values_of_read(history, *at)?.last() == Some(value) && *writer != at.transaction)?;
            let place = places_of_write(history, *writer, at.key, *value).last();
            let later = |place: usize| {
                history.micros_of(*writer)[place + 1..].iter().any(|m| !is_read(*m) && m.key == at.key)
            };
            says(place.is_some_and(later))
        }
        (Phenomenon::GarbageRead, TransactionEvidence::GarbageRead { read: at, value }) => {
            says(values_of_read(history, *at)?.contains(value))?;
            says(
                watch
                    .take_while_in_time(StepCost::Look, history.ids())
                    .all(|id| wrote(id, at.key, *value).is_none()),
            )
        }
        (Phenomenon::Internal, TransactionEvidence::Internal { read: at, because }) => {
            let seen = values_of_read(history, *at)?;
            says(is_latest_known(history, *at, because))?;
            says(!agrees_with_known(history, *at, because, &seen))
        }
        (Phenomenon::FutureRead, TransactionEvidence::FutureRead { read: at, value, write }) => {
            says(values_of_read(history, *at)?.contains(value) && *write > at.place)?;
            says(places_of_write(history, at.transaction, at.key, *value).any(|place| place == *write))?;
            let mut others =
                watch.take_while_in_time(StepCost::Look, history.ids()).filter(|&id| id != at.transaction);
            says(others.all(|id| wrote(id, at.key, *value).is_none()))
        }
        (Phenomenon::LostUpdate, TransactionEvidence::LostUpdate { key, version, transactions }) => {
            // One that is named twice updated it once.
            let distinct: HashSet<&OpId> = transactions.iter().collect();
            says(distinct.len() > 1 && distinct.len() == transactions.len())?;
            transactions.iter().try_for_each(|&id| says(updates_version(history, id, *key, *version)))
        }
        (Phenomenon::CyclicVersions, TransactionEvidence::CyclicVersions { key, steps }) => {
            let follows = |(earlier, later, order)| {
                cycle::is_register_order_known(history, watch, assume, *key, earlier, later, order)
            };
            says(is_version_cycle(steps, follows))
        }
        _ => by_lists(history, phenomenon, evidence),
    }
}

/// The same, of what whole lists show.
fn by_lists(
    history: &History,
    phenomenon: Phenomenon,
    evidence: &TransactionEvidence,
) -> Result<(), Mismatch> {
    let wrote = |id: OpId, key, value| places_of_write(history, id, key, value).next();
    let says = |right: bool| ensure(right, || format!("{}: {evidence:?}", phenomenon.name()));
    match (phenomenon, evidence) {
        (Phenomenon::DirtyUpdate, TransactionEvidence::DirtyUpdate { read: at, aborted, committed }) => {
            let list = values_of_read(history, *at)?;
            let place = |value: ValueId| list.iter().position(|&each| each == value);
            says(place(aborted.1).is_some() && place(aborted.1) < place(committed.1))?;
            says(wrote(aborted.0, at.key, aborted.1).is_some())?;
            says(wrote(committed.0, at.key, committed.1).is_some())?;
            says(history.outcome(aborted.0) == Outcome::Fail && history.outcome(committed.0) == Outcome::Ok)
        }
        (Phenomenon::DuplicateElements, TransactionEvidence::DuplicateElement { read: at, value }) => {
            says(values_of_read(history, *at)?.iter().filter(|&each| each == value).count() > 1)
        }
        (
            Phenomenon::IncompatibleOrder,
            TransactionEvidence::IncompatibleOrder { one, other }
            | TransactionEvidence::IncompatibleOwnAppends { one, other },
        ) => {
            let (a, b) = (values_of_read(history, *one)?, values_of_read(history, *other)?);
            says(one.key == other.key && !a.starts_with(&b) && !b.starts_with(&a))
        }
        (Phenomenon::Impossible(level), TransactionEvidence::IncompatibleOrder { one, other }) => {
            says(asks_of_reads(level) && differ_beside_own_appends(history, *one, *other)?)
        }
        (
            Phenomenon::IncompatibleOrder,
            TransactionEvidence::AppendsOutOfOrder { read: at, writer, earlier, later },
        ) => {
            let list = values_of_read(history, *at)?;
            let place = |value: ValueId| list.iter().position(|&each| each == value);
            let wrote = |value| places_of_write(history, *writer, at.key, value).next();
            says(wrote(*earlier).is_some() && wrote(*earlier) < wrote(*later))?;
            says(
                place(*later).is_some()
                    && place(*earlier).is_none_or(|earlier| Some(earlier) > place(*later)),
            )
        }
        _ => says(false),
    }
}

/// Whether neither of two lists is a prefix of the other, whatever the readers appended themselves, and wherever that came to
/// stand.
fn differ_beside_own_appends(history: &History, one: ReadAt, other: ReadAt) -> Result<bool, Mismatch> {
    let (mut a, mut b) = (values_of_read(history, one)?, values_of_read(history, other)?);
    for (list, at) in [(&mut a, one), (&mut b, other)] {
        let micros = history.micros_of(at.transaction);
        if micros[at.place].kind != MicroKind::ReadList || misses_own_write(history, at) {
            return Ok(false);
        }
        list.truncate(of_others(history, micros, at.place).len());
    }
    Ok(one.key == other.key && !a.starts_with(&b) && !b.starts_with(&a))
}

/// Whether each version must come before the next by a reason that holds, and the last before the first.
fn is_version_cycle(
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

/// Whether these are the operations of the transaction on the key of a read that come last before it, none left out: what an
/// earlier one says, or one on another key, is no contradiction.
fn is_latest_known(history: &History, at: ReadAt, because: &[usize]) -> bool {
    let micros = history.micros_of(at.transaction);
    let touches: Vec<usize> = (0..at.place).filter(|&place| micros[place].key == at.key).collect();
    !because.is_empty() && touches.ends_with(because)
}

/// Whether what a read returned follows from the operations before it that are said to tell.
fn agrees_with_known(history: &History, at: ReadAt, because: &[usize], seen: &[ValueId]) -> bool {
    let micros = history.micros_of(at.transaction);
    let mut known: Option<Vec<ValueId>> = None;
    let mut appended = Vec::new();
    for &place in because {
        let micro = micros[place];
        match micro.kind {
            MicroKind::Append => appended.push(micro.value()),
            MicroKind::Write => known = Some(vec![micro.value()]),
            MicroKind::Read | MicroKind::ReadList => known = Some(values_of_micro(history, micro)),
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

/// Whether a read does not return what the transaction itself had written to the key before.
pub(super) fn misses_own_write(history: &History, at: ReadAt) -> bool {
    let Ok(seen) = values_of_read(history, at) else { return false };
    let before = &history.micros_of(at.transaction)[..at.place];
    let own: Vec<Micro> =
        before.iter().copied().filter(|micro| !is_read(*micro) && micro.key == at.key).collect();
    let last_write = own.iter().rposition(|micro| micro.kind == MicroKind::Write).unwrap_or(0);
    let own: Vec<ValueId> = own[last_write..].iter().map(|micro| micro.value()).collect();
    !seen.ends_with(&own)
}

/// Whether a transaction read a version of a key before it wrote the key.
fn updates_version(history: &History, id: OpId, key: KeyId, version: Option<ValueId>) -> bool {
    let mut touches = history.micros_of(id).iter().filter(|micro| micro.key == key);
    let read_it = touches
        .next()
        .is_some_and(|&first| is_read(first) && values_of_micro(history, first).last().copied() == version);
    read_it && history.outcome(id) == Outcome::Ok && touches.any(|&micro| !is_read(micro))
}
