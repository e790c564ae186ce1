//! Who wrote and read what.

use crate::check::Question;
use histories::{Argument, Function, History, Id, KeyId, OpId, Operation, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// What a read returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    Initial,
    Write(OpId),
}

/// What a history says, as far as it is plain: every value that is read has one write.
pub(super) struct Records<'a> {
    pub(super) history: &'a History,
    question: &'a Question,
    /// By object and value, the writes that did not fail, indeterminate compare-and-sets included.
    writes: FxHashMap<(KeyId, ValueId), Vec<OpId>>,
    /// The operations that took effect, in order of invocation.
    pub(super) took_effect: Vec<OpId>,
    /// By operation, of those that took effect: what it read.
    sources: Vec<Option<Source>>,
}

/// The value that an operation writes.
pub(super) fn written(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::WRITE | Function::PUT, &Argument::Value(value)) => Some(value),
        (Function::CAS, &Argument::Pair(_, new)) => Some(new),
        _ => None,
    }
}

/// The value that an operation that took effect read.
pub(super) fn read(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::READ | Function::GET, _) => Some(operation.result),
        (Function::CAS, &Argument::Pair(old, _)) => Some(old),
        _ => None,
    }
}

impl<'a> Records<'a> {
    /// What evidence of a violation is held against: who wrote what.
    pub(super) fn of_violation(history: &'a History, question: &'a Question) -> Self {
        let mut writes: FxHashMap<(KeyId, ValueId), Vec<OpId>> = FxHashMap::default();
        for operation in history.operations().filter(|operation| operation.outcome != Outcome::Fail) {
            if let Some(value) = written(&operation) {
                writes.entry((operation.key, value)).or_default().push(operation.id);
            }
        }
        let mut records =
            Self { history, question, writes, took_effect: Vec::new(), sources: vec![None; history.len()] };
        let ok = history.operations().filter(|operation| operation.outcome == Outcome::Ok);
        let about = |operation: &Operation| written(operation).is_some() || read(operation).is_some();
        let mut todo: Vec<OpId> = ok.filter(about).map(|operation| operation.id).collect();
        let mut seen: FxHashSet<OpId> = todo.iter().copied().collect();
        while let Some(op) = todo.pop() {
            records.took_effect.push(op);
            records.sources[op.index()] = records.found(op);
            if let Some(Source::Write(write)) = records.source(op)
                && seen.insert(write)
            {
                todo.push(write);
            }
        }
        records.took_effect.sort_unstable();
        records
    }

    /// What a witness is held against. The error says of a read that nobody wrote what it returned, or several did.
    pub(super) fn new(history: &'a History, question: &'a Question) -> Result<Self, String> {
        let records = Self::of_violation(history, question);
        for &op in &records.took_effect {
            if read(&history.operation(op)).is_some() && records.source(op).is_none() {
                return Err(format!("operation {} read what not exactly one wrote", history.index(op)));
            }
        }
        Ok(records)
    }

    /// What an operation that took effect read, if it did and exactly one wrote it.
    pub(super) fn source(&self, op: OpId) -> Option<Source> {
        self.sources[op.index()]
    }

    fn found(&self, op: OpId) -> Option<Source> {
        let operation = self.history.operation(op);
        let value = read(&operation)?;
        let writes = self.writes.get(&(operation.key, value)).map_or(&[][..], Vec::as_slice);
        let mut writes = writes.iter().copied().filter(|&write| write != op);
        match (value == self.question.initial, writes.next(), writes.next()) {
            (true, None, None) => Some(Source::Initial),
            (false, Some(write), None) => Some(Source::Write(write)),
            // Of several, those that cannot have happened do not count.
            (initial, Some(first), second) => {
                let all = [Some(first), second].into_iter().flatten().chain(writes);
                let mut possible = all.filter(|&write| self.possible(write));
                match (initial, possible.next(), possible.next()) {
                    (true, None, None) => Some(Source::Initial),
                    (false, Some(write), None) => Some(Source::Write(write)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether an indeterminate compare-and-set may have found what it expected, by what others may have written.
    fn possible(&self, write: OpId) -> bool {
        let mut reached: FxHashSet<OpId> = FxHashSet::from_iter([write]);
        let mut todo = vec![write];
        while let Some(op) = todo.pop() {
            let operation = self.history.operation(op);
            let sure = operation.outcome == Outcome::Ok || operation.function != Function::CAS;
            let Argument::Pair(old, _) = operation.argument else { return true };
            if sure || old == self.question.initial {
                return true;
            }
            let before = self.writes.get(&(operation.key, old)).map_or(&[][..], Vec::as_slice);
            todo.extend(before.iter().copied().filter(|&other| reached.insert(other)));
        }
        false
    }

    /// Whether one operation completed before another of its session was invoked.
    pub(super) fn in_session(&self, a: OpId, b: OpId) -> bool {
        let (a, b) = (self.history.operation(a), self.history.operation(b));
        a.session == b.session && a.outcome == Outcome::Ok && a.completed < b.invoked
    }
}
