//! Django with its own login, two nodes behind HAProxy: an application that nobody here wrote, from `stack init` to findings.
//!
//! What went wrong before: the description of a stock login stood in the documents and was never run against the application
//! that it is for. Each side here has its argument outside of the checker: Django's documentation says which engine keeps
//! sessions where, the answers say which node they are from, and a client with a stopwatch polls beside the run.
//!
//! Django comes from the package index once, into an environment in the target folder. Where it cannot be had, the tests say so.

use crate::compare;
use crate::example::{
    ExampleSettings, Poll, PollingClient, RunningExample, acknowledged, assert_nodes_were_killed,
    assert_recovery_agrees, find_missing, install_python, sessions_of_node, sessions_with, wait_for_turn,
};
use crate::process;
use serde_json::Value;
use std::collections::BTreeSet;

/// The versions that the findings below are argued for.
const PACKAGES: [&str; 2] = ["django>=5.2,<5.3", "waitress>=3,<4"];
const IMPORT: &str = "import waitress, django; assert django.VERSION[:2] == (5, 2)";

fn start(engine: &str, sticky: bool) -> Option<RunningExample> {
    let turn = wait_for_turn();
    let missing = find_missing(&[("haproxy", "-v")]);
    let python = install_python("django", &PACKAGES, IMPORT).filter(|_| missing.is_none());
    let Some(python) = python else {
        let missing = missing.unwrap_or("Django (python3 with venv, and the package index)");
        eprintln!("skipped: {missing} is missing");
        return None;
    };
    let settings = ExampleSettings {
        name: "django",
        ports: &["PORT", "PORT1", "PORT2"],
        served: &[0, 1, 2],
        environment: vec![
            ("PYTHON", python.display().to_string()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
            ("SESSION_ENGINE", engine.to_owned()),
            ("STICKY", if sticky { "yes" } else { "no" }.to_owned()),
        ],
        logs: &["web1.log", "web2.log", "proxy.log"],
    };
    Some(RunningExample::start(settings, turn))
}

/// A run of so many requests a second: its exit code, its answer as JSON, and the events of its history. Nothing if the machine
/// is too busy for it: then users see timeouts, and the run says nothing of the sessions.
fn run(django: &RunningExample, load: usize, seconds: usize, more: &str) -> Option<(i32, Value, Vec<Value>)> {
    let (code, answer, events) = django
        .run(&format!("--sessions 20 --operation-timeout 5s --load {load}/s --duration {seconds}s {more}"));
    let answered = events.iter().filter(|event| event["type"] == "ok").count();
    let late = events.iter().filter(|event| event["error"] == "timeout").count();
    if late * 50 > answered || answered * 2 < load * seconds {
        eprintln!(
            "skipped: a run on Django, on a machine that is too busy: {answered} answers, {late} timeouts"
        );
        return None;
    }
    Some((code, answer, events))
}

/// The first failed poll of the longest row of failures, and the answered one after it.
fn find_longest_outage(polls: &[Poll]) -> Option<(usize, usize)> {
    let begins = (1..polls.len()).filter(|&at| polls[at - 1].1 && !polls[at].1);
    let ended = begins.filter_map(|at| Some((at, at + polls[at..].iter().position(|poll| poll.1)?)));
    ended.max_by_key(|&(at, back)| polls[back].2 - polls[at].2)
}

/// From an address to a description that fits: the token of the form is found, and so are the session's cookie, the read and the
/// logout. What nobody can know is given.
#[test]
fn a_description_of_django_is_written_by_trying() {
    let Some(django) = start("db", false) else { return };
    let url = format!("http://127.0.0.1:{}", django.port());
    let words = [
        "stack",
        "init",
        &url,
        "--users",
        "users.csv",
        "--login-field",
        "username={user.name}",
        "--login-field",
        "password={user.password}",
        "--write",
        "POST /cart",
        "--output",
        "own.toml",
    ];
    let (code, printed, errors) = django.steadfast(&words);
    assert_eq!(code, 0, "{printed}{errors}");
    assert!(printed.contains("The description fits: 6 promises kept, 0 possible bugs"), "{printed}");
    let text = std::fs::read_to_string(django.path("own.toml")).expect("the file");
    for says in [
        "cookie = \"sessionid\"\n",
        "absent = [401]\n",
        "path = \"/accounts/login/\"\ntake = { csrf = { between = ['name=\"csrfmiddlewaretoken\" value=\"', '\"'] } }\n",
        "headers = { x-csrftoken = \"{cookie.csrftoken}\" }\n",
        "[read]\npath = \"/cart\"\nvalue = \"/cart\"\n",
        "[destroy]\nmethod = \"POST\"\npath = \"/accounts/logout/\"\n",
    ] {
        assert!(text.contains(says), "{says:?} in {text}");
    }
    // The description beside the example was written by hand, and says what may be struck.
    let printed = django.test_description();
    assert!(printed.contains("The description fits: 6 promises kept, 0 possible bugs"), "{printed}");
    std::fs::copy(django.path("own.toml"), django.path("stack.toml")).expect("a copy");
    let Some((code, answer, events)) = run(&django, 25, 5, "") else { return };
    assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{answer}");
    assert!(acknowledged(&events, "write").count() > 0 && acknowledged(&events, "read").count() > 5);
}

/// Sessions in the database: both nodes have them, and no node takes any with it. Nothing is found although each node is killed.
#[test]
fn sessions_in_the_database_survive_the_nodes() {
    let Some(django) = start("db", false) else { return };
    let faults = "--faults kill:web1@2s+2s,kill:web2@6s+2s --churn 8";
    let Some((code, answer, events)) = run(&django, 25, 9, faults) else { return };
    assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{answer}");
    // The run could have found something: both nodes answered, were down, and answered again; sessions ended and were looked at.
    assert_nodes_were_killed(&events, 2);
    assert!(acknowledged(&events, "destroy").next().is_some(), "no session ended");
}

/// Sessions in the memory of each node (the cache backend with Django's default cache, `LocMemCache`, which is per process): the
/// users of a killed node lose theirs, and those of the other node do not.
#[test]
fn sessions_in_the_cache_of_a_node_are_lost_with_it() {
    let Some(django) = start("cache", true) else { return };
    let Some((code, answer, events)) = run(&django, 25, 8, "--faults kill:web1@3s+2s") else { return };
    assert_eq!(code, 1, "{answer}");
    let lost = sessions_with(&answer, "lost-session");
    let (one, two) = (sessions_of_node(&events, "web1"), sessions_of_node(&events, "web2"));
    assert!(one.len() >= 3 && two.len() >= 3, "{one:?} {two:?}");
    assert!(!lost.is_empty() && lost.is_disjoint(&two), "{lost:?} {two:?}");
    // A finding is each session of web1 that had not ended and that a read did not find.
    let ended: BTreeSet<&str> = (events.iter())
        .filter(|event| event["type"] == "invoke" && event["f"] == "destroy")
        .filter_map(|event| event["key"].as_str())
        .collect();
    let told = acknowledged(&events, "read").filter(|event| event["value"].is_null());
    let told: BTreeSet<&str> = told.filter_map(|event| event["key"].as_str()).collect();
    let missed: Vec<&&str> = one.iter().filter(|key| told.contains(*key) && !ended.contains(*key)).collect();
    assert!(missed.len() >= 3, "{one:?} {told:?} {ended:?}");
    assert!(
        missed.iter().all(|key| lost.contains(**key)),
        "every loss that was seen is found: {missed:?} {lost:?}"
    );
}

/// Sessions in signed cookies: Django's documentation warns that a logout does not invalidate them, because the server keeps nothing.
/// A browser that kept the cookie is still logged in.
#[test]
fn a_logout_of_signed_cookies_ends_nothing() {
    let Some(django) = start("signed_cookies", false) else { return };
    // A bug is no misfit.
    let printed = django.test_description();
    assert!(
        printed.contains("bug?    read at proxy: promised: the read shows nothing after the logout"),
        "{printed}"
    );
    let Some((code, answer, events)) = run(&django, 25, 5, "--churn 6") else { return };
    assert_eq!(code, 1, "{answer}");
    let ended: BTreeSet<&str> =
        acknowledged(&events, "destroy").filter_map(|event| event["key"].as_str()).collect();
    let revived = sessions_with(&answer, "resurrected-session");
    assert!(!revived.is_empty() && revived.is_subset(&ended), "{revived:?} {ended:?}");
}

/// A tap before the proxy records what the driver records. A login has a form, a token and a redirect, and only its last request is an
/// operation.
#[test]
fn a_tap_records_on_django_what_the_driver_records() {
    let Some(django) = start("db", false) else { return };
    let to = format!("127.0.0.1:{}", django.port());
    let tap = process::RunningTap::start(django.folder(), &to, "tapped.jsonl", &[]);
    let text = std::fs::read_to_string(django.path("stack.toml")).expect("a description");
    std::fs::write(django.path("driver.toml"), text.replace(&to, &tap.address)).expect("a file");
    let words = "run http --stack driver.toml --skip-probe --quiet --output driven.jsonl --settle 500ms --duration 6s \
                 --after-heal 0s --operation-timeout 20s --load 30/s --sessions 10 --churn 8";
    let (code, printed, errors) = django.steadfast(&words.split_whitespace().collect::<Vec<_>>());
    assert!(code == 0 || code == 1, "{code}: {printed}{errors}");
    let (code, said) = tap.stop("-TERM");
    assert_eq!(code, 0, "{said}");
    let history = |name: &str| std::fs::read_to_string(django.path(name)).expect("a history");
    let counts = compare::compare_recordings(&history("driven.jsonl"), &history("tapped.jsonl"));
    for f in ["create", "read", "write", "destroy"] {
        assert!(counts.get(f).is_some_and(|count| *count >= 3), "{counts:?}");
    }
    assert!(said.contains("further requests of logins"), "{said}");
}

/// The recovery time against a client that only polls. The proxy is killed, so that the outage strikes everybody alike.
#[test]
fn the_recovery_time_is_that_of_a_client_that_polls() {
    let Some(django) = start("db", false) else { return };
    // The first requests of a fresh process are slow, and nobody would be there yet when the fault strikes.
    django.test_description();
    let client = PollingClient::start(django.port());
    let told = run(&django, 40, 10, "--faults kill:haproxy@4s+2s");
    let polls = client.stop();
    let Some((code, answer, _)) = told else { return };
    assert!(matches!(code, 0 | 3), "an outage of the proxy loses nothing: {answer}");
    let (failed, back) = find_longest_outage(&polls).expect("the outage is noticed, and ends");
    assert_recovery_agrees(&answer, &polls, failed, back, 0.25);
}
