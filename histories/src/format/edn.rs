//! Reads EDN, Clojure's notation, in which Jepsen and Knossos write their histories.
//!
//! A file is a vector or a list of maps, or maps one after another; each map is an event. Commas count as space, and
//! `;` starts a comment. `#_` drops the form after it. `#tag` tells Clojure how to read the next form
//! (`#jepsen.history.Op{…}`); it is ignored. The brackets around events are not part of any event: this parser skips
//! them and the merge counts them, so that a file of any size is read event by event.
//!
//! The parser is one loop with an explicit stack. Flaws that leave the brackets balanced (a map without a last value,
//! an unknown escape) are collected, and the event is read to its end. If brackets do not match, parsing continues at
//! the next line that begins like an event.

mod numbers;

use super::chunk::{Chunk, LocalId};
use super::datum::{DEPTH_MAX, Datum, DatumKind, Flaw, clip_text};
use super::event::{self, EventRules};
use numbers::parse_number;
use std::borrow::Cow;

/// Reads every event of a block.
pub(super) fn read_block(chunk: &mut Chunk, bytes: &[u8], rules: EventRules) {
    let mut parser = EdnParser::new(bytes, 0);
    while !chunk.has_too_many_flaws() {
        parser.skip_space();
        let start = parser.at;
        match parser.next_item() {
            Ok(EdnItem::End) => break,
            Ok(EdnItem::Bracket { at, open: true }) if begins_vector_event(bytes, at) => {
                parser.at = at;
                match parser.parse_form(false) {
                    Ok(Some(datum)) if parser.flaws.is_empty() => match convert_vector_event(datum) {
                        Ok(datum) => event::add_event(chunk, &datum, rules),
                        Err(flaw) => chunk.add_broken_event(at, LocalId::ABSENT, [flaw]),
                    },
                    Ok(_) => chunk.add_broken_event(at, LocalId::ABSENT, parser.flaws.drain(..)),
                    Err(flaw) => parser.at = skip_broken_event(chunk, &mut parser.flaws, bytes, at, flaw),
                }
            }
            Ok(EdnItem::Bracket { at, open }) => chunk.brackets.push((at as u32, open)),
            Ok(EdnItem::Nothing) if parser.flaws.is_empty() => {}
            Ok(EdnItem::Nothing) => chunk.add_broken_event(start, LocalId::ABSENT, parser.flaws.drain(..)),
            Ok(EdnItem::Form(datum)) if parser.flaws.is_empty() => event::add_event(chunk, &datum, rules),
            Ok(EdnItem::Form(datum)) => {
                chunk.add_broken_event(datum.at, LocalId::ABSENT, parser.flaws.drain(..))
            }
            Err(flaw) => parser.at = skip_broken_event(chunk, &mut parser.flaws, bytes, start, flaw),
        }
    }
}

/// Adds a broken event whose brackets do not match. Returns the place where parsing continues.
fn skip_broken_event(
    chunk: &mut Chunk,
    own: &mut Vec<Flaw>,
    bytes: &[u8],
    start: usize,
    flaw: Flaw,
) -> usize {
    let from = if flaw.truncated { start } else { flaw.at.max(start) };
    let next = next_event_line(bytes, from);
    // An unclosed string is a better message than the bracket that it contains.
    let mut flaws = std::mem::take(own);
    if !flaws.iter().any(|flaw| flaw.truncated) {
        flaws.push(flaw);
    }
    flaws.iter_mut().for_each(|flaw| flaw.truncated &= next.is_none());
    chunk.add_broken_event(start, LocalId::ABSENT, flaws);
    next.unwrap_or(bytes.len())
}

/// Whether the bracket at `at` begins an event written as a vector, as Knossos prints them: `[0 :invoke :read nil]`. A
/// bracket around events has an event after it.
pub(super) fn begins_vector_event(bytes: &[u8], at: usize) -> bool {
    let mut words = bytes[at + 1..].iter().skip_while(|byte| matches!(byte, b' ' | b'\t' | b','));
    bytes[at] == b'[' && matches!(words.next(), Some(b'0'..=b'9' | b'-' | b':' | b'"'))
}

/// Converts `[process :type :f value]` to the equivalent map.
fn convert_vector_event(datum: Datum<'_>) -> Result<Datum<'_>, Flaw> {
    let DatumKind::List(parts) = datum.kind else { unreachable!("a bracket begins a list") };
    if !(3..=4).contains(&parts.len()) {
        let found = format!("an event of {} parts", parts.len());
        return Err(Flaw::new(datum.at, found, "[process :type :f value]"));
    }
    let names = ["process", "type", "f", "value"];
    let fields = names.into_iter().zip(parts);
    let fields = fields.map(|(name, part)| (Datum::new(part.at, DatumKind::Text(name.into())), part));
    Ok(Datum::new(datum.at, DatumKind::Map(fields.collect())))
}

/// The start of the next line that begins like an event.
pub(super) fn next_event_line(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..]).map(|newline| from + newline + 1).find(|&line| {
        let rest = &bytes[line..];
        let first = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b',' | b'[' | b'('));
        matches!(first, Some(b'{' | b'#'))
    })
}

/// The next item of a block.
pub(super) enum EdnItem<'a> {
    Form(Datum<'a>),
    /// A bracket around events.
    Bracket {
        at: usize,
        open: bool,
    },
    /// A dropped form: `#_ {…}`.
    Nothing,
    End,
}

/// A parser of consecutive forms.
pub(super) struct EdnParser<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    /// The flaws of the last form that did not stop it from being read to its end.
    pub(super) flaws: Vec<Flaw>,
}

/// A prefix that changes the form after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FormPrefix {
    Discard,
    Tag,
}

struct OpenCollection<'a> {
    close: u8,
    is_set: bool,
    at: usize,
    items: Vec<Datum<'a>>,
    prefixes: Vec<FormPrefix>,
}

impl<'a> EdnParser<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, flaws: Vec::new() }
    }

    /// The next event, or a bracket around events. An error means that brackets do not match.
    pub(super) fn next_item(&mut self) -> Result<EdnItem<'a>, Flaw> {
        self.skip_space();
        let at = self.at;
        match self.bytes.get(at) {
            None => Ok(EdnItem::End),
            Some(b'[' | b'(') => {
                self.at += 1;
                Ok(EdnItem::Bracket { at, open: true })
            }
            Some(b']' | b')') => {
                self.at += 1;
                Ok(EdnItem::Bracket { at, open: false })
            }
            Some(_) => Ok(self.parse_form(true)?.map_or(EdnItem::Nothing, EdnItem::Form)),
        }
    }

    /// Parses one form; none if the only form is a dropped one. If `outermost`, lists are the brackets around events.
    pub(super) fn parse_form(&mut self, outermost: bool) -> Result<Option<Datum<'a>>, Flaw> {
        let mut stack: Vec<OpenCollection<'a>> = Vec::new();
        let mut prefixes: Vec<FormPrefix> = Vec::new();
        loop {
            self.skip_space();
            let at = self.at;
            let Some(&byte) = self.bytes.get(at) else {
                return self.end_in_form(&stack, &prefixes);
            };
            let around = outermost && stack.is_empty();
            if around && matches!(byte, b'[' | b'(' | b']' | b')') {
                return match prefixes.contains(&FormPrefix::Discard) {
                    true => Err(Flaw::new(at, "a bracket around events", "an event after #_ or ^")),
                    false => Ok(None),
                };
            }
            let datum = match byte {
                b'[' | b'(' | b'{' => {
                    self.at += 1;
                    open_collection(&mut stack, byte, false, at)?;
                    continue;
                }
                b']' | b')' | b'}' => {
                    let frame = pop_closed(&mut stack, byte, at)?;
                    self.at += 1;
                    self.close_collection(frame)
                }
                b'#' | b'^' => match self.parse_hash(&mut stack, at)? {
                    HashForm::Opened => continue,
                    HashForm::Prefix(prefix) => {
                        stack.last_mut().map_or(&mut prefixes, |frame| &mut frame.prefixes).push(prefix);
                        continue;
                    }
                    HashForm::Datum(datum) => datum,
                },
                b'"' => self.parse_string(),
                b'\\' => self.parse_character(),
                _ => self.parse_token(),
            };
            let waiting = stack.last_mut().map_or(&mut prefixes, |frame| &mut frame.prefixes);
            if consume_prefixes(waiting) {
                if stack.is_empty() && prefixes.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            match stack.last_mut() {
                Some(frame) => frame.items.push(datum),
                None => return Ok(Some(datum)),
            }
        }
    }

    /// Skips spaces, commas and comments.
    pub(super) fn skip_space(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b',' | b'\t' | b'\n' | b'\r' | 0x0c => self.at += 1,
                b';' => {
                    let rest = &self.bytes[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn end_in_form(
        &self,
        stack: &[OpenCollection<'a>],
        prefixes: &[FormPrefix],
    ) -> Result<Option<Datum<'a>>, Flaw> {
        let mut flaw = match stack.first() {
            Some(frame) => Flaw::new(
                frame.at,
                "a bracket that is never closed",
                format!("{:?} before the end of the file", char::from(frame.close)),
            ),
            None if prefixes.is_empty() => return Ok(None),
            None => Flaw::new(self.at, "the end of the file after a tag", "what the tag is for"),
        };
        flaw.truncated = true;
        Err(flaw)
    }

    fn close_collection(&mut self, frame: OpenCollection<'a>) -> Datum<'a> {
        if !frame.prefixes.is_empty() {
            self.flaws.push(Flaw::new(self.at - 1, "a closing bracket after a tag", "what the tag is for"));
        }
        let kind = match (frame.close, frame.is_set) {
            (b'}', true) => DatumKind::Set(frame.items),
            (b'}', false) => {
                if !frame.items.len().is_multiple_of(2) {
                    let found = format!("a map of {} forms", frame.items.len());
                    self.flaws.push(Flaw::new(frame.at, found, "a value for each key"));
                }
                let mut items = frame.items.into_iter();
                let mut entries = Vec::with_capacity(items.len() / 2);
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
                DatumKind::Map(entries)
            }
            _ => DatumKind::List(frame.items),
        };
        Datum::new(frame.at, kind)
    }

    /// Parses what `#` or `^` begins.
    fn parse_hash(&mut self, stack: &mut Vec<OpenCollection<'a>>, at: usize) -> Result<HashForm<'a>, Flaw> {
        self.at += 1;
        if self.bytes[at] == b'^' {
            return Ok(HashForm::Prefix(FormPrefix::Discard));
        }
        match self.bytes.get(self.at) {
            Some(b'{') => {
                self.at += 1;
                open_collection(stack, b'{', true, at)?;
                Ok(HashForm::Opened)
            }
            Some(b'_') => {
                self.at += 1;
                Ok(HashForm::Prefix(FormPrefix::Discard))
            }
            Some(b'"') => Ok(HashForm::Datum(self.parse_pattern())),
            Some(b'#' | b'\'') => {
                self.at += 1;
                let text = self.take_word(at);
                Ok(HashForm::Datum(odd_datum(at, text, "a finite number, a string or another plain value")))
            }
            _ => {
                if self.take_word(at).len() == 1 {
                    self.flaws.push(Flaw::new(at, "'#' without a tag", "a tag such as #inst"));
                }
                Ok(HashForm::Prefix(FormPrefix::Tag))
            }
        }
    }

    /// Moves to the end of the current word. Returns the text from `from` to there.
    fn take_word(&mut self, from: usize) -> Cow<'a, str> {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|&byte| ends_word(byte)).unwrap_or(rest.len());
        self.take_text(from, self.at)
    }

    fn take_text(&mut self, from: usize, to: usize) -> Cow<'a, str> {
        match std::str::from_utf8(&self.bytes[from..to]) {
            Ok(text) => Cow::Borrowed(text),
            Err(error) => {
                self.flaws.push(utf8_flaw(from, error));
                String::from_utf8_lossy(&self.bytes[from..to])
            }
        }
    }

    fn parse_token(&mut self) -> Datum<'a> {
        let at = self.at;
        let text = match self.take_word(at) {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => return odd_datum(at, text.into(), "UTF-8"),
        };
        let first = text.trim_start_matches(['+', '-']).bytes().next();
        let kind = match text {
            "nil" => DatumKind::Null,
            "true" => DatumKind::Bool(true),
            "false" => DatumKind::Bool(false),
            _ if text.len() > 1 && text.starts_with(':') => DatumKind::Keyword(text),
            _ if first.is_some_and(|byte| byte.is_ascii_digit()) => parse_number(text),
            _ => {
                let expected =
                    "a value: nil, true, false, a number, a string, a keyword or a collection of them";
                DatumKind::Odd { text: text.into(), expected }
            }
        };
        Datum::new(at, kind)
    }

    /// Parses a character, `\a`, `\newline` or `\u00e9`, to a string.
    fn parse_character(&mut self) -> Datum<'a> {
        let at = self.at;
        self.at = (at + 2).min(self.bytes.len());
        while self.at < self.bytes.len() && (self.bytes[self.at] & 0xc0) == 0x80 {
            self.at += 1;
        }
        let name = self.take_word(at + 1);
        let mut letters = name.chars();
        let text: Cow<'a, str> = match (letters.next(), letters.next(), &*name) {
            (Some(_), None, _) => name,
            (_, _, "newline") => "\n".into(),
            (_, _, "space") => " ".into(),
            (_, _, "tab") => "\t".into(),
            (_, _, "return") => "\r".into(),
            (_, _, "backspace") => "\u{8}".into(),
            (_, _, "formfeed") => "\u{c}".into(),
            (Some('u'), _, name) => {
                let code = u32::from_str_radix(&name[1..], 16).ok().filter(|_| name.len() == 5);
                match code.and_then(char::from_u32) {
                    Some(letter) => letter.to_string().into(),
                    None => {
                        return odd_datum(
                            at,
                            format!("\\{name}").into(),
                            "a character such as \\a or \\u00e9",
                        );
                    }
                }
            }
            (_, _, name) => {
                return odd_datum(at, format!("\\{name}").into(), "a character such as \\a or \\newline");
            }
        };
        Datum::new(at, DatumKind::Text(text))
    }

    /// Moves past the string that begins here. Returns the place of its closing quote, or the end of the bytes if it is
    /// not closed.
    fn find_string_end(&mut self) -> usize {
        let start = self.at;
        self.at += 1;
        while let Some(step) = memchr::memchr2(b'"', b'\\', self.bytes.get(self.at..).unwrap_or(&[])) {
            self.at += step;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return self.at - 1;
            }
            self.at += 2;
        }
        self.at = self.bytes.len();
        let mut flaw = Flaw::new(start, "a string that is never closed", "'\"' before the end of the file");
        flaw.truncated = true;
        self.flaws.push(flaw);
        self.at
    }

    /// Parses a regular expression, `#"…"`, to its raw text.
    fn parse_pattern(&mut self) -> Datum<'a> {
        let at = self.at;
        let end = self.find_string_end();
        let text = self.take_text(at + 1, end);
        Datum::new(at, DatumKind::Text(text))
    }

    fn parse_string(&mut self) -> Datum<'a> {
        let at = self.at;
        let end = self.find_string_end();
        let raw = self.take_text(at + 1, end);
        let text = if raw.contains('\\') { self.unescape(&raw, at + 1).into() } else { raw };
        if is_plain_keyword(&text) {
            let expected = "a keyword, or a string that cannot be taken for one";
            return odd_datum(at, format!("{text:?}").into(), expected);
        }
        Datum::new(at, DatumKind::Text(text))
    }

    fn unescape(&mut self, raw: &str, at: usize) -> String {
        let mut text = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some(backslash) = rest.find('\\') {
            text.push_str(&rest[..backslash]);
            let escape = &rest[backslash + 1..];
            let (letter, len) = match escape.bytes().next() {
                Some(b'n') => (Some('\n'), 1),
                Some(b't') => (Some('\t'), 1),
                Some(b'r') => (Some('\r'), 1),
                Some(b'b') => (Some('\u{8}'), 1),
                Some(b'f') => (Some('\u{c}'), 1),
                Some(b'"') => (Some('"'), 1),
                Some(b'\\') => (Some('\\'), 1),
                Some(b'u') => parse_unicode_escape(escape),
                _ => (None, 0),
            };
            if letter.is_none() {
                let place = at + (raw.len() - rest.len()) + backslash;
                let found = clip_text(&escape.chars().take(5).collect::<String>());
                self.flaws.push(Flaw::new(
                    place,
                    format!("the escape \\{found}"),
                    "\\n, \\t, \\r, \\b, \\f, \\\", \\\\ or \\uXXXX",
                ));
            }
            text.extend(letter);
            rest = &escape[len..];
        }
        text.push_str(rest);
        text
    }
}

enum HashForm<'a> {
    Opened,
    Prefix(FormPrefix),
    Datum(Datum<'a>),
}

fn open_collection<'a>(
    stack: &mut Vec<OpenCollection<'a>>,
    open: u8,
    is_set: bool,
    at: usize,
) -> Result<(), Flaw> {
    // The event itself is one level here, unlike in JSON.
    if stack.len() > DEPTH_MAX {
        return Err(Flaw::new(at, "a value inside more than 64 others", "values nested at most 64 deep"));
    }
    let close = match open {
        b'[' => b']',
        b'(' => b')',
        _ => b'}',
    };
    stack.push(OpenCollection { close, is_set, at, items: Vec::new(), prefixes: Vec::new() });
    Ok(())
}

fn pop_closed<'a>(
    stack: &mut Vec<OpenCollection<'a>>,
    byte: u8,
    at: usize,
) -> Result<OpenCollection<'a>, Flaw> {
    let found = format!("{:?}", char::from(byte));
    match stack.pop() {
        Some(frame) if frame.close == byte => Ok(frame),
        Some(frame) => Err(Flaw::new(at, found, format!("{:?} first", char::from(frame.close)))),
        None => Err(Flaw::new(at, found, "an event")),
    }
}

/// Removes the prefixes that a complete form uses up. Returns whether the form is dropped.
fn consume_prefixes(prefixes: &mut Vec<FormPrefix>) -> bool {
    while let Some(prefix) = prefixes.pop() {
        if prefix == FormPrefix::Discard {
            return true;
        }
    }
    false
}

fn odd_datum<'a>(at: usize, text: Cow<'a, str>, expected: &'static str) -> Datum<'a> {
    Datum::new(at, DatumKind::Odd { text, expected })
}

pub(super) fn utf8_flaw(from: usize, error: std::str::Utf8Error) -> Flaw {
    Flaw::new(from + error.valid_up_to(), "bytes that are not UTF-8", "UTF-8 text")
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b',' | b'\t' | b'\n' | b'\r' | 0x0c | b'[' | b']' | b'(' | b')' | b'{' | b'}')
        || matches!(byte, b'"' | b';' | b'\\')
}

/// Parses `uXXXX`, or two of them for a character beyond 16 bits. Returns the character and the length of the escape.
fn parse_unicode_escape(escape: &str) -> (Option<char>, usize) {
    let unit = |at: usize| {
        let digits = escape.get(at + 1..at + 5).filter(|_| escape.as_bytes().get(at) == Some(&b'u'))?;
        u16::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
    };
    let Some(first) = unit(0) else { return (None, 0) };
    let second = (escape.as_bytes().get(5) == Some(&b'\\')).then(|| unit(6)).flatten();
    let units = [first, second.unwrap_or(0)];
    match char::decode_utf16(units).next() {
        Some(Ok(letter)) if (0xd800..0xdc00).contains(&first) => (Some(letter), 11),
        Some(Ok(letter)) => (Some(letter), 5),
        _ => (None, 0),
    }
}

/// Whether a JSON string can be written as an EDN keyword: a colon and a name that Clojure accepts.
pub(super) fn is_plain_keyword(text: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || "*+!-_?$%&=<>./#:'".contains(letter);
    text.strip_prefix(':').is_some_and(|name| {
        !name.is_empty()
            && !name.starts_with([':', '/', '#', '\''])
            && !name.ends_with(':')
            && name.chars().all(is_part)
    })
}

#[cfg(test)]
mod tests;
