//! `steadfast check --follow otlp://…`: spans are judged while they are received.
//!
//! What could go wrong: a verdict that the recorded spans do not have, because they came in another order or in other requests; a
//! violation that is told long after it is certain; a request that is no spans and takes a verdict with it; silence that looks like a
//! store without faults.

use crate::collect::{Collecting, Folder, JSON, PROTOBUF};
use crate::wire::{LOST, Span, json_request, proto_request};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

const TRACES: &str = "/v1/traces";

/// Starts to follow spans. The results go to `out.jsonl`.
fn follow(more: &str) -> Collecting {
    let program = env!("CARGO_BIN_EXE_steadfast");
    let line = format!(
        "exec {program} check --follow otlp://0 --map map.toml --format json --quiet {more} > out.jsonl"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &line]);
    Collecting::spawn(command)
}

/// The results that were printed.
fn results(folder: &Folder) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.0.path().join("out.jsonl")).expect("results");
    let values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    values.map(|value| value.unwrap_or_else(|why| panic!("{why}: {text}"))).collect()
}

/// The verdict on each finding of an object that was printed.
fn verdicts(printed: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let levels = printed["levels"].as_array().expect("levels");
    levels.iter().map(|level| (text(&level["level"]), text(&level["verdict"]))).collect()
}

/// What a check says of spans that `collect` received in these requests.
fn collect_and_check(requests: &[&[Span<'_>]]) -> BTreeMap<String, String> {
    let collecting = Collecting::start(&[]);
    for spans in requests {
        assert_eq!(collecting.post(TRACES, PROTOBUF, &proto_request(spans)).0, 200);
    }
    let (_, _, folder) = collecting.stop("-INT");
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["check", "spans.jsonl", "--map", "map.toml", "--format", "json"])
        .current_dir(folder.0.path())
        .output()
        .expect("it runs");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    verdicts(&printed)
}

/// A whole trace and one without its violation, in several orders, in one request or many, and in both encodings.
#[test]
fn the_verdicts_are_those_of_the_collected_spans() {
    let reversed: Vec<Span<'_>> = LOST.into_iter().rev().collect();
    let sound: Vec<Span<'_>> = LOST[..5].to_vec();
    for (spans, size, encoding, violated) in [
        (LOST.to_vec(), 6, JSON, true),
        (LOST.to_vec(), 1, PROTOBUF, true),
        (reversed.clone(), 4, PROTOBUF, true),
        (reversed, 1, JSON, true),
        (sound, 2, PROTOBUF, false),
    ] {
        let following = follow("--lateness 1h");
        let requests: Vec<&[Span<'_>]> = spans.chunks(size).collect();
        for spans in &requests {
            let body = if encoding == JSON { json_request(spans).into_bytes() } else { proto_request(spans) };
            assert_eq!(following.post(TRACES, encoding, &body).0, 200);
        }
        let (code, said, folder) = following.stop("-INT");
        let results = results(&folder);
        let end = results.last().expect("verdicts");
        let (found, expected) = (verdicts(end), collect_and_check(&requests));
        assert_eq!((code, end["followed"].as_bool()), (if violated { 1 } else { 0 }, Some(true)), "{said}");
        assert_eq!(found["lost-session"], if violated { "violated" } else { "holds" }, "{end:#}");
        for (finding, verdict) in &found {
            assert_eq!(Some(verdict), expected.get(finding), "{finding}: {said}");
        }
        assert_eq!(results.len(), if violated { 2 } else { 1 }, "{results:#?}");
        assert!(said.contains(&format!("read as operations: {} spans", spans.len())), "{said}");
    }
}

/// Nothing comes after the span that shows the violation. It is told all the same, once no earlier span can come.
#[test]
fn a_violation_is_told_within_a_second_of_the_lateness() {
    let mut took = Vec::new();
    // The machine may be busy.
    for _ in 0..3 {
        let following = follow("--lateness 300ms");
        assert_eq!(following.post(TRACES, PROTOBUF, &proto_request(&LOST)).0, 200);
        let arrived = Instant::now();
        let file = following.path("out.jsonl");
        while !std::fs::read_to_string(&file).expect("results").contains("lost-session") {
            assert!(arrived.elapsed() < Duration::from_secs(20), "nothing was told");
            std::thread::sleep(Duration::from_millis(20));
        }
        took.push(arrived.elapsed());
        assert_eq!(following.stop("-INT").0, 1);
        if took.last() < Some(&Duration::from_millis(1_300)) {
            return;
        }
    }
    panic!("{took:?}");
}

/// Each request that is none is answered as by `collect`, and what was received before and after is judged.
#[test]
fn hostile_requests_are_answered_and_cost_no_verdict() {
    let following = follow("--lateness 1h");
    assert_eq!(following.post(TRACES, PROTOBUF, &proto_request(&LOST[..3])).0, 200);
    // A client that begins a request and does not go on.
    let mut slow = TcpStream::connect(&following.address).expect("a connection");
    slow.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: appl").expect("it reads");
    let huge = vec![b' '; 17 << 20];
    for (path, kind, body, status) in [
        (TRACES, JSON, &b"{\"resourceSpans\": [{"[..], 400),
        (TRACES, JSON, b"{}", 400),
        (TRACES, PROTOBUF, &[0xff; 40], 400),
        (TRACES, PROTOBUF, &huge, 413),
        (TRACES, "text/plain", b"spans", 415),
        ("/", JSON, b"{}", 404),
        ("/v1/metrics", PROTOBUF, b"", 404),
    ] {
        assert_eq!(following.post(path, kind, body).0, status, "{path} {kind} {}", body.len());
    }
    assert_eq!(following.post(TRACES, PROTOBUF, &proto_request(&LOST[3..])).0, 200);
    let (code, said, folder) = following.stop("-TERM");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("refused: 7 requests"), "{said}");
    assert_eq!(verdicts(results(&folder).last().expect("verdicts"))["lost-session"], "violated");
}

/// A span that comes later than the bound is counted, and nothing is judged any more. What was found before stays.
#[test]
fn a_late_span_makes_what_is_not_violated_unknown() {
    let following = follow("--lateness 5ms");
    let late = Span { from: 2, to: 3, ..LOST[3] };
    for span in [LOST[0], LOST[1], LOST[2], late] {
        assert_eq!(following.post(TRACES, PROTOBUF, &proto_request(&[span])).0, 200);
    }
    let (code, said, folder) = following.stop("-INT");
    let results = results(&folder);
    let end = results.last().expect("verdicts");
    assert_eq!((code, end["late_events"].as_u64()), (3, Some(1)), "{said}");
    let reason = end["levels"][0]["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("a span came ") && reason.ends_with("too late (--lateness)"), "{reason}");
}

#[test]
fn nothing_received_is_no_green() {
    let (code, said, folder) = follow("").stop("-INT");
    assert_eq!(code, 3, "{said}");
    assert_eq!(results(&folder)[0]["verdict"], "untested");
    assert!(said.contains("no span was read as an operation. 0 spans seen"), "{said}");
    // Spans of something else.
    let following = follow("--lateness 1s");
    let other = Span { route: "/other", ..LOST[1] };
    assert_eq!(following.post(TRACES, PROTOBUF, &proto_request(&[other])).0, 200);
    let (code, said, folder) = following.stop("-INT");
    assert_eq!((code, &results(&folder)[0]["verdict"]), (3, &Value::from("untested")), "{said}");
    assert!(said.contains("1 span seen: 1 fit no [[operation]]"), "{said}");
}

#[test]
fn what_cannot_be_received_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("map.toml"), crate::wire::MAP).expect("a file");
    for (args, says) in [
        (&["otlp://0", "--map", "map.toml"][..], "Pass --follow"),
        (&["--follow", "otlp://0"], "needs --map"),
        (&["--follow", "otlp://here", "--map", "map.toml"], "otlp://HOST:PORT"),
        (&["--follow", "otlp://192.0.2.1:1", "--map", "map.toml"], "failed to listen on 192.0.2.1:1"),
        (&["--follow", "otlp://0", "--map", "other.toml"], "failed to read the map"),
        (
            &["--follow", "otlp://0", "--map", "map.toml", "--checkpoint", "state"],
            "steadfast collect --output",
        ),
        (&["--follow", "otlp://0", "--map", "map.toml", "--model", "register"], "--model is register"),
        (&["--follow", "run.jsonl", "--map", "map.toml"], "--map"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .arg("check")
            .args(args)
            .current_dir(folder.path())
            .output()
            .expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}
