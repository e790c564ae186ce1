//! What is read of OTLP/JSON: spans with their times, attributes and status.

use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtlpRequest {
    pub(super) resource_spans: Vec<OtlpResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtlpResource {
    #[serde(default)]
    pub(super) resource: OtlpAttributes,
    #[serde(default)]
    pub(super) scope_spans: Vec<OtlpScope>,
}

#[derive(Deserialize, Default)]
pub(super) struct OtlpAttributes {
    #[serde(default)]
    pub(super) attributes: Vec<OtlpAttribute>,
}

#[derive(Deserialize)]
pub(super) struct OtlpAttribute {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct OtlpScope {
    #[serde(default)]
    pub(super) spans: Vec<OtlpSpan>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OtlpSpan {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) trace_id: String,
    #[serde(default)]
    pub(super) span_id: String,
    pub(super) start_time_unix_nano: Value,
    #[serde(default)]
    pub(super) end_time_unix_nano: Value,
    #[serde(default)]
    pub(super) attributes: Vec<OtlpAttribute>,
    #[serde(default)]
    pub(super) status: BTreeMap<String, Value>,
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
pub(super) fn parse_time(value: &Value) -> Option<i64> {
    match value {
        Value::String(digits) => digits.parse().ok(),
        Value::Number(number) => number.as_i64(),
        _ => None,
    }
}
