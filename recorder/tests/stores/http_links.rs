//! The links of users to a web application that is there already, broken by proxies: what a fault does is seen in the
//! history, the application keeps its sessions, and afterwards all is as before.

use crate::truth;
use crate::truth::{Op, operations};
use recorder::journal::MemorySink;
use recorder::stores::http::{Description, HttpFronts, HttpStore};
use recorder::{Clock, Journal, RunCounts, RunSettings, Stop, run};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use workloads::{FaultSchedule, Plan, WorkloadKind, WorkloadSettings};

const DESCRIPTION: &str = r#"
    entries = { main = "http://ADDRESS/app" }
    session = { header = "x-session", send = "x-session: {id}" }
    answer = { absent = [401] }
    create = { method = "POST", path = "/login", body = "{value}" }
    read = { path = "/session", value = "/data" }
    write = { method = "PUT", path = "/session", body = "{value}" }
    touch = { method = "POST", path = "/touch" }
    renew = { method = "POST", path = "/renew" }
    destroy = { method = "POST", path = "/logout" }
"#;

type Sessions = Arc<Mutex<HashMap<String, String>>>;

/// A whole web application: sessions in a map, by a header.
async fn application() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sessions, host) = (Sessions::default(), address.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (sessions, host) = (sessions.clone(), host.clone());
            tokio::spawn(async move { while serve(&stream, &sessions, &host).await.is_some() {} });
        }
    });
    address
}

/// One request after another, in however many pieces each comes; nothing when the connection is over.
async fn serve(stream: &TcpStream, sessions: &Sessions, host: &str) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, body) = loop {
        stream.readable().await.ok()?;
        match stream.try_read_buf(&mut bytes) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = field(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    assert_eq!(field(&head, "host"), Some(host), "the application is asked for by its own name");
    let answer = respond(&head, body, &mut sessions.lock().unwrap());
    let mut rest = answer.as_bytes();
    while !rest.is_empty() {
        stream.writable().await.ok()?;
        match stream.try_write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    Some(())
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, text)| text)
}

fn respond(head: &str, body: String, sessions: &mut HashMap<String, String>) -> String {
    let words: Vec<&str> = head.split(' ').collect();
    let id = field(head, "x-session").unwrap_or_default().to_owned();
    let fresh = format!("id-{}", sessions.len() + 1);
    // An id that is over stays in the map, empty: so that none is given out twice.
    let held = sessions.get(&id).filter(|held| !held.is_empty()).cloned();
    let (given, text) = match (words[1], held) {
        ("/app/login", _) => {
            sessions.insert(fresh.clone(), body);
            (Some(fresh), String::new())
        }
        (_, None) => return "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ("/app/renew", Some(held)) => {
            sessions.insert(fresh.clone(), held);
            sessions.insert(id, String::new());
            (Some(fresh), String::new())
        }
        ("/app/logout", _) => {
            (None, sessions.insert(id, String::new()).map(|_| String::new()).unwrap_or_default())
        }
        ("/app/session", Some(_)) if words[0] == "PUT" => {
            sessions.insert(id, body);
            (None, String::new())
        }
        ("/app/session", Some(held)) => (None, serde_json::json!({ "data": held }).to_string()),
        _ => (None, String::new()),
    };
    let header = given.map(|id| format!("x-session: {id}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 200 OK\r\n{header}content-length: {}\r\n\r\n{text}", text.len())
}

/// Two seconds of load, the fault from 0.5 s on for a second; the operations, and those that were asked for meanwhile.
async fn under(fault: &str) -> (Vec<Op>, Vec<usize>) {
    let address = application().await;
    let mut description = Description::from_toml(&DESCRIPTION.replace("ADDRESS", &address)).unwrap();
    HttpStore::new(description.clone()).probe_application().await.unwrap();
    let schedule = FaultSchedule {
        strikes: vec![format!("{fault}@500ms+1s").parse().unwrap()],
        ..FaultSchedule::without_faults()
    };
    let duration = Duration::from_secs(2);
    // So many that somebody still asks after everybody else has been waiting for a second.
    let workload = WorkloadSettings { kind: WorkloadKind::Session, sessions: 70, ..WorkloadSettings::new(1) };
    let settings = RunSettings {
        plan: Plan::new(&schedule, 1, &description.entry_names(), duration).unwrap(),
        after_heal: Duration::from_millis(500),
        settle: Duration::ZERO,
        timeout: Duration::from_secs(3),
        load: "60/s".parse().unwrap(),
        workers: 80,
        ..truth::settings(workload, &[], 1, 2)
    };
    let mut fronts = HttpFronts::install_before_entries(&mut description).await.unwrap();
    let (clock, sink) = (Clock::start_real(), MemorySink::default());
    let journal = Arc::new(Journal::new(sink.clone(), clock.clone(), "{\"steadfast\":1}").unwrap());
    let (counts, stop) = (Arc::new(RunCounts::default()), Stop::default());
    let outcome =
        run(HttpStore::new(description), &mut fronts, &settings, clock, journal, counts, stop).await;
    assert_eq!(outcome.unwrap().unread.objects.len(), 0, "{fault}: all is as before");
    let all = operations(&sink.bytes());
    // A little from the edges, which are as exact as the machine has time.
    let struck = |op: &&usize| (650_000_000..1_300_000_000).contains(&all[**op].invoked_ns);
    let meanwhile: Vec<usize> = (0..all.len()).collect::<Vec<_>>().iter().filter(struck).copied().collect();
    assert!(!meanwhile.is_empty(), "{fault}");
    assert!(all.iter().any(|op| op.ok() && op.invoked_ns > 2_000_000_000), "{fault}: and goes on");
    // Whatever the links do, the application keeps what it acknowledged, and no answer is somebody else's.
    let acknowledged = |op: &&Op| op.f == "write" && op.ok();
    assert!(all.iter().filter(acknowledged).count() > 3, "{fault}");
    assert_eq!(truth::sessions::leaks(&all) + truth::sessions::torn(&all), 0, "{fault}");
    (all, meanwhile)
}

fn took_ms(op: &Op) -> u64 {
    (op.completed_ns - op.invoked_ns) / 1_000_000
}

#[tokio::test]
async fn answers_are_late_by_the_delay_of_either_way() {
    let (all, meanwhile) = under("delay=120ms:client-main").await;
    assert!(meanwhile.iter().all(|&op| all[op].ok() && took_ms(&all[op]) >= 120));
}

#[tokio::test]
async fn what_is_held_goes_on_at_the_end() {
    let (all, meanwhile) = under("hold:main").await;
    // Those that were asked for at 650 ms wait until 1,500 ms.
    assert!(meanwhile.iter().all(|&op| all[op].ok() && took_ms(&all[op]) >= 150), "until the end");
}

#[tokio::test]
async fn connections_that_are_reset_leave_nobody_knowing() {
    let (all, meanwhile) = under("reset:main").await;
    assert!(meanwhile.iter().all(|&op| !all[op].ok()));
}

#[tokio::test]
async fn answers_in_pieces_are_the_same_answers() {
    let (all, meanwhile) = under("slice=7:main").await;
    assert!(meanwhile.iter().all(|&op| all[op].ok()));
    assert!(meanwhile.iter().any(|&op| all[op].f == "read" && !all[op].result.is_null()));
}
