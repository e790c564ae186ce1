//! The reads and writes of registers, according to the definitions.

use crate::watch::{StepCost, Watch};
use claims::ObjectQuestion;
use histories::{Argument, Function, History, Id, KeyId, OpId, Operation, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::OnceLock;

/// The operations of each object and their values.
pub(crate) struct Records<'a> {
    pub(crate) history: &'a History,
    pub(crate) question: &'a ObjectQuestion,
    pub(crate) watch: &'a Watch<'a>,
    /// The operations that did not fail, by object and then in the order of invocation.
    operations: Vec<OpId>,
    /// By object: where its operations begin, and where the last ones end.
    starts: Vec<u32>,
    /// By object and value: the writes that may have taken effect. Empty unless built by [`Records::with_writes`].
    writes: FxHashMap<(KeyId, ValueId), Vec<OpId>>,
    /// Indeterminate compare-and-sets whose expected value does not go back to the initial value or to a write. [`Records::with_writes`]
    /// finds them.
    unfounded: Vec<Operation>,
    /// By object and value: the writes that failed, and the compare-and-sets that may not have happened. Computed on first use.
    did_not_happen: OnceLock<FxHashMap<(KeyId, ValueId), Vec<OpId>>>,
}

/// The value that an operation writes if it takes effect; `None` if it is not a write.
pub(crate) fn value_written_by(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::WRITE | Function::PUT, Argument::Value(value)) => Some(*value),
        (Function::CAS, Argument::Pair(_, new)) => Some(*new),
        _ => None,
    }
}

/// The value that an operation read, if it is known. An indeterminate read returns nothing.
pub(crate) fn value_read_by(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::READ | Function::GET, _) => (operation.outcome == Outcome::Ok).then_some(operation.result),
        (Function::CAS, Argument::Pair(old, _)) => Some(*old),
        _ => None,
    }
}

impl<'a> Records<'a> {
    /// Sorts the operations by object. O(n). What is left out when the time ends is never missed, because the caller then
    /// discards all results.
    pub(crate) fn new(history: &'a History, question: &'a ObjectQuestion, watch: &'a Watch<'a>) -> Self {
        let happened = || {
            let ids = watch.take_while_in_time(StepCost::Look, history.ids());
            ids.filter(|&op| history.outcome(op) != Outcome::Fail)
        };
        let mut starts = vec![0u32; history.keys.len() + 1];
        happened().for_each(|op| starts[history.key(op).index() + 1] += 1);
        (0..history.keys.len()).for_each(|key| starts[key + 1] += starts[key]);
        let mut next = starts.clone();
        let mut operations = vec![OpId::from_raw(0); starts[history.keys.len()] as usize];
        for op in happened() {
            let at = &mut next[history.key(op).index()];
            operations[*at as usize] = op;
            *at += 1;
        }
        Self {
            history,
            question,
            watch,
            operations,
            starts,
            writes: FxHashMap::default(),
            unfounded: Vec::new(),
            did_not_happen: OnceLock::new(),
        }
    }

    /// The operations on one object that did not fail.
    pub(crate) fn operations_on(&self, key: KeyId) -> &[OpId] {
        &self.operations[self.starts[key.index()] as usize..self.starts[key.index() + 1] as usize]
    }

    /// The place of an operation in [`Records::operations_on`] its object. None if it is of another object or failed.
    /// O(log n) for n operations on the object.
    pub(crate) fn place_among_operations_on(&self, key: KeyId, op: OpId) -> Option<usize> {
        self.operations_on(key).binary_search(&op).ok()
    }

    /// Also builds the table of possible writers of each value, which cycles are checked against.
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
        // An indeterminate compare-and-set may have taken effect if the value that it expected may have been present.
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
                records.unfounded = rest;
                return records;
            }
            doubtful = rest;
        }
    }

    /// Fails if an answer shows what compare-and-sets wrote that can have taken effect only together, because each expected what another of
    /// them wrote. The table of writers lacks them, so it shows nothing where such a circle is permitted. O(n + u²) for u of them in the
    /// worst case.
    pub(crate) fn refuse_circles(&self) -> Result<(), String> {
        let step =
            |swap: &Operation| value_read_by(swap).zip(value_written_by(swap)).expect("a compare-and-set");
        let mut left: Vec<(KeyId, ValueId, ValueId)> = (self.unfounded.iter())
            .map(|swap| {
                let (old, new) = step(swap);
                (swap.key, old, new)
            })
            .collect();
        loop {
            let mut written: FxHashMap<(KeyId, ValueId), usize> = FxHashMap::default();
            left.iter().for_each(|&(key, _, new)| *written.entry((key, new)).or_default() += 1);
            let before = left.len();
            // Another one than itself must write what it expects.
            let is_explained = |&(key, old, new): &(KeyId, ValueId, ValueId)| {
                written.get(&(key, old)).is_some_and(|&count| count > usize::from(old == new))
            };
            left.retain(is_explained);
            if left.is_empty() || !self.watch.has_time_after(before as u64) {
                return Ok(());
            }
            if left.len() == before {
                break;
            }
        }
        let written: FxHashSet<(KeyId, ValueId)> = left.iter().map(|&(key, _, new)| (key, new)).collect();
        let all = self.watch.take_while_in_time(StepCost::Follow, self.history.operations());
        let mut answers = all.filter(|operation| operation.outcome == Outcome::Ok);
        match answers.any(|one| value_read_by(&one).is_some_and(|value| written.contains(&(one.key, value)))) {
            true => Err("indeterminate compare-and-sets that expect each other's values may have taken effect together".to_owned()),
            false => Ok(()),
        }
    }

    pub(crate) fn operation(&self, op: OpId) -> Operation {
        self.history.operation(op)
    }

    /// All versions that an operation may have read: writes, and `None` for the initial value.
    pub(crate) fn candidate_versions(&self, op: OpId) -> Vec<Option<OpId>> {
        let operation = self.operation(op);
        let Some(value) = value_read_by(&operation) else { return Vec::new() };
        let writes = self.writes.get(&(operation.key, value)).map_or(&[][..], Vec::as_slice);
        let others = writes.iter().filter(|&&write| write != op).map(|&write| Some(write));
        let initial = (value == self.question.initial.value_of_key(operation.key)).then_some(None);
        initial.into_iter().chain(others).collect()
    }

    /// The writes that would have led to the value that an operation read, if they had taken effect: those of the value that failed or may
    /// not have happened, and those of what such a compare-and-set expected. O(n) once, and then the number of these writes.
    pub(crate) fn writes_that_did_not_happen(&self, read: OpId) -> FxHashSet<OpId> {
        let writes = self.did_not_happen.get_or_init(|| {
            let mut writes: FxHashMap<(KeyId, ValueId), Vec<OpId>> = FxHashMap::default();
            for operation in self.watch.take_while_in_time(StepCost::Follow, self.history.operations()) {
                let is_doubtful = operation.outcome == Outcome::Info && operation.function == Function::CAS;
                if (operation.outcome == Outcome::Fail || is_doubtful)
                    && let Some(value) = value_written_by(&operation)
                {
                    writes.entry((operation.key, value)).or_default().push(operation.id);
                }
            }
            writes
        });
        let (mut found, mut pending) = (FxHashSet::default(), vec![read]);
        let key = self.history.key(read);
        while let Some(value) = pending.pop().and_then(|op| value_read_by(&self.operation(op))) {
            for &write in writes.get(&(key, value)).into_iter().flatten() {
                if write != read && found.insert(write) && self.history.outcome(write) == Outcome::Info {
                    pending.push(write);
                }
            }
        }
        found
    }

    /// The version that an operation read, given the assumptions about reads with several candidates.
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

    /// The operations of an object that certainly took effect: those that completed, and the writes that these and each
    /// other read.
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
