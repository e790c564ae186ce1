//! The parts of the values of sessions.
//!
//! A value is a payload, `{"bytes":64,"session":"a","version":7}`, or what several writes left:
//! `{"fields":{"cart":{…},"lang":{…}}}`. Values are canonical JSON, so the parts of the usual shape are cut out as they
//! stand, without a tree. Anything else is parsed as JSON.

use histories::{Interner, ValueId};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The parts of a value that a read returned.
pub(super) struct SessionContent<'a> {
    /// The value that was written as a whole session. `None` where the answer does not show it.
    pub(super) whole: Option<ValueId>,
    /// The fields that were written after the whole, by name.
    pub(super) fields: Vec<(Cow<'a, str>, FieldContent<'a>)>,
    /// Whether some part is not a payload of the recorder.
    pub(super) torn: bool,
}

/// The value of a field: one that the history contains, or text that no operation wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FieldContent<'a> {
    Known(ValueId),
    Unknown(&'a str),
}

/// What is known of the text of a part.
#[derive(Clone, Copy)]
struct PartFacts {
    /// The value with this text, if the history has one.
    value: Option<ValueId>,
    /// Whether the part belongs to a field.
    names_field: bool,
    is_torn: bool,
}

impl PartFacts {
    fn of_text(text: &str, value: Option<ValueId>) -> Self {
        Self { value, names_field: text.contains("\"field\":"), is_torn: is_torn_payload(text) }
    }
}

/// The parts of the values of one session, by their texts. Most parts are in many answers, and were written to the session
/// itself. The writes of a session are few, and are found without a look into the table of all values.
pub(super) struct SessionParts<'a> {
    values: &'a Interner<ValueId>,
    known: FxHashMap<&'a str, PartFacts>,
}

impl<'a> SessionParts<'a> {
    /// Begins with the values that were written to the session.
    pub(super) fn new(values: &'a Interner<ValueId>, written: impl Iterator<Item = ValueId>) -> Self {
        let written = written.map(|value| (values.text(value), value));
        let known = written.map(|(text, value)| (text, PartFacts::of_text(text, Some(value))));
        Self { values, known: known.collect() }
    }

    fn facts_of(&mut self, text: &'a str) -> PartFacts {
        *self.known.entry(text).or_insert_with(|| PartFacts::of_text(text, self.values.get(text)))
    }
}

/// Splits a value into its parts.
pub(super) fn parse_content<'a>(parts: &mut SessionParts<'a>, value: ValueId) -> SessionContent<'a> {
    let text = parts.values.text(value);
    let mut content = SessionContent { whole: None, fields: Vec::new(), torn: false };
    if !text.starts_with("{\"fields\":") {
        // A single field is not a session.
        content.torn =
            is_torn_payload(text) || (text.starts_with("{\"bytes\":") && text.contains(",\"field\":"));
        content.whole = Some(value);
        return content;
    }
    let Some(fields) = cut_fields(text).or_else(|| parse_fields(text)) else {
        content.torn = true;
        return content;
    };
    for (name, raw) in fields {
        if raw == "null" {
            continue;
        }
        let part = parts.facts_of(raw);
        content.torn |= part.is_torn;
        match part.value {
            Some(known) if !part.names_field => content.whole = Some(known),
            Some(known) => content.fields.push((name, FieldContent::Known(known))),
            None => content.fields.push((name, FieldContent::Unknown(raw))),
        }
    }
    content
}

type NamedTexts<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Cuts `{"fields":{"name":value,…}}` into names and values, which must be in order and without escapes in the names.
fn cut_fields(text: &str) -> Option<NamedTexts<'_>> {
    let mut rest = text.strip_prefix("{\"fields\":{")?.strip_suffix("}}")?;
    let mut fields: NamedTexts<'_> = Vec::new();
    while !rest.is_empty() {
        let (name, value, after) = cut_first_field(rest)?;
        if fields.last().is_some_and(|last| *last.0 >= *name) {
            return None;
        }
        fields.push((Cow::Borrowed(name), value));
        rest = after;
    }
    Some(fields)
}

/// Cuts the first field from `"name":value,…`, the text between the brackets of an object: the name, which must have no escapes; the
/// value; and the text behind it.
fn cut_first_field(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.strip_prefix('"')?.split_once('"')?;
    let after = after.strip_prefix(':')?;
    let len = value_len(after.as_bytes())?;
    if len == 0 || name.contains('\\') {
        return None;
    }
    let (value, rest) = after.split_at(len);
    match rest.strip_prefix(',') {
        Some(more) => (!more.is_empty()).then_some((name, value, more)),
        None => rest.is_empty().then_some((name, value, "")),
    }
}

/// The length of the value at the beginning of a text: up to a comma outside of it, or the end. `None` if brackets do not match.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    (depth == 0).then_some(at)
}

/// The place of the quote that ends the string which begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn parse_fields(text: &str) -> Option<NamedTexts<'_>> {
    let mut object: BTreeMap<&str, BTreeMap<String, &RawValue>> = serde_json::from_str(text).ok()?;
    let fields = object.remove("fields")?;
    Some(fields.into_iter().map(|(name, raw)| (Cow::Owned(name), raw.get())).collect())
}

/// Whether a text is what a recorder writes for bytes that match no payload.
pub(super) fn is_torn_payload(text: &str) -> bool {
    text.starts_with("{\"begins\":") && text.contains("\"torn\":")
}

/// The name of the field that a payload belongs to.
pub(super) fn payload_field(text: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct FieldName<'a> {
        #[serde(borrow)]
        field: Option<Cow<'a, str>>,
    }
    if let Some(field) = cut_field_name(text) {
        return field.map(Cow::Borrowed);
    }
    // A list would be taken for its first element.
    let payload: FieldName<'_> = text.starts_with('{').then(|| serde_json::from_str(text).ok())??;
    payload.field
}

/// The name of the field of a payload, cut out; `None` if the payload has to be parsed.
fn cut_field_name(text: &str) -> Option<Option<&str>> {
    let mut rest = text.strip_prefix('{')?.strip_suffix('}')?;
    while !rest.is_empty() {
        let (name, value, after) = cut_first_field(rest)?;
        if name == "field" {
            let field = value.strip_prefix('"')?.strip_suffix('"')?;
            return (!field.contains('\\')).then_some(Some(field));
        }
        rest = after;
    }
    Some(None)
}

/// The session that a payload names as its owner.
pub(super) fn payload_owner(text: &str) -> Option<String> {
    let payload: serde_json::Value = serde_json::from_str(text).ok()?;
    payload.get("session")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut out or parsed, the fields are the same; what cannot be cut is left to the parser.
    #[test]
    fn fields_are_cut_out_as_a_parser_finds_them() {
        for (text, is_cut) in [
            (r#"{"fields":{}}"#, true),
            (r#"{"fields":{"a":1}}"#, true),
            (
                r#"{"fields":{"":{"bytes":3,"session":"x,\"y","version":1},"cart":{"field":"cart","l":[1,{"a":2}]}}}"#,
                true,
            ),
            (r#"{"fields":{"a\"b":1,"c":null}}"#, false),
            (r#"{"fields":{"b":1,"a":2}}"#, false),
            (r#"{"fields":{"a":{}},"more":{"b":1}}"#, false),
            (r#"{"fields":{"a":1},"more":2}"#, false),
            (r#"{"fields":[1,2]}"#, false),
            (r#"{"fields":7}"#, false),
        ] {
            let (cut, parsed) = (cut_fields(text), parse_fields(text));
            assert_eq!(cut.is_some(), is_cut, "{text}");
            assert!(cut.is_none() || cut == parsed, "{text}: {cut:?} or {parsed:?}");
        }
    }

    #[test]
    fn the_field_of_a_payload_is_a_text_of_an_object() {
        assert_eq!(payload_field(r#"{"bytes":1,"field":"cart","version":2}"#).as_deref(), Some("cart"));
        assert_eq!(payload_field(r#"{"field":"a\"b"}"#).as_deref(), Some("a\"b"));
        for text in [r#"["cart"]"#, r#"{"field":7}"#, r#"{"x":"field"}"#, r#""field""#, "null"] {
            assert_eq!(payload_field(text), None, "{text}");
        }
        // Cut out, without a parser; a name with an escape could be any name.
        for (text, field) in [
            (r#"{"bytes":1,"field":"cart","version":2}"#, Some(Some("cart"))),
            (r#"{"a":{"field":"x","b":[1,"}"]},"field":""}"#, Some(Some(""))),
            (r#"{"a":"\"field\":\"x\""}"#, Some(None)),
            ("{}", Some(None)),
            (r#"{"f\u0069eld":"x"}"#, None),
            (r#"{"field":"a\"b"}"#, None),
            (r#"{"field":7}"#, None),
        ] {
            assert_eq!(cut_field_name(text), field, "{text}");
        }
    }
}
