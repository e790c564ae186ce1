//! A queue: first in, first out.

use super::{Call, Refused, Specification};
use histories::{Function, ValueId};
use std::collections::VecDeque;

/// A queue that is empty at first. A `dequeue` that returns `null` found it empty.
#[derive(Clone, Copy, Debug)]
pub struct Fifo;

impl Specification for Fifo {
    /// The elements, oldest first.
    type State = VecDeque<ValueId>;

    fn initial(&self) -> VecDeque<ValueId> {
        VecDeque::new()
    }

    fn state_bytes(&self, state: &VecDeque<ValueId>) -> usize {
        size_of_val(state) + state.len() * size_of::<ValueId>()
    }

    fn step(&self, state: &VecDeque<ValueId>, call: &Call) -> Result<VecDeque<ValueId>, Refused> {
        let mut next = state.clone();
        self.step_in_place(&mut next, call)?;
        Ok(next)
    }

    fn step_in_place(&self, state: &mut VecDeque<ValueId>, call: &Call) -> Result<(), Refused> {
        match call.function {
            Function::ENQUEUE => state.push_back(call.value()),
            Function::DEQUEUE => match (call.output, state.pop_front()) {
                (Some(found), Some(oldest)) if found != oldest => {
                    return Err(Refused("the oldest element is another one"));
                }
                (Some(found), None) if found != ValueId::NULL => {
                    return Err(Refused("the queue is empty"));
                }
                _ => {}
            },
            _ => return Err(Refused("a queue knows enqueue and dequeue")),
        }
        Ok(())
    }
}
