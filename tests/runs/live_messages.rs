//! Findings about live connections, as server-sent events and as WebSockets: which were not resumed, and which messages were lost or came
//! again. The truth comes from the server, which loses connections and messages on purpose and writes down which.
//!
//! What could go wrong: a message that came before the connection counted as open is missed; the client does not say where to resume, and
//! the application is blamed; a silent WebSocket is lost although it lives; a run that is stopped blames the application for what it did
//! not wait for.

use crate::live_server::{DESCRIPTION, Flaw, Manners, Resumes, Server, deploy_when_open, run, serve, told};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const EVENTS: &str = "path = \"/news\"\nnumber = \"/n\"\n";
const EVENT_IDS: &str = "path = \"/news\"\nnumber = \"id\"\n";
const SOCKET: &str = "url = \"ws://ADDRESS/news?after={take.last}\"\nnumber = \"/n\"\n";
const SOCKET_AT_ENTRY: &str = "path = \"/news?after={take.last}\"\nwebsocket = true\nnumber = \"/n\"\n";

fn description(live: &str) -> String {
    DESCRIPTION.replace("path = \"/news\"\n", live)
}

/// The verdicts of the findings about live connections, and their sentences.
fn judge(events: &[Value]) -> BTreeMap<String, (String, Vec<String>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let text = format!("{{\"steadfast\":1}}\n{}\n", lines.join("\n"));
    std::fs::write(folder.path().join("h.jsonl"), text).expect("a file");
    let kinds = "connection-not-resumed,lost-message,duplicated-message";
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args([
            "check",
            "--model",
            "session",
            "--format",
            "json",
            "--measure",
            "--consistency",
            kinds,
            "h.jsonl",
        ])
        .current_dir(folder.path())
        .output()
        .expect("it runs");
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)));
    // What happens to a connection is no fault that somebody injected.
    assert!(answer["measurements"]["faults"].as_array().is_none_or(Vec::is_empty), "{answer}");
    let levels = answer["levels"].as_array().expect("levels").iter();
    let told = levels.map(|level| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let anomalies = level["anomalies"].as_array().expect("anomalies").iter();
        (
            text(&level["level"]),
            (text(&level["verdict"]), anomalies.map(|found| text(&found["text"])).collect()),
        )
    });
    told.collect()
}

/// A run in which all streams are cut off once: what was said, the events, and the flaws that the server knows of.
fn run_with_deployment(live: &str, resumes: Resumes) -> (String, Vec<Value>, Vec<Flaw>) {
    let server = Arc::new(Mutex::new(Server { resumes, ..Server::default() }));
    let deploys = {
        let server = server.clone();
        move || assert!(deploy_when_open(&server, 6, Duration::from_millis(400)) >= 6)
    };
    let (code, said, events) = run(&description(live), &["--sessions", "6"], &server, deploys);
    assert!(code == 0 || code == 1, "{said}");
    assert!(told(&events, "lost").len() >= 6 && told(&events, "resumed").len() >= 6, "{said}");
    let flaws = server.lock().expect("no panic").flaws.clone();
    (said, events, flaws)
}

/// The sentence that names exactly these messages of a session.
fn sentence((user, first, last): &Flaw, lost: bool) -> String {
    let messages =
        if first == last { format!("message {first}") } else { format!("messages {first} to {last}") };
    match lost {
        true => format!("the live connection of {user} never brought {messages}, although "),
        false => format!("the live connection of {user} brought {messages} again"),
    }
}

/// Each sentence begins as the expected one, and there are as many.
fn assert_all_told(found: &[String], flaws: &[Flaw], lost: bool) {
    let expected: BTreeSet<String> = flaws.iter().map(|flaw| sentence(flaw, lost)).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}\n{expected:?}");
    for text in &expected {
        assert!(found.iter().any(|found| found.to_lowercase().starts_with(text)), "{text} in {found:?}");
    }
}

#[test]
fn streams_that_resume_after_the_last_message_lose_nothing() {
    for live in [EVENTS, EVENT_IDS, SOCKET, SOCKET_AT_ENTRY] {
        let (said, events, flaws) = run_with_deployment(live, Resumes::After);
        assert!(flaws.is_empty(), "{flaws:?}");
        let judged = judge(&events);
        for (kind, (verdict, found)) in &judged {
            assert_eq!((verdict.as_str(), found.len()), ("holds", 0), "{live}: {kind}: {said}");
        }
        assert_eq!(judged.len(), 3, "{judged:?}");
        // Something could have been found: every session has its messages, one after another.
        let messages = events.iter().filter(|event| event["process"] == "live" && event["f"] == "message");
        assert!(messages.count() > 200, "{live}: {said}");
        assert!(said.contains(" messages with a number"), "{said}");
    }
}

#[test]
fn messages_of_an_outage_that_are_not_sent_again_are_lost() {
    for live in [EVENTS, SOCKET] {
        let (said, events, flaws) = run_with_deployment(live, Resumes::Now);
        assert!(flaws.len() >= 6, "{flaws:?}");
        let judged = judge(&events);
        assert_eq!(judged["lost-message"].0, "violated", "{live}: {said}");
        assert_all_told(&judged["lost-message"].1, &flaws, true);
        assert_eq!(judged["duplicated-message"].0, "holds", "{live}: {said}");
        assert_eq!(judged["connection-not-resumed"].0, "holds", "{live}: {said}");
        assert!(said.contains("lost-message"), "the run tells it: {said}");
    }
}

#[test]
fn messages_that_are_sent_again_are_duplicated() {
    for live in [EVENTS, SOCKET] {
        let (said, events, flaws) = run_with_deployment(live, Resumes::Again);
        assert!(flaws.len() >= 6, "{flaws:?}");
        let judged = judge(&events);
        assert_eq!(judged["duplicated-message"].0, "violated", "{live}: {said}");
        assert_all_told(&judged["duplicated-message"].1, &flaws, false);
        assert_eq!(judged["lost-message"].0, "holds", "{live}: {said}");
    }
}

/// After a deployment the application takes no streams any more, although its requests go on. Each session has a finding, with the status.
#[test]
fn streams_that_are_refused_for_good_are_not_resumed() {
    for live in [EVENTS, SOCKET] {
        let server = Arc::new(Mutex::new(Server::default()));
        let deploys = {
            let server = server.clone();
            move || assert!(deploy_when_open(&server, 4, Duration::from_secs(30)) >= 4)
        };
        let live = format!("{live}resume_within = \"1s\"\n");
        let (code, said, events) = run(&description(&live), &["--sessions", "4"], &server, deploys);
        assert_eq!(code, 1, "{said}");
        let (verdict, found) = &judge(&events)["connection-not-resumed"];
        let out: BTreeSet<&str> = told(&events, "out").into_iter().collect();
        assert!(out.len() >= 4, "{said}");
        assert_eq!((verdict.as_str(), found.len()), ("violated", out.len()), "{found:?}");
        for session in out {
            let names = |text: &&String| text.contains(&format!("of {session} was lost"));
            let text = found.iter().find(names).expect("a finding");
            assert!(text.contains("could not be opened again (status 503), although read "), "{text}");
        }
        assert!(said.contains("not open again at the end"), "{said}");
    }
}

/// The sessions that a deployment forgets cannot be resumed, and their requests find them neither: that is one finding, not two.
#[test]
fn a_connection_goes_with_its_session() {
    let server = Arc::new(Mutex::new(Server::default()));
    let forgets = {
        let server = server.clone();
        move || {
            deploy_when_open(&server, 4, Duration::ZERO);
            server.lock().expect("no panic").sessions.clear();
        }
    };
    let live = format!("{EVENTS}resume_within = \"1s\"\n");
    let (code, said, events) = run(&description(&live), &["--sessions", "4"], &server, forgets);
    assert_eq!(code, 1, "{said}");
    assert!(told(&events, "refused").len() >= 4, "{said}");
    assert!(said.contains("lost-session") && !said.contains("connection-not-resumed on"), "{said}");
    assert_eq!(judge(&events)["connection-not-resumed"].1, Vec::<String>::new());
}

/// A WebSocket that has nothing to say answers pings, and is not lost. One whose server answers nothing is.
#[test]
fn a_silent_socket_is_lost_only_if_it_does_not_answer() {
    for manners in [Manners::IsSilent, Manners::IsDeaf] {
        let server = Arc::new(Mutex::new(Server { manners, ..Server::default() }));
        let live = description(SOCKET).replace("silence = \"2s\"", "silence = \"900ms\"");
        let (code, said, events) = run(&live, &["--sessions", "4"], &server, || ());
        assert_eq!(code, 0, "{said}");
        assert!(told(&events, "open").len() >= 4, "{said}");
        let lost = events.iter().filter(|event| event["process"] == "live" && event["f"] == "lost");
        let reasons: BTreeSet<&str> = lost.filter_map(|event| event["error"].as_str()).collect();
        let expected: &[&str] = if manners == Manners::IsDeaf { &["silent for 900ms"] } else { &[] };
        assert_eq!(reasons, expected.iter().copied().collect(), "{said}");
    }
}

/// A run that is stopped does not wait for lost connections, and so says nothing against the application.
#[test]
fn a_stopped_run_leaves_lost_connections_open() {
    let server = Arc::new(Mutex::new(Server::default()));
    let address = serve(&server);
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("stack.toml"), description(EVENTS).replace("ADDRESS", &address)).expect("a file");
    let words =
        "run http --stack stack.toml --skip-probe --output h.jsonl --load 60/s --duration 60s --sessions 4";
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command
        .args(words.split_whitespace())
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("it runs");
    assert!(deploy_when_open(&server, 4, Duration::ZERO) >= 4);
    server.lock().expect("no panic").refuses_streams = true;
    let history = || std::fs::read_to_string(at("h.jsonl")).unwrap_or_default();
    let (began, lost) = (Instant::now(), |text: &str| text.matches("\"lost\"").count());
    while lost(&history()) < 4 && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let stopped = Instant::now();
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    child.wait().expect("it ends");
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    let text = history();
    let events: Vec<Value> =
        text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let resumed = told(&events, "resumed").len();
    assert_eq!(told(&events, "unfinished").len(), told(&events, "lost").len() - resumed, "{text}");
    assert!(told(&events, "unfinished").len() + resumed >= 4, "{text}");
    assert_eq!(told(&events, "out").len() + told(&events, "refused").len(), 0, "{text}");
    assert_ne!(judge(&events)["connection-not-resumed"].0, "violated");
}

#[test]
fn a_number_that_no_message_has_is_reported() {
    let server = Arc::new(Mutex::new(Server::default()));
    let live = EVENTS.replace("/n\"\n", "/number\"\n");
    let live = live.replace("path = \"/number\"", "path = \"/news\"");
    let (code, said, events) = run(&description(&live), &["--sessions", "2"], &server, || ());
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("no message had a number, so nothing is known of them"), "{said}");
    assert_eq!(judge(&events)["lost-message"].0, "untested");
}

/// What is wrong in the table is said with its name, before any request is sent.
#[test]
fn a_wrong_table_is_refused_before_anything_is_sent() {
    let server = Arc::new(Mutex::new(Server::default()));
    let address = serve(&server);
    let folder = tempfile::tempdir().expect("a folder");
    for (live, says) in [
        ("path = \"/news\"\nurl = \"ws://127.0.0.1/\"\n", "[live]: where is the connection? Exactly one of"),
        ("url = \"http://127.0.0.1/news\"\n", "[live]: url = \"http://127.0.0.1/news\": write ws://HOST"),
        ("path = \"/news\"\nnumber = \"n\"\n", "[live]: number = \"n\" is neither \"id\" nor a JSON pointer"),
        ("path = \"/news\"\nsend = \"hello\"\n", "[live]: send needs a WebSocket"),
        ("path = \"/news\"\nnumbers = \"/n\"\n", "unknown field `numbers`"),
        ("path = \"/news?after={take.id}\"\n", "[live]: there is no {take.id} here"),
        ("url = \"wss://127.0.0.1/news\"\n", "[tls]: failed to read certificates from none.pem"),
    ] {
        let tls = if live.contains("wss") { "[tls]\nca = \"none.pem\"\n" } else { "" };
        let text = description(live).replace("ADDRESS", &address) + tls;
        std::fs::write(folder.path().join("stack.toml"), text).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(["run", "http", "--stack", "stack.toml", "--output", "h.jsonl"])
            .current_dir(folder.path())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(2), "{live}: {said}");
        assert!(said.contains(says), "{says}: {said}");
        assert!(!folder.path().join("h.jsonl").exists(), "{live}");
    }
    assert!(server.lock().expect("no panic").sessions.is_empty());
}
