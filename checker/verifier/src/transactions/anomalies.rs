//! Checks evidence about single reads and updates against the history.

use super::micros::{is_read, misses_own_write, places_of_write, values_of_micro, values_of_read};
use super::sources::list_without_own_appends;
use super::{asks_of_reads, cases, cycle, ensure, lemmas};
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{Assume, IsolationLevel, Phenomenon, ReadAt, TransactionEvidence, VersionEvidence, VersionStep};
use histories::{History, Id, KeyId, MicroKind, OpId, Outcome, ValueId};
use std::collections::HashSet;

/// Checks one example of a phenomenon. The result is meaningless if the watch ran out of time.
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
            says(is_only_writer(history, watch, *writer, at.key, *value))?;
            says(history.outcome(*writer) == Outcome::Fail)
        }
        (Phenomenon::G1b, TransactionEvidence::IntermediateRead { read: at, value, writer }) => {
            says(values_of_read(history, *at)?.last() == Some(value) && *writer != at.transaction)?;
            says(is_only_writer(history, watch, *writer, at.key, *value))?;
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
        (Phenomenon::Impossible(IsolationLevel::Mixed), TransactionEvidence::Internal { read: at, .. }) => {
            says(is_judged_at_mixed_levels(history, at.transaction) && misses_own_write(history, *at))
        }
        (Phenomenon::FutureRead, TransactionEvidence::FutureRead { read: at, value, write }) => {
            says(values_of_read(history, *at)?.contains(value))?;
            let mut own = places_of_write(history, at.transaction, at.key, *value);
            // An earlier write of the same value explains the read.
            says(own.next().is_some_and(|first| first > at.place))?;
            says(places_of_write(history, at.transaction, at.key, *value).any(|place| place == *write))?;
            let mut others =
                watch.take_while_in_time(StepCost::Look, history.ids()).filter(|&id| id != at.transaction);
            says(others.all(|id| wrote(id, at.key, *value).is_none()))
        }
        (Phenomenon::LostUpdate, TransactionEvidence::LostUpdate { key, version, transactions }) => {
            // A transaction that is named twice made one update only.
            let distinct: HashSet<&OpId> = transactions.iter().collect();
            says(distinct.len() > 1 && distinct.len() == transactions.len())?;
            transactions.iter().try_for_each(|&id| says(updates_version(history, id, *key, *version)))?;
            says(is_one_version(history, watch, *key, *version, transactions))
        }
        (Phenomenon::CyclicVersions, TransactionEvidence::CyclicVersions { key, steps }) => {
            let follows = |(earlier, later, order)| {
                cycle::is_register_order_known(history, watch, assume, *key, earlier, later, order)
            };
            says(is_version_cycle(steps, follows))
        }
        _ => says(is_shown_by_lists(history, watch, phenomenon, evidence)?),
    }
}

/// Whether a transaction declares a level that asks anything of its reads.
fn is_judged_at_mixed_levels(history: &History, id: OpId) -> bool {
    claims::declared_levels(history)[id.index()] != IsolationLevel::ReadUncommitted
}

fn is_list_read(history: &History, at: &ReadAt) -> bool {
    history.micros_of(at.transaction)[at.place].kind == MicroKind::ReadList
}

/// Whether lists that were read show a phenomenon.
fn is_shown_by_lists(
    history: &History,
    watch: &Watch<'_>,
    phenomenon: Phenomenon,
    evidence: &TransactionEvidence,
) -> Result<bool, Mismatch> {
    let first_place = |list: &[ValueId], value: ValueId| list.iter().position(|&each| each == value);
    let wrote = |id: OpId, key, value| places_of_write(history, id, key, value).next();
    Ok(match (phenomenon, evidence) {
        (Phenomenon::DirtyUpdate, TransactionEvidence::DirtyUpdate { read: at, aborted, committed }) => {
            let list = values_of_read(history, *at)?;
            let (dirty, clean) = (first_place(&list, aborted.1), first_place(&list, committed.1));
            dirty.is_some()
                && dirty < clean
                && is_only_writer(history, watch, aborted.0, at.key, aborted.1)
                && is_only_writer(history, watch, committed.0, at.key, committed.1)
                && history.outcome(aborted.0) == Outcome::Fail
                && history.outcome(committed.0) == Outcome::Ok
        }
        (Phenomenon::DuplicateElements, TransactionEvidence::DuplicateElement { read: at, value }) => {
            let shown = values_of_read(history, *at)?.iter().filter(|&each| each == value).count();
            let appends = |id| places_of_write(history, id, at.key, *value).count();
            shown > watch.take_while_in_time(StepCost::Look, history.ids()).map(appends).sum::<usize>().max(1)
        }
        (
            Phenomenon::IncompatibleOrder,
            TransactionEvidence::IncompatibleOrder { one, other }
            | TransactionEvidence::IncompatibleOwnAppends { one, other },
        ) => {
            let (a, b) = (values_of_read(history, *one)?, values_of_read(history, *other)?);
            let are_lists = [one, other].iter().all(|at| is_list_read(history, at));
            are_lists && one.key == other.key && !a.starts_with(&b) && !b.starts_with(&a)
        }
        // Own appends directly follow the version that was read, so that they count. For levels that are defined by what is seen they are
        // left out: a view says nothing of their place among those of others.
        (
            Phenomenon::Impossible(IsolationLevel::Mixed),
            TransactionEvidence::IncompatibleOrder { one, other },
        ) => {
            let (a, b) = (values_of_read(history, *one)?, values_of_read(history, *other)?);
            let counts = |at: &ReadAt| {
                is_judged_at_mixed_levels(history, at.transaction) && !misses_own_write(history, *at)
            };
            let lists = [one, other].iter().all(|at| counts(at) && is_list_read(history, at));
            lists && one.key == other.key && !a.starts_with(&b) && !b.starts_with(&a)
        }
        (Phenomenon::Impossible(level), TransactionEvidence::IncompatibleOrder { one, other }) => {
            let (mut a, mut b) = (values_of_read(history, *one)?, values_of_read(history, *other)?);
            for (list, at) in [(&mut a, one), (&mut b, other)] {
                let micros = history.micros_of(at.transaction);
                if micros[at.place].kind != MicroKind::ReadList || misses_own_write(history, *at) {
                    return Ok(false);
                }
                if level.is_defined_by_visibility() {
                    list.truncate(list_without_own_appends(history, micros, at.place).len());
                }
            }
            asks_of_reads(level) && one.key == other.key && !a.starts_with(&b) && !b.starts_with(&a)
        }
        (
            Phenomenon::IncompatibleOrder,
            TransactionEvidence::AppendsOutOfOrder { read: at, writer, earlier, later },
        ) => {
            let list = values_of_read(history, *at)?;
            let (first, second) = (first_place(&list, *earlier), first_place(&list, *later));
            let (written, rewritten) = (wrote(*writer, at.key, *earlier), wrote(*writer, at.key, *later));
            let only = |value: ValueId| is_only_writer(history, watch, *writer, at.key, value);
            written < rewritten
                && only(*earlier)
                && only(*later)
                && second.is_some()
                && first.is_none_or(|first| Some(first) > second)
        }
        _ => false,
    })
}

/// Whether this transaction wrote the value to the key and no other did, not even one that failed. If several did, a read of the
/// value does not tell whose write it returned.
fn is_only_writer(history: &History, watch: &Watch<'_>, writer: OpId, key: KeyId, value: ValueId) -> bool {
    let wrote = |id: OpId| places_of_write(history, id, key, value).next().is_some();
    let mut all = watch.take_while_in_time(StepCost::Look, history.ids());
    wrote(writer) && all.all(|id| id == writer || !wrote(id))
}

/// Whether these transactions, whose first access to the key read this value, all read the same version. Several transactions may
/// have written the value. Lists are the same version if they are equal.
fn is_one_version(
    history: &History,
    watch: &Watch<'_>,
    key: KeyId,
    version: Option<ValueId>,
    transactions: &[OpId],
) -> bool {
    let wrote = |id: &OpId, value| places_of_write(history, *id, key, value).next().is_some();
    let first_read = |id: OpId| {
        let mut micros = history.micros_of(id).iter().filter(|micro| micro.key == key);
        micros.next().map(|&micro| (micro.kind, values_of_micro(history, micro)))
    };
    let reads: Vec<_> = transactions.iter().map(|&id| first_read(id)).collect();
    let is_list = matches!(reads.first(), Some(Some((MicroKind::ReadList, _))));
    // The initial value is null, which a transaction may have written too.
    let value = version.unwrap_or(ValueId::NULL);
    let all = watch.take_while_in_time(StepCost::Look, history.ids());
    let one_writer = || all.filter(|id| wrote(id, value)).count() <= usize::from(version.is_some());
    one_writer() || (is_list && reads.windows(2).all(|pair| pair[0] == pair[1]))
}

/// Whether each version must precede the next for a valid reason, and the last must precede the first.
fn is_version_cycle(
    steps: &[VersionStep],
    follows: impl Fn((ValueId, ValueId, VersionEvidence)) -> bool,
) -> bool {
    let closes = |at: usize, step: &VersionStep| step.later == steps[(at + 1) % steps.len()].earlier;
    let holds = |step: &VersionStep| match (step.earlier, step.later) {
        // A transaction that writes what it read writes another version, which its value does not name.
        (Some(earlier), Some(later)) if earlier != later => follows((earlier, later, step.order)),
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
fn agrees_with_known(history: &History, at: ReadAt, because: &[usize], seen: &[ValueId]) -> bool {
    let micros = history.micros_of(at.transaction);
    let mut known: Option<Vec<ValueId>> = None;
    let mut appended = Vec::new();
    for &place in because {
        let micro = micros[place];
        let whole = match micro.kind {
            MicroKind::Append => {
                appended.push(micro.value());
                continue;
            }
            MicroKind::Write => vec![micro.value()],
            MicroKind::Read | MicroKind::ReadList => values_of_micro(history, micro),
        };
        // It has what was appended before.
        known = Some(whole);
        appended.clear();
    }
    match known {
        Some(mut known) => {
            known.extend(appended);
            known == seen
        }
        None => seen.ends_with(&appended),
    }
}

/// Whether a transaction read this version of a key before it wrote the key.
fn updates_version(history: &History, id: OpId, key: KeyId, version: Option<ValueId>) -> bool {
    let mut touches = history.micros_of(id).iter().filter(|micro| micro.key == key);
    let read_it = touches
        .next()
        .is_some_and(|&first| is_read(first) && values_of_micro(history, first).last().copied() == version);
    read_it && history.outcome(id) == Outcome::Ok && touches.any(|&micro| !is_read(micro))
}
