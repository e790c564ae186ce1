//! The replicated data: a map of objects, and the effect of operations on it.
//!
//! Application is deterministic: the same commands in the same order give the same map on every node. Commands carry
//! the time (from the primary's monotonic clock, which no fault changes). The node that applies a command never reads
//! a clock.

use super::Bug;
use crate::{AuditEntry, Failure, StoreAnswer};
use histories::Function;
use std::collections::BTreeMap;
use std::sync::Arc;
use workloads::{ClientOperation, MicroOperation, Value, micro_operations};

/// The command in an entry of the log.
#[derive(Clone, Debug)]
pub(super) enum LogCommand {
    /// The first entry of each primary. It changes nothing.
    Begin,
    /// An operation, and when the primary took it.
    Do { operation: Arc<ClientOperation>, moment: OperationMoment },
    /// Removes the sessions that have expired by this time.
    Expire { now_ns: i64 },
}

/// When the primary took an operation, and when a session that it writes expires.
#[derive(Clone, Copy, Debug)]
pub(super) struct OperationMoment {
    pub(super) now_ns: i64,
    pub(super) expires_ns: i64,
    /// With [`Bug::MixedVersions`] or [`Bug::NoWayBack`]: whether a node of a later version took the operation.
    pub(super) later: bool,
}

/// The data of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplicatedData {
    pub(super) objects: BTreeMap<Arc<str>, ReplicatedObject>,
    /// The actions that were done for each user, in order.
    pub(super) done: BTreeMap<Arc<str>, Vec<Value>>,
    /// The audit trail. Each entry comes with the term in which it was made.
    pub(super) trail: Vec<(u64, AuditEntry)>,
}

#[derive(Clone, Debug)]
pub(super) struct ReplicatedObject {
    pub(super) value: Value,
    /// Fields that were written after the whole value was.
    pub(super) fields: BTreeMap<Arc<str>, Value>,
    /// When the object expires. Only sessions do.
    pub(super) expires_ns: Option<i64>,
    /// Whether only nodes of the later version can read the object.
    pub(super) later: bool,
}

impl ReplicatedObject {
    pub(super) fn with_expiry(value: Value, expires_ns: Option<i64>) -> Self {
        Self { value, fields: BTreeMap::new(), expires_ns, later: false }
    }

    pub(super) fn is_alive_at(&self, now_ns: i64) -> bool {
        self.expires_ns.is_none_or(|end| end > now_ns)
    }

    /// What a reader sees: the whole, or it with its fields.
    pub(super) fn visible_value(&self) -> Value {
        if self.fields.is_empty() {
            return self.value.clone();
        }
        let fields = self.fields.iter().map(|(name, value)| (name.clone(), value.clone()));
        Value::Fields(std::iter::once(("all".into(), self.value.clone())).chain(fields).collect())
    }
}

pub(super) type Result<T> = std::result::Result<T, Failure>;

impl ReplicatedData {
    /// Whether any session has expired.
    pub(super) fn any_expired(&self, now_ns: i64) -> bool {
        self.objects.values().any(|object| object.expires_ns.is_some_and(|end| end <= now_ns))
    }

    pub(super) fn apply_command(
        &mut self,
        command: &LogCommand,
        term: u64,
        bugs: &[Bug],
    ) -> Result<StoreAnswer> {
        match command {
            LogCommand::Begin => Ok(StoreAnswer::default()),
            LogCommand::Expire { now_ns } => {
                self.objects.retain(|_, object| object.is_alive_at(*now_ns));
                Ok(StoreAnswer::default())
            }
            LogCommand::Do { operation, moment } => {
                self.execute_operation(operation, *moment, term, bugs).map(StoreAnswer::from_value)
            }
        }
    }

    /// Reads without changing anything. What has expired by `now_ns` counts as gone. `later` tells whether the reader
    /// understands what the later version wrote.
    pub(super) fn evaluate_read(
        &self,
        operation: &ClientOperation,
        now_ns: Option<i64>,
        later: bool,
    ) -> Result<Value> {
        match operation.function {
            Function::TXN => return self.read_transaction(&operation.value),
            Function::ACTIONS => {
                return Ok(Value::List(
                    self.done.get(operation_key(operation)?).cloned().unwrap_or_default(),
                ));
            }
            _ => {}
        }
        let object = self.objects.get(operation_key(operation)?);
        let alive = object.filter(|object| {
            now_ns.is_none_or(|now_ns| object.is_alive_at(now_ns)) && (later || !object.later)
        });
        Ok(alive.map_or(Value::Null, ReplicatedObject::visible_value))
    }

    fn read_transaction(&self, value: &Value) -> Result<Value> {
        let mut copy = ReplicatedData::default();
        for micro in micro_operations(value).ok_or_else(not_understood)? {
            if let Some(object) = self.objects.get(micro.key) {
                copy.objects.insert(micro.key.clone(), object.clone());
            }
        }
        copy.run_transaction(value)
    }

    fn execute_operation(
        &mut self,
        operation: &ClientOperation,
        moment: OperationMoment,
        term: u64,
        bugs: &[Bug],
    ) -> Result<Value> {
        let value = &operation.value;
        match (operation.function, value) {
            (Function::TXN, _) => return self.run_transaction(value),
            (Function::READ | Function::ACTIONS, _) => {
                return self.evaluate_read(operation, Some(moment.now_ns), true);
            }
            (Function::WRITE, Value::Payload(_) | Value::Torn { .. } | Value::Fields(_))
            | (
                Function::CREATE
                | Function::PATCH
                | Function::TOUCH
                | Function::RENEW
                | Function::DESTROY
                | Function::ACT,
                _,
            ) => return self.run_session_operation(operation, moment, term, bugs),
            _ => {}
        }
        let key = operation_key(operation)?;
        match (operation.function, value) {
            (Function::WRITE, _) => {
                self.put_value(key, value.clone());
                Ok(value.clone())
            }
            (Function::CAS, Value::List(pair)) if pair.len() == 2 => {
                if self.get_value(key) != pair[0] {
                    return Err(Failure::definite("the value differs"));
                }
                self.put_value(key, pair[1].clone());
                Ok(value.clone())
            }
            (Function::ADD | Function::ENQUEUE, element) => {
                self.list_mut(key)?.push(element.clone());
                Ok(value.clone())
            }
            (Function::DEQUEUE, _) => {
                let list = self.list_mut(key)?;
                if list.is_empty() { Err(Failure::definite("empty")) } else { Ok(list.remove(0)) }
            }
            (Function::INC, Value::Int(amount)) => {
                let sum = if let Value::Int(sum) = self.get_value(key) { sum } else { 0 };
                self.put_value(key, Value::Int(sum + amount));
                Ok(value.clone())
            }
            _ => Err(not_understood()),
        }
    }

    /// Runs all steps or, if one of them fails, none.
    fn run_transaction(&mut self, value: &Value) -> Result<Value> {
        let steps = micro_operations(value).ok_or_else(not_understood)?;
        let before: Vec<_> =
            steps.iter().map(|step| (step.key.clone(), self.objects.get(step.key).cloned())).collect();
        let result = self.run_steps(&steps);
        if result.is_err() {
            for (key, object) in before {
                match object {
                    Some(object) => drop(self.objects.insert(key, object)),
                    None => drop(self.objects.remove(&key)),
                }
            }
        }
        result
    }

    fn run_steps(&mut self, steps: &[MicroOperation<'_>]) -> Result<Value> {
        let mut done = Vec::with_capacity(steps.len());
        for step in steps {
            let result = match step.kind {
                "r" => self.get_value(step.key),
                "w" => {
                    self.put_value(step.key, step.value.clone());
                    step.value.clone()
                }
                "append" => {
                    self.list_mut(step.key)?.push(step.value.clone());
                    step.value.clone()
                }
                _ => return Err(not_understood()),
            };
            done.push(workloads::micro_operation(step.kind, step.key, result));
        }
        Ok(Value::List(done))
    }

    fn get_value(&self, key: &str) -> Value {
        self.objects.get(key).map_or(Value::Null, |object| object.value.clone())
    }

    fn put_value(&mut self, key: &Arc<str>, value: Value) {
        self.objects.insert(key.clone(), ReplicatedObject::with_expiry(value, None));
    }

    fn list_mut(&mut self, key: &Arc<str>) -> Result<&mut Vec<Value>> {
        let empty = || ReplicatedObject::with_expiry(Value::List(Vec::new()), None);
        match &mut self.objects.entry(key.clone()).or_insert_with(empty).value {
            Value::List(list) => Ok(list),
            _ => Err(Failure::definite("not a list")),
        }
    }
}

pub(super) fn operation_key(operation: &ClientOperation) -> Result<&Arc<str>> {
    operation.key.as_ref().ok_or_else(|| Failure::definite("an operation without a key"))
}

pub(super) fn not_understood() -> Failure {
    Failure::definite("not understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(data: &mut ReplicatedData, function: Function, value: Value) -> Result<Value> {
        let operation = Arc::new(ClientOperation::on_key(&"x".into(), function, value));
        data.apply_command(
            &LogCommand::Do {
                operation,
                moment: OperationMoment { now_ns: 0, expires_ns: 100, later: false },
            },
            1,
            &[],
        )
        .map(|answer| answer.value)
    }

    /// A compare-and-set or a transaction step that fails changes nothing. Every other operation does what its name
    /// says.
    #[test]
    fn operations_do_what_they_say() {
        let mut data = ReplicatedData::default();
        let pair = |old: Value, new: i64| Value::List(vec![old, Value::Int(new)]);
        assert_eq!(run(&mut data, Function::READ, Value::Null), Ok(Value::Null));
        assert!(run(&mut data, Function::CAS, pair(Value::Int(9), 1)).is_err());
        assert!(run(&mut data, Function::CAS, pair(Value::Null, 1)).is_ok());
        assert!(run(&mut data, Function::INC, Value::Int(4)).is_ok());
        assert_eq!(run(&mut data, Function::READ, Value::Null), Ok(Value::Int(5)));
        assert!(run(&mut data, Function::ADD, Value::Int(4)).is_err());
        let mut data = ReplicatedData::default();
        assert!(run(&mut data, Function::DEQUEUE, Value::Null).is_err());
        for n in [1, 2] {
            run(&mut data, Function::ENQUEUE, Value::Int(n)).unwrap();
        }
        assert_eq!(run(&mut data, Function::DEQUEUE, Value::Null), Ok(Value::Int(1)));
    }

    #[test]
    fn a_transaction_that_fails_changes_nothing() {
        let mut data = ReplicatedData::default();
        let step = |kind, key: &str| workloads::micro_operation(kind, &key.into(), Value::Int(1));
        let txn = |steps| ClientOperation::without_key(Function::TXN, Value::List(steps));
        let good = txn(vec![step("append", "a"), step("w", "b")]);
        let bad = txn(vec![step("append", "a"), step("w", "c"), step("append", "b")]);
        for (operation, succeeds) in [(good, true), (bad, false)] {
            let moment = OperationMoment { now_ns: 0, expires_ns: 0, later: false };
            let command = LogCommand::Do { operation: Arc::new(operation), moment };
            assert_eq!(data.apply_command(&command, 1, &[]).is_ok(), succeeds);
        }
        assert_eq!(data.get_value("a"), Value::List(vec![Value::Int(1)]));
        assert_eq!(data.get_value("c"), Value::Null);
    }

    #[test]
    fn sessions_end_at_their_time_and_not_before() {
        let mut data = ReplicatedData::default();
        run(&mut data, Function::CREATE, Value::Int(1)).unwrap();
        data.apply_command(&LogCommand::Expire { now_ns: 99 }, 1, &[]).unwrap();
        assert_eq!(run(&mut data, Function::READ, Value::Null), Ok(Value::Int(1)));
        assert!(!data.any_expired(99) && data.any_expired(100));
        data.apply_command(&LogCommand::Expire { now_ns: 100 }, 1, &[]).unwrap();
        assert_eq!(run(&mut data, Function::READ, Value::Null), Ok(Value::Null));
        assert!(run(&mut data, Function::TOUCH, Value::Null).is_err());
    }
}
