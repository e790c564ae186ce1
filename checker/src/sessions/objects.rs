//! What the history says of each object: its versions, and which one each operation read or wrote.
//!
//! This is the same for all five levels, so it is worked out once (`collect.rs`) and left as rows of 24 bytes
//! that the levels then pass over in order.
//!
//! A version is a write that did not fail, or the initial value (version 0). A read returns a version; where
//! several have its value, it is a [`Choice`]. A compare-and-set is a read of what it expected and a write.

use super::collect::collect_objects;
use claims::{Limits, Model, ObjectQuestion, Reason};
use histories::{Argument, Function, History, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId};

/// About what a level takes an operation, rows included: 24 for the row, and 2 vertices and 4 edges.
pub(super) const BYTES_PER_OPERATION: usize = 200;

/// The initial value.
pub(super) const INITIAL: u32 = 0;
pub(super) const NOTHING: u32 = u32::MAX;
pub(super) const CHOICE: u32 = 1 << 31;

/// What an operation read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VersionRead {
    /// It reads nothing, or nobody wrote what it read.
    Nothing,
    /// The only version with its value.
    Version(u32),
    /// One of several versions: the index of its [`Choice`].
    Choice(u32),
}

/// One operation on an object that took effect, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectRow {
    pub(super) op: OpId,
    pub(super) session: SessionId,
    pub(super) invoked: u32,
    /// [`NEVER`] for an indeterminate operation, which is no `a`, and a `b` as a write only.
    pub(super) completed: u32,
    /// [`Read`] in one word.
    pub(super) read: u32,
    /// The version that it wrote; [`INITIAL`] for none.
    pub(super) wrote: u32,
}

impl ObjectRow {
    /// What it read.
    pub(super) fn read(&self) -> VersionRead {
        match self.read {
            NOTHING => VersionRead::Nothing,
            choice if choice & CHOICE != 0 => VersionRead::Choice(choice & !CHOICE),
            version => VersionRead::Version(version),
        }
    }

    /// Whether it completed.
    pub(super) fn is_ok(&self) -> bool {
        self.completed != NEVER
    }
}

/// A read, or a compare-and-set's, whose value several versions have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) row: u32,
    /// The versions with its value: an index into [`Object::classes`].
    pub(super) class: u32,
}

/// The versions with one value, sorted.
pub(super) type VersionClass = Vec<u32>;

/// A version token that the store returned with a completed operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionToken {
    pub(super) token: i64,
    pub(super) row: u32,
}

/// Where the parts of one object lie.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ObjectStarts {
    pub(super) rows: usize,
    pub(super) writers: usize,
    pub(super) choices: usize,
    pub(super) classes: usize,
    pub(super) tokens: usize,
}

/// All objects of a history.
pub(super) struct SessionObjects {
    pub(super) keys: Vec<KeyId>,
    /// One more than there are keys.
    pub(super) starts: Vec<ObjectStarts>,
    pub(super) rows: Vec<ObjectRow>,
    pub(super) writers: Vec<OpId>,
    pub(super) took_effect: Vec<bool>,
    pub(super) choices: Vec<Choice>,
    pub(super) classes: Vec<VersionClass>,
    pub(super) tokens: Vec<VersionToken>,
    /// Completed reads of values that nobody wrote, one a value and key.
    pub(super) unwritten: Vec<OpId>,
    /// An operation that is none of read, write and compare-and-set; its key is left out.
    pub(super) foreign: Option<OpId>,
}

/// One object.
#[derive(Clone, Copy)]
pub(super) struct SessionObject<'a> {
    pub(super) key: KeyId,
    /// By session, then by invocation.
    pub(super) rows: &'a [ObjectRow],
    /// The write of each version from 1 on.
    pub(super) writers: &'a [OpId],
    /// Of each version from 1 on: it completed, or something returned it whatever the choices.
    pub(super) took_effect: &'a [bool],
    /// Reads with several candidates.
    pub(super) choices: &'a [Choice],
    /// The values that are written more than once, as far as something reads them.
    pub(super) classes: &'a [VersionClass],
    pub(super) tokens: &'a [VersionToken],
}

impl<'a> SessionObject<'a> {
    /// What a choice may be: at least two versions. Nothing returns what it writes itself.
    pub(super) fn candidates(&self, choice: &Choice) -> impl DoubleEndedIterator<Item = u32> + use<'a> {
        let wrote = self.rows[choice.row as usize].wrote;
        let own = move |version: &u32| wrote != INITIAL && *version == wrote;
        self.classes[choice.class as usize].iter().copied().filter(move |version| !own(version))
    }

    /// How many versions there are, the initial value included.
    pub(super) fn version_count(&self) -> u32 {
        self.writers.len() as u32 + 1
    }

    /// The write of a version; none for the initial value.
    pub(super) fn writer(&self, version: u32) -> Option<OpId> {
        version.checked_sub(1).map(|at| self.writers[at as usize])
    }
}

impl SessionObjects {
    /// Sorts a history by object. O(n).
    pub(super) fn new(
        history: &History,
        question: &ObjectQuestion,
        limits: &Limits<'_>,
    ) -> Result<Self, Reason> {
        let unknown = |reason: String| Err(Reason { reason });
        if !matches!(question.model, Model::Register | Model::CasRegister | Model::Kv) {
            return unknown(format!(
                "the session guarantees are not decided for the model {:?}",
                question.model
            ));
        }
        let bytes = history.len().saturating_mul(BYTES_PER_OPERATION);
        if bytes > limits.bytes {
            return unknown(format!(
                "{} operations need about {bytes} bytes, beyond the limit",
                history.len()
            ));
        }
        let transaction =
            |id: &OpId| history.function(*id) == Function::TXN && history.outcome(*id) != Outcome::Fail;
        if let Some(op) = history.ids().find(transaction) {
            return Err(super::foreign_operation_reason(history, op));
        }
        Ok(collect_objects(history, question))
    }

    /// Every object that something was read from or written to.
    pub(super) fn iter(&self) -> impl Iterator<Item = SessionObject<'_>> {
        self.keys.iter().zip(self.starts.windows(2)).map(|(&key, pair)| {
            let (from, to) = (pair[0], pair[1]);
            SessionObject {
                key,
                rows: &self.rows[from.rows..to.rows],
                writers: &self.writers[from.writers..to.writers],
                took_effect: &self.took_effect[from.writers..to.writers],
                choices: &self.choices[from.choices..to.choices],
                classes: &self.classes[from.classes..to.classes],
                tokens: &self.tokens[from.tokens..to.tokens],
            }
        })
    }
}

pub(super) fn is_read_function(function: Function) -> bool {
    matches!(function, Function::READ | Function::GET)
}

pub(super) fn is_write_function(function: Function) -> bool {
    matches!(function, Function::WRITE | Function::PUT | Function::CAS)
}

pub(super) fn value_written(operation: &Operation) -> ValueId {
    match operation.argument {
        Argument::Pair(_, new) => new,
        _ => operation.value(),
    }
}

/// The value that a read returned, or that a compare-and-set expected.
pub(crate) fn value_read(history: &History, op: OpId) -> ValueId {
    let operation = history.operation(op);
    if operation.function == Function::CAS { value_expected(&operation) } else { operation.result }
}

pub(super) fn value_expected(operation: &Operation) -> ValueId {
    match operation.argument {
        Argument::Pair(old, _) => old,
        _ => unreachable!("only a compare-and-set expects a value"),
    }
}
