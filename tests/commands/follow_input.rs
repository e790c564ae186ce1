//! `check --follow`: how a stream is read. It is the same stream however fast its writer is, and whichever file its lines are in.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A pause after which the program has read what was written before.
const PAUSE: Duration = Duration::from_millis(400);

fn start(args: &[&str], folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(["check", "--follow"]).args(args).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

fn told(output: Output) -> (String, Option<i32>) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (text(output.stdout) + &text(output.stderr), output.status.code())
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
}

fn operation(process: u32, function: &str, value: u32) -> String {
    let argument = if function == "write" { format!(",\"value\":{value}") } else { String::new() };
    format!(
        "{{\"process\":{process},\"type\":\"invoke\",\"f\":\"{function}\",\"key\":\"x\"{argument}}}\n\
         {{\"process\":{process},\"type\":\"ok\",\"f\":\"{function}\",\"key\":\"x\",\"value\":{value}}}\n"
    )
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
}

/// A block of writes was read as one register of pairs, and a block with reads as many registers: each read was then a
/// phantom, in a history that holds. Only a whole file can tell, so the stream is refused, whatever its blocks.
#[test]
fn a_stream_of_independent_pairs_is_refused_and_never_violated() {
    let write = |key: u32, value: u32| {
        let event = |kind: &str| {
            format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"write\",\"value\":[{key},{value}]}}\n")
        };
        event("invoke") + &event("ok")
    };
    let read = |key: u32, value: u32| {
        format!(
            "{{\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":[{key},null]}}\n\
             {{\"process\":1,\"type\":\"ok\",\"f\":\"read\",\"value\":[{key},{value}]}}\n"
        )
    };
    let parts = [write(1, 5) + &write(2, 7), read(1, 5) + &read(2, 7)];
    for pieces in [vec![parts.concat()], parts.to_vec()] {
        let mut child = start(&["-"], Path::new("."));
        let mut pipe = child.stdin.take().expect("a pipe");
        for piece in &pieces {
            let _ = pipe.write_all(piece.as_bytes());
            std::thread::sleep(PAUSE);
        }
        drop(pipe);
        let (text, code) = told(child.wait_with_output().expect("it ends"));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("Give each event a \"key\"") && !text.contains("violated"), "{text}");
    }
}

/// A writer that was stopped need not have written the last newline. The last line was dropped, with the stale read in it.
#[test]
fn a_last_line_that_is_whole_is_judged() {
    let text = operation(0, "write", 1) + &operation(0, "write", 2) + &operation(1, "read", 1);
    let mut child = start(&["-"], Path::new("."));
    child.stdin.take().expect("a pipe").write_all(text.trim_end().as_bytes()).expect("it reads");
    let (text, code) = told(child.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("stale-read on x"), "{text}");
}

/// As logrotate rotates: the file is renamed, an empty one takes its name, and the writer goes on in the renamed one until it
/// is told. The second write is there, and without it the read is not stale.
#[test]
fn what_the_writer_still_writes_into_the_renamed_file_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    append(&path, &operation(0, "write", 1));
    let child = start(&["run.jsonl"], folder.path());
    std::thread::sleep(PAUSE);
    let old = folder.path().join("run.1");
    std::fs::rename(&path, &old).expect("it is renamed");
    File::create(&path).expect("an empty file");
    std::thread::sleep(PAUSE);
    append(&old, &operation(0, "write", 2));
    std::thread::sleep(PAUSE);
    append(&path, &operation(1, "read", 1));
    std::thread::sleep(PAUSE);
    interrupt(&child);
    let (text, code) = told(child.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("stale-read on x") && text.contains("6 events"), "{text}");
}

/// With two writers the order is not known, and nothing may be left out in silence.
#[test]
fn a_renamed_file_that_grows_after_the_new_one_began_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    append(&path, &operation(0, "write", 1));
    let child = start(&["run.jsonl"], folder.path());
    std::thread::sleep(PAUSE);
    let old = folder.path().join("run.1");
    std::fs::rename(&path, &old).expect("it is renamed");
    append(&path, &operation(1, "read", 1));
    std::thread::sleep(PAUSE);
    append(&old, &operation(0, "write", 2));
    std::thread::sleep(PAUSE);
    let (text, code) = told(child.wait_with_output().expect("it ends"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("the renamed file grew by"), "{text}");
}

/// Ctrl-C in the middle of a line, and again: the violation was printed by both processes. An earlier violation was then in
/// no figure and on no page.
#[test]
fn a_monitor_that_goes_on_prints_nothing_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    let stale = operation(0, "write", 1) + &operation(0, "write", 2) + &operation(1, "read", 1);
    append(&path, &(stale + "{\"process\":0,\"type\":\"inv"));
    let follow = || {
        let append = |name: &str| {
            let path = folder.path().join(name);
            OpenOptions::new().append(true).create(true).open(path).expect("a file")
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command.args(["check", "--follow", "--checkpoint", "state", "run.jsonl"]).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(append("out")).stderr(append("err"));
        command.spawn().expect("the program starts")
    };
    for part in ["oke\",\"f\":\"rea", "d\",\"key\":\"x\"}\n"] {
        let mut child = follow();
        std::thread::sleep(3 * PAUSE);
        interrupt(&child);
        assert_eq!(child.wait().expect("it ends").code(), Some(1), "what was violated stays so");
        append(&path, part);
    }
    let mut child = follow();
    std::thread::sleep(3 * PAUSE);
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    let out = std::fs::read_to_string(folder.path().join("out")).expect("output");
    let err = std::fs::read_to_string(folder.path().join("err")).expect("messages");
    assert_eq!(
        out.matches("linearizable: violated").count().max(out.matches("stale-read on x").count()),
        1,
        "{out}{err}"
    );
    // The verdicts at the end are left out if the same ones are the last that were printed.
    assert!(out.matches("followed: run.jsonl").count() >= 2, "{out}{err}");
}

/// The history is not a checkpoint, and nobody is told to remove it.
#[test]
fn the_history_is_not_taken_for_a_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    append(&folder.path().join("run.jsonl"), &operation(0, "write", 1));
    append(&folder.path().join("other.jsonl"), &operation(0, "write", 1));
    for checkpoint in ["run.jsonl", "./run.jsonl", "other.jsonl"] {
        let child = start(&["--checkpoint", checkpoint, "run.jsonl"], folder.path());
        let (text, code) = told(child.wait_with_output().expect("it ends"));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("Pass") && !text.to_lowercase().contains("remove"), "{text}");
    }
}

/// What is no plain file said "Illegal seek", or that a line is not UTF-8.
#[test]
fn what_cannot_be_followed_says_how_it_can() {
    let folder = tempfile::tempdir().expect("a folder");
    append(&folder.path().join("run.jsonl.gz"), "x");
    for (file, says) in [("/dev/stdin", "--follow - <"), ("run.jsonl.gz", "Decompress it into --follow -")] {
        let (text, code) = told(start(&[file], folder.path()).wait_with_output().expect("it ends"));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(says), "{says}: {text}");
    }
}
