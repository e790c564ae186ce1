//! A session of several fields as one text: what a store keeps that knows only keys and values.
//!
//! A session in which no field is set is its payload, byte by byte. Once one is, it is a JSON object with the
//! whole payload and the fields, all of it written at once: which is what makes one request overwrite the field
//! of another, unless the store compares before it sets.

use std::sync::Arc;
use workloads::{SessionPayload, Value};

/// The name of the whole payload among the fields. No field of a workload has it.
pub(super) const WHOLE: &str = "all";

/// What a session with this whole payload and these fields holds, as histories have it.
pub(super) fn combine_fields<'a>(whole: Value, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let mut all: Vec<(Arc<str>, Value)> =
        fields.into_iter().map(|(name, held)| (name.into(), held)).collect();
    if all.is_empty() {
        return whole;
    }
    if whole != Value::Null {
        all.push((WHOLE.into(), whole));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Fields(all)
}

/// What bytes from a store are.
pub(super) fn parse_session(bytes: &[u8]) -> Value {
    let Some(fields) = parse_fields(bytes) else { return SessionPayload::from_bytes(bytes) };
    let held = |held: &serde_json::Value| match held {
        serde_json::Value::String(text) => SessionPayload::from_bytes(text.as_bytes()),
        other => SessionPayload::from_bytes(other.to_string().as_bytes()),
    };
    let whole = fields.get(WHOLE).map_or(Value::Null, held);
    combine_fields(
        whole,
        fields.iter().filter(|(name, _)| *name != WHOLE).map(|(name, value)| (name.as_str(), held(value))),
    )
}

/// The bytes of a session after a field of it was set.
pub(super) fn apply_patch(bytes: &[u8], patch: &SessionPayload) -> Vec<u8> {
    let text = |bytes: &[u8]| serde_json::Value::from(String::from_utf8_lossy(bytes).into_owned());
    let mut fields = parse_fields(bytes).unwrap_or_else(|| {
        let whole = (WHOLE.to_owned(), text(bytes));
        std::iter::once(whole).collect()
    });
    let name = patch.field.as_deref().unwrap_or(WHOLE).to_owned();
    fields.insert(name, text(&patch.to_bytes()));
    serde_json::Value::Object(fields).to_string().into_bytes()
}

/// A user's list of actions, a line each, after one more was done.
pub(super) fn append_action(bytes: &[u8], action: &str) -> Vec<u8> {
    [bytes, action.as_bytes(), b"\n"].concat()
}

/// The list of actions that bytes from a store are. No action of a workload has a line's end in it.
pub(super) fn parse_actions(bytes: &[u8]) -> Value {
    Value::List(String::from_utf8_lossy(bytes).lines().map(Value::from).collect())
}

/// Whether an action is in a list.
pub(super) fn contains_action(bytes: &[u8], action: &str) -> bool {
    bytes.split(|&byte| byte == b'\n').any(|line| line == action.as_bytes())
}

fn parse_fields(bytes: &[u8]) -> Option<serde_json::Map<String, serde_json::Value>> {
    if bytes.first() != Some(&b'{') {
        return None;
    }
    match serde_json::from_slice(bytes) {
        Ok(serde_json::Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(field: Option<&str>, version: u64) -> SessionPayload {
        SessionPayload { session: "s".into(), field: field.map(Into::into), version, bytes: 64 }
    }

    #[test]
    fn a_patch_leaves_the_rest() {
        let whole = payload(None, 1);
        assert_eq!(parse_session(&whole.to_bytes()), Value::Payload(whole.clone()));
        let (cart, lang) = (payload(Some("cart"), 2), payload(Some("lang"), 3));
        let bytes = apply_patch(&apply_patch(&whole.to_bytes(), &lang), &cart);
        let expected = [("all", whole), ("cart", cart), ("lang", lang)];
        let expected = expected.map(|(name, held)| (name.into(), Value::Payload(held)));
        assert_eq!(parse_session(&bytes), Value::Fields(expected.to_vec()));
    }

    #[test]
    fn actions_are_lines() {
        let bytes = append_action(&append_action(b"", "s-1/1"), "s-1/12");
        assert_eq!(parse_actions(&bytes), Value::List(vec!["s-1/1".into(), "s-1/12".into()]));
        assert_eq!(
            ["s-1/1", "s-1/12", "s-1/2", ""].map(|one| contains_action(&bytes, one)),
            [true, true, false, true]
        );
        assert_eq!(parse_actions(b""), Value::List(Vec::new()));
    }

    #[test]
    fn a_wreck_is_torn() {
        assert!(matches!(parse_session(b"{\"all\":"), Value::Torn { .. }));
        let Value::Fields(fields) = parse_session(b"{\"cart\":7}") else { panic!("fields") };
        assert!(matches!(fields[0].1, Value::Torn { .. }));
    }
}
