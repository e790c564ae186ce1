//! The facts that all levels share: which operations may have happened, and which writes each of them may have read.
//!
//! A row is an operation that ended `ok`, or an indeterminate one that writes. Rows are in order of invocation. If
//! one write wrote the value of a read, the read has that write as its source. If several did, the read has a list of
//! candidates, from which `cases.rs` chooses.
//!
//! An indeterminate compare-and-set did not happen if its expected value can never have been there. Whether a value
//! can have been there is a least fixed point, so that two such operations cannot justify each other.
//!
//! Cost: O(n), 44 bytes an operation.

use claims::{Limits, ObjectQuestion, UntilStopped};
use histories::{
    DeclaredConsistency, Effect, Function, History, Id, KeyId, NEVER, OpId, Outcome, SessionId, ValueId,
};
use rustc_hash::FxHashMap;

/// The initial value, in place of a row.
pub(super) const INITIAL: u32 = u32::MAX;

/// What a row read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RowRead {
    /// It is not a read.
    Nothing,
    /// No write can have written the value that it returned.
    Nobody,
    /// The only row that wrote its value, or [`INITIAL`].
    From(u32),
    /// One of several rows: an index into [`Facts::candidates`].
    OneOf(u32),
}

/// An operation that took effect, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct OperationRow {
    pub(super) op: OpId,
    pub(super) key: KeyId,
    pub(super) session: SessionId,
    /// The session as a number below [`RegisterFacts::session_count`].
    pub(super) session_number: u32,
    pub(super) invoked: u32,
    /// [`NEVER`] for an indeterminate operation, which precedes no other.
    pub(super) completed: u32,
    pub(super) writes: bool,
    /// Whether the operation keeps real time at `ordered-sequential`: a write, unless it declares `sequential`, or an operation that
    /// declares `linearizable`.
    pub(super) is_ordered: bool,
    pub(super) read: RowRead,
}

impl OperationRow {
    pub(super) fn is_ok(&self) -> bool {
        self.completed != NEVER
    }
}

/// What a history says about reads and writes of registers.
pub(super) struct RegisterFacts<'a> {
    pub(super) history: &'a History,
    pub(super) rows: Vec<OperationRow>,
    /// For each ambiguous read, the rows that may have written its value; the [`INITIAL`] value comes last.
    pub(super) candidates: Vec<Vec<u32>>,
    /// Completed reads of values that no write can have written; one for each object and value.
    pub(super) unwritten: Vec<OpId>,
    /// An operation other than a read, a write or a compare-and-set.
    pub(super) foreign: Option<OpId>,
    /// An operation that declares a consistency that no level knows.
    pub(super) unknown_declaration: Option<OpId>,
    /// The number of objects; if it is 1, all rows are of one object.
    pub(super) key_count: usize,
    /// The number of sessions.
    pub(super) session_count: usize,
}

/// For each object and value the row that was added last; `next` links each row to the one added before it.
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
    /// Reads the whole history. Meaningless once the stop flag is set.
    pub(super) fn new(history: &'a History, question: &ObjectQuestion, limits: &Limits<'_>) -> Self {
        let mut facts = Self {
            history,
            rows: Vec::new(),
            candidates: Vec::new(),
            unwritten: Vec::new(),
            foreign: None,
            unknown_declaration: None,
            key_count: history.keys.len(),
            session_count: history.sessions.len(),
        };
        let mut doubtful = Vec::new();
        let declared = history.declared_consistency();
        let operations = history.operations().until_stopped(limits.stop);
        for operation in operations.filter(|operation| operation.outcome != Outcome::Fail) {
            let Some(effect) = operation.effect() else {
                if operation.function != Function::CONTAINS {
                    facts.foreign.get_or_insert(operation.id);
                }
                continue;
            };
            let (writes, reads) = (effect.writes.is_some(), effect.reads.is_some());
            let ok = operation.outcome == Outcome::Ok;
            if !ok && !writes {
                continue;
            }
            let declared = declared[operation.id.index()];
            if declared == Some(DeclaredConsistency::Other) {
                facts.unknown_declaration.get_or_insert(operation.id);
            }
            if !ok && reads {
                doubtful.push(facts.rows.len() as u32);
            }
            facts.rows.push(OperationRow {
                op: operation.id,
                key: operation.key,
                session: operation.session,
                session_number: operation.session.raw(),
                invoked: operation.invoked,
                completed: if ok { operation.completed } else { NEVER },
                writes,
                is_ordered: declared.map_or(writes, |declared| declared == DeclaredConsistency::Linearizable),
                read: RowRead::Nothing,
            });
        }
        let writers = facts.find_writers(question, &doubtful, limits);
        facts.assign_reads(question, &writers, limits);
        facts
    }

    fn effect_of_row(&self, row: u32) -> Effect {
        self.history.effect(self.rows[row as usize].op).expect("a row has an effect")
    }

    fn find_writers(
        &self,
        question: &ObjectQuestion,
        doubtful: &[u32],
        limits: &Limits<'_>,
    ) -> WritersByValue {
        let mut writers = WritersByValue {
            first: FxHashMap::with_capacity_and_hasher(self.rows.len() / 2, Default::default()),
            next: vec![NO_ROW; self.rows.len()],
        };
        for (row, is) in (0u32..).zip(&self.rows).until_stopped(limits.stop) {
            if is.writes && doubtful.binary_search(&row).is_err() {
                let value = self.effect_of_row(row).writes.expect("it writes");
                writers.add_writer(is.key, value, row);
            }
        }
        // Compare-and-sets whose expected value no possible write has written yet, by that value.
        let mut waiting: FxHashMap<(KeyId, ValueId), Vec<u32>> = FxHashMap::default();
        let mut possible = Vec::new();
        for &row in doubtful {
            let key = self.rows[row as usize].key;
            let old = self.effect_of_row(row).reads.expect("a compare-and-set expects a value");
            let known =
                old == question.initial.value_of_key(key) || writers.writers_of(key, old).next().is_some();
            match known {
                true => possible.push(row),
                false => waiting.entry((key, old)).or_default().push(row),
            }
        }
        while let Some(row) = possible.pop() {
            let key = self.rows[row as usize].key;
            let new = self.effect_of_row(row).writes.expect("a compare-and-set writes");
            writers.add_writer(key, new, row);
            possible.extend(waiting.remove(&(key, new)).unwrap_or_default());
        }
        writers
    }

    fn assign_reads(&mut self, question: &ObjectQuestion, writers: &WritersByValue, limits: &Limits<'_>) {
        let mut unwritten: FxHashMap<(KeyId, ValueId), OpId> = FxHashMap::default();
        for at in (0..self.rows.len()).until_stopped(limits.stop) {
            let row = self.rows[at];
            let Some(value) = self.history.effect(row.op).and_then(|effect| effect.reads) else { continue };
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
