//! Checks that an order of transactions has the writes of each register in the order that the store and the user tell.
//!
//! All pairs of writes of a register would be too many. So for each way to tell an order, the writes are sorted by it, and each is
//! compared with its neighbours: version numbers must not fall along the order, and no write may have ended before one was invoked that
//! stands before it (of the same session, or of any).

use super::ensure;
use super::replay::commits_of;
use crate::Mismatch;
use claims::{Assume, TransactionAction, TransactionWitness};
use histories::{History, KeyId, MicroKind, NEVER, OpId};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check_follows_told_order(
    history: &History,
    assume: Assume,
    witness: &TransactionWitness,
) -> Result<(), Mismatch> {
    let has_versions = history.ids().any(|id| history.version(id).is_some());
    if !has_versions && assume == Assume::default() {
        return Ok(());
    }
    for (key, writers) in writers_in_order(history, &order_of(witness)) {
        let told = falls(writers.iter().filter_map(|&id| history.version(id)))
            || (assume.linearizable_keys && is_overtaken(history, &writers))
            || (assume.sequential_keys && {
                let mut sessions: BTreeMap<_, Vec<OpId>> = BTreeMap::new();
                for &id in &writers {
                    sessions.entry(history.session(id)).or_default().push(id);
                }
                sessions.values().any(|of_one| is_overtaken(history, of_one))
            });
        ensure(!told, || {
            format!("a witness has writes of {} in another order than is told", history.keys.text(key))
        })?;
    }
    Ok(())
}

/// The transactions of a witness in the order in which they commit.
fn order_of(witness: &TransactionWitness) -> Vec<OpId> {
    use TransactionWitness as W;
    match witness {
        W::Serial(_, order) | W::Versions(_, _, order) | W::CommitOrder(_, order) => order.to_vec(),
        W::Execution(_, execution) => execution.order.clone(),
        W::Snapshots(_, points) | W::Prefixes(points) => commits_of(points),
        W::Mixed(execution) => commits_of(&execution.points),
        W::Actions(actions) => {
            let mut order = Vec::new();
            for action in actions.iter() {
                if let TransactionAction::Commit(id) = action {
                    order.push(*id);
                }
            }
            order
        }
    }
}

/// The writers of each register in this order. Keys to which somebody appends are lists, which show their order themselves.
fn writers_in_order(history: &History, order: &[OpId]) -> BTreeMap<KeyId, Vec<OpId>> {
    let mut lists = BTreeSet::new();
    for micro in history.ids().flat_map(|id| history.micros_of(id)) {
        if micro.kind == MicroKind::Append {
            lists.insert(micro.key);
        }
    }
    let mut writers: BTreeMap<KeyId, Vec<OpId>> = BTreeMap::new();
    for &id in order {
        for micro in history.micros_of(id) {
            if micro.kind == MicroKind::Write && !lists.contains(&micro.key) {
                let of_key = writers.entry(micro.key).or_default();
                if of_key.last() != Some(&id) {
                    of_key.push(id);
                }
            }
        }
    }
    writers
}

fn falls(mut versions: impl Iterator<Item = i64>) -> bool {
    let Some(mut last) = versions.next() else { return false };
    versions.any(|version| std::mem::replace(&mut last, version) > version)
}

/// Whether some write ended before a write began that stands before it.
fn is_overtaken(history: &History, writers: &[OpId]) -> bool {
    let mut begun = 0;
    writers.iter().any(|&id| {
        let op = history.operation(id);
        let overtaken = op.completed != NEVER && op.completed < begun;
        begun = begun.max(op.invoked);
        overtaken
    })
}
