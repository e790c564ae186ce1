//! Replays witnesses of isolation levels.

use super::micros::{is_read, misses_own_write, places_of_write};
use super::replay::{TransactionReplay, commits_of};
use super::whole_order::{check_all_transactions_placed, check_extends_order};
use super::writers::{KeyWriters, WriteRecord};
use super::{commit_order, ensure, execution, mixed, reads_own_appends};
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{
    Axiom, CycleFamily, IsolationLevel, IsolationSet, OrderExtent, Proviso, ReadAt, TransactionAction,
    TransactionPoint, TransactionWitness,
};
use histories::{History, Id, KeyId, Micro, MicroKind, OpId, Outcome, ValueId};
use rayon::prelude::*;
use rustc_hash::FxHashSet;

/// Checks that a witness of this form proves the level.
pub(super) fn check_witness_proves_level(
    history: &History,
    witness: &TransactionWitness,
    level: IsolationLevel,
) -> Result<(), Mismatch> {
    use IsolationLevel::*;
    let execution = |level| match level {
        // These levels permit the same observations.
        ConsistentView | ForwardConsistentView | ParallelSnapshotIsolation => {
            vec![ForwardConsistentView, ParallelSnapshotIsolation]
        }
        other => vec![other],
    };
    let strongest = match witness {
        TransactionWitness::Serial(extent, _) => {
            level_at_extent(*extent, [Serializable, SessionSerializable, StrictSerializable])
        }
        TransactionWitness::Snapshots(extent, _) => level_at_extent(
            *extent,
            [SnapshotIsolation, StrongSessionSnapshotIsolation, StrongSnapshotIsolation],
        ),
        TransactionWitness::Versions(extent, CycleFamily::G0, _) => {
            level_at_extent(*extent, [ReadUncommitted, StrongSessionReadUncommitted, StrongReadUncommitted])
        }
        TransactionWitness::Versions(extent, ..) => {
            level_at_extent(*extent, [ReadCommitted, StrongSessionReadCommitted, StrongReadCommitted])
        }
        TransactionWitness::CommitOrder(Axiom::MonotonicAtomicView, _) => vec![MonotonicAtomicView],
        TransactionWitness::CommitOrder(Axiom::ReadAtomic, _) => vec![ReadAtomic],
        TransactionWitness::CommitOrder(Axiom::Causal, _) => vec![Causal],
        TransactionWitness::Prefixes(_) => vec![Prefix],
        TransactionWitness::Mixed(_) => vec![Mixed],
        TransactionWitness::Actions(_) => vec![MonotonicSnapshotRead],
        TransactionWitness::Execution(level, _) => execution(*level),
    };
    let made_up = matches!(
        witness,
        TransactionWitness::Serial(OrderExtent::RealTime, _)
            | TransactionWitness::Snapshots(OrderExtent::RealTime, _)
            | TransactionWitness::Versions(OrderExtent::RealTime, ..)
    );
    ensure(history.has_real_time() || !made_up, || {
        "the history has no real time to prove an order by".into()
    })?;
    // A reader's own appends in a list do not show the version order. Such a witness proves no level that needs this order.
    let by_view = matches!(witness, TransactionWitness::Execution(..) | TransactionWitness::Prefixes(_))
        && strongest.iter().any(|level| level.is_defined_by_visibility())
        && reads_own_appends(history);
    let covered = strongest.into_iter().collect::<IsolationSet>().and_weaker(Proviso::None);
    let covered =
        covered.iter().filter(|level| !by_view || level.is_defined_by_visibility()).collect::<IsolationSet>();
    ensure(covered.contains(level), || format!("a witness of this form does not prove {}", level.name()))
}

fn level_at_extent(extent: OrderExtent, levels: [IsolationLevel; 3]) -> Vec<IsolationLevel> {
    vec![levels[extent as usize]]
}

/// Checks a witness. The result is meaningless if the watch ran out of time.
pub(super) fn verify_witness(
    history: &History,
    witness: &TransactionWitness,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    match witness {
        TransactionWitness::Serial(extent, order) => {
            let points =
                order.iter().flat_map(|&id| [TransactionPoint::Begin(id), TransactionPoint::Commit(id)]);
            TransactionReplay::new(history)
                .replay_points(watch.take_while_in_time(StepCost::Follow, points))?;
            check_all_transactions_placed(history, order, watch)?;
            check_extends_order(
                history,
                *extent,
                order.iter().flat_map(|&id| [TransactionPoint::Begin(id), TransactionPoint::Commit(id)]),
                watch,
            )
        }
        TransactionWitness::Snapshots(extent, points) => {
            TransactionReplay::new(history)
                .replay_points(watch.take_while_in_time(StepCost::Follow, points.iter().copied()))?;
            check_all_transactions_placed(history, &commits_of(points), watch)?;
            check_extends_order(history, *extent, points.iter().copied(), watch)
        }
        TransactionWitness::Versions(extent, family, order) => {
            check_all_transactions_placed(history, order, watch)?;
            check_versions(
                history,
                order,
                *family != CycleFamily::G0,
                &KeyWriters::from_history(history, watch)?,
                watch,
            )?;
            check_extends_order(
                history,
                *extent,
                order.iter().flat_map(|&id| [TransactionPoint::Begin(id), TransactionPoint::Commit(id)]),
                watch,
            )
        }
        TransactionWitness::CommitOrder(axiom, order) => {
            let writers = KeyWriters::from_history(history, watch)?;
            check_all_transactions_placed(history, order, watch)?;
            check_versions(history, order, true, &writers, watch)?;
            check_extends_order(
                history,
                OrderExtent::Session,
                order.iter().flat_map(|&id| [TransactionPoint::Begin(id), TransactionPoint::Commit(id)]),
                watch,
            )?;
            commit_order::check_commit_order(history, *axiom, order, &writers, watch)
        }
        TransactionWitness::Prefixes(points) => {
            let mut replay = TransactionReplay::new(history);
            replay.conflicts = false;
            replay.replay_points(watch.take_while_in_time(StepCost::Follow, points.iter().copied()))?;
            check_all_transactions_placed(history, &commits_of(points), watch)
        }
        TransactionWitness::Mixed(execution) => mixed::check_mixed_execution(history, execution, watch),
        TransactionWitness::Actions(actions) => {
            let mut replay = TransactionReplay::new(history);
            replay.replay_actions(watch.take_while_in_time(StepCost::Follow, actions.iter().copied()))?;
            let commits = actions.iter().filter_map(|action| match action {
                TransactionAction::Commit(id) => Some(*id),
                TransactionAction::Act(..) => None,
            });
            check_all_transactions_placed(history, &commits.collect::<Vec<_>>(), watch)
        }
        TransactionWitness::Execution(level, execution) => {
            execution::check_execution(history, *level, execution, watch)
        }
    }
}

/// Checks that the versions of each list are written in this order. If `reads`, also checks that no transaction reads
/// from a later transaction, from a failed one, or from a write that its own transaction overwrote.
fn check_versions(
    history: &History,
    order: &[OpId],
    reads: bool,
    writers: &KeyWriters,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    let mut place = vec![u32::MAX; history.len()];
    for (at, id) in order.iter().enumerate() {
        place[id.index()] = at as u32;
    }
    let longest: Vec<LongestLists<'_>> = order
        .par_chunks(order.len().div_ceil(rayon::current_num_threads()).max(1 << 12))
        .map(|part| {
            check_part_of_versions(history, part, reads.then_some((writers, place.as_slice())), watch)
        })
        .collect::<Result<_, _>>()?;
    let mut shown: Vec<&[ValueId]> = vec![&[]; history.keys.len()];
    for (key, list) in longest.into_iter().flatten() {
        if list.len() > shown[key.index()].len() {
            shown[key.index()] = list;
        }
    }
    if shown.iter().any(|list| !list.is_empty()) {
        check_list_order(history, &shown, writers, (&place, reads), watch)?;
    }
    Ok(())
}

/// The longest lists that were read of some keys. If a key occurs twice, the later list is longer.
type LongestLists<'h> = Vec<(KeyId, &'h [ValueId])>;

/// Finds the longest lists that some transactions read. If places are given, also checks that the transactions read
/// from earlier ones.
fn check_part_of_versions<'h>(
    history: &'h History,
    part: &[OpId],
    reads: Option<(&KeyWriters, &[u32])>,
    watch: &Watch<'_>,
) -> Result<LongestLists<'h>, Mismatch> {
    let mut longest: LongestLists<'h> = Vec::new();
    let mut length: Vec<usize> = Vec::new();
    let completed = part.iter().filter(|&&id| history.outcome(id) == Outcome::Ok);
    for &id in watch.take_while_in_time(StepCost::Follow, completed) {
        for (at, micro) in history.micros_of(id).iter().enumerate() {
            let value = match micro.kind {
                MicroKind::ReadList => {
                    let list = history.list(micro.list());
                    if length.is_empty() {
                        length.resize(history.keys.len(), 0);
                    }
                    if list.len() > length[micro.key.index()] {
                        length[micro.key.index()] = list.len();
                        longest.push((micro.key, list));
                    }
                    list.last().copied()
                }
                MicroKind::Read if micro.value() != ValueId::NULL => Some(micro.value()),
                _ => None,
            };
            let missed = || misses_own_write(history, ReadAt { transaction: id, place: at, key: micro.key });
            ensure(reads.is_none() || !is_read(*micro) || !missed(), || {
                format!("{id:?} reads something else than it wrote before")
            })?;
            if let (Some(value), Some((writers, place))) = (value, reads) {
                let Some(WriteRecord { by, last }) = writers.find_write(micro.key, value) else {
                    return Err(Mismatch(format!("{id:?} reads a value that no transaction wrote")));
                };
                let own = || written_before(history.micros_of(id), at, value);
                let right = (by == id && own()) || (last && place[by.index()] < place[id.index()]);
                ensure(right, || {
                    format!("in a witness, {id:?} reads from {by:?}, which has not committed this value yet")
                })?;
            }
        }
    }
    Ok(longest)
}

/// Whether a transaction wrote a value before one of its reads of the same key.
fn written_before(micros: &[Micro], read: usize, value: ValueId) -> bool {
    let wrote = |micro: &&Micro| matches!(micro.kind, MicroKind::Append | MicroKind::Write);
    let mut own = micros[..read].iter().filter(|micro| micro.key == micros[read].key).filter(wrote);
    own.any(|micro| micro.value() == value)
}

/// Checks that the elements of the longest list of each key were written in this order, and before all elements that it
/// does not contain. If dirty reads are permitted, the writers of some elements need not have committed.
fn check_list_order(
    history: &History,
    shown: &[&[ValueId]],
    writers: &KeyWriters,
    (place, committed): (&[u32], bool),
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    let mut last: Vec<Option<u32>> = vec![None; shown.len()];
    let place_of_append =
        |id: OpId, key: usize, value: ValueId| places_of_write(history, id, KeyId::new(key), value).next();
    let mut listed: FxHashSet<(KeyId, ValueId)> = FxHashSet::default();
    for (key, list) in shown.iter().enumerate() {
        let mut before: Option<(OpId, Option<usize>)> = None;
        for &value in watch.take_while_in_time(StepCost::Follow, list.iter()) {
            listed.insert((KeyId::new(key), value));
            let Some(WriteRecord { by, .. }) = writers.find_write(KeyId::new(key), value) else { continue };
            if history.outcome(by) == Outcome::Fail {
                continue;
            }
            let place = place[by.index()];
            if !committed && place == u32::MAX && history.outcome(by) == Outcome::Info {
                continue;
            }
            ensure(last[key] <= Some(place), || {
                format!("in a witness, {by:?} comes too early for the place of its element in a list")
            })?;
            last[key] = Some(place);
            let appended = place_of_append(by, key, value);
            ensure(before.is_none_or(|(id, earlier)| id != by || earlier < appended), || {
                format!("a list shows what {by:?} appended in another order")
            })?;
            before = Some((by, appended));
        }
    }
    let placed = history.ids().filter(|id| place[id.index()] != u32::MAX);
    for id in watch.take_while_in_time(StepCost::Follow, placed) {
        for micro in history.micros_of(id).iter().filter(|micro| micro.kind == MicroKind::Append) {
            let early = last[micro.key.index()] > Some(place[id.index()]);
            ensure(!early || listed.contains(&(micro.key, micro.value())), || {
                format!(
                    "in a witness, an append of {id:?} that no read shows comes before one that a read shows"
                )
            })?;
        }
    }
    Ok(())
}
