//! What the stack itself did, as its parts told the recorder: a mark for each change in the chart of the whole run, and a
//! table of them.

use super::clip_text;
use super::html::Html;
use crate::report::describe;
use histories::History;
use serde_json::Value;

/// The actor whose events these are.
const ACTOR: &str = "stack";
/// Changes in the table. A stack that flaps makes many.
const ROWS_MAX: usize = 60;

/// One change of what a part of the stack told.
pub(super) struct StackChange {
    pub(super) time_ns: Option<i64>,
    node: String,
    what: String,
    was: String,
    now: String,
}

impl StackChange {
    /// In words: `n2: role replica → primary`.
    pub(super) fn label(&self) -> String {
        format!("{}: {} {} → {}", self.node, self.what, self.was, self.now)
    }
}

/// The changes in their order. What a part told first is no change.
pub(super) fn find_changes(history: &History) -> Vec<StackChange> {
    let events = history.actor_events().iter().filter(|event| event.actor == ACTOR);
    let change = |event: &histories::ActorEvent| {
        let fields: Value = serde_json::from_str(&history.note(event.position)?.fields).ok()?;
        let was = shown(fields.get("was")?);
        let Value::Array(told) = serde_json::from_str(&event.value).ok()? else { return None };
        let [Value::String(node), now] = told.as_slice() else { return None };
        let (node, what, now) = (node.clone(), event.function.clone(), shown(now));
        Some(StackChange { time_ns: event.time, node, what, was, now })
    };
    events.filter_map(change).collect()
}

fn shown(value: &Value) -> String {
    clip_text(&value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// The table of the changes; nothing if there are none.
pub(super) fn write_changes_table(changes: &[StackChange], html: &mut Html) {
    if changes.is_empty() {
        return;
    }
    html.open_tag("details", &[]);
    html.add_leaf("summary", &[], format!("What the stack did: {} changes", changes.len()));
    html.open_tag("div", &[("class", &"scroll")]);
    html.open_tag("table", &[("class", &"levels")]);
    for change in changes.iter().take(ROWS_MAX) {
        html.open_tag("tr", &[]);
        html.add_leaf("td", &[], change.time_ns.map_or_else(String::new, describe::format_seconds));
        html.add_leaf("td", &[], clip_text(&change.node));
        html.add_leaf("td", &[], clip_text(&change.what));
        html.add_leaf("td", &[], format!("{} → {}", change.was, change.now));
        html.close_tag("tr");
        html.break_line();
    }
    html.close_tag("table");
    html.close_tag("div");
    if changes.len() > ROWS_MAX {
        html.add_leaf("p", &[("class", &"quiet")], format!("The first {ROWS_MAX} are shown."));
    }
    html.close_tag("details");
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    /// What a part tells first is how the stack stood when the run began, and nothing that it did.
    #[test]
    fn changes_are_told_and_first_answers_are_not() {
        let line = |f: &str, value: &str, more: &str| {
            format!(r#"{{"time":5,"process":"stack","type":"info","f":"{f}","value":{value}{more}}}"#)
        };
        let text = [
            line("role", r#"["n2","replica"]"#, ""),
            line("role", r#"["n2","primary"]"#, r#","was":"replica""#),
            line("epoch", r#"["sentinel 1",2]"#, r#","was":1"#),
        ];
        let history = from_text(Format::Native, &text.join("\n")).expect("a history");
        let labels: Vec<String> = find_changes(&history).iter().map(StackChange::label).collect();
        assert_eq!(labels, ["n2: role replica → primary", "sentinel 1: epoch 1 → 2"]);
        assert!(histories::faults::fault_episodes(&history).is_empty(), "they are no faults");
    }
}
