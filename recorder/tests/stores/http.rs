//! Descriptions that do not fit an application, and when an answer counts: against a server of a few lines.

use histories::Function;
use recorder::stores::http::{Description, HttpStore};
use recorder::{Client, Failure, Store, StoreAnswer, StoreRequest, Trace};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use workloads::{ClientOperation, SessionPayload, Value};

const DESCRIPTION: &str = r#"
    entries = { main = "http://ADDRESS" }
    session = { cookie = "sid" }
    answer = { absent = [401], refused = [503] }
    create = { method = "POST", path = "/login", body = "{value}" }
    read = { path = "/session", value = "/data" }
    write = { method = "PUT", path = "/session", body = "{value}" }
"#;

/// A server that answers the first line of each request with what `answer` says: what comes at once, and what
/// comes after a while.
async fn serve(answer: fn(&str) -> (String, String)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = vec![0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    let (now, later) = answer(text.lines().next().unwrap());
                    stream.write_all(now.as_bytes()).await.unwrap();
                    if !later.is_empty() {
                        tokio::time::sleep(Duration::from_millis(300)).await;
                        stream.write_all(later.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

fn response(status: &str, headers: &str, body: &str) -> (String, String) {
    let length = body.len();
    (format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"), String::new())
}

fn store(text: &str, address: &str) -> HttpStore {
    HttpStore::new(Description::from_toml(&text.replace("ADDRESS", address)).unwrap())
}

async fn misfit(answer: fn(&str) -> (String, String)) -> String {
    store(DESCRIPTION, &serve(answer).await).probe_application().await.unwrap_err()
}

#[tokio::test]
async fn what_does_not_fit_is_told_before_the_run() {
    let why = misfit(|_| response("500 Internal Server Error", "", "broken")).await;
    assert!(why.contains("[create] (POST /login)") && why.contains("status 500"), "{why}");
    assert!(why.contains("correct the description"), "{why}");
    let why = misfit(|_| response("200 OK", "set-cookie: other=1\r\n", "{}")).await;
    assert!(why.contains("no cookie \"sid\" in the answer to the login"), "{why}");
    let why = misfit(|_| response("200 OK", "set-cookie: sid=1\r\n", "{}")).await;
    assert!(
        why.contains("[read]") && why.contains("returns nothing") && why.contains("(value, fields)"),
        "{why}"
    );
    let why = misfit(|line| match line.starts_with("GET") {
        true => response("200 OK", "", "<html>"),
        false => response("200 OK", "set-cookie: sid=1\r\n", ""),
    });
    let why = why.await;
    assert!(why.contains("no JSON") && why.contains("<html>"), "{why}");
    let nobody = store(DESCRIPTION, "127.0.0.1:1").probe_application().await.unwrap_err();
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
}

async fn ask(
    store: &HttpStore,
    function: Function,
    value: Value,
) -> (Result<StoreAnswer, Failure>, Duration) {
    let (user, began) = (Arc::<str>::from("s-1"), Instant::now());
    let operation = ClientOperation::on_key(&user, function, value);
    let trace = Trace { run: 1, number: 1 };
    let request = StoreRequest { session: &user, operation: &operation, deadline_ns: u64::MAX, trace };
    let answer = store.connect(0).await.unwrap().execute(&request).await;
    (answer, began.elapsed())
}

fn payload() -> Value {
    Value::Payload(SessionPayload { session: "s-1".into(), field: None, version: 1, bytes: 64 })
}

/// The headers come at once, the body after 300 ms.
#[tokio::test]
async fn headers_and_body_are_two_moments() {
    let address = serve(|_| {
        let head = "HTTP/1.1 200 OK\r\nset-cookie: sid=1\r\ncontent-length: 2\r\n\r\n";
        (head.to_owned(), "{}".to_owned())
    });
    let address = address.await;
    let (done, took) = ask(&store(DESCRIPTION, &address), Function::CREATE, payload()).await;
    assert!(done.is_ok() && took > Duration::from_millis(250));
    let early = DESCRIPTION.replace("refused", "acknowledged = \"headers\", refused");
    let (done, took) = ask(&store(&early, &address), Function::CREATE, payload()).await;
    assert!(done.is_ok() && took < Duration::from_millis(250), "{took:?}");
}

#[tokio::test]
async fn statuses_are_classified_and_stand_in_the_history() {
    let address = serve(|line| match line.split(' ').next() {
        Some("POST") => response("200 OK", "set-cookie: sid=1; Path=/\r\n", ""),
        Some("PUT") => response("503 Service Unavailable", "", ""),
        _ => response("401 Unauthorized", "", ""),
    });
    let store = store(DESCRIPTION, &address.await);
    assert!(!store.is_reachable("s-1"));
    let (created, _) = ask(&store, Function::CREATE, payload()).await;
    let notes = created.unwrap().notes;
    assert_eq!(notes[0], ("status", Value::Int(200)));
    // The id itself is not in the history.
    assert!(
        notes[1].1.to_json().starts_with("[\"sid=digest-") && notes[1].1.to_json().ends_with("; Path=/\"]"),
        "{notes:?}"
    );
    assert!(store.is_reachable("s-1") && store.session_id_of("s-1").as_deref() == Some("1"));
    let (read, _) = ask(&store, Function::READ, Value::Null).await;
    assert_eq!(read.unwrap().value, Value::Null);
    let (written, _) = ask(&store, Function::WRITE, payload()).await;
    let failure = written.unwrap_err();
    assert!(failure.definite && failure.error == "status 503");
    let (unknown, _) = ask(&store, Function::TOUCH, Value::Null).await;
    assert!(unknown.unwrap_err().error.contains("no [touch]"));
}

/// The complete example of the documentation.
#[test]
fn the_example_in_the_documentation_is_understood() {
    let page = include_str!("../../../docs/web-application.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let description = Description::from_toml(example).unwrap();
    assert_eq!(
        (description.missing_steps(), description.entry_names()),
        (vec![], vec!["blue".into(), "green".into()])
    );
}
