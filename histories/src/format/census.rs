//! What the events of a file have in common, where that decides how the file is to be understood.
//!
//! A field that is misspelt in every event is no field: without `key` all operations are about one object, without
//! `process` all are of one client, and the verdict is about another history. A field that only some events have may
//! be a note. So a field is taken for a misspelt one if every invocation has it and no event has the right one.

use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId};
use crate::history::NOT_GIVEN;
use crate::{Id, Problem};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// The fields that mean something, and names that are mistaken for them, with what the field says.
const NEAR_MISSES: &[(&str, &str, &[&str])] = &[
    (
        "process",
        "which client did the operation",
        &["Process", "client", "Client", "client_id", "clientId", "ClientId", "proc", "thread", "worker"],
    ),
    ("key", "which object the operation is about", &["Key", "KEY", "k", "K"]),
    (
        "session",
        "whose session the operation belongs to",
        &["Session", "session_id", "sessionId", "SessionId"],
    ),
    ("value", "what was written or returned", &["Value", "VALUE", "val"]),
];

/// What all events say together.
#[derive(Default)]
pub(super) struct FieldCensus {
    invocations: u64,
    /// Which of the fields of [`NEAR_MISSES`] some event has.
    given: [bool; 4],
    /// Which names every invocation so far has, by their place in [`NEAR_MISSES`].
    missed: [u16; 4],
    /// The same of each distinct note of the present chunk, once it was looked at.
    of_notes: Vec<Option<[u16; 4]>>,
    /// How many events have an index, and how many have none.
    numbered: u64,
    unnumbered: u64,
    adds: bool,
    /// Where the present block has a read that returned a map of collections.
    pub(super) map_read: Option<u32>,
    /// What is wrong with it if the history is about a set.
    pub(super) map_read_problem: Option<Problem>,
}

impl FieldCensus {
    /// Begins a chunk.
    pub(super) fn begin_chunk(&mut self, chunk: &Chunk) {
        self.of_notes.clear();
        self.of_notes.resize(chunk.notes.len(), None);
    }

    /// Counts the index of an event.
    pub(super) fn count_index(&mut self, index: i64) {
        match index {
            NOT_GIVEN => self.unnumbered += 1,
            _ => self.numbered += 1,
        }
    }

    /// Whether only some events have an index.
    pub(super) fn is_partly_indexed(&self) -> bool {
        self.numbered > 0 && self.unnumbered > 0
    }

    /// Whether something is added.
    pub(super) fn adds_elements(&self) -> bool {
        self.adds
    }

    /// Adds an event of a client.
    pub(super) fn count_event(&mut self, chunk: &Chunk, event: &ChunkEvent) {
        let says = match event.value {
            EventValue::One(value) => {
                value.if_given().is_some_and(|value| chunk.values.text(value) != "null")
            }
            EventValue::Pair(..) | EventValue::Micros { .. } => true,
        };
        let given = [event.process, event.key, event.session].map(|local| local != LocalId::ABSENT);
        for (known, given) in self.given.iter_mut().zip(given.into_iter().chain([says])) {
            *known |= given;
        }
        if event.kind != EventKind::Invoke {
            return;
        }
        self.adds =
            self.adds || event.function.if_given().is_some_and(|name| chunk.functions.text(name) == "add");
        let first = self.invocations == 0;
        self.invocations += 1;
        if !first && self.missed == [0; 4] {
            return;
        }
        let found = match event.note.if_given() {
            None => [0; 4],
            Some(note) => *self.of_notes[note.index()]
                .get_or_insert_with(|| near_misses_in_note(chunk.notes.text(note))),
        };
        for (at, missed) in self.missed.iter_mut().enumerate() {
            let still = if first { found[at] } else { *missed & found[at] };
            *missed = if self.given[at] { 0 } else { still };
        }
    }

    /// What is to be said of fields that seem to be misspelt.
    pub(super) fn describe_misspelt_fields(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, (field, meaning, names)) in NEAR_MISSES.iter().enumerate() {
            if self.invocations == 0 || self.given[at] {
                continue;
            }
            let missed = (0..names.len()).find(|&bit| self.missed[at] & 1 << bit != 0);
            if let Some(bit) = missed {
                let name = names[bit];
                found.push(format!(
                    "has the field {name:?} in every invocation and the field {field:?} in no event. Rename it to \
                     {field:?} if it says {meaning}; if not, remove it."
                ));
            }
        }
        found
    }

    /// Whether an event returned a map of collections: `{"n1": [1], "n2": [1]}`.
    pub(super) fn returns_map_of_collections(&self, chunk: &Chunk, event: &ChunkEvent) -> bool {
        if event.kind != EventKind::Ok || self.map_read.is_some() || self.map_read_problem.is_some() {
            return false;
        }
        let EventValue::One(value) = event.value else { return false };
        let text = value.if_given().map_or("null", |value| chunk.values.text(value));
        // Canonical JSON: a value that is a collection follows its name without a space.
        text.starts_with('{')
            && serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text)
                .is_ok_and(|map| map.values().any(|value| value.is_array() || value.is_object()))
    }
}

/// Which near misses are fields of a note.
fn near_misses_in_note(note: &str) -> [u16; 4] {
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_str(note).unwrap_or_default();
    let mut found = [0; 4];
    for (found, (_, _, names)) in found.iter_mut().zip(NEAR_MISSES) {
        for (bit, name) in names.iter().enumerate() {
            *found |= u16::from(fields.contains_key(*name)) << bit;
        }
    }
    found
}
