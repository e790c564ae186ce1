//! A position in a line, and the parts of JSON that are scanned there without being copied.
//!
//! A string or number is accepted only if its text is canonical as it stands ([`super::super::datum`]): no escape that
//! has another spelling, no float, no leading zero. So equal values have equal texts, and no tree is needed.

use crate::history::NOT_GIVEN;

/// A value as raw text of the line.
#[derive(Clone, Copy, Default)]
pub(super) enum ScannedValue<'a> {
    #[default]
    Null,
    Int {
        text: &'a str,
        value: i64,
    },
    /// With its quotes.
    Text(&'a str),
    Bool(&'a str),
    /// A list or an object with its brackets. Its content was not scanned yet.
    Nested(&'a str),
    /// The value of a transaction: a range of the chunk's micro-operations.
    Micros {
        start: u32,
        len: u32,
    },
}

impl<'a> ScannedValue<'a> {
    /// Its text, which is canonical; none for a nested value, whose text may not be.
    pub(super) fn canonical_text(self) -> Option<&'a str> {
        match self {
            ScannedValue::Null => Some("null"),
            ScannedValue::Int { text, .. } | ScannedValue::Text(text) | ScannedValue::Bool(text) => {
                Some(text)
            }
            ScannedValue::Nested(_) | ScannedValue::Micros { .. } => None,
        }
    }

    /// The text between its quotes, without one leading colon; none if there are several, or an escape.
    pub(super) fn as_name(self) -> Option<&'a str> {
        let ScannedValue::Text(text) = self else { return None };
        let name = &text[1..text.len() - 1];
        let name = name.strip_prefix(':').unwrap_or(name);
        (!name.starts_with(':') && !name.contains('\\')).then_some(name)
    }

    /// The integer; [`NOT_GIVEN`] for null.
    pub(super) fn as_integer(self) -> Option<i64> {
        match self {
            ScannedValue::Null => Some(NOT_GIVEN),
            ScannedValue::Int { value, .. } => Some(value),
            _ => None,
        }
    }
}

/// A position in a text.
pub(super) struct LineCursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// Bytes that need no escape inside a string: all but control characters, `"` and `\`.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x100 {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

impl<'a> LineCursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn next_byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn expect_byte(&mut self, expected: u8) -> Option<()> {
        (self.next_byte()? == expected).then_some(())
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Expects a byte that may have spaces around it.
    pub(super) fn expect_separator(&mut self, separator: u8) -> Option<()> {
        self.skip_spaces();
        self.expect_byte(separator)?;
        self.skip_spaces();
        Some(())
    }

    /// Enters a list or an object. Returns whether it has an item.
    pub(super) fn open_bracket(&mut self, open: u8, close: u8) -> Option<bool> {
        self.expect_byte(open)?;
        self.skip_spaces();
        let is_empty = self.peek()? == close;
        self.at += usize::from(is_empty);
        Some(!is_empty)
    }

    /// After an item of a list or an object: true if another item follows, false if it is closed.
    pub(super) fn has_another(&mut self, close: u8) -> Option<bool> {
        self.skip_spaces();
        match self.next_byte()? {
            b',' => {
                self.skip_spaces();
                Some(true)
            }
            byte => (byte == close).then_some(false),
        }
    }

    /// The text from `start` to the position.
    fn text_from(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.at)
    }

    /// The name of a field and its colon. Returns the text between the quotes, which has no escapes.
    pub(super) fn scan_field_name(&mut self) -> Option<&'a str> {
        self.expect_byte(b'"')?;
        let start = self.at;
        while PLAIN[usize::from(self.peek()?)] {
            self.at += 1;
        }
        let name = self.text_from(start)?;
        self.expect_byte(b'"')?;
        self.expect_separator(b':')?;
        Some(name)
    }

    /// A string with its quotes. Its escapes have no other spelling, so equal strings have equal texts.
    pub(super) fn scan_string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.expect_byte(b'"')?;
        loop {
            while PLAIN[usize::from(self.peek()?)] {
                self.at += 1;
            }
            match self.next_byte()? {
                b'"' => return self.text_from(start),
                b'\\' => match self.next_byte()? {
                    b'"' | b'\\' | b'n' | b'r' | b't' | b'b' | b'f' => {}
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    pub(super) fn scan_value(&mut self) -> Option<ScannedValue<'a>> {
        match self.peek()? {
            b'[' | b'{' => self.scan_nested(),
            _ => self.scan_scalar(),
        }
    }

    pub(super) fn scan_scalar(&mut self) -> Option<ScannedValue<'a>> {
        match self.peek()? {
            b'"' => self.scan_string().map(ScannedValue::Text),
            b'-' | b'0'..=b'9' => self.scan_integer(),
            b'n' => self.expect_word("null").map(|_| ScannedValue::Null),
            b't' => self.expect_word("true").map(ScannedValue::Bool),
            b'f' => self.expect_word("false").map(ScannedValue::Bool),
            _ => None,
        }
    }

    fn expect_word(&mut self, word: &str) -> Option<&'a str> {
        let found = self.text.get(self.at..self.at + word.len())?;
        self.at += word.len();
        (found == word).then_some(found)
    }

    /// Scans an integer of at most 18 digits in canonical form: no leading zeros, and no `-0`.
    fn scan_integer(&mut self) -> Option<ScannedValue<'a>> {
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
        if !(1..=18).contains(&len) || (self.text.as_bytes()[digits] == b'0' && (len > 1 || negative)) {
            return None;
        }
        // The number is a float.
        if matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        let value = if negative { -value } else { value };
        Some(ScannedValue::Int { text: self.text_from(start)?, value })
    }

    /// Scans to the bracket that closes a list or an object. What is between them is scanned once it is known what it
    /// must be.
    fn scan_nested(&mut self) -> Option<ScannedValue<'a>> {
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.scan_string()?;
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(ScannedValue::Nested(self.text_from(start)?));
            }
        }
    }
}
