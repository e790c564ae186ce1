//! Several registers, read and written together in one operation.

use super::{Call, CallInput, Refused, Specification};
use histories::{Function, Id, ValueId};

/// As many registers as the history has keys.
#[derive(Clone, Debug)]
pub struct MultiRegister {
    /// What each holds before the first operation, by key id.
    pub initial: Vec<ValueId>,
}

impl Specification for MultiRegister {
    type State = Vec<ValueId>;

    fn initial(&self) -> Vec<ValueId> {
        self.initial.clone()
    }

    fn state_bytes(&self, state: &Vec<ValueId>) -> usize {
        size_of_val(state) + size_of_val(state.as_slice())
    }

    fn step(&self, state: &Vec<ValueId>, call: &Call) -> Result<Vec<ValueId>, Refused> {
        let (Function::TXN, CallInput::Micros(micros)) = (call.function, &call.input) else {
            return Err(Refused("a multi-register knows txn with reads and writes"));
        };
        let known = call.output.is_some();
        let mut state = state.clone();
        for micro in micros {
            let held = &mut state[micro.key.index()];
            if micro.write {
                *held = micro.value;
            } else if known && *held != micro.value {
                return Err(Refused("one of the registers holds another value"));
            }
        }
        Ok(state)
    }

    fn is_read(&self, call: &Call) -> bool {
        matches!(&call.input, CallInput::Micros(micros) if micros.iter().all(|micro| !micro.write))
    }
}
