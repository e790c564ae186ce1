//! Events as lines of JSON, written by hand: a line is made four hundred thousand times a second.

use super::{ERROR_CHARS, outcome_name};
use crate::Trace;
use histories::Outcome;
use workloads::{ClientOperation, Value, function_name};

/// An operation that is about to leave.
#[derive(Clone, Copy, Debug)]
pub struct Invoked<'a> {
    /// Who does it.
    pub process: u64,
    /// On whose behalf.
    pub session: &'a str,
    /// What is done.
    pub operation: &'a ClientOperation,
    /// When it should have begun, under an open load.
    pub intended_ns: Option<u64>,
    /// Who it is to those who trace it, where the store's protocol has room for that.
    pub trace: Option<Trace>,
}

/// An operation that has ended, one way or another.
#[derive(Clone, Copy, Debug)]
pub struct Completed<'a> {
    /// Who did it.
    pub process: u64,
    /// On whose behalf.
    pub session: &'a str,
    /// What was done.
    pub operation: &'a ClientOperation,
    /// How it ended.
    pub outcome: Outcome,
    /// What came back; none: the value of the operation is repeated.
    pub value: Option<&'a Value>,
    /// Which node answered.
    pub node: Option<&'a str>,
    /// The version that the store told.
    pub version: Option<i64>,
    /// The clock of the node, in ns since 1970.
    pub clock_ns: Option<i64>,
    /// What went wrong.
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

/// A JSON string. Nearly all of ours need no escape.
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
