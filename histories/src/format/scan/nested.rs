//! Writes the canonical text of lists and objects in one pass, without a tree.
//!
//! The payloads of session stores are objects of a few fields: `{"session":"s-1","version":7,"bytes":64}`. Two payloads
//! are equal if their fields are, in whatever order; so the canonical text has the fields sorted by name
//! ([`super::super::datum`]). The careful path builds a tree of such a value, level by level; this module copies the
//! pieces, and moves those that are not in order. A value that has more fields or levels than usual, or a field twice, is
//! left to the careful path.
//!
//! Most objects are *flat*: their values are no lists or objects. A field of a flat object without spaces is canonical as it stands,
//! so it is copied in one piece, once its place is known.

use super::cursor::LineCursor;
use super::fields::ExpectedNames;

/// The number of lists and objects inside one another.
const DEPTH_MAX: usize = 8;
/// The number of fields of an object.
const FIELDS_MAX: usize = 16;
/// The number of fields of a flat object.
const FLAT_FIELDS_MAX: usize = 8;
/// The number of levels at which the names of fields are remembered.
const NAMED_LEVELS: usize = 4;

/// A text that canonical values are appended to.
#[derive(Default)]
pub(super) struct CanonicalText {
    pub(super) text: String,
    /// A reusable buffer for the fields of an object that are not in order.
    unsorted: String,
    /// The names of the fields of flat objects, by level.
    names: [ExpectedNames; NAMED_LEVELS],
}

/// Where the text of a field was written: its name and its value, without the comma before them.
#[derive(Clone, Copy, Default)]
struct WrittenField<'a> {
    name: &'a str,
    start: usize,
    end: usize,
}

impl CanonicalText {
    /// Appends the value at the cursor; none if the value is not of the usual shape.
    pub(super) fn push_value(&mut self, cursor: &mut LineCursor<'_>) -> Option<()> {
        self.push_at_depth(cursor, DEPTH_MAX)
    }

    fn push_at_depth(&mut self, cursor: &mut LineCursor<'_>, depth: usize) -> Option<()> {
        match cursor.peek()? {
            b'[' => self.push_list(cursor, depth.checked_sub(1)?),
            b'{' => {
                let start = cursor.at;
                if self.push_flat_object(cursor, DEPTH_MAX - depth).is_none() {
                    cursor.at = start;
                    self.push_object(cursor, depth.checked_sub(1)?)?;
                }
                Some(())
            }
            _ => {
                self.text.push_str(cursor.scan_scalar()?.canonical_text()?);
                Some(())
            }
        }
    }

    fn push_list(&mut self, cursor: &mut LineCursor<'_>, depth: usize) -> Option<()> {
        self.text.push('[');
        let mut more = cursor.open_bracket(b'[', b']')?;
        while more {
            self.push_at_depth(cursor, depth)?;
            more = cursor.has_another(b']')?;
            if more {
                self.text.push(',');
            }
        }
        self.text.push(']');
        Some(())
    }

    /// Appends an object that is flat, and has no spaces. None, and nothing is appended, if it is another.
    fn push_flat_object(&mut self, cursor: &mut LineCursor<'_>, level: usize) -> Option<()> {
        let names = self.names.get_mut(level)?;
        // The name of each field, and its text.
        let mut fields = [("", ""); FLAT_FIELDS_MAX];
        let (begin, mut count) = (cursor.at, 0);
        cursor.expect_byte(b'{')?;
        loop {
            let start = cursor.at;
            let (_, name) = names.scan_name(count, cursor)?;
            let has_spaces = cursor.at != start + name.len + 3;
            cursor.scan_scalar().filter(|_| !has_spaces)?;
            *fields.get_mut(count)? = (name.text(cursor)?, cursor.text.get(start..cursor.at)?);
            count += 1;
            match cursor.next_byte()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        let fields = &mut fields[..count];
        sort_by_name(fields)?;
        self.text.reserve(cursor.at - begin);
        let mut before = '{';
        for (_, field) in fields {
            self.text.push(before);
            self.text.push_str(field);
            before = ',';
        }
        self.text.push('}');
        Some(())
    }

    fn push_object(&mut self, cursor: &mut LineCursor<'_>, depth: usize) -> Option<()> {
        let mut fields = [WrittenField::default(); FIELDS_MAX];
        let (mut count, mut is_sorted) = (0, true);
        self.text.push('{');
        let begin = self.text.len();
        let mut more = cursor.open_bracket(b'{', b'}')?;
        while more {
            if count == FIELDS_MAX {
                return None;
            }
            let name = cursor.scan_field_name()?;
            is_sorted &= count == 0 || fields[count - 1].name < name;
            self.text.push_str(if count == 0 { "" } else { "," });
            let start = self.text.len();
            self.text.push('"');
            self.text.push_str(name);
            self.text.push_str("\":");
            self.push_at_depth(cursor, depth)?;
            fields[count] = WrittenField { name, start, end: self.text.len() };
            count += 1;
            more = cursor.has_another(b'}')?;
        }
        if !is_sorted {
            self.sort_fields(&mut fields[..count], begin)?;
        }
        self.text.push('}');
        Some(())
    }

    /// Sorts the fields that were written from `begin` on; none if a field is there twice.
    fn sort_fields(&mut self, fields: &mut [WrittenField<'_>], begin: usize) -> Option<()> {
        fields.sort_unstable_by_key(|field| field.name);
        if fields.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return None;
        }
        self.unsorted.clear();
        self.unsorted.push_str(&self.text[begin..]);
        self.text.truncate(begin);
        for (at, field) in fields.iter().enumerate() {
            self.text.push_str(if at == 0 { "" } else { "," });
            self.text.push_str(&self.unsorted[field.start - begin..field.end - begin]);
        }
        Some(())
    }
}

/// Sorts a few fields by their names; none if a name is there twice.
fn sort_by_name(fields: &mut [(&str, &str)]) -> Option<()> {
    for end in 1..fields.len() {
        let mut at = end;
        while at > 0 && fields[at - 1].0 > fields[at].0 {
            fields.swap(at - 1, at);
            at -= 1;
        }
        if at > 0 && fields[at - 1].0 == fields[at].0 {
            return None;
        }
    }
    Some(())
}
