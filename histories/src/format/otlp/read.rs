//! Reads the spans of requests in OTLP/JSON.

use super::spans::Spans;
use super::{HEADER, IN_ATTRIBUTES, OURS, TIMES, ZERO};
use crate::format::chunk::{Chunk, Local};
use crate::format::datum::{Datum, Flaw, Kind};
use crate::format::event::Rules;
use crate::format::jepsen_json::event_end;
use crate::format::json;

/// The content of a file of spans.
pub(in crate::format) struct Read {
    pub(in crate::format) chunk: Chunk,
    pub(in crate::format) remarks: Vec<String>,
}

/// What the attributes of a resource say about its spans.
#[derive(Clone, Copy, Default)]
pub(super) struct Resource {
    /// The time at which the clock of the history was zero, in ns since 1970.
    pub(super) zero: Option<i64>,
    /// Whether the times of events are in attributes.
    pub(super) in_attributes: bool,
}

/// Reads all requests of a file, whether each is on one line or over many lines. O(n log n) in spans, which are all in
/// memory.
pub(in crate::format) fn read(bytes: &[u8], rules: Rules) -> Read {
    let mut chunk = Chunk::default();
    let mut spans = Spans::default();
    let mut at = 0;
    while at < bytes.len() && !chunk.is_hopeless() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let end = event_end(bytes, at).unwrap_or(bytes.len());
        match std::str::from_utf8(&bytes[at..end]) {
            Ok(text) => match json::parse(text, at) {
                Ok(datum) => request(&datum, &mut spans, &mut chunk, rules),
                Err(flaw) => chunk.flaw(flaw),
            },
            Err(error) => {
                chunk.flaw(Flaw::new(at + error.valid_up_to(), "a byte that is no UTF-8", "text in UTF-8"))
            }
        }
        at = end;
    }
    let remarks = spans.finish(&mut chunk);
    Read { chunk, remarks }
}

fn request(datum: &Datum<'_>, spans: &mut Spans, chunk: &mut Chunk, rules: Rules) {
    let Some(resources) = list(datum, "resourceSpans") else {
        let expected = "a request in OTLP/JSON: {\"resourceSpans\":[…]}";
        return chunk.flaw(Flaw::new(datum.at, datum.describe(), expected));
    };
    for resource in resources {
        let told = field(resource, "resource").map_or(Resource::default(), |told| about(told, chunk));
        for scope in list(resource, "scopeSpans").unwrap_or_default() {
            for span in list(scope, "spans").unwrap_or_default() {
                spans.add(span, told, chunk, rules);
            }
        }
    }
}

fn about(resource: &Datum<'_>, chunk: &mut Chunk) -> Resource {
    let mut told = Resource::default();
    for (name, value) in attributes(resource) {
        match (name, &value.kind) {
            (HEADER, Kind::Text(header)) if is_object(header) => {
                chunk.header.get_or_insert_with(|| header.to_string());
            }
            (ZERO, Kind::Int(zero)) => told.zero = Some(*zero),
            (TIMES, Kind::Text(times)) => told.in_attributes = times == IN_ATTRIBUTES,
            (HEADER | ZERO | TIMES, _) => {
                let expected = format!("{name} as steadfast writes it");
                chunk.flaw(Flaw::new(value.at, value.describe(), expected));
            }
            _ => {}
        }
    }
    told
}

fn is_object(header: &str) -> bool {
    json::parse(header, 0).is_ok_and(|datum| matches!(datum.kind, Kind::Map(_)))
}

/// The attributes of a resource or span, with their values converted from OTLP's types. A malformed attribute is
/// skipped; if it is one of ours, it is reported later as missing.
pub(super) fn attributes<'d, 'a>(of: &'d Datum<'a>) -> impl Iterator<Item = (&'d str, Datum<'a>)> {
    list(of, "attributes").unwrap_or_default().iter().filter_map(|attribute| {
        let name = field(attribute, "key").and_then(text)?;
        let value = field(attribute, "value").map(|value| plain(value, name.starts_with(OURS)));
        Some((name, value.unwrap_or(Datum::new(attribute.at, Kind::Null))))
    })
}

/// Converts an OTLP `AnyValue`. The recursion is bounded, because the JSON reader limits the depth.
fn plain<'a>(value: &Datum<'a>, ours: bool) -> Datum<'a> {
    let Kind::Map(entries) = &value.kind else { return value.clone() };
    let Some((kind, inner)) = entries.first().filter(|_| ours) else {
        return Datum::new(value.at, Kind::Null);
    };
    let kind = match (text(kind), &inner.kind) {
        (Some("intValue"), Kind::Text(digits)) => match digits.parse() {
            Ok(int) => Kind::Int(int),
            Err(_) => Kind::Odd { text: digits.clone(), expected: crate::format::datum::I64_RANGE },
        },
        (Some("arrayValue"), _) => Kind::List(
            list(inner, "values").unwrap_or_default().iter().map(|item| plain(item, true)).collect(),
        ),
        (Some("kvlistValue"), _) => {
            let entries = list(inner, "values").unwrap_or_default().iter().filter_map(|entry| {
                let name = field(entry, "key")?.clone();
                let value = field(entry, "value").map(|value| plain(value, true));
                Some((name, value.unwrap_or(Datum::new(entry.at, Kind::Null))))
            });
            Kind::Map(entries.collect())
        }
        // JSON writers may print a whole double without a fraction. It is still a double.
        (Some("doubleValue"), Kind::Int(int)) => Kind::Float(*int as f64),
        _ => inner.kind.clone(),
    };
    Datum::new(inner.at, kind)
}

pub(super) fn field<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d Datum<'a>> {
    let Kind::Map(entries) = &of.kind else { return None };
    entries.iter().find(|(key, _)| text(key) == Some(name)).map(|(_, value)| value)
}

fn list<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d [Datum<'a>]> {
    match &field(of, name)?.kind {
        Kind::List(items) => Some(items),
        _ => None,
    }
}

pub(super) fn text<'d>(datum: &'d Datum<'_>) -> Option<&'d str> {
    match &datum.kind {
        Kind::Text(text) => Some(text),
        _ => None,
    }
}

/// Adds a broken event, so that the process of the span is not reported a second time.
pub(super) fn broken(chunk: &mut Chunk, at: usize, found: String, expected: &str) {
    chunk.broken(at, Local::ABSENT, [Flaw::new(at, found, expected)]);
}
