//! The further fields of events that measurements use: the intended start of an operation, its error, and the node that
//! answered.
//!
//! Under an open load every invocation has a text of its own, so a million of them are read. Histories keep them as
//! canonical JSON objects. The needed fields are found by scanning the bytes, and an error is parsed only if it was not
//! seen before.

use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// The further fields of one text.
#[derive(Clone, Copy)]
pub(super) struct NoteFacts {
    pub(super) intended: Option<i64>,
    /// An index into [`Names::texts`] of the errors.
    pub(super) error: u32,
    /// An index into those of the nodes.
    pub(super) node: u32,
}

/// Stands for no error, or no node.
pub(super) const NONE: u32 = u32::MAX;

/// Distinct texts and their numbers.
#[derive(Default)]
pub(super) struct NumberedTexts {
    pub(super) texts: Vec<String>,
    by_text: FxHashMap<String, u32>,
    /// The number of each text, by the JSON from which it was parsed.
    by_json: FxHashMap<String, u32>,
}

/// Reads the further fields of one text.
pub(super) fn parse_note(text: &str, errors: &mut NumberedTexts, nodes: &mut NumberedTexts) -> NoteFacts {
    let mut facts = NoteFacts { intended: None, error: NONE, node: NONE };
    for (name, value) in note_fields(text) {
        match name {
            "\"intended\"" => facts.intended = value.parse().ok(),
            "\"error\"" => facts.error = errors.number_json(value, |text| normalise_error(&text)),
            "\"node\"" => facts.node = nodes.number_json(value, |text| text.into_owned()),
            _ => {}
        }
    }
    facts
}

/// The kind of the error in one text, if it has one.
pub(super) fn parse_error(text: &str) -> Option<String> {
    let (_, json) = note_fields(text).find(|(name, _)| *name == "\"error\"")?;
    Some(normalise_error(&text_of_json(json)))
}

/// The text that a JSON text stands for; of other JSON, the JSON itself.
fn text_of_json(json: &str) -> Cow<'_, str> {
    serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned)
}

impl NumberedTexts {
    fn number_json(&mut self, json: &str, name: impl Fn(Cow<'_, str>) -> String) -> u32 {
        if let Some(&known) = self.by_json.get(json) {
            return known;
        }
        let number = self.number_text(&name(text_of_json(json)));
        self.by_json.insert(json.to_owned(), number);
        number
    }

    /// The number of a text, which is new if the text is.
    pub(super) fn number_text(&mut self, text: &str) -> u32 {
        if let Some(&known) = self.by_text.get(text) {
            return known;
        }
        let number = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.by_text.insert(text.to_owned(), number);
        number
    }
}

/// The fields of an object in canonical JSON: names with their quotes, values as JSON.
pub(super) fn note_fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text.strip_prefix('{').unwrap_or("");
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(',');
        let (name, after) = rest.split_at(find_value_end(rest));
        let after = after.strip_prefix(':')?;
        let (value, after) = after.split_at(find_value_end(after));
        rest = after;
        Some((name, value))
    })
}

/// The index at which the value at the beginning of the text ends: before a comma, a colon or a bracket that is not its
/// own.
fn find_value_end(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b',' | b':' | b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// How many characters of an error's text make its kind.
const KIND_CHARS_MAX: usize = 80;

/// The kind of an error: its text, with every run of digits replaced by one N, and without quoted parts. So the same
/// error of two connections is one kind.
fn normalise_error(text: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    for sign in text.chars() {
        match sign {
            '"' => {
                quoted = !quoted;
                if quoted {
                    kind.push_str("\"…\"");
                }
            }
            _ if quoted => {}
            '0'..='9' if kind.ends_with('N') => {}
            '0'..='9' => kind.push('N'),
            _ => kind.push(sign),
        }
    }
    kind.chars().take(KIND_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_numbers_and_names_are_one_kind() {
        assert_eq!(
            normalise_error("127.0.0.1:6379: refused (os error 111)"),
            "N.N.N.N:N: refused (os error N)"
        );
        assert_eq!(normalise_error("no key \"a\" here"), normalise_error("no key \"bcd\" here"));
        assert_eq!(normalise_error(&"x".repeat(200)).len(), KIND_CHARS_MAX);
    }

    #[test]
    fn fields_are_found_whatever_stands_beside_them() {
        let (mut errors, mut nodes) = (NumberedTexts::default(), NumberedTexts::default());
        let mut read = |text| {
            let facts = parse_note(text, &mut errors, &mut nodes);
            let name = |names: &NumberedTexts, at: u32| names.texts.get(at as usize).cloned();
            (facts.intended, name(&errors, facts.error), name(&nodes, facts.node))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read(r#"{"intended":17,"trace_id":"a,b"}"#), (Some(17), None, None));
        let odd = r#"{"error":"\"node\":\\ 7","headers":{"node":"n9","x":[1,{"error":2}]},"node":"n1"}"#;
        assert_eq!(read(odd), (None, some(r#""…":\ N"#), some("n1")));
        assert_eq!(read(r#"{"error":[1,2],"node":3}"#), (None, some("[N,N]"), some("3")));
        assert_eq!(read(r#"{"intended":"soon"}"#), (None, None, None));
        assert_eq!(read("{}"), (None, None, None));
    }
}
