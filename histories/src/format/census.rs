//! Statistics over all events of a file that decide how the file is to be understood.
//!
//! A field name that is misspelt in every event hides the field. Without `key`, all operations are on one object;
//! without `process`, all are of one client; the verdict would be about another history. But a field that only some
//! events have may be a note. So a field counts as misspelt if every invocation has it and no event has the correct
//! one. The invocations of reads need no value, so one invocation is enough there.

use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId};
use crate::history::NOT_GIVEN;
use crate::note::zero_number;
use crate::{Id, Problem};
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// The fields with a meaning, what each says, and names that are often used for it by mistake.
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

/// The place of `value` in [`NEAR_MISSES`].
const VALUE: usize = 3;

/// What was counted over all events so far.
#[derive(Default)]
pub(super) struct FieldCensus {
    invocations: u64,
    /// For each field of [`NEAR_MISSES`], whether some event has it.
    given: [bool; 4],
    /// For each field of [`NEAR_MISSES`], a bit set of the mistaken names that every invocation so far has; for `value`, of those
    /// that any has.
    missed: [u16; 4],
    /// The same for each distinct note of the current chunk, once it was examined.
    of_notes: Vec<Option<[u16; 4]>>,
    /// The number of events with an index, and of those without.
    numbered: u64,
    unnumbered: u64,
    adds: bool,
    /// The place in the current block of a read that returned a map of collections.
    pub(super) map_read: Option<u32>,
    /// The problem with that read if the history is about a set.
    pub(super) map_read_problem: Option<Problem>,
}

impl FieldCensus {
    /// Starts a new chunk.
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

    /// The number of events without an index.
    pub(super) fn unnumbered_events(&self) -> u64 {
        self.unnumbered
    }

    /// Whether some operation is an `add`.
    pub(super) fn adds_elements(&self) -> bool {
        self.adds
    }

    /// Counts an event of a client.
    pub(super) fn count_event(&mut self, chunk: &Chunk, event: &ChunkEvent) {
        let says = self.given[VALUE]
            || match event.value {
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
        if !first && self.missed == [0; 4] && self.given[VALUE] {
            return;
        }
        let found = match event.note.pattern.if_given() {
            None => [0; 4],
            Some(note) => *self.of_notes[note.index()]
                .get_or_insert_with(|| near_misses_in_note(&zero_number(chunk.notes.text(note)))),
        };
        for (at, missed) in self.missed.iter_mut().enumerate() {
            let still = match at == VALUE {
                true => *missed | found[at],
                false if first => found[at],
                false => *missed & found[at],
            };
            *missed = if self.given[at] { 0 } else { still };
        }
    }

    /// Messages about fields that seem to be misspelt.
    pub(super) fn describe_misspelt_fields(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (at, (field, meaning, names)) in NEAR_MISSES.iter().enumerate() {
            if self.invocations == 0 || self.given[at] {
                continue;
            }
            let missed = (0..names.len()).find(|&bit| self.missed[at] & 1 << bit != 0);
            if let Some(bit) = missed {
                let name = names[bit];
                let which = if at == VALUE { "some invocations" } else { "every invocation" };
                found.push(format!(
                    "has the field {name:?} in {which} and the field {field:?} in no event. Rename it to \
                     {field:?} if it says {meaning}; if not, remove it."
                ));
            }
        }
        found
    }

    /// Whether an event is the first to return a map of collections: `{"n1": [1], "n2": [1]}`.
    pub(super) fn returns_map_of_collections(&self, chunk: &Chunk, event: &ChunkEvent) -> bool {
        if event.kind != EventKind::Ok || self.map_read.is_some() || self.map_read_problem.is_some() {
            return false;
        }
        let EventValue::One(value) = event.value else { return false };
        let text = value.if_given().map_or("null", |value| chunk.values.text(value));
        // The text is canonical JSON, without spaces. Most maps hold no collection, and need not be parsed to see that.
        let bytes = text.as_bytes();
        bytes.first() == Some(&b'{')
            && memchr::memchr2_iter(b'[', b'{', bytes).any(|at| at > 0 && bytes[at - 1] == b':')
            && serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text)
                .is_ok_and(|map| map.values().any(|value| value.is_array() || value.is_object()))
    }
}

/// Bit sets of the mistaken names that are fields of a note, for each field of [`NEAR_MISSES`].
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
