//! Live connections of sessions (server-sent events): lost at a deployment, resumed or not, and after how long.
//!
//! What could go wrong: a connection that ends with a logout is called lost; a session that the application forgot is called resumed; a
//! description that never opens a connection looks like one that loses none. The truth comes from the server, which knows which streams it
//! cut off and which sessions it forgot.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DESCRIPTION: &str = r#"
entries = { main = "http://ADDRESS" }
session = { cookie = "sid" }
answer = { absent = [401] }
create = { method = "POST", path = "/login?user={user}", body = "{value}" }
read = { path = "/session", value = "/data" }
write = { method = "PUT", path = "/session", body = "{value}" }
destroy = { method = "POST", path = "/logout" }

[live]
path = "/news"
shows = '"user":"{user}"'
silence = "2s"
"#;

/// A session: its user, its value, and how many streams it has.
#[derive(Default)]
struct Known {
    user: String,
    value: String,
    streams: usize,
}

#[derive(Default)]
struct Server {
    sessions: BTreeMap<String, Known>,
    made: usize,
    /// Streams of an earlier deployment end.
    deployment: usize,
    refuses_streams: bool,
}

fn serve(server: &Arc<Mutex<Server>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = server.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = server.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while answer(&mut reader, &server).is_some() {}
            });
        }
    });
    address
}

/// Answers one request; nothing once the connection is over.
fn answer(reader: &mut BufReader<TcpStream>, server: &Arc<Mutex<Server>>) -> Option<()> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let (mut length, mut id) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "cookie" => id = value.trim().trim_start_matches("sid=").to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let (method, path) = first.split_once(' ')?;
    let path = path.split(' ').next()?.to_owned();
    let mut held = server.lock().expect("no panic");
    let (status, headers, text) = match (method, path.as_str()) {
        ("POST", path) if path.starts_with("/login") => {
            held.made += 1;
            let id = format!("id-{}", held.made);
            let user = path.split_once("user=").map_or(String::new(), |(_, user)| user.to_owned());
            held.sessions.insert(id.clone(), Known { user, value: body, streams: 0 });
            (200, format!("set-cookie: sid={id}\r\n"), String::new())
        }
        ("GET", "/news") if held.refuses_streams => (503, String::new(), String::new()),
        ("GET", "/news") if held.sessions.contains_key(&id) => {
            drop(held);
            return stream_news(reader.get_mut(), server, &id);
        }
        (_, _) if !held.sessions.contains_key(&id) => (401, String::new(), String::new()),
        ("GET", _) => (200, String::new(), serde_json::json!({"data": held.sessions[&id].value}).to_string()),
        ("PUT", _) => {
            held.sessions.get_mut(&id)?.value = body;
            (200, String::new(), String::new())
        }
        _ => {
            held.sessions.remove(&id);
            (200, "set-cookie: sid=; Max-Age=0\r\n".to_owned(), String::new())
        }
    };
    drop(held);
    let length = text.len();
    let text = format!("HTTP/1.1 {status} x\r\n{headers}content-length: {length}\r\n\r\n{text}");
    reader.get_mut().write_all(text.as_bytes()).ok()
}

/// A stream of events, until the session ends or another version is deployed.
fn stream_news(stream: &mut TcpStream, server: &Arc<Mutex<Server>>, id: &str) -> Option<()> {
    let (user, deployment) = {
        let mut held = server.lock().expect("no panic");
        let deployment = held.deployment;
        let known = held.sessions.get_mut(id)?;
        known.streams += 1;
        (known.user.clone(), deployment)
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: welcome\n\n";
    let hello = format!("event: hello\ndata: {{\"user\":\"{user}\"}}\n\n");
    let mut written = stream.write_all((head.to_owned() + &hello).as_bytes());
    loop {
        let goes_on = {
            let held = server.lock().expect("no panic");
            held.deployment == deployment && held.sessions.contains_key(id)
        };
        if !goes_on || written.is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        written = stream.write_all(b": ping\n\n");
    }
    if let Some(known) = server.lock().expect("no panic").sessions.get_mut(id) {
        known.streams -= 1;
    }
    None
}

/// A run beside which `meanwhile` does something to the server: the exit code, what was said, and the events of the history.
fn run(
    description: &str,
    more: &[&str],
    server: &Arc<Mutex<Server>>,
    meanwhile: impl FnOnce() + Send,
) -> (i32, String, Vec<Value>) {
    let address = serve(server);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("stack.toml"), description.replace("ADDRESS", &address))
        .expect("a file");
    let words = "run http --stack stack.toml --skip-probe --output h.jsonl --load 60/s --duration 4s --settle 1500ms \
                 --operation-timeout 5s";
    let output = std::thread::scope(|scope| {
        scope.spawn(meanwhile);
        Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .args(words.split_whitespace())
            .args(more)
            .current_dir(folder.path())
            .output()
            .expect("it runs")
    });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
    let text = std::fs::read_to_string(folder.path().join("h.jsonl")).expect("a history");
    let events = text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (output.status.code().expect("a code"), said, events)
}

/// The sessions with this event of a live connection.
fn told<'a>(events: &'a [Value], what: &str) -> Vec<&'a str> {
    let live = events.iter().filter(|event| event["process"] == "live" && event["f"] == what);
    live.map(|event| event["value"].as_str().expect("a session")).collect()
}

/// All streams end with a deployment, and for 600 ms there are no new ones. Every user who is still logged in has one again afterwards.
#[test]
fn a_deployment_cuts_off_each_session_once() {
    let server = Arc::new(Mutex::new(Server::default()));
    let cut_off = Arc::new(Mutex::new(0));
    let meanwhile = {
        let (server, cut_off) = (server.clone(), cut_off.clone());
        move || {
            // As soon as all users have their streams, however slow the machine is.
            let began = Instant::now();
            while open_streams(&server) < 6 && began.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_millis(500));
            let mut held = server.lock().expect("no panic");
            *cut_off.lock().expect("no panic") =
                held.sessions.values().filter(|known| known.streams > 0).count();
            held.deployment += 1;
            held.refuses_streams = true;
            drop(held);
            std::thread::sleep(Duration::from_millis(600));
            server.lock().expect("no panic").refuses_streams = false;
        }
    };
    let (code, said, events) = run(DESCRIPTION, &["--sessions", "6"], &server, meanwhile);
    assert_eq!(code, 0, "{said}");
    let cut_off = *cut_off.lock().expect("no panic");
    assert!(cut_off >= 6, "{cut_off}");
    let (lost, resumed) = (told(&events, "lost"), told(&events, "resumed"));
    assert_eq!((lost.len(), resumed.len()), (cut_off, cut_off), "{said}");
    let sessions = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(sessions(&lost), sessions(&resumed));
    assert!(said.contains(&format!("{cut_off} lost: {cut_off} resumed (after ")), "{said}");
    // From the history alone: how long each was without its connection.
    for session in lost {
        let time = |what: &str| {
            let event = events
                .iter()
                .find(|event| event["process"] == "live" && event["f"] == what && event["value"] == session);
            event.expect("an event")["time"].as_u64().expect("a time") / 1_000_000
        };
        let gap = time("resumed") - time("lost");
        assert!((500..5000).contains(&gap), "{session}: {gap} ms without streams for 600 ms");
    }
}

fn open_streams(server: &Arc<Mutex<Server>>) -> usize {
    server.lock().expect("no panic").sessions.values().filter(|known| known.streams > 0).count()
}

/// The streams of a session end with its logout, and nothing is lost by that. The sessions that a deployment forgets are not resumed.
#[test]
fn a_logout_loses_nothing_and_a_forgotten_session_is_refused() {
    let server = Arc::new(Mutex::new(Server::default()));
    let (code, said, events) = run(DESCRIPTION, &["--sessions", "6", "--churn", "6"], &server, || ());
    assert_eq!(code, 0, "{said}");
    let ended = events.iter().filter(|event| event["f"] == "destroy" && event["type"] == "ok").count();
    assert!(ended >= 3, "{said}");
    assert!(said.contains(" 0 lost: 0 resumed"), "{said}");
    assert!(!told(&events, "open").is_empty() && told(&events, "resumed").is_empty(), "{said}");

    let server = Arc::new(Mutex::new(Server::default()));
    let forgets = {
        let server = server.clone();
        move || {
            let began = Instant::now();
            while open_streams(&server) < 4 && began.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(Duration::from_millis(500));
            server.lock().expect("no panic").sessions.clear();
        }
    };
    let (code, said, events) = run(DESCRIPTION, &["--sessions", "4"], &server, forgets);
    assert_eq!(code, 1, "the sessions are lost: {said}");
    let refused = told(&events, "refused").len();
    assert!(refused >= 4, "{said}");
    assert!(
        said.contains(&format!("{refused} refused, because the application knows no such session")),
        "{said}"
    );
}

/// A description that opens nothing says so, and not that nothing was lost.
#[test]
fn a_connection_that_never_opens_is_no_zero() {
    let server = Arc::new(Mutex::new(Server::default()));
    let description = DESCRIPTION.replace("\"user\":\"{user}\"", "\"nobody\":\"{user}\"");
    let (_, said, events) = run(&description, &["--sessions", "2"], &server, || ());
    assert!(told(&events, "open").is_empty());
    assert!(said.contains("no live connection was open, so nothing is known of them"), "{said}");
    assert!(said.contains("no event showed the session in time"), "{said}");
}
