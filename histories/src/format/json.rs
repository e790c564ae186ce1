//! Parses JSON text to a [`Datum`] with serde_json. This is the careful path, for all text that the scanner rejects.
//!
//! serde_json's own value type has no places, and rounds integers beyond 64 bits. So this parser asks serde_json for
//! one level at a time: the raw text of each part gives its place, its kind and its exact digits. Each level is read
//! again for each level above it, at most [`DEPTH_MAX`] times.

use super::datum::{DEPTH_MAX, Datum, Flaw, I64_RANGE, Kind, clip};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Parses a JSON text that starts at `base` in its block.
pub(super) fn parse(text: &str, base: usize) -> Result<Datum<'_>, Flaw> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| syntax(text, base, &error))?;
    datum(raw, &Source { text, base }, 0)
}

struct Source<'a> {
    text: &'a str,
    base: usize,
}

impl Source<'_> {
    /// The place of a part of the text in the block.
    fn place(&self, part: &str) -> usize {
        self.base + (part.as_ptr() as usize - self.text.as_ptr() as usize)
    }
}

fn datum<'a>(raw: &'a RawValue, source: &Source<'a>, depth: usize) -> Result<Datum<'a>, Flaw> {
    let text = raw.get();
    let at = source.place(text);
    if depth >= DEPTH_MAX {
        return Err(Flaw::new(at, "a value inside more than 64 others", "values nested at most 64 deep"));
    }
    let inner = |error: serde_json::Error| syntax(text, at, &error);
    let kind = match text.as_bytes()[0] {
        b'n' => Kind::Null,
        b't' => Kind::Bool(true),
        b'f' => Kind::Bool(false),
        b'"' => Kind::Text(serde_json::from_str::<Borrowed<'a>>(text).map_err(inner)?.0),
        b'[' => {
            let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(inner)?;
            let parts = parts.into_iter().map(|part| datum(part, source, depth + 1));
            Kind::List(parts.collect::<Result<_, _>>()?)
        }
        b'{' => {
            let parts: Entries<'_> = serde_json::from_str(text).map_err(inner)?;
            let parts = parts.0.into_iter().map(|(name, part)| {
                let value = datum(part, source, depth + 1)?;
                // A name with escapes is a copy, so its place is unknown; that of its value is close.
                let place = match &name {
                    Cow::Borrowed(name) => source.place(name) - 1,
                    Cow::Owned(_) => value.at,
                };
                Ok((Datum::new(place, Kind::Text(name)), value))
            });
            Kind::Map(parts.collect::<Result<_, _>>()?)
        }
        _ => number(text),
    };
    Ok(Datum::new(at, kind))
}

fn number(text: &str) -> Kind<'_> {
    if !text.contains(['.', 'e', 'E']) {
        return match text.parse() {
            Ok(int) => Kind::Int(int),
            Err(_) => Kind::Odd { text: text.into(), expected: I64_RANGE },
        };
    }
    match text.parse::<f64>() {
        Ok(float) if float.is_finite() => Kind::Float(float),
        _ => Kind::Odd { text: text.into(), expected: "a number that fits in 64 bits of floating point" },
    }
}

/// Converts an error of serde_json to a flaw at its place.
fn syntax(text: &str, base: usize, error: &serde_json::Error) -> Flaw {
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
    let found = clip(&found);
    Flaw { at: base + at, found, expected: format!("JSON ({message})"), truncated: error.is_eof() }
}

/// A string, borrowed if it has no escapes.
struct Borrowed<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Borrowed<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Strings)
    }
}

/// The entries of an object in their order, including repeated names.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Objects;
        impl<'de> Visitor<'de> for Objects {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Borrowed(name), value)) = map.next_entry::<Borrowed<'de>, &'de RawValue>()? {
                    entries.push((name, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Objects)
    }
}

#[cfg(test)]
mod tests {
    use super::super::datum::{Strictness, canonical};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_knows_its_place() {
        let text = r#" {"a": [1, "x"], "b\n":2}"#;
        let Kind::Map(entries) = parse(text, 100).unwrap().kind else { panic!("an object") };
        let places: Vec<_> = entries.iter().map(|(name, value)| (name.at - 100, value.at - 100)).collect();
        assert_eq!(places, [(2, 7), (23, 23)]);
        let Kind::List(items) = &entries[0].1.kind else { panic!("a list") };
        assert_eq!(items.iter().map(|item| item.at - 100).collect::<Vec<_>>(), [8, 11]);
    }

    #[test]
    fn integers_are_never_rounded() {
        let text = "[9223372036854775807,9223372036854775808,1.0]";
        let Kind::List(items) = parse(text, 0).unwrap().kind else { panic!("a list") };
        assert_eq!(items[0].kind, Kind::Int(i64::MAX));
        assert!(matches!(items[1].kind, Kind::Odd { .. }));
        assert_eq!(items[2].kind, Kind::Float(1.0));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(parse(&"[".repeat(1_000_000), 0).unwrap_err().truncated);
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(parse(&deep, 0).unwrap_err().expected.contains("64 deep"));
        let fits = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
        assert!(parse(&fits, 0).is_ok());
    }

    #[test]
    fn says_where_the_text_breaks() {
        let flaw = parse("{\"a\":1,\n \"é\":x}", 0).unwrap_err();
        assert_eq!((flaw.at, flaw.found.as_str(), flaw.truncated), (14, "'x'", false));
        assert!(parse("{\"a\":", 0).unwrap_err().truncated);
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
        /// The canonical text equals what serde_json prints for a value (compact, keys sorted).
        #[test]
        fn canonical_text_is_what_serde_prints(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let mut text = String::new();
            canonical(&parse(&pretty, 0).unwrap(), Strictness::Judged, &mut text).unwrap();
            prop_assert_eq!(text, serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = parse(&text, 0);
        }
    }
}
