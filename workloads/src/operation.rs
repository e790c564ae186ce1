//! The operations that clients perform on a store.

use crate::Value;
use histories::Function;
use std::sync::Arc;

/// An operation of a client: a function of an object with a value, in the form in which histories record it.
///
/// | function | argument | result |
/// | --- | --- | --- |
/// | `read` | null | the value of the object; null if it is absent |
/// | `write` | the new value | the same |
/// | `cas` | `[old, new]` | the same; a mismatch is a failure |
/// | `txn` | micro-operations, reads with null | the same, with the results of the reads |
/// | `add`, `inc`, `enqueue` | the element, the amount | the same |
/// | `dequeue` | null | the element; an empty queue is a failure |
/// | `create` | a payload | the same |
/// | `touch`, `destroy` | null | null |
/// | `renew` | the new id | the same |
/// | `patch` | a payload of one field; the other fields stay unchanged | the same |
/// | `act` | the id of an action that must be done once | the same |
/// | `actions` | null | the ids of all actions that were done for a user, in the order in which they were done |
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientOperation {
    /// The function.
    pub function: Function,
    /// The object; `None` if there is only one, and for transactions, whose steps name keys.
    pub key: Option<Arc<str>>,
    /// The argument.
    pub value: Value,
    /// Of a `write`: what the client had read and has changed into what it writes.
    pub based_on: Option<Value>,
}

impl ClientOperation {
    /// An operation on an object.
    pub fn on_key(key: &Arc<str>, function: Function, value: Value) -> Self {
        Self { function, key: Some(key.clone()), value, based_on: None }
    }

    /// An operation on the only object, or a transaction.
    pub fn without_key(function: Function, value: Value) -> Self {
        Self { function, key: None, value, based_on: None }
    }

    /// The same, made from what was read.
    #[must_use]
    pub fn based_on(self, read: Value) -> Self {
        Self { based_on: Some(read), ..self }
    }

    /// Whether it changes nothing: a read, or a transaction that only reads.
    pub fn is_read(&self) -> bool {
        match self.function {
            Function::READ | Function::ACTIONS => true,
            Function::TXN => {
                micro_operations(&self.value).is_some_and(|all| all.iter().all(|micro| micro.kind == "r"))
            }
            _ => false,
        }
    }
}

/// The name of a well-known function, as histories write it. Panics for any other function.
pub fn function_name(function: Function) -> &'static str {
    Function::WELL_KNOWN[function.index()]
}

/// One step of a transaction, borrowed from its value.
#[derive(Clone, Copy, Debug)]
pub struct MicroOperation<'a> {
    /// `r`, `w` or `append`.
    pub kind: &'a str,
    /// The object.
    pub key: &'a Arc<str>,
    /// The value to write, or null.
    pub value: &'a Value,
}

/// The steps of a transaction; `None` if the value is not a list of steps.
pub fn micro_operations(value: &Value) -> Option<Vec<MicroOperation<'_>>> {
    let Value::List(steps) = value else { return None };
    steps
        .iter()
        .map(|step| match step {
            Value::List(parts) => match parts.as_slice() {
                [Value::Text(kind), Value::Text(key), value] => Some(MicroOperation { kind, key, value }),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// Encodes a step of a transaction as a value.
pub fn micro_operation(kind: &str, key: &Arc<str>, value: Value) -> Value {
    Value::List(vec![kind.into(), Value::Text(key.clone()), value])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_of_reads_is_a_read() {
        let key: Arc<str> = "x".into();
        let read = micro_operation("r", &key, Value::Null);
        let append = micro_operation("append", &key, Value::Int(1));
        let txn = |steps| ClientOperation::without_key(Function::TXN, Value::List(steps));
        assert!(txn(vec![read.clone(), read.clone()]).is_read());
        assert!(!txn(vec![read, append]).is_read());
        assert!(!ClientOperation::without_key(Function::TXN, Value::Null).is_read());
        assert_eq!(function_name(Function::DEQUEUE), "dequeue");
    }
}
