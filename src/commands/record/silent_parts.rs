//! Finds parts of a stack that did not answer at the end of a run.
//!
//! A server that has died by itself, or that never answered, makes operations fail, which is no violation. Without a word about it, the
//! run looks like one of the whole stack.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

/// What an event of the stack about answers has in its line.
const MARK: &str = "\"f\":\"answers\"";
/// The most parts that are named.
const NAMED_MAX: usize = 20;

/// The parts whose last answer to the recorder is that they do not answer, each as a sentence. O(bytes).
pub(super) fn find_silent_parts(recording: &Path) -> Vec<String> {
    let Ok(file) = File::open(recording) else { return Vec::new() };
    // For each part that is silent: since when, and whether it answered before.
    let mut silent: BTreeMap<String, (u64, bool)> = BTreeMap::new();
    for line in BufReader::new(file).split(b'\n').map_while(Result::ok) {
        if !std::str::from_utf8(&line).is_ok_and(|line| line.contains(MARK)) {
            continue;
        }
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
        let [Some(part), Some(answers)] = [0, 1].map(|at| event["value"][at].as_str()) else { continue };
        if event["process"] != "stack" {
            continue;
        }
        match answers {
            "no" => drop(
                silent
                    .entry(part.to_owned())
                    .or_insert_with(|| (event["time"].as_u64().unwrap_or(0), event.get("was").is_some())),
            ),
            _ => drop(silent.remove(part)),
        }
    }
    silent
        .iter()
        .take(NAMED_MAX)
        .map(|(part, &(since_ns, answered))| describe_silent(part, since_ns, answered))
        .collect()
}

fn describe_silent(part: &str, since_ns: u64, answered: bool) -> String {
    let since = workloads::format_duration(Duration::from_millis(since_ns / 1_000_000));
    match answered {
        true => format!(
            "{part} has not answered since {since} after the start of the run. Look whether it is still running"
        ),
        false => {
            format!("{part} never answered. Look whether it is running, and whether its address is right")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_silent_if_its_last_answer_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run.jsonl");
        let event = |seconds: u64, part: &str, answers: &str, was: &str| {
            let time = seconds * 1_000_000_000;
            format!(
                "{{\"time\":{time},\"process\":\"stack\",\"type\":\"info\",\"f\":\"answers\",\"value\":[\"{part}\",\"{answers}\"]{was}}}\n"
            )
        };
        let (yes, no) = (",\"was\":\"yes\"", ",\"was\":\"no\"");
        let text = [
            event(0, "n1", "yes", ""),
            event(0, "n2", "no", ""),
            event(0, "n3", "no", ""),
            event(1, "n3", "yes", no),
            event(2, "n1", "no", yes),
            event(3, "n1", "yes", no),
            event(5, "n1", "no", yes),
        ];
        std::fs::write(&path, text.concat()).expect("a file");
        let found = find_silent_parts(&path);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("n1 has not answered since 5s"), "{found:?}");
        assert!(found[1].starts_with("n2 never answered"), "{found:?}");
    }
}
