//! EDN: Clojure's notation, in which Jepsen and Knossos write their histories.
//!
//! A file is a vector or a list of maps, or maps one after another; each map is an event. Commas are space,
//! `;` starts a comment, `#_` drops the form after it, `#tag` says how Clojure would read what follows it
//! (`#jepsen.history.Op{…}`) and is dropped. The brackets around events are not part of any event: they are
//! passed over here and counted by the merge, so that a file of any size is read event by event.
//!
//! The parser is one loop with an explicit stack. Flaws that leave the brackets in order (a map without a last
//! value, an unknown escape) are collected and the event is read to its end; where brackets do not match,
//! reading goes on at the next line that begins like an event.

use super::chunk::{Chunk, LocalId};
use super::datum::{DEPTH_MAX, Datum, DatumKind, Flaw, I64_RANGE, clip_text};
use super::event::{self, EventRules};
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

/// Reports an event whose brackets are out of order. Returns where reading goes on.
fn skip_broken_event(
    chunk: &mut Chunk,
    own: &mut Vec<Flaw>,
    bytes: &[u8],
    start: usize,
    flaw: Flaw,
) -> usize {
    let from = if flaw.truncated { start } else { flaw.at.max(start) };
    let next = next_event_line(bytes, from);
    // A string that is never closed says more than the bracket that it swallowed.
    let mut flaws = std::mem::take(own);
    if !flaws.iter().any(|flaw| flaw.truncated) {
        flaws.push(flaw);
    }
    flaws.iter_mut().for_each(|flaw| flaw.truncated &= next.is_none());
    chunk.add_broken_event(start, LocalId::ABSENT, flaws);
    next.unwrap_or(bytes.len())
}

/// Whether the bracket at a place is that of an event which is a vector, as Knossos prints them: `[0 :invoke :read nil]`. A
/// bracket around events has an event behind it.
pub(super) fn begins_vector_event(bytes: &[u8], at: usize) -> bool {
    let mut words = bytes[at + 1..].iter().skip_while(|byte| matches!(byte, b' ' | b'\t' | b','));
    bytes[at] == b'[' && matches!(words.next(), Some(b'0'..=b'9' | b'-' | b':' | b'"'))
}

/// `[process :type :f value]` as the map that it stands for.
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

/// The next line that begins like an event.
pub(super) fn next_event_line(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..]).map(|newline| from + newline + 1).find(|&line| {
        let rest = &bytes[line..];
        let first = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b',' | b'[' | b'('));
        matches!(first, Some(b'{' | b'#'))
    })
}

/// What comes next in a block.
pub(super) enum EdnItem<'a> {
    Form(Datum<'a>),
    /// A bracket around events.
    Bracket {
        at: usize,
        open: bool,
    },
    /// Something dropped: `#_ {…}`.
    Nothing,
    End,
}

/// Reads forms one after another.
pub(super) struct EdnParser<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    /// What was wrong in the last form, where that did not keep it from being read to its end.
    pub(super) flaws: Vec<Flaw>,
}

/// What stands before a form and changes it.
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

    /// The next event, or a bracket around events. An error means that the brackets are out of order.
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

    /// One form; none where there is only a dropped one. `outermost`: lists are brackets around events.
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

    /// Passes over spaces, commas and comments.
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

    /// What `#` or `^` begins.
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

    /// The text from `from` to the end of the word that goes on here.
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

    /// `\a`, `\newline`, `\u00e9`: a string of one character.
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

    /// Where the string that begins here ends: just before its closing quote. None: it does not.
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

    /// A regular expression, `#"…"`: its text as it stands.
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
    // The event is a level of its own here, as it is not for JSON.
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

/// Takes the prefixes that a complete form uses up; whether it is dropped.
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

/// A number as Clojure reads it: decimal, `0x1f`, `017` (octal), `36rZZ`, each with `N` behind it; a float, or an exact
/// decimal (`1.5M`) or ratio (`4/2`) that is an integer or a float.
fn parse_number(text: &str) -> DatumKind<'_> {
    let odd = |expected| DatumKind::Odd { text: text.into(), expected };
    let (sign, rest) = match text.as_bytes()[0] {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (unsigned, big) = match rest.strip_suffix('N') {
        Some(digits) => (digits, true),
        None => (rest, false),
    };
    if let Some((digits, radix)) = split_radix(unsigned) {
        return match i128::from_str_radix(digits, radix) {
            Ok(int) if !digits.starts_with(['+', '-']) => int_kind(if sign.is_empty() { int } else { -int }),
            _ => odd("an integer of at most 64 bits, such as 12, 0x1f, 017 or 2r101"),
        };
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return match format!("{sign}{unsigned}").parse() {
            Ok(int) => int_kind(int),
            // As JSON has it, without the N: notes keep it.
            Err(_) => DatumKind::Odd { text: format!("{sign}{unsigned}").into(), expected: I64_RANGE },
        };
    }
    if let Some((over, under)) = rest.split_once('/') {
        let whole = over.parse::<u64>().ok().zip(under.parse::<u64>().ok().filter(|&under| under > 0));
        return match whole.filter(|(over, under)| over % under == 0) {
            Some((over, under)) => {
                let int = i128::from(over / under);
                int_kind(if sign.is_empty() { int } else { -int })
            }
            None => odd("an integer or a float (JSON has no ratios)"),
        };
    }
    let (decimal, exact) = match rest.strip_suffix('M') {
        Some(decimal) => (decimal, true),
        None => (rest, false),
    };
    match format!("{sign}{decimal}").parse::<f64>() {
        Ok(float) if float.is_finite() && !big && (!exact || is_exact_decimal(decimal, float)) => {
            DatumKind::Float(float)
        }
        Ok(_) if exact => odd("an integer or a float (JSON has no decimals of this length)"),
        _ => odd("an integer or a float"),
    }
}

fn int_kind<'a>(int: i128) -> DatumKind<'a> {
    match i64::try_from(int) {
        Ok(int) => DatumKind::Int(int),
        Err(_) => DatumKind::Odd { text: int.to_string().into(), expected: I64_RANGE },
    }
}

/// The digits and the radix of an integer that is not decimal.
fn split_radix(text: &str) -> Option<(&str, u32)> {
    if let Some(digits) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        return Some((digits, 16));
    }
    if let Some((radix, digits)) = text.split_once(['r', 'R']) {
        return Some((digits, radix.parse().ok().filter(|radix| (2..=36).contains(radix))?));
    }
    let octal = text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    octal.then(|| (&text[1..], 8))
}

/// Whether a float has all digits of a decimal.
fn is_exact_decimal(decimal: &str, float: f64) -> bool {
    let digits = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    !decimal.contains(['e', 'E']) && digits(decimal) == digits(&format!("{}", float.abs()))
}

/// `uXXXX`, or two of them for a character beyond 16 bits, and its length.
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

/// Whether a JSON string is written as a keyword: a colon and a name that Clojure reads as one.
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
mod tests {
    use super::super::datum::{Strictness, write_canonical};
    use super::super::event::StringProcesses;
    use super::*;
    use proptest::prelude::*;

    /// The canonical JSON of one form.
    fn json(edn: &str) -> Result<String, String> {
        let mut parser = EdnParser::new(edn.as_bytes(), 0);
        let form = parser.parse_form(false).map_err(|flaw| format!("{}: {}", flaw.at, flaw.found))?;
        if let Some(flaw) = parser.flaws.first() {
            return Err(format!("{}: {}", flaw.at, flaw.found));
        }
        let mut text = String::new();
        let datum = form.ok_or("nothing")?;
        write_canonical(&datum, Strictness::Judged, &mut text)
            .map_err(|flaw| format!("{}: {}", flaw.at, flaw.found))?;
        Ok(text)
    }

    #[test]
    fn says_in_json_what_the_form_says() {
        for (edn, expected) in [
            ("nil", "null"),
            ("[1 -2 +3 5N 1.5 1e3 true false]", "[1,-2,3,5,1.5,1000.0,true,false]"),
            ("(:a \"b\" \\c \\newline \\u00e9 \\()", r#"[":a","b","c","\n","é","("]"#),
            ("{:b 1, 0 100 \"s\" nil}", r#"{"0":100,":b":1,"s":null}"#),
            ("#{3 1 20}", "[1,3,20]"),
            ("#inst \"2026-11-01\"", r#""2026-11-01""#),
            ("#a #b [#_ 1 #_#_ 2 3 4 ; five\n]", "[4]"),
            (r#""a\"\\\n\u00e9\ud834\udd1e""#, r#""a\"\\\né𝄞""#),
            (": a", "Err"),
            ("[:x\"y\"]", r#"[":x","y"]"#),
        ] {
            let found = json(edn);
            if expected == "Err" {
                assert!(found.is_err(), "{edn}");
            } else {
                assert_eq!(found.as_deref(), Ok(expected), "{edn}");
            }
        }
    }

    #[test]
    fn refuses_what_json_cannot_say_exactly() {
        for edn in [
            "1/2",
            "18446744073709551616",
            "0.1000000000000000000001M",
            "##NaN",
            "symbol",
            "08",
            "\":x\"",
            "{1}",
            "[1)",
            "\"\\q\"",
        ] {
            assert!(json(edn).is_err(), "{edn}: {:?}", json(edn));
        }
        assert_eq!(json("\": x\"").as_deref(), Ok(r#"": x""#));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(json(&("[".repeat(100_000) + &"]".repeat(100_000))).unwrap_err().contains("more than 64"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(
            b"{}[]()#_^:;\\\"u0a1 \n".to_vec())], 0..60)) {
            let rules = EventRules { independent: false, process_required: false, strings: StringProcesses::Recognised };
            let mut chunk = Chunk::default();
            read_block(&mut chunk, &bytes, rules);
        }
    }
}
