//! A position in a line, and the parts of JSON that are scanned there without being copied.
//!
//! A string or number is accepted only if its text is canonical as it stands ([`super::super::datum`]): no escape that
//! has another spelling, no float, no leading zero. So equal values have equal texts, and no tree is needed.

use crate::format::chunk::LocalId;
use crate::history::NOT_GIVEN;

/// A value as raw text of the line.
#[derive(Clone, Copy, Default)]
pub(super) enum ScannedValue<'a> {
    #[default]
    Null,
    /// A string with its quotes, or a word. The text is canonical.
    Scalar(&'a str),
    /// An integer: its text, which is canonical, and its value.
    Integer(&'a str, i64),
    /// A list or an object with its brackets. Its content was not scanned yet.
    Nested(&'a str),
    /// A list or an object that was scanned and interned.
    Interned(LocalId),
    /// The value of a transaction: a range of the chunk's micro-operations.
    Micros { start: u32, len: u32 },
}

impl<'a> ScannedValue<'a> {
    /// Its text, which is canonical; none for a nested value, whose text may not be.
    pub(super) fn canonical_text(self) -> Option<&'a str> {
        match self {
            ScannedValue::Null => Some("null"),
            ScannedValue::Scalar(text) | ScannedValue::Integer(text, _) => Some(text),
            ScannedValue::Nested(_) | ScannedValue::Interned(_) | ScannedValue::Micros { .. } => None,
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

/// The byte `byte` eight times.
const fn repeat_byte(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const HIGH_BITS: u64 = repeat_byte(0x80);

/// Sets the high bit of the lowest byte that is not plain ([`PLAIN`]), and perhaps of higher ones.
fn mark_special_bytes(word: u64) -> u64 {
    // A byte below n borrows from its high bit when n is subtracted; one from 0x80 up is never marked.
    let mark_below = |word: u64, n: u8| word.wrapping_sub(repeat_byte(n)) & !word & HIGH_BITS;
    let is_byte = |byte: u8| mark_below(word ^ repeat_byte(byte), 1);
    mark_below(word, 0x20) | is_byte(b'"') | is_byte(b'\\')
}

/// Sets the high bit of the lowest byte that is no digit, and perhaps of higher ones.
fn mark_other_than_digits(word: u64) -> u64 {
    let digits = word ^ repeat_byte(b'0');
    (digits.wrapping_add(repeat_byte(0x80 - 10)) | digits) & HIGH_BITS
}

const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// The number whose digits are the first bytes of a word, at most eight. Adds neighbours: digits, then pairs, then fours.
fn first_digits(word: u64, count: usize) -> u64 {
    if count == 0 {
        return 0;
    }
    let digits = (word ^ repeat_byte(b'0')) << (64 - 8 * count);
    let pairs = (digits.wrapping_mul(10 * (1 << 8) + 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 * (1 << 16) + 1) >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000 * (1 << 32) + 1)) >> 32
}

impl<'a> LineCursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn next_byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    pub(super) fn expect_byte(&mut self, expected: u8) -> Option<()> {
        (self.next_byte()? == expected).then_some(())
    }

    #[inline]
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
    #[inline]
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

    /// The next eight bytes, the first of them lowest; none near the end of the text.
    #[inline]
    fn peek_word(&self) -> Option<u64> {
        self.text.as_bytes().get(self.at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// The next sixteen bytes, the first of them lowest; none near the end of the text.
    #[inline]
    pub(super) fn peek_two_words(&self) -> Option<u128> {
        self.text.as_bytes().get(self.at..)?.first_chunk().map(|bytes| u128::from_le_bytes(*bytes))
    }

    /// Moves to the first byte that is not plain.
    #[inline]
    fn skip_plain(&mut self) {
        while let Some(word) = self.peek_word() {
            let special = mark_special_bytes(word);
            self.at += (special.trailing_zeros() / 8) as usize;
            if special != 0 {
                return;
            }
        }
        while self.peek().is_some_and(|byte| PLAIN[usize::from(byte)]) {
            self.at += 1;
        }
    }

    /// The text from `start` to the position.
    #[inline]
    fn text_from(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.at)
    }

    /// The name of a field and its colon. Returns the text between the quotes, which has no escapes.
    pub(super) fn scan_field_name(&mut self) -> Option<&'a str> {
        self.expect_byte(b'"')?;
        let start = self.at;
        self.skip_plain();
        let name = self.text_from(start)?;
        self.expect_byte(b'"')?;
        self.expect_separator(b':')?;
        Some(name)
    }

    /// A string with its quotes. Its escapes have no other spelling, so equal strings have equal texts.
    #[inline]
    pub(super) fn scan_string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.expect_byte(b'"')?;
        loop {
            self.skip_plain();
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
            b'"' => self.scan_string().map(ScannedValue::Scalar),
            b'-' | b'0'..=b'9' => self.scan_integer(),
            b'n' => self.expect_word("null").map(|_| ScannedValue::Null),
            b't' => self.expect_word("true").map(ScannedValue::Scalar),
            b'f' => self.expect_word("false").map(ScannedValue::Scalar),
            _ => None,
        }
    }

    fn expect_word(&mut self, word: &str) -> Option<&'a str> {
        let found = self.text.get(self.at..self.at + word.len())?;
        self.at += word.len();
        (found == word).then_some(found)
    }

    fn scan_integer(&mut self) -> Option<ScannedValue<'a>> {
        let start = self.at;
        let value = self.scan_number()?;
        Some(ScannedValue::Integer(self.text_from(start)?, value))
    }

    /// Scans an integer in canonical form: no leading zeros, and no `-0`. Its absolute value is at most [`i64::MAX`], which
    /// has 19 digits, as the time since 1970 in nanoseconds has.
    #[inline]
    pub(super) fn scan_number(&mut self) -> Option<i64> {
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let (digits, is_zero) = (self.at, self.peek()? == b'0');
        let mut value = 0_u64;
        // Overflow is harmless, because numbers with too many digits are rejected below.
        while let Some(word) = self.peek_word() {
            let count = (mark_other_than_digits(word).trailing_zeros() / 8) as usize;
            value = value.wrapping_mul(POWERS[count]).wrapping_add(first_digits(word, count));
            self.at += count;
            if count < 8 {
                break;
            }
        }
        // Near the end of the text there is no word.
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        let len = self.at - digits;
        // Nineteen digits fit into 64 bits without a sign.
        if !(1..=19).contains(&len) || value > i64::MAX as u64 || (is_zero && (len > 1 || negative)) {
            return None;
        }
        // A float is left to the careful path.
        let is_float = matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        (!is_float).then_some(if negative { -(value as i64) } else { value as i64 })
    }

    /// An integer, or [`NOT_GIVEN`] for null.
    pub(super) fn scan_number_or_null(&mut self) -> Option<i64> {
        match self.peek()? {
            b'n' => self.expect_word("null").map(|_| NOT_GIVEN),
            _ => self.scan_number(),
        }
    }

    /// The text of a string without escapes, between its quotes and without one leading colon; none if there are several.
    pub(super) fn scan_name(&mut self) -> Option<&'a str> {
        self.expect_byte(b'"')?;
        let start = self.at + usize::from(self.text.as_bytes().get(self.at) == Some(&b':'));
        self.skip_plain();
        let name = self.text.get(start..self.at)?;
        self.expect_byte(b'"')?;
        (!name.starts_with(':')).then_some(name)
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
                // The text goes on behind the line.
                b'\n' => return None,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(ScannedValue::Nested(self.text_from(start)?));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The standard library parses the same digits, whatever comes after them and however near the end is.
    #[test]
    fn integers_of_every_length_are_exact() {
        for number in [
            0,
            7,
            -7,
            12_345_678,
            123_456_789,
            -10_000_000_000_000_000,
            999_999_999_999_999_999,
            1_700_000_005_007_741_425,
            i64::MAX,
            -i64::MAX,
        ] {
            for after in ["", ",", "}", "/1234567", ":1234567", "]\u{e9}\u{e9}\u{e9}\u{e9}"] {
                let text = format!("{number}{after}");
                let mut cursor = LineCursor::new(&text);
                let digits = number.to_string();
                assert_eq!(cursor.scan_number(), Some(number), "{text}");
                assert_eq!(cursor.at, digits.len(), "{text}");
                let scanned = LineCursor::new(&text).scan_scalar().and_then(ScannedValue::canonical_text);
                assert_eq!(scanned, Some(digits.as_str()));
            }
        }
        for text in [
            "-",
            "01",
            "-0",
            "1.",
            "1e",
            "9223372036854775808",
            "12345678901234567890",
            "-x",
            "00000000000",
            "12345678.5",
        ] {
            assert!(LineCursor::new(text).scan_scalar().is_none(), "{text}");
        }
    }

    proptest! {
        /// Eight bytes at a time or one by one, the end of the plain bytes is the same.
        #[test]
        fn strings_end_where_a_plain_loop_says(text in "[a-z\u{1f}\u{20}\u{7f}é\\\\\"\u{1}!#\\[\\]0-9]{0,40}") {
            let mut cursor = LineCursor::new(&text);
            cursor.skip_plain();
            let expected = text.bytes().position(|byte| !PLAIN[usize::from(byte)]).unwrap_or(text.len());
            prop_assert_eq!(cursor.at, expected);
        }

        #[test]
        fn digits_end_where_a_plain_loop_says(text in "[0-9]{0,20}[/:0-9é\u{1}]{0,12}") {
            let word: Option<&[u8; 8]> = text.as_bytes().first_chunk();
            if let Some(word) = word {
                let count = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let word = u64::from_le_bytes(*word);
                prop_assert_eq!((mark_other_than_digits(word).trailing_zeros() / 8) as usize, count);
                let expected = text[..count].parse().unwrap_or(0_u64);
                prop_assert_eq!(first_digits(word, count), expected);
            }
        }
    }
}
