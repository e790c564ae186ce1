//! A register: read, write, compare-and-set. Also what `get`, `put` and `delete` do to one key.

use super::{Call, CallInput, Refused, Specification};
use histories::{Function, ValueId};

/// One register, with its initial value.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// What it holds before the first operation.
    pub initial: ValueId,
}

impl Specification for Register {
    type State = ValueId;

    fn initial(&self) -> ValueId {
        self.initial
    }

    fn step(&self, state: &ValueId, call: &Call) -> Result<ValueId, Refused> {
        match (call.function, &call.input) {
            (Function::WRITE | Function::PUT, _) => Ok(call.value()),
            (Function::DELETE, _) => Ok(ValueId::NULL),
            (Function::READ | Function::GET, _) if call.returns(*state) => Ok(*state),
            (Function::READ | Function::GET, _) => Err(Refused("the register holds another value")),
            (Function::CAS, CallInput::Pair(old, new)) => match (old == state, call.refused) {
                (true, false) => Ok(*new),
                (false, true) => Ok(*state),
                (true, true) => {
                    Err(Refused("the register holds what it expected, so it would have succeeded"))
                }
                (false, false) => Err(Refused("the register holds another value than it expected")),
            },
            _ => Err(Refused("a register knows read, write and cas")),
        }
    }

    fn is_read(&self, call: &Call) -> bool {
        call.refused || matches!(call.function, Function::READ | Function::GET)
    }
}
