//! The further fields of events: kept as patterns, with one number beside each.
//!
//! Under an open load each invocation tells when it was due, and each answer tells the clock of the server that gave it.
//! If such notes were interned as they are, ten million events would need ten million texts, and reading would wait for
//! memory at each of them. So the text is split. The pattern `{"clock":#,"node":"n1"}` is interned, because a history has few
//! patterns; the number stands in a column. Put together again, they are the same text.
//!
//! **Cost.** Eight bytes for each event with a note, and eight more if some note has such a number. A note is found in
//! O(log 64): the rows of each block of 64 positions are known.

use crate::Id;
use crate::intern::Interner;
use std::borrow::Cow;
use std::sync::OnceLock;

/// A distinct pattern of further fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct NoteId(u32);

impl Id for NoteId {
    fn new(index: usize) -> Self {
        assert!(index < u32::MAX as usize, "more distinct notes than fit in 32 bits");
        Self(index as u32)
    }
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// The fields whose numbers are kept apart. A recorder gives each event another number in one of them.
pub(crate) const NUMBER_FIELDS: [&str; 2] = ["clock", "intended"];

/// Stands in a pattern for the number. JSON has no such character: in strings, it is escaped.
const NUMBER_MARK: char = '\u{1}';

/// Stands for the number of a note that has none apart.
pub(crate) const NO_NUMBER: i64 = i64::MIN;

/// The pattern of a note, and the number beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SplitNote<'a> {
    pub(crate) pattern: &'a str,
    pub(crate) number: i64,
}

impl SplitNote<'_> {
    /// The whole text.
    pub(crate) fn join(self) -> String {
        let mut text = String::with_capacity(self.pattern.len() + 20);
        match self.pattern.split_once(NUMBER_MARK).filter(|_| self.number != NO_NUMBER) {
            Some((before, after)) => {
                text.push_str(before);
                text.push_str(itoa::Buffer::new().format(self.number));
                text.push_str(after);
            }
            None => text.push_str(self.pattern),
        }
        text
    }
}

/// Appends the value of a field, as it stands in canonical JSON, to a pattern to which its name was appended. A value that is the
/// number to be kept apart is put into `number` instead.
pub(crate) fn push_note_value(pattern: &mut String, number: &mut i64, name: &str, value: &str) {
    let is_first = *number == NO_NUMBER && NUMBER_FIELDS.contains(&name);
    match is_first.then(|| canonical_number(value)).flatten() {
        Some(found) => {
            *number = found;
            pattern.push(NUMBER_MARK);
        }
        None => pattern.push_str(value),
    }
}

/// Splits the text of a note, a JSON object. `pattern` is overwritten.
pub(crate) fn split_note<'a>(fields: &'a str, pattern: &'a mut String) -> SplitNote<'a> {
    let found = find_number(fields).filter(|_| !fields.contains(NUMBER_MARK));
    let Some((start, end, number)) = found else { return SplitNote { pattern: fields, number: NO_NUMBER } };
    pattern.clear();
    pattern.push_str(&fields[..start]);
    pattern.push(NUMBER_MARK);
    pattern.push_str(&fields[end..]);
    SplitNote { pattern, number }
}

/// The number that is kept apart: where it begins and ends, and its value.
fn find_number(fields: &str) -> Option<(usize, usize, i64)> {
    // Most notes have none of the names, and are not looked at further.
    if !NUMBER_FIELDS.iter().any(|name| fields.contains(name)) {
        return None;
    }
    let bytes = fields.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at);
                let name = fields.get(at + 1..end.checked_sub(1)?)?;
                let is_name = depth == 1 && bytes.get(end) == Some(&b':') && NUMBER_FIELDS.contains(&name);
                at = end;
                if is_name {
                    let rest = &fields[end + 1..];
                    let len = rest.find([',', '}']).unwrap_or(rest.len());
                    if let Some(number) = canonical_number(&rest[..len]) {
                        return Some((end + 1, end + 1 + len, number));
                    }
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position behind the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        at += if byte == b'\\' { 2 } else { 1 };
        if byte == b'"' {
            return at;
        }
    }
    bytes.len()
}

/// The integer that is written so, and in no other way.
fn canonical_number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // No sign but a minus, no leading zero, and no minus before zero.
    let is_canonical = matches!(digits.as_bytes(), [b'1'..=b'9', ..]) || text == "0";
    is_canonical.then(|| text.parse().ok())?.filter(|&number| number != NO_NUMBER)
}

/// The notes of a history, by the positions of their events.
#[derive(Clone, Default)]
pub(crate) struct NoteTable {
    /// The position and the pattern of each note, in order.
    pub(crate) rows: Vec<(u32, u32)>,
    /// The number of each note. Empty while no note has one.
    numbers: Vec<i64>,
    pub(crate) patterns: Interner<NoteId>,
    /// For each block of positions, the first row of it or of a later block. Made on first use.
    blocks: OnceLock<Vec<u32>>,
    /// By pattern: the name of the field whose number it leaves out. Made on first use.
    number_fields: OnceLock<Vec<Option<&'static str>>>,
}

/// The positions of a block, as a power of two.
const BLOCK_BITS: u32 = 6;

impl NoteTable {
    /// Adds a note behind all others.
    pub(crate) fn push(&mut self, position: u32, pattern: u32, number: i64) {
        debug_assert!(self.rows.last().is_none_or(|last| last.0 <= position), "notes are in order");
        self.blocks.take();
        self.number_fields.take();
        if number != NO_NUMBER || !self.numbers.is_empty() {
            self.numbers.resize(self.rows.len(), NO_NUMBER);
            self.numbers.push(number);
        }
        self.rows.push((position, pattern));
    }

    /// The row of the note of an event.
    pub(crate) fn row_of(&self, position: u32) -> Option<usize> {
        let blocks = self.blocks.get_or_init(|| self.find_blocks());
        let block = (position >> BLOCK_BITS) as usize;
        let start = *blocks.get(block)? as usize;
        let end = blocks.get(block + 1).map_or(self.rows.len(), |&end| end as usize);
        let at = self.rows[start..end].binary_search_by_key(&position, |row| row.0).ok()?;
        Some(start + at)
    }

    fn find_blocks(&self) -> Vec<u32> {
        let Some(last) = self.rows.last() else { return Vec::new() };
        let mut blocks = Vec::with_capacity((last.0 >> BLOCK_BITS) as usize + 1);
        for (row, (position, _)) in self.rows.iter().enumerate() {
            let block = (position >> BLOCK_BITS) as usize;
            if blocks.len() <= block {
                blocks.resize(block + 1, row as u32);
            }
        }
        blocks
    }

    /// The number that is kept apart in a row, if it is that of a field with this name.
    pub(crate) fn number_at(&self, row: usize, name: &str) -> Option<i64> {
        let number = self.numbers.get(row).copied().filter(|&number| number != NO_NUMBER)?;
        let find_all = || self.patterns.iter().map(|(_, pattern)| number_field(pattern)).collect();
        let fields = self.number_fields.get_or_init(find_all);
        (fields[self.rows[row].1 as usize] == Some(name)).then_some(number)
    }

    pub(crate) fn split_at(&self, row: usize) -> SplitNote<'_> {
        let number = self.numbers.get(row).copied().unwrap_or(NO_NUMBER);
        SplitNote { pattern: self.patterns.text(NoteId(self.rows[row].1)), number }
    }

    /// The text of a row.
    pub(crate) fn text_at(&self, row: usize) -> Cow<'_, str> {
        let split = self.split_at(row);
        if split.number == NO_NUMBER { Cow::Borrowed(split.pattern) } else { Cow::Owned(split.join()) }
    }

    /// Replaces the note of an event, if it has one.
    pub(crate) fn replace(&mut self, position: u32, fields: &str) {
        if let Some(row) = self.row_of(position) {
            self.number_fields.take();
            self.rows[row].1 = self.patterns.intern(fields).index() as u32;
            if let Some(number) = self.numbers.get_mut(row) {
                *number = NO_NUMBER;
            }
        }
    }

    /// Keeps only the notes of some positions.
    pub(crate) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.blocks.take();
        let mut kept = self.rows.iter().map(|row| keep(row.0));
        self.numbers.retain(|_| kept.next().unwrap_or(true));
        self.rows.retain(|row| keep(row.0));
    }

    /// The memory of the columns in bytes, without the patterns.
    pub(crate) fn column_bytes(&self) -> usize {
        self.rows.len() * 8 + self.numbers.len() * 8
    }
}

/// A pattern as JSON: 0 stands for its number.
pub(crate) fn zero_number(pattern: &str) -> Cow<'_, str> {
    match pattern.contains(NUMBER_MARK) {
        true => Cow::Owned(SplitNote { pattern, number: 0 }.join()),
        false => Cow::Borrowed(pattern),
    }
}

/// The name of the field whose number a pattern leaves out.
pub(crate) fn number_field(pattern: &str) -> Option<&'static str> {
    let before = &pattern[..pattern.find(NUMBER_MARK)?];
    let before = before.strip_suffix("\":")?;
    NUMBER_FIELDS
        .into_iter()
        .find(|name| before.ends_with(name) && before[..before.len() - name.len()].ends_with('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(fields: &str) -> (String, i64) {
        let mut pattern = String::new();
        let split = split_note(fields, &mut pattern);
        assert_eq!(split.join(), fields);
        (split.pattern.to_owned(), split.number)
    }

    #[test]
    fn the_number_of_a_recorder_is_kept_apart() {
        assert_eq!(split(r#"{"clock":17,"node":"n1"}"#), ("{\"clock\":\u{1},\"node\":\"n1\"}".into(), 17));
        assert_eq!(split(r#"{"a":[{"clock":1}],"intended":-5}"#).1, -5);
        // The clock comes first; the other number stays in the text.
        assert_eq!(split(r#"{"clock":1,"intended":2}"#).0, "{\"clock\":\u{1},\"intended\":2}");
    }

    /// A number that is written in another way, or that is no number, stays where it is, and so does everything in strings and
    /// inside other fields.
    #[test]
    fn whatever_else_looks_like_it_stays_in_the_text() {
        for text in [
            r#"{"clock":1.5}"#,
            r#"{"clock":-0}"#,
            r#"{"clock":"7"}"#,
            r#"{"clock":9223372036854775808}"#,
            r#"{"clock":-9223372036854775808}"#,
            r#"{"clock":null}"#,
            r#"{"clocks":1,"a\"clock":2}"#,
            r#"{"error":"\"clock\":7"}"#,
            r#"{"headers":{"clock":7}}"#,
            "{\"node\":\"\u{1}\",\"clock\":7}",
        ] {
            assert_eq!(split(text), (text.to_owned(), NO_NUMBER));
        }
    }
}
