//! `steadfast tap`: what others do to an application is recorded as a driver of the load would have recorded it.
//!
//! What can go wrong with a recorder that has to guess what requests mean: it takes one operation for another, or one session for
//! another; it says that something was done that was not; it compares reads with a content that something unseen has changed. Each is
//! a false finding about somebody else's application, or a missed one. The truth here comes from the driver, which knows what it
//! asked for: its recording and that of the tap must be the same.

pub(crate) mod process;

use crate::app::{self, Bugs};
use crate::client::SmallBrowser;
use crate::compare;
use crate::stack_commands::shop;
use process::RunningTap;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

fn steadfast(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_steadfast")).args(words).current_dir(folder).output();
    let output = command.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("a file")
}

/// A folder with a description whose address is that of the application.
fn describe(description: &str, address: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("stack.toml"), description.replace("ADDRESS", address))
        .expect("a file");
    folder
}

/// Lets the driver send its load through the tap.
fn drive(folder: &Path, description: &str, tap: &str, more: &[&str]) {
    std::fs::write(folder.join("driver.toml"), description.replace("ADDRESS", tap)).expect("a file");
    let words = "run http --stack driver.toml --skip-probe --quiet --force --output driven.jsonl --settle 200ms \
                 --duration 3s --after-heal 0s --operation-timeout 10s";
    let words: Vec<&str> = words.split_whitespace().chain(more.iter().copied()).collect();
    let (code, _, errors) = steadfast(folder, &words);
    assert!(code == 0 || code == 1, "{code}: {errors}");
}

/// The levels that a history violates.
fn violated(folder: &Path, history: &str) -> Vec<String> {
    let (_, printed, errors) = steadfast(folder, &["check", "--quiet", "--format", "json", history]);
    let answer: Value =
        serde_json::from_str(&printed).unwrap_or_else(|why| panic!("{why}: {printed}{errors}"));
    let levels = answer["levels"].as_array().expect("levels").iter();
    let violated = levels.filter(|level| level["verdict"] == "violated");
    violated.map(|level| level["level"].as_str().expect("a name").to_owned()).collect()
}

/// The events of a history, without its header.
fn events(folder: &Path, name: &str) -> Vec<Value> {
    let text = read(folder, name);
    text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The completions of a history: operation, session, outcome and value.
fn completions(folder: &Path, name: &str) -> Vec<String> {
    let events = events(folder, name);
    let ends = events.iter().filter(|event| event["process"].is_u64() && event["type"] != "invoke");
    let shown = ends.map(|event| {
        let value = match &event["value"] {
            payload if payload["version"].is_u64() => {
                format!("{}/{}", payload["session"], payload["version"])
            }
            other => other.to_string(),
        };
        let [f, key, kind] = ["f", "key", "type"].map(|name| event[name].as_str().unwrap_or("?"));
        format!("{f} {key} {kind} {value}").replace('"', "")
    });
    shown.collect()
}

/// Every operation of a driven run, with all of its outcomes and on an application with bugs, stands in both recordings alike, and
/// both recordings lead to the same findings.
#[test]
fn a_tap_records_what_the_driver_records() {
    for (bugs, finding) in [
        (Bugs::default(), None),
        (Bugs { logout_ends_nothing: true, ..Bugs::default() }, Some("resurrected-session")),
        (Bugs { old_id_stays: true, ..Bugs::default() }, Some("old-id-alive")),
        (Bugs { forgets_at: Some(300), ..Bugs::default() }, Some("lost-session")),
    ] {
        let address = app::serve(bugs);
        let folder = describe(app::DESCRIPTION, &address);
        let tap = RunningTap::start(folder.path(), &address, "tapped.jsonl", &[]);
        let more = "--fields 2 --actions 0.2 --edits 0.2 --churn 12 --logins 0.5 --load 250/s --sessions 8";
        let more: Vec<&str> = more.split_whitespace().collect();
        drive(folder.path(), app::DESCRIPTION, &tap.address, &more);
        let (code, said) = tap.stop("-INT");
        assert_eq!(code, 0, "{said}");
        let counts = compare::compare_recordings(
            &read(folder.path(), "driven.jsonl"),
            &read(folder.path(), "tapped.jsonl"),
        );
        for f in ["create", "read", "write", "patch", "touch", "renew", "destroy", "act", "actions"] {
            assert!(counts.get(f).is_some_and(|count| *count >= 3), "{bugs:?}: {counts:?}");
        }
        assert!(said.contains("each request fits a step"), "{said}");
        let (driven, tapped) =
            (violated(folder.path(), "driven.jsonl"), violated(folder.path(), "tapped.jsonl"));
        assert_eq!(driven, tapped, "{bugs:?}");
        assert_eq!(
            driven.iter().any(|level| Some(level.as_str()) == finding),
            finding.is_some(),
            "{driven:?}"
        );
        let last = events(folder.path(), "tapped.jsonl").pop().expect("an event");
        assert_eq!((last["process"].as_str(), last["f"].as_str()), (Some("recorder"), Some("end")));
    }
}

/// A login of three requests whose last one looks like any write. What tells them apart is the session.
#[test]
fn a_login_of_several_requests_is_one_operation() {
    let shop = shop::Shop::open(shop::Bugs::default());
    let description = shop::describe_shop(r#"{ blue = "http://ADDRESS" }"#);
    let folder = describe(&description, &shop.addresses[0]);
    std::fs::write(folder.path().join("users.csv"), "name,password\nann,secret-password\n").expect("a file");
    let tap = RunningTap::start(folder.path(), &shop.addresses[0], "tapped.jsonl", &[]);
    let more = "--churn 8 --logins 0.5 --load 150/s --sessions 6";
    drive(folder.path(), &description, &tap.address, &more.split_whitespace().collect::<Vec<_>>());
    let (code, said) = tap.stop("-TERM");
    assert_eq!(code, 0, "{said}");
    let (driven, tapped) = (read(folder.path(), "driven.jsonl"), read(folder.path(), "tapped.jsonl"));
    let counts = compare::compare_recordings(&driven, &tapped);
    for f in ["create", "read", "write", "renew", "destroy"] {
        assert!(counts.get(f).is_some_and(|count| *count >= 3), "{counts:?}");
    }
    assert!(said.contains("further requests of logins"), "{said}");
    assert!(!tapped.contains("secret-"), "no id, token or password stands in the history");
}

/// Clients that nobody here wrote send other JSON, other values and other requests.
#[test]
fn clients_of_any_kind_are_recorded() {
    let address = app::serve(Bugs::default());
    let folder = describe(app::DESCRIPTION, &address);
    let tap = RunningTap::start(folder.path(), &address, "h.jsonl", &["--harmless", "POST /beacon"]);
    let mut ann = SmallBrowser::connect(&tap.address);
    assert_eq!(ann.ask("GET", "/cart", "").status, 401);
    assert_eq!(
        ann.ask("POST", "/login", r#"{ "lang": "en", "cart":"ten apples", "user":"ann"}"#).status,
        201
    );
    let first_id = ann.cookie.clone().expect("an id");
    let read = ann.ask("GET", "/cart?x=1", "");
    assert_eq!(String::from_utf8_lossy(&read.body), r#"{"cart":"ten apples","fields":{}}"#);
    assert_eq!(read.headers["x-node"], "n1");
    ann.ask("PUT", "/cart", "more=1&cart=nine+pears%21");
    ann.ask("POST", "/cart/lang", "german");
    ann.ask("GET", "/cart", "");
    ann.ask("POST", "/order?id=17", "");
    ann.ask("POST", "/order?id=17", "");
    ann.ask("GET", "/orders?of=ann", "");
    ann.ask("POST", "/beacon", "figures");
    ann.ask("POST", "/token", "");
    ann.ask("GET", "/cart", "");
    // The id before the renewal opens no session any more.
    let mut thief = SmallBrowser::connect(&tap.address);
    thief.cookie = Some(first_id);
    assert_eq!(thief.ask("GET", "/cart", "").status, 401);
    // The same text twice: which write a read shows cannot be known.
    ann.ask("PUT", "/cart", "cart=plums");
    ann.ask("PUT", "/cart", "cart=plums");
    ann.ask("GET", "/cart", "");
    ann.ask("POST", "/logout", "");
    let (code, said) = tap.stop("-INT");
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        completions(folder.path(), "h.jsonl"),
        [
            "create s-1 ok s-1/1",
            "read s-1 ok s-1/1",
            "write s-1 ok s-1/2",
            "patch s-1 ok s-1/3",
            "read s-1 ok {fields:{all:{bytes:11,session:s-1,version:2},lang:{bytes:6,field:lang,session:s-1,version:3}}}",
            "act s-1 ok 17",
            "actions s-1 ok [17]",
            "renew s-1 ok s-1.1",
            "read s-1.1 ok {fields:{all:{bytes:11,session:s-1,version:2},lang:{bytes:6,field:lang,session:s-1,version:3}}}",
            "read s-1 ok null",
            "write s-1.1 ok s-1/4",
            "write s-1.1 ok s-1/5",
            "read s-1.1 info null",
            "destroy s-1.1 ok null",
        ]
    );
    assert!(said.contains("1  POST /beacon\n"), "{said}");
    assert!(said.contains("1 request fits a step and is not in the history: no login or renewal"), "{said}");
    assert!(said.contains("1 request fits a step and is not in the history: they lack"), "{said}");
    assert_eq!(violated(folder.path(), "h.jsonl"), Vec::<String>::new());
}

/// A request that the file does not describe empties the cart. Without care, the next read is a lost session.
#[test]
fn what_is_not_described_makes_no_finding() {
    let address = app::serve(Bugs::default());
    let folder = describe(app::DESCRIPTION, &address);
    for (harmless, findings) in [(false, vec![]), (true, vec!["lost-session".to_owned()])] {
        // Who says that the request changes nothing is believed.
        let more: &[&str] = if harmless { &["--harmless", "DELETE /cart"] } else { &[] };
        let output = format!("{harmless}.jsonl");
        let tap = RunningTap::start(folder.path(), &address, &output, more);
        for user in ["ann", "bob"] {
            let mut browser = SmallBrowser::connect(&tap.address);
            browser.ask("POST", "/login", &format!(r#"{{"cart":"ten apples of {user}","user":"{user}"}}"#));
            browser.ask("GET", "/cart", "");
            if user == "ann" {
                browser.ask("DELETE", "/cart", "");
            }
            browser.ask("GET", "/cart", "");
        }
        let (code, said) = tap.stop("-INT");
        assert_eq!(code, 0, "{said}");
        assert_eq!(violated(folder.path(), &output), findings, "{said}");
        assert_eq!(said.contains("1  DELETE /cart  (may change a session)"), !harmless, "{said}");
        assert_eq!(said.contains("1 of the sessions are recorded only up to"), !harmless, "{said}");
        let reads = completions(folder.path(), &output).iter().filter(|end| end.starts_with("read")).count();
        assert_eq!(reads, if harmless { 4 } else { 3 }, "the other session is recorded to its end");
    }
}

/// A renewal that gives no new id leaves the old one valid. That is said, because the history cannot show it.
#[test]
fn a_renewal_without_a_new_id_is_said() {
    let address = app::serve(Bugs { renewal_keeps_id: true, ..Bugs::default() });
    let folder = describe(app::DESCRIPTION, &address);
    let tap = RunningTap::start(folder.path(), &address, "h.jsonl", &[]);
    let mut ann = SmallBrowser::connect(&tap.address);
    ann.ask("POST", "/login", r#"{"cart":"ten apples","user":"ann"}"#);
    ann.ask("POST", "/token", "");
    ann.ask("GET", "/cart", "");
    let (code, said) = tap.stop("-INT");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("1 renewals gave the session no new id"), "{said}");
    assert_eq!(
        completions(folder.path(), "h.jsonl"),
        ["create s-1 ok s-1/1", "renew s-1 ok s-1.1", "read s-1.1 ok s-1/1"]
    );
}

/// SIGTERM while clients send requests: every operation has its completion, and the history can be checked.
#[test]
fn a_tap_that_is_ended_under_load_leaves_a_complete_recording() {
    let address = app::serve(Bugs::default());
    let folder = describe(app::DESCRIPTION, &address);
    let tap = RunningTap::start(folder.path(), &address, "h.jsonl", &[]);
    let (stopped, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..6)
        .map(|number| {
            let (address, stopped, done) = (tap.address.clone(), stopped.clone(), done.clone());
            std::thread::spawn(move || {
                // A client of a tap that ends sees its connection end, and gives up.
                let _ = std::panic::catch_unwind(|| {
                    let mut browser = SmallBrowser::connect(&address);
                    browser.ask(
                        "POST",
                        "/login",
                        &format!(r#"{{"cart":"first of {number}","user":"{number}"}}"#),
                    );
                    for count in 0.. {
                        if stopped.load(Ordering::Relaxed) {
                            return;
                        }
                        browser.ask("PUT", "/cart", &format!("cart=number+{count}+of+{number}"));
                        browser.ask("GET", "/cart", "");
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
            })
        })
        .collect();
    while done.load(Ordering::Relaxed) < 200 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (code, said) = tap.stop("-TERM");
    stopped.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("it ends"));
    assert_eq!(code, 0, "{said}");
    let events = events(folder.path(), "h.jsonl");
    let of_clients = |kind: &str| {
        events
            .iter()
            .filter(|event| event["process"].is_u64() && (event["type"] == "invoke") == (kind == "invoke"))
            .count()
    };
    assert_eq!(of_clients("invoke"), of_clients("end"));
    let last = events.last().expect("an event");
    assert_eq!((last["f"].as_str(), last["value"].as_u64()), (Some("end"), Some(events.len() as u64 - 1)));
    assert!(of_clients("end") >= 400, "{said}");
    assert_eq!(violated(folder.path(), "h.jsonl"), Vec::<String>::new());
}

/// Bad input is told before anything listens, and no recording is overwritten.
#[test]
fn what_cannot_be_recorded_is_told_before_anything_listens() {
    let folder = describe(app::DESCRIPTION, "127.0.0.1:1");
    std::fs::write(folder.path().join("old.jsonl"), "a recording\n").expect("a file");
    std::fs::write(folder.path().join("wrong.toml"), "entries = {}").expect("a file");
    for (stack, listen, output, says) in [
        ("stack.toml", "127.0.0.1:0", "old.jsonl", "old.jsonl exists"),
        ("stack.toml", "127.0.0.1:0", "stack.toml", "stack.toml"),
        ("none.toml", "127.0.0.1:0", "h.jsonl", "none.toml"),
        ("wrong.toml", "127.0.0.1:0", "h.jsonl", "wrong.toml"),
        ("stack.toml", "192.0.2.1:1", "h.jsonl", "failed to listen on 192.0.2.1:1"),
        ("stack.toml", "nowhere", "h.jsonl", "HOST:PORT"),
    ] {
        let words = ["tap", "--stack", stack, "--listen", listen, "--to", "127.0.0.1:1", "--output", output];
        let (code, _, errors) = steadfast(folder.path(), &words);
        assert!(code == 2 && errors.contains(says), "{words:?}: {code}: {errors}");
    }
    assert_eq!(read(folder.path(), "old.jsonl"), "a recording\n");
    assert!(!folder.path().join("h.jsonl").exists(), "no empty history is left");
    // A tap that recorded nothing does not end as if it had.
    let words =
        "tap --stack stack.toml --listen 127.0.0.1:0 --to 127.0.0.1:1 --output h.jsonl --duration 300ms";
    let (code, _, errors) = steadfast(folder.path(), &words.split(' ').collect::<Vec<_>>());
    assert!(code == 3 && errors.contains("no operation succeeded"), "{code}: {errors}");
}
