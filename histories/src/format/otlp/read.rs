//! Reads the spans of requests in OTLP/JSON.

use super::attributes::{ResourceInfo, decode_attributes, find_field, find_list};
use super::spans::SpanEvents;
use super::{HEADER, IN_ATTRIBUTES, TIMES, ZERO};
use crate::format::chunk::Chunk;
use crate::format::datum::{Datum, DatumKind, Flaw};
use crate::format::event::EventRules;
use crate::format::jepsen_json::find_object_end;
use crate::format::json;

/// The content of a file of spans.
pub(in crate::format) struct SpanFile {
    pub(in crate::format) chunk: Chunk,
    pub(in crate::format) remarks: Vec<String>,
}

/// Reads all requests of a file, whether each is on one line or over many lines. O(n log n) in spans, which are all in
/// memory.
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
