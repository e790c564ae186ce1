//! Events as lines of JSON. The code is written by hand because a run writes up to four hundred thousand lines a
//! second.

use super::{ERROR_CHARS, outcome_name};
use crate::Trace;
use histories::Outcome;
use workloads::{ClientOperation, Value, function_name};

/// The invocation of an operation, before its request leaves.
#[derive(Clone, Copy, Debug)]
pub struct Invoked<'a> {
    /// The process that does it.
    pub process: u64,
    /// The session on whose behalf it is done.
    pub session: &'a str,
    /// The operation.
    pub operation: &'a ClientOperation,
    /// When the operation should have begun, under an open load.
    pub intended_ns: Option<u64>,
    /// The id of the operation in traces, if the store's protocol has room for one.
    pub trace: Option<Trace>,
}

/// The completion of an operation, whatever its outcome.
#[derive(Clone, Copy, Debug)]
pub struct Completed<'a> {
    /// The process that did it.
    pub process: u64,
    /// The session on whose behalf it was done.
    pub session: &'a str,
    /// The operation.
    pub operation: &'a ClientOperation,
    /// How it ended.
    pub outcome: Outcome,
    /// The result. `None` repeats the value of the operation.
    pub value: Option<&'a Value>,
    /// The node that answered.
    pub node: Option<&'a str>,
    /// The version that the store reported.
    pub version: Option<i64>,
    /// The clock of the node, in ns since 1970.
    pub clock_ns: Option<i64>,
    /// The error, if there was one.
    pub error: Option<&'a str>,
    /// Further fields.
    pub notes: &'a [(&'static str, Value)],
}

impl Invoked<'_> {
    pub(super) fn write_json(&self, index: u64, time_ns: u64, line: &mut String) {
        write_event_start(index, time_ns, line);
        write_client_fields(self.process, self.session, "invoke", self.operation, line);
        self.operation.value.write_json(line);
        if let Some(read) = &self.operation.based_on {
            line.push_str(",\"based_on\":");
            read.write_json(line);
        }
        if let Some(intended_ns) = self.intended_ns {
            line.push_str(",\"intended\":");
            write_number(intended_ns, line);
        }
        if let Some(trace) = self.trace {
            write_text_field("trace_id", &trace.trace_id(), line);
        }
        line.push('}');
    }
}

impl Completed<'_> {
    pub(super) fn write_json(&self, index: u64, time_ns: u64, line: &mut String) {
        write_event_start(index, time_ns, line);
        write_client_fields(self.process, self.session, outcome_name(self.outcome), self.operation, line);
        self.value.unwrap_or(&self.operation.value).write_json(line);
        if let Some(node) = self.node {
            write_text_field("node", node, line);
        }
        if let Some(version) = self.version {
            line.push_str(",\"version\":");
            Value::Int(version).write_json(line);
        }
        if let Some(clock_ns) = self.clock_ns {
            line.push_str(",\"clock\":");
            Value::Int(clock_ns).write_json(line);
        }
        if let Some(error) = self.error {
            write_error_field(error, line);
        }
        for (name, value) in self.notes {
            line.push_str(",\"");
            line.push_str(name);
            line.push_str("\":");
            value.write_json(line);
        }
        line.push('}');
    }
}

#[allow(clippy::too_many_arguments, reason = "the fields of one line, in their order")]
pub(super) fn write_actor(
    index: u64,
    time_ns: u64,
    actor: &str,
    function: &str,
    value: &Value,
    error: Option<&str>,
    more: &str,
    line: &mut String,
) {
    write_event_start(index, time_ns, line);
    write_json_string(actor, line);
    line.push_str(",\"type\":\"info\"");
    write_text_field("f", function, line);
    line.push_str(",\"value\":");
    value.write_json(line);
    if let Some(error) = error {
        write_error_field(error, line);
    }
    line.push_str(more);
    line.push('}');
}

fn write_event_start(index: u64, time_ns: u64, line: &mut String) {
    line.push_str("{\"index\":");
    write_number(index, line);
    line.push_str(",\"time\":");
    write_number(time_ns, line);
    line.push_str(",\"process\":");
}

fn write_client_fields(
    process: u64,
    session: &str,
    kind: &str,
    operation: &ClientOperation,
    line: &mut String,
) {
    write_number(process, line);
    write_text_field("session", session, line);
    line.push_str(",\"type\":\"");
    line.push_str(kind);
    line.push_str("\",\"f\":\"");
    line.push_str(function_name(operation.function));
    line.push('"');
    if let Some(key) = &operation.key {
        write_text_field("key", key, line);
    }
    line.push_str(",\"value\":");
}

fn write_text_field(name: &str, content: &str, line: &mut String) {
    line.push_str(",\"");
    line.push_str(name);
    line.push_str("\":");
    write_json_string(content, line);
}

fn write_error_field(error: &str, line: &mut String) {
    match error.char_indices().nth(ERROR_CHARS) {
        Some((end, _)) => write_text_field("error", &format!("{}…", &error[..end]), line),
        None => write_text_field("error", error, line),
    }
}

/// Writes a JSON string. Nearly all strings of a run need no escape.
fn write_json_string(content: &str, line: &mut String) {
    if content.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        line.push('"');
        line.push_str(content);
        line.push('"');
    } else {
        Value::from(content).write_json(line);
    }
}

fn write_number(number: u64, line: &mut String) {
    line.push_str(itoa::Buffer::new().format(number));
}
