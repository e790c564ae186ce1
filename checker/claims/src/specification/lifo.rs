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
        match call.function {
            Function::PUSH => {
                let mut next = state.clone();
                next.push(call.value());
                Ok(next)
            }
            Function::POP => match (call.output, state.last()) {
                (Some(found), Some(&newest)) if found != newest => {
                    Err(Refused("the newest element is another one"))
                }
                (Some(found), None) if found != ValueId::NULL => Err(Refused("the stack is empty")),
                (_, newest) => Ok(state[..state.len() - usize::from(newest.is_some())].to_vec()),
            },
            _ => Err(Refused("a stack knows push and pop")),
        }
    }
}
