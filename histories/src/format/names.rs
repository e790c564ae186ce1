//! Translates the names of a chunk to ids of the history.
//!
//! Names that the history has already are looked up at once, so that the processor waits for the memory of many at a
//! time. A new name is added when it is first used, because ids follow the order of events.

use super::chunk::{Chunk, LocalId, ProcessName};
use crate::intern::HashedNames;
use crate::{Function, History, HistoryBuilder, Id, Interner, KeyId, ProcessId, SessionId, ValueId};
use std::sync::Arc;

/// For each name of a chunk, its id in the history once it is known.
pub(super) struct NameTranslation {
    processes: Vec<u32>,
    functions: Vec<u32>,
    sessions: Vec<u32>,
    keys: Vec<u32>,
    shared_keys: SharedTranslation,
    values: Vec<u32>,
    notes: Vec<u32>,
    /// The elements of the chunk's lists, at the same places, once they are known.
    elements: Vec<ValueId>,
    /// For each list, the number of its first elements that are known.
    known: Vec<u32>,
    /// A reusable buffer: the keys and values of the micro-operations of one event.
    pub(super) micros: Vec<(KeyId, ValueId)>,
}

const UNKNOWN: u32 = u32::MAX;

/// The ids of names that several chunks share. It is kept from one chunk to the next.
#[derive(Default)]
pub(super) struct SharedTranslation {
    names: Option<Arc<HashedNames<LocalId>>>,
    ids: Vec<u32>,
}

impl SharedTranslation {
    /// The translation of the shared keys of a chunk: this one if it is about the same names.
    fn for_chunk(self, chunk: &Chunk, history: &History) -> Self {
        let Some(names) = &chunk.shared_keys else { return self };
        if self.names.as_ref().is_some_and(|known| Arc::ptr_eq(known, names)) {
            return self;
        }
        Self { names: Some(Arc::clone(names)), ids: find_known(names, &history.keys) }
    }
}

/// For each name of a chunk, its id in the history if it has one already.
fn find_known<I: Id>(names: &HashedNames<LocalId>, known: &Interner<I>) -> Vec<u32> {
    let mut ids = vec![UNKNOWN; names.len()];
    known.find_all(names, |name, id| ids[name.index()] = id.index() as u32);
    ids
}

impl NameTranslation {
    pub(super) fn for_chunk(chunk: &Chunk, history: &History, shared: SharedTranslation) -> Self {
        Self {
            processes: vec![UNKNOWN; chunk.processes.len()],
            functions: vec![UNKNOWN; chunk.functions.len()],
            sessions: find_known(&chunk.sessions, &history.sessions),
            keys: find_known(&chunk.keys, &history.keys),
            shared_keys: shared.for_chunk(chunk, history),
            values: find_known(&chunk.values, &history.values),
            notes: find_known(&chunk.notes, &history.notes.patterns),
            elements: vec![ValueId::NULL; chunk.lists.elements.len()],
            known: vec![0; chunk.lists.len()],
            micros: Vec::new(),
        }
    }

    /// What the next chunk may need of it.
    pub(super) fn into_shared(self) -> SharedTranslation {
        self.shared_keys
    }

    pub(super) fn translate_process(
        &mut self,
        local: LocalId,
        chunk: &Chunk,
        builder: &mut HistoryBuilder,
    ) -> ProcessId {
        let slot = &mut self.processes[local.index()];
        if *slot == UNKNOWN {
            let process = match &chunk.processes[local.index()] {
                ProcessName::Number(number) => builder.intern_process(*number),
                ProcessName::Name(name) => builder.intern_named_process(name),
            };
            *slot = process.raw();
        }
        ProcessId::from_raw(*slot)
    }

    pub(super) fn translate_function(
        &mut self,
        local: LocalId,
        chunk: &Chunk,
        builder: &mut HistoryBuilder,
    ) -> Function {
        let slot = &mut self.functions[local.index()];
        if *slot == UNKNOWN {
            *slot = u32::from(builder.intern_function(chunk.functions.text(local)).0);
        }
        Function(*slot as u16)
    }

    pub(super) fn translate_session(
        &mut self,
        local: LocalId,
        chunk: &Chunk,
        builder: &mut HistoryBuilder,
    ) -> SessionId {
        let slot = &mut self.sessions[local.index()];
        if *slot == UNKNOWN {
            let (text, hash) = (chunk.sessions.text(local), chunk.sessions.hash(local));
            *slot = builder.history().sessions.intern_hashed(text, hash).raw();
        }
        SessionId::from_raw(*slot)
    }

    pub(super) fn translate_key(
        &mut self,
        local: LocalId,
        chunk: &Chunk,
        builder: &mut HistoryBuilder,
    ) -> KeyId {
        let slot = match local.shared_number() {
            Some(number) => &mut self.shared_keys.ids[number],
            None => &mut self.keys[local.index()],
        };
        if *slot == UNKNOWN {
            let (text, hash) = chunk.key_name(local);
            *slot = builder.history().keys.intern_hashed(text, hash).raw();
        }
        KeyId::from_raw(*slot)
    }

    pub(super) fn translate_value(
        &mut self,
        local: LocalId,
        chunk: &Chunk,
        builder: &mut HistoryBuilder,
    ) -> ValueId {
        let slot = &mut self.values[local.index()];
        if *slot == UNKNOWN {
            let (text, hash) = (chunk.values.text(local), chunk.values.hash(local));
            *slot = builder.history().values.intern_hashed(text, hash).raw();
        }
        ValueId::from_raw(*slot)
    }

    pub(super) fn translate_note(
        &mut self,
        local: LocalId,
        chunk: &Chunk,
        builder: &mut HistoryBuilder,
    ) -> u32 {
        let slot = &mut self.notes[local.index()];
        if *slot == UNKNOWN {
            *slot = builder.intern_hashed_note(chunk.notes.text(local), chunk.notes.hash(local));
        }
        *slot
    }

    /// Translates the first elements of a list, for [`NameTranslation::list`]. O(elements that no earlier read of the
    /// list had).
    pub(super) fn translate_list(
        &mut self,
        list: LocalId,
        len: u32,
        chunk: &Chunk,
        builder: &mut HistoryBuilder,
    ) {
        let start = chunk.lists.list(list).start;
        for at in start + self.known[list.index()]..start + len {
            let element = chunk.lists.elements[at as usize];
            self.elements[at as usize] = self.translate_value(element, chunk, builder);
        }
        let known = &mut self.known[list.index()];
        *known = len.max(*known);
    }

    /// The first elements of a list, which were translated before.
    pub(super) fn list(&self, list: LocalId, len: u32, chunk: &Chunk) -> &[ValueId] {
        let start = chunk.lists.list(list).start as usize;
        &self.elements[start..start + len as usize]
    }
}
