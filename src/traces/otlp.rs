//! What is read of OTLP: spans with their times, attributes, events and status. JSON is read into these types as it is, protobuf by
//! [`super::protobuf`], and the spans that `steadfast collect` receives are written from them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtlpRequest {
    pub(super) resource_spans: Vec<OtlpResource>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtlpResource {
    #[serde(default)]
    pub(super) resource: OtlpAttributes,
    #[serde(default)]
    pub(super) scope_spans: Vec<OtlpScope>,
}

#[derive(Deserialize, Serialize, Default)]
pub(super) struct OtlpAttributes {
    #[serde(default)]
    pub(super) attributes: Vec<OtlpAttribute>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct OtlpAttribute {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: BTreeMap<String, Value>,
}

#[derive(Deserialize, Serialize)]
pub(super) struct OtlpScope {
    #[serde(default)]
    pub(super) spans: Vec<OtlpSpan>,
}

#[derive(Deserialize, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtlpSpan {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) trace_id: String,
    #[serde(default)]
    pub(super) span_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) parent_span_id: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) kind: Value,
    #[serde(default)]
    pub(super) start_time_unix_nano: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) end_time_unix_nano: Value,
    #[serde(default)]
    pub(super) attributes: Vec<OtlpAttribute>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) events: Vec<Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) status: BTreeMap<String, Value>,
}

impl OtlpSpan {
    /// The times at which the span began and ended, in ns. The error says what is wrong with them.
    pub(super) fn read_times(&self) -> Result<(i64, Option<i64>), String> {
        let from_ns = parse_time(&self.start_time_unix_nano)
            .filter(|from| *from > 0)
            .ok_or_else(|| format!("the span {:?} has no startTimeUnixNano", self.name))?;
        let to_ns = parse_time(&self.end_time_unix_nano).filter(|to| *to > 0);
        if to_ns.is_some_and(|to| to < from_ns) {
            return Err(format!("the span {:?} (spanId {}) ends before it begins", self.name, self.span_id));
        }
        Ok((from_ns, to_ns))
    }
}

/// The attributes by name, as texts. Attributes of other types than text, numbers and booleans are left out.
pub(super) fn flatten_attributes(attributes: Vec<OtlpAttribute>) -> HashMap<String, String> {
    let text = |value: BTreeMap<String, Value>| match value.into_iter().next() {
        Some((kind, Value::String(text))) if kind == "stringValue" || kind == "intValue" => Some(text),
        Some((kind, value)) if matches!(kind.as_str(), "intValue" | "doubleValue" | "boolValue") => {
            Some(value.to_string())
        }
        _ => None,
    };
    attributes.into_iter().filter_map(|one| Some((one.key, text(one.value)?))).collect()
}

/// A time in ns, which OTLP/JSON writes as a text.
fn parse_time(value: &Value) -> Option<i64> {
    match value {
        Value::String(digits) => digits.parse().ok(),
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}
