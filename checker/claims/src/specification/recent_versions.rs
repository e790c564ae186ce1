//! The register of k-atomicity: a read returns one of the last k versions.

use super::{Call, CallInput, Refused, Specification};
use histories::{Function, ValueId};

/// One register with its initial value. A read returns one of the last versions. A compare-and-set compares with the last one.
#[derive(Clone, Copy, Debug)]
pub struct RecentVersionsRegister {
    /// The value before the first operation.
    pub initial: ValueId,
    /// How many versions a read may return: at least 1.
    pub versions: u32,
}

impl Specification for RecentVersionsRegister {
    /// The last versions, the newest one last. At first, only the initial one.
    type State = Vec<ValueId>;

    fn initial(&self) -> Self::State {
        vec![self.initial]
    }

    fn step(&self, state: &Self::State, call: &Call) -> Result<Self::State, Refused> {
        let last = *state.last().expect("there is an initial version");
        let with = |new: ValueId| {
            let kept = (state.len() + 1).saturating_sub(self.versions as usize);
            state[kept.min(state.len())..].iter().copied().chain([new]).collect()
        };
        match (call.function, &call.input) {
            (Function::WRITE, _) => Ok(with(call.value())),
            (Function::READ, _) if state.iter().any(|&version| call.returns(version)) => Ok(state.clone()),
            (Function::READ, _) => Err(Refused("the last versions are others")),
            (Function::CAS, &CallInput::Pair(old, new)) if old == last && !call.refused => Ok(with(new)),
            (Function::CAS, _) => Err(Refused("the last version is another than it expected")),
            _ => Err(Refused("this register knows read, write and cas")),
        }
    }

    fn is_read(&self, call: &Call) -> bool {
        call.function == Function::READ
    }

    fn state_bytes(&self, state: &Self::State) -> usize {
        state.len() * size_of::<ValueId>()
    }
}
