//! A web application that answers as none should: each misbehaviour, and how the operation counts.
//!
//! A JSON list was taken for an answer that says "there is no session", and a body or an audit trail without an end was
//! read for as long as it came.

use histories::Function;
use recorder::stores::http::{Description, HttpStore};
use recorder::{Client, Failure, Store, StoreAnswer, StoreRequest, Trace};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use workloads::{ClientOperation, SessionPayload, Value};

/// How long an operation may take here.
const DEADLINE: Duration = Duration::from_millis(300);

const DESCRIPTION: &str = r#"
    entries = { main = "http://ADDRESS" }
    session = { cookie = "sid" }
    answer = { absent = [401], refused = [503] }
    create = { method = "POST", path = "/login", body = "{value}" }
    read = { path = "/session", value = "/data" }
    write = { method = "PUT", path = "/session", body = "{value}", follow = true }
    actions = { path = "/orders", list = "/orders" }
    audit = { path = "/audit", list = "/entries", event = "/event", id = "/id" }
"#;

/// What the server does after it has said its words.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Then {
    Waits,
    Closes,
    /// Says the second text for as long as anybody reads.
    Repeats(&'static str),
}
use Then::{Closes, Repeats, Waits};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Ended {
    Ok,
    Absent,
    Fail,
    Info,
}
use Ended::{Absent, Fail, Info, Ok as Done};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Asked {
    Create,
    Read,
    Write,
    Actions,
}
use Asked::{Actions, Create, Read, Write};

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// What is asked, what comes back, what happens then, and how the operation counts.
const MISBEHAVIOURS: &[(Asked, &str, Then, Ended)] = &[
    // As it should be.
    (Write, GOOD, Waits, Done),
    (Write, "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", Waits, Fail),
    (Write, "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n", Waits, Fail),
    (Read, "HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", Waits, Absent),
    (Read, GOOD, Waits, Absent),
    (Create, "HTTP/1.1 200 OK\r\nset-cookie: sid=1\r\ncontent-length: 0\r\n\r\n", Waits, Done),
    // Statuses that say nothing of what was done.
    (Write, "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    (Write, "HTTP/1.1 304 Not Modified\r\n\r\n", Waits, Info),
    (Write, "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    (Write, "HTTP/1.1 999 What\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    (Write, "HTTP/1.1 100 Continue\r\n\r\n", Waits, Info),
    (Read, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    // A login that tells no id.
    (Create, GOOD, Waits, Info),
    (Create, "HTTP/1.1 200 OK\r\nset-cookie: sid\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    (Create, "HTTP/1.1 200 OK\r\nset-cookie: sid=; Max-Age=0\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    // Bodies that are not what they should be.
    (Read, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", Waits, Info),
    (Read, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", Waits, Info),
    (Read, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\"x\"", Waits, Info),
    (Read, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7", Waits, Info),
    (Read, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    (Read, "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{}{}", Waits, Info),
    (Read, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", Closes, Info),
    (Read, "HTTP/1.1 200 OK\r\n\r\n{\"data\":", Closes, Info),
    (Read, "HTTP/1.1 204 No Content\r\n\r\n", Waits, Info),
    (Actions, GOOD, Waits, Info),
    (Actions, "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"orders\":\"no\"}", Waits, Info),
    // Lengths and chunks that are wrong.
    (Write, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", Closes, Info),
    (Write, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", Waits, Info),
    (Write, "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}", Waits, Info),
    (Write, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}", Waits, Info),
    (Write, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n", Waits, Info),
    (Write, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}", Closes, Info),
    (Write, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", Waits, Info),
    // No HTTP at all, or half of it.
    (Write, "+OK\r\n", Waits, Info),
    (Write, "HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n", Waits, Info),
    (Write, "HTTP/1.1 OK\r\n\r\n", Waits, Info),
    (Write, "HTTP/1.1 200", Closes, Info),
    (Write, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", Waits, Info),
    (Write, "\r\n\r\n", Closes, Info),
    (Write, "", Waits, Info),
    (Write, "", Closes, Info),
    // Without an end.
    (Write, "HTTP/1.1 200 OK\r\n\r\n", Repeats("{}"), Info),
    (Write, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Repeats("2\r\n{}\r\n"), Info),
    (Write, "HTTP/1.1 200 OK\r\n", Repeats("x-header: value\r\n"), Info),
    (Write, "", Repeats("HTTP/1.1 100 Continue\r\n\r\n"), Info),
    (Write, "", Repeats("x"), Info),
    (Read, "HTTP/1.1 200 OK\r\n\r\n", Repeats(" "), Info),
    // A page to go to that leads on and on is gone to once.
    (Write, "HTTP/1.1 200 OK\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n", Waits, Done),
];

/// Answers each request with these words; a login that is not what is asked here, as it should be.
async fn serve(asked: Asked, words: &'static str, then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, asked, words, then));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, asked: Asked, words: &'static str, then: Then) {
    const LOGIN: &str = "HTTP/1.1 200 OK\r\nset-cookie: sid=1\r\ncontent-length: 0\r\n\r\n";
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        if asked != Create && bytes[..length].starts_with(b"POST") {
            stream.write_all(LOGIN.as_bytes()).await.unwrap();
            continue;
        }
        let _ = stream.write_all(words.as_bytes()).await;
        match then {
            Waits => {}
            Closes => return,
            Repeats(text) => {
                let many = text.repeat(200);
                while stream.write_all(many.as_bytes()).await.is_ok() {}
            }
        }
    }
}

async fn execute(store: &HttpStore, function: Function, value: Value) -> Result<StoreAnswer, Failure> {
    let user: Arc<str> = "s-1".into();
    let operation = ClientOperation::on_key(&user, function, value);
    let trace = Trace { run: 1, number: 1 };
    let request = StoreRequest { session: &user, operation: &operation, deadline_ns: u64::MAX, trace };
    store.connect(0).await?.execute(&request).await
}

/// How one operation counts, as the client loop takes it: what takes longer than the deadline is indeterminate.
async fn counted(asked: Asked, address: &str) -> Ended {
    let store = HttpStore::new(Description::from_toml(&DESCRIPTION.replace("ADDRESS", address)).unwrap());
    let payload =
        || Value::Payload(SessionPayload { session: "s-1".into(), field: None, version: 1, bytes: 64 });
    if asked != Create {
        execute(&store, Function::CREATE, payload()).await.unwrap();
    }
    let asks = match asked {
        Create => execute(&store, Function::CREATE, payload()),
        Read => execute(&store, Function::READ, Value::Null),
        Write => execute(&store, Function::WRITE, payload()),
        Actions => execute(&store, Function::ACTIONS, Value::Null),
    };
    match tokio::time::timeout(DEADLINE, asks).await {
        Ok(Ok(answer)) if asked == Read && answer.value == Value::Null => Absent,
        Ok(Ok(_)) => Done,
        Ok(Err(failure)) if failure.definite => Fail,
        Ok(Err(_)) | Err(_) => Info,
    }
}

#[tokio::test]
async fn no_misbehaviour_is_taken_for_an_answer() {
    let mut wrong = Vec::new();
    for (asked, words, then, expected) in MISBEHAVIOURS {
        let found = counted(*asked, &serve(*asked, words, *then).await).await;
        if found != *expected {
            wrong.push(format!("{asked:?} {words:?} {then:?}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "taken for something else:\n{}", wrong.join("\n"));
}

/// An audit trail that never ends does not keep the run from ending.
#[tokio::test]
async fn an_audit_trail_without_an_end_is_given_up() {
    let address =
        serve(Read, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Repeats("1\r\n \r\n")).await;
    let store = HttpStore::new(Description::from_toml(&DESCRIPTION.replace("ADDRESS", &address)).unwrap());
    let began = Instant::now();
    let why = store.read_audit_trail().await.unwrap_err().error;
    assert!(why.contains("did not come in time") || why.contains("limit"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}
