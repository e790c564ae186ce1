//! Describes one operation in words and in the notation of histories.

use histories::{Argument, Function, History, KeyId, MicroKind, OpId, Outcome, ValueId};

/// The longest value that is shown in full.
const VALUE_CHARS_MAX: usize = 24;

/// Describes an operation in words: `write 2`, `read 1`, `compare-and-set 1 to 2`.
pub(crate) fn operation_words(history: &History, id: OpId) -> String {
    let op = history.operation(id);
    let shown = |value| format_value(history.value_text(value));
    let known = op.outcome == Outcome::Ok;
    match op.argument {
        Argument::Pair(old, new) => format!("compare-and-set {} to {}", shown(old), shown(new)),
        Argument::Micros(_) => format!("txn {}", format_micros(history, id)),
        Argument::Value(value) => {
            let name = history.function_name(op.function);
            let answer = is_about_result(op.function);
            match (answer, known, value != ValueId::NULL) {
                (true, true, _) => {
                    format!("{name} {}", result_with_argument(history, op.function, value, &shown(op.result)))
                }
                (true, false, _) | (false, _, false) => name.to_owned(),
                (false, _, true) => format!("{name} {}", shown(value)),
            }
        }
    }
}

/// Describes an operation in the notation of drawings: `w2`, `r1`, `c1>2`, `enqueue:1`.
pub(crate) fn operation_notation(history: &History, id: OpId) -> String {
    let op = history.operation(id);
    let bare = |value: ValueId| match history.value_text(value) {
        "null" => "_".to_owned(),
        text => format_value(text).trim_matches('"').replace(", ", ","),
    };
    let known = op.outcome == Outcome::Ok;
    match op.argument {
        Argument::Pair(old, new) => format!("c{}>{}", bare(old), bare(new)),
        Argument::Micros(_) => format!("t {}", format_micros(history, id)),
        Argument::Value(value) => match op.function {
            Function::WRITE => format!("w{}", bare(value)),
            Function::READ if known => format!("r{}", bare(op.result)),
            Function::READ => "r_".to_owned(),
            function if is_about_result(function) && known => {
                format!("{}:{}", history.function_name(function), bare(op.result))
            }
            function if value == ValueId::NULL => history.function_name(function).to_owned(),
            function => format!("{}:{}", history.function_name(function), bare(value)),
        },
    }
}

/// The key as part of a sentence: ` of cart`. Empty if the history has one unnamed object.
pub(crate) fn key_phrase(history: &History, key: KeyId) -> String {
    match history.key_text(key) {
        "" => String::new(),
        key => format!(" of {}", shorten_text(key)),
    }
}

/// Reads a field from the notes of an operation's events, such as its node or its error.
pub(crate) fn note_field(history: &History, id: OpId, name: &str) -> Option<String> {
    let op = history.operation(id);
    let positions = [op.completed, op.invoked];
    positions.into_iter().find_map(|position| event_field(history, position, name))
}

/// Reads a field from the notes of an event.
pub(crate) fn event_field(history: &History, position: u32, name: &str) -> Option<String> {
    let fields: serde_json::Value = serde_json::from_str(&history.note(position)?.fields).ok()?;
    match fields.get(name)? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Formats a time on the history's clock in seconds.
pub(crate) fn format_seconds(nanoseconds: i64) -> String {
    format!("{:.6} s", nanoseconds as f64 / 1e9)
}

/// Formats a value: for the payload of a session its version; for several fields each name with its version.
pub(crate) fn format_value(text: &str) -> String {
    format_payload(text).unwrap_or_else(|| shorten_text(text))
}

fn format_payload(text: &str) -> Option<String> {
    if !text.starts_with('{') {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    if let Some(fields) = value.get("fields").and_then(serde_json::Value::as_object) {
        let set = fields.iter().filter(|(_, part)| !part.is_null());
        let parts: Option<Vec<String>> =
            set.map(|(name, part)| format_payload_part(part).map(|part| format!("{name}={part}"))).collect();
        return Some(parts?.join(", "));
    }
    let part = format_payload_part(&value)?;
    let field = value.get("field").and_then(serde_json::Value::as_str);
    Some(field.map_or_else(|| part.clone(), |field| format!("{field}={part}")))
}

fn format_payload_part(value: &serde_json::Value) -> Option<String> {
    if value.get("torn").is_some() {
        return Some("torn".to_owned());
    }
    Some(format!("v{}", value.get("version")?.as_u64()?))
}

/// Shortens a long text in the middle.
pub(crate) fn shorten_text(text: &str) -> String {
    let count = text.chars().count();
    if count <= VALUE_CHARS_MAX {
        return text.to_owned();
    }
    let half = VALUE_CHARS_MAX / 2 - 1;
    let start: String = text.chars().take(half).collect();
    let end: String = text.chars().skip(count - half).collect();
    format!("{start}..{end}")
}

/// Whether an operation is described by its result rather than by its argument.
pub(super) fn is_about_result(function: Function) -> bool {
    matches!(
        function,
        Function::READ | Function::GET | Function::DEQUEUE | Function::POP | Function::CONTAINS
    )
}

/// The result, with the element that it is about. Some formats repeat the result of a read in its invocation, so the
/// argument of a read is ignored.
fn result_with_argument(history: &History, function: Function, argument: ValueId, result: &str) -> String {
    match (function, argument) {
        (Function::READ | Function::GET, _) | (_, ValueId::NULL) => result.to_owned(),
        (_, argument) => format!("{} = {result}", shorten_text(history.value_text(argument))),
    }
}

fn format_micros(history: &History, id: OpId) -> String {
    let one = |micro: &histories::Micro| {
        let key = history.key_text(micro.key);
        let value = |value: ValueId| match history.value_text(value) {
            "null" => "_".to_owned(),
            text => text.trim_matches('"').to_owned(),
        };
        match micro.kind {
            MicroKind::Read => format!("r{key}{}", value(micro.value())),
            MicroKind::Write => format!("w{key}{}", value(micro.value())),
            MicroKind::Append => format!("a{key}{}", value(micro.value())),
            MicroKind::ReadList => {
                let elements: Vec<String> = history.list(micro.list()).iter().map(|&v| value(v)).collect();
                format!("r{key}({})", elements.join(","))
            }
        }
    };
    history.micros_of(id).iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    fn all(drawing: &str, say: impl Fn(&History, OpId) -> String) -> Vec<String> {
        let history = parse(drawing).expect("a drawing");
        history.ids().map(|id| say(&history, id)).collect()
    }

    #[test]
    fn says_what_was_done_and_what_came_back() {
        let drawing = "a: [w1] [r1] [r_] [c1>2 ! [r1 ? [acquire] [dequeue:4]";
        assert_eq!(
            all(drawing, operation_words),
            ["write 1", "read 1", "read null", "compare-and-set 1 to 2", "read", "acquire", "dequeue 4 = 4"]
        );
    }

    #[test]
    fn the_notation_is_the_one_that_is_parsed() {
        let drawing = "a: [w1] [r1] [r_] [c1>2 ! [acquire] [enqueue:4]";
        assert_eq!(all(drawing, operation_notation), ["w1", "r1", "r_", "c1>2", "acquire", "enqueue:4"]);
    }

    #[test]
    fn long_values_lose_their_middle() {
        assert_eq!(shorten_text("abcdefghijklmnopqrstuvwxyz"), "abcdefghijk..pqrstuvwxyz");
        assert_eq!(shorten_text("äöü"), "äöü");
    }
}
