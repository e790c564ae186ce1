//! The lines of a history file in which operations begin, for tools that show a finding in its file.

use histories::{History, OpId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// The longest line that is looked at. The events of a longer one are not found.
const LINE_BYTES_MAX: u64 = 1 << 26;

/// The fields by which the line of an operation is recognised.
#[derive(serde::Deserialize)]
struct EventHead {
    #[serde(rename = "type")]
    kind: Option<String>,
    f: Option<String>,
    index: Option<u64>,
    steadfast: Option<Value>,
}

/// The lines, from one, in which operations of a history begin.
#[derive(Default)]
pub(crate) struct EventLines(BTreeMap<OpId, usize>);

impl EventLines {
    /// Looks the operations up in the file with this name. Only files of JSON Lines have a line for each event; for others, for standard
    /// input, and where the line has another event than the operation, nothing is found. An event has the index that its line states, or
    /// else the one after the event before it, also where the history is a part of what the file has. Reads the file up to the last of
    /// the operations.
    pub(crate) fn find_in_file(name: &str, history: &History, operations: &[OpId]) -> Self {
        let mut wanted: BTreeMap<u64, OpId> =
            operations.iter().map(|&op| (history.operation_index(op), op)).collect();
        let is_looked_up = !wanted.is_empty() && name != "-";
        let Some(file) = is_looked_up.then(|| File::open(name).ok()).flatten() else {
            return Self::default();
        };
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        let (mut found, mut next) = (BTreeMap::new(), 0u64);
        for number in 1.. {
            line.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if wanted.is_empty() || !read.is_ok_and(|bytes| bytes > 0) {
                break;
            }
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let Ok(head) = serde_json::from_slice::<EventHead>(text) else { break };
            if head.steadfast.is_some() && head.kind.is_none() {
                continue;
            }
            let index = head.index.unwrap_or(next);
            next = index.saturating_add(1);
            if let Some(op) = wanted.remove(&index) {
                let function = history.function_name(history.function(op));
                if head.kind.as_deref() == Some("invoke") && head.f.is_some_and(|f| f == function) {
                    found.insert(op, number);
                }
            }
        }
        Self(found)
    }

    /// The line of an operation.
    pub(crate) fn line_of(&self, op: OpId) -> Option<usize> {
        self.0.get(&op).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::format::{Format, from_text};

    #[test]
    fn the_line_of_an_operation_is_that_of_its_invocation() {
        let event = |process: u32, kind: &str, value: &str| {
            format!(r#"{{"process":{process},"type":"{kind}","f":"write","value":{value}}}"#)
        };
        let events =
            [event(0, "invoke", "1"), event(1, "invoke", "2"), event(0, "ok", "1"), event(1, "ok", "2")];
        let (first, rest) = events.split_first().expect("four");
        let text = format!("{{\"steadfast\":1}}\n{first}\n\n{}\n", rest.join("\n"));
        let history = from_text(Format::Native, &text).expect("a history");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), &text).expect("it is written");
        let name = file.path().to_str().expect("a name");
        let all: Vec<OpId> = history.ids().collect();
        let lines = EventLines::find_in_file(name, &history, &all);
        assert_eq!(all.iter().map(|&op| lines.line_of(op)).collect::<Vec<_>>(), [Some(2), Some(4)]);
        // The part that shows a violation is looked up in the file of the whole.
        let part = history.restrict_to(&all[1..]);
        let rest: Vec<OpId> = part.ids().collect();
        let lines = EventLines::find_in_file(name, &part, &rest);
        assert_eq!(rest.iter().map(|&op| lines.line_of(op)).collect::<Vec<_>>(), [Some(4)]);
        // In another file there are other events.
        std::fs::write(file.path(), text.replace("invoke", "ok")).expect("it is written");
        let lines = EventLines::find_in_file(name, &history, &all);
        assert!(all.iter().all(|&op| lines.line_of(op).is_none()));
        let lines = EventLines::find_in_file("-", &history, &all);
        assert!(all.iter().all(|&op| lines.line_of(op).is_none()));
    }
}
