//! Who wrote and read what, as the definitions have it.

use crate::watch::{StepCost, Watch};
use claims::ObjectQuestion;
use histories::{Argument, Function, History, KeyId, OpId, Operation, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What a history says of each object.
pub(crate) struct Records<'a> {
    pub(crate) history: &'a History,
    pub(crate) question: &'a ObjectQuestion,
    pub(crate) watch: &'a Watch<'a>,
    /// The operations that did not fail, by object, then in order of invocation.
    pub(crate) operations: Vec<OpId>,
    /// By object and value, the writes that may have happened; empty until [`Records::with_writes`].
    writes: FxHashMap<(KeyId, ValueId), Vec<OpId>>,
}

/// The value that an operation would write, if it is one that writes.
pub(crate) fn value_written_by(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::WRITE | Function::PUT, Argument::Value(value)) => Some(*value),
        (Function::CAS, Argument::Pair(_, new)) => Some(*new),
        _ => None,
    }
}

/// The value that an operation read, if it did: an indeterminate read says nothing.
pub(crate) fn value_read_by(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::READ | Function::GET, _) => (operation.outcome == Outcome::Ok).then_some(operation.result),
        (Function::CAS, Argument::Pair(old, _)) => Some(*old),
        _ => None,
    }
}

impl<'a> Records<'a> {
    pub(crate) fn new(history: &'a History, question: &'a ObjectQuestion, watch: &'a Watch<'a>) -> Self {
        let mut operations: Vec<OpId> = history.ids().collect();
        operations.retain(|&op| history.outcome(op) != Outcome::Fail);
        operations.sort_by_key(|&op| history.key(op));
        Self { history, question, watch, operations, writes: FxHashMap::default() }
    }

    /// The operations on one object that did not fail.
    pub(crate) fn operations_on(&self, key: KeyId) -> &[OpId] {
        let start = self.operations.partition_point(|&op| self.history.key(op) < key);
        let end = self.operations.partition_point(|&op| self.history.key(op) <= key);
        &self.operations[start..end]
    }

    /// With a table of who may have written each value: what cycles are checked against.
    pub(crate) fn with_writes(
        history: &'a History,
        question: &'a ObjectQuestion,
        watch: &'a Watch<'a>,
    ) -> Self {
        let mut records = Self::new(history, question, watch);
        let mut doubtful = Vec::new();
        let all = watch.take_while_in_time(StepCost::Follow, history.operations());
        for operation in all.filter(|operation| operation.outcome != Outcome::Fail) {
            if operation.function == Function::CAS && operation.outcome == Outcome::Info {
                doubtful.push(operation);
            } else if let Some(value) = value_written_by(&operation) {
                records.writes.entry((operation.key, value)).or_default().push(operation.id);
            }
        }
        // An indeterminate compare-and-set may have happened if what it expected may have been there.
        loop {
            let before = doubtful.len();
            let (possible, rest): (Vec<_>, Vec<_>) = doubtful.into_iter().partition(|operation| {
                let old = value_read_by(operation).expect("a compare-and-set expects a value");
                old == question.initial.value_of_key(operation.key)
                    || records.writes.contains_key(&(operation.key, old))
            });
            for operation in possible {
                let new = value_written_by(&operation).expect("a compare-and-set writes");
                records.writes.entry((operation.key, new)).or_default().push(operation.id);
            }
            if rest.len() == before {
                return records;
            }
            doubtful = rest;
        }
    }

    pub(crate) fn operation(&self, op: OpId) -> Operation {
        self.history.operation(op)
    }

    /// All that an operation may have read: writes, and `None` for the initial value.
    pub(crate) fn candidate_versions(&self, op: OpId) -> Vec<Option<OpId>> {
        let operation = self.operation(op);
        let Some(value) = value_read_by(&operation) else { return Vec::new() };
        let writes = self.writes.get(&(operation.key, value)).map_or(&[][..], Vec::as_slice);
        let others = writes.iter().filter(|&&write| write != op).map(|&write| Some(write));
        let initial = (value == self.question.initial.value_of_key(operation.key)).then_some(None);
        initial.into_iter().chain(others).collect()
    }

    /// What an operation read, under what is assumed of the reads with several candidates.
    pub(crate) fn returned_version(
        &self,
        op: OpId,
        assumed: &FxHashMap<OpId, Option<OpId>>,
    ) -> Option<Option<OpId>> {
        if let Some(&version) = assumed.get(&op) {
            return Some(version);
        }
        let candidates = self.candidate_versions(op);
        (candidates.len() == 1).then(|| candidates[0])
    }

    /// The writes of an object that took effect for sure: the completed ones, and what they and each other read.
    pub(crate) fn certain_operations(
        &self,
        key: KeyId,
        assumed: &FxHashMap<OpId, Option<OpId>>,
    ) -> FxHashSet<OpId> {
        let mut sure = FxHashSet::default();
        let mut pending: Vec<OpId> = (self.operations_on(key).iter().copied())
            .filter(|&op| self.history.outcome(op) == Outcome::Ok)
            .collect();
        while let Some(op) = pending.pop() {
            if sure.insert(op)
                && let Some(Some(write)) = self.returned_version(op, assumed)
            {
                pending.push(write);
            }
        }
        sure
    }
}
