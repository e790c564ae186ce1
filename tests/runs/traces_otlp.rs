//! Files of spans in the encodings of OTLP: JSON and protobuf, framed, delimited, whole, compressed.
//!
//! The messages in protobuf are written by a few lines here, from the published field numbers, so that a wrong number in the reader
//! cannot agree with itself. All encodings of one trace must show the same session lost.

use crate::wire;
use crate::wire::{LOST, MAP, Span, delimit, frame, json_request, proto_request};
use assert_cmd::Command;
use std::io::Write;
use std::process::Stdio;

/// The exit code and both outputs of a check of a file of spans.
fn check(bytes: &[u8], name: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), bytes).expect("a file");
    std::fs::write(folder.path().join("map.toml"), MAP).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    command.current_dir(folder.path()).args(["check", name, "--map", "map.toml"]);
    let output = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ");
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

/// What gzip or zstd makes of bytes: the programs, not our libraries.
fn compress(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let spawned = std::process::Command::new(program)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = spawned else {
        eprintln!("skipped: {program} is not installed");
        return None;
    };
    child.stdin.take().expect("a pipe").write_all(bytes).expect("a small input");
    Some(child.wait_with_output().expect("an output").stdout)
}

#[test]
fn every_encoding_shows_the_same_lost_session() {
    let (first, second) = LOST.split_at(3);
    let whole = proto_request(&LOST);
    let mut files = vec![
        ("lines.json", format!("{}\n{}\n", json_request(first), json_request(second)).into_bytes()),
        ("whole.pb", whole.clone()),
        ("framed.pb", [frame(&proto_request(first)), frame(&proto_request(second))].concat()),
        ("delimited.pb", [delimit(&proto_request(first)), delimit(&proto_request(second))].concat()),
    ];
    for (program, name) in [("gzip", "whole.pb.gz"), ("zstd", "whole.pb.zst")] {
        files.extend(compress(program, &whole).map(|bytes| (name, bytes)));
    }
    if let (Some(proto), Some(json)) =
        (compress("zstd", &proto_request(first)), compress("zstd", json_request(second).as_bytes()))
    {
        files.push(("each.zst.pb", [frame(&proto), frame(&json)].concat()));
    }
    for (name, bytes) in files {
        let (code, printed, errors) = check(&bytes, name);
        assert_eq!(code, 1, "{name}: {printed}{errors}");
        assert!(printed.contains("lost-session"), "{name}: {printed}");
        assert!(
            printed.contains("read as operations: 6 spans") || errors.contains("read as operations: 6 spans"),
            "{name}: {printed}{errors}"
        );
    }
}

/// A span with an attribute of each type, an event and a link, which the reader does not use, is read as it is without them.
#[test]
fn fields_that_are_not_read_are_skipped() {
    let bytes = proto_request(&LOST.map(|span| Span { rich: true, ..span }));
    let (code, printed, errors) = check(&bytes, "rich.pb");
    assert_eq!(code, 1, "{printed}{errors}");
    assert!(printed.contains("lost-session"), "{printed}");
}

/// Exporters send a batch again if they miss the answer. Each span counts once: a write that came twice is one write.
#[test]
fn a_span_that_was_sent_twice_counts_once() {
    let bytes = [frame(&proto_request(&LOST)), frame(&proto_request(&LOST))].concat();
    let (code, printed, errors) = check(&bytes, "twice.pb");
    assert_eq!(code, 1, "{printed}{errors}");
    let all = format!("{printed}{errors}");
    assert!(all.contains("read as operations: 6 spans"), "{all}");
    assert!(all.contains("sent more than once: 6 spans"), "{all}");
    let once = check(&frame(&proto_request(&LOST)), "once.pb").1;
    let findings = |text: &str| text.matches("lost-session").count();
    assert_eq!(findings(&printed), findings(&once), "{printed}\n{once}");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let whole = frame(&proto_request(&LOST));
    let short_id = proto_request(&[Span { trace_id: b"too short", ..LOST[0] }]);
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("empty", Vec::new(), "the file is empty"),
        ("cut", whole[..whole.len() - 5].to_vec(), "the file is cut off"),
        ("cut in a length", [whole.clone(), vec![0, 0]].concat(), "the file is cut off"),
        ("text", b"hello".to_vec(), "no spans in OTLP"),
        ("cut JSON", json_request(&LOST).as_bytes()[..100].to_vec(), "no request in OTLP/JSON"),
        ("not spans", frame(&short_id), "metrics or logs"),
        ("no gzip", b"hello".to_vec(), "not gzip"),
    ];
    for (name, bytes, says) in cases {
        let file = if name == "no gzip" { "spans.gz" } else { "spans" };
        let (code, printed, errors) = check(&bytes, file);
        assert_eq!(code, 2, "{name}: {printed}{errors}");
        assert!(errors.contains(says), "{name}: {errors}");
    }
}

/// Lengths that promise what is not there, and nesting without an end, end with an error and not with the memory or the stack.
#[test]
fn hostile_bytes_are_refused() {
    let mut nested = vec![];
    for _ in 0..10_000 {
        nested = [wire::field(5, &nested[..nested.len().min(4000)]), Vec::new()].concat();
    }
    let deep = proto_request(&[Span { extra: &nested, ..LOST[0] }]);
    for (name, bytes) in [
        ("a huge length", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]),
        ("a huge frame", vec![0xff, 0xff, 0xff, 0xff, 1, 2, 3]),
        ("deep nesting", frame(&deep)),
    ] {
        let (code, printed, errors) = check(&bytes, "spans.pb");
        assert_eq!(code, 2, "{name}: {printed}{errors}");
    }
}
