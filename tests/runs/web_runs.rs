//! Runs on a web application that is there already: a small one, in this process, that keeps its sessions and orders from
//! one run to the next.
//!
//! Users, actions and trace ids were the same in every run, so that the second run on one store found 26 duplicated
//! actions that nobody had asked for. Session ids stood in the history. An application without a touch was said to be
//! available for 91.7 % of the time.

use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use testkit::WebRequest;

const DESCRIPTION: &str = r#"
    entries = { main = "http://ADDRESS" }
    session = { cookie = "sid" }
    answer = { absent = [401] }
    create = { method = "POST", path = "/login?user={user}", body = "{value}" }
    read = { path = "/session", value = "/data" }
    write = { method = "PUT", path = "/session", body = "{value}" }
    act = { method = "POST", path = "/order?action={action}" }
    actions = { path = "/orders?user={user}", list = "/orders" }
"#;

/// Sessions by their ids, and the orders of users.
#[derive(Default)]
struct Kept {
    sessions: HashMap<String, (String, String)>,
    orders: HashMap<String, Vec<String>>,
    created: usize,
    /// What was sent as `traceparent`.
    traces: Vec<String>,
    /// Requests so far, and after which one every session is forgotten.
    requests: usize,
    forgets_at: Option<usize>,
}

/// Starts the application.
fn serve(forgets_at: Option<usize>) -> (String, Arc<Mutex<Kept>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let kept = Arc::new(Mutex::new(Kept { forgets_at, ..Kept::default() }));
    let shared = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = shared.clone();
            std::thread::spawn(move || converse(stream, &kept));
        }
    });
    (address, kept)
}

fn converse(stream: TcpStream, kept: &Mutex<Kept>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut writer = stream;
    while let Some(request) = WebRequest::read_from(&mut reader) {
        let body = String::from_utf8(request.body).expect("text");
        let (status, more, answer) =
            kept.lock().expect("no panic").answer(&request.method, &request.target, &request.headers, &body);
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 {status} X\r\n{more}content-length: {}\r\n\r\n", answer.len());
        if writer.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}

impl Kept {
    fn answer(
        &mut self,
        method: &str,
        target: &str,
        headers: &HashMap<String, String>,
        body: &str,
    ) -> (u16, String, Value) {
        self.requests += 1;
        self.traces.extend(headers.get("traceparent").cloned());
        if self.forgets_at == Some(self.requests) {
            self.sessions.clear();
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let asked = query.split_once('=').map_or(String::new(), |(_, value)| value.replace("%2F", "/"));
        let id = headers.get("cookie").and_then(|cookie| cookie.strip_prefix("sid=")).unwrap_or_default();
        match (method, path) {
            ("POST", "/login") => {
                self.created += 1;
                let id = format!("secret{:08}", self.created);
                self.sessions.insert(id.clone(), (asked, body.to_owned()));
                (200, format!("set-cookie: sid={id}; Path=/\r\n"), json!({}))
            }
            ("GET", "/orders") => {
                (200, String::new(), json!({"orders": self.orders.get(&asked).cloned().unwrap_or_default()}))
            }
            _ => match (self.sessions.get_mut(id), path) {
                (None, _) => (401, String::new(), json!({})),
                (Some((user, _)), "/order") => {
                    self.orders.entry(user.clone()).or_default().push(asked);
                    (200, String::new(), json!({}))
                }
                (Some((_, data)), _) if method == "PUT" => {
                    body.clone_into(data);
                    (200, String::new(), json!({}))
                }
                (Some((_, data)), _) => (200, String::new(), json!({"data": data})),
            },
        }
    }
}

const SHORT: [&str; 10] = [
    "--duration",
    "2s",
    "--settle",
    "100ms",
    "--load",
    "300/s",
    "--actions",
    "0.3",
    "--operation-timeout",
    "5s",
];

/// A run; its answer as JSON, its history, and what it said.
fn run(folder: &Path, output: &str, more: &[&str]) -> (Value, Vec<Value>, String) {
    let words = ["run", "http", "--stack", "stack.toml", "--format", "json", "--measure", "--output", output];
    let ran = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(words)
        .args(SHORT)
        .args(more)
        .current_dir(folder)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    let first = String::from_utf8_lossy(&ran.stdout).lines().next().unwrap_or_default().to_owned();
    let answer = serde_json::from_str(&first).unwrap_or_else(|why| panic!("{why}: {first}: {said}"));
    let text = std::fs::read_to_string(folder.join(output)).unwrap_or_default();
    let events = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (answer, events, said)
}

fn described(address: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = DESCRIPTION.replace("ADDRESS", address);
    std::fs::write(folder.path().join("stack.toml"), text).expect("a file");
    folder
}

/// The levels of an answer that are violated.
fn violated(answer: &Value) -> Vec<String> {
    let levels = answer["levels"].as_array().expect("levels").iter();
    let violated = levels.filter(|level| level["verdict"] == "violated");
    violated.map(|level| level["level"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn a_second_run_on_one_application_has_nothing_in_common_with_the_first() {
    let (address, kept) = serve(None);
    let folder = described(&address);
    let names = |events: &[Value]| -> BTreeSet<String> {
        let sessions = events.iter().filter_map(|event| event["session"].as_str());
        sessions.filter(|session| *session != "final").map(str::to_owned).collect()
    };
    let (first, one, said) = run(folder.path(), "one", &[]);
    let (second, two, _) = run(folder.path(), "two", &[]);
    assert_eq!((violated(&first), violated(&second)), (vec![], vec![]), "{said}");
    assert!(one[0]["run"].is_string() && one[0]["run"] != two[0]["run"], "{} {}", one[0], two[0]);
    assert!(!names(&one).is_empty() && names(&one).is_disjoint(&names(&two)));
    assert!(
        kept.lock().expect("no panic").orders.values().any(|orders| orders.len() > 1),
        "orders were kept"
    );
    let traces = kept.lock().expect("no panic").traces.clone();
    let distinct: BTreeSet<&String> = traces.iter().collect();
    assert_eq!(distinct.len(), traces.len(), "every request has a trace id of its own");
    // Who says the name gets it, and then the second run finds what the first has left.
    let (_, named, _) = run(folder.path(), "three", &["--run-name", "fixed"]);
    assert_eq!(named[0]["run"], "fixed");
    let (again, _, _) = run(folder.path(), "four", &["--run-name", "fixed"]);
    assert!(!violated(&again).is_empty(), "the test can tell: {again}");
}

#[test]
fn several_runs_on_one_application_are_each_their_own() {
    let (address, _) = serve(None);
    let folder = described(&address);
    let (answer, _, said) = run(folder.path(), "many", &["--repeat", "2"]);
    assert_eq!(violated(&answer), Vec::<String>::new(), "{said}");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a history");
    let header = |name: &str| -> Value {
        serde_json::from_str(read(name).lines().next().expect("a header")).expect("JSON")
    };
    assert_ne!(header("many-1")["run"], header("many-2")["run"]);
}

#[test]
fn ids_stand_in_the_history_as_digests_unless_they_are_to_be_kept() {
    let (address, _) = serve(None);
    let folder = described(&address);
    run(folder.path(), "digests", &[]);
    let text = std::fs::read_to_string(folder.path().join("digests")).expect("a history");
    assert!(text.contains("sid=digest-") && !text.contains("secret0"), "no id is in it");
    run(folder.path(), "kept", &["--keep-secrets"]);
    let text = std::fs::read_to_string(folder.path().join("kept")).expect("a history");
    assert!(text.contains("sid=secret0"));
}

#[test]
fn steps_that_are_not_described_are_not_issued() {
    let (address, _) = serve(None);
    let folder = described(&address);
    let (answer, events, said) = run(folder.path(), "history", &["--churn", "20"]);
    assert!(
        said.contains("has no [patch], [touch], [renew], [destroy]: these operations are not asked for"),
        "{said}"
    );
    let asked: BTreeSet<&str> = events.iter().filter_map(|event| event["f"].as_str()).collect();
    for lacking in ["touch", "renew", "destroy", "patch"] {
        assert!(!asked.contains(lacking), "{lacking}: {asked:?}");
    }
    assert!(asked.contains("write") && asked.contains("act") && asked.contains("create"));
    assert!(events.iter().all(|event| event["type"] != "fail"), "a healthy application refuses nothing");
    assert_eq!(answer["measurements"]["run"]["availability_share"], 1.0);
}

/// Everything that an application kept is gone in the middle of a run: its users log in again.
#[test]
fn users_whose_sessions_are_gone_log_in_again() {
    let (address, _) = serve(Some(250));
    let folder = described(&address);
    let (answer, events, said) = run(folder.path(), "history", &[]);
    assert!(violated(&answer).contains(&"lost-session".to_owned()), "{answer}");
    let mut after: HashMap<&str, usize> = HashMap::new();
    let mut sessions: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for event in events.iter().filter(|event| event["session"] != "final") {
        let (Some(session), Some(key)) = (event["session"].as_str(), event["key"].as_str()) else { continue };
        let absent = event["error"] == "no such session"
            || event["type"] == "ok" && event["f"] == "read" && event["value"].is_null();
        *after.entry(key).or_default() += usize::from(absent);
        if event["type"] == "ok" && event["f"] == "create" {
            sessions.entry(session).or_default().insert(key);
        }
    }
    // Three requests are told so, and one of an old id that is looked for may be among those that follow.
    let most = after.values().max().copied().unwrap_or(0);
    assert!((3..12).contains(&most), "asked for {most} times: {said}");
    assert!(sessions.values().all(|ids| ids.len() == 2), "each user has logged in twice: {sessions:?}");
}
