//! Calls: operations as a specification sees them, with arguments and results but without times.

use histories::{Argument, Function, History, Id, Interner, KeyId, MicroKind, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// One call of an object.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Call {
    /// The operation.
    pub function: Function,
    /// The arguments.
    pub input: CallInput,
    /// The result; `None` if the operation did not complete.
    pub output: Option<ValueId>,
    /// Whether the object is known to have refused the call: a failed compare-and-set that counts as an observation.
    pub refused: bool,
}

/// The arguments of a call.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CallInput {
    /// One value; `null` if the operation has no argument.
    Value(ValueId),
    /// The value that a compare-and-set expects, and the value that it writes.
    Pair(ValueId, ValueId),
    /// Reads and writes of several registers at once.
    Micros(Vec<MicroCall>),
}

/// A read or a write of one of several registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MicroCall {
    /// Whether it is a write.
    pub write: bool,
    /// The register.
    pub key: KeyId,
    /// The value that was read or written.
    pub value: ValueId,
}

impl Call {
    /// The value that the call was given; `null` if its input is not a single value.
    pub fn value(&self) -> ValueId {
        match self.input {
            CallInput::Value(value) => value,
            CallInput::Pair(..) | CallInput::Micros(_) => ValueId::NULL,
        }
    }

    /// Whether the call may have returned `value`.
    pub fn returns(&self, value: ValueId) -> bool {
        self.output.is_none_or(|found| found == value)
    }
}

/// The values of a history, together with the elements of its lists.
pub struct CallValues<'a> {
    history: &'a History,
    inside: Interner<ValueId>,
    lists: FxHashMap<ValueId, Vec<ValueId>>,
}

impl<'a> CallValues<'a> {
    /// The values of a history, with no list decoded yet.
    pub fn new(history: &'a History) -> Self {
        Self { history, inside: Interner::default(), lists: FxHashMap::default() }
    }

    /// A value as JSON text.
    pub fn text_of_value(&self, value: ValueId) -> &str {
        let own = self.history.values.len();
        match value.index().checked_sub(own) {
            None => self.history.values.text(value),
            Some(index) => self.inside.text(ValueId::new(index)),
        }
    }

    /// A value as a string. Values that are not strings yield their JSON; `null` yields the empty string.
    pub fn decode_string(&self, value: ValueId) -> String {
        match self.text_of_value(value) {
            "null" => String::new(),
            text => serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned()),
        }
    }

    /// A value as an integer, if it is one.
    pub fn parse_integer(&self, value: ValueId) -> Option<i64> {
        self.text_of_value(value).parse().ok()
    }

    /// Converts an operation to a call, as [`CallValues::call_of_operation`] does, and decodes the list that a read returned, for
    /// [`CallValues::list_elements`].
    pub fn decode_call(&mut self, id: OpId) -> Call {
        let call = self.call_of_operation(id);
        if let (Function::READ, Some(found)) = (call.function, call.output) {
            self.decode_list(found);
        }
        call
    }

    /// Converts an operation to a call. A failed operation becomes a call that was refused.
    #[inline]
    pub fn call_of_operation(&self, id: OpId) -> Call {
        let operation = self.history.operation(id);
        let input = match operation.argument {
            Argument::Value(value) => CallInput::Value(value),
            Argument::Pair(old, new) => CallInput::Pair(old, new),
            Argument::Micros(range) => CallInput::Micros(self.micro_calls(range)),
        };
        let output = match operation.outcome {
            Outcome::Ok => Some(operation.result),
            Outcome::Fail | Outcome::Info => None,
        };
        Call { function: operation.function, input, output, refused: operation.outcome == Outcome::Fail }
    }

    fn micro_calls(&self, range: std::ops::Range<usize>) -> Vec<MicroCall> {
        let micros = self.history.micros()[range].iter();
        let call = |micro: &histories::Micro| {
            let write = matches!(micro.kind, MicroKind::Write | MicroKind::Append);
            let value = if micro.kind == MicroKind::ReadList { ValueId::NULL } else { micro.value() };
            MicroCall { write, key: micro.key, value }
        };
        micros.map(call).collect()
    }

    /// The elements of a value, if it is a list that some operation read.
    pub fn list_elements(&self, value: ValueId) -> Option<&[ValueId]> {
        self.lists.get(&value).map(Vec::as_slice)
    }

    fn decode_list(&mut self, value: ValueId) {
        let text = self.history.values.text(value);
        if !text.starts_with('[') || self.lists.contains_key(&value) {
            return;
        }
        let Ok(elements) = serde_json::from_str::<Vec<&serde_json::value::RawValue>>(text) else { return };
        let own = self.history.values.len();
        let mut id = |text: &str| match self.history.values.get(text) {
            Some(known) => known,
            None => ValueId::new(own + self.inside.intern(text).index()),
        };
        let list = elements.iter().map(|element| id(element.get())).collect();
        self.lists.insert(value, list);
    }
}
