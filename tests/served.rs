//! Availability and latency of a run against the server's own log, which shares no code with what measures them.
//!
//! A figure that gates a release must be the one that the server would tell. The server here is a few lines of this test: it
//! notes when each request had come and when its answer left, is slow with one request of ten, and answers 503 for a while.
//! The log is read by its own rules: shares are counted, and quantiles are values of a sorted list.

#![allow(clippy::print_stderr, reason = "says what was skipped")]

use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::WebRequest;

const USUAL: Duration = Duration::from_millis(30);
const SLOW: Duration = Duration::from_millis(250);
/// From when to when, since the first request, the server answers nobody.
const OUTAGE: std::ops::Range<u128> = 1500..2300;

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Served {
    trace: String,
    took: Duration,
    status: u16,
}

#[derive(Default)]
struct Server {
    sessions: HashMap<String, String>,
    log: Vec<Served>,
    began: Option<Instant>,
    requests: usize,
}

fn serve() -> (String, Arc<Mutex<Server>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = Arc::new(Mutex::new(Server::default()));
    let shared = server.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = shared.clone();
            std::thread::spawn(move || converse(stream, &server));
        }
    });
    (address, server)
}

fn converse(stream: TcpStream, server: &Mutex<Server>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut writer = stream;
    while let Some(request) = WebRequest::read_from(&mut reader) {
        let came = Instant::now();
        let WebRequest { method, headers, body, .. } = request;
        let (status, answer, delay) = decide(&method, &headers, body, server);
        std::thread::sleep(delay);
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", answer.len());
        let sent = writer.write_all((head + &answer).as_bytes());
        let trace = headers.get("traceparent").cloned().unwrap_or_default();
        server.lock().expect("no panic").log.push(Served { trace, took: came.elapsed(), status });
        if sent.is_err() {
            return;
        }
    }
}

/// What is answered, and after how long.
fn decide(
    method: &str,
    headers: &HashMap<String, String>,
    body: Vec<u8>,
    server: &Mutex<Server>,
) -> (u16, String, Duration) {
    let mut server = server.lock().expect("no panic");
    server.requests += 1;
    let number = server.requests;
    // The probe comes first, and takes few requests: the load begins with the first that is none of it.
    if number > 10 && OUTAGE.contains(&server.began.get_or_insert_with(Instant::now).elapsed().as_millis()) {
        return (503, "{}".to_owned(), Duration::ZERO);
    }
    let delay = if number.is_multiple_of(10) { SLOW } else { USUAL };
    let id = headers.get("x-session").cloned().unwrap_or_default();
    let text = String::from_utf8(body).expect("text");
    let (status, answer) = match method {
        "POST" => {
            let id = format!("id{number}");
            server.sessions.insert(id.clone(), text);
            (200, serde_json::json!({"token": id}))
        }
        "PUT" => match server.sessions.get_mut(&id) {
            Some(held) => {
                *held = text;
                (200, serde_json::json!({}))
            }
            None => (401, serde_json::json!({})),
        },
        _ => match server.sessions.get(&id) {
            Some(held) => (200, serde_json::json!({"data": held})),
            None => (401, serde_json::json!({})),
        },
    };
    (status, answer.to_string(), delay)
}

/// The value that so many of a sorted list do not exceed.
fn quantile(sorted: &[Duration], share: f64) -> f64 {
    sorted[((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1].as_secs_f64()
}

/// Runs a load against the server and returns the figures of the run and the events of the history.
fn run_load(address: &str, seed: &str) -> (Value, Vec<Value>) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "entries = {{ main = 'http://{address}' }}\n\
         session = {{ token = '/token', send = 'x-session: {{id}}' }}\n\
         answer = {{ absent = [401] }}\n\
         create = {{ method = 'POST', path = '/', body = '{{value}}' }}\n\
         read = {{ path = '/', value = '/data' }}\n\
         write = {{ method = 'PUT', path = '/', body = '{{value}}' }}\n"
    );
    std::fs::write(folder.path().join("app.toml"), text).expect("a file");
    let options = "run http --stack app.toml --format json --measure --quiet --load 120/s --clients 40 --sessions 60 \
                   --duration 4s --settle 0s --operation-timeout 10s --output h.jsonl";
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(options.split_whitespace())
        .args(["--seed", seed])
        .current_dir(&folder)
        .output()
        .expect("the program can be run");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_str(text.lines().next().unwrap_or_default())
        .unwrap_or_else(|why| panic!("{why}: {text}{errors}"));
    let history = std::fs::read_to_string(folder.path().join("h.jsonl")).expect("a history");
    let events = history.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (answer["measurements"]["run"].clone(), events)
}

#[test]
fn availability_and_latency_are_those_of_the_servers_log() {
    for seed in ["1", "2", "3"] {
        let (address, server) = serve();
        let (run, events) = run_load(&address.to_string(), seed);
        let figure = |name: &str| run[name].as_f64().unwrap_or_else(|| panic!("no {name} in {run}"));
        // Only requests of the load count, by their trace ids: neither those of the probe nor the final reads.
        let of_load: std::collections::HashSet<&str> = (events.iter())
            .filter(|event| event["session"] != "final")
            .filter_map(|event| event["trace_id"].as_str())
            .collect();
        let log = server.lock().expect("no panic").log.clone();
        let served: Vec<&Served> = (log.iter())
            .filter(|served| served.trace.split('-').nth(1).is_some_and(|id| of_load.contains(id)))
            .collect();
        assert!(served.len() > 250, "seed {seed}: {} requests", served.len());
        let answered = served.iter().filter(|served| served.status != 503).count();
        // Users who were turned away because no client was free never reached the server. The recording tells of them, and
        // they count as not served.
        let turned_away = events.iter().filter(|event| event["f"] == "turned-away");
        let turned_away: usize = turned_away.map(|event| event["value"].as_array().map_or(0, Vec::len)).sum();
        let share = answered as f64 / (served.len() + turned_away) as f64;
        assert!(share < 0.95, "seed {seed}: there was an outage: {share}");
        let told = figure("availability_share");
        assert!((told - share).abs() < 0.01, "seed {seed}: availability {told}, by the log {share}");
        let mut took: Vec<Duration> =
            served.iter().filter(|served| served.status == 200).map(|served| served.took).collect();
        took.sort_unstable();
        if quantile(&took, 0.5) > USUAL.as_secs_f64() * 1.3 {
            // A sleep of 30 ms that takes 40 says that there is no processor to be had: users wait for that, not for the server.
            eprintln!("skipped: latency of seed {seed}, on a machine that is too busy");
            continue;
        }
        // A user waits for the network as well, and on a busy machine for a processor: never less than the server took, and the
        // slowest of a hundred by more than most.
        for (name, part, more) in [("latency_p50_seconds", 0.5, 0.12), ("latency_p99_seconds", 0.99, 0.7)] {
            let (told, by_log) = (figure(name), quantile(&took, part));
            assert!(
                told > by_log - 0.002 && told < by_log + more,
                "seed {seed}: {name} {told} s, by the log {by_log} s"
            );
        }
    }
}
