//! Requests in OTLP/JSON, to spans.

use super::spans::SpanEvents;
use super::{HEADER, IN_ATTRIBUTES, OURS, TIMES, ZERO};
use crate::format::chunk::{Chunk, LocalId};
use crate::format::datum::{Datum, DatumKind, Flaw};
use crate::format::event::EventRules;
use crate::format::jepsen_json::find_object_end;
use crate::format::json;

/// What a file of spans says.
pub(in crate::format) struct SpanFile {
    pub(in crate::format) chunk: Chunk,
    pub(in crate::format) remarks: Vec<String>,
}

/// What a resource says of its spans.
#[derive(Clone, Copy, Default)]
pub(super) struct ResourceInfo {
    /// When its histories' clock was zero, in ns since 1970.
    pub(super) zero: Option<i64>,
    /// Whether events' times are attributes.
    pub(super) in_attributes: bool,
}

/// Reads all requests of a file: one a line, or one over many lines. O(n log n) in spans, all of them in memory.
pub(in crate::format) fn read_requests(bytes: &[u8], rules: EventRules) -> SpanFile {
    let mut chunk = Chunk::default();
    let mut spans = SpanEvents::default();
    let mut at = 0;
    while at < bytes.len() && !chunk.has_too_many_flaws() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let end = find_object_end(bytes, at).unwrap_or(bytes.len());
        match std::str::from_utf8(&bytes[at..end]) {
            Ok(text) => match json::parse_json(text, at) {
                Ok(datum) => read_request(&datum, &mut spans, &mut chunk, rules),
                Err(flaw) => chunk.add_flaw(flaw),
            },
            Err(error) => chunk.add_flaw(Flaw::new(
                at + error.valid_up_to(),
                "a byte that is no UTF-8",
                "text in UTF-8",
            )),
        }
        at = end;
    }
    let remarks = spans.finish(&mut chunk);
    SpanFile { chunk, remarks }
}

fn read_request(datum: &Datum<'_>, spans: &mut SpanEvents, chunk: &mut Chunk, rules: EventRules) {
    let Some(resources) = find_list(datum, "resourceSpans") else {
        let expected = "a request in OTLP/JSON: {\"resourceSpans\":[…]}";
        return chunk.add_flaw(Flaw::new(datum.at, datum.describe(), expected));
    };
    for resource in resources {
        let told = find_field(resource, "resource")
            .map_or(ResourceInfo::default(), |told| read_resource(told, chunk));
        for scope in find_list(resource, "scopeSpans").unwrap_or_default() {
            for span in find_list(scope, "spans").unwrap_or_default() {
                spans.add_span(span, told, chunk, rules);
            }
        }
    }
}

fn read_resource(resource: &Datum<'_>, chunk: &mut Chunk) -> ResourceInfo {
    let mut told = ResourceInfo::default();
    for (name, value) in decode_attributes(resource) {
        match (name, &value.kind) {
            (HEADER, DatumKind::Text(header)) if is_json_object(header) => {
                chunk.header.get_or_insert_with(|| header.to_string());
            }
            (ZERO, DatumKind::Int(zero)) => told.zero = Some(*zero),
            (TIMES, DatumKind::Text(times)) => told.in_attributes = times == IN_ATTRIBUTES,
            (HEADER | ZERO | TIMES, _) => {
                let expected = format!("{name} as steadfast writes it");
                chunk.add_flaw(Flaw::new(value.at, value.describe(), expected));
            }
            _ => {}
        }
    }
    told
}

fn is_json_object(header: &str) -> bool {
    json::parse_json(header, 0).is_ok_and(|datum| matches!(datum.kind, DatumKind::Map(_)))
}

/// The attributes of a resource or span, their values out of the types of OTLP. What is no attribute is passed
/// over: of an attribute of ours that would be missed.
pub(super) fn decode_attributes<'d, 'a>(of: &'d Datum<'a>) -> impl Iterator<Item = (&'d str, Datum<'a>)> {
    find_list(of, "attributes").unwrap_or_default().iter().filter_map(|attribute| {
        let name = find_field(attribute, "key").and_then(as_text)?;
        let value =
            find_field(attribute, "value").map(|value| decode_any_value(value, name.starts_with(OURS)));
        Some((name, value.unwrap_or(Datum::new(attribute.at, DatumKind::Null))))
    })
}

/// An AnyValue without its type. Depth is bounded by the reader of JSON.
fn decode_any_value<'a>(value: &Datum<'a>, ours: bool) -> Datum<'a> {
    let DatumKind::Map(entries) = &value.kind else { return value.clone() };
    let Some((kind, inner)) = entries.first().filter(|_| ours) else {
        return Datum::new(value.at, DatumKind::Null);
    };
    let kind = match (as_text(kind), &inner.kind) {
        (Some("intValue"), DatumKind::Text(digits)) => match digits.parse() {
            Ok(int) => DatumKind::Int(int),
            Err(_) => DatumKind::Odd { text: digits.clone(), expected: crate::format::datum::I64_RANGE },
        },
        (Some("arrayValue"), _) => DatumKind::List(
            find_list(inner, "values")
                .unwrap_or_default()
                .iter()
                .map(|item| decode_any_value(item, true))
                .collect(),
        ),
        (Some("kvlistValue"), _) => {
            let entries = find_list(inner, "values").unwrap_or_default().iter().filter_map(|entry| {
                let name = find_field(entry, "key")?.clone();
                let value = find_field(entry, "value").map(|value| decode_any_value(value, true));
                Some((name, value.unwrap_or(Datum::new(entry.at, DatumKind::Null))))
            });
            DatumKind::Map(entries.collect())
        }
        // A whole number as JSON's writers print it is a double all the same.
        (Some("doubleValue"), DatumKind::Int(int)) => DatumKind::Float(*int as f64),
        _ => inner.kind.clone(),
    };
    Datum::new(inner.at, kind)
}

pub(super) fn find_field<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d Datum<'a>> {
    let DatumKind::Map(entries) = &of.kind else { return None };
    entries.iter().find(|(key, _)| as_text(key) == Some(name)).map(|(_, value)| value)
}

fn find_list<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d [Datum<'a>]> {
    match &find_field(of, name)?.kind {
        DatumKind::List(items) => Some(items),
        _ => None,
    }
}

pub(super) fn as_text<'d>(datum: &'d Datum<'_>) -> Option<&'d str> {
    match &datum.kind {
        DatumKind::Text(text) => Some(text),
        _ => None,
    }
}

/// A broken event, so that what is known of a span's process is not complained about twice.
pub(super) fn add_broken_event(chunk: &mut Chunk, at: usize, found: String, expected: &str) {
    chunk.add_broken_event(at, LocalId::ABSENT, [Flaw::new(at, found, expected)]);
}
