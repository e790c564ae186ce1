//! One key of a store of strings: get, put, append, delete.

use super::{Call, CallValues, Refused, Specification};
use histories::{Function, ValueId};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// A string that can be put, appended to and read; absent, it reads as the empty string.
pub struct Kv<'a> {
    values: &'a CallValues<'a>,
    /// The strings of the values that matter, taken from their JSON once.
    strings: FxHashMap<ValueId, String>,
}

impl<'a> Kv<'a> {
    /// A key whose operations give and return values among `known`; others are decoded each time they are met.
    pub fn new(values: &'a CallValues<'a>, known: impl Iterator<Item = ValueId>) -> Self {
        Self { values, strings: known.map(|value| (value, values.decode_string(value))).collect() }
    }

    fn decoded_string(&self, value: ValueId) -> Cow<'_, str> {
        match self.strings.get(&value) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(self.values.decode_string(value)),
        }
    }
}

impl Specification for Kv<'_> {
    type State = Arc<str>;

    fn initial(&self) -> Arc<str> {
        Arc::from("")
    }

    fn state_bytes(&self, state: &Arc<str>) -> usize {
        size_of_val(state) + state.len()
    }

    fn step(&self, state: &Arc<str>, call: &Call) -> Result<Arc<str>, Refused> {
        match call.function {
            Function::GET | Function::READ => match call.output {
                Some(found) if *self.decoded_string(found) != **state => {
                    Err(Refused("the key holds another string"))
                }
                _ => Ok(state.clone()),
            },
            Function::PUT | Function::WRITE => Ok(Arc::from(&*self.decoded_string(call.value()))),
            Function::APPEND => Ok(format!("{state}{}", self.decoded_string(call.value())).into()),
            Function::DELETE => Ok(Arc::from("")),
            _ => Err(Refused("a key-value store knows get, put, append and delete")),
        }
    }

    fn can_lead_to_read(&self, state: &Arc<str>, read: &Call) -> bool {
        read.output.is_none_or(|found| self.decoded_string(found).starts_with(&**state))
    }

    fn overwrites(&self, call: &Call) -> bool {
        matches!(call.function, Function::PUT | Function::WRITE | Function::DELETE)
    }

    fn is_read(&self, call: &Call) -> bool {
        matches!(call.function, Function::GET | Function::READ)
    }
}
