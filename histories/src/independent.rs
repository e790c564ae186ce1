//! Independent histories: many objects in one history, each value a pair of the object and its value.
//!
//! Jepsen's `independent` workloads run one small test per object, and write each value as `[key, value]`. A user who
//! does not say so checks a single register that holds pairs. Then every read of one object after a write to another
//! looks like a violation. So such a history is recognised.
//!
//! # The rule
//! A false recognition would split a register that really holds pairs, and could hide its violations. So every
//! operation must fit the rule, and at least one read must prove it:
//!
//! - All operations are `read`, `write` or `cas`, and no event has a `key`.
//! - A `read` is *invoked* with `[key]` or `[key, null]`, and an `ok` one returns `[key]` or `[key, value]` of the same
//!   key. At least one read is `ok`. This is the proof: the read of a plain register is invoked without a value,
//!   whatever the register holds.
//! - A `write` has `[key, value]`.
//! - A `cas` has `[key, [old, new]]` or, flat, `[key, old, new]`. The compare-and-set of a plain register has `[old,
//!   new]`. It could be mistaken for the first form only if its new value is a pair, and never for the second, which
//!   has three values.
//! - A key is a string, a number or a boolean: no list, no object, not `null`.
//!
//! The value of a failed or indeterminate completion is ignored, because it may be an error message.

use crate::{Argument, Function, History, Interner, KeyId, OpId, Outcome, ValueId};
use serde_json::value::RawValue;

/// The parts of one operation if the history is independent. The texts are canonical JSON.
struct SplitOperation<'a> {
    /// None if the operation already has its key.
    key: Option<&'a str>,
    argument: [&'a str; 2],
    result: &'a str,
}

impl History {
    /// Whether the history is independent: every value is a pair of an object and its value, as Jepsen's independent
    /// workloads write them. O(n).
    pub fn is_independent(&self) -> bool {
        self.ids().any(|id| self.function(id) == Function::READ && self.outcome(id) == Outcome::Ok)
            && self.ids().all(|id| self.split_operation(id).is_some())
    }

    /// Whether an operation was invoked as those of an independent history are. A stream is not known to its end, so this looks
    /// at the invocation alone.
    pub fn is_invoked_as_independent(&self, id: OpId) -> bool {
        if self.key(id) != KeyId::NONE {
            return false;
        }
        match (self.function(id), self.argument(id)) {
            (Function::CAS, Argument::Pair(key, pair)) => {
                require_scalar(self.value_text(key)).is_some()
                    && parse_list(self.value_text(pair)).is_some_and(|pair| pair.len() == 2)
            }
            (Function::WRITE, Argument::Value(value)) => parse_pair(self.value_text(value)).is_some(),
            (Function::READ, Argument::Value(value)) => {
                parse_pair_or_key(self.value_text(value)).is_some_and(|(_, nothing)| nothing == "null")
            }
            _ => false,
        }
    }

    /// Moves the key of each operation from its value into the key column. Panics if the history is not independent.
    pub(crate) fn split_by_object(&mut self) {
        let (mut keys, mut values) = (Interner::<KeyId>::default(), Interner::<ValueId>::default());
        keys.intern("null");
        values.intern("null");
        let mut columns = Vec::with_capacity(self.len());
        for id in self.ids() {
            let split = self.split_operation(id).expect("the history is independent");
            let key = keys.intern(split.key.unwrap_or_else(|| self.keys.text(self.key(id))));
            let argument = match self.function(id) {
                Function::CAS => split.argument.map(|text| values.intern(text).raw()),
                _ => [values.intern(split.argument[0]).raw(), 0],
            };
            columns.push((key, argument, values.intern(split.result)));
        }
        for (at, (key, argument, result)) in columns.into_iter().enumerate() {
            (self.key[at], self.argument[at], self.result[at]) = (key, argument, result);
        }
        (self.keys, self.values) = (keys, values);
    }

    /// Splits an operation's values; none if the operation does not fit the rule.
    fn split_operation(&self, id: OpId) -> Option<SplitOperation<'_>> {
        let has_key = self.key(id) != KeyId::NONE;
        let operation = self.operation(id);
        match (operation.function, operation.argument) {
            // An operation with a key was written in the flat form, and split by the reader.
            (Function::CAS, Argument::Pair(old, new)) if has_key => {
                let argument = [self.value_text(old), self.value_text(new)];
                Some(SplitOperation { key: None, argument, result: self.value_text(operation.result) })
            }
            _ if has_key => None,
            (Function::CAS, Argument::Pair(key, pair)) => {
                let key = require_scalar(self.value_text(key))?;
                let argument = <[&str; 2]>::try_from(parse_list(self.value_text(pair))?).ok()?;
                Some(SplitOperation { key: Some(key), argument, result: self.value_text(operation.result) })
            }
            (Function::WRITE, Argument::Value(value)) => {
                let (key, written) = parse_pair(self.value_text(value))?;
                let result = match self.value_text(operation.result) {
                    "null" => "null",
                    text => parse_pair(text).filter(|&(other, _)| other == key)?.1,
                };
                Some(SplitOperation { key: Some(key), argument: [written, "null"], result })
            }
            (Function::READ, Argument::Value(value)) => {
                let (key, nothing) = parse_pair_or_key(self.value_text(value))?;
                if nothing != "null" {
                    return None;
                }
                let result = match operation.outcome {
                    Outcome::Ok => {
                        let (other, result) = parse_pair_or_key(self.value_text(operation.result))?;
                        (other == key).then_some(result)?
                    }
                    Outcome::Fail | Outcome::Info => "null",
                };
                Some(SplitOperation { key: Some(key), argument: ["null"; 2], result })
            }
            _ => None,
        }
    }
}

/// The elements of a JSON list.
fn parse_list(json: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = serde_json::from_str(json).ok().filter(|_| json.starts_with('['))?;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// Parses `[key, value]`.
fn parse_pair(json: &str) -> Option<(&str, &str)> {
    match parse_list(json)?[..] {
        [key, value] => Some((require_scalar(key)?, value)),
        _ => None,
    }
}

/// Parses `[key, value]`, or `[key]` for the value `null`.
fn parse_pair_or_key(json: &str) -> Option<(&str, &str)> {
    match parse_list(json)?[..] {
        [key] => Some((require_scalar(key)?, "null")),
        [key, value] => Some((require_scalar(key)?, value)),
        _ => None,
    }
}

fn require_scalar(json: &str) -> Option<&str> {
    (json != "null" && !json.starts_with(['[', '{'])).then_some(json)
}
