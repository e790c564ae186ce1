//! `check --follow`: what it prints of a stream, when, and with which exit code.
//!
//! What must not happen: a violation that waits for the end of the stream, a stream that breaks and still *holds*, and
//! events that are lost when a file is rotated.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The write that is read, the write that replaces it, and the stale read.
const STALE: &str = r#"{"process":0,"session":"alice","type":"invoke","f":"write","key":"cart","value":1}
{"process":0,"session":"alice","type":"ok","f":"write","key":"cart","value":1}
{"process":0,"session":"alice","type":"invoke","f":"write","key":"cart","value":2}
{"process":0,"session":"alice","type":"ok","f":"write","key":"cart","value":2}
{"process":1,"session":"bob","type":"invoke","f":"read","key":"cart"}
{"process":1,"session":"bob","type":"ok","f":"read","key":"cart","value":1}
"#;

fn fresh() -> String {
    STALE
        .replace("\"f\":\"read\",\"key\":\"cart\",\"value\":1", "\"f\":\"read\",\"key\":\"cart\",\"value\":2")
}

fn start(args: &[&str], folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(["check", "--follow"]).args(args).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// The output and the exit code for a stream on standard input.
fn follow(text: &str, args: &[&str]) -> (String, String, Option<i32>) {
    let mut child = start(&[&["-"], args].concat(), Path::new("."));
    // The program may stop reading before the end.
    let _ = child.stdin.take().expect("a pipe").write_all(text.as_bytes());
    told(child.wait_with_output().expect("it ends"))
}

fn told(output: Output) -> (String, String, Option<i32>) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn check(text: &str) -> Option<i32> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("run.jsonl"), text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(["check", "run.jsonl"]).current_dir(folder.path());
    command.output().expect("it runs").status.code()
}

#[test]
fn the_verdicts_and_exit_codes_are_those_of_check() {
    let unread: String = STALE.lines().take(4).map(|line| format!("{line}\n")).collect();
    for (text, code, says) in [
        (STALE.to_owned(), 1, "violated  linearizable         certain since event 5"),
        (fresh(), 0, "holds     linearizable"),
        (unread, 3, "untested  linearizable"),
    ] {
        let (out, err, found) = follow(&text, &[]);
        assert_eq!((found, check(&text)), (Some(code), Some(code)), "{out}{err}");
        assert!(out.contains(says), "{says}: {out}");
        assert_eq!(code == 1, out.contains("stale-read on cart"), "{out}");
    }
}

#[test]
fn a_violation_is_printed_within_a_second_while_the_stream_goes_on() {
    let mut child = start(&["--format", "json", "-"], Path::new("."));
    let mut pipe = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    // The program has started when it has read this much.
    pipe.write_all(STALE.as_bytes()).expect("it reads");
    pipe.flush().expect("it reads");
    let line = lines.next().expect("a line").expect("text");
    assert!(line.contains("\"verdict\":\"violated\"") && line.contains("stale-read"), "{line}");
    // The stream is still open, and later events do not change the verdict.
    pipe.write_all(fresh().as_bytes()).expect("it still reads");
    drop(pipe);
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert!(rest.last().is_some_and(|last| last.contains("\"followed\":true")), "{rest:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
}

#[test]
fn a_stream_that_breaks_does_not_hold() {
    let cut = &fresh()[..fresh().len() - 20];
    let orphan = format!(
        "{}{}",
        fresh(),
        "{\"process\":7,\"type\":\"ok\",\"f\":\"read\",\"key\":\"cart\",\"value\":2}\n"
    );
    let cas = format!(
        "{}{}",
        fresh(),
        "{\"process\":7,\"type\":\"invoke\",\"f\":\"cas\",\"key\":\"cart\",\"value\":[2,3]}\n"
    );
    let two = format!(
        "{}{}",
        "{\"index\":5,\"process\":8,\"type\":\"invoke\",\"f\":\"read\"}\n",
        "{\"index\":5,\"process\":9,\"type\":\"invoke\",\"f\":\"read\"}\n"
    );
    for (text, says) in [
        (cut, "line 6: the stream ends in the middle of this line"),
        (&orphan, "line 7: "),
        (&cas, "offline only"),
        (&two, "expected"),
    ] {
        let (out, err, code) = follow(text, &[]);
        assert_eq!(code, Some(2), "{out}{err}");
        assert!(err.contains(says), "{says}: {err}");
        assert!(out.contains("unknown   linearizable") && !out.contains("holds "), "{out}");
    }
    // What was violated before the stream broke stays violated.
    let (out, err, code) = follow(&format!("{STALE}nonsense\n"), &[]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains("line 7"), "{err}");
    let (out, err, code) = follow(cut, &["--lenient"]);
    assert_eq!(code, Some(3), "the only read was dropped: {out}{err}");
    assert!(err.contains("--lenient"), "{err}");
}

#[test]
fn a_clock_that_goes_back_is_said_once_and_changes_no_verdict() {
    let times = [5, 6, 2, 3, 8, 1];
    let timed = |text: &str| -> String {
        let lines = text.lines().zip(times);
        lines.map(|(line, time)| line.replace('}', &format!(",\"time\":{time}000000000}}\n"))).collect()
    };
    for (text, code, says) in
        [(fresh(), 0, "holds     linearizable"), (STALE.to_owned(), 1, "violated  linearizable")]
    {
        let (out, err, found) = follow(&timed(&text), &[]);
        assert_eq!(found, Some(code), "{out}{err}");
        assert!(out.contains(says), "{out}");
        assert_eq!(err.matches("before that of an earlier event").count(), 1, "{err}");
        assert!(err.contains("the time of event 2"), "{err}");
    }
}

/// Two writers that do not know of one another: indexes that do not grow, one process that does two things, and lines that
/// are mixed with one another.
#[test]
fn two_writers_into_one_file_are_noticed() {
    let numbered = |text: &str, process: u32| -> Vec<String> {
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| {
                let line = line.replace("\"process\":0", &format!("\"process\":{process}"));
                line.replacen('{', &format!("{{\"index\":{index},"), 1) + "\n"
            })
            .collect()
    };
    let alternate = |first: Vec<String>, second: Vec<String>| -> String {
        first.into_iter().zip(second).flat_map(|(one, other)| [one, other]).collect()
    };
    let indexed = alternate(numbered(&fresh(), 5), numbered(&fresh(), 6));
    let plain = |text: &str| text.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>();
    let same_process = alternate(plain(&fresh()), plain(&fresh()));
    let mixed = fresh().replacen("\"key\":\"cart\",\"value\":2}\n", "\"key\":{\"process\":9,\"ty", 1);
    for (text, says) in [(indexed, "line 2: "), (same_process, "line 2: "), (mixed, "line 3: ")] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("run.jsonl"), &text).expect("a file");
        let (out, err, code) =
            told(start(&["run.jsonl"], folder.path()).wait_with_output().expect("it ends"));
        assert_eq!(code, Some(2), "{out}{err}");
        assert!(err.contains(says) && err.contains("Nothing after this is judged"), "{says}: {err}");
        assert!(out.contains("unknown   linearizable") && !out.contains("holds "), "{out}");
    }
}

#[test]
fn causal_levels_are_judged_while_the_stream_goes_on() {
    let swapped = STALE.replace("\"session\":\"bob\"", "\"session\":\"alice\"");
    let asked = ["--consistency", "causal,causal-convergence,linearizable"];
    let (out, err, code) = follow(&swapped, &asked);
    assert_eq!(code, Some(1), "{out}{err}");
    for level in ["violated  causal ", "violated  causal-convergence ", "violated  linearizable "] {
        assert!(out.contains(level), "{level}: {out}");
    }
    assert!(out.contains("overwritten-read (WriteCORead) on cart"), "{out}");
    let (out, err, code) = follow(STALE, &["--consistency", "causal,causal-convergence"]);
    assert_eq!(code, Some(0), "no causal order leads from one session to the other: {out}{err}");
    assert!(out.contains("Each verdict assumes that no read returned a value"), "{out}");
}

#[test]
fn what_needs_the_whole_history_is_refused() {
    for (args, says) in [
        (&["--consistency", "causal-memory"][..], "offline only"),
        (&["--model", "queue"][..], "offline only"),
        (&["--assume", "linearizable-keys"][..], "offline only"),
        (&["--certificate", "proof.json"][..], "--certificate"),
        (&["--format", "junit"][..], "--format"),
    ] {
        let (out, err, code) = follow(STALE, args);
        assert_eq!(code, Some(2), "{args:?}: {out}{err}");
        assert!(err.contains(says), "{says}: {err}");
    }
}

/// Waits until the program has printed something, at most 30 seconds.
fn read_until(reader: &mut impl BufRead, what: &str) -> String {
    let (began, mut text) = (Instant::now(), String::new());
    while !text.contains(what) && began.elapsed() < Duration::from_secs(30) {
        let mut line = String::new();
        if reader.read_line(&mut line).expect("text") == 0 {
            break;
        }
        text.push_str(&line);
    }
    assert!(text.contains(what), "{what}: {text}");
    text
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
}

#[test]
fn a_file_is_followed_while_it_grows_and_across_a_rotation() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    let (first, second) = STALE.split_at(STALE.match_indices('\n').nth(2).expect("three lines").0 + 1);
    std::fs::write(&path, first).expect("a file");
    let mut child = start(&["run.jsonl"], folder.path());
    let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
    std::thread::sleep(Duration::from_millis(300));
    // One line more in the old file, which must not be lost, and the rest in a new one.
    let (old, new) = second.split_at(second.find('\n').expect("a line") + 1);
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("a file");
    file.write_all(old.as_bytes()).expect("it is written");
    std::fs::rename(&path, folder.path().join("run.1")).expect("it is renamed");
    std::fs::write(&path, new).expect("a file");
    read_until(&mut err, "was replaced");
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut text = read_until(&mut out, "stale-read");
    interrupt(&child);
    out.read_to_string(&mut text).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{text}");
    assert!(text.contains("6 events"), "{text}");
}

#[test]
fn a_file_that_becomes_shorter_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    std::fs::write(&path, fresh()).expect("a file");
    let child = start(&["run.jsonl"], folder.path());
    std::thread::sleep(Duration::from_millis(700));
    std::fs::write(&path, "").expect("a file");
    let (out, err, code) = told(child.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(err.contains("became shorter"), "{err}");
    assert!(out.contains("unknown   linearizable"), "{out}");
}

/// A recording ends with an event of the recorder; nobody has to press Ctrl-C then.
#[test]
fn a_recording_that_has_ended_is_followed_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let end = "{\"process\":\"recorder\",\"type\":\"info\",\"f\":\"end\",\"value\":null}\n";
    std::fs::write(folder.path().join("run.jsonl"), format!("{}{end}", fresh())).expect("a file");
    let (out, err, code) = told(start(&["run.jsonl"], folder.path()).wait_with_output().expect("it ends"));
    assert_eq!(code, Some(0), "{out}{err}");
}
