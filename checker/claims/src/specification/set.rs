//! A set: add, remove, contains, and a read of all of it.

use super::{Call, CallValues, Refused, Specification};
use histories::{Function, ValueId};

/// A set, empty at first. `contains` answers true or false; `remove` and `add` may answer whether they changed it.
pub struct Set<'a> {
    /// The texts behind the value ids.
    pub values: &'a CallValues<'a>,
}

impl Specification for Set<'_> {
    /// Its elements in ascending order of id.
    type State = Vec<ValueId>;

    fn initial(&self) -> Vec<ValueId> {
        Vec::new()
    }

    fn state_bytes(&self, state: &Vec<ValueId>) -> usize {
        size_of_val(state) + size_of_val(state.as_slice())
    }

    fn step(&self, state: &Vec<ValueId>, call: &Call) -> Result<Vec<ValueId>, Refused> {
        let place = state.binary_search(&call.value());
        match call.function {
            Function::ADD => {
                self.check_boolean_result(call, place.is_err())?;
                let mut next = state.clone();
                if let Err(at) = place {
                    next.insert(at, call.value());
                }
                Ok(next)
            }
            Function::REMOVE => {
                self.check_boolean_result(call, place.is_ok())?;
                let mut next = state.clone();
                if let Ok(at) = place {
                    next.remove(at);
                }
                Ok(next)
            }
            Function::CONTAINS => self.check_boolean_result(call, place.is_ok()).map(|()| state.clone()),
            Function::READ => {
                let Some(found) = call.output else { return Ok(state.clone()) };
                match self.values.list_elements(found) {
                    Some(elements) if have_same_elements(state, elements) => Ok(state.clone()),
                    None if state.is_empty() && found == ValueId::NULL => Ok(state.clone()),
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
    /// Whether an answer of true or false fits; any other answer (the element echoed, null) says nothing.
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
