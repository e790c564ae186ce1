//! The messages of OTLP traces in protobuf, as far as they are read.
//!
//! `opentelemetry-proto` has all messages of all signals, and brings the OpenTelemetry SDK with it. The ten messages below need only
//! `prost`, and skip the fields that they do not name. Numbers are those of `opentelemetry/proto/trace/v1/trace.proto` and
//! `common/v1/common.proto`, which are stable.
//!
//! Metrics and logs have the same outer shape as traces, and would decode as spans with nonsense in them. Therefore every span
//! must have a trace id of 16 bytes and a span id of 8.

use super::otlp::{OtlpAttribute, OtlpAttributes, OtlpRequest, OtlpResource, OtlpScope, OtlpSpan};
use prost::Message;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

const TRACE_ID_BYTES: usize = 16;
const SPAN_ID_BYTES: usize = 8;

/// `TracesData`, and `ExportTraceServiceRequest`, which is the same.
#[derive(Clone, PartialEq, Message)]
struct ProtoTraces {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ProtoResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<ProtoResource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ProtoScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoResource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<ProtoKeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoScopeSpans {
    #[prost(message, repeated, tag = "2")]
    spans: Vec<ProtoSpan>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<ProtoKeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<ProtoEvent>,
    #[prost(message, optional, tag = "15")]
    status: Option<ProtoStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoEvent {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<ProtoKeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoKeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<ProtoAnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoAnyValue {
    #[prost(oneof = "ProtoValue", tags = "1, 2, 3, 4, 5, 6, 7")]
    value: Option<ProtoValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum ProtoValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ProtoArray),
    #[prost(message, tag = "6")]
    Map(ProtoKeyValueList),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, Message)]
struct ProtoArray {
    #[prost(message, repeated, tag = "1")]
    values: Vec<ProtoAnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ProtoKeyValueList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<ProtoKeyValue>,
}

/// Decodes one message. `prost` refuses more than 100 levels of nesting.
pub(super) fn decode_message(bytes: &[u8]) -> Result<OtlpRequest, String> {
    let traces = ProtoTraces::decode(bytes).map_err(|why| why.to_string())?;
    let resource_spans = traces.resource_spans.into_iter().map(convert_resource).collect::<Result<_, _>>()?;
    Ok(OtlpRequest { resource_spans })
}

fn convert_resource(resource: ProtoResourceSpans) -> Result<OtlpResource, String> {
    let attributes = resource.resource.map_or_else(Vec::new, |resource| resource.attributes);
    let convert_scope = |scope: ProtoScopeSpans| {
        let spans = scope.spans.into_iter().map(convert_span).collect::<Result<_, _>>()?;
        Ok::<_, String>(OtlpScope { spans })
    };
    Ok(OtlpResource {
        resource: OtlpAttributes { attributes: convert_attributes(attributes) },
        scope_spans: resource.scope_spans.into_iter().map(convert_scope).collect::<Result<_, _>>()?,
    })
}

fn convert_span(span: ProtoSpan) -> Result<OtlpSpan, String> {
    for (what, id, wanted) in
        [("trace", &span.trace_id, TRACE_ID_BYTES), ("span", &span.span_id, SPAN_ID_BYTES)]
    {
        if id.len() != wanted {
            return Err(format!(
                "the {what} id of a span has {} bytes, and not {wanted}. Are these metrics or logs?",
                id.len()
            ));
        }
    }
    let time = |ns: u64| if ns == 0 { Value::Null } else { json!(ns.to_string()) };
    let mut status = BTreeMap::new();
    if let Some(told) = span.status {
        status.insert("code".to_owned(), json!(told.code));
        if !told.message.is_empty() {
            status.insert("message".to_owned(), json!(told.message));
        }
    }
    let event = |event: ProtoEvent| {
        json!({
            "timeUnixNano": event.time_unix_nano.to_string(),
            "name": event.name,
            "attributes": convert_attributes(event.attributes),
        })
    };
    Ok(OtlpSpan {
        name: span.name,
        trace_id: write_hex(&span.trace_id),
        span_id: write_hex(&span.span_id),
        parent_span_id: write_hex(&span.parent_span_id),
        kind: if span.kind == 0 { Value::Null } else { json!(span.kind) },
        start_time_unix_nano: time(span.start_time_unix_nano),
        end_time_unix_nano: time(span.end_time_unix_nano),
        attributes: convert_attributes(span.attributes),
        events: span.events.into_iter().map(event).collect(),
        status,
    })
}

fn convert_attributes(attributes: Vec<ProtoKeyValue>) -> Vec<OtlpAttribute> {
    let convert = |one: ProtoKeyValue| OtlpAttribute { key: one.key, value: convert_value(one.value) };
    attributes.into_iter().map(convert).collect()
}

/// The value as OTLP/JSON has it: an object with one member, which names the type. The depth is that of the decoded message.
fn convert_value(value: Option<ProtoAnyValue>) -> BTreeMap<String, Value> {
    let (kind, json) = match value.and_then(|value| value.value) {
        None => return BTreeMap::new(),
        Some(ProtoValue::Text(text)) => ("stringValue", json!(text)),
        Some(ProtoValue::Bool(bool)) => ("boolValue", json!(bool)),
        // JSON has no exact integers beyond 2^53, so OTLP/JSON writes them as texts.
        Some(ProtoValue::Int(number)) => ("intValue", json!(number.to_string())),
        Some(ProtoValue::Double(number)) => ("doubleValue", json!(number)),
        Some(ProtoValue::Array(array)) => {
            let values: Vec<_> = array.values.into_iter().map(|value| convert_value(Some(value))).collect();
            ("arrayValue", json!({"values": values}))
        }
        Some(ProtoValue::Map(map)) => ("kvlistValue", json!({"values": convert_attributes(map.values)})),
        Some(ProtoValue::Bytes(bytes)) => ("bytesValue", json!(write_hex(&bytes))),
    };
    BTreeMap::from([(kind.to_owned(), json)])
}

fn write_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
