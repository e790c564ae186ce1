//! Writes the canonical text of lists and objects without a tree.
//!
//! The payloads of session stores are objects of a few fields: `{"session":"s-1","version":7,"bytes":64}`. Two payloads
//! are equal if their fields are, in whatever order; so the canonical text has the fields sorted by name
//! ([`super::super::datum`]). The careful path builds a tree of such a value, level by level; this module copies its
//! pieces. A value that has more fields or levels than usual, or a field twice, is left to the careful path.

use super::cursor::{LineCursor, ScannedValue};

/// The number of lists and objects inside one another.
const DEPTH_MAX: usize = 8;
/// The number of fields of an object.
const FIELDS_MAX: usize = 16;

/// Appends the canonical text of a value; none if the value is not of the usual shape.
pub(super) fn write_scanned_value(value: ScannedValue<'_>, out: &mut String) -> Option<()> {
    write_at_depth(value, DEPTH_MAX, out)
}

fn write_at_depth(value: ScannedValue<'_>, depth: usize, out: &mut String) -> Option<()> {
    match value {
        ScannedValue::Nested(text) => {
            let depth = depth.checked_sub(1)?;
            let mut cursor = LineCursor::new(text);
            match cursor.peek()? {
                b'[' => write_list(&mut cursor, depth, out)?,
                _ => write_object(&mut cursor, depth, out)?,
            }
            (cursor.at == text.len()).then_some(())
        }
        scalar => {
            out.push_str(scalar.canonical_text()?);
            Some(())
        }
    }
}

fn write_list(cursor: &mut LineCursor<'_>, depth: usize, out: &mut String) -> Option<()> {
    out.push('[');
    let mut more = cursor.open_bracket(b'[', b']')?;
    while more {
        write_at_depth(cursor.scan_value()?, depth, out)?;
        more = cursor.has_another(b']')?;
        if more {
            out.push(',');
        }
    }
    out.push(']');
    Some(())
}

fn write_object(cursor: &mut LineCursor<'_>, depth: usize, out: &mut String) -> Option<()> {
    let mut fields = [("", ScannedValue::Null); FIELDS_MAX];
    let mut count = 0;
    let mut more = cursor.open_bracket(b'{', b'}')?;
    while more {
        let name = cursor.scan_field_name()?;
        let value = cursor.scan_value()?;
        // Sorted by insertion: there are few, and often they are sorted.
        let mut at = count;
        while at > 0 && fields[at - 1].0 >= name {
            if fields[at - 1].0 == name {
                return None;
            }
            at -= 1;
        }
        if count == FIELDS_MAX {
            return None;
        }
        fields.copy_within(at..count, at + 1);
        fields[at] = (name, value);
        count += 1;
        more = cursor.has_another(b'}')?;
    }
    for (at, &(name, value)) in fields[..count].iter().enumerate() {
        out.push_str(if at == 0 { "{\"" } else { ",\"" });
        out.push_str(name);
        out.push_str("\":");
        write_at_depth(value, depth, out)?;
    }
    out.push_str(if count == 0 { "{}" } else { "}" });
    Some(())
}
