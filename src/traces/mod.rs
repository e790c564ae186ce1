//! Reads the spans of an application as a history of its sessions, by a map in TOML.
//!
//! An application in production is already traced: each request is a span with the id of its session, by the conventions of
//! OpenTelemetry (`session.id`, `session.previous_id`, `http.request.method`, `http.response.status_code`, …). The naive way is to
//! write a program that turns spans into events for each application. The map says in a few lines which spans create, read, write,
//! renew and end sessions.
//!
//! # Choices
//! - A request was done if its status is one of 200 to 299, or one of those that the map names. A redirect after a read often means that
//!   nobody is logged in. So any other answer that the map does not explain, and a span with the status *error*, is indeterminate.
//! - A read whose map names no value shows only that the session exists. It is recorded as a `touch`, which has no value.
//! - Values are those of one session, as a version number is, unless the map says `unique_values = true`. A read of a value that no span
//!   wrote says only that the session exists: the write was not traced, or came before the traces.
//! - Traces are sampled unless the map says `complete = true`. What is missing may have ended or created a session, so that nothing
//!   follows from an absent session: such answers are left out, and only findings that no missing request can explain are judged.
//! - Ids are secrets. Sessions are named `s-1`, `s-2`, … in the order of their first spans; `trace_id` and `span_id` stay.
//!
//! Whether a history comes from a file of spans, or span by span as they are received (`stream.rs`), one reader reads spans
//! (`read_span`), and one writer makes events of them (`events.rs`).
//!
//! Times decide the order, as in [`histories::format`] for spans without indices: if two are equal, operations overlap.

mod census;
mod events;
mod file;
mod operation;
mod otlp;
mod protobuf;
#[cfg(feature = "command-line")]
mod received;
#[cfg(feature = "command-line")]
mod stream;

use census::SpanCensus;
use events::EventWriter;
#[cfg(feature = "command-line")]
pub(crate) use file::SPAN_BYTES_MAX;
pub(crate) use file::read_span_bytes;
use histories::History;
use histories::format::{self, Format};
use operation::{DistinctOperations, TraceFunction, TracedOperation, renewal_outcome};
use otlp::{OtlpRequest, OtlpSpan, flatten_attributes};
#[cfg(feature = "command-line")]
pub(crate) use received::decode_received_spans;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
#[cfg(feature = "command-line")]
pub(crate) use stream::SpanStream;

/// The statuses that mean that a request was done, unless the map says otherwise.
const STATUS_OK: std::ops::RangeInclusive<i64> = 200..=299;
/// The code of an error in OTLP, as a number and as a name.
const ERROR_CODES: [&str; 2] = ["2", "STATUS_CODE_ERROR"];
const STATUS: &str = "http.response.status_code";

/// What the spans of an application mean.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceMap {
    session: SessionAttributes,
    /// Whether every request of every session is in the traces.
    #[serde(default)]
    complete: bool,
    /// Whether no two sessions write the same value. Only then the value of another session is a leak.
    #[serde(default)]
    unique_values: bool,
    /// How long a session lives after its last renewal, in milliseconds.
    time_to_live_ms: Option<u64>,
    /// The operations that renew a session. Default: all but reads.
    renewed_by: Option<Vec<TraceFunction>>,
    #[serde(rename = "operation")]
    operations: Vec<SpanRule>,
}

/// The attributes that tell whose request a span is.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct SessionAttributes {
    id: String,
    /// The id that a renewal replaced.
    previous: Option<String>,
    /// The user, who may have several sessions.
    user: Option<String>,
    /// The node that answered.
    node: Option<String>,
    /// Whether ids and users are shown as they are.
    #[serde(default)]
    keep: bool,
}

/// The spans of one kind of operation.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct SpanRule {
    function: TraceFunction,
    /// Attributes that a span must have. `name` is the name of the span.
    #[serde(rename = "where")]
    fits: BTreeMap<String, Wanted>,
    /// The attribute with the value that was written or read.
    value: Option<String>,
    /// Answers that mean that the operation was done. Default: a status of 200 to 299, or none.
    #[serde(default)]
    ok: BTreeMap<String, Wanted>,
    /// Answers that mean that there is no such session.
    #[serde(default)]
    absent: BTreeMap<String, Wanted>,
    /// Answers that mean that nothing was done.
    #[serde(default)]
    refused: BTreeMap<String, Wanted>,
}

/// One value of an attribute, or a list of values that are equally good.
#[derive(Deserialize, Debug)]
#[serde(transparent)]
struct Wanted(toml::Value);

impl Wanted {
    fn includes(&self, text: &str) -> bool {
        let same = |value: &toml::Value| match value {
            toml::Value::String(wanted) => wanted == text,
            other => other.to_string() == text,
        };
        match &self.0 {
            toml::Value::Array(values) => values.iter().any(same),
            value => same(value),
        }
    }
}

impl TraceMap {
    /// Reads a map. The error says what is wrong with it, and where.
    pub(crate) fn from_toml(text: &str) -> Result<Self, String> {
        let map: Self = toml::from_str(text).map_err(|why| why.to_string())?;
        if map.operations.is_empty() {
            return Err("there is no [[operation]], so no span would be read".to_owned());
        }
        if let Some(rule) = map.operations.iter().find(|rule| rule.fits.is_empty()) {
            return Err(format!(
                "an [[operation]] with function = \"{}\" has no conditions in where, so every span would fit it",
                rule.function.name()
            ));
        }
        Ok(map)
    }

    /// Reads a file of spans in OTLP as a history: see `file.rs` for the encodings. Also returns remarks on what was left out.
    /// O(n log n) in spans, which are all in memory.
    pub(crate) fn read_spans(&self, bytes: &[u8]) -> Result<(History, Vec<String>), String> {
        let (text, census) = self.write_events(bytes)?;
        let history = format::from_text(Format::Native, &text).map_err(|problems| problems.to_string())?;
        Ok((history, self.describe_census(&census)))
    }

    /// The spans of a file as events.
    fn write_events(&self, bytes: &[u8]) -> Result<(String, SpanCensus), String> {
        let mut census = SpanCensus::default();
        let mut operations = DistinctOperations::default();
        file::for_each_message(bytes, &mut |request: OtlpRequest| {
            self.read_request(request, &mut census, &mut |operation| operations.add(operation))
        })?;
        if census.used == 0 {
            return Err(self.describe_nothing(&census));
        }
        census.repeated = operations.repeated;
        let mut writer = EventWriter::new(self);
        operations.list.sort_by_key(|operation| operation.from_ns);
        writer.add_operations(operations.list);
        let mut text = self.header_line();
        writer.write_until(i64::MAX, &mut text);
        writer.count_into(&mut census);
        Ok((text, census))
    }

    /// Calls `take` with each operation of a request.
    fn read_request(
        &self,
        request: OtlpRequest,
        census: &mut SpanCensus,
        take: &mut dyn FnMut(TracedOperation),
    ) -> Result<(), String> {
        for resource in request.resource_spans {
            let shared = flatten_attributes(resource.resource.attributes);
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                if let Some(operation) = self.read_span(span, &shared, census)? {
                    take(operation);
                }
            }
        }
        Ok(())
    }

    /// The operation of a span, unless it fits no rule or shows nothing.
    fn read_span(
        &self,
        mut span: OtlpSpan,
        shared: &HashMap<String, String>,
        census: &mut SpanCensus,
    ) -> Result<Option<TracedOperation>, String> {
        let own = flatten_attributes(std::mem::take(&mut span.attributes));
        let told = |name: &str| match name {
            "name" => Some(span.name.as_str()),
            _ => own.get(name).or_else(|| shared.get(name)).map(String::as_str),
        };
        let all_told = |wanted: &BTreeMap<String, Wanted>| {
            wanted.iter().all(|(name, wanted)| told(name).is_some_and(|text| wanted.includes(text)))
        };
        let Some(rule) = self.operations.iter().find(|rule| all_told(&rule.fits)) else {
            census.unmapped += 1;
            census.first_unmapped.get_or_insert_with(|| span.name.chars().take(60).collect());
            return Ok(None);
        };
        let Some(id) = told(&self.session.id).filter(|id| !id.is_empty()) else {
            census.without_id += 1;
            return Ok(None);
        };
        let previous = self.session.previous.as_deref().and_then(told).filter(|previous| *previous != id);
        let function = rule.function;
        if function == TraceFunction::Renew && previous.is_none() {
            census.without_id += 1;
            return Ok(None);
        }
        let (from_ns, to_ns) = span.read_times()?;
        let status = told(STATUS).and_then(|status| status.parse::<i64>().ok());
        let code =
            span.status.get("code").map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        let answers = |wanted: &BTreeMap<String, Wanted>| !wanted.is_empty() && all_told(wanted);
        let (absent, refused) = (answers(&rule.absent), answers(&rule.refused));
        let is_usual = rule.ok.is_empty() && status.is_none_or(|status| STATUS_OK.contains(&status));
        let is_error = code.is_some_and(|code| ERROR_CODES.contains(&code.as_str()));
        let unclear = is_error || !(is_usual || answers(&rule.ok));
        if absent && !self.complete {
            census.absent_left_out += 1;
            return Ok(None);
        }
        census.used += 1;
        census.unclear += usize::from(unclear && !absent && !refused);
        let value = rule.value.as_deref().and_then(told).map(|text| json!(text));
        let (function, outcome) = match (function, absent, refused, unclear, to_ns) {
            (_, _, _, _, None) => (function, "info"),
            (TraceFunction::Read, true, ..) => (TraceFunction::Read, "ok"),
            (_, true, ..) | (_, _, true, ..) => (function, "fail"),
            (_, _, _, true, _) => (function, "info"),
            (TraceFunction::Read, ..) if value.is_none() => (TraceFunction::Touch, "ok"),
            _ => (function, "ok"),
        };
        let value = value.filter(|_| function != TraceFunction::Read || !absent);
        let (asked, answered) = asked_and_answered(function, id, value, &span.span_id);
        let fields = fields_of_span(&span, self.session.node.as_deref().and_then(told), status);
        let key = id.to_owned();
        let renewal = renewal_outcome(absent || refused, unclear, to_ns.is_some());
        let previous = previous.map(|previous| (previous.to_owned(), renewal));
        let user = self.session.user.as_deref().and_then(told).unwrap_or(&key).to_owned();
        Ok(Some(TracedOperation {
            from_ns,
            to_ns,
            function,
            key,
            user,
            asked,
            outcome,
            answered,
            previous,
            fields,
        }))
    }

    /// The first line of the history.
    fn header_line(&self) -> String {
        let mut header =
            json!({"steadfast": 1, "what": "spans of an application", "renewed_by": self.renewing()});
        if let Some(lives) = self.time_to_live_ms {
            header["time_to_live_ms"] = json!(lives);
        }
        if !self.complete {
            header["sampled"] = json!(true);
        }
        let rest = header.as_object().expect("an object").iter().filter(|(name, _)| *name != "steadfast");
        let fields: Vec<String> = rest.map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{\"steadfast\":1,{}}}\n", fields.join(","))
    }

    /// The operations that renew a session. A read without a value is a touch.
    fn renewing(&self) -> Vec<&'static str> {
        let usual = [TraceFunction::Create, TraceFunction::Write, TraceFunction::Touch, TraceFunction::Renew];
        let Some(told) = &self.renewed_by else {
            let touched = self.operations.iter().any(|rule| rule.function == TraceFunction::Touch);
            let renews = |function: &TraceFunction| *function != TraceFunction::Touch || touched;
            return usual
                .iter()
                .filter(|function| renews(function))
                .map(|function| function.name())
                .collect();
        };
        let mut names: Vec<&str> = told.iter().map(|function| function.name()).collect();
        if names.contains(&"read") && !names.contains(&"touch") {
            names.push("touch");
        }
        names
    }
}

/// The values of an operation's two events.
fn asked_and_answered(function: TraceFunction, id: &str, value: Option<Value>, span: &str) -> (Value, Value) {
    match function {
        TraceFunction::Read => (Value::Null, value.unwrap_or(Value::Null)),
        TraceFunction::Create | TraceFunction::Write => {
            // A value that is not told is known to nobody else.
            let written = value.unwrap_or_else(|| json!(format!("span {span}")));
            (written.clone(), written)
        }
        TraceFunction::Renew => (json!(id), json!(id)),
        TraceFunction::Touch | TraceFunction::Destroy => (Value::Null, Value::Null),
    }
}

/// The further fields of a completion.
fn fields_of_span(
    span: &OtlpSpan,
    node: Option<&str>,
    status: Option<i64>,
) -> serde_json::Map<String, Value> {
    let mut fields = serde_json::Map::new();
    for (name, text) in [("trace_id", &span.trace_id), ("span_id", &span.span_id)] {
        if !text.is_empty() {
            fields.insert(name.to_owned(), json!(text));
        }
    }
    if let Some(node) = node {
        fields.insert("node".to_owned(), json!(node));
    }
    if let Some(status) = status {
        fields.insert("status".to_owned(), json!(status));
    }
    fields
}
