//! Scans native lines of the usual shape in one pass, without a tree.
//!
//! Nearly every line of a history is an object of a dozen short fields: integers of a few digits, strings, the payload
//! of a session store, and for transactions a list of micro-operations. The text of an integer or a string is canonical
//! as it stands and can be interned unchanged, without an allocation; the text of a payload is after its fields were
//! sorted (`nested`). What probably repeats an earlier event is compared with it: an object (`repeats`), the further fields
//! (`notes`), and a list that a transaction read (`steps`). Events of actors that are never clients are scanned, too.
//!
//! The scanner reports no problems. At anything unusual (a float, a number beyond 64 bits, an escape that could be spelt
//! in another way, a repeated field, a missing field) it gives up and leaves no event, and the careful path reads the
//! line. So it may reject any line, but an accepted line must mean the same on both paths; a property test below
//! compares them.

mod cursor;
mod event_fields;
mod fields;
mod nested;
mod notes;
mod repeats;
mod steps;

use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId, LocalNote, intern_note};
use super::event::EventRules;
use crate::declared::ISOLATION_FIELD;
use crate::history::NOT_GIVEN;
use crate::note::{NO_NUMBER, SplitNote, push_note_value};
use crate::{ActorEvent, DeclaredIsolation, Id};
use cursor::{LineCursor, ScannedValue};
use event_fields::{ScannedFields, ScannedProcess, set_once};
use fields::{ExpectedNames, LineField};
use nested::CanonicalText;
use notes::KnownNotes;
use repeats::{KnownObjects, ObjectOwner};
use steps::{ListTrunks, scan_micros};

/// Scans the event of a text that stands alone. Returns false if the event is not of the usual shape.
pub(super) fn scan_event(chunk: &mut Chunk, line: &[u8], at: usize, rules: EventRules) -> bool {
    std::str::from_utf8(line)
        .is_ok_and(|text| LineScanner::new(text, at, rules).scan_line(chunk, 0, text.len()))
}

/// Scans the events of a text, such as a block.
pub(super) struct LineScanner<'a> {
    text: &'a str,
    /// The place of the text in its block.
    base: usize,
    rules: EventRules,
    names: ExpectedNames,
    trunks: ListTrunks,
    objects: KnownObjects,
    known_notes: KnownNotes<'a>,
    canonical: CanonicalText,
    /// The further fields of the current event.
    notes: Vec<(&'a str, ScannedValue<'a>)>,
}

impl<'a> LineScanner<'a> {
    pub(super) fn new(text: &'a str, base: usize, rules: EventRules) -> Self {
        let (names, trunks) = (ExpectedNames::default(), ListTrunks::default());
        let (objects, known_notes) = (KnownObjects::default(), KnownNotes::default());
        let (canonical, notes) = (CanonicalText::default(), Vec::new());
        Self { text, base, rules, names, trunks, objects, known_notes, canonical, notes }
    }

    /// Scans the event between two places of the text. Returns false if it is not of the usual shape.
    pub(super) fn scan_line(&mut self, chunk: &mut Chunk, start: usize, end: usize) -> bool {
        let micros = chunk.micros.len();
        let mut cursor = LineCursor { text: self.text, at: start };
        cursor.skip_spaces();
        let at = self.base + cursor.at;
        let mut fields = ScannedFields::default();
        self.notes.clear();
        let event = self
            .scan_fields(chunk, &mut cursor, &mut fields)
            .filter(|()| self.text.as_bytes().get(cursor.at..end).is_some_and(is_blank))
            .and_then(|()| self.assemble_event(chunk, &fields, at));
        match event {
            Some(event) => chunk.events.push(event),
            None => chunk.micros.truncate(micros),
        }
        event.is_some()
    }

    /// Scans `{"name":value,…}`. Nothing in it is scanned over the end of a line.
    fn scan_fields(
        &mut self,
        chunk: &mut Chunk,
        cursor: &mut LineCursor<'a>,
        fields: &mut ScannedFields<'a>,
    ) -> Option<()> {
        let mut more = cursor.open_bracket(b'{', b'}')?;
        let mut position = 0;
        while more {
            let (field, name) = self.names.scan_name(position, cursor)?;
            match field {
                LineField::Value => {
                    let value = self.scan_event_value(chunk, cursor, fields)?;
                    set_once(&mut fields.value, value)?;
                }
                LineField::Note => {
                    let name = name.text(cursor)?;
                    self.add_note(name, cursor.scan_value()?)?;
                }
                _ => fields.scan_field(field, cursor)?,
            }
            position += 1;
            more = cursor.has_another(b'}')?;
        }
        Some(())
    }

    /// Scans the value of an event. If its function is known, a list of micro-operations or a payload is scanned at once,
    /// because finding its end first takes as long as scanning it.
    fn scan_event_value(
        &mut self,
        chunk: &mut Chunk,
        cursor: &mut LineCursor<'a>,
        fields: &ScannedFields<'a>,
    ) -> Option<ScannedValue<'a>> {
        let is_actor = matches!(fields.process, Some(ScannedProcess::Actor(_)));
        match (fields.function.filter(|_| !is_actor && !self.rules.independent), cursor.peek()?) {
            (Some("txn"), b'[') => scan_micros(chunk, cursor, &mut self.trunks),
            (Some("txn" | "cas"), _) => cursor.scan_value(),
            (Some(_), b'{') => self.intern_object(chunk, cursor, fields).map(ScannedValue::Interned),
            _ => cursor.scan_value(),
        }
    }

    /// Interns the object at the cursor, which is the value of an event with these fields.
    fn intern_object(
        &mut self,
        chunk: &mut Chunk,
        cursor: &mut LineCursor<'a>,
        fields: &ScannedFields<'a>,
    ) -> Option<LocalId> {
        let key = fields.key.and_then(ScannedValue::canonical_text);
        let owner = match (fields.function, key, fields.process) {
            (Some("read"), Some(key), _) => ObjectOwner::Key(chunk.keys.intern(key)),
            (_, _, Some(ScannedProcess::Client(process))) => ObjectOwner::Process(process),
            _ => return self.intern_nested(chunk, cursor),
        };
        if let Some(known) = self.objects.scan_repetition(owner, cursor) {
            return Some(known);
        }
        let start = cursor.at;
        let value = self.intern_nested(chunk, cursor)?;
        self.objects.remember_object(owner, start, cursor, value);
        Some(value)
    }

    fn add_note(&mut self, name: &'a str, raw: ScannedValue<'a>) -> Option<()> {
        let is_new = self.notes.iter().all(|&(other, _)| other != name);
        if !is_new || self.notes.len() == NOTES_MAX || name.starts_with(':') {
            return None;
        }
        // The careful path tells where an unknown isolation level stands.
        if name == ISOLATION_FIELD {
            let level = raw.canonical_text()?;
            level.strip_prefix('"')?.strip_suffix('"').and_then(DeclaredIsolation::by_name)?;
        }
        self.notes.push((name, raw));
        Some(())
    }

    fn assemble_event(
        &mut self,
        chunk: &mut Chunk,
        fields: &ScannedFields<'a>,
        at: usize,
    ) -> Option<ChunkEvent> {
        let kind = fields.kind?;
        let process = match fields.process? {
            ScannedProcess::Client(process) => process,
            // All events of observers are `info`. Whether others are a mistake, the careful path decides.
            ScannedProcess::Actor(_) if kind != EventKind::Info => return None,
            ScannedProcess::Actor(actor) => {
                return self.assemble_actor_event(chunk, fields, (kind, actor), at);
            }
        };
        let (key, value) = match (self.rules.independent, fields.value) {
            (false, value) => (fields.key, value.unwrap_or(ScannedValue::Null)),
            (true, Some(ScannedValue::Nested(pair))) if fields.key.is_none() => {
                let [key, value] = scan_pair(pair)?;
                (Some(key), value)
            }
            (true, _) => return None,
        };
        let function = fields.function?;
        let value = match (function, value) {
            (_, ScannedValue::Micros { start, len }) => EventValue::Micros { start, len },
            ("txn", ScannedValue::Nested(list)) => {
                let micros = scan_micros(chunk, &mut self.enter(list), &mut self.trunks)?;
                let ScannedValue::Micros { start, len } = micros else { return None };
                EventValue::Micros { start, len }
            }
            ("txn", _) => return None,
            ("cas", ScannedValue::Nested(list)) if list.starts_with('[') && !may_be_micros(list) => {
                let [old, new] = scan_pair(list)?;
                EventValue::Pair(self.intern_value(chunk, old)?, self.intern_value(chunk, new)?)
            }
            ("cas", _) if kind == EventKind::Invoke => return None,
            (_, value) => EventValue::One(self.intern_value(chunk, value)?),
        };
        let version = match (fields.version, kind) {
            (None, _) => NOT_GIVEN,
            (Some(version), EventKind::Ok) => version,
            (Some(_), _) => return None,
        };
        let key = match key {
            None | Some(ScannedValue::Null) => LocalId::ABSENT,
            Some(key) => chunk.keys.intern(key.canonical_text()?),
        };
        let session = match fields.session {
            None | Some(ScannedValue::Null) => LocalId::ABSENT,
            Some(session) => chunk.sessions.intern(session.canonical_text()?),
        };
        Some(ChunkEvent {
            at: at as u32,
            kind,
            process: chunk.intern_process(process),
            function: chunk.functions.intern(function),
            typed: LocalId::ABSENT,
            actor: LocalId::ABSENT,
            is_flat: false,
            session,
            key,
            value,
            note: self.intern_note(chunk)?,
            time: fields.time.unwrap_or(NOT_GIVEN),
            index: fields.index.unwrap_or(NOT_GIVEN),
            version,
        })
    }

    /// Assembles the event of an actor that is never a client, such as an entry of an audit trail.
    fn assemble_actor_event(
        &mut self,
        chunk: &mut Chunk,
        fields: &ScannedFields<'a>,
        (kind, actor): (EventKind, &str),
        at: usize,
    ) -> Option<ChunkEvent> {
        if fields.key.is_some() || fields.session.is_some() || fields.version.is_some() {
            // Of an actor, they are further fields.
            return None;
        }
        let value = match fields.value.unwrap_or(ScannedValue::Null) {
            ScannedValue::Nested(text) => {
                self.canonical.text.clear();
                self.canonical.push_value(&mut self.enter(text))?;
                self.canonical.text.clone()
            }
            ScannedValue::Interned(id) => chunk.values.text(id).to_owned(),
            scalar => scalar.canonical_text()?.to_owned(),
        };
        let (time, index) = (fields.time.unwrap_or(NOT_GIVEN), fields.index.unwrap_or(NOT_GIVEN));
        let (function, note) = (fields.function?, self.intern_note(chunk)?);
        let process = LocalId::new(chunk.actors.len());
        chunk.actors.push(ActorEvent {
            position: 0,
            time: (time != NOT_GIVEN).then_some(time),
            actor: actor.to_owned(),
            kind: kind.event_type()?.to_owned(),
            function: function.to_owned(),
            value,
        });
        Some(ChunkEvent { kind: EventKind::Actor, time, index, note, ..ChunkEvent::broken(at, process) })
    }

    /// A cursor at a part of the text.
    fn enter(&self, part: &str) -> LineCursor<'a> {
        LineCursor { text: self.text, at: part.as_ptr() as usize - self.text.as_ptr() as usize }
    }

    /// Interns a value; none if its canonical text is not simply had, or if it could be a list of micro-operations.
    fn intern_value(&mut self, chunk: &mut Chunk, value: ScannedValue<'a>) -> Option<LocalId> {
        match value {
            ScannedValue::Interned(id) => Some(id),
            ScannedValue::Nested(text) if may_be_micros(text) => None,
            ScannedValue::Nested(text) => self.intern_nested(chunk, &mut self.enter(text)),
            scalar => Some(chunk.values.intern(scalar.canonical_text()?)),
        }
    }

    /// Interns the list or object at the cursor.
    fn intern_nested(&mut self, chunk: &mut Chunk, cursor: &mut LineCursor<'a>) -> Option<LocalId> {
        self.canonical.text.clear();
        self.canonical.push_value(cursor)?;
        Some(chunk.values.intern(&self.canonical.text))
    }

    /// Interns the further fields as one object with sorted names.
    fn intern_note(&mut self, chunk: &mut Chunk) -> Option<LocalNote> {
        if self.notes.is_empty() {
            return Some(LocalNote::ABSENT);
        }
        if let Some(known) = self.known_notes.find_note(&self.notes) {
            return Some(known);
        }
        let place = self.known_notes.begin_note(&self.notes);
        self.notes.sort_unstable_by_key(|&(name, _)| name);
        self.canonical.text.clear();
        let mut number = NO_NUMBER;
        for at in 0..self.notes.len() {
            let (name, raw) = self.notes[at];
            let text = &mut self.canonical.text;
            text.push_str(if at == 0 { "{\"" } else { ",\"" });
            text.push_str(name);
            text.push_str("\":");
            match raw {
                ScannedValue::Nested(text) => self.canonical.push_value(&mut self.enter(text))?,
                scalar => push_note_value(text, &mut number, name, scalar.canonical_text()?),
            }
        }
        self.canonical.text.push('}');
        let note = intern_note(&mut chunk.notes, SplitNote { pattern: &self.canonical.text, number });
        self.known_notes.finish_note(place, note);
        Some(note)
    }
}

const NOTES_MAX: usize = 8;

/// Whether a text is blank. Lines of a recorder end with hundreds of spaces at the end of each page.
fn is_blank(mut text: &[u8]) -> bool {
    const SPACES: [u8; 32] = [b' '; 32];
    while let Some(rest) = text.strip_prefix(&SPACES) {
        text = rest;
    }
    text.trim_ascii_start().is_empty()
}

/// Whether a nested value could be a list of micro-operations, which is a transaction whatever its function is called.
fn may_be_micros(nested: &str) -> bool {
    nested.strip_prefix('[').is_some_and(|items| items.trim_start().starts_with('['))
}

fn scan_pair(list: &str) -> Option<[ScannedValue<'_>; 2]> {
    let mut cursor = LineCursor::new(list);
    if !cursor.open_bracket(b'[', b']')? {
        return None;
    }
    let first = cursor.scan_value()?;
    cursor.expect_separator(b',')?;
    let second = cursor.scan_value()?;
    (!cursor.has_another(b']')?).then_some([first, second])
}

#[cfg(test)]
mod tests;
