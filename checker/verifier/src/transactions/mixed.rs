//! Checks claims about transactions that each declare a level of their own.
//!
//! The definition has two parts. The begin points and commits of all transactions have one order that explains each read at the level
//! of its transaction. And the commits follow the longest list that was read of each key, at any level.

use super::ensure;
use super::list_ranks::{ElementClaims, check_longest_lists};
use super::micros::misses_own_write;
use super::replay::{TransactionReplay, commits_of};
use super::sources::list_without_own_appends;
use super::whole_order::check_all_transactions_placed;
use crate::Mismatch;
use crate::watch::{StepCost, Watch};
use claims::{
    CaseEdge, CaseReason, IsolationLevel, MixedExecution, ReadAt, TransactionPoint, declared_levels,
};
use histories::{History, Id, KeyId, MicroKind, OpId, Outcome, ValueId};
use std::collections::HashSet;

/// Replays the points of a witness.
pub(super) fn check_mixed_execution(
    history: &History,
    MixedExecution { points, elements }: &MixedExecution,
    watch: &Watch<'_>,
) -> Result<(), Mismatch> {
    use IsolationLevel as L;
    let levels = declared_levels(history);
    let order = commits_of(points);
    check_all_transactions_placed(history, &order, watch)?;
    let unasked = find_unasked_lists(history, &levels);
    check_longest_lists(history, &order, ElementClaims::Unasked(&unasked, elements), watch)?;
    let mut replay = TransactionReplay::new(history);
    let mut past = PastVersions::default();
    for (now, &point) in (0..).zip(watch.take_while_in_time(StepCost::Follow, points.iter())) {
        match point {
            TransactionPoint::Begin(id) => {
                replay.begin(id, now);
                if levels[id.index()] == L::SnapshotIsolation {
                    replay.check_reads(id)?;
                }
            }
            TransactionPoint::Commit(id) => {
                match levels[id.index()] {
                    L::ReadUncommitted | L::SnapshotIsolation => {}
                    L::ReadCommitted => past.check_committed_reads(history, id, &replay)?,
                    _ => replay.check_reads(id)?,
                }
                replay.conflicts = levels[id.index()] == L::SnapshotIsolation;
                replay.commit_writes(id, now)?;
                past.add_versions(history, id, &replay);
            }
        }
    }
    Ok(())
}

/// The lists that transactions at `read-uncommitted` read.
pub(super) fn find_unasked_lists(history: &History, levels: &[IsolationLevel]) -> HashSet<KeyId> {
    let mut keys = HashSet::new();
    for id in history.ids() {
        if history.outcome(id) == Outcome::Ok && levels[id.index()] == IsolationLevel::ReadUncommitted {
            let micros = history.micros_of(id).iter();
            keys.extend(micros.filter(|m| m.kind == MicroKind::ReadList).map(|m| m.key));
        }
    }
    keys
}

/// All versions of all keys so far.
#[derive(Default)]
struct PastVersions {
    registers: HashSet<(KeyId, ValueId)>,
    /// The lengths of each list after a commit.
    lengths: HashSet<(KeyId, usize)>,
}

impl PastVersions {
    fn add_versions(&mut self, history: &History, id: OpId, replay: &TransactionReplay<'_>) {
        for micro in history.micros_of(id) {
            match micro.kind {
                MicroKind::Write => {
                    self.registers.insert((micro.key, replay.register(micro.key)));
                }
                MicroKind::Append => {
                    self.lengths.insert((micro.key, replay.list(micro.key).len()));
                }
                MicroKind::Read | MicroKind::ReadList => {}
            }
        }
    }

    /// Checks that each read of a transaction returned an own write, or a version that was committed before it commits.
    fn check_committed_reads(
        &self,
        history: &History,
        id: OpId,
        replay: &TransactionReplay<'_>,
    ) -> Result<(), Mismatch> {
        if history.outcome(id) != Outcome::Ok {
            return Ok(());
        }
        let micros = history.micros_of(id);
        for (place, micro) in micros.iter().enumerate() {
            let own = |kind| micros[..place].iter().any(|own| own.kind == kind && own.key == micro.key);
            let committed = match micro.kind {
                MicroKind::Write | MicroKind::Append => continue,
                // The last own write was compared already.
                MicroKind::Read if own(MicroKind::Write) => true,
                MicroKind::Read => {
                    let initial = micro.value() == ValueId::NULL;
                    (initial || self.registers.contains(&(micro.key, micro.value())))
                        && replay.list(micro.key).is_empty()
                        && !own(MicroKind::Append)
                }
                MicroKind::ReadList => {
                    let (list, seen) =
                        (replay.list(micro.key), list_without_own_appends(history, micros, place));
                    let is_version = seen.is_empty() || self.lengths.contains(&(micro.key, seen.len()));
                    // An own append directly follows the version that the read shows before it.
                    let follows = !own(MicroKind::Append) || seen.len() == list.len();
                    is_version && follows && list.starts_with(seen) && !own(MicroKind::Write)
                }
            };
            let missed = misses_own_write(history, ReadAt { transaction: id, place, key: micro.key });
            ensure(committed && !missed, || {
                format!(
                    "at its place in a witness, {id:?} cannot have read {micro:?} from a committed version"
                )
            })?;
        }
        Ok(())
    }
}

/// Whether the level that each transaction declares forbids a cycle.
pub(super) fn is_cycle_forbidden(history: &History, levels: &[IsolationLevel], cycle: &[CaseEdge]) -> bool {
    use IsolationLevel as L;
    let level = |id: OpId| levels[id.index()];
    let counts = |edge: &CaseEdge| match edge.why {
        CaseReason::Overwrote(_) => true,
        CaseReason::Read(_) => level(edge.to) != L::ReadUncommitted,
        CaseReason::Missed { place, .. } => match level(edge.from) {
            L::ReadUncommitted => false,
            L::ReadCommitted => follows_own_append(history, edge.from, place),
            _ => true,
        },
        CaseReason::Session | CaseReason::RealTime => false,
    };
    let is_missed = |edge: &CaseEdge| matches!(edge.why, CaseReason::Missed { .. });
    // A snapshot was taken before the commit: what it missed does not follow what missed its transaction.
    let joins = |one: &CaseEdge, next: &CaseEdge| {
        !(is_missed(one) && is_missed(next) && level(next.from) == L::SnapshotIsolation)
    };
    cycle.iter().all(counts)
        && cycle.iter().enumerate().all(|(at, edge)| joins(edge, &cycle[(at + 1) % cycle.len()]))
}

/// Whether a transaction appended to a list before it read it.
fn follows_own_append(history: &History, id: OpId, place: usize) -> bool {
    let micros = history.micros_of(id);
    micros[..place].iter().any(|own| own.kind == MicroKind::Append && own.key == micros[place].key)
}
