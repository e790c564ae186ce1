//! Flask with Flask-Session, two nodes behind HAProxy: sessions in one Redis, or in files of each node.
//!
//! Each verdict has its argument outside of the checker. Flask-Session reads a session before a request and writes all of it back
//! afterwards, so requests at once undo each other: the test counts by its own rule how often. A Redis that keeps nothing on disk takes
//! all sessions with it when it is killed. A client with a stopwatch polls beside that run.
//!
//! The packages come from the package index once, into an environment in the target folder. Where they, haproxy or redis-server cannot be
//! had, the tests say so.

use crate::example::{
    ExampleSettings, PollingClient, RunningExample, acknowledged, assert_nodes_were_killed,
    assert_recovery_agrees, find_missing, install_python, sessions_with, violated_levels, wait_for_turn,
    words_of_requests,
};
use crate::undone::count_undone;
use serde_json::Value;
use std::collections::BTreeSet;

/// The versions that the findings below are argued for.
const PACKAGES: [&str; 4] = ["flask>=3,<4", "flask-session>=0.8,<0.9", "redis>=5", "waitress>=3,<4"];
const IMPORT: &str =
    "import flask, waitress, redis, flask_session; assert flask_session.__version__[:3] == '0.8'";

fn start(sessions: &str) -> Option<RunningExample> {
    let turn = wait_for_turn();
    let missing = find_missing(&[("haproxy", "-v"), ("redis-server", "--version")]);
    let python = install_python("flask", &PACKAGES, IMPORT).filter(|_| missing.is_none());
    let Some(python) = python else {
        let missing = missing.unwrap_or("Flask-Session (python3 with venv, and the package index)");
        eprintln!("skipped: {missing} is missing");
        return None;
    };
    let settings = ExampleSettings {
        name: "flask",
        ports: &["PORT", "PORT1", "PORT2", "REDIS_PORT"],
        served: &[0, 1, 2],
        environment: vec![
            ("PYTHON", python.display().to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("SESSIONS", sessions.to_owned()),
            // Requests of a session overlap on a fast machine too.
            ("WORK_MS", "20".to_owned()),
        ],
        logs: &["web1.log", "web2.log", "proxy.log", "redis.log"],
    };
    Some(RunningExample::start(settings, turn))
}

/// From an address to a description that fits. The login takes JSON, and so does the write.
#[test]
fn a_description_of_flask_is_written_by_trying() {
    let Some(example) = start("redis") else { return };
    let text = example.init_description(&words_of_requests("PUT /cart"));
    for says in [
        "cookie = 'session'\n",
        "absent = [401]\n",
        "[create]\nmethod = \"POST\"\npath = \"/login\"\nheaders = { content-type = \"application/json\" }\n\
         body = '{\"user\":\"{user}\",\"value\":\"{value}\"}'\n",
        "[write]\nmethod = \"PUT\"\npath = \"/cart\"\nheaders = { content-type = \"application/json\" }\nbody = '{\"value\":\"{value}\"}'\n",
        "[read]\npath = \"/cart\"\nvalue = \"/value\"\n",
        "[renew]\nmethod = \"POST\"\npath = \"/renew\"\n",
        "[destroy]\nmethod = \"POST\"\npath = \"/logout\"\n",
    ] {
        let (text, says) = (text.replace('\'', "\""), says.replace('\'', "\""));
        assert!(text.contains(&says), "{says:?} in {text}");
    }
}

/// Both nodes have the sessions, and users send one request at a time: nothing is found although each node is killed.
#[test]
fn sessions_in_redis_survive_the_nodes() {
    let Some(example) = start("redis") else { return };
    let printed = example.test_description();
    assert!(printed.contains("The description fits: 11 promises kept, 0 possible bugs"), "{printed}");
    let (code, answer, events) = example.run(
        "--sessions 10 --load 30/s --duration 7s --operation-timeout 5s --churn 8 --faults kill:web1@1500ms+1s,kill:web2@4500ms+1s",
    );
    assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{answer}");
    // The run could have found something: both nodes answered, were down, and sessions ended and were looked at.
    assert_nodes_were_killed(&events, 2);
    assert!(acknowledged(&events, "destroy").next().is_some(), "no session ended");
}

/// With several requests of a session at once, the one that ends last writes back what the others changed.
#[test]
fn requests_at_once_undo_each_other() {
    let Some(example) = start("redis") else { return };
    let (code, answer, events) = example.run(
        "--session-concurrency 3 --fields 2 --write-mode per-field --sessions 4 --load 80/s --duration 4s \
         --operation-timeout 10s",
    );
    let undone = count_undone(&events);
    assert!(undone > 0, "no request undid another one; the run could not show it");
    assert_eq!(code, 1, "{answer}");
    let violated = violated_levels(&answer);
    assert!(violated.contains("stale-session"), "{violated:?}, {undone} undone");
    // But Flask-Session mixes nothing up.
    assert!(
        ["session-leak", "torn-session", "expired-late"].iter().all(|name| !violated.contains(name)),
        "{violated:?}"
    );
}

/// Files of each node behind one address: half of the requests find no session.
#[test]
fn files_of_each_node_lose_sessions() {
    let Some(example) = start("files") else { return };
    let printed = example.test_description();
    assert!(printed.contains("The nodes behind this entry do not share their sessions"), "{printed}");
    let (code, answer, _) = example.run("--sessions 6 --load 25/s --duration 3s --operation-timeout 5s");
    assert_eq!(code, 1, "{answer}");
    assert!(violated_levels(&answer).contains("lost-session"), "{answer}");
}

/// The Redis keeps nothing on disk: each session that was there when it was killed is lost, and the others are not. The recovery time is
/// that of a client that only polls.
#[test]
fn a_killed_redis_takes_its_sessions_with_it() {
    let Some(example) = start("redis") else { return };
    example.test_description();
    let client = PollingClient::start(example.port());
    let (code, answer, events) = example
        .run("--sessions 30 --load 60/s --duration 7s --operation-timeout 5s --faults kill:redis@2s+2s");
    let polls = client.stop();
    assert_eq!(code, 1, "{answer}");
    assert_eq!(violated_levels(&answer), BTreeSet::from(["lost-session"]), "{answer}");
    // By the history alone: the sessions that a read missed after the kill, and that nobody had ended.
    let struck = events.iter().position(|event| event["f"] == "kill").expect("a kill");
    let keys = |events: &[Value], fits: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let fitting = events.iter().filter(|event| fits(event));
        fitting.filter_map(|event| event["key"].as_str().map(str::to_owned)).collect()
    };
    let ended = keys(&events, &|event| event["f"] == "destroy" || event["f"] == "renew");
    let missed = keys(&events[struck..], &|event| {
        event["type"] == "ok" && event["f"] == "read" && event["value"].is_null()
    });
    let found = sessions_with(&answer, "lost-session");
    let missed: BTreeSet<String> = missed.difference(&ended).cloned().collect();
    assert!(
        missed.len() >= 3 && missed.iter().all(|key| found.contains(key.as_str())),
        "{missed:?} {found:?}"
    );

    let failed: Vec<usize> = (0..polls.len()).filter(|&at| !polls[at].1).collect();
    let (first, last) = (failed.first().expect("the outage is noticed"), failed.last().expect("the same"));
    assert_recovery_agrees(&answer, &polls, *first, last + 1, 0.5);
}
