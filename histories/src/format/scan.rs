//! Scans native lines of the usual shape in one pass, without a tree.
//!
//! Nearly every line of a history is an object of a dozen short fields: integers of a few digits, strings, the payload
//! of a session store, and for transactions a list of micro-operations. The text of an integer or a string is canonical
//! as it stands and can be interned unchanged, without an allocation; the text of a payload is after its fields were
//! sorted (`nested`). A list that a transaction read is compared with the one that it extends (`steps`).
//!
//! The scanner reports no problems. At anything unusual (a float, a number beyond 64 bits, an escape that could be spelt
//! in another way, a repeated field, a missing field) it gives up and leaves no event, and the careful path reads the
//! line. So it may reject any line, but an accepted line must mean the same on both paths; a property test below
//! compares them.

mod cursor;
mod fields;
mod nested;
mod steps;

use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId, LocalNote, intern_note};
use super::event::EventRules;
use crate::DeclaredIsolation;
use crate::declared::ISOLATION_FIELD;
use crate::history::NOT_GIVEN;
use crate::note::{NO_NUMBER, SplitNote, push_note_value};
use cursor::{LineCursor, ScannedValue};
use fields::{ExpectedNames, LineField};
use nested::CanonicalText;
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
    canonical: CanonicalText,
    /// The further fields of the current event.
    notes: Vec<(&'a str, ScannedValue<'a>)>,
}

impl<'a> LineScanner<'a> {
    pub(super) fn new(text: &'a str, base: usize, rules: EventRules) -> Self {
        let (names, trunks, canonical) =
            (ExpectedNames::default(), ListTrunks::default(), CanonicalText::default());
        Self { text, base, rules, names, trunks, canonical, notes: Vec::new() }
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
            .filter(|()| {
                self.text.as_bytes().get(cursor.at..end).is_some_and(|rest| rest.trim_ascii().is_empty())
            })
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
                    let value = self.scan_event_value(chunk, cursor, fields.function)?;
                    set_once(&mut fields.value, value)?;
                }
                LineField::Note => self.add_note(name, cursor.scan_value()?)?,
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
        function: Option<&str>,
    ) -> Option<ScannedValue<'a>> {
        match (function.filter(|_| !self.rules.independent), cursor.peek()?) {
            (Some("txn"), b'[') => scan_micros(chunk, cursor, &mut self.trunks),
            (Some("txn" | "cas"), _) => cursor.scan_value(),
            (Some(_), b'{') => self.intern_nested(chunk, cursor).map(ScannedValue::Interned),
            _ => cursor.scan_value(),
        }
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
            process: chunk.intern_process(fields.process?),
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
        Some(intern_note(&mut chunk.notes, SplitNote { pattern: &self.canonical.text, number }))
    }
}

const NOTES_MAX: usize = 8;

/// The fields of a line with a meaning.
#[derive(Default)]
struct ScannedFields<'a> {
    kind: Option<EventKind>,
    process: Option<i64>,
    function: Option<&'a str>,
    value: Option<ScannedValue<'a>>,
    key: Option<ScannedValue<'a>>,
    session: Option<ScannedValue<'a>>,
    version: Option<i64>,
    time: Option<i64>,
    index: Option<i64>,
}

/// Sets a field; none if it is set already.
fn set_once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

impl<'a> ScannedFields<'a> {
    /// Scans a field that is neither the value nor a note; none if it is repeated or unusual.
    fn scan_field(&mut self, field: LineField, cursor: &mut LineCursor<'a>) -> Option<()> {
        match field {
            LineField::Kind => {
                let kind = match cursor.scan_name()? {
                    "invoke" => EventKind::Invoke,
                    "ok" => EventKind::Ok,
                    "fail" => EventKind::Fail,
                    "info" => EventKind::Info,
                    _ => return None,
                };
                set_once(&mut self.kind, kind)
            }
            LineField::Process => set_once(&mut self.process, cursor.scan_number()?),
            LineField::Function => {
                set_once(&mut self.function, cursor.scan_name().filter(|name| !name.is_empty())?)
            }
            LineField::Key => set_once(&mut self.key, cursor.scan_value()?),
            LineField::Session => set_once(&mut self.session, cursor.scan_value()?),
            LineField::Version => set_once(&mut self.version, cursor.scan_number()?),
            LineField::Time => set_once(&mut self.time, cursor.scan_number_or_null()?),
            LineField::Index => {
                let index = cursor.scan_number_or_null()?;
                set_once(&mut self.index, index).filter(|()| index >= 0 || index == NOT_GIVEN)
            }
            LineField::Value | LineField::Note => None,
        }
    }
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
