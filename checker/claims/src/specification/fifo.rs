//! A queue: first in, first out.

use super::{Call, Refused, Specification};
use histories::{Function, ValueId};

/// A queue that is empty at first. A `dequeue` that returns `null` found it empty.
#[derive(Clone, Copy, Debug)]
pub struct Fifo;

impl Specification for Fifo {
    /// The elements, oldest first.
    type State = Vec<ValueId>;

    fn initial(&self) -> Vec<ValueId> {
        Vec::new()
    }

    fn state_bytes(&self, state: &Vec<ValueId>) -> usize {
        size_of_val(state) + size_of_val(state.as_slice())
    }

    fn step(&self, state: &Vec<ValueId>, call: &Call) -> Result<Vec<ValueId>, Refused> {
        match call.function {
            Function::ENQUEUE => {
                let mut next = state.clone();
                next.push(call.value());
                Ok(next)
            }
            Function::DEQUEUE => match (call.output, state.first()) {
                (Some(found), Some(&oldest)) if found != oldest => {
                    Err(Refused("the oldest element is another one"))
                }
                (Some(found), None) if found != ValueId::NULL => Err(Refused("the queue is empty")),
                (_, oldest) => Ok(state[usize::from(oldest.is_some())..].to_vec()),
            },
            _ => Err(Refused("a queue knows enqueue and dequeue")),
        }
    }
}
