//! The table of operations in text and on the page.

use super::describe;
use histories::{History, OpId, Outcome};

/// The columns of the table.
pub(crate) const COLUMNS: [&str; 9] =
    ["op", "session", "process", "node", "did", "outcome", "from", "to", "error"];
/// The column that describes the operation.
pub(crate) const DID: usize = 4;

/// The row of an operation, in the order of [`COLUMNS`].
pub(crate) fn operation_row(history: &History, id: OpId) -> Vec<String> {
    let op = history.operation(id);
    let time = |time: Option<i64>| time.map(describe::format_seconds).unwrap_or_default();
    let outcome = match op.outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    };
    let session = history.session_text(op.session);
    let own = session == format!("process {}", history.process_number(op.process));
    vec![
        history.operation_index(id).to_string(),
        if own { String::new() } else { describe::shorten_text(session) },
        history.process_number(op.process).to_string(),
        describe::note_field(history, id, "node").unwrap_or_default(),
        describe::operation_words(history, id),
        outcome.to_owned(),
        time(history.invoked_at(id)),
        time(history.completed_at(id)),
        describe::note_field(history, id, "error")
            .map(|error| describe::shorten_text(&error))
            .unwrap_or_default(),
    ]
}
