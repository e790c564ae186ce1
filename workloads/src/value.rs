//! Values that operations carry, as JSON in the history and as bytes in a store.
//!
//! A session's payload may be megabytes. Written whole into the history it would drown everything else, and
//! compared byte by byte it would prove no more than a checksum does. So a [`Payload`] is *described* by
//! (session, version, size) and its bytes follow from that description: a reader that gets bytes back makes
//! the bytes anew and compares. What does not match is recorded as torn, with what it claimed to be.

use std::fmt::Write as _;
use std::sync::Arc;

/// A value of an operation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Value {
    /// Absent.
    #[default]
    Null,
    /// A number.
    Int(i64),
    /// A text.
    Text(Arc<str>),
    /// A list: of elements, of `[old, new]`, of micro-operations.
    List(Vec<Value>),
    /// What a session holds, or one field of it.
    Payload(SessionPayload),
    /// What a session holds, field by field, in the order of their names.
    Fields(Vec<(Arc<str>, Value)>),
    /// Bytes that no single write wrote: how many, their checksum, and how they begin.
    Torn {
        /// How many bytes came.
        bytes: u64,
        /// Their checksum.
        checksum: u64,
        /// Their first characters.
        begins: Arc<str>,
    },
}

/// What a session holds, or one field of it: determined, byte by byte, by what is in here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionPayload {
    /// Whose it is.
    pub session: Arc<str>,
    /// The field, where a session has several.
    pub field: Option<Arc<str>>,
    /// Which write of that session wrote it.
    pub version: u64,
    /// How many bytes it has in the store, its head included.
    pub bytes: u64,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl Value {
    /// The value as JSON, appended to `out`.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Int(number) => write!(out, "{number}").expect("a string takes all"),
            Value::Text(text) => write_json_text(text, out),
            Value::List(elements) => {
                out.push('[');
                for (n, element) in elements.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    element.write_json(out);
                }
                out.push(']');
            }
            Value::Payload(payload) => {
                out.push_str("{\"session\":");
                write_json_text(&payload.session, out);
                if let Some(field) = &payload.field {
                    out.push_str(",\"field\":");
                    write_json_text(field, out);
                }
                write!(out, ",\"version\":{},\"bytes\":{}}}", payload.version, payload.bytes)
                    .expect("a string takes all");
            }
            Value::Fields(fields) => {
                out.push_str("{\"fields\":{");
                for (n, (name, value)) in fields.iter().enumerate() {
                    if n > 0 {
                        out.push(',');
                    }
                    write_json_text(name, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push_str("}}");
            }
            Value::Torn { bytes, checksum, begins } => {
                write!(out, "{{\"torn\":\"{checksum:016x}\",\"bytes\":{bytes},\"begins\":")
                    .expect("a string takes all");
                write_json_text(begins, out);
                out.push('}');
            }
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }
}

/// A text as a JSON string, appended to `out`.
pub(crate) fn write_json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => write!(out, "\\u{:04x}", c as u32).expect("a string takes all"),
            c => out.push(c),
        }
    }
    out.push('"');
}

impl SessionPayload {
    /// The bytes that a store keeps: a head that says what it is, with a checksum of that, and a filler that only
    /// this head has. The least is the head.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.format_head().into_bytes();
        let wanted = usize::try_from(self.bytes).expect("a payload fits into memory");
        let mut state = hash_bytes(&bytes);
        while bytes.len() < wanted {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.push(b'a' + ((state >> 33) % 26) as u8);
        }
        bytes
    }

    /// What came back from a store: the payload if each of its bytes is right, else what is known of the wreck.
    pub fn from_bytes(bytes: &[u8]) -> Value {
        match Self::parse_claim(bytes).filter(|payload| payload.to_bytes() == bytes) {
            Some(payload) => Value::Payload(payload),
            None => Value::Torn {
                bytes: bytes.len() as u64,
                checksum: hash_bytes(bytes),
                begins: String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into(),
            },
        }
    }

    /// What the head of these bytes says.
    fn parse_claim(bytes: &[u8]) -> Option<SessionPayload> {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let mut words = std::str::from_utf8(&bytes[..end]).ok()?.split(' ');
        let (version, size) = (words.next()?.parse().ok()?, words.next()?.parse::<u64>().ok()?);
        let session = words.next()?.into();
        let (field, _checksum) = match (words.next()?, words.next()) {
            (field, Some(checksum)) => (Some(field.into()), checksum),
            (checksum, None) => (None, checksum),
        };
        // A claim of more than came is torn; making those bytes to compare could exhaust the memory.
        (size <= bytes.len() as u64 && words.next().is_none()).then_some(SessionPayload {
            session,
            field,
            version,
            bytes: size,
        })
    }

    fn format_head(&self) -> String {
        let mut claim = format!("{} {} {}", self.version, self.bytes, self.session);
        if let Some(field) = &self.field {
            claim = format!("{claim} {field}");
        }
        format!("{claim} {:016x}\n", hash_bytes(claim.as_bytes()))
    }
}

/// Fowler, Noll & Vo over the bytes.
fn hash_bytes(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped() {
        let value = Value::List(vec!["a\"\\\n\u{1}é".into(), Value::Null, Value::Int(-5)]);
        assert_eq!(value.to_json(), "[\"a\\\"\\\\\\n\\u0001é\",null,-5]");
        let field = SessionPayload { session: "s".into(), field: Some("cart".into()), version: 1, bytes: 64 };
        let fields =
            Value::Fields(vec![("cart".into(), Value::Payload(field)), ("lang".into(), Value::Null)]);
        let expected =
            r#"{"fields":{"cart":{"session":"s","field":"cart","version":1,"bytes":64},"lang":null}}"#;
        assert_eq!(fields.to_json(), expected);
    }

    #[test]
    fn payloads_survive_the_store_and_nothing_else_does() {
        for (bytes, field) in
            [(0, None), (20, Some("cart".into())), (1000, None), (1000, Some("cart".into()))]
        {
            let payload = SessionPayload { session: "s-17".into(), field, version: 4, bytes };
            let stored = payload.to_bytes();
            assert_eq!(SessionPayload::from_bytes(&stored), Value::Payload(payload.clone()));
            for damage in [0, stored.len() - 1] {
                let mut torn = stored.clone();
                torn[damage] ^= 1;
                assert!(matches!(SessionPayload::from_bytes(&torn), Value::Torn { .. }));
            }
            assert!(matches!(SessionPayload::from_bytes(&stored[..stored.len() - 1]), Value::Torn { .. }));
        }
    }

    /// Two halves of two payloads of one session and size make no third.
    #[test]
    fn a_spliced_payload_is_torn() {
        let make =
            |version| SessionPayload { session: "s-1".into(), field: None, version, bytes: 200 }.to_bytes();
        let spliced = [&make(1)[..100], &make(2)[100..]].concat();
        assert!(matches!(SessionPayload::from_bytes(&spliced), Value::Torn { .. }));
    }

    #[test]
    fn a_claim_of_more_than_came_is_not_believed() {
        assert!(matches!(SessionPayload::from_bytes(b"1 99999999999999 s 0\n"), Value::Torn { .. }));
    }
}
