//! Formats a history as text for people.

use histories::{Argument, History, MicroKind, OpId};

/// Formats one line per operation: index, session, key, function, argument, result, positions, outcome and version.
pub fn draw_history(history: &History) -> String {
    history.operations().map(|op| draw_operation(history, op.id)).collect()
}

fn draw_operation(history: &History, id: OpId) -> String {
    let op = history.operation(id);
    let argument = match op.argument {
        Argument::Pair(old, new) => format!("{} > {}", history.value_text(old), history.value_text(new)),
        Argument::Value(value) => history.value_text(value).to_owned(),
        Argument::Micros(_) => draw_micros(history, id),
    };
    format!(
        "{}: {} {} {} {argument} -> {} [{}, {}] {:?} @{:?}{}\n",
        history.operation_index(id),
        history.session_text(op.session),
        history.key_text(op.key),
        history.function_name(op.function),
        history.value_text(op.result),
        op.invoked,
        op.completed as i32,
        op.outcome,
        history.version(id),
        history.note(op.invoked).map_or(String::new(), |note| format!(" {}", note.fields)),
    )
}

fn draw_micros(history: &History, id: OpId) -> String {
    let micro = |micro: &histories::Micro| {
        let key = history.key_text(micro.key);
        match micro.kind {
            MicroKind::ReadList => {
                let list = history.list(micro.list()).iter().map(|&value| history.value_text(value));
                format!("r {key} [{}]", list.collect::<Vec<_>>().join(","))
            }
            MicroKind::Read => format!("r {key} {}", history.value_text(micro.value())),
            MicroKind::Write => format!("w {key} {}", history.value_text(micro.value())),
            MicroKind::Append => format!("a {key} {}", history.value_text(micro.value())),
        }
    };
    history.micros_of(id).iter().map(micro).collect::<Vec<_>>().join("; ")
}
