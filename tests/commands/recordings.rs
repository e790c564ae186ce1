//! Recordings of which something is missing: what was lost is said, and nothing that was lost can look consistent.

use assert_cmd::Command;
use std::path::{Path, PathBuf};

fn check(history: &Path, code: i32) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let output = command.arg("check").arg(history).assert().code(code).get_output().clone();
    String::from_utf8(output.stdout).expect("text") + &String::from_utf8(output.stderr).expect("text")
}

/// Lines of a run in which nothing goes wrong, and a function that checks some of them.
fn recorded(folder: &Path) -> (Vec<String>, impl Fn(&[String], i32) -> String) {
    let path: PathBuf = folder.join("whole.jsonl");
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let words = ["record", "--replication", "quorum", "--faults", "none", "--duration", "1s", "--output"];
    command.args(words).arg(&path).assert().code(0);
    let text = std::fs::read_to_string(&path).expect("a history");
    let lines = text.lines().map(str::to_owned).collect();
    let folder = folder.to_owned();
    let check_lines = move |lines: &[String], code| {
        let path = folder.join("cut.jsonl");
        std::fs::write(&path, lines.join("\n") + "\n").expect("written");
        check(&path, code)
    };
    (lines, check_lines)
}

/// Whichever line is gone: half of an operation, a fault, a whole operation. The first and the last are told by
/// others: a header that is gone leaves a history of somebody else, an end that is gone is cut short.
#[test]
fn a_line_that_is_missing_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, check_lines) = recorded(folder.path());
    assert!(!check_lines(&lines, 0).contains("cut short"));
    for gone in [1, 2, lines.len() / 3, lines.len() / 2, lines.len() - 3] {
        let mut rest = lines.clone();
        rest.remove(gone);
        let said = check_lines(&rest, 2);
        let says = format!("expected the index {}: this recording has every event", gone - 1);
        assert!(said.contains(&says), "{gone}: {said}");
    }
    // Both halves of one operation: nothing but the indexes tells.
    let invoke =
        lines.iter().position(|line| line.contains("\"read\"") && line.contains("invoke")).expect("a read");
    let process =
        lines[invoke].split("\"process\":").nth(1).and_then(|rest| rest.split(',').next()).expect("one");
    let of_process = |line: &&String| line.contains(&format!("\"process\":{process},"));
    let complete =
        invoke + 1 + lines[invoke + 1..].iter().position(|line| of_process(&line)).expect("its other half");
    let rest: Vec<String> = lines
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != invoke && *at != complete)
        .map(|(_, line)| line.clone())
        .collect();
    assert!(check_lines(&rest, 2).contains("this recording has every event"));
}

#[test]
fn two_lines_that_changed_places_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut lines, check_lines) = recorded(folder.path());
    let at = lines.len() / 2;
    lines.swap(at, at + 1);
    assert!(check_lines(&lines, 2).contains("this recording has every event"));
}

#[test]
fn a_recording_without_its_end_was_cut_short_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, check_lines) = recorded(folder.path());
    let said = check_lines(&lines[..lines.len() - 1], 0);
    let unwrapped = said.replace('\n', " ");
    assert!(
        unwrapped.contains(
            "note: the recording was cut short: it has no end event, and every operation has a completion"
        ),
        "{said}"
    );
    // After an invocation, one operation at least is open.
    let invoke = lines.iter().rposition(|line| line.contains("\"invoke\"")).expect("an invocation");
    let said = check_lines(&lines[..=invoke], 0);
    assert!(said.replace('\n', " ").contains("and 1 operation has no completion"), "{said}");
}
