//! A login as stock applications have it: a page with a form, a hidden token and a cookie against forged requests, users who
//! exist beforehand, and a header with the token on every write.
//!
//! What went wrong before: a description had one request for each step, so that such an application could only be driven if
//! somebody wrote a view for it.

use crate::truth::operations;
use histories::Function;
use recorder::journal::MemorySink;
use recorder::stores::http::{Description, HttpStore};
use recorder::system::RunFolder;
use recorder::{Clock, IdleNemesis, Journal, RunCounts, RunSettings, Stop, run};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use workloads::{Plan, WorkloadKind, WorkloadSettings};

const DESCRIPTION: &str = r#"
    users = "USERS"
    entries = { main = "http://ADDRESS" }
    session = { cookie = "sid" }
    answer = { absent = [401] }
    [create]
    before = [{ path = "/login", take = { csrf = { between = ['name="csrf" value="', '"'] } } }]
    method = "POST"
    path = "/login"
    headers = { content-type = "application/x-www-form-urlencoded" }
    body = "user={user.name}&password={user.password}&csrf={take.csrf}&value={value}"
    ok = [302]
    [read]
    path = "/cart"
    value = "/cart"
    [write]
    before = [{ path = "/cart", take = { seen = { json = "/version" } } }]
    method = "POST"
    path = "/cart?over={take.seen}"
    headers = { x-csrftoken = "{cookie.csrftoken}" }
    body = "{value}"
    [destroy]
    method = "POST"
    path = "/logout"
    headers = { x-csrftoken = "{cookie.csrftoken}" }
"#;

/// Sessions by their ids: what each holds, and how often it was written. Who logged in.
#[derive(Default)]
struct Application {
    carts: HashMap<String, (String, u64)>,
    logins: Vec<String>,
    /// Requests that were refused because a token did not fit.
    forged: usize,
    issued: u64,
}

/// The answer to a request, as a real application would give it; `cookies` are those that the client holds.
fn answer(app: &mut Application, line: &str, head: &str, body: &str) -> String {
    let held = head.lines().find_map(|line| line.strip_prefix("cookie: ")).unwrap_or_default();
    let cookie = |name: &str| {
        held.split("; ")
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_default()
            .to_owned()
    };
    let reply = |status: &str, more: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\n\r\n{body}", body.len())
    };
    let (sid, token) = (cookie("sid"), cookie("csrftoken"));
    match line.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/login"] => {
            app.issued += 1;
            let token = format!("t{}", app.issued);
            let page = format!("<form><input name=\"user\"><input name=\"csrf\" value=\"{token}\"></form>");
            reply("200 OK", &format!("set-cookie: csrftoken={token}; Path=/\r\n"), &page)
        }
        ["POST", "/login"] => {
            let fields: HashMap<&str, &str> =
                body.split('&').filter_map(|pair| pair.split_once('=')).collect();
            let known = [("ann", "a1"), ("bob", "b2")].contains(&(fields["user"], fields["password"]));
            if token.is_empty() || fields["csrf"] != token || !known {
                app.forged += 1;
                return reply("403 Forbidden", "", "");
            }
            app.issued += 1;
            let sid = format!("s{}", app.issued);
            let value = percent_decoded(fields["value"]);
            app.logins.push(fields["user"].to_owned());
            app.carts.insert(sid.clone(), (value, 1));
            reply("302 Found", &format!("set-cookie: sid={sid}; HttpOnly\r\nlocation: /cart\r\n"), "")
        }
        ["GET", "/cart"] => match app.carts.get(&sid) {
            None => reply("401 Unauthorized", "", ""),
            Some((value, version)) => {
                reply("200 OK", "", &serde_json::json!({"cart": value, "version": version}).to_string())
            }
        },
        ["POST", path] => {
            let sent = head.lines().find_map(|line| line.strip_prefix("x-csrftoken: ")).unwrap_or_default();
            if token.is_empty() || sent != token {
                app.forged += 1;
                return reply("403 Forbidden", "", "");
            }
            let Some((value, version)) = app.carts.get_mut(&sid) else { return reply("401 No", "", "") };
            if path == "/logout" {
                app.carts.remove(&sid);
                return reply("200 OK", "", "");
            }
            if path != format!("/cart?over={version}") {
                return reply("409 Conflict", "", "");
            }
            (*value, *version) = (body.to_owned(), *version + 1);
            reply("200 OK", "", "")
        }
        _ => reply("404 Not Found", "", ""),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit =
            || rest.next().and_then(|digit| char::from(digit).to_digit(16)).expect("a digit") as u8;
        bytes.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

async fn serve(mut stream: TcpStream, app: Arc<Mutex<Application>>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(Some(0), |length| length.parse().ok())?;
            (body.len() >= length)
                .then(|| (head.to_owned(), body[..length].to_owned(), head.len() + 4 + length))
        });
        let Some((head, body, end)) = whole else {
            let mut block = [0; 4096];
            let count = stream.read(&mut block).await.ok().filter(|count| *count > 0)?;
            bytes.extend_from_slice(&block[..count]);
            continue;
        };
        bytes.drain(..end);
        let line = head.lines().next().unwrap_or_default().to_owned();
        let told = answer(&mut app.lock().unwrap(), &line, &head, &body);
        stream.write_all(told.as_bytes()).await.ok()?;
    }
}

#[tokio::test]
async fn a_form_login_with_a_hidden_token_is_driven() {
    let app = Arc::new(Mutex::new(Application::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = app.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, served.clone()));
        }
    });
    let folder = RunFolder::create().unwrap();
    let users = folder.path().join("users.csv");
    std::fs::write(&users, "name,password\nann,a1\nbob,b2\n").unwrap();
    let text = DESCRIPTION.replace("ADDRESS", &address).replace("USERS", &users.to_string_lossy());
    let store = HttpStore::new(Description::from_toml(&text).unwrap());
    assert_eq!(store.probe_application().await, Ok(Vec::new()));
    let lacks =
        [Function::PATCH, Function::TOUCH, Function::RENEW, Function::ACT, Function::ACTIONS].to_vec();
    let workload =
        WorkloadSettings { kind: WorkloadKind::Session, sessions: 4, lacks, ..WorkloadSettings::new(1) };
    let settings = RunSettings {
        workload: WorkloadSettings { in_flight_per_session: 1, ..workload },
        load: "100/s".parse().unwrap(),
        workers: 4,
        timeout: Duration::from_secs(2),
        patience: Duration::from_secs(1),
        warm_start: false,
        plan: Plan::default(),
        duration: Duration::from_secs(2),
        after_heal: Duration::ZERO,
        settle: Duration::ZERO,
        look_every: None,
    };
    let (clock, sink) = (Clock::start_real(), MemorySink::default());
    let journal = Arc::new(Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").unwrap());
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    let outcome = run(store, &mut IdleNemesis, &settings, clock, journal, counts, stop).await.unwrap();
    let operations = operations(&sink.bytes());
    let failed: Vec<_> = operations.iter().filter(|op| !op.ok()).collect();
    assert!(failed.is_empty() && outcome.tally.ok > 100, "{:?} {failed:?}", outcome.tally);
    let app = app.lock().unwrap();
    assert_eq!(app.forged, 0, "each token was sent where it belongs");
    assert!(
        app.logins.contains(&"ann".to_owned()) && app.logins.contains(&"bob".to_owned()),
        "{:?}",
        app.logins
    );
    assert!(operations.iter().filter(|op| op.f == "write").count() > 10);
}

#[test]
fn a_name_that_nothing_takes_is_refused_before_anything_is_sent() {
    let folder = RunFolder::create().unwrap();
    let users = folder.path().join("users.csv");
    std::fs::write(&users, "name,password\nann,a1\n").unwrap();
    let good = DESCRIPTION.replace("USERS", &users.to_string_lossy());
    Description::from_toml(&good).unwrap();
    for (from, to, says) in [
        (
            "{take.csrf}",
            "{take.token}",
            "[create] has {take.token}, but none of its `before` requests takes it",
        ),
        (
            "{user.password}",
            "{user.pin}",
            "[create] has {user.pin}, but the table of users has no such column",
        ),
        ("json = \"/version\"", "css = \"b\"", "unknown field `css`"),
        ("{ json = \"/version\" }", "{ json = \"version\" }", "must begin with /"),
        (
            "path = \"/login\", take",
            "path = \"/login\", before = [{ path = \"/\" }], take",
            "has none before it",
        ),
        ("users.csv", "nobody.csv", "users: failed to read"),
    ] {
        assert!(good.contains(from), "{from}");
        let why = Description::from_toml(&good.replace(from, to)).unwrap_err();
        assert!(why.contains(says), "{says}: {why}");
    }
}
