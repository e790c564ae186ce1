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

/// How a slice has a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyPart {
    /// The key is regular. Lists have only the elements that the slice appended.
    Own,
    /// The key is irregular, and all transactions that use it are in this slice. Its lists are complete.
    Whole,
    /// The key is irregular and belongs to another slice. What witnesses did to it is left out.
    None,
}

/// Turns the transactions of a slice, with their lists as they were read, into the history of the slice. O(elements).
pub fn slice_history(transactions: &History, part_of: impl Fn(&str) -> KeyPart) -> History {
    let parts: FxHashMap<KeyId, KeyPart> =
        transactions.keys.iter().map(|(key, text)| (key, part_of(text))).collect();
    let appends = transactions.micros().iter().filter(|micro| micro.kind == MicroKind::Append);
    let own: FxHashSet<(KeyId, ValueId)> = appends.map(|micro| (micro.key, micro.value())).collect();
    let keeps_element = |key: KeyId, element| parts[&key] != KeyPart::Own || own.contains(&(key, element));
    match parts.values().any(|part| *part == KeyPart::None) {
        false => transactions.filter_lists(keeps_element),
        true => {
            transactions.filter_transactions(|key| parts[&key] != KeyPart::None).filter_lists(keeps_element)
        }
    }
}
