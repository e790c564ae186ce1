//! Transactions of a history as slices need them, and slices as histories.

use super::{KeyStep, KeyUse, PlacedTransaction};
use histories::{Function, History, KeyId, Micro, MicroKind, NEVER, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What each transaction did to each list that it uses. Elements are the numbers of their values. O(elements).
pub fn list_uses(history: &History) -> Vec<(KeyId, KeyUse)> {
    key_uses(history, |micro, is_known| match micro.kind {
        MicroKind::Append => Some(KeyStep::Write(micro.value().raw())),
        _ if !is_known => None,
        MicroKind::ReadList => {
            Some(KeyStep::Read(history.list(micro.list()).iter().map(|it| it.raw()).collect()))
        }
        MicroKind::Read if micro.value() == ValueId::NULL => Some(KeyStep::Read(Vec::new())),
        MicroKind::Read | MicroKind::Write => Some(KeyStep::Foreign),
    })
}

/// What each transaction did to each register that it uses. Values are known by their numbers. O(steps).
pub fn register_uses(history: &History) -> Vec<(KeyId, KeyUse)> {
    key_uses(history, |micro, is_known| match micro.kind {
        // Nobody can tell a written `null` from the initial value.
        MicroKind::Write if micro.value() != ValueId::NULL => Some(KeyStep::Write(micro.value().raw())),
        MicroKind::Write | MicroKind::Append => Some(KeyStep::Foreign),
        _ if !is_known => None,
        MicroKind::Read if micro.value() == ValueId::NULL => Some(KeyStep::Read(Vec::new())),
        MicroKind::Read => Some(KeyStep::Read(vec![micro.value().raw()])),
        MicroKind::ReadList => Some(KeyStep::Foreign),
    })
}

/// `step_of` gets a step, and whether the results of its transaction are known.
fn key_uses(history: &History, step_of: impl Fn(&Micro, bool) -> Option<KeyStep>) -> Vec<(KeyId, KeyUse)> {
    let mut uses = Vec::new();
    for (id, transaction) in place_transactions(history) {
        let first = uses.len();
        for micro in history.micros_of(id) {
            let step = step_of(micro, transaction.outcome == Outcome::Ok);
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

/// All transactions of a history.
pub(super) fn place_transactions(history: &History) -> impl Iterator<Item = (OpId, PlacedTransaction)> {
    let infos: FxHashMap<OpId, u32> =
        history.info_events().iter().map(|&(position, id)| (id, position)).collect();
    history.ids().filter(|&id| history.function(id) == Function::TXN).map(move |id| {
        let completed = match history.completed(id) {
            NEVER => infos.get(&id).copied(),
            position => Some(position),
        };
        let completed = completed.map(|position| history.event_index(position));
        let (invoked, outcome) = (history.operation_index(id), history.outcome(id));
        (id, PlacedTransaction { invoked, completed, outcome })
    })
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
        true => transactions
            .filter_transactions(|_, micro| parts[&micro.key] != KeyPart::None)
            .filter_lists(keeps_element),
    }
}
