//! What a history must have for an invariant to be contradicted by any answers at all.
//!
//! An invariant that compares answers needs two that it compares. Without them it holds whatever the store does, and is *untested*.

use super::values;
use claims::Invariant;
use histories::{Function, History, KeyId, Operation, Outcome};
use rustc_hash::{FxHashMap, FxHashSet};

/// How many pairs of keys are remembered in search for one that two reads have in common. Reads with more are taken to have one.
const PAIRS_MAX: usize = 1 << 20;

/// Why no answers could have contradicted an invariant, if so. O(n), and for long forks the pairs of keys of each read until two reads have
/// one in common.
pub(crate) fn explain_lack_of_answers(history: &History, invariant: Invariant) -> Option<&'static str> {
    let (is_tested, why) = match invariant {
        Invariant::UniqueIds => (has_two_ids(history), "fewer than two ids were generated"),
        Invariant::LongFork => (has_comparable_reads(history), "no two reads have two keys in common"),
        Invariant::Monotonic => {
            (has_successive_reads(history), "no session has two reads of an object, one after the other")
        }
        Invariant::CausalReverse => (
            has_read_after_ordered_writes(history),
            "no read could have shown a write that began after another one had been acknowledged",
        ),
        _ => return None,
    };
    (!is_tested).then_some(why)
}

fn acknowledged(history: &History, functions: &[Function]) -> impl Iterator<Item = Operation> {
    history.operations().filter(|op| op.outcome == Outcome::Ok && functions.contains(&op.function))
}

fn has_two_ids(history: &History) -> bool {
    let mut seen: FxHashSet<KeyId> = FxHashSet::default();
    acknowledged(history, &[Function::GENERATE]).any(|op| !seen.insert(op.key))
}

fn has_comparable_reads(history: &History) -> bool {
    let mut names: FxHashMap<(KeyId, String), u32> = FxHashMap::default();
    let mut pairs: FxHashSet<(u32, u32)> = FxHashSet::default();
    for op in acknowledged(history, &[Function::READ, Function::TXN]) {
        let Some(snapshot) = values::read_snapshot(history, op.id) else { continue };
        let number = |(name, _): (String, bool)| {
            let next = names.len() as u32;
            *names.entry((op.key, name)).or_insert(next)
        };
        let mut keys: Vec<u32> = snapshot.into_iter().map(number).collect();
        keys.sort_unstable();
        keys.dedup();
        if pairs.len() + keys.len() * keys.len() / 2 > PAIRS_MAX {
            return true;
        }
        let each = keys.iter().enumerate();
        let own: Vec<(u32, u32)> =
            each.flat_map(|(at, &x)| keys[at + 1..].iter().map(move |&y| (x, y))).collect();
        if own.iter().any(|pair| pairs.contains(pair)) {
            return true;
        }
        pairs.extend(own);
    }
    false
}

fn has_successive_reads(history: &History) -> bool {
    let reads = || acknowledged(history, &[Function::READ]);
    let mut first = FxHashMap::default();
    for op in reads() {
        let completed = first.entry((op.key, op.session)).or_insert(op.completed);
        *completed = op.completed.min(*completed);
    }
    reads().any(|op| first[&(op.key, op.session)] < op.invoked)
}

fn has_read_after_ordered_writes(history: &History) -> bool {
    let writes = || {
        history.operations().filter(|op| {
            matches!(op.function, Function::WRITE | Function::ADD)
                || history.function_name(op.function) == "insert"
        })
    };
    // By object: when the first write was acknowledged, and when the first one began after that.
    let mut first: FxHashMap<KeyId, u32> = FxHashMap::default();
    for op in writes().filter(|op| op.outcome == Outcome::Ok) {
        let completed = first.entry(op.key).or_insert(op.completed);
        *completed = op.completed.min(*completed);
    }
    let mut second: FxHashMap<KeyId, u32> = FxHashMap::default();
    let follows = |op: &Operation| first.get(&op.key).is_some_and(|&first| first < op.invoked);
    for op in writes().filter(|op| op.outcome != Outcome::Fail).filter(follows) {
        let invoked = second.entry(op.key).or_insert(op.invoked);
        *invoked = op.invoked.min(*invoked);
    }
    acknowledged(history, &[Function::READ])
        .any(|op| second.get(&op.key).is_some_and(|&second| second < op.completed))
}
