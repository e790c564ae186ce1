//! What a history says: which operations may have happened, and which writes each of them may have read.
//!
//! The same for all levels. A row is an operation that ended `ok`, or an indeterminate one that writes; rows are in the
//! order of invocations. Reads of a value that one write wrote have their source; those of a value that several wrote
//! have a list of candidates, from which `cases.rs` chooses.
//!
//! An indeterminate compare-and-set whose expected value can never have been there did not happen; whether a value can
//! have been there is a least fixed point, so that two of them cannot vouch for each other.
//!
//! Cost: O(n), 40 bytes an operation.

use claims::ObjectQuestion;
use histories::{Argument, Function, History, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId};
use rustc_hash::FxHashMap;

/// The initial value, where a row could be.
pub(super) const INITIAL: u32 = u32::MAX;

/// What a row read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowRead {
    /// It is no read.
    Nothing,
    /// Nobody can have written what it read.
    Nobody,
    /// The only row that wrote it; or [`INITIAL`].
    From(u32),
    /// One of several: which of [`Facts::candidates`].
    OneOf(u32),
}

/// An operation that happened, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct OperationRow {
    pub(super) op: OpId,
    pub(super) key: KeyId,
    pub(super) session: SessionId,
    pub(super) invoked: u32,
    /// [`NEVER`] for an indeterminate operation, which precedes nothing.
    pub(super) completed: u32,
    pub(super) writes: bool,
    pub(super) read: RowRead,
}

impl OperationRow {
    pub(super) fn is_ok(&self) -> bool {
        self.completed != NEVER
    }
}

/// What a history says.
pub(super) struct RegisterFacts<'a> {
    pub(super) history: &'a History,
    pub(super) rows: Vec<OperationRow>,
    /// Of each read whose value several wrote: rows, the [`INITIAL`] value last.
    pub(super) candidates: Vec<Vec<u32>>,
    /// Completed reads of what nobody can have written; one an object and value.
    pub(super) unwritten: Vec<OpId>,
    /// An operation that is neither a read nor a write nor a compare-and-set.
    pub(super) foreign: Option<OpId>,
}

/// The value that an operation would write.
fn value_written(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::WRITE | Function::PUT, Argument::Value(value)) => Some(*value),
        (Function::CAS, Argument::Pair(_, new)) => Some(*new),
        _ => None,
    }
}

/// The value that an operation found.
fn value_found(operation: &Operation) -> Option<ValueId> {
    match (operation.function, &operation.argument) {
        (Function::READ | Function::GET, _) => Some(operation.result),
        (Function::CAS, Argument::Pair(old, _)) => Some(*old),
        _ => None,
    }
}

/// Of each object and value the first row that wrote it; the others follow by a list.
struct WritersByValue {
    first: FxHashMap<(KeyId, ValueId), u32>,
    next: Vec<u32>,
}

const NO_ROW: u32 = u32::MAX;

impl WritersByValue {
    fn add_writer(&mut self, key: KeyId, value: ValueId, row: u32) {
        let first = self.first.entry((key, value)).or_insert(NO_ROW);
        self.next[row as usize] = std::mem::replace(first, row);
    }

    fn writers_of(&self, key: KeyId, value: ValueId) -> impl Iterator<Item = u32> {
        let first = self.first.get(&(key, value)).copied();
        std::iter::successors(first, |&row| Some(self.next[row as usize]).filter(|&next| next != NO_ROW))
    }
}

impl<'a> RegisterFacts<'a> {
    pub(super) fn new(history: &'a History, question: &ObjectQuestion) -> Self {
        let mut facts =
            Self { history, rows: Vec::new(), candidates: Vec::new(), unwritten: Vec::new(), foreign: None };
        let mut doubtful = Vec::new();
        for operation in history.operations().filter(|operation| operation.outcome != Outcome::Fail) {
            let (writes, reads) = (value_written(&operation).is_some(), value_found(&operation).is_some());
            if !writes && !reads {
                if operation.function != Function::CONTAINS {
                    facts.foreign.get_or_insert(operation.id);
                }
                continue;
            }
            let ok = operation.outcome == Outcome::Ok;
            if !ok && !writes {
                continue;
            }
            if !ok && reads {
                doubtful.push(facts.rows.len() as u32);
            }
            facts.rows.push(OperationRow {
                op: operation.id,
                key: operation.key,
                session: operation.session,
                invoked: operation.invoked,
                completed: if ok { operation.completed } else { NEVER },
                writes,
                read: RowRead::Nothing,
            });
        }
        let writers = facts.find_writers(question, &doubtful);
        facts.assign_reads(question, &writers);
        facts
    }

    fn operation_of_row(&self, row: u32) -> Operation {
        self.history.operation(self.rows[row as usize].op)
    }

    fn find_writers(&self, question: &ObjectQuestion, doubtful: &[u32]) -> WritersByValue {
        let mut writers = WritersByValue {
            first: FxHashMap::with_capacity_and_hasher(self.rows.len() / 2, Default::default()),
            next: vec![NO_ROW; self.rows.len()],
        };
        for (row, is) in (0u32..).zip(&self.rows) {
            if is.writes && doubtful.binary_search(&row).is_err() {
                let value = value_written(&self.operation_of_row(row)).expect("it writes");
                writers.add_writer(is.key, value, row);
            }
        }
        // By what they wait for, the compare-and-sets that nothing vouches for yet.
        let mut waiting: FxHashMap<(KeyId, ValueId), Vec<u32>> = FxHashMap::default();
        let mut possible = Vec::new();
        for &row in doubtful {
            let operation = self.operation_of_row(row);
            let old = value_found(&operation).expect("a compare-and-set expects a value");
            let known = old == question.initial.value_of_key(operation.key)
                || writers.writers_of(operation.key, old).next().is_some();
            match known {
                true => possible.push(row),
                false => waiting.entry((operation.key, old)).or_default().push(row),
            }
        }
        while let Some(row) = possible.pop() {
            let operation = self.operation_of_row(row);
            let new = value_written(&operation).expect("a compare-and-set writes");
            writers.add_writer(operation.key, new, row);
            possible.extend(waiting.remove(&(operation.key, new)).unwrap_or_default());
        }
        writers
    }

    fn assign_reads(&mut self, question: &ObjectQuestion, writers: &WritersByValue) {
        let mut unwritten: FxHashMap<(KeyId, ValueId), OpId> = FxHashMap::default();
        for at in 0..self.rows.len() {
            let row = self.rows[at];
            let Some(value) = value_found(&self.history.operation(row.op)) else { continue };
            let mut others = writers.writers_of(row.key, value).filter(|&other| other != at as u32);
            let initial = (value == question.initial.value_of_key(row.key)).then_some(INITIAL);
            self.rows[at].read = match (others.next(), others.next(), initial) {
                (None, _, None) => RowRead::Nobody,
                (Some(only), None, None) | (None, None, Some(only)) => RowRead::From(only),
                _ => {
                    let mut all: Vec<u32> =
                        writers.writers_of(row.key, value).filter(|&other| other != at as u32).collect();
                    all.sort_unstable();
                    all.extend(initial);
                    self.candidates.push(all);
                    RowRead::OneOf(self.candidates.len() as u32 - 1)
                }
            };
            if self.rows[at].read == RowRead::Nobody && row.is_ok() {
                unwritten.entry((row.key, value)).or_insert(row.op);
            }
        }
        self.unwritten = unwritten.into_values().collect();
        self.unwritten.sort_unstable();
    }
}
