//! The further fields of events that measurements know: when an operation was intended, what went wrong, who answered.
//!
//! Under an open load every invocation has a text of its own, so a million of them are read. The histories have them as
//! canonical JSON objects; what is needed of each is found by walking over its bytes, and only an error that was not
//! seen before is parsed.

use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// What the further fields of one text say.
#[derive(Clone, Copy)]
pub(super) struct NoteFacts {
    pub(super) intended: Option<i64>,
    /// Among [`Names::texts`] of the errors.
    pub(super) error: u32,
    /// Among those of the nodes.
    pub(super) node: u32,
}

/// No error, no node.
pub(super) const NONE: u32 = u32::MAX;

/// Distinct texts and their numbers.
#[derive(Default)]
pub(super) struct NumberedTexts {
    pub(super) texts: Vec<String>,
    by_text: FxHashMap<String, u32>,
    /// By the JSON that it was read from.
    by_json: FxHashMap<String, u32>,
}

/// What a text of further fields says.
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

impl NumberedTexts {
    fn number_json(&mut self, json: &str, name: impl Fn(Cow<'_, str>) -> String) -> u32 {
        if let Some(&known) = self.by_json.get(json) {
            return known;
        }
        let told = serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned);
        let number = self.number_text(&name(told));
        self.by_json.insert(json.to_owned(), number);
        number
    }

    /// The number of a text.
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

/// The fields of an object in canonical JSON: names with their quotes, values as they stand.
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

/// Where a value ends that a text begins with: before a comma, a colon or a bracket that is not its own.
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

/// Characters of an error's text that tell its kind.
const KIND_CHARS_MAX: usize = 80;

/// The kind of an error: its text with every run of digits as one N and with quoted parts left out, so that the
/// same error of two connections is one kind.
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
