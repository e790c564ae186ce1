//! Native lines of the usual shape, read in one pass without a tree.
//!
//! Nearly every line of a history is an object of a dozen short fields: integers of a few digits, strings
//! without escapes, for transactions a list of micro-operations of the same. Such a line is its own canonical
//! text: what is between two quotes can be interned as it stands, and nothing need be allocated. The careful
//! path (text, tree, event) makes reading a line of 120 bytes cost 1.4 µs of CPU in all, this 0.4 µs (`reading` in
//! benches, on 2 million lines).
//!
//! It knows no problems. At anything unusual (an escape, a letter beyond ASCII, a float, a number of 19 digits,
//! a field twice, a nested value, something missing) it gives up, leaves no trace, and the careful path reads
//! the line. So it may refuse whatever it likes, but what it accepts must mean the same there; a property test
//! below holds the two against each other.

use super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, LocalId, LocalMicro};
use super::event::EventRules;
use crate::history::NOT_GIVEN;
use crate::{Id, MicroKind};

/// Reads the event of a line; false if it is none of the usual ones.
pub(super) fn scan_event(chunk: &mut Chunk, line: &[u8], at: usize, rules: EventRules) -> bool {
    let (micros, elements) = (chunk.micros.len(), chunk.elements.len());
    let mut cursor = LineCursor { bytes: line, at: 0, start: 0 };
    let read = scan_fields(&mut cursor).and_then(|fields| assemble_event(chunk, &fields, rules));
    match read {
        Some(event) => {
            chunk.events.push(ChunkEvent { at: (at + cursor.start) as u32, ..event });
            true
        }
        None => {
            chunk.micros.truncate(micros);
            chunk.elements.truncate(elements);
            false
        }
    }
}

/// A value as it stands in the line.
#[derive(Clone, Copy)]
enum ScannedValue<'a> {
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

impl<'a> ScannedValue<'a> {
    /// Its text, which is canonical; none of a list, which may hold anything.
    fn canonical_text(self) -> Option<&'a str> {
        let bytes = match self {
            ScannedValue::Null => b"null",
            ScannedValue::Int { text, .. } | ScannedValue::Text(text) | ScannedValue::Bool(text) => text,
            ScannedValue::List(_) => return None,
        };
        std::str::from_utf8(bytes).ok()
    }

    /// What is between its quotes, without a colon before it; none with several.
    fn as_name(self) -> Option<&'a [u8]> {
        let ScannedValue::Text(text) = self else { return None };
        let name = &text[1..text.len() - 1];
        Some(name.strip_prefix(b":").unwrap_or(name)).filter(|name| !name.starts_with(b":"))
    }

    fn as_integer(self) -> Option<i64> {
        match self {
            ScannedValue::Null => Some(NOT_GIVEN),
            ScannedValue::Int { value, .. } => Some(value),
            ScannedValue::Text(_) | ScannedValue::Bool(_) | ScannedValue::List(_) => None,
        }
    }
}

const NOTES_MAX: usize = 8;

/// The fields of a line.
struct ScannedFields<'a> {
    kind: Option<EventKind>,
    process: Option<i64>,
    function: Option<&'a [u8]>,
    value: Option<ScannedValue<'a>>,
    key: Option<ScannedValue<'a>>,
    session: Option<ScannedValue<'a>>,
    version: Option<i64>,
    time: Option<i64>,
    index: Option<i64>,
    notes: [(&'a [u8], ScannedValue<'a>); NOTES_MAX],
    note_count: usize,
}

/// Reads `{"name":value,…}` to the end of the line.
fn scan_fields<'a>(cursor: &mut LineCursor<'a>) -> Option<ScannedFields<'a>> {
    let mut fields = ScannedFields {
        kind: None,
        process: None,
        function: None,
        value: None,
        key: None,
        session: None,
        version: None,
        time: None,
        index: None,
        notes: [(b"", ScannedValue::Null); NOTES_MAX],
        note_count: 0,
    };
    cursor.skip_spaces();
    cursor.start = cursor.at;
    cursor.expect_byte(b'{')?;
    loop {
        cursor.skip_spaces();
        let name = cursor.scan_string()?;
        cursor.skip_spaces();
        cursor.expect_byte(b':')?;
        cursor.skip_spaces();
        let raw = cursor.scan_value()?;
        fields.set_field(&name[1..name.len() - 1], raw)?;
        cursor.skip_spaces();
        match cursor.next_byte()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.bytes[cursor.at..].trim_ascii().is_empty().then_some(fields)
}

impl<'a> ScannedFields<'a> {
    /// Keeps a field; none if it is there already or is not as usual.
    fn set_field(&mut self, name: &'a [u8], raw: ScannedValue<'a>) -> Option<()> {
        fn set_once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
            slot.replace(value).is_none().then_some(())
        }
        match name {
            b"type" => {
                let kind = match raw.as_name()? {
                    b"invoke" => EventKind::Invoke,
                    b"ok" => EventKind::Ok,
                    b"fail" => EventKind::Fail,
                    b"info" => EventKind::Info,
                    _ => return None,
                };
                set_once(&mut self.kind, kind)
            }
            b"process" => match raw {
                ScannedValue::Int { value, .. } => set_once(&mut self.process, value),
                _ => None,
            },
            b"f" => set_once(&mut self.function, raw.as_name().filter(|name| !name.is_empty())?),
            b"value" => set_once(&mut self.value, raw),
            b"key" => set_once(&mut self.key, raw),
            b"session" => set_once(&mut self.session, raw),
            b"version" => match raw {
                ScannedValue::Int { value, .. } => set_once(&mut self.version, value),
                _ => None,
            },
            b"time" => set_once(&mut self.time, raw.as_integer()?),
            b"index" => {
                set_once(&mut self.index, raw.as_integer().filter(|&index| index >= 0 || index == NOT_GIVEN)?)
            }
            _ => self.add_note(name, raw),
        }
    }

    fn add_note(&mut self, name: &'a [u8], raw: ScannedValue<'a>) -> Option<()> {
        let is_new = self.notes[..self.note_count].iter().all(|&(other, _)| other != name);
        if !is_new
            || self.note_count == NOTES_MAX
            || name.starts_with(b":")
            || matches!(raw, ScannedValue::List(_))
        {
            return None;
        }
        self.notes[self.note_count] = (name, raw);
        self.note_count += 1;
        Some(())
    }
}

fn assemble_event(chunk: &mut Chunk, fields: &ScannedFields<'_>, rules: EventRules) -> Option<ChunkEvent> {
    let kind = fields.kind?;
    let (key, value) = match (rules.independent, fields.value) {
        (false, value) => (fields.key, value.unwrap_or(ScannedValue::Null)),
        (true, Some(ScannedValue::List(pair))) if fields.key.is_none() => {
            let [key, value] = scan_pair(pair)?;
            (Some(key), value)
        }
        (true, _) => return None,
    };
    let function = fields.function?;
    let value = match (function, value) {
        (b"txn", ScannedValue::List(list)) => scan_micros(chunk, list)?,
        (b"txn", _) => return None,
        (b"cas", ScannedValue::List(list)) => {
            let [old, new] = scan_pair(list)?;
            EventValue::Pair(
                chunk.values.intern(old.canonical_text()?),
                chunk.values.intern(new.canonical_text()?),
            )
        }
        (b"cas", _) if kind == EventKind::Invoke => return None,
        (_, value) => EventValue::One(chunk.values.intern(value.canonical_text()?)),
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
    let function = std::str::from_utf8(function).ok()?;
    Some(ChunkEvent {
        at: 0,
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

/// The fields that nobody judges as one object, its names sorted.
fn intern_note(chunk: &mut Chunk, fields: &ScannedFields<'_>) -> Option<LocalId> {
    if fields.note_count == 0 {
        return Some(LocalId::ABSENT);
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
        text.push_str(raw.canonical_text()?);
    }
    text.push('}');
    let id = chunk.notes.intern(&text);
    chunk.scratch = text;
    Some(id)
}

fn scan_pair(list: &[u8]) -> Option<[ScannedValue<'_>; 2]> {
    let mut cursor = LineCursor { bytes: list, at: 0, start: 0 };
    cursor.expect_byte(b'[')?;
    cursor.skip_spaces();
    let first = cursor.scan_value()?;
    cursor.expect_comma()?;
    let second = cursor.scan_value()?;
    cursor.skip_spaces();
    cursor.expect_byte(b']')?;
    Some([first, second])
}

/// `[["r","x",null],["append","x",1]]`.
fn scan_micros(chunk: &mut Chunk, list: &[u8]) -> Option<EventValue> {
    let mut cursor = LineCursor { bytes: list, at: 0, start: 0 };
    let start = chunk.micros.len();
    cursor.expect_byte(b'[')?;
    cursor.skip_spaces();
    if cursor.peek()? != b']' {
        loop {
            let micro = scan_micro(chunk, &mut cursor)?;
            chunk.micros.push(micro);
            if !cursor.has_another(b']')? {
                break;
            }
        }
    }
    Some(EventValue::Micros { start: start as u32, len: (chunk.micros.len() - start) as u32 })
}

fn scan_micro(chunk: &mut Chunk, cursor: &mut LineCursor<'_>) -> Option<LocalMicro> {
    cursor.expect_byte(b'[')?;
    cursor.skip_spaces();
    let kind = match ScannedValue::Text(cursor.scan_string()?).as_name()? {
        b"r" | b"read" => MicroKind::Read,
        b"w" | b"write" => MicroKind::Write,
        b"append" => MicroKind::Append,
        _ => return None,
    };
    cursor.expect_comma()?;
    let key = chunk.keys.intern(cursor.scan_scalar()?.canonical_text()?);
    cursor.expect_comma()?;
    let micro = if kind == MicroKind::Read && cursor.peek()? == b'[' {
        let start = chunk.elements.len();
        cursor.at += 1;
        cursor.skip_spaces();
        if cursor.peek()? == b']' {
            cursor.at += 1;
        } else {
            loop {
                let element = chunk.values.intern(cursor.scan_scalar()?.canonical_text()?);
                chunk.elements.push(element);
                if !cursor.has_another(b']')? {
                    break;
                }
            }
        }
        let len = (chunk.elements.len() - start) as u32;
        LocalMicro { kind: MicroKind::ReadList, key, value: LocalId::new(start), len }
    } else {
        LocalMicro { kind, key, value: chunk.values.intern(cursor.scan_scalar()?.canonical_text()?), len: 0 }
    };
    cursor.skip_spaces();
    cursor.expect_byte(b']')?;
    Some(micro)
}

/// A place in a line.
struct LineCursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the event begins.
    start: usize,
}

/// Bytes that stand for themselves inside a string.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

impl<'a> LineCursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect_byte(&mut self, expected: u8) -> Option<()> {
        (self.next_byte()? == expected).then_some(())
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    fn expect_comma(&mut self) -> Option<()> {
        self.skip_spaces();
        self.expect_byte(b',')?;
        self.skip_spaces();
        Some(())
    }

    /// After an item: whether another follows, or the list is closed.
    fn has_another(&mut self, close: u8) -> Option<bool> {
        self.skip_spaces();
        match self.next_byte()? {
            b',' => {
                self.skip_spaces();
                Some(true)
            }
            byte => (byte == close).then_some(false),
        }
    }

    /// A string with its quotes.
    fn scan_string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.expect_byte(b'"')?;
        while PLAIN[usize::from(self.peek()?)] {
            self.at += 1;
        }
        self.expect_byte(b'"')?;
        Some(&self.bytes[start..self.at])
    }

    fn scan_value(&mut self) -> Option<ScannedValue<'a>> {
        if self.peek()? == b'[' { self.scan_list() } else { self.scan_scalar() }
    }

    fn scan_scalar(&mut self) -> Option<ScannedValue<'a>> {
        match self.peek()? {
            b'"' => self.scan_string().map(ScannedValue::Text),
            b'-' | b'0'..=b'9' => self.scan_integer(),
            b'n' => self.expect_word(b"null").map(|_| ScannedValue::Null),
            b't' => self.expect_word(b"true").map(ScannedValue::Bool),
            b'f' => self.expect_word(b"false").map(ScannedValue::Bool),
            _ => None,
        }
    }

    fn expect_word(&mut self, word: &[u8]) -> Option<&'a [u8]> {
        let found = self.bytes.get(self.at..self.at + word.len())?;
        self.at += word.len();
        (found == word).then_some(found)
    }

    /// An integer of at most 18 digits, as it is written canonically: no zeros before it, no `-0`.
    fn scan_integer(&mut self) -> Option<ScannedValue<'a>> {
        let start = self.at;
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let digits = self.at;
        let mut value = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            // Wrapping is harmless: too many digits are refused below.
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        let len = self.at - digits;
        if !(1..=18).contains(&len) || (self.bytes[digits] == b'0' && (len > 1 || negative)) {
            return None;
        }
        // A float goes on here.
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        let value = if negative { -value } else { value };
        Some(ScannedValue::Int { text: &self.bytes[start..self.at], value })
    }

    /// A list with its brackets, its strings plain; what it holds is looked at when its function is known.
    fn scan_list(&mut self) -> Option<ScannedValue<'a>> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.scan_string()?;
                    continue;
                }
                b'[' => depth += 1,
                b']' => depth -= 1,
                b'{' | b'}' => return None,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(ScannedValue::List(&self.bytes[start..self.at]));
            }
        }
    }
}

#[cfg(test)]
mod tests;
