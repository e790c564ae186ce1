//! Scenarios on a real web application: as it is usually set up each finds what its file says, and set up as it
//! should be, nothing.
//!
//! Through the program as a user runs it, with Redis, Sentinels, two nodes of Express and HAProxy for each run. Where
//! one of them is missing, the tests are skipped, with the reason. Three scenarios whose faults are in the
//! application and not in the network: they need no rights, and what they find does not hang on a race that a busy
//! machine could lose.

use assert_cmd::Command;
use serde_json::Value;

/// Why the stack cannot be started here, in the program's own words.
fn missing() -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast")).arg("stores").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("express-redis")).expect("a store of the program");
    line.split_once("not possible here: ").map(|(_, why)| why.to_owned())
}

/// The levels that a run of a scenario violates, and how many operations were acknowledged; nothing if it is skipped.
fn violated(scenario: &str, sound: bool) -> Option<(Vec<String>, u64)> {
    if let Some(why) = missing() {
        eprintln!("skipped: {why}");
        return None;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.args(["run", "express-redis", "--quiet", "--format", "json", "--scenario", scenario]);
    command.args(["--duration", "5s", "--output"]).arg(folder.path().join("history.jsonl"));
    if sound {
        command.arg("--sound");
    }
    let output = command.output().expect("it runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_str(text.lines().next().unwrap_or_default())
        .unwrap_or_else(|why| panic!("{scenario}: {why}: {text}{errors}"));
    let levels = answer["levels"].as_array().expect("levels");
    let violated = levels.iter().filter(|level| level["verdict"] == "violated");
    let names = violated.map(|level| level["level"].as_str().expect("a name").to_owned()).collect();
    Some((names, answer["counts"]["ok"].as_u64().expect("a count")))
}

fn finds(scenario: &str, finding: &str) {
    let wanted = workloads::Scenario::by_name(scenario).expect("it comes with the program");
    assert_eq!(wanted.expected_findings("express-redis"), [finding], "what the file of the scenario says");
    let Some((found, acknowledged)) = violated(scenario, false) else { return };
    assert!(found.iter().any(|name| name == finding), "found {found:?} in {acknowledged} operations");
}

fn finds_nothing(scenario: &str) {
    let Some((found, acknowledged)) = violated(scenario, true) else { return };
    assert!(found.is_empty(), "{found:?}");
    assert!(acknowledged > 200, "{acknowledged} operations: too few to say anything");
}

#[test]
fn a_login_that_keeps_the_id_lets_the_old_one_in() {
    finds("fixation", "old-id-alive");
}

#[test]
fn a_login_with_a_new_id_does_not() {
    finds_nothing("fixation");
}

#[test]
fn a_slow_write_brings_a_session_back_after_its_logout() {
    finds("logout-during-slow-write", "resurrected-session");
}

#[test]
fn a_slow_write_that_saves_over_what_exists_does_not() {
    finds_nothing("logout-during-slow-write");
}

/// A register may do that, and so may each request: only what each was made from shows that a change is gone.
#[test]
fn two_forms_undo_each_others_changes() {
    finds("two-forms", "lost-update");
}

#[test]
fn forms_that_save_over_what_they_showed_only_do_not() {
    finds_nothing("two-forms");
}

#[test]
fn two_tabs_undo_each_others_fields() {
    finds("two-tabs", "stale-session");
}

#[test]
fn one_tab_undoes_nothing() {
    finds_nothing("two-tabs");
}
