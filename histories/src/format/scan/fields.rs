//! The names of fields in the order in which lines have them.
//!
//! Nearly all lines of a file have the same fields in the same order, but for the last one or two. So the name at each
//! position is compared with the names that were at this position before: sixteen bytes at once, without looking for the
//! end of the name, and without finding out which field it is.

use super::cursor::LineCursor;

/// A field of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LineField {
    Kind,
    Process,
    Function,
    Value,
    Key,
    Session,
    Version,
    Time,
    Index,
    Note,
}

impl LineField {
    fn from_name(name: &str) -> Self {
        match name {
            "type" => LineField::Kind,
            "process" => LineField::Process,
            "f" => LineField::Function,
            "value" => LineField::Value,
            "key" => LineField::Key,
            "session" => LineField::Session,
            "version" => LineField::Version,
            "time" => LineField::Time,
            "index" => LineField::Index,
            _ => LineField::Note,
        }
    }
}

/// A name as it stands in lines, with its quotes and its colon: `"key":`.
#[derive(Clone, Copy)]
struct ExpectedName {
    bytes: u128,
    mask: u128,
    len: usize,
    field: LineField,
}

/// The number of positions that names are remembered of.
const POSITIONS: usize = 16;

/// The names that were last seen at each position.
#[derive(Default)]
pub(super) struct ExpectedNames {
    /// At most two, the last one first.
    at: [[Option<ExpectedName>; 2]; POSITIONS],
}

impl ExpectedNames {
    /// Scans the name of a line's field at a position, and its colon.
    #[inline]
    pub(super) fn scan_name(
        &mut self,
        position: usize,
        cursor: &mut LineCursor<'_>,
    ) -> Option<(LineField, ScannedName)> {
        let start = cursor.at;
        if let (Some(expected), Some(found)) = (self.at.get(position), cursor.peek_two_words()) {
            for name in expected.iter().flatten() {
                if found & name.mask == name.bytes {
                    cursor.at += name.len;
                    cursor.skip_spaces();
                    return Some((name.field, ScannedName { start: start + 1, len: name.len - 3 }));
                }
            }
        }
        self.scan_other_name(position, cursor)
    }

    /// Scans a name that is not one of those expected, and remembers it.
    fn scan_other_name(
        &mut self,
        position: usize,
        cursor: &mut LineCursor<'_>,
    ) -> Option<(LineField, ScannedName)> {
        let start = cursor.at;
        let found = cursor.peek_two_words();
        let name = cursor.scan_field_name()?;
        let field = LineField::from_name(name);
        let len = name.len() + 3;
        if let (Some(expected), Some(bytes), true) = (self.at.get_mut(position), found, len <= 16) {
            let mask = u128::MAX >> (128 - 8 * len);
            // A colon after a space is not where it is expected.
            if cursor.text.as_bytes()[start + len - 1] == b':' {
                *expected = [Some(ExpectedName { bytes: bytes & mask, mask, len, field }), expected[0]];
            }
        }
        Some((field, ScannedName { start: start + 1, len: name.len() }))
    }
}

/// The place of a name, between its quotes.
#[derive(Clone, Copy)]
pub(super) struct ScannedName {
    start: usize,
    pub(super) len: usize,
}

impl ScannedName {
    /// The text of the name.
    #[inline]
    pub(super) fn text<'a>(self, cursor: &LineCursor<'a>) -> Option<&'a str> {
        cursor.text.get(self.start..self.start + self.len)
    }
}
