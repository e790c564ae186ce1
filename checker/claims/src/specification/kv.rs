//! One key of a string store: get, put, append, delete.

use super::{Call, Refused, Specification, Values};
use histories::{Function, ValueId};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// A string that can be put, appended to and read. If it is absent, it reads as the empty string.
pub struct Kv<'a> {
    values: &'a Values<'a>,
    /// The strings of the known values, decoded from JSON once.
    strings: FxHashMap<ValueId, String>,
}

impl<'a> Kv<'a> {
    /// A key whose operations use the values `known`. Other values are decoded each time.
    pub fn new(values: &'a Values<'a>, known: impl Iterator<Item = ValueId>) -> Self {
        Self { values, strings: known.map(|value| (value, values.string(value))).collect() }
    }

    fn string(&self, value: ValueId) -> Cow<'_, str> {
        match self.strings.get(&value) {
            Some(known) => Cow::Borrowed(known),
            None => Cow::Owned(self.values.string(value)),
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
                Some(found) if *self.string(found) != **state => Err(Refused("the key holds another string")),
                _ => Ok(state.clone()),
            },
            Function::PUT | Function::WRITE => Ok(Arc::from(&*self.string(call.value()))),
            Function::APPEND => Ok(format!("{state}{}", self.string(call.value())).into()),
            Function::DELETE => Ok(Arc::from("")),
            _ => Err(Refused("a key-value store knows get, put, append and delete")),
        }
    }

    fn leads_to(&self, state: &Arc<str>, read: &Call) -> bool {
        read.output.is_none_or(|found| self.string(found).starts_with(&**state))
    }

    fn overwrites(&self, call: &Call) -> bool {
        matches!(call.function, Function::PUT | Function::WRITE | Function::DELETE)
    }

    fn is_read(&self, call: &Call) -> bool {
        matches!(call.function, Function::GET | Function::READ)
    }
}
