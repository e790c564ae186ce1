//! Users for whom no client was free are in the history: whoever checks it later measures what the run itself did.

use assert_cmd::Command;
use serde_json::Value;

fn steadfast() -> Command {
    Command::new(env!("CARGO_BIN_EXE_steadfast"))
}

#[test]
fn check_measures_what_the_run_did_users_that_were_turned_away_among_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("run.jsonl");
    let mut run = steadfast();
    run.args(["run", "--seed=5", "--load=2000/s", "--clients=3", "--duration=5s", "--after-heal=1s"]);
    run.args(["--operation-timeout=3s", "--faults=kill:primary@1s+3s", "--replication=quorum"]);
    run.args(["--measure", "--format=json", "--output"]).arg(&file);
    let ran = run.output().expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let first: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {said}"));
    let check =
        steadfast().args(["check", "--measure", "--format=json"]).arg(&file).output().expect("it runs");
    let again: Value = serde_json::from_slice(&check.stdout).expect("one object");
    assert_eq!(first["measurements"], again["measurements"]);
    let errors = again["measurements"]["errors"].as_array().expect("a list");
    let away = errors.iter().find(|error| error["kind"] == "never sent: no client was free").expect("some");
    let away = away["failed"].as_u64().expect("a number");
    assert!(away > 500, "{away}");
    assert!(said.contains(&format!("{away} requests were not sent")), "{said}");
    let operations = again["counts"]["operations"].as_f64().expect("a number");
    let availability = again["measurements"]["run"]["availability_share"].as_f64().expect("a figure");
    assert!(availability <= operations / (operations + away as f64), "{availability}");
    // A line is never so long that it can be torn.
    let text = std::fs::read_to_string(&file).expect("a history");
    let lines = text.lines().filter(|line| line.contains("\"turned-away\""));
    assert!(lines.clone().count() > 1 && lines.clone().all(|line| line.trim_end().len() < 512));
}
