//! Recognises objects that were scanned before.
//!
//! The completion of a write repeats the payload of its invocation, and every third read of a session store returns what the
//! read of the same object before it did. So the text of an object is compared with the one that it is likely to repeat.
//! Comparing takes a fraction of a nanosecond a byte; scanning an object, sorting its fields and interning it takes several.

use super::cursor::LineCursor;
use crate::Id;
use crate::format::chunk::LocalId;

/// Whose last object a value is likely to repeat.
#[derive(Clone, Copy)]
pub(super) enum ObjectOwner {
    /// The number of a client.
    Process(i64),
    /// A key of the chunk.
    Key(LocalId),
}

/// The place of an object in the text, and its interned value.
#[derive(Clone, Copy)]
struct KnownObject {
    start: usize,
    end: usize,
    value: LocalId,
}

/// The last object of each process and of each key.
#[derive(Default)]
pub(super) struct KnownObjects {
    of_processes: Vec<Option<KnownObject>>,
    of_keys: Vec<Option<KnownObject>>,
}

/// The number of processes whose objects are remembered.
const PROCESSES_MAX: i64 = 4096;

impl KnownObjects {
    /// If the text at the cursor begins with the last object of the owner, moves the cursor behind it and returns its value.
    /// Brackets match in an object, so whatever begins with its text ends where it ends.
    pub(super) fn scan_repetition(
        &mut self,
        owner: ObjectOwner,
        cursor: &mut LineCursor<'_>,
    ) -> Option<LocalId> {
        let KnownObject { start, end, value } = (*self.slot(owner)?)?;
        let bytes = cursor.text.as_bytes();
        let is_same = bytes.get(cursor.at..)?.starts_with(bytes.get(start..end)?);
        cursor.at += if is_same { end - start } else { 0 };
        is_same.then_some(value)
    }

    /// Remembers an object that ends at the cursor.
    pub(super) fn remember_object(
        &mut self,
        owner: ObjectOwner,
        start: usize,
        cursor: &LineCursor<'_>,
        value: LocalId,
    ) {
        if let Some(slot) = self.slot(owner) {
            *slot = Some(KnownObject { start, end: cursor.at, value });
        }
    }

    fn slot(&mut self, owner: ObjectOwner) -> Option<&mut Option<KnownObject>> {
        let (slots, at) = match owner {
            ObjectOwner::Process(process) if (0..PROCESSES_MAX).contains(&process) => {
                (&mut self.of_processes, process as usize)
            }
            ObjectOwner::Process(_) => return None,
            ObjectOwner::Key(key) => (&mut self.of_keys, key.index()),
        };
        if at >= slots.len() {
            slots.resize(at + 1, None);
        }
        slots.get_mut(at)
    }
}
