//! A stack: last in, first out.

use super::{Call, Refused, Specification};
use histories::{Function, ValueId};

/// A stack that is empty at first. A `pop` that returns `null` found it empty.
#[derive(Clone, Copy, Debug)]
pub struct Lifo;

impl Specification for Lifo {
    /// The elements, newest last.
    type State = Vec<ValueId>;

    fn initial(&self) -> Vec<ValueId> {
        Vec::new()
    }

    fn state_bytes(&self, state: &Vec<ValueId>) -> usize {
        size_of_val(state) + size_of_val(state.as_slice())
    }

    fn step(&self, state: &Vec<ValueId>, call: &Call) -> Result<Vec<ValueId>, Refused> {
        let mut next = state.clone();
        self.step_in_place(&mut next, call)?;
        Ok(next)
    }

    fn step_in_place(&self, state: &mut Vec<ValueId>, call: &Call) -> Result<(), Refused> {
        match call.function {
            Function::PUSH => state.push(call.value()),
            Function::POP => match (call.output, state.pop()) {
                (Some(found), Some(newest)) if found != newest => {
                    return Err(Refused("the newest element is another one"));
                }
                (Some(found), None) if found != ValueId::NULL => {
                    return Err(Refused("the stack is empty"));
                }
                _ => {}
            },
            _ => return Err(Refused("a stack knows push and pop")),
        }
        Ok(())
    }
}
