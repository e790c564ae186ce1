//! Writes a history as spans.

use super::{HEADER, HEAL, IN_ATTRIBUTES, INVOKE, OURS, TIMES, ZERO};
use crate::events::Event;
use crate::faults::{FaultEnd, fault_episodes};
use crate::format::datum::{Datum, DatumKind, Strictness, write_canonical, write_quoted};
use crate::format::json;
use crate::format::write::{argument_json, result_json, session_name};
use crate::{ActorEvent, History, KeyId, OpId, Outcome};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The number of spans per line. A request is then about half a megabyte, far below the limits of collectors.
const SPANS_PER_LINE: usize = 500;

/// Writes a history as OTLP/JSON, one request per line, as the file exporter of a collector does. `zero_unix_ns` is the
/// time of the history's zero, in ns since 1970.
///
/// # Errors
/// The errors of [`OtlpLines`], such as `InvalidData` where spans cannot represent the history, and errors of the
/// writer.
pub fn write_otlp(history: &History, zero_unix_ns: u64, mut to: impl Write) -> io::Result<()> {
    for line in OtlpLines::new(history, zero_unix_ns)? {
        to.write_all(line?.as_bytes())?;
        to.write_all(b"\n")?;
    }
    to.flush()
}

/// The time at which the clock of a recording was zero, in ns since 1970, if its header has it.
pub fn began_unix_ns(history: &History) -> Option<u64> {
    let header: BTreeMap<String, &RawValue> = serde_json::from_str(history.header()?).ok()?;
    header.get("began_unix_ns")?.get().parse().ok()
}

/// An iterator over the requests. Each is a JSON object that an OTLP/HTTP endpoint accepts.
pub struct OtlpLines<'h> {
    history: &'h History,
    /// The resource, which every request repeats.
    resource: String,
    scope: String,
    run: u64,
    zero_unix_ns: u64,
    timed: bool,
    spans: std::vec::IntoIter<WrittenSpan<'h>>,
    done: bool,
}

/// A span, made of one or two events.
#[derive(Clone, Copy)]
struct WrittenSpan<'h> {
    what: SpanContent<'h>,
    first: u32,
    second: Option<u32>,
    /// The number of the span, from one; operations and faults are counted separately.
    number: u64,
}

#[derive(Clone, Copy)]
enum SpanContent<'h> {
    Operation(OpId),
    Fault(&'h ActorEvent, Option<&'h ActorEvent>),
}

impl<'h> OtlpLines<'h> {
    /// Prepares the requests of a history. O(events) at once, because each fault has to find its end.
    ///
    /// # Errors
    /// `InvalidData` if the indexes of the history do not grow, because spans cannot represent that. A line can have
    /// the same error: a note of a completion may have a name that spans use for something else.
    pub fn new(history: &'h History, zero_unix_ns: u64) -> io::Result<Self> {
        let mut indexes = (0..history.event_count()).map(|position| history.event_index(position));
        let mut last = indexes.next();
        for index in indexes {
            if last >= Some(index) {
                let why =
                    format!("its indexes do not grow: {index} comes after {}", last.unwrap_or_default());
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            last = Some(index);
        }
        let spans = collect_spans(history);
        let timed = spans.iter().all(|span| span.is_timed(history));
        let header: BTreeMap<String, &RawValue> =
            history.header().and_then(|header| serde_json::from_str(header).ok()).unwrap_or_default();
        let seed = header.get("seed").and_then(|seed| seed.get().parse::<u64>().ok());
        // The same number as in the recorder's own traces. A history without a seed gets a number derived from its
        // content.
        let run = seed.map_or_else(|| history_checksum(history), |seed| seed.wrapping_add(1)).max(1);
        let mut attributes = vec![text_attribute("service.name", "steadfast")];
        for (name, value) in
            [("service.version", "version"), ("steadfast.store", "store"), ("steadfast.seed", "seed")]
        {
            if let Some(found) = header.get(value) {
                attributes.push(json_attribute(name, found.get()));
            }
        }
        if let Some(header) = history.header() {
            attributes.push(text_attribute(HEADER, header));
        }
        attributes.push(json_attribute(ZERO, &zero_unix_ns.to_string()));
        if !timed {
            attributes.push(text_attribute(TIMES, IN_ATTRIBUTES));
        }
        let resource = format!("{{\"attributes\":[{}]}}", attributes.join(","));
        let scope = "{\"name\":\"steadfast\"}".to_owned();
        Ok(Self { history, resource, scope, run, zero_unix_ns, timed, spans: spans.into_iter(), done: false })
    }

    fn write_span(&self, span: &WrittenSpan<'h>, text: &mut String) -> io::Result<()> {
        let (history, zero) = (self.history, self.zero_unix_ns);
        let mut attributes = Vec::new();
        let (name, trace, kind, error) = match span.what {
            SpanContent::Operation(id) => {
                let error = self.add_operation_attributes(id, span, &mut attributes)?;
                (history.written_function_name(id).to_owned(), self.trace_id(span), 3, error)
            }
            SpanContent::Fault(strike, heal) => {
                self.add_fault_attributes(strike, heal, span, &mut attributes)?;
                (strike.function.clone(), format!("{:016x}{:016x}", self.run, 1 << 63 | span.number), 1, None)
            }
        };
        let at = |time: Option<i64>, position: u32| match time.filter(|_| self.timed) {
            Some(time) => zero.saturating_add(time as u64),
            None => zero.saturating_add(u64::from(position)),
        };
        let (from, to) = span.event_times(history);
        let start = at(from, span.first);
        let end = match (span.second, span.what) {
            (Some(second), _) => Some(at(to, second)),
            (None, SpanContent::Fault(..)) => Some(start),
            (None, SpanContent::Operation(_)) => None,
        };
        let id = &trace[16..];
        write!(text, "{{\"traceId\":\"{trace}\",\"spanId\":\"{id}\",\"name\":").expect("text grows");
        write_quoted(&name, text);
        write!(text, ",\"kind\":{kind},\"startTimeUnixNano\":\"{start}\"").expect("text grows");
        if let Some(end) = end {
            write!(text, ",\"endTimeUnixNano\":\"{end}\"").expect("text grows");
        }
        write!(text, ",\"attributes\":[{}]", attributes.join(",")).expect("text grows");
        match span.what {
            SpanContent::Operation(id) if history.outcome(id) == Outcome::Ok => {
                text.push_str(",\"status\":{\"code\":1}")
            }
            SpanContent::Operation(_) if span.second.is_some() => {
                text.push_str(",\"status\":{\"code\":2,\"message\":");
                write_quoted(error.as_deref().unwrap_or(""), text);
                text.push('}');
            }
            _ => {}
        }
        text.push('}');
        Ok(())
    }

    /// The trace id of an operation: the one that its request carried, or else the one that it would have carried.
    fn trace_id(&self, span: &WrittenSpan<'_>) -> String {
        let noted =
            parse_notes(self.history, span.first).get("trace_id").and_then(|id| parse_json_string(id.get()));
        let is_id = |id: &String| {
            id.len() == 32
                && id.bytes().all(|byte| byte.is_ascii_hexdigit())
                && id[16..].bytes().any(|byte| byte != b'0')
        };
        noted.filter(is_id).unwrap_or_else(|| format!("{:016x}{:016x}", self.run, span.number))
    }

    /// Adds the attributes of an operation. Returns the error of the operation, if it has one.
    fn add_operation_attributes(
        &self,
        id: OpId,
        span: &WrittenSpan<'_>,
        to: &mut Vec<String>,
    ) -> io::Result<Option<String>> {
        let history = self.history;
        to.push(match history.process_label(history.process(id)) {
            Some(name) => text_attribute("steadfast.process", name),
            None => {
                json_attribute("steadfast.process", &history.process_number(history.process(id)).to_string())
            }
        });
        if let Some(session) = session_name(history, id) {
            to.push(json_attribute("steadfast.session", session));
        }
        to.push(text_attribute("steadfast.f", history.written_function_name(id)));
        if history.key(id) != KeyId::NONE {
            to.push(json_attribute("steadfast.key", history.keys.text(history.key(id))));
        }
        let first = parse_notes(history, span.first);
        if !first.contains_key("value") {
            to.push(text_attribute("steadfast.invoke.value", &argument_json(history, id)));
        }
        self.add_event_attributes(true, span.first, history.invoked_at(id), &first, to)?;
        let Some(second) = span.second else { return Ok(None) };
        let kind = match history.outcome(id) {
            Outcome::Ok => "ok",
            Outcome::Fail => "fail",
            Outcome::Info => "info",
        };
        to.push(text_attribute("steadfast.type", kind));
        let last = parse_notes(history, second);
        if !last.contains_key("value") {
            to.push(text_attribute("steadfast.value", &result_json(history, id)));
        }
        if let Some(version) = history.version(id) {
            to.push(json_attribute("steadfast.version", &version.to_string()));
        }
        self.add_event_attributes(false, second, history.completed_at(id), &last, to)?;
        Ok(last
            .get("error")
            .map(|error| parse_json_string(error.get()).unwrap_or_else(|| error.get().to_owned())))
    }

    fn add_fault_attributes(
        &self,
        strike: &ActorEvent,
        heal: Option<&ActorEvent>,
        span: &WrittenSpan<'_>,
        to: &mut Vec<String>,
    ) -> io::Result<()> {
        to.push(text_attribute("steadfast.actor", &strike.actor));
        to.push(text_attribute("steadfast.f", &strike.function));
        to.push(text_attribute("steadfast.invoke.type", &strike.kind));
        to.push(text_attribute("steadfast.invoke.value", &strike.value));
        self.add_event_attributes(true, span.first, strike.time, &parse_notes(self.history, span.first), to)?;
        let (Some(heal), Some(second)) = (heal, span.second) else { return Ok(()) };
        to.push(text_attribute(&format!("{OURS}{HEAL}"), &heal.function));
        to.push(text_attribute("steadfast.type", &heal.kind));
        to.push(text_attribute("steadfast.value", &heal.value));
        self.add_event_attributes(false, second, heal.time, &parse_notes(self.history, second), to)
    }

    /// Adds the attributes that all events have: the index, the time if the span cannot hold it, and the further
    /// fields.
    fn add_event_attributes(
        &self,
        invokes: bool,
        position: u32,
        time: Option<i64>,
        notes: &BTreeMap<String, Box<RawValue>>,
        to: &mut Vec<String>,
    ) -> io::Result<()> {
        let prefix = if invokes { format!("{OURS}{INVOKE}") } else { OURS.to_owned() };
        to.push(json_attribute(&format!("{prefix}index"), &self.history.event_index(position).to_string()));
        if let Some(time) = time.filter(|_| !self.timed) {
            to.push(json_attribute(&format!("{prefix}time"), &time.to_string()));
        }
        for (name, value) in notes {
            if !invokes && (name == "actor" || name == HEAL || name.starts_with(INVOKE)) {
                let why = format!("a span has no room for the field {name:?} of a completion");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            to.push(match name.as_str() {
                // A `value` in the notes is still written as JSON in a string.
                "value" => text_attribute(&format!("{prefix}value"), value.get()),
                name => json_attribute(&format!("{prefix}{name}"), value.get()),
            });
        }
        Ok(())
    }
}

impl Iterator for OtlpLines<'_> {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        if self.done {
            return None;
        }
        let batch: Vec<WrittenSpan<'_>> = self.spans.by_ref().take(SPANS_PER_LINE).collect();
        self.done = batch.len() < SPANS_PER_LINE;
        let mut text = format!(
            "{{\"resourceSpans\":[{{\"resource\":{},\"scopeSpans\":[{{\"scope\":{},\"spans\":[",
            self.resource, self.scope
        );
        for (at, span) in batch.iter().enumerate() {
            text.push_str(if at > 0 { "," } else { "" });
            if let Err(why) = self.write_span(span, &mut text) {
                self.done = true;
                return Some(Err(why));
            }
        }
        text.push_str("]}]}]}");
        Some(Ok(text))
    }
}

impl WrittenSpan<'_> {
    fn event_times(&self, history: &History) -> (Option<i64>, Option<i64>) {
        match self.what {
            SpanContent::Operation(id) => (history.invoked_at(id), history.completed_at(id)),
            SpanContent::Fault(strike, heal) => (strike.time, heal.and_then(|heal| heal.time)),
        }
    }

    /// Whether the times of the span itself can hold the times of its events.
    fn is_timed(&self, history: &History) -> bool {
        match self.event_times(history) {
            (Some(from), _) if from < 0 => false,
            (Some(_), None) => self.second.is_none(),
            (Some(from), Some(to)) => from <= to,
            (None, _) => false,
        }
    }
}

/// The spans of a history, in the order of their beginnings. The span of a fault lasts from the first event of its
/// strike to the first event of its end. Each other event of an actor becomes a span without an end.
fn collect_spans(history: &History) -> Vec<WrittenSpan<'_>> {
    let mut spans: Vec<WrittenSpan<'_>> = Vec::with_capacity(history.len());
    let mut of_operation = vec![0; history.len()];
    let ends = assign_span_roles(history);
    let (mut operations, mut faults, mut actor_events) = (0, 0, 0);
    for (event, position) in history.events().zip(0..) {
        match event {
            Event::Invoke(id) => {
                operations += 1;
                of_operation[crate::Id::index(id)] = spans.len();
                let what = SpanContent::Operation(id);
                spans.push(WrittenSpan { what, first: position, second: None, number: operations });
            }
            Event::Complete(id) => spans[of_operation[crate::Id::index(id)]].second = Some(position),
            Event::Actor(event) => {
                let end = ends[actor_events];
                actor_events += 1;
                let end = match end {
                    SpanRole::End => continue,
                    SpanRole::Alone => None,
                    SpanRole::EndedBy(end) => Some(&history.actor_events()[end]),
                };
                faults += 1;
                let what = SpanContent::Fault(event, end);
                spans.push(WrittenSpan {
                    what,
                    first: position,
                    second: end.map(|e| e.position),
                    number: faults,
                });
            }
        }
    }
    spans
}

/// The role of an actor's event among the spans.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SpanRole {
    /// A span without an end.
    Alone,
    /// The beginning of a span that ends with the actor event of this index.
    EndedBy(usize),
    /// The end of another event's span.
    End,
}

/// Determines the role of each actor event. An event that ends several faults is the end of the oldest fault's span.
fn assign_span_roles(history: &History) -> Vec<SpanRole> {
    let mut roles = vec![SpanRole::Alone; history.actor_events().len()];
    for episode in fault_episodes(history) {
        if let FaultEnd::Seen(end) = episode.end
            && roles[end.first.event] == SpanRole::Alone
        {
            roles[end.first.event] = SpanRole::End;
            roles[episode.strike.first.event] = SpanRole::EndedBy(end.first.event);
        }
    }
    roles
}

fn parse_notes(history: &History, position: u32) -> BTreeMap<String, Box<RawValue>> {
    match history.note(position) {
        Some(note) => serde_json::from_str(&note.fields).expect("a note is a JSON object"),
        None => BTreeMap::new(),
    }
}

fn parse_json_string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// Formats an attribute with a string value.
fn text_attribute(name: &str, value: &str) -> String {
    let mut text = String::from("{\"key\":");
    write_quoted(name, &mut text);
    text.push_str(",\"value\":{\"stringValue\":");
    write_quoted(value, &mut text);
    text.push_str("}}");
    text
}

/// Formats an attribute with the value of a JSON text.
fn json_attribute(name: &str, json: &str) -> String {
    let mut text = String::from("{\"key\":");
    write_quoted(name, &mut text);
    text.push_str(",\"value\":");
    write_any_value(&json::parse_json(json, 0).expect("what a history holds is JSON"), &mut text);
    text.push('}');
    text
}

/// Writes a value in OTLP's types. The recursion is bounded, because the JSON reader limits the depth.
fn write_any_value(datum: &Datum<'_>, text: &mut String) {
    let mut plain = String::new();
    let name = match &datum.kind {
        DatumKind::Null => return text.push_str("{}"),
        DatumKind::List(items) | DatumKind::Set(items) => {
            text.push_str("{\"arrayValue\":{\"values\":[");
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                write_any_value(item, text);
            }
            return text.push_str("]}}");
        }
        DatumKind::Map(entries) => {
            text.push_str("{\"kvlistValue\":{\"values\":[");
            for (at, (key, value)) in entries.iter().enumerate() {
                text.push_str(if at > 0 { ",{\"key\":" } else { "{\"key\":" });
                write_canonical(key, Strictness::Lax, text).expect("lax text always works");
                text.push_str(",\"value\":");
                write_any_value(value, text);
                text.push('}');
            }
            return text.push_str("]}}");
        }
        DatumKind::Bool(_) => "boolValue",
        DatumKind::Float(_) => "doubleValue",
        DatumKind::Text(_) | DatumKind::Keyword(_) => "stringValue",
        // OTLP/JSON writes integers as strings, because many JSON readers are exact only up to 2^53.
        DatumKind::Int(_) | DatumKind::Odd { .. } => "intValue",
    };
    write_canonical(datum, Strictness::Lax, &mut plain).expect("lax text always works");
    match name {
        "intValue" => write!(text, "{{\"{name}\":\"{plain}\"}}").expect("text grows"),
        _ => write!(text, "{{\"{name}\":{plain}}}").expect("text grows"),
    }
}

/// A hash (Fowler, Noll & Vo) of the header and sizes of a history, to tell histories apart.
fn history_checksum(history: &History) -> u64 {
    let about = format!("{:?} {} {}", history.header(), history.event_count(), history.len());
    about
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
