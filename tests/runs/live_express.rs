//! Live connections on the Express application: a kill and a deployment of a node cut off its users' streams of events, and the page of each
//! user opens it anew at the other node.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// A run with a fault: what was said, and the events of the history; nothing if the stack cannot be started here.
fn run(live: &str, faults: &str, more: &str) -> Option<(String, Vec<Value>)> {
    let program = env!("CARGO_BIN_EXE_steadfast");
    let stores = Command::new(program).arg("stores").output().expect("it runs");
    let stores = String::from_utf8_lossy(&stores.stdout).into_owned();
    let line = stores.lines().find(|line| line.starts_with("express-redis")).expect("a store of the program");
    if let Some((_, why)) = line.split_once("not possible here: ") {
        eprintln!("skipped: {why}");
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let words =
        "run express-redis --sessions 8 --duration 9s --after-heal 0s --settle 2s --output h.jsonl --faults";
    let output = Command::new(program)
        .args(words.split_whitespace())
        .args([faults, "--stack-option", live])
        .args(more.split_whitespace())
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
    let text =
        std::fs::read_to_string(folder.path().join("h.jsonl")).unwrap_or_else(|why| panic!("{why}: {said}"));
    let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    Some((said, events))
}

/// How many live connections have this event from the strike on.
fn count_since(events: &[Value], strike: &str, what: &str) -> usize {
    let struck = events.iter().position(|event| event["process"] == "nemesis" && event["f"] == strike);
    let live = events[struck.expect("the strike")..].iter();
    live.filter(|event| event["process"] == "live" && event["f"] == what).count()
}

/// The users of a killed node, about half of them, are cut off at once. The other node has their sessions.
#[test]
fn the_kill_of_a_node_cuts_off_its_users() {
    let Some((said, events)) = run("live=yes", "kill:a1@4s+2s", "--load 40/s --operation-timeout 5s") else {
        return;
    };
    let opened = events.iter().filter(|event| event["process"] == "live" && event["f"] == "open").count();
    let (lost, resumed) = (count_since(&events, "kill", "lost"), count_since(&events, "kill", "resumed"));
    assert!(opened >= 8, "{opened} opened: {said}");
    assert!(lost >= 1 && resumed >= 1, "{lost} lost, {resumed} resumed: {said}");
    // Sessions come and go meanwhile; some of those that were cut off end before they are back.
    assert!(resumed <= lost, "{lost} lost, {resumed} resumed: {said}");
    assert!(said.contains("live connections: ") && said.contains(" resumed (after "), "{said}");
}

/// How many messages each session missed, by the numbers alone: the difference of neighbours, where a higher one follows.
fn count_missing(events: &[Value]) -> i64 {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    let mut missing = 0;
    for event in events.iter().filter(|event| event["process"] == "live" && event["f"] == "message") {
        let (session, number) =
            (event["value"][0].as_str().expect("a session"), event["value"][1].as_i64().expect("a number"));
        if let Some(before) = last.insert(session, number) {
            missing += (number - before - 1).max(0);
        }
    }
    missing
}

/// A stream that begins with what is new leaves out what came while its page had none. One that begins after the last event of its page
/// does not.
#[test]
fn a_stream_that_forgets_loses_messages() {
    // The node is paused, so that its users are without streams until the silence is noticed. Other tabs of theirs go on meanwhile.
    let busy = "--session-concurrency 4 --load 80/s --operation-timeout 500ms --seed";
    let mut missed = 0;
    for seed in 1..=5 {
        let Some((said, events)) = run("live=forget", "pause:a1@3s+5s", &format!("{busy} {seed}")) else {
            return;
        };
        missed = count_missing(&events);
        assert_eq!(said.contains("violated lost-message"), missed > 0, "{missed}: {said}");
        if missed > 0 {
            break;
        }
    }
    if missed == 0 {
        eprintln!("skipped: no page missed anything in five runs");
        return;
    }
    let Some((said, events)) = run("live=yes", "pause:a1@3s+5s", &format!("{busy} 1")) else { return };
    assert_eq!(count_missing(&events), 0, "{said}");
    assert!(said.contains("holds lost-message") && said.contains("holds duplicated-message"), "{said}");
    let messages = events.iter().filter(|event| event["process"] == "live" && event["f"] == "message");
    assert!(messages.count() > 20 && count_since(&events, "pause", "resumed") > 0, "{said}");
}
