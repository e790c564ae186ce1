//! A set: add, remove, contains, and a read of all elements.

use super::{Call, CallValues, Refused, Specification};
use histories::{Function, ValueId};

/// A set that is empty at first. `contains` returns true or false. `add` and `remove` may return whether they changed
/// the set.
pub struct Set<'a> {
    /// The texts of the value ids.
    pub values: &'a CallValues<'a>,
}

impl Specification for Set<'_> {
    /// The elements in ascending order of id.
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
        let place = state.binary_search(&call.value());
        match call.function {
            Function::ADD => {
                self.check_boolean_result(call, place.is_err())?;
                if let Err(at) = place {
                    state.insert(at, call.value());
                }
                Ok(())
            }
            Function::REMOVE => {
                self.check_boolean_result(call, place.is_ok())?;
                if let Ok(at) = place {
                    state.remove(at);
                }
                Ok(())
            }
            Function::CONTAINS => self.check_boolean_result(call, place.is_ok()),
            Function::READ => {
                let Some(found) = call.output else { return Ok(()) };
                match self.values.list_elements(found) {
                    Some(elements) if have_same_elements(state, elements) => Ok(()),
                    None if state.is_empty() && found == ValueId::NULL => Ok(()),
                    _ => Err(Refused("the set has other elements")),
                }
            }
            _ => Err(Refused("a set knows add, remove, contains and read")),
        }
    }

    fn is_read(&self, call: &Call) -> bool {
        matches!(call.function, Function::CONTAINS | Function::READ)
    }
}

impl Set<'_> {
    /// Checks a result of true or false. Any other result (the element echoed, null) says nothing about the set.
    fn check_boolean_result(&self, call: &Call, expected: bool) -> Result<(), Refused> {
        let Some(found) = call.output else { return Ok(()) };
        match (self.values.text_of_value(found), expected) {
            ("true", false) => Err(Refused("the set answers false here")),
            ("false", true) => Err(Refused("the set answers true here")),
            _ => Ok(()),
        }
    }
}

fn have_same_elements(state: &[ValueId], found: &[ValueId]) -> bool {
    let mut sorted = found.to_vec();
    sorted.sort_unstable();
    sorted == state
}
