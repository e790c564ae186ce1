//! Causal reversal: a write is seen, and one that had been acknowledged before it even began is not.
//!
//! Jepsen's `causal-reverse` inserts distinct values blindly and reads all that is there. Serializability allows a read to
//! see the second of two writes without the first, even if the first was over before the second began; strict
//! serializability does not, and neither does any store that keeps real-time order between writes. Values are written
//! once; a value that was written more than once is left out, and if nothing else is found the answer is unknown.
//!
//! For a read, only the write that began last of those it shows matters: whatever was acknowledged before that began must
//! be there. So each read is one look-up and one count, and only a read with too few is looked at twice.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::BreachEvidence;
use histories::{Function, OpId, Outcome};
use rustc_hash::{FxHashMap, FxHashSet};

pub(super) fn check_causal_reverse(object: &ObjectOperations<'_>, found: &mut BreachCollector) {
    let history = object.history;
    let mut writes: FxHashMap<&str, OpId> = FxHashMap::default();
    let mut twice: FxHashSet<&str> = FxHashSet::default();
    for &id in object.operations {
        let op = history.operation(id);
        let writes_something = op.function == Function::WRITE
            || op.function == Function::ADD
            || history.function_name(op.function) == "insert";
        if writes_something && op.outcome != Outcome::Fail {
            let element = history.value_text(op.value());
            if writes.insert(element, id).is_some() {
                twice.insert(element);
            }
        }
    }
    if let Some(element) = twice.iter().min() {
        found.note_unclear(format!(
            "{element} was written more than once, so that reads do not tell which write they saw"
        ));
        writes.retain(|element, _| !twice.contains(element));
    }
    let mut acknowledged: Vec<(u32, OpId)> = writes
        .values()
        .filter(|&&id| history.outcome(id) == Outcome::Ok)
        .map(|&id| (history.operation(id).completed, id))
        .collect();
    acknowledged.sort_unstable();
    for read in object.acknowledged_operations(Function::READ) {
        let Some(elements) = values::parse_elements(history, history.operation(read).result) else {
            found.note_unclear(format!(
                "operation {} returned no list of values",
                history.operation_index(read)
            ));
            continue;
        };
        found.looked += 1;
        let seen: FxHashSet<OpId> =
            elements.iter().filter_map(|element| writes.get(element)).copied().collect();
        let Some(&second) = seen.iter().max_by_key(|&&id| history.operation(id).invoked) else { continue };
        let began = history.operation(second).invoked;
        let due = &acknowledged[..acknowledged.partition_point(|&(completed, _)| completed < began)];
        let there = seen
            .iter()
            .filter(|&&id| history.outcome(id) == Outcome::Ok && history.operation(id).completed < began);
        if there.count() == due.len() {
            continue;
        }
        for &(_, first) in due.iter().filter(|(_, first)| !seen.contains(first)) {
            found.add_breach("causal-reverse", object.key(), || BreachEvidence::Reversed {
                first,
                second,
                read,
            });
        }
    }
}
