//! What a tap costs: latency and requests per second of an application that does nothing, directly and through a tap.
//!
//! Needs `wrk`. The application and the tap are in this process, and wrk beside it, so all three share the machine:
//! `taskset -c 0,1 cargo run --release --example tap_speed`.

#![allow(clippy::print_stdout, reason = "prints its measurements")]

use recorder::journal::FileSink;
use recorder::stores::http::Description;
use recorder::tap::{TapSettings, record_tap};
use recorder::{RunCounts, Stop};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream as Stream};

const DESCRIPTION: &str = r#"
    entries = { main = "http://127.0.0.1:1" }
    session = { cookie = "sid" }
    create = { method = "POST", path = "/login", body = "{value}" }
    read = { path = "/cart", value = "/cart" }
"#;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: sid=1\r\ncontent-length: 21\r\n\r\n\
                        {\"cart\":\"ten apples\"}";

/// How long wrk runs, in seconds.
const SECONDS: &str = "5";

fn main() {
    let application = start_application();
    let file = std::env::temp_dir().join(format!("tap-speed-{}.jsonl", std::process::id()));
    let sink = FileSink::replace(&file).expect("a file");
    let settings = TapSettings {
        listen: "127.0.0.1:0".to_owned(),
        listen_tls: None,
        to: application.to_string(),
        to_tls: false,
        keep_secrets: false,
        answer_patience: Duration::from_secs(60),
        look_bytes_max: 1 << 20,
        connections_max: 1024,
        harmless: Vec::new(),
    };
    let (stop, (sender, receiver)) = (Stop::default(), channel());
    let tapped = std::thread::spawn({
        let (stop, description) = (stop.clone(), Description::from_toml(DESCRIPTION).expect("a description"));
        move || {
            let header = "{\"steadfast\":1,\"workload\":\"session\"}";
            let counts = Arc::new(RunCounts::default());
            record_tap(description, settings, (sink, header), counts, stop, |address| {
                sender.send(address).expect("somebody waits");
            })
        }
    });
    let tap = receiver.recv().expect("an address");
    log_in(tap);
    println!("                        median of one client     requests/s of 32 clients");
    let direct = measure("directly", application, "/cart");
    for (name, path) in [("through the tap, a read", "/cart"), ("through the tap, no step", "/other")] {
        let through = measure(name, tap, path);
        println!("  added at the median: {:.3} ms", (through - direct) / 1000.0);
    }
    stop.request_stop();
    let outcome = tapped.join().expect("no panic").expect("a recording");
    println!("{:?}, load of the machine {}", outcome.tally, load_average());
    std::fs::remove_file(file).expect("the history");
}

/// Starts an application that gives every request the same answer.
fn start_application() -> SocketAddr {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("somebody waits");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_always(stream));
            }
        });
    });
    receiver.recv().expect("an address")
}

async fn answer_always(mut stream: Stream) {
    stream.set_nodelay(true).expect("a socket");
    let mut bytes = vec![0; 8192];
    // Each client of this measurement sends one small request at a time, in one piece.
    while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// Begins the session whose reads are measured.
fn log_in(tap: SocketAddr) {
    let mut stream = TcpStream::connect(tap).expect("a connection");
    let request = b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nten apples";
    stream.write_all(request).expect("it is sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    assert!(line.contains(" 200 "), "{line}");
}

/// Measures an address with wrk. Returns the median latency of one client, in microseconds.
fn measure(name: &str, address: SocketAddr, path: &str) -> f64 {
    let url = format!("http://{address}{path}");
    let median = run_wrk(&url, "1", "50%");
    let rate = run_wrk(&url, "32", "Requests/sec:");
    println!("{name:<26} {:>10.1} µs          {rate:>10.0}", median);
    median
}

/// Runs wrk, and returns the figure behind a word.
fn run_wrk(url: &str, connections: &str, word: &str) -> f64 {
    let words = ["-t1", "-c", connections, "-d", SECONDS, "--latency", "-H", "Cookie: sid=1", url];
    let output = Command::new("wrk").args(words).output().expect("wrk is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
    let figure =
        text.lines().find_map(|line| line.trim().strip_prefix(word)).unwrap_or_else(|| panic!("{text}"));
    let figure = figure.trim();
    let digits = figure.find(|sign: char| sign.is_alphabetic()).unwrap_or(figure.len());
    let factor = match &figure[digits..] {
        "ms" => 1000.0,
        "s" => 1_000_000.0,
        _ => 1.0,
    };
    figure[..digits].parse::<f64>().expect("a number") * factor
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").expect("Linux tells its load");
    text.split(' ').next().expect("three averages").to_owned()
}
