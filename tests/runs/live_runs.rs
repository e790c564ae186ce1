//! `run --live`: violations are told while the run goes on, and `--until violated` ends it.
//!
//! A run of an hour that violates its level in the first second used to tell so after the hour.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run_in(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.arg("run").args(words).current_dir(folder).stdin(Stdio::null()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The verdict after the run, and what it is made of, are the same with and without `--live`.
#[test]
fn what_is_told_live_changes_no_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = |file| ["--seed", "1", "--format", "json", "--quiet", "--output", file];
    let plain = run_in(folder.path(), &words("plain.jsonl"));
    let live = run_in(folder.path(), &[&words("live.jsonl")[..], &["--live"]].concat());
    assert_eq!((plain.status.code(), live.status.code()), (Some(1), Some(1)), "{}", text(&live.stderr));
    let levels = |output: &Output| {
        let mut told: Value = serde_json::from_slice(&output.stdout).expect("one object");
        for level in told["levels"].as_array_mut().expect("levels") {
            level["seconds"] = Value::Null;
        }
        told["levels"].clone()
    };
    assert_eq!(levels(&plain), levels(&live));
    assert!(text(&live.stderr).contains("VIOLATED: 1 stale-read"), "{}", text(&live.stderr));
    assert!(!text(&plain.stderr).contains("stale-read"), "{}", text(&plain.stderr));
}

/// A run tells what `check --follow` tells: here a command, which has ended when the run has.
#[test]
fn a_run_has_a_command_for_each_violation() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = "sleep 0.5; cat > found-$$.json";
    let live = run_in(folder.path(), &["--seed", "1", "--quiet", "--live", "--on-violation", command]);
    assert_eq!(live.status.code(), Some(1), "{}", text(&live.stderr));
    let files = std::fs::read_dir(folder.path()).expect("a folder").flatten();
    let texts = files.filter(|file| file.file_name().to_string_lossy().starts_with("found-"));
    let found: Vec<Value> = texts
        .map(|file| std::fs::read_to_string(file.path()).expect("text"))
        .map(|text| serde_json::from_str(&text).expect("JSON"))
        .collect();
    assert!(!found.is_empty(), "{}", text(&live.stderr));
    assert!(found.iter().all(|one| one["verdict"] == "violated"), "{found:?}");
    assert_eq!(text(&live.stderr).matches("the command ended with exit code 0").count(), found.len());
}

/// The built-in store loses sessions in a failover. What is told live is what the check of the whole finds.
#[test]
fn findings_of_a_session_store_are_told_live() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = ["--workload", "session", "--seed", "1", "--quiet", "--format", "json", "--live"];
    let live = run_in(folder.path(), &words);
    assert_eq!(live.status.code(), Some(1), "{}", text(&live.stderr));
    let whole: Value = serde_json::from_slice(&live.stdout).expect("one object");
    let levels = whole["levels"].as_array().expect("levels");
    let violated = levels.iter().filter(|level| level["verdict"] == "violated");
    let names: Vec<&str> = violated.map(|level| level["level"].as_str().expect("a name")).collect();
    // Replicas and the audit trail are read when the run has ended.
    let only_whole =
        ["divergent-replicas", "audit-", "clock-went-back", "lost-update", "connection-", "-message"];
    let told: Vec<&str> =
        names.into_iter().filter(|name| !only_whole.iter().any(|part| name.contains(part))).collect();
    assert!(told.len() >= 3, "{told:?}");
    for name in told {
        assert!(text(&live.stderr).contains(name), "{name} was not told: {}", text(&live.stderr));
    }
}

/// The first violation is left as a history of its own, from which no operation can be left out.
#[test]
fn until_violated_writes_the_smallest_part_that_shows_the_violation() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = [
        "--seed",
        "1",
        "--quiet",
        "--consistency",
        "linearizable",
        "--until",
        "violated",
        "--output",
        "run.jsonl",
    ];
    let run = run_in(folder.path(), &words);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    assert!(text(&run.stderr).contains("run.violation.jsonl has the smallest part"), "{}", text(&run.stderr));
    let part = std::fs::read_to_string(folder.path().join("run.violation.jsonl")).expect("a part");
    let check = |history: &str| {
        std::fs::write(folder.path().join("part.jsonl"), history).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command.args(["check", "--consistency", "linearizable", "part.jsonl"]).current_dir(folder.path());
        command.output().expect("it runs").status.code()
    };
    assert_eq!(check(&part), Some(1), "{part}");
    let process_of = |line: &str| serde_json::from_str::<Value>(line).expect("an event")["process"].clone();
    let operations: Vec<&str> = part.lines().filter(|line| line.contains("\"type\":\"invoke\"")).collect();
    assert!((2..=4).contains(&operations.len()), "{part}");
    // Without the reads nothing is wrong, and the whole recording is still there.
    let readers: Vec<Value> =
        operations.iter().filter(|line| line.contains("\"read\"")).map(|line| process_of(line)).collect();
    let without: String = part
        .lines()
        .filter(|line| !line.contains("\"read\"") || !readers.contains(&process_of(line)))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(check(&without), Some(1), "{without}");
    let whole = std::fs::read_to_string(folder.path().join("run.jsonl")).expect("a recording");
    assert!(whole.lines().count() > 10 * part.lines().count());
    // A second run does not write over the first one's part.
    let again = run_in(folder.path(), &[&words[..], &["--force"]].concat());
    assert!(text(&again.stderr).contains("run.violation.2.jsonl"), "{}", text(&again.stderr));
}

/// What only a whole history decides is refused before anything runs.
#[test]
fn what_cannot_be_judged_live_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (words, why) in [
        (
            &["--workload", "queue", "--live"][..],
            "judges the workloads register, list-append, rw-register and session",
        ),
        (&["--consistency", "sequential", "--until", "violated"], "none of them is among the levels"),
    ] {
        let output = run_in(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing ran");
}

/// The time of an event, in ns. The file is read by rules of its own, while it grows.
fn time_of_event(history: &str, of: impl Fn(&Value) -> bool) -> Option<u64> {
    let events = history.lines().skip(1).filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| of(event)).last().and_then(|event| event["time"].as_u64())
}

/// Replicas of a real Redis are late by 300 ms, and clients read from them. The first stale read is told within a second
/// of its answer, and ends a run that would have taken a minute.
#[test]
fn the_first_stale_read_of_redis_is_told_within_a_second_and_ends_the_run() {
    let here = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !here("redis-server") || !here("redis-sentinel") {
        eprintln!("skipped: redis-server or redis-sentinel is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["run", "redis-sentinel", "--replica-reads", "--faults", "delay=300ms:primary>all@1s+50s"])
        .args(["--duration", "55s", "--quiet", "--until", "violated", "--output", "run.jsonl"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    let mut before = Vec::new();
    let told = lines.find_map(|line| {
        let event = line.split_once("run.jsonl at event ").map(|(_, event)| event.to_owned());
        before.push(line);
        event
    });
    let so_far = std::fs::read_to_string(folder.path().join("run.jsonl")).expect("a history");
    let rest: Vec<String> = lines.collect();
    let output = child.wait_with_output().expect("it ends");
    let all = [before, rest].concat().join("\n");
    if all.contains("cannot be had") || output.status.code() == Some(2) {
        eprintln!("skipped: {all}");
        return;
    }
    let event: u64 = told.expect(&all).trim().parse().expect("a number");
    let answered =
        time_of_event(&so_far, |one| one["index"] == event).expect("it was written before it was told");
    let latest = time_of_event(&so_far, |_| true).expect("events");
    assert!(latest - answered < 1_000_000_000, "{} ms later", (latest - answered) / 1_000_000);
    assert!(all.contains("the first violation ends the run"), "{all}");
    assert_eq!(output.status.code(), Some(1), "{all}");
    let whole = std::fs::read_to_string(folder.path().join("run.jsonl")).expect("a history");
    let ended = time_of_event(&whole, |one| one["process"].is_u64()).expect("operations");
    assert!(ended < 30_000_000_000, "the run ended after {} s", ended / 1_000_000_000);
}
