//! The invocations of open operations as lines, which are put before the lines that complete them.

use histories::{Argument, History, KeyId, MicroKind, OpId, ValueId};
use serde_json::Value;

/// The process of an operation, as an event names it.
pub(crate) fn process_json(history: &History, id: OpId) -> String {
    let process = history.process(id);
    match history.process_label(process) {
        Some(label) => Value::from(label).to_string(),
        None => history.process_number(process).to_string(),
    }
}

/// The invocation of an operation as a line, without index, time and further fields: it only serves to pair the
/// completion.
pub(crate) fn invocation_line(history: &History, id: OpId) -> String {
    let process = process_json(history, id);
    let function = Value::from(history.written_function_name(id)).to_string();
    let mut line = format!("{{\"process\":{process},\"type\":\"invoke\",\"f\":{function}");
    // A session that the history does not name is called after its process, which is no JSON.
    let session = history.sessions.text(history.session(id));
    if serde_json::from_str::<Value>(session).is_ok() {
        line.push_str(&format!(",\"session\":{session}"));
    }
    if history.key(id) != KeyId::NONE {
        line.push_str(&format!(",\"key\":{}", history.keys.text(history.key(id))));
    }
    match history.argument(id) {
        Argument::Value(value) if value != ValueId::NULL => {
            line.push_str(&format!(",\"value\":{}", history.value_text(value)));
        }
        Argument::Pair(old, new) => {
            line.push_str(&format!(",\"value\":[{},{}]", history.value_text(old), history.value_text(new)));
        }
        Argument::Micros(_) => line.push_str(&format!(",\"value\":{}", micros_as_invoked(history, id))),
        Argument::Value(_) => {}
    }
    line.push('}');
    debug_assert!(!line.contains('\n'), "a line is one line");
    line
}

/// The micro-operations of a transaction without the results of its reads.
fn micros_as_invoked(history: &History, id: OpId) -> String {
    let micros = history.micros_of(id).iter().map(|micro| {
        let (name, value) = match micro.kind {
            MicroKind::Read | MicroKind::ReadList => ("r", "null"),
            MicroKind::Write => ("w", history.value_text(micro.value())),
            MicroKind::Append => ("append", history.value_text(micro.value())),
        };
        format!("[\"{name}\",{},{value}]", history.keys.text(micro.key))
    });
    format!("[{}]", micros.collect::<Vec<_>>().join(","))
}
