//! The fields and attributes of OTLP's objects.

use super::OURS;
use crate::format::chunk::{Chunk, LocalId};
use crate::format::datum::{Datum, DatumKind, Flaw};

/// What the attributes of a resource say about its spans.
#[derive(Clone, Copy, Default)]
pub(super) struct ResourceInfo {
    /// The time at which the clock of the history was zero, in ns since 1970.
    pub(super) zero: Option<i64>,
    /// Whether the times of events are in attributes.
    pub(super) in_attributes: bool,
}

/// The attributes of a resource or span, with their values converted from OTLP's types. A malformed attribute is
/// skipped; if it is one of ours, it is reported later as missing.
pub(super) fn decode_attributes<'d, 'a>(of: &'d Datum<'a>) -> impl Iterator<Item = (&'d str, Datum<'a>)> {
    find_list(of, "attributes").unwrap_or_default().iter().filter_map(|attribute| {
        let name = find_field(attribute, "key").and_then(as_text)?;
        let value =
            find_field(attribute, "value").map(|value| decode_any_value(value, name.starts_with(OURS)));
        Some((name, value.unwrap_or(Datum::new(attribute.at, DatumKind::Null))))
    })
}

/// Converts an OTLP `AnyValue`. The recursion is bounded, because the JSON reader limits the depth.
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
        // JSON writers may print a whole double without a fraction. It is still a double.
        (Some("doubleValue"), DatumKind::Int(int)) => DatumKind::Float(*int as f64),
        _ => inner.kind.clone(),
    };
    Datum::new(inner.at, kind)
}

pub(super) fn find_field<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d Datum<'a>> {
    let DatumKind::Map(entries) = &of.kind else { return None };
    entries.iter().find(|(key, _)| as_text(key) == Some(name)).map(|(_, value)| value)
}

pub(super) fn find_list<'d, 'a>(of: &'d Datum<'a>, name: &str) -> Option<&'d [Datum<'a>]> {
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

/// Adds a broken event, so that the process of the span is not reported a second time.
pub(super) fn add_broken_event(chunk: &mut Chunk, at: usize, found: String, expected: &str) {
    chunk.add_broken_event(at, LocalId::ABSENT, [Flaw::new(at, found, expected)]);
}
