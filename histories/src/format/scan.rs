//! Scans native lines of the usual shape in one pass, without a tree.
//!
//! Nearly every line of a history is an object of a dozen short fields: integers of a few digits, strings without
//! escapes, and for transactions a list of micro-operations of the same. Such a line is its own canonical text: the
//! text between two quotes can be interned unchanged, without an allocation. With the careful path (text, tree, event),
//! reading a line of 120 bytes costs 1.4 µs of CPU in all; with this one 0.4 µs (`reading` in benches, on 2 million
//! lines).
//!
//! The scanner reports no problems. At anything unusual (an escape, a letter beyond ASCII, a float, a number of 19
//! digits, a repeated field, a nested value, a missing field) it gives up and leaves no trace, and the careful path
//! reads the line. So it may reject any line, but an accepted line must mean the same on both paths; a property test
//! below compares them.

use super::chunk::{Chunk, Event, EventKind, Local, LocalMicro, Value};
use super::event::Rules;
use crate::history::NOT_GIVEN;
use crate::{Id, MicroKind};

/// Scans the event of a line. Returns false if the line is not of the usual shape.
pub(super) fn event(chunk: &mut Chunk, line: &[u8], at: usize, rules: Rules) -> bool {
    let (micros, elements) = (chunk.micros.len(), chunk.elements.len());
    let mut cursor = Cursor { bytes: line, at: 0, start: 0 };
    let read = fields(&mut cursor).and_then(|fields| assemble(chunk, &fields, rules));
    match read {
        Some(event) => {
            chunk.events.push(Event { at: (at + cursor.start) as u32, ..event });
            true
        }
        None => {
            chunk.micros.truncate(micros);
            chunk.elements.truncate(elements);
            false
        }
    }
}

/// A value as raw text of the line.
#[derive(Clone, Copy)]
enum Raw<'a> {
    Null,
    Int {
        text: &'a [u8],
        value: i64,
    },
    /// With its quotes.
    Text(&'a [u8]),
    Bool(&'a [u8]),
    /// With its brackets.
    List(&'a [u8]),
}

impl<'a> Raw<'a> {
    /// Its text, which is canonical; none for a list, which may contain anything.
    fn text(self) -> Option<&'a str> {
        let bytes = match self {
            Raw::Null => b"null",
            Raw::Int { text, .. } | Raw::Text(text) | Raw::Bool(text) => text,
            Raw::List(_) => return None,
        };
        std::str::from_utf8(bytes).ok()
    }

    /// The text between its quotes, without one leading colon; none if there are several.
    fn name(self) -> Option<&'a [u8]> {
        let Raw::Text(text) = self else { return None };
        let name = &text[1..text.len() - 1];
        Some(name.strip_prefix(b":").unwrap_or(name)).filter(|name| !name.starts_with(b":"))
    }

    fn integer(self) -> Option<i64> {
        match self {
            Raw::Null => Some(NOT_GIVEN),
            Raw::Int { value, .. } => Some(value),
            Raw::Text(_) | Raw::Bool(_) | Raw::List(_) => None,
        }
    }
}

const NOTES_MAX: usize = 8;

/// The fields of a line.
struct Fields<'a> {
    kind: Option<EventKind>,
    process: Option<i64>,
    function: Option<&'a [u8]>,
    value: Option<Raw<'a>>,
    key: Option<Raw<'a>>,
    session: Option<Raw<'a>>,
    version: Option<i64>,
    time: Option<i64>,
    index: Option<i64>,
    notes: [(&'a [u8], Raw<'a>); NOTES_MAX],
    note_count: usize,
}

/// Scans `{"name":value,…}` to the end of the line.
fn fields<'a>(cursor: &mut Cursor<'a>) -> Option<Fields<'a>> {
    let mut fields = Fields {
        kind: None,
        process: None,
        function: None,
        value: None,
        key: None,
        session: None,
        version: None,
        time: None,
        index: None,
        notes: [(b"", Raw::Null); NOTES_MAX],
        note_count: 0,
    };
    cursor.space();
    cursor.start = cursor.at;
    cursor.eat(b'{')?;
    loop {
        cursor.space();
        let name = cursor.string()?;
        cursor.space();
        cursor.eat(b':')?;
        cursor.space();
        let raw = cursor.value()?;
        fields.set(&name[1..name.len() - 1], raw)?;
        cursor.space();
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.bytes[cursor.at..].trim_ascii().is_empty().then_some(fields)
}

impl<'a> Fields<'a> {
    /// Stores a field; none if the field is repeated or unusual.
    fn set(&mut self, name: &'a [u8], raw: Raw<'a>) -> Option<()> {
        fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
            slot.replace(value).is_none().then_some(())
        }
        match name {
            b"type" => {
                let kind = match raw.name()? {
                    b"invoke" => EventKind::Invoke,
                    b"ok" => EventKind::Ok,
                    b"fail" => EventKind::Fail,
                    b"info" => EventKind::Info,
                    _ => return None,
                };
                once(&mut self.kind, kind)
            }
            b"process" => match raw {
                Raw::Int { value, .. } => once(&mut self.process, value),
                _ => None,
            },
            b"f" => once(&mut self.function, raw.name().filter(|name| !name.is_empty())?),
            b"value" => once(&mut self.value, raw),
            b"key" => once(&mut self.key, raw),
            b"session" => once(&mut self.session, raw),
            b"version" => match raw {
                Raw::Int { value, .. } => once(&mut self.version, value),
                _ => None,
            },
            b"time" => once(&mut self.time, raw.integer()?),
            b"index" => {
                once(&mut self.index, raw.integer().filter(|&index| index >= 0 || index == NOT_GIVEN)?)
            }
            _ => self.note(name, raw),
        }
    }

    fn note(&mut self, name: &'a [u8], raw: Raw<'a>) -> Option<()> {
        let is_new = self.notes[..self.note_count].iter().all(|&(other, _)| other != name);
        if !is_new || self.note_count == NOTES_MAX || name.starts_with(b":") || matches!(raw, Raw::List(_)) {
            return None;
        }
        self.notes[self.note_count] = (name, raw);
        self.note_count += 1;
        Some(())
    }
}

fn assemble(chunk: &mut Chunk, fields: &Fields<'_>, rules: Rules) -> Option<Event> {
    let kind = fields.kind?;
    let (key, value) = match (rules.independent, fields.value) {
        (false, value) => (fields.key, value.unwrap_or(Raw::Null)),
        (true, Some(Raw::List(pair))) if fields.key.is_none() => {
            let [key, value] = pair_of(pair)?;
            (Some(key), value)
        }
        (true, _) => return None,
    };
    let function = fields.function?;
    let value = match (function, value) {
        (b"txn", Raw::List(list)) => micros(chunk, list)?,
        (b"txn", _) => return None,
        (b"cas", Raw::List(list)) => {
            let [old, new] = pair_of(list)?;
            Value::Pair(chunk.values.intern(old.text()?), chunk.values.intern(new.text()?))
        }
        (b"cas", _) if kind == EventKind::Invoke => return None,
        (_, value) => Value::One(chunk.values.intern(value.text()?)),
    };
    let version = match (fields.version, kind) {
        (None, _) => NOT_GIVEN,
        (Some(version), EventKind::Ok) => version,
        (Some(_), _) => return None,
    };
    let key = match key {
        None | Some(Raw::Null) => Local::ABSENT,
        Some(key) => chunk.keys.intern(key.text()?),
    };
    let session = match fields.session {
        None | Some(Raw::Null) => Local::ABSENT,
        Some(session) => chunk.sessions.intern(session.text()?),
    };
    let function = std::str::from_utf8(function).ok()?;
    Some(Event {
        at: 0,
        kind,
        process: chunk.process(fields.process?),
        function: chunk.functions.intern(function),
        typed: Local::ABSENT,
        actor: Local::ABSENT,
        is_flat: false,
        session,
        key,
        value,
        note: note(chunk, fields)?,
        time: fields.time.unwrap_or(NOT_GIVEN),
        index: fields.index.unwrap_or(NOT_GIVEN),
        version,
    })
}

/// Interns the further fields as one object with sorted names.
fn note(chunk: &mut Chunk, fields: &Fields<'_>) -> Option<Local> {
    if fields.note_count == 0 {
        return Some(Local::ABSENT);
    }
    let mut notes = fields.notes;
    let notes = &mut notes[..fields.note_count];
    notes.sort_unstable_by_key(|&(name, _)| name);
    let mut text = std::mem::take(&mut chunk.scratch);
    text.clear();
    for (at, (name, raw)) in notes.iter().enumerate() {
        text.push_str(if at == 0 { "{\"" } else { ",\"" });
        text.push_str(std::str::from_utf8(name).ok()?);
        text.push_str("\":");
        text.push_str(raw.text()?);
    }
    text.push('}');
    let id = chunk.notes.intern(&text);
    chunk.scratch = text;
    Some(id)
}

fn pair_of(list: &[u8]) -> Option<[Raw<'_>; 2]> {
    let mut cursor = Cursor { bytes: list, at: 0, start: 0 };
    cursor.eat(b'[')?;
    cursor.space();
    let first = cursor.value()?;
    cursor.comma()?;
    let second = cursor.value()?;
    cursor.space();
    cursor.eat(b']')?;
    Some([first, second])
}

/// Scans a list of micro-operations: `[["r","x",null],["append","x",1]]`.
fn micros(chunk: &mut Chunk, list: &[u8]) -> Option<Value> {
    let mut cursor = Cursor { bytes: list, at: 0, start: 0 };
    let start = chunk.micros.len();
    cursor.eat(b'[')?;
    cursor.space();
    if cursor.peek()? != b']' {
        loop {
            let micro = micro(chunk, &mut cursor)?;
            chunk.micros.push(micro);
            if !cursor.another(b']')? {
                break;
            }
        }
    }
    Some(Value::Micros { start: start as u32, len: (chunk.micros.len() - start) as u32 })
}

fn micro(chunk: &mut Chunk, cursor: &mut Cursor<'_>) -> Option<LocalMicro> {
    cursor.eat(b'[')?;
    cursor.space();
    let kind = match Raw::Text(cursor.string()?).name()? {
        b"r" | b"read" => MicroKind::Read,
        b"w" | b"write" => MicroKind::Write,
        b"append" => MicroKind::Append,
        _ => return None,
    };
    cursor.comma()?;
    let key = chunk.keys.intern(cursor.scalar()?.text()?);
    cursor.comma()?;
    let micro = if kind == MicroKind::Read && cursor.peek()? == b'[' {
        let start = chunk.elements.len();
        cursor.at += 1;
        cursor.space();
        if cursor.peek()? == b']' {
            cursor.at += 1;
        } else {
            loop {
                let element = chunk.values.intern(cursor.scalar()?.text()?);
                chunk.elements.push(element);
                if !cursor.another(b']')? {
                    break;
                }
            }
        }
        let len = (chunk.elements.len() - start) as u32;
        LocalMicro { kind: MicroKind::ReadList, key, value: Local::new(start), len }
    } else {
        LocalMicro { kind, key, value: chunk.values.intern(cursor.scalar()?.text()?), len: 0 }
    };
    cursor.space();
    cursor.eat(b']')?;
    Some(micro)
}

/// A position in a line.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The place where the event begins.
    start: usize,
}

/// Bytes that need no escape inside a string: printable ASCII apart from `"` and `\`.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, expected: u8) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    fn space(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn comma(&mut self) -> Option<()> {
        self.space();
        self.eat(b',')?;
        self.space();
        Some(())
    }

    /// After an item of a list: true if another item follows, false if the list is closed.
    fn another(&mut self, close: u8) -> Option<bool> {
        self.space();
        match self.next()? {
            b',' => {
                self.space();
                Some(true)
            }
            byte => (byte == close).then_some(false),
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.eat(b'"')?;
        while PLAIN[usize::from(self.peek()?)] {
            self.at += 1;
        }
        self.eat(b'"')?;
        Some(&self.bytes[start..self.at])
    }

    fn value(&mut self) -> Option<Raw<'a>> {
        if self.peek()? == b'[' { self.list() } else { self.scalar() }
    }

    fn scalar(&mut self) -> Option<Raw<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Raw::Text),
            b'-' | b'0'..=b'9' => self.integer(),
            b'n' => self.word(b"null").map(|_| Raw::Null),
            b't' => self.word(b"true").map(Raw::Bool),
            b'f' => self.word(b"false").map(Raw::Bool),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<&'a [u8]> {
        let found = self.bytes.get(self.at..self.at + word.len())?;
        self.at += word.len();
        (found == word).then_some(found)
    }

    /// Scans an integer of at most 18 digits in canonical form: no leading zeros, and no `-0`.
    fn integer(&mut self) -> Option<Raw<'a>> {
        let start = self.at;
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let digits = self.at;
        let mut value = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            // Overflow is harmless, because numbers with too many digits are rejected below.
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        let len = self.at - digits;
        if !(1..=18).contains(&len) || (self.bytes[digits] == b'0' && (len > 1 || negative)) {
            return None;
        }
        // The number is a float.
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        let value = if negative { -value } else { value };
        Some(Raw::Int { text: &self.bytes[start..self.at], value })
    }

    /// Scans a list with its brackets; its strings must be plain. The content is parsed once the function is known.
    fn list(&mut self) -> Option<Raw<'a>> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'[' => depth += 1,
                b']' => depth -= 1,
                b'{' | b'}' => return None,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(Raw::List(&self.bytes[start..self.at]));
            }
        }
    }
}

#[cfg(test)]
mod tests;
