//! The lines of a history file in which operations begin, for tools that show a finding in its file.

use histories::{History, OpId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// The fields by which the line of an operation is recognised.
#[derive(serde::Deserialize)]
struct EventHead {
    #[serde(rename = "type")]
    kind: Option<String>,
    f: Option<String>,
    steadfast: Option<Value>,
}

/// The lines, from one, in which operations of a history begin.
#[derive(Default)]
pub(crate) struct EventLines(BTreeMap<OpId, usize>);

impl EventLines {
    /// Looks the operations up in the file with this name. Only files of JSON Lines have a line for each event; for others, and where the
    /// line has another event than the operation, nothing is found. Reads the file up to the last of the operations.
    pub(crate) fn find_in_file(name: &str, history: &History, operations: &[OpId]) -> Self {
        let mut wanted: BTreeMap<u32, OpId> =
            operations.iter().map(|&op| (history.operation(op).invoked, op)).collect();
        let Some(file) = File::open(name).ok().filter(|_| !wanted.is_empty()) else { return Self::default() };
        let (mut reader, mut line) = (BufReader::new(file), Vec::new());
        let (mut found, mut position) = (BTreeMap::new(), 0u32);
        for number in 1.. {
            line.clear();
            if wanted.is_empty() || !reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                break;
            }
            let text = line.trim_ascii();
            match text.first() {
                None => continue,
                Some(b'{') => {}
                // Another format.
                Some(_) => break,
            }
            let parse = || serde_json::from_slice::<EventHead>(text).ok();
            if position == 0 && parse().is_some_and(|head| head.steadfast.is_some() && head.kind.is_none()) {
                continue;
            }
            if let Some(op) = wanted.remove(&position) {
                let function = history.function_name(history.function(op));
                let fits = |head: EventHead| {
                    head.kind.as_deref() == Some("invoke") && head.f.is_some_and(|f| f == function)
                };
                if parse().is_some_and(fits) {
                    found.insert(op, number);
                }
            }
            position += 1;
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
        // In another file there are other events.
        std::fs::write(file.path(), text.replace("invoke", "ok")).expect("it is written");
        let lines = EventLines::find_in_file(name, &history, &all);
        assert!(all.iter().all(|&op| lines.line_of(op).is_none()));
        let lines = EventLines::find_in_file("-", &history, &all);
        assert!(all.iter().all(|&op| lines.line_of(op).is_none()));
    }
}
