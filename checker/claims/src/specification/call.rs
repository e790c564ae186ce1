//! Operations as a specification sees them: what was asked, what was answered, and nothing of when.

use histories::{Argument, Function, History, Id, Interner, KeyId, MicroKind, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// One call of an object.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Call {
    /// What it does.
    pub function: Function,
    /// With what.
    pub input: CallInput,
    /// What came back; nobody knows if it did not complete.
    pub output: Option<ValueId>,
    /// Whether the object is known to have refused it: a failed compare-and-set that counts as an observation.
    pub refused: bool,
}

/// What a call was given.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CallInput {
    /// One value; `null` where there is none.
    Value(ValueId),
    /// What a compare-and-set expects, and what it puts in its place.
    Pair(ValueId, ValueId),
    /// Reads and writes of several registers at once.
    Micros(Vec<MicroCall>),
}

/// A read or a write of one of several registers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MicroCall {
    /// Whether it writes.
    pub write: bool,
    /// The register.
    pub key: KeyId,
    /// The value read or written.
    pub value: ValueId,
}

impl Call {
    /// The value it was given; `null` for anything but one value.
    pub fn value(&self) -> ValueId {
        match self.input {
            CallInput::Value(value) => value,
            CallInput::Pair(..) | CallInput::Micros(_) => ValueId::NULL,
        }
    }

    /// Whether it may have answered `value`.
    pub fn returns(&self, value: ValueId) -> bool {
        self.output.is_none_or(|found| found == value)
    }
}

/// The values of a history, and those found inside its lists.
pub struct CallValues<'a> {
    history: &'a History,
    inside: Interner<ValueId>,
    lists: FxHashMap<ValueId, Vec<ValueId>>,
}

impl<'a> CallValues<'a> {
    /// The values of a history.
    pub fn new(history: &'a History) -> Self {
        Self { history, inside: Interner::default(), lists: FxHashMap::default() }
    }

    /// A value as JSON.
    pub fn text_of_value(&self, value: ValueId) -> &str {
        let own = self.history.values.len();
        match value.index().checked_sub(own) {
            None => self.history.values.text(value),
            Some(index) => self.inside.text(ValueId::new(index)),
        }
    }

    /// The string that a value is; of any other value its JSON, of `null` the empty string.
    pub fn decode_string(&self, value: ValueId) -> String {
        match self.text_of_value(value) {
            "null" => String::new(),
            text => serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned()),
        }
    }

    /// The integer that a value is.
    pub fn parse_integer(&self, value: ValueId) -> Option<i64> {
        self.text_of_value(value).parse().ok()
    }

    /// An operation as a call. A failed operation is a call that was refused.
    pub fn call_of_operation(&mut self, id: OpId) -> Call {
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
        if operation.function == Function::READ {
            self.decode_list(operation.result);
        }
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

    /// The elements of a value that is a list and that some operation read.
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
