//! PHP's own sessions on two nodes of PHP-FPM behind HAProxy: the same application, and four places for its sessions.
//!
//! The most reported bug of web sessions is that of two requests at once: each reads the whole session, and the one that ends last
//! writes all of it back. PHP locks the file of a session against this. Its extension for Redis does not, unless it is told to. So the
//! right verdict of each side is known from the documentation of PHP. Beside it, the test counts by its own rule, from the lines of the
//! history alone, how often a part of a session went back to an older version.
//!
//! Where php8.2-fpm with php8.2-redis, haproxy or redis-server are missing, the tests say so.

use crate::example::{
    ExampleSettings, PollingClient, RunningExample, assert_recovery_agrees, find_missing, violated_levels,
    wait_for_turn, words_of_requests,
};
use crate::undone::count_undone;
use serde_json::Value;
use std::process::Command;

fn start(sessions: &str) -> Option<RunningExample> {
    let modules = Command::new("php-fpm8.2").arg("-m").output();
    let has_redis =
        modules.is_ok_and(|output| output.stdout.split(|&byte| byte == b'\n').any(|line| line == b"redis"));
    let missing = find_missing(&[("haproxy", "-v"), ("redis-server", "--version")]);
    if let Some(missing) = missing.or((!has_redis).then_some("php8.2-fpm with php8.2-redis")) {
        eprintln!("skipped: {missing} is missing");
        return None;
    }
    let settings = ExampleSettings {
        name: "php",
        ports: &["PORT", "PORT1", "PORT2", "REDIS_PORT"],
        // The nodes speak FastCGI.
        served: &[0],
        environment: vec![
            ("SESSIONS", sessions.to_owned()),
            // The application works so long on each request that requests of a session overlap on a fast machine too.
            ("WORK_MICROSECONDS", "20000".to_owned()),
        ],
        logs: &["web1.log", "web1.errors.log", "web2.errors.log", "proxy.log", "redis.log"],
    };
    Some(RunningExample::start(settings, wait_for_turn()))
}

/// A run in which users have several requests at once.
fn run(example: &RunningExample) -> (i32, Value, Vec<Value>) {
    example.run(
        "--session-concurrency 3 --fields 2 --write-mode per-field --sessions 4 --load 80/s --duration 6s \
         --operation-timeout 10s",
    )
}

/// From an address to a description that fits. The cookie is there before the login, which gives it another id.
#[test]
fn a_description_of_php_is_written_by_trying() {
    let Some(example) = start("files") else { return };
    let text = example.init_description(&words_of_requests("PUT /cart"));
    for says in
        ["cookie = \"PHPSESSID\"\n", "absent = [401]\n", "[read]\npath = \"/cart\"\nvalue = \"/value\"\n"]
    {
        assert!(text.contains(says), "{says:?} in {text}");
    }
}

/// The files of PHP are locked until the request ends, and so is Redis if it is told to.
#[test]
fn sessions_that_are_locked_lose_nothing() {
    for sessions in ["files", "locked"] {
        let Some(example) = start(sessions) else { return };
        example.test_description();
        let (code, answer, events) = run(&example);
        let overlapping =
            events.windows(2).filter(|pair| pair.iter().all(|event| event["type"] == "invoke")).count();
        assert!(overlapping > 20, "{sessions}: requests hardly overlapped");
        assert_eq!(count_undone(&events), 0, "{sessions}");
        assert_eq!((code, answer["verdict"].as_str()), (0, Some("holds")), "{sessions}: {answer}");
    }
}

/// The extension for Redis reads a session at the begin of a request and writes it at the end, without a lock.
#[test]
fn sessions_in_redis_without_locks_undo_each_other() {
    let Some(example) = start("redis") else { return };
    let (code, answer, events) = run(&example);
    let undone = count_undone(&events);
    assert!(undone > 0, "no request undid another one; the run could not show it");
    assert_eq!(code, 1, "{answer}");
    let violated = violated_levels(&answer);
    assert!(violated.contains("stale-session"), "{violated:?}, {undone} undone");
    // A request that was at work during a renewal or a logout writes the old id back as well. But PHP mixes nothing up.
    assert!(
        ["session-leak", "torn-session", "expired-late"].iter().all(|name| !violated.contains(name)),
        "{violated:?}"
    );
}

/// Two nodes with files of their own behind one address: half of the requests find no session. This was taken for a wrong
/// description, because the first read after the login found nothing.
#[test]
fn sessions_that_nodes_do_not_share_are_a_bug_and_no_misfit() {
    let Some(example) = start("apart") else { return };
    let printed = example.test_description();
    assert!(printed.contains("The nodes behind this entry do not share their sessions"), "{printed}");
    let (code, answer, _) = run(&example);
    assert_eq!(code, 1, "{answer}");
    assert!(violated_levels(&answer).contains("lost-session"), "{answer}");
}

/// An outage of the proxy loses nothing, and the recovery time is that of a client that only polls.
#[test]
fn an_outage_of_the_proxy_loses_no_session() {
    let Some(example) = start("files") else { return };
    example.test_description();
    let client = PollingClient::start(example.port());
    let (code, answer, _) = example
        .run("--sessions 6 --load 40/s --duration 8s --operation-timeout 5s --faults kill:haproxy@3s+2s");
    let polls = client.stop();
    assert!(
        matches!(code, 0 | 3) && violated_levels(&answer).is_empty(),
        "{code}: {answer}\n{}",
        example.logs()
    );
    let first = polls.iter().position(|poll| !poll.1).expect("the outage is noticed");
    let back = first + polls[first..].iter().position(|poll| poll.1).expect("the outage ends");
    assert_recovery_agrees(&answer, &polls, first, back, 0.3);
}
