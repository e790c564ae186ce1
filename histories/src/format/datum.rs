//! A value as a file has it, before it is interned: JSON and EDN alike, each part with its place.
//!
//! Keys, values and sessions become ids by their text, so equal values need equal text and different values
//! different text: the *canonical JSON* of [`canonical`]. No spaces, the keys of an object sorted, strings
//! escaped only where JSON demands it, integers in decimal, floats with a point or an exponent (so that `1`
//! and `1.0` stay two values).
//!
//! # Choices
//! EDN says more than JSON. A keyword becomes a string that begins with its colon, as Jepsen's own JSON has it;
//! the string `":x"` in EDN would then be taken for the keyword, so it is a problem rather than a guess. The
//! same goes for what JSON cannot say at all: symbols, ratios, decimals of any length, integers beyond 64 bits (signed or
//! not). A number is what it is, however it is written: `0x1f`, `037`, `36rV` and `31N` are 31.
//! A set becomes a sorted list, a character a string, a tagged value what it tags, and a map's keys their
//! text. Fields that nobody judges (notes) are kept with the text of such oddities.

use std::borrow::Cow;
use std::fmt::Write;

/// How deep values may nest. Jepsen's are 4 deep, exceptions in EDN about 10.
pub(super) const DEPTH_MAX: usize = 64;

/// One value and where it is: bytes from the start of the block.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Datum<'a> {
    pub(super) at: usize,
    pub(super) kind: DatumKind<'a>,
}

/// What a value is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum DatumKind<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An EDN keyword, with its colon.
    Keyword(&'a str),
    List(Vec<Datum<'a>>),
    Set(Vec<Datum<'a>>),
    Map(Vec<(Datum<'a>, Datum<'a>)>),
    /// Something that cannot be a value here: its text, and what would do instead.
    Odd {
        text: Cow<'a, str>,
        expected: &'static str,
    },
}

/// Something wrong inside an event.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Flaw {
    /// Bytes from the start of the block.
    pub(super) at: usize,
    pub(super) found: String,
    pub(super) expected: String,
    /// Whether the text simply ends too early, as the last line of a crashed run does.
    pub(super) truncated: bool,
}

impl Flaw {
    pub(super) fn new(at: usize, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { at, found: found.into(), expected: expected.into(), truncated: false }
    }
}

/// What odd values are told.
pub(super) const I64_RANGE: &str = "an integer between -2^63 and 2^63 - 1";
/// What odd keys and values are told.
pub(super) const U64_RANGE: &str = "an integer between -2^63 and 2^64 - 1";

impl<'a> Datum<'a> {
    pub(super) fn new(at: usize, kind: DatumKind<'a>) -> Self {
        Self { at, kind }
    }

    pub(super) fn is_null(&self) -> bool {
        self.kind == DatumKind::Null
    }

    /// A name, as fields, types, functions and actors have: a string or keyword without colons before it, however
    /// many conversions put them there, so that a name is the same when it is written and read again.
    pub(super) fn as_name(&self) -> Option<&str> {
        match &self.kind {
            DatumKind::Text(text) => Some(text.trim_start_matches(':')),
            DatumKind::Keyword(text) => Some(text.trim_start_matches(':')),
            _ => None,
        }
    }

    /// The value in a few words, for messages.
    pub(super) fn describe(&self) -> String {
        let mut text = String::new();
        match &self.kind {
            DatumKind::Odd { text, .. } => return clip_text(text),
            DatumKind::Text(_)
            | DatumKind::Null
            | DatumKind::Bool(_)
            | DatumKind::Int(_)
            | DatumKind::Float(_) => {
                write_canonical(self, Strictness::Lax, &mut text).expect("lax text always works");
            }
            DatumKind::Keyword(keyword) => text.push_str(keyword),
            DatumKind::List(_) => text.push_str("a list"),
            DatumKind::Set(_) => text.push_str("a set"),
            DatumKind::Map(_) => text.push_str("a map"),
        }
        clip_text(&text)
    }
}

/// The first 60 characters of something that was found.
pub(super) fn clip_text(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether a value has to be exact.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// It is judged: what JSON cannot say is a flaw.
    Judged,
    /// It is only shown: what JSON cannot say is kept as a string.
    Lax,
}

/// Appends the canonical JSON of a value. Depth is bounded by [`DEPTH_MAX`], which the readers enforce.
pub(super) fn write_canonical(
    datum: &Datum<'_>,
    strictness: Strictness,
    out: &mut String,
) -> Result<(), Flaw> {
    match &datum.kind {
        DatumKind::Null => out.push_str("null"),
        DatumKind::Bool(true) => out.push_str("true"),
        DatumKind::Bool(false) => out.push_str("false"),
        DatumKind::Int(int) => write!(out, "{int}").expect("text grows"),
        DatumKind::Float(float) => out.push_str(&format_float(*float)),
        DatumKind::Text(text) => write_quoted(text, out),
        DatumKind::Keyword(keyword) => write_quoted(keyword, out),
        DatumKind::List(items) => {
            let texts =
                items.iter().map(|item| canonical_text(item, strictness)).collect::<Result<Vec<_>, _>>()?;
            write_joined('[', &texts, ']', out);
        }
        DatumKind::Set(items) => {
            let mut texts =
                items.iter().map(|item| canonical_text(item, strictness)).collect::<Result<Vec<_>, _>>()?;
            texts.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
            write_joined('[', &texts, ']', out);
        }
        DatumKind::Map(entries) => write_object(entries, strictness, out)?,
        DatumKind::Odd { text, expected } => match strictness {
            // Keys and values that are unsigned are integers like others: only their text is compared.
            Strictness::Judged if is_integer(text) && text.parse::<u64>().is_ok() => out.push_str(text),
            Strictness::Judged => {
                let expected = if *expected == I64_RANGE { U64_RANGE } else { expected };
                return Err(Flaw::new(datum.at, clip_text(text), expected));
            }
            Strictness::Lax if is_integer(text) => out.push_str(text),
            Strictness::Lax => write_quoted(text, out),
        },
    }
    Ok(())
}

fn canonical_text(datum: &Datum<'_>, strictness: Strictness) -> Result<String, Flaw> {
    let mut text = String::new();
    write_canonical(datum, strictness, &mut text)?;
    Ok(text)
}

fn write_joined(open: char, texts: &[String], close: char, out: &mut String) {
    out.push(open);
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(text);
    }
    out.push(close);
}

fn write_object(
    entries: &[(Datum<'_>, Datum<'_>)],
    strictness: Strictness,
    out: &mut String,
) -> Result<(), Flaw> {
    let mut texts = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = match &key.kind {
            DatumKind::Text(text) => text.to_string(),
            DatumKind::Keyword(keyword) => (*keyword).to_owned(),
            _ => canonical_text(key, strictness)?,
        };
        texts.push((name, canonical_text(value, strictness)?, key.at));
    }
    texts.sort();
    if let Some(pair) = texts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Flaw::new(
            pair[1].2,
            format!("the key {:?} for the second time", clip_text(&pair[1].0)),
            "each key once",
        ));
    }
    out.push('{');
    for (at, (name, value, _)) in texts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_quoted(name, out);
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    Ok(())
}

/// A float that reads back as the same float and never as an integer.
fn format_float(float: f64) -> String {
    serde_json::to_string(&float).expect("a finite float")
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

/// Appends a JSON string: only `"`, `\` and control characters are escaped.
pub(crate) fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            _ => write!(out, "\\u{byte:04x}").expect("text grows"),
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: DatumKind<'_>) -> Result<String, Flaw> {
        canonical_text(&Datum::new(0, kind), Strictness::Judged)
    }

    #[test]
    fn sorts_keys_and_sets_and_keeps_floats_apart() {
        let at = |kind| Datum::new(0, kind);
        let map = DatumKind::Map(vec![
            (at(DatumKind::Keyword(":b")), at(DatumKind::Float(1.0))),
            (at(DatumKind::Int(10)), at(DatumKind::Set([10, 9, 2].map(|n| at(DatumKind::Int(n))).to_vec()))),
        ]);
        assert_eq!(text(map).unwrap(), r#"{"10":[2,9,10],":b":1.0}"#);
    }

    #[test]
    fn two_keys_alike_are_a_flaw() {
        let at = |kind| Datum::new(0, kind);
        let map = vec![
            (at(DatumKind::Int(1)), at(DatumKind::Null)),
            (at(DatumKind::Text("1".into())), at(DatumKind::Null)),
        ];
        assert!(text(DatumKind::Map(map)).unwrap_err().found.contains("second time"));
    }

    /// serde_json writes strings by the same rule; it is the outside truth here.
    #[test]
    fn quotes_as_json_does() {
        let all: String = (0..0x300_u32).filter_map(char::from_u32).chain("𝄞\u{2028}".chars()).collect();
        let mut quoted = String::new();
        write_quoted(&all, &mut quoted);
        assert_eq!(quoted, serde_json::to_string(&all).unwrap());
    }

    #[test]
    fn odd_values_are_flaws_where_they_are_judged_and_kept_where_they_are_shown() {
        let odd = DatumKind::Odd { text: "18446744073709551616".into(), expected: I64_RANGE };
        assert_eq!(text(odd.clone()).unwrap_err().expected, U64_RANGE);
        assert_eq!(canonical_text(&Datum::new(0, odd), Strictness::Lax).unwrap(), "18446744073709551616");
    }
}
