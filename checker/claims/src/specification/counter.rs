//! A counter: add (or inc) and read.

use super::{Call, CallValues, Refused, Specification};
use histories::{Function, ValueId};

/// A sum that starts at the initial value, or at zero if that is not an integer. A read of `null` is a read of zero: stores answer so
/// before the first addition. The sum of all integers of 64 bits in a history fits into 128.
pub struct Counter<'a> {
    /// The texts of the value ids.
    pub values: &'a CallValues<'a>,
    /// The sum before the first operation.
    pub initial: i128,
}

impl Specification for Counter<'_> {
    type State = i128;

    fn initial(&self) -> i128 {
        self.initial
    }

    fn step(&self, state: &i128, call: &Call) -> Result<i128, Refused> {
        match call.function {
            Function::ADD | Function::INC => {
                let by = match call.value() {
                    ValueId::NULL => 1,
                    value => self.values.parse_integer(value).ok_or(Refused("only integers can be added"))?,
                };
                Ok(state + i128::from(by))
            }
            Function::READ => match call.output {
                Some(found) if self.shown_sum(found) != Some(*state) => {
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

impl Counter<'_> {
    fn shown_sum(&self, found: ValueId) -> Option<i128> {
        if found == ValueId::NULL { Some(0) } else { self.values.text_of_value(found).parse().ok() }
    }
}
