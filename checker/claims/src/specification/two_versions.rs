//! The register of 2-atomicity: a read returns the last version or the one before it.

use super::{Call, CallInput, Refused, Specification};
use histories::{Function, ValueId};

/// One register with its initial value. A read may be one version behind. A compare-and-set compares with the last version.
#[derive(Clone, Copy, Debug)]
pub struct TwoVersionRegister {
    /// The value before the first operation.
    pub initial: ValueId,
}

impl Specification for TwoVersionRegister {
    /// The version before the last, and the last.
    type State = [ValueId; 2];

    fn initial(&self) -> Self::State {
        [self.initial; 2]
    }

    fn step(&self, state: &Self::State, call: &Call) -> Result<Self::State, Refused> {
        let [_, last] = *state;
        match (call.function, &call.input) {
            (Function::WRITE, _) => Ok([last, call.value()]),
            (Function::READ, _) if state.iter().any(|&version| call.returns(version)) => Ok(*state),
            (Function::READ, _) => Err(Refused("the last two versions are others")),
            (Function::CAS, &CallInput::Pair(old, new)) if old == last && !call.refused => Ok([last, new]),
            (Function::CAS, _) => Err(Refused("the last version is another than it expected")),
            _ => Err(Refused("this register knows read, write and cas")),
        }
    }

    fn is_read(&self, call: &Call) -> bool {
        call.function == Function::READ
    }
}
