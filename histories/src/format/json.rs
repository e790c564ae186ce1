//! JSON text to a [`Datum`], by serde_json: the careful path, for whatever the scanner leaves to it.
//!
//! serde_json's own value knows no places and rounds integers beyond 64 bits, so this asks it for one level at
//! a time: the text of each part, from which follow its place, its kind and its exact digits. Each level is
//! read once more for each level above it, at most [`DEPTH_MAX`] times.

use super::datum::{DEPTH_MAX, Datum, DatumKind, Flaw, I64_RANGE, clip_text};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The datum of a JSON text that starts at `base` in its block.
pub(super) fn parse_json(text: &str, base: usize) -> Result<Datum<'_>, Flaw> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| syntax_flaw(text, base, &error))?;
    build_datum(raw, &JsonSource { text, base }, 0)
}

struct JsonSource<'a> {
    text: &'a str,
    base: usize,
}

impl JsonSource<'_> {
    /// Where a part of the text is in the block.
    fn place_of(&self, part: &str) -> usize {
        self.base + (part.as_ptr() as usize - self.text.as_ptr() as usize)
    }
}

fn build_datum<'a>(raw: &'a RawValue, source: &JsonSource<'a>, depth: usize) -> Result<Datum<'a>, Flaw> {
    let text = raw.get();
    let at = source.place_of(text);
    if depth >= DEPTH_MAX {
        return Err(Flaw::new(at, "a value inside more than 64 others", "values nested at most 64 deep"));
    }
    let inner = |error: serde_json::Error| syntax_flaw(text, at, &error);
    let kind = match text.as_bytes()[0] {
        b'n' => DatumKind::Null,
        b't' => DatumKind::Bool(true),
        b'f' => DatumKind::Bool(false),
        b'"' => DatumKind::Text(serde_json::from_str::<BorrowedText<'a>>(text).map_err(inner)?.0),
        b'[' => {
            let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(inner)?;
            let parts = parts.into_iter().map(|part| build_datum(part, source, depth + 1));
            DatumKind::List(parts.collect::<Result<_, _>>()?)
        }
        b'{' => {
            let parts: ObjectEntries<'_> = serde_json::from_str(text).map_err(inner)?;
            let parts = parts.0.into_iter().map(|(name, part)| {
                let value = build_datum(part, source, depth + 1)?;
                // A name with escapes has no place of its own in the text; its value is close enough.
                let place = match &name {
                    Cow::Borrowed(name) => source.place_of(name) - 1,
                    Cow::Owned(_) => value.at,
                };
                Ok((Datum::new(place, DatumKind::Text(name)), value))
            });
            DatumKind::Map(parts.collect::<Result<_, _>>()?)
        }
        _ => parse_number(text),
    };
    Ok(Datum::new(at, kind))
}

fn parse_number(text: &str) -> DatumKind<'_> {
    if !text.contains(['.', 'e', 'E']) {
        return match text.parse() {
            Ok(int) => DatumKind::Int(int),
            Err(_) => DatumKind::Odd { text: text.into(), expected: I64_RANGE },
        };
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => DatumKind::Float(float),
        _ => {
            DatumKind::Odd { text: text.into(), expected: "a number that fits in 64 bits of floating point" }
        }
    }
}

/// What serde_json says is wrong, where it says so.
fn syntax_flaw(text: &str, base: usize, error: &serde_json::Error) -> Flaw {
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut at = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    let found = match text[at..].chars().next() {
        _ if error.is_eof() => "the end of the text in the middle of an event".to_owned(),
        Some(found) => format!("{found:?}"),
        None => "the end of the text".to_owned(),
    };
    let found = clip_text(&found);
    Flaw { at: base + at, found, expected: format!("JSON ({message})"), truncated: error.is_eof() }
}

/// A string, borrowed where it has no escapes.
struct BorrowedText<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for BorrowedText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = BorrowedText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(BorrowedText(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(BorrowedText(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The entries of an object in their order, repeated names included.
struct ObjectEntries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for ObjectEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = ObjectEntries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((BorrowedText(name), value)) =
                    map.next_entry::<BorrowedText<'de>, &'de RawValue>()?
                {
                    entries.push((name, value));
                }
                Ok(ObjectEntries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::super::datum::{Strictness, write_canonical};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_knows_its_place() {
        let text = r#" {"a": [1, "x"], "b\n":2}"#;
        let DatumKind::Map(entries) = parse_json(text, 100).unwrap().kind else { panic!("an object") };
        let places: Vec<_> = entries.iter().map(|(name, value)| (name.at - 100, value.at - 100)).collect();
        assert_eq!(places, [(2, 7), (23, 23)]);
        let DatumKind::List(items) = &entries[0].1.kind else { panic!("a list") };
        assert_eq!(items.iter().map(|item| item.at - 100).collect::<Vec<_>>(), [8, 11]);
    }

    #[test]
    fn integers_are_never_rounded() {
        let text = "[9223372036854775807,9223372036854775808,1.0]";
        let DatumKind::List(items) = parse_json(text, 0).unwrap().kind else { panic!("a list") };
        assert_eq!(items[0].kind, DatumKind::Int(i64::MAX));
        assert!(matches!(items[1].kind, DatumKind::Odd { .. }));
        assert_eq!(items[2].kind, DatumKind::Float(1.0));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse_json(&"[".repeat(1_000_000), 0).unwrap_err().truncated);
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(parse_json(&deep, 0).unwrap_err().expected.contains("64 deep"));
        let fits = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
        assert!(parse_json(&fits, 0).is_ok());
    }

    #[test]
    fn says_where_the_text_breaks() {
        let flaw = parse_json("{\"a\":1,\n \"é\":x}", 0).unwrap_err();
        assert_eq!((flaw.at, flaw.found.as_str(), flaw.truncated), (14, "'x'", false));
        assert!(parse_json("{\"a\":", 0).unwrap_err().truncated);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Into::into),
            ".{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        /// serde_json's own printing of a value (compact, keys sorted) is the canonical text.
        #[test]
        fn canonical_text_is_what_serde_prints(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let mut text = String::new();
            write_canonical(&parse_json(&pretty, 0).unwrap(), Strictness::Judged, &mut text).unwrap();
            prop_assert_eq!(text, serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = parse_json(&text, 0);
        }
    }
}
