//! A tap between an application and clients that do not behave: each operation has the outcome that a driver would give it, and the
//! tap goes on.
//!
//! A proxy sees broken answers before anybody else does. One that takes half an answer for a whole one records an operation as done
//! that was not; one that waits for ever, or keeps what it is sent, is a way to take the application down.

use crate::client::read_answer;
use crate::running::{RunningTap, settings};
use crate::web::WebRequest;
use recorder::tap::TapSettings;
use serde_json::Value;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

const DESCRIPTION: &str = r#"
    entries = { main = "http://127.0.0.1:1" }
    session = { cookie = "sid" }
    answer = { absent = [401], refused = [409] }
    create = { method = "POST", path = "/login", body = "{value}" }
    read = { path = "/cart", value = "/cart" }
    write = { method = "PUT", path = "/cart", body = "{value}" }
"#;

/// What the application does with a request of a case.
#[derive(Clone, Copy, Debug)]
enum Reply {
    /// Sends these bytes and closes the connection.
    Bytes(&'static str),
    /// Sends these bytes and then nothing.
    Silent(&'static str),
    /// Sends headers and then a body without an end.
    Endless,
}

/// A case: its name, the reply, what the client gets (0: a broken answer), and the outcomes of a read and of a write.
type Case = (&'static str, Reply, u16, &'static str, &'static str);

const CASES: &[Case] = &[
    (
        "well",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"cart\":\"first cart\"}"),
        200,
        "ok payload",
        "ok payload",
    ),
    ("nothing", Reply::Bytes(""), 502, "info", "info"),
    ("cut in headers", Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-le"), 502, "info", "info"),
    (
        "cut in the body",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"cart\""),
        0,
        "info",
        "info",
    ),
    (
        "cut in a chunk",
        Reply::Bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{\"cart\":"),
        0,
        "info",
        "info",
    ),
    (
        "cut between chunks",
        Reply::Bytes("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nnull\r\n"),
        0,
        "info",
        "info",
    ),
    ("silent", Reply::Silent(""), 504, "info", "info"),
    ("silent in headers", Reply::Silent("HTTP/1.1 200 OK\r\n"), 504, "info", "info"),
    (
        "silent in the body",
        Reply::Silent("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"cart\""),
        0,
        "info",
        "info",
    ),
    ("endless", Reply::Endless, 0, "info", "info"),
    ("garbage", Reply::Bytes("\u{1}\u{2}\u{3} no protocol\r\n\r\n"), 502, "info", "info"),
    (
        "a length that is none",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}"),
        502,
        "info",
        "info",
    ),
    (
        "a length that is too small",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"cart\":\"first cart\"}"),
        200,
        "info",
        "ok payload",
    ),
    (
        "no JSON",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>"),
        200,
        "info",
        "ok payload",
    ),
    (
        "another shape",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"),
        200,
        "info",
        "ok payload",
    ),
    (
        "another value",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"cart\":\"unread\"}"),
        200,
        "info",
        "ok payload",
    ),
    (
        "compressed",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 4\r\n\r\nnull"),
        200,
        "info",
        "ok payload",
    ),
    (
        "nobody",
        Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull"),
        200,
        "ok null",
        "ok payload",
    ),
    ("absent", Reply::Bytes("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n"), 401, "ok null", "fail"),
    ("absent, and cut", Reply::Bytes("HTTP/1.1 401 No\r\ncontent-length: 9\r\n\r\n"), 0, "ok null", "fail"),
    ("refused", Reply::Bytes("HTTP/1.1 409 No\r\ncontent-length: 0\r\n\r\n"), 409, "fail", "fail"),
    ("broken inside", Reply::Bytes("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"), 500, "info", "info"),
    (
        "redirected",
        Reply::Bytes("HTTP/1.1 302 X\r\nlocation: /\r\ncontent-length: 0\r\n\r\n"),
        302,
        "info",
        "info",
    ),
    (
        "another protocol",
        Reply::Bytes("HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        502,
        "info",
        "info",
    ),
];

/// Starts an application that does what the header `x-case` of a request says. The channel gets the method of each request.
fn serve(requests: Sender<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let requests = Mutex::new(requests);
    let requests: &'static Mutex<Sender<String>> = Box::leak(Box::new(requests));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || converse(stream, requests));
        }
    });
    address
}

fn converse(stream: TcpStream, requests: &Mutex<Sender<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a copy"));
    let mut writer = stream;
    while let Some(request) = WebRequest::read_from(&mut reader) {
        let _ = requests.lock().expect("no panic").send(request.method.clone());
        if request.headers.contains_key("upgrade") {
            let head = "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
            writer.write_all(head.as_bytes()).expect("it is sent");
            let _ = std::io::copy(&mut reader, &mut writer);
            return;
        }
        let number = request.headers.get("x-case").map(|number| number.parse::<usize>().expect("a number"));
        let Some(number) = number else {
            static ISSUED: Mutex<u64> = Mutex::new(0);
            let mut issued = ISSUED.lock().expect("no panic");
            *issued += 1;
            let answer = format!("HTTP/1.1 200 OK\r\nset-cookie: sid=s{issued}\r\ncontent-length: 0\r\n\r\n");
            if writer.write_all(answer.as_bytes()).is_err() {
                return;
            }
            continue;
        };
        match CASES[number].1 {
            Reply::Bytes(bytes) => {
                let _ = writer.write_all(bytes.as_bytes());
                return;
            }
            Reply::Silent(bytes) => {
                let _ = writer.write_all(bytes.as_bytes());
                // Until the tap gives up.
                let _ = reader.read(&mut [0]);
                return;
            }
            Reply::Endless => {
                let _ = writer.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
                let piece = format!("1000\r\n{}\r\n", "x".repeat(4096));
                while writer.write_all(piece.as_bytes()).is_ok() {}
                return;
            }
        }
    }
}

fn connect(address: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    BufReader::new(stream)
}

fn send(stream: &mut BufReader<TcpStream>, text: &str) {
    stream.get_mut().write_all(text.as_bytes()).expect("it is sent");
}

fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nhost: shop\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// Logs in on a connection of its own. Returns the header with the session's cookie.
fn log_in(tap: &str, value: &str) -> String {
    let mut stream = connect(tap);
    send(&mut stream, &request("POST", "/login", "", value));
    let cookie = read_answer(&mut stream).expect("an answer").headers["set-cookie"].clone();
    format!("cookie: {cookie}\r\n")
}

/// Reads an answer; an endless one for as long as some megabytes last.
fn status_of_answer(stream: &mut BufReader<TcpStream>, reply: Reply) -> u16 {
    if matches!(reply, Reply::Endless) {
        let mut bytes = vec![0; 4 << 20];
        stream.read_exact(&mut bytes).expect("the endless answer is passed on");
        return 0;
    }
    read_answer(stream).map_or(0, |answer| answer.status)
}

/// The completions of a function: outcome, what the value is, and the error.
fn completions(history: &str, f: &str) -> Vec<(String, String)> {
    let text = history;
    let events = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let ends =
        events.filter(|event| event["process"].is_u64() && event["type"] != "invoke" && event["f"] == f);
    let shown = ends.map(|event| {
        let kind = event["type"].as_str().expect("a type");
        let value = match (&event["value"], kind) {
            (_, "info" | "fail") => kind.to_owned(),
            (Value::Null, _) => format!("{kind} null"),
            (value, _) if value["version"].is_u64() => format!("{kind} payload"),
            (value, _) => format!("{kind} {value}"),
        };
        (value, event["error"].as_str().unwrap_or_default().to_owned())
    });
    shown.collect()
}

#[test]
fn answers_of_any_kind_are_classified_as_a_driver_does() {
    let (requests, _seen) = channel();
    let patience = Duration::from_millis(700);
    let settings = TapSettings { answer_patience: patience, ..settings(&serve(requests)) };
    let tap = RunningTap::start(DESCRIPTION, settings);
    for (number, (name, reply, status, ..)) in CASES.iter().enumerate() {
        // A session for each case, so that the outcome of one says nothing of another.
        let cookie = log_in(&tap.address, "first cart");
        for (method, body) in [("GET", String::new()), ("PUT", format!("cart of case {number}"))] {
            let mut stream = connect(&tap.address);
            send(&mut stream, &request(method, "/cart", &format!("{cookie}x-case: {number}\r\n"), &body));
            assert_eq!(status_of_answer(&mut stream, *reply), *status, "{name}: {method}");
        }
    }
    // A tap that has seen all that still works.
    log_in(&tap.address, "last cart");
    let (_, history) = tap.stop();
    // Values that several sessions wrote are told apart by the session.
    let (reads, writes) = (completions(&history, "read"), completions(&history, "write"));
    assert_eq!((reads.len(), writes.len()), (CASES.len(), CASES.len()));
    for ((name, _, _, read, write), (read_as, written_as)) in CASES.iter().zip(reads.iter().zip(&writes)) {
        assert_eq!(
            (*read, *write),
            (read_as.0.as_str(), written_as.0.as_str()),
            "{name}: {read_as:?} {written_as:?}"
        );
    }
    assert_eq!(completions(&history, "create").len(), CASES.len() + 1);
}

/// Nobody listens at the address of the application: nothing was sent, so nothing was done.
#[test]
fn an_application_that_is_not_there_did_nothing() {
    let nobody =
        TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    let tap = RunningTap::start(DESCRIPTION, settings(&nobody));
    let mut stream = connect(&tap.address);
    send(&mut stream, &request("POST", "/login", "", "a cart"));
    let answer = read_answer(&mut stream).expect("an answer");
    assert_eq!(answer.status, 502);
    assert!(
        String::from_utf8_lossy(&answer.body).starts_with("steadfast tap: the application did not answer")
    );
    let (outcome, history) = tap.stop();
    assert_eq!((outcome.tally.ok, outcome.tally.fail), (0, 1));
    let creates = completions(&history, "create");
    assert!(creates.len() == 1 && creates[0].0 == "fail" && creates[0].1.contains(&nobody), "{creates:?}");
}

#[test]
fn clients_of_any_kind_break_nothing() {
    let (requests, seen) = channel();
    let tap = RunningTap::start(DESCRIPTION, settings(&serve(requests)));
    let case = |name: &str| CASES.iter().position(|case| case.0 == name).expect("a case");
    let cookie = log_in(&tap.address, "first cart");
    assert_eq!(seen.recv().expect("the login"), "POST");
    // What is no request, or not a whole one, never reaches the application.
    for (name, text, status) in [
        ("garbage", "\u{1}\u{2} no protocol\r\n\r\n".to_owned(), 400),
        ("cut in headers", "GET /cart HTTP/1.1\r\nhost: sh".to_owned(), 0),
        ("cut in the body", request("PUT", "/cart", &cookie, "x").replace("length: 1", "length: 100"), 408),
        ("two lengths", request("PUT", "/cart", &format!("{cookie}content-length: 7\r\n"), "x"), 400),
        (
            "too long a header",
            request("GET", "/cart", &format!("x-long: {}\r\n", "x".repeat(100_000)), ""),
            431,
        ),
        ("too many headers", request("GET", "/cart", &"x-many: 1\r\n".repeat(500), ""), 431),
        (
            "a tunnel elsewhere",
            "CONNECT example.test:443 HTTP/1.1\r\nhost: example.test\r\n\r\n".to_owned(),
            501,
        ),
    ] {
        let mut stream = connect(&tap.address);
        // The tap may answer and close before it has read everything.
        let _ = stream.get_mut().write_all(text.as_bytes());
        if name.starts_with("cut") {
            let _ = stream.get_mut().shutdown(Shutdown::Write);
        }
        assert_eq!(read_answer(&mut stream).map_or(0, |answer| answer.status), status, "{name}");
    }
    assert!(seen.try_recv().is_err(), "the application has seen a broken request");
    // A client that does not wait for its answer.
    let mut stream = connect(&tap.address);
    let silent = format!("{cookie}x-case: {}\r\n", case("silent"));
    send(&mut stream, &request("PUT", "/cart", &silent, "a cart of nobody"));
    assert_eq!(seen.recv().expect("the write"), "PUT");
    drop(stream);
    // A client that ends in the middle of its answer.
    let mut stream = connect(&tap.address);
    let endless = format!("{cookie}x-case: {}\r\n", case("endless"));
    send(&mut stream, &request("PUT", "/cart", &endless, "another cart of nobody"));
    stream.read_exact(&mut [0; 10_000]).expect("the answer begins");
    drop(stream);
    // A value that is longer than the tap looks at is passed on, and recorded without its text.
    let mut stream = connect(&tap.address);
    send(&mut stream, &request("PUT", "/cart", &cookie, &"x".repeat(300_000)));
    assert_eq!(read_answer(&mut stream).expect("an answer").status, 200);
    let began = Instant::now();
    while completed(&tap.history(), "write") < 3 && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (_, history) = tap.stop();
    let mut writes = completions(&history, "write");
    writes.sort();
    let broke_off = ("info".to_owned(), "the client broke off before the answer was complete".to_owned());
    assert_eq!(writes, [broke_off.clone(), broke_off, ("ok payload".to_owned(), String::new())]);
    assert!(history.contains("\"bytes\":300000"), "the length of the long value is known");
}

/// How many operations of a function have a completion so far.
fn completed(history: &str, f: &str) -> usize {
    let ends = history.lines().filter(|line| !line.contains("\"type\":\"invoke\""));
    ends.filter(|line| line.contains(&format!("\"f\":\"{f}\""))).count()
}

/// A WebSocket is passed through, and ends with the tap.
#[test]
fn an_upgraded_connection_is_passed_through() {
    let (requests, _seen) = channel();
    let tap = RunningTap::start(DESCRIPTION, settings(&serve(requests)));
    log_in(&tap.address, "first cart");
    let mut stream = connect(&tap.address);
    send(
        &mut stream,
        "GET /live HTTP/1.1\r\nhost: shop\r\nconnection: keep-alive, Upgrade\r\nupgrade: echo\r\n\r\n",
    );
    let answer = read_answer(&mut stream).expect("an answer");
    assert_eq!((answer.status, answer.headers["upgrade"].as_str()), (101, "echo"));
    for word in ["one", "another"] {
        send(&mut stream, word);
        let mut echo = vec![0; word.len()];
        stream.read_exact(&mut echo).expect("an echo");
        assert_eq!(echo, word.as_bytes());
    }
    let (outcome, _) = tap.stop();
    assert_eq!((outcome.passed.len(), outcome.passed[0].shape.as_str()), (1, "GET /live"));
    assert_eq!(stream.read(&mut [0; 10]).expect("an end"), 0);
}
