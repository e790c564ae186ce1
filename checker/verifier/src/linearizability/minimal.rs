//! Checks that a core is minimal: that none of its operations can be left out.
//!
//! What may be left out is what a core may leave out of the history. A read changes nothing. A write is left out together with the operations
//! that found its value, because these would otherwise show something else; a compare-and-set that found it then counts as a write. Of a queue,
//! stack or priority queue, all operations on one value are left out together. What was added or inserted after all others had returned is after
//! the end of a smaller core. Other operations, such as earlier additions to a counter, are never left out, so that nothing is asked of them.
//!
//! Cost: the search of all orders once for each operation, with one effort for all of them together.

use super::every_order::{CoreOperation, LegalOrder, OrderSearch};
use crate::Confirmation;
use claims::specification::{Call, CallInput, Specification};
use histories::{Function, History, OpId, ValueId};

/// The effort for all operations of a core together.
const EFFORT: u64 = 4_000_000;

/// What was not checked where the effort ended.
const NOT_CHECKED: &str =
    "whether the set of operations is minimal was not checked, because it has too many orders";

/// Fails if the operations of a core, which have no legal order, have none without one of them either.
pub(super) fn check_each_is_needed<S: Specification>(
    history: &History,
    ids: &[OpId],
    search: &OrderSearch<'_, S>,
    operations: &[CoreOperation],
) -> Result<Confirmation, String> {
    let mut effort = EFFORT;
    for (at, &id) in ids.iter().enumerate() {
        let fewer = [without_operation(operations, at), without_last_operation(operations, at)];
        for rest in fewer.into_iter().flatten() {
            match search.find_legal_order(&rest, &mut effort) {
                LegalOrder::Exists => {}
                LegalOrder::None => {
                    let index = history.operation_index(id);
                    return Err(format!("the core is not minimal: operation {index} is not needed"));
                }
                LegalOrder::NotKnown => return Ok(Confirmation::DetailUnchecked(NOT_CHECKED)),
            }
        }
    }
    Ok(Confirmation::Confirmed)
}

/// The operations that are left without one of them, if it may be left out.
fn without_operation(operations: &[CoreOperation], at: usize) -> Option<Vec<CoreOperation>> {
    let call = &operations[at].call;
    if changes_nothing(call) {
        return Some(without_place(operations, at));
    }
    if let Some(value) = value_in_container(call) {
        let is_other = |operation: &&CoreOperation| value_in_container(&operation.call) != Some(value);
        return Some(operations.iter().filter(is_other).cloned().collect());
    }
    // A refused compare-and-set may have found any value, and an append makes one of two.
    let is_plain = |operation: &CoreOperation| {
        let call = &operation.call;
        !call.refused && matches!(call.function, Function::READ | Function::WRITE | Function::CAS)
    };
    let written = value_written(call).filter(|_| operations.iter().all(is_plain))?;
    Some(operations.iter().filter_map(|operation| without_value(operation, written)).collect())
}

/// The operations without one that began after all others had returned. The write of a register may show that a read was one of the future.
fn without_last_operation(operations: &[CoreOperation], at: usize) -> Option<Vec<CoreOperation>> {
    let rest = without_place(operations, at);
    let call = &operations[at].call;
    let value = value_in_container(call);
    // What was inserted after it had been removed shows that it came later.
    let is_insertion = matches!(call.function, Function::ENQUEUE | Function::PUSH | Function::INSERT);
    let is_told = is_insertion && rest.iter().any(|other| value_in_container(&other.call) == value);
    let may_go = (value.is_some() && !is_told) || matches!(call.function, Function::INC | Function::APPEND);
    let is_over = |other: &CoreOperation| other.returned < operations[at].invoked;
    (may_go && !rest.is_empty() && rest.iter().all(is_over)).then_some(rest)
}

fn without_place(operations: &[CoreOperation], at: usize) -> Vec<CoreOperation> {
    let mut rest = operations.to_vec();
    rest.remove(at);
    rest
}

/// What an operation of a register is if nothing about a value is known. `None` if it wrote or read that value.
fn without_value(operation: &CoreOperation, value: ValueId) -> Option<CoreOperation> {
    let mut kept = operation.clone();
    match operation.call.input {
        _ if value_written(&operation.call) == Some(value) => return None,
        CallInput::Pair(old, new) if old == value => {
            (kept.call.function, kept.call.input) = (Function::WRITE, CallInput::Value(new));
        }
        _ if operation.call.function == Function::READ && operation.call.output == Some(value) => {
            return None;
        }
        _ => {}
    }
    Some(kept)
}

fn changes_nothing(call: &Call) -> bool {
    match (call.function, &call.input) {
        (Function::READ | Function::GET | Function::CONTAINS, _) => true,
        (Function::CAS, CallInput::Pair(old, new)) => old == new || call.refused,
        (_, CallInput::Micros(micros)) => micros.iter().all(|micro| !micro.write),
        _ => false,
    }
}

/// The value that an operation of a register wrote.
fn value_written(call: &Call) -> Option<ValueId> {
    match (call.function, &call.input) {
        (Function::WRITE, &CallInput::Value(value)) => Some(value),
        (Function::CAS, &CallInput::Pair(_, new)) => Some(new),
        _ => None,
    }
}

/// The value that an operation put into a container or took out of it.
fn value_in_container(call: &Call) -> Option<ValueId> {
    match call.function {
        Function::ENQUEUE | Function::PUSH | Function::INSERT => Some(call.value()),
        Function::DEQUEUE | Function::POP | Function::DELETE_MIN => {
            call.output.filter(|&value| value != ValueId::NULL)
        }
        _ => None,
    }
}
