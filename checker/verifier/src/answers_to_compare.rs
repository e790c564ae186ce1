//! Whether a history has the answers that a condition compares with one another.

use super::watch::{StepCost, Watch};
use claims::Invariant;
use histories::{Function, History, KeyId, MicroKind, OpId, Operation, Outcome};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Whether some answers would contradict an invariant, as far as it compares answers with each other.
pub(crate) fn has_answers_to_compare(history: &History, invariant: Invariant, watch: &Watch<'_>) -> bool {
    let answered = |function: Function| {
        let is_it = move |op: &Operation| op.outcome == Outcome::Ok && op.function == function;
        history.operations().filter(is_it)
    };
    match invariant {
        Invariant::UniqueIds => {
            let mut counts: HashMap<u32, u32> = HashMap::new();
            answered(Function::GENERATE).for_each(|op| *counts.entry(op.key.raw()).or_default() += 1);
            counts.into_values().any(|count| count > 1)
        }
        Invariant::LongFork => has_reads_of_two_common_keys(history, watch),
        Invariant::Monotonic => {
            let reads = answered(Function::READ).map(|op| ((op.key.raw(), op.session.raw()), op));
            is_one_after_another(reads)
        }
        Invariant::CausalReverse => could_show_a_later_write_alone(history),
        _ => true,
    }
}

/// Whether some group has an operation that began after another one was over.
fn is_one_after_another<K: Ord>(operations: impl Iterator<Item = (K, Operation)>) -> bool {
    let mut groups: BTreeMap<K, (u32, u32)> = BTreeMap::new();
    for (group, op) in operations {
        let (over, began) = groups.entry(group).or_insert((op.completed, op.invoked));
        (*over, *began) = ((*over).min(op.completed), (*began).max(op.invoked));
    }
    groups.into_values().any(|(over, began)| over < began)
}

fn has_reads_of_two_common_keys(history: &History, watch: &Watch<'_>) -> bool {
    let mut seen: BTreeMap<(KeyId, KeyId, KeyId), OpId> = BTreeMap::new();
    let reads = history
        .operations()
        .filter(|op| op.outcome == Outcome::Ok && matches!(op.function, Function::READ | Function::TXN));
    for op in watch.take_while_in_time(StepCost::Follow, reads) {
        let mut written: BTreeSet<KeyId> = BTreeSet::new();
        let mut keys: BTreeSet<KeyId> = BTreeSet::new();
        for micro in history.micros_of(op.id) {
            match micro.kind {
                MicroKind::Write | MicroKind::Append => _ = written.insert(micro.key),
                MicroKind::Read | MicroKind::ReadList if !written.contains(&micro.key) => {
                    keys.insert(micro.key);
                }
                MicroKind::Read | MicroKind::ReadList => {}
            }
        }
        for &x in &keys {
            for &y in keys.range(x..).skip(1) {
                if *seen.entry((op.key, x, y)).or_insert(op.id) != op.id {
                    return true;
                }
            }
        }
    }
    false
}

/// Whether a read of an object may have seen a write, and an earlier one was over before that began.
fn could_show_a_later_write_alone(history: &History) -> bool {
    let mut objects: BTreeMap<KeyId, [Vec<Operation>; 2]> = BTreeMap::new();
    for op in history.operations().filter(|op| op.outcome != Outcome::Fail) {
        let writes = matches!(op.function, Function::WRITE | Function::ADD)
            || history.function_name(op.function) == "insert";
        let reads = op.function == Function::READ && op.outcome == Outcome::Ok;
        if writes || reads {
            objects.entry(op.key).or_default()[usize::from(reads)].push(op);
        }
    }
    objects.into_values().any(|[writes, reads]| {
        let last_read = reads.iter().map(|read| read.completed).max().unwrap_or(0);
        let in_turn = writes.iter().filter(|op| op.outcome == Outcome::Ok).map(|op| op.completed).min();
        writes.iter().any(|op| in_turn.is_some_and(|over| over < op.invoked) && op.invoked < last_read)
    })
}

/// Whether two answers of a session carry clocks, one after the other.
pub(crate) fn has_two_clocks_in_turn(history: &History) -> bool {
    let told = history.operations().filter(|op| op.outcome == Outcome::Ok);
    let told = told.filter(|op| history.note_number(op.completed, "clock").is_some());
    is_one_after_another(told.map(|op| (op.session.raw(), op)))
}
