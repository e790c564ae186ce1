//! Transactions of a history as slices need them, and slices as histories.

use super::{KeyUse, ListStep, PlacedTransaction};
use histories::{Function, History, KeyId, MicroKind, NEVER, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What each transaction did to each key that it uses, with its session. Elements are the numbers of their values. O(elements).
pub fn key_uses(history: &History) -> Vec<(KeyId, KeyUse)> {
    let infos: FxHashMap<OpId, u32> =
        history.info_events().iter().map(|&(position, id)| (id, position)).collect();
    let mut uses = Vec::new();
    for op in history.operations().filter(|op| op.function == Function::TXN) {
        let completed = match op.completed {
            NEVER => infos.get(&op.id).copied(),
            position => Some(position),
        };
        let transaction = PlacedTransaction {
            invoked: history.operation_index(op.id),
            completed: completed.map(|position| history.event_index(position)),
            outcome: op.outcome,
        };
        let first = uses.len();
        for &micro in history.micros_of(op.id) {
            let step = match micro.kind {
                MicroKind::Append => Some(ListStep::Append(micro.value().raw())),
                _ if op.outcome != Outcome::Ok => None,
                MicroKind::ReadList => {
                    Some(ListStep::Read(history.list(micro.list()).iter().map(|it| it.raw()).collect()))
                }
                MicroKind::Read if micro.value() == ValueId::NULL => Some(ListStep::Read(Vec::new())),
                MicroKind::Read | MicroKind::Write => Some(ListStep::Foreign),
            };
            let known = uses[first..].iter().position(|(key, _): &(KeyId, KeyUse)| *key == micro.key);
            let at = known.map_or(uses.len(), |at| first + at);
            if at == uses.len() {
                uses.push((micro.key, KeyUse { transaction, steps: Vec::new() }));
            }
            uses[at].1.steps.extend(step);
        }
    }
    uses
}

/// Returns a slice without the elements that none of its own transactions appended. The lists of the keys for which `is_irregular`
/// stay as they are. `transactions` has the transactions of the slice and no others. O(elements).
pub fn slice_history(transactions: &History, is_irregular: impl Fn(&str) -> bool) -> History {
    let irregular: FxHashSet<KeyId> =
        transactions.keys.iter().filter(|(_, text)| is_irregular(text)).map(|(key, _)| key).collect();
    let appends = transactions.micros().iter().filter(|micro| micro.kind == MicroKind::Append);
    let own: FxHashSet<(KeyId, ValueId)> = appends.map(|micro| (micro.key, micro.value())).collect();
    transactions.filter_lists(|key, element| irregular.contains(&key) || own.contains(&(key, element)))
}
