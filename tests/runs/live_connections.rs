//! Live connections of sessions (server-sent events): lost at a deployment, resumed or not, and after how long.
//!
//! What could go wrong: a connection that ends with a logout is called lost; a session that the application forgot is called resumed; a
//! description that never opens a connection looks like one that loses none. The truth comes from the server, which knows which streams it
//! cut off and which sessions it forgot.

use crate::live_server::{DESCRIPTION, Server, deploy_when_open, open_streams, run, told};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// All streams end with a deployment, and for 600 ms there are no new ones. Every user who is still logged in has one again afterwards.
#[test]
fn a_deployment_cuts_off_each_session_once() {
    let server = Arc::new(Mutex::new(Server::default()));
    let cut_off = Arc::new(Mutex::new(0));
    let meanwhile = {
        let (server, cut_off) = (server.clone(), cut_off.clone());
        move || {
            let refuses = Duration::from_millis(600);
            *cut_off.lock().expect("no panic") = deploy_when_open(&server, 6, refuses);
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
