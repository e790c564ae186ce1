//! The objects of a history: their versions, and which version each operation read or wrote.
//!
//! All five levels use the same objects. So they are built once (`collect.rs`), as rows of 24 bytes that each level
//! passes over in order.
//!
//! A version is a write that did not fail, or the initial value (version 0). A read returns a version. If several
//! versions have the value of the read, it is a [`Choice`]. A compare-and-set is a read of the value that it
//! expected, and a write.

use histories::{Argument, Function, History, KeyId, NEVER, OpId, Operation, SessionId, ValueId};
use rayon::prelude::*;

/// The version of the initial value.
pub(super) const INITIAL: u32 = 0;
pub(super) const NOTHING: u32 = u32::MAX;
pub(super) const CHOICE: u32 = 1 << 31;

/// What an operation read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum VersionRead {
    /// It reads nothing, or no operation wrote what it read.
    Nothing,
    /// The only version with its value.
    Version(u32),
    /// One of several versions: the index of its [`Choice`].
    Choice(u32),
}

/// An operation on an object that took effect, or may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct ObjectRow {
    pub(super) op: OpId,
    pub(super) session: SessionId,
    pub(super) invoked: u32,
    /// [`NEVER`] for an indeterminate operation. Such an operation is never an `a`, and is a `b` only as a write.
    pub(super) completed: u32,
    /// A [`Read`], encoded in one word.
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

/// A read or compare-and-set whose value several versions have.
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

/// Where the parts of one object begin.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ObjectStarts {
    pub(super) rows: usize,
    pub(super) writers: usize,
    pub(super) choices: usize,
    pub(super) classes: usize,
    pub(super) tokens: usize,
}

/// Some objects of a history, one after the other.
#[derive(Default)]
pub(super) struct ObjectPart {
    pub(super) keys: Vec<KeyId>,
    /// The starts of each object, and the end of the last one.
    pub(super) starts: Vec<ObjectStarts>,
    pub(super) rows: Vec<ObjectRow>,
    pub(super) writers: Vec<OpId>,
    pub(super) took_effect: Vec<bool>,
    pub(super) choices: Vec<Choice>,
    pub(super) classes: Vec<VersionClass>,
    pub(super) tokens: Vec<VersionToken>,
    /// Completed reads of values that no operation wrote; one for each value and key.
    pub(super) unwritten: Vec<OpId>,
    /// An operation other than a read, a write or a compare-and-set. Its key is left out.
    pub(super) foreign: Option<OpId>,
}

/// All objects of a history, by key.
pub(super) struct SessionObjects {
    /// The parts that were collected at once.
    pub(super) parts: Vec<ObjectPart>,
    /// Whether there is memory for the graphs of as many objects as there are threads. If not, objects are decided one after the
    /// other.
    pub(super) several_at_once: bool,
}

/// The parts of an [`ObjectPart`] that belong to one object.
#[derive(Clone, Copy)]
pub(super) struct SessionObject<'a> {
    pub(super) key: KeyId,
    /// Sorted by session, then by invocation.
    pub(super) rows: &'a [ObjectRow],
    /// The write of each version from 1 on.
    pub(super) writers: &'a [OpId],
    /// For each version from 1 on: whether it completed, or was returned by an operation that took effect whatever
    /// the choices.
    pub(super) took_effect: &'a [bool],
    /// Reads with several candidates.
    pub(super) choices: &'a [Choice],
    /// The versions of each value that was written more than once and that some operation reads.
    pub(super) classes: &'a [VersionClass],
    pub(super) tokens: &'a [VersionToken],
}

impl<'a> SessionObject<'a> {
    /// The candidates of a choice: at least two versions. An operation never returns what it writes itself.
    pub(super) fn candidates(&self, choice: &Choice) -> impl DoubleEndedIterator<Item = u32> + use<'a> {
        let wrote = self.rows[choice.row as usize].wrote;
        let own = move |version: &u32| wrote != INITIAL && *version == wrote;
        self.classes[choice.class as usize].iter().copied().filter(move |version| !own(version))
    }

    /// How many versions there are, including the initial value.
    pub(super) fn version_count(&self) -> u32 {
        self.writers.len() as u32 + 1
    }

    /// The write of a version; none for the initial value.
    pub(super) fn writer(&self, version: u32) -> Option<OpId> {
        version.checked_sub(1).map(|at| self.writers[at as usize])
    }
}

impl SessionObjects {
    /// All objects.
    pub(super) fn iter(&self) -> impl Iterator<Item = SessionObject<'_>> {
        self.parts.iter().flat_map(|part| (0..part.keys.len()).map(|at| part.object(at)))
    }

    /// All objects, for several threads.
    pub(super) fn par_iter(&self) -> impl ParallelIterator<Item = SessionObject<'_>> {
        self.parts.par_iter().flat_map(|part| (0..part.keys.len()).into_par_iter().map(|at| part.object(at)))
    }

    /// The number of objects.
    pub(super) fn count(&self) -> usize {
        self.parts.iter().map(|part| part.keys.len()).sum()
    }

    /// The first operation other than a read, a write or a compare-and-set.
    pub(super) fn foreign(&self) -> Option<OpId> {
        self.parts.iter().find_map(|part| part.foreign)
    }
}

impl ObjectPart {
    /// The object at a place in `keys`.
    fn object(&self, at: usize) -> SessionObject<'_> {
        let (from, to) = (self.starts[at], self.starts[at + 1]);
        SessionObject {
            key: self.keys[at],
            rows: &self.rows[from.rows..to.rows],
            writers: &self.writers[from.writers..to.writers],
            took_effect: &self.took_effect[from.writers..to.writers],
            choices: &self.choices[from.choices..to.choices],
            classes: &self.classes[from.classes..to.classes],
            tokens: &self.tokens[from.tokens..to.tokens],
        }
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

/// Which versions from 1 on took effect: those that did so whatever the choices, those that an operation that took
/// effect chose, and those that such a compare-and-set found.
pub(super) fn versions_that_took_effect(object: &SessionObject<'_>, chosen: &[Option<u32>]) -> Vec<bool> {
    let mut took_effect = object.took_effect.to_vec();
    if chosen.is_empty() || took_effect.iter().all(|&effect| effect) {
        return took_effect;
    }
    let returned = |read: VersionRead| match read {
        VersionRead::Nothing => None,
        VersionRead::Version(version) => Some(version),
        VersionRead::Choice(choice) => chosen[choice as usize],
    };
    let mut found = vec![INITIAL; object.version_count() as usize];
    let mut pending = Vec::new();
    for row in object.rows {
        if row.is_ok() {
            pending.extend(returned(row.read()));
        } else if let Some(version) = returned(row.read()) {
            found[row.wrote as usize] = version;
            if took_effect[row.wrote as usize - 1] {
                pending.push(version);
            }
        }
    }
    while let Some(version) = pending.pop() {
        if version != INITIAL && !std::mem::replace(&mut took_effect[version as usize - 1], true) {
            pending.push(found[version as usize]);
        }
    }
    took_effect
}
