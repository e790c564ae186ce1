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
//! Times decide the order, as in [`histories::format`] for spans without indices: if two are equal, operations overlap.

mod file;
mod operation;
mod otlp;
mod protobuf;
#[cfg(feature = "command-line")]
mod received;

use crate::report::layout::count_noun;
#[cfg(feature = "command-line")]
pub(crate) use file::SPAN_BYTES_MAX;
pub(crate) use file::read_span_bytes;
use histories::History;
use histories::format::{self, Format};
use operation::{
    DistinctOperations, TraceFunction, TracedOperation, add_creations, renewal_outcome, tell_renewals,
};
use otlp::{OtlpRequest, OtlpSpan, flatten_attributes};
#[cfg(feature = "command-line")]
pub(crate) use received::decode_received_spans;
use serde::Deserialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

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

/// How many spans were used, and why others were not.
#[derive(Default)]
struct SpanCensus {
    used: usize,
    unmapped: usize,
    first_unmapped: Option<String>,
    without_id: usize,
    absent_left_out: usize,
    /// Sessions whose creation is not in the traces.
    created_before: usize,
    /// Reads of values that no span wrote.
    unwritten: usize,
    /// Answers that the map does not explain, and errors.
    unclear: usize,
    /// Spans that are in the traces more than once.
    repeated: usize,
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
        let mut census = SpanCensus::default();
        let mut operations = DistinctOperations::default();
        file::for_each_message(bytes, &mut |request: OtlpRequest| {
            for resource in request.resource_spans {
                let shared = flatten_attributes(resource.resource.attributes);
                for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                    operations.add(self.read_span(span, &shared, &mut census)?);
                }
            }
            Ok(())
        })?;
        if census.used == 0 {
            let seen = census.unmapped + census.without_id;
            return Err(format!(
                "no span was read as an operation. {} seen: {} fit no [[operation]]{}, and {} fit one and have no {}. \
                 Compare the conditions in where with the attributes of the spans.",
                count_noun(seen, "span"),
                census.unmapped,
                census
                    .first_unmapped
                    .as_ref()
                    .map_or_else(String::new, |name| format!(" ({name:?} is the first)")),
                census.without_id,
                self.session.id
            ));
        }
        census.repeated = operations.repeated;
        let text = self.write_events(operations.list, &mut census);
        let history = format::from_text(Format::Native, &text).map_err(|problems| problems.to_string())?;
        Ok((history, self.describe_census(&census)))
    }

    fn describe_census(&self, census: &SpanCensus) -> Vec<String> {
        let spans = |count| count_noun(count, "span");
        let mut remarks = vec![format!("read as operations: {}", spans(census.used - census.repeated))];
        if census.repeated > 0 {
            remarks
                .push(format!("left out, because they were sent more than once: {}", spans(census.repeated)));
        }
        if let Some(name) = &census.first_unmapped {
            remarks.push(format!(
                "left out, because no [[operation]] fits: {}, {name:?} the first",
                spans(census.unmapped)
            ));
        }
        if census.without_id > 0 {
            remarks.push(format!(
                "left out, because they have no {}: {}",
                self.session.id,
                spans(census.without_id)
            ));
        }
        if census.unclear > 0 {
            remarks.push(format!(
                "indeterminate, because the span is an error or the map does not explain its status (ok, absent, refused): {}",
                count_noun(census.unclear, "answer")
            ));
        }
        if census.unwritten > 0 {
            remarks.push(format!(
                "taken for signs that the session exists, because no span wrote the value that was read: {}",
                count_noun(census.unwritten, "read")
            ));
        }
        if census.created_before > 0 {
            remarks.push(format!(
                "taken for created just before their first request, because their creation was not traced: {}",
                count_noun(census.created_before, "session")
            ));
        }
        if !self.complete {
            remarks.push(format!(
                "the traces are taken for a sample, in which an answer without a session says nothing ({}); if every request is \
                 in the traces, set complete = true in the map",
                count_noun(census.absent_left_out, "such answer")
            ));
            if self.operations.iter().any(|rule| rule.value.is_some()) {
                remarks.push("requests that are missing are assumed to have written other values".to_owned());
            }
            let gives_up_ids =
                |rule: &SpanRule| matches!(rule.function, TraceFunction::Destroy | TraceFunction::Renew);
            if self.session.previous.is_some() || self.operations.iter().any(gives_up_ids) {
                remarks.push(
                    "requests that are missing are assumed to have given no new session an id that was ended or replaced"
                        .to_owned(),
                );
            }
        }
        remarks.push(
            "events are in the order of their spans' times, and those are as good as the clocks".to_owned(),
        );
        remarks
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

    /// Writes the operations as events in the order of time. An operation gets the lowest process that is free.
    fn write_events(&self, mut operations: Vec<TracedOperation>, census: &mut SpanCensus) -> String {
        operations.sort_by_key(|operation| operation.from_ns);
        operations = tell_renewals(operations);
        census.unwritten = self.settle_values(&mut operations);
        census.created_before = add_creations(&mut operations);
        operations.sort_by_key(|operation| operation.from_ns);
        let mut names = SessionNames { known: HashMap::new(), keep: self.session.keep };
        let zero = operations.first().map_or(0, |operation| operation.from_ns);
        // Time, whether it completes, number, text. At equal times, operations begin before others end.
        let mut events: Vec<(i64, bool, usize, Value)> = Vec::with_capacity(operations.len() * 2);
        let mut busy: BinaryHeap<Reverse<(i64, u32)>> = BinaryHeap::new();
        let mut free: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
        let mut processes = 0;
        for (number, operation) in operations.into_iter().enumerate() {
            while let Some(&Reverse((end, process))) = busy.peek()
                && end < operation.from_ns
            {
                busy.pop();
                free.push(Reverse(process));
            }
            let process = free.pop().map_or_else(
                || {
                    processes += 1;
                    processes - 1
                },
                |Reverse(process)| process,
            );
            if let (Some(end), true) = (operation.to_ns, operation.outcome != "info") {
                busy.push(Reverse((end, process)));
            }
            let (key, user) = (names.name_session(&operation.key), names.name_session(&operation.user));
            let renamed = |names: &mut SessionNames, value: Value| match &value {
                Value::String(id) if operation.function == TraceFunction::Renew => {
                    json!(names.name_session(id))
                }
                Value::Array(parts) => match parts.as_slice() {
                    [Value::String(id), Value::String(text)] => {
                        json!(format!("{text} of {}", names.name_session(id)))
                    }
                    _ => value,
                },
                _ => value,
            };
            let asked = renamed(&mut names, operation.asked.clone());
            let answered = renamed(&mut names, operation.answered.clone());
            let event = |kind: &str, value: Value, time: i64| {
                let mut event = operation.fields.clone();
                event.insert("time".to_owned(), json!(time - zero));
                event.insert("process".to_owned(), json!(process));
                event.insert("session".to_owned(), json!(user));
                event.insert("type".to_owned(), json!(kind));
                event.insert("f".to_owned(), json!(operation.function.name()));
                event.insert("key".to_owned(), json!(key));
                event.insert("value".to_owned(), value);
                Value::Object(event)
            };
            events.push((operation.from_ns, false, number, event("invoke", asked, operation.from_ns)));
            if let Some(to) = operation.to_ns {
                events.push((to, true, number, event(operation.outcome, answered, to)));
            }
        }
        events.sort_by_key(|event| (event.0, event.1, event.2));
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
        let mut text = format!("{{\"steadfast\":1,{}}}\n", fields.join(","));
        for (.., event) in events {
            text.push_str(&event.to_string());
            text.push('\n');
        }
        text
    }

    /// Makes values those of their session, unless no two sessions write the same, and turns reads of values that no span wrote into
    /// touches. Returns how many there were. The operations are in order of time.
    fn settle_values(&self, operations: &mut [TracedOperation]) -> usize {
        // The first id of each session that was renewed.
        let mut roots: HashMap<String, String> = HashMap::new();
        for operation in operations.iter().filter(|operation| operation.function == TraceFunction::Renew) {
            if let Some(id) = operation.asked.as_str() {
                let root = roots.get(&operation.key).unwrap_or(&operation.key).clone();
                roots.insert(id.to_owned(), root);
            }
        }
        let settled = |key: &String, value: &Value| match value.as_str() {
            Some(text) if !self.unique_values => json!([roots.get(key).unwrap_or(key), text]),
            _ => value.clone(),
        };
        let is_write = |function| matches!(function, TraceFunction::Create | TraceFunction::Write);
        let mut written: HashSet<String> = HashSet::new();
        for operation in operations.iter_mut().filter(|operation| is_write(operation.function)) {
            operation.asked = settled(&operation.key, &operation.asked);
            operation.answered = operation.asked.clone();
            if operation.outcome != "fail" {
                written.insert(operation.asked.to_string());
            }
        }
        let mut unwritten = 0;
        let reads = |operation: &&mut TracedOperation| {
            operation.function == TraceFunction::Read && operation.answered != Value::Null
        };
        for operation in operations.iter_mut().filter(reads) {
            operation.answered = settled(&operation.key, &operation.answered);
            if !written.contains(&operation.answered.to_string()) {
                operation.function = TraceFunction::Touch;
                operation.answered = Value::Null;
                unwritten += 1;
            }
        }
        unwritten
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

/// The names of sessions in the history.
struct SessionNames {
    known: HashMap<String, String>,
    keep: bool,
}

impl SessionNames {
    fn name_session(&mut self, id: &str) -> String {
        if self.keep {
            return id.to_owned();
        }
        let next = self.known.len() + 1;
        self.known.entry(id.to_owned()).or_insert_with(|| format!("s-{next}")).clone()
    }
}
