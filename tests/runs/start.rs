//! Cold and warm starts, as whoever runs them sees them: in the history, in its header, and in what is measured.

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

struct Run {
    header: Value,
    events: Vec<Value>,
    answer: Value,
}

/// A run on the embedded store whose reads are answered by whoever is nearest.
fn run(folder: &Path, options: &[&str]) -> Run {
    let history = folder.join("run.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args([
            "run",
            "embedded",
            "--workload",
            "session",
            "--reads",
            "any",
            "--sessions",
            "8",
            "--faults=none",
        ])
        .args(["--duration", "4s", "--measure", "--quiet", "--format", "json", "--force", "--output"])
        .arg(&history)
        .args(options)
        .output()
        .expect("it runs");
    let parsed = |line: &str| serde_json::from_str(line).expect("JSON");
    let text = std::fs::read_to_string(&history).expect("a history");
    let mut events: Vec<Value> = text.lines().map(parsed).collect();
    let header = events.remove(0);
    let answer = String::from_utf8(output.stdout).expect("text");
    Run { header, events, answer: parsed(answer.lines().next().expect("an answer")) }
}

#[test]
fn a_warm_start_reads_every_session_through_every_node_before_the_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let warm = run(folder.path(), &["--start", "warm"]);
    assert_eq!(warm.header["start"], "warm");
    let over =
        warm.events.iter().position(|event| event["f"] == "warmed-up").expect("the end of the warm-up");
    let (before, load) = warm.events.split_at(over);
    // Eight are created, and then nine clients read each of them.
    let began = before.iter().filter(|event| event["type"] == "invoke").count();
    assert_eq!((began, &load[0]["value"]), (8 + 8 * 9, &Value::from(8 + 8 * 9)));
    let read: BTreeSet<(&str, &str)> = before
        .iter()
        .filter(|event| event["type"] == "ok" && event["f"] == "read")
        .map(|event| (event["key"].as_str().expect("a key"), event["node"].as_str().expect("a node")))
        .collect();
    assert_eq!(read.len(), 8 * 3, "each of eight sessions through each of three nodes: {read:?}");
    // They are judged like all others, and nobody waited for them.
    let operations = warm.answer["counts"]["operations"].as_u64().expect("a count");
    let invoked = warm.events.iter().filter(|event| event["type"] == "invoke").count() as u64;
    assert_eq!(operations, invoked);
    let measured = measure(&warm, "throughput_per_second");
    let users = load.iter().take_while(|event| event["f"] != "settled");
    let answered = users.filter(|event| event["type"] == "ok").count() as f64;
    // The load lasts for six seconds, from its beginning on: if its arrivals had not waited, they would be late.
    assert!((measured * 6.0 - answered).abs() < answered / 20.0, "{measured} a second, {answered} in all");
    assert!(measure(&warm, "latency_max_seconds") < 0.5);
}

fn measure(run: &Run, name: &str) -> f64 {
    let figures = &run.answer["measurements"]["run"];
    figures[name].as_f64().unwrap_or_else(|| panic!("no {name} was measured"))
}

#[test]
fn a_cold_start_is_part_of_what_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let cold = run(folder.path(), &[]);
    assert_eq!(cold.header["start"], "cold");
    assert!(cold.events.iter().all(|event| event["f"] != "warmed-up"));
    // There is no primary yet when the first users come.
    let warm = run(folder.path(), &["--start", "warm"]);
    let start = |run| measure(run, "start_warm_up_seconds");
    assert!(start(&cold) > start(&warm), "cold {}, warm {}", start(&cold), start(&warm));
}

#[test]
fn a_plan_tells_how_a_run_starts_and_a_queue_cannot_be_warm() {
    let program = || Command::new(env!("CARGO_BIN_EXE_steadfast"));
    let plan = program().args(["run", "--scenario", "peak-load", "--plan"]).output().expect("it runs");
    let text = String::from_utf8(plan.stdout).expect("text");
    for says in ["warm start", "24 sessions are created and read once by each of 24 clients"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    let queue = program().args(["run", "--workload", "queue", "--start", "warm"]).output().expect("it runs");
    assert_eq!(queue.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&queue.stderr).contains("a queue has no reads"));
}
