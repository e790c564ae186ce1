//! What an operation of a register, a string store or a lock must find, and what it leaves behind.

use histories::{Argument, Function, History, OpId, Outcome, ValueId};

/// A lock is treated as a register with one of these values.
const FREE: ValueId = ValueId::NULL;
const HELD: ValueId = ValueId::from_raw(u32::MAX - 2);

/// The value that an operation on a register must find.
pub(super) fn required_value(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id), history.outcome(id)) {
        (Function::READ | Function::GET, _, Outcome::Ok) => Some(history.operation(id).result),
        (Function::CAS, Argument::Pair(old, _), Outcome::Ok | Outcome::Info) => Some(old),
        (Function::ACQUIRE, ..) => Some(FREE),
        (Function::RELEASE, ..) => Some(HELD),
        _ => None,
    }
}

/// The value that an operation on a register writes. For other functions that change something: their argument.
pub(super) fn written_value(history: &History, id: OpId) -> Option<ValueId> {
    match (history.function(id), history.argument(id)) {
        (Function::CAS, Argument::Pair(old, new)) => (old != new).then_some(new),
        (Function::DELETE, _) => Some(ValueId::NULL),
        (Function::ACQUIRE, _) => Some(HELD),
        (Function::RELEASE, _) => Some(FREE),
        (_, Argument::Value(value)) => (!is_read(history, id)).then_some(value),
        (_, Argument::Pair(..) | Argument::Micros(_)) => None,
    }
}

/// Whether an operation changes nothing.
pub(super) fn is_read(history: &History, id: OpId) -> bool {
    match (history.function(id), history.argument(id)) {
        (Function::READ | Function::GET | Function::CONTAINS, _) => true,
        (Function::CAS, Argument::Pair(old, new)) => old == new,
        (Function::TXN, _) => {
            let reads = |micro: &histories::Micro| micro.kind == histories::MicroKind::Read;
            history.micros_of(id).iter().all(reads)
        }
        _ => false,
    }
}
