//! What `run` writes destroys nothing, is kept when there is no room, and can be done again.
//!
//! A second `run` once replaced the recording of the first, two runs could write into one file, and the line that does
//! a run again made a file named `n2` out of a link `n1>n2` when it was pasted into a shell.

use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_steadfast");

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn steadfast(folder: &Path, words: &[&str]) -> Output {
    Command::new(PROGRAM).args(words).current_dir(folder).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_default()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_second_run_leaves_the_recording_of_the_first() {
    let folder = folder();
    let path = folder.path();
    steadfast(path, &["record", "--duration", "1s", "--faults", "none"]);
    let first = read(path, "steadfast-embedded-1.jsonl");
    let second = steadfast(path, &["record", "--duration", "2s", "--faults", "none"]);
    assert_eq!(second.status.code(), Some(0));
    assert!(
        said(&second).contains("exists, so the history is written to steadfast-embedded-1.2.jsonl"),
        "{}",
        said(&second)
    );
    assert!(said(&second).contains("history: steadfast-embedded-1.2.jsonl"));
    assert_eq!(read(path, "steadfast-embedded-1.jsonl"), first);
    assert!(read(path, "steadfast-embedded-1.2.jsonl").len() > first.len());
    // `run` checks what it has just recorded, and not the older one.
    let run = steadfast(path, &["run", "--duration", "1s", "--faults", "none", "--replication", "quorum"]);
    assert!(said(&run).contains("history: steadfast-embedded-1.3.jsonl"), "{}", said(&run));
}

#[test]
fn a_file_that_was_named_is_replaced_only_by_force() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("mine"), "precious").unwrap();
    let words = ["record", "--duration", "1s", "--faults", "none", "--output", "mine"];
    let refused = steadfast(path, &words);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        said(&refused).contains("mine exists") && said(&refused).contains("--force"),
        "{}",
        said(&refused)
    );
    assert_eq!(read(path, "mine"), b"precious");
    assert_eq!(steadfast(path, &[&words[..], &["--force"]].concat()).status.code(), Some(0));
    assert!(read(path, "mine").starts_with(b"{\"steadfast\":1"));
    let header = String::from_utf8(read(path, "mine")).unwrap().lines().next().unwrap().to_owned();
    assert!(!header.contains("--force"), "{header}");
}

/// Plain lines under such a name are a file that no command reads, and a recording is not made a second time.
#[test]
fn a_name_of_another_form_is_refused_before_anything_is_recorded() {
    let folder = folder();
    let path = folder.path();
    for command in ["run", "record"] {
        for name in ["r.jsonl.gz", "r.zst", "r.edn", "r.parquet", "R.CSV"] {
            let refused = steadfast(path, &[command, "--duration", "1s", "--faults", "none", "-o", name]);
            assert_eq!(refused.status.code(), Some(2));
            assert!(said(&refused).contains(".jsonl, and convert it"), "{}", said(&refused));
        }
    }
    let refused = steadfast(path, &["collect", "--listen", "127.0.0.1:0", "-o", "spans.gz"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("Pass spans.jsonl"), "{}", said(&refused));
    assert_eq!(names(path), Vec::<String>::new());
}

/// The run was recorded, and its verdict lost, because a report could not be written.
#[test]
fn a_report_that_cannot_be_written_is_refused_before_the_run() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("old"), "precious").unwrap();
    for (option, file, says) in [
        ("--report", "old", "old exists"),
        ("--dot", "old", "old exists"),
        ("--report", "nowhere/r.html", "failed to write"),
    ] {
        let words = ["run", "--duration", "1s", "--faults", "none", "-o", "r.jsonl", option, file];
        let refused = steadfast(path, &words);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains(says), "{}", said(&refused));
        assert_eq!(names(path), ["old"], "{}", said(&refused));
    }
    let done = steadfast(
        path,
        &[
            "run",
            "--duration",
            "1s",
            "--faults",
            "none",
            "--replication",
            "quorum",
            "-o",
            "r.jsonl",
            "--report",
            "r.html",
        ],
    );
    assert_eq!(names(path), ["old", "r.html", "r.jsonl"], "{}", said(&done));
}

/// The empty file made the same command say that the file exists.
#[test]
fn a_run_that_cannot_be_judged_live_leaves_no_file() {
    let folder = folder();
    let path = folder.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let words =
        ["run", "--duration", "1s", "--faults", "none", "-o", "r.jsonl", "--live", "--metrics", &address];
    let refused = steadfast(path, &words);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("failed to listen on"), "{}", said(&refused));
    assert_eq!(names(path), Vec::<String>::new());
}

#[test]
fn a_file_that_is_read_is_not_written_and_one_that_is_being_written_is_not_taken() {
    let folder = folder();
    let path = folder.path();
    std::fs::write(path.join("faults.toml"), "strikes = [\"kill@1s+1s\"]").unwrap();
    std::os::unix::fs::symlink("faults.toml", path.join("link")).unwrap();
    for output in ["faults.toml", "link"] {
        let refused =
            steadfast(path, &["record", "--schedule", "faults.toml", "--force", "--output", output]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(said(&refused).contains("is also the input"), "{}", said(&refused));
    }
    assert!(read(path, "faults.toml").starts_with(b"strikes"));
    // As another run holds its journal.
    let journal = std::fs::File::create(path.join("busy")).unwrap();
    journal.lock().unwrap();
    let refused = steadfast(path, &["record", "--force", "--output", "busy"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("another run records into this file"), "{}", said(&refused));
}

#[test]
fn two_runs_do_not_write_into_one_file() {
    let folder = folder();
    let path = folder.path();
    let run = || {
        let words = ["record", "--duration", "20s", "--faults", "none", "--output", "one"];
        Command::new(PROGRAM).args(words).current_dir(path).spawn().expect("it starts")
    };
    let codes: Vec<_> = [run(), run(), run()].map(|mut child| child.wait().expect("it ends").code()).into();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(2)).count(), 2, "{codes:?}");
}

/// The limit on the size of files is the nearest thing to a full disk that every user can have.
#[test]
fn a_recording_is_kept_when_there_is_no_more_room() {
    let folder = folder();
    let path = folder.path();
    let script = format!("ulimit -f 100; exec {PROGRAM} record --duration 20s --output full.jsonl");
    let output = Command::new("bash").args(["-c", &script]).current_dir(path).output().expect("bash");
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("the journal could not be written") && text.contains("full.jsonl"), "{text}");
    let kept = read(path, "full.jsonl");
    assert!(kept.len() > 50_000 && kept.ends_with(b"\n"), "{} bytes", kept.len());
    let checked = steadfast(path, &["check", "full.jsonl"]);
    assert!(matches!(checked.status.code(), Some(0 | 1 | 3)), "{}", said(&checked));
    assert!(said(&checked).contains("cut short"), "{}", said(&checked));
}

#[test]
fn the_line_that_does_a_run_again_does_it_again() {
    let folder = folder();
    let path = folder.path();
    let faults = "delay=5ms:n1>n2@1s+1s,hold:n2>client@3s+1s";
    let first = steadfast(
        path,
        &["record", "--seed", "9", "--duration", "5s", "--faults", faults, "--output", "first"],
    );
    let text = said(&first);
    let line = text.lines().find_map(|line| line.strip_prefix("again:")).expect("a line").trim().to_owned();
    let header: serde_json::Value =
        serde_json::from_str(String::from_utf8(read(path, "first")).unwrap().lines().next().unwrap())
            .unwrap();
    assert_eq!(header["command"], line.as_str());
    let script = format!("steadfast() {{ {PROGRAM} \"$@\" --output second; }}; {line}");
    let again = Command::new("bash").args(["-c", &script]).current_dir(path).output().expect("bash");
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!(names(path), ["first", "second"], "nothing else came into being");
    assert_eq!(read(path, "first"), read(path, "second"), "{line}");
}
