//! Scans native lines of the usual shape in one pass, without a tree.
//!
//! Nearly every line of a history is an object of a dozen short fields: integers of a few digits, strings, the payload
//! of a session store, and for transactions a list of micro-operations. The text of an integer or a string is canonical
//! as it stands and can be interned unchanged, without an allocation; the text of a payload is after its fields were
//! sorted (`nested`). A list that a transaction read is compared with the one that it extends (`steps`).
//!
//! The scanner reports no problems. At anything unusual (a float, a number of 19 digits, an escape that could be spelt
//! in another way, a repeated field, a missing field) it gives up and leaves no event, and the careful path reads the
//! line. So it may reject any line, but an accepted line must mean the same on both paths; a property test below
//! compares them.

mod cursor;
mod nested;
mod steps;

use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId};
use super::event::EventRules;
use crate::history::NOT_GIVEN;
use cursor::{LineCursor, ScannedValue};
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
    trunks: ListTrunks,
}

impl<'a> LineScanner<'a> {
    pub(super) fn new(text: &'a str, base: usize, rules: EventRules) -> Self {
        Self { text, base, rules, trunks: ListTrunks::default() }
    }

    /// Scans the event between two places of the text. Returns false if it is not of the usual shape.
    pub(super) fn scan_line(&mut self, chunk: &mut Chunk, start: usize, end: usize) -> bool {
        let Some(text) = self.text.get(..end) else { return false };
        let micros = chunk.micros.len();
        let mut cursor = LineCursor { text, at: start };
        cursor.skip_spaces();
        let at = self.base + cursor.at;
        let event =
            self.scan_fields(chunk, &mut cursor).and_then(|fields| self.assemble_event(chunk, &fields, at));
        match event {
            Some(event) => chunk.events.push(event),
            None => chunk.micros.truncate(micros),
        }
        event.is_some()
    }

    /// Scans `{"name":value,…}` to the end of the text.
    fn scan_fields(&mut self, chunk: &mut Chunk, cursor: &mut LineCursor<'a>) -> Option<ScannedFields<'a>> {
        let mut fields = ScannedFields::default();
        let mut more = cursor.open_bracket(b'{', b'}')?;
        while more {
            let name = cursor.scan_field_name()?;
            let is_micros = name == "value" && fields.function == Some("txn") && !self.rules.independent;
            let value = match is_micros && cursor.peek()? == b'[' {
                // Scanned at once, because finding the end of long lists takes as long as scanning them.
                true => scan_micros(chunk, cursor, &mut self.trunks)?,
                false => cursor.scan_value()?,
            };
            fields.set_field(name, value)?;
            more = cursor.has_another(b'}')?;
        }
        cursor.text.as_bytes()[cursor.at..].trim_ascii().is_empty().then_some(fields)
    }

    fn assemble_event(
        &mut self,
        chunk: &mut Chunk,
        fields: &ScannedFields<'_>,
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
                EventValue::Pair(intern_value(chunk, old)?, intern_value(chunk, new)?)
            }
            ("cas", _) if kind == EventKind::Invoke => return None,
            (_, value) => EventValue::One(intern_value(chunk, value)?),
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
            note: intern_note(chunk, fields)?,
            time: fields.time.unwrap_or(NOT_GIVEN),
            index: fields.index.unwrap_or(NOT_GIVEN),
            version,
        })
    }

    /// A cursor at a part of the text, to its end.
    fn enter(&self, part: &str) -> LineCursor<'a> {
        let at = part.as_ptr() as usize - self.text.as_ptr() as usize;
        LineCursor { text: &self.text[..at + part.len()], at }
    }
}

const NOTES_MAX: usize = 8;

/// The fields of a line.
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
    notes: [(&'a str, ScannedValue<'a>); NOTES_MAX],
    note_count: usize,
}

impl<'a> ScannedFields<'a> {
    /// Stores a field; none if the field is repeated or unusual.
    fn set_field(&mut self, name: &'a str, raw: ScannedValue<'a>) -> Option<()> {
        fn set_once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
            slot.replace(value).is_none().then_some(())
        }
        match name {
            "type" => {
                let kind = match raw.as_name()? {
                    "invoke" => EventKind::Invoke,
                    "ok" => EventKind::Ok,
                    "fail" => EventKind::Fail,
                    "info" => EventKind::Info,
                    _ => return None,
                };
                set_once(&mut self.kind, kind)
            }
            "process" => match raw {
                ScannedValue::Int { value, .. } => set_once(&mut self.process, value),
                _ => None,
            },
            "f" => set_once(&mut self.function, raw.as_name().filter(|name| !name.is_empty())?),
            "value" => set_once(&mut self.value, raw),
            "key" => set_once(&mut self.key, raw),
            "session" => set_once(&mut self.session, raw),
            "version" => match raw {
                ScannedValue::Int { value, .. } => set_once(&mut self.version, value),
                _ => None,
            },
            "time" => set_once(&mut self.time, raw.as_integer()?),
            "index" => {
                set_once(&mut self.index, raw.as_integer().filter(|&index| index >= 0 || index == NOT_GIVEN)?)
            }
            _ => self.add_note(name, raw),
        }
    }

    fn add_note(&mut self, name: &'a str, raw: ScannedValue<'a>) -> Option<()> {
        let is_new = self.notes[..self.note_count].iter().all(|&(other, _)| other != name);
        if !is_new || self.note_count == NOTES_MAX || name.starts_with(':') {
            return None;
        }
        self.notes[self.note_count] = (name, raw);
        self.note_count += 1;
        Some(())
    }
}

/// Interns a value; none if its canonical text is not simply had, or if it could be a list of micro-operations.
fn intern_value(chunk: &mut Chunk, value: ScannedValue<'_>) -> Option<LocalId> {
    let ScannedValue::Nested(text) = value else { return Some(chunk.values.intern(value.canonical_text()?)) };
    if may_be_micros(text) {
        return None;
    }
    let mut canonical = std::mem::take(&mut chunk.scratch);
    canonical.clear();
    let written = nested::write_scanned_value(value, &mut canonical);
    let id = written.map(|()| chunk.values.intern(&canonical));
    chunk.scratch = canonical;
    id
}

/// Whether a nested value could be a list of micro-operations, which is a transaction whatever its function is called.
fn may_be_micros(nested: &str) -> bool {
    nested.strip_prefix('[').is_some_and(|items| items.trim_start().starts_with('['))
}

/// Interns the further fields as one object with sorted names.
fn intern_note(chunk: &mut Chunk, fields: &ScannedFields<'_>) -> Option<LocalId> {
    if fields.note_count == 0 {
        return Some(LocalId::ABSENT);
    }
    let mut notes = fields.notes;
    let notes = &mut notes[..fields.note_count];
    notes.sort_unstable_by_key(|&(name, _)| name);
    let mut text = std::mem::take(&mut chunk.scratch);
    text.clear();
    for (at, &(name, raw)) in notes.iter().enumerate() {
        text.push_str(if at == 0 { "{\"" } else { ",\"" });
        text.push_str(name);
        text.push_str("\":");
        nested::write_scanned_value(raw, &mut text)?;
    }
    text.push('}');
    let id = chunk.notes.intern(&text);
    chunk.scratch = text;
    Some(id)
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
