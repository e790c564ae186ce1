//! A counter: add (or inc) and read.

use super::{Call, CallValues, Refused, Specification};
use histories::{Function, ValueId};

/// A sum that starts at zero, or at the initial value where that is an integer.
pub struct Counter<'a> {
    /// The texts behind the value ids.
    pub values: &'a CallValues<'a>,
    /// The sum before the first operation.
    pub initial: i64,
}

impl Specification for Counter<'_> {
    type State = i64;

    fn initial(&self) -> i64 {
        self.initial
    }

    fn step(&self, state: &i64, call: &Call) -> Result<i64, Refused> {
        match call.function {
            Function::ADD | Function::INC => {
                let by = match call.value() {
                    ValueId::NULL => 1,
                    value => self.values.parse_integer(value).ok_or(Refused("only integers can be added"))?,
                };
                state.checked_add(by).ok_or(Refused("the sum leaves 64 bits"))
            }
            Function::READ => match call.output {
                Some(found) if self.values.parse_integer(found) != Some(*state) => {
                    Err(Refused("the counter stands at another sum"))
                }
                _ => Ok(*state),
            },
            _ => Err(Refused("a counter knows add, inc and read")),
        }
    }

    fn is_read(&self, call: &Call) -> bool {
        call.function == Function::READ
    }
}
