//! Spans that come one by one are the same history as a file of them, or nothing is judged from the first contradiction on.

use super::*;
use serde_json::{Value, json};

const MS: i64 = 1_000_000;
/// The time of this machine: long after all spans.
const NOW: i64 = i64::MAX;

const MAP: &str = r#"
complete = true

[session]
id = "session.id"
previous = "session.previous_id"

[[operation]]
function = "create"
where = { name = "login" }

[[operation]]
function = "read"
where = { name = "get" }
value = "version"
absent = { "http.response.status_code" = 401 }

[[operation]]
function = "write"
where = { name = "put" }
value = "version"
"#;

/// Numbers that look random, always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A span, and its end in ms.
#[derive(Clone)]
struct Sent {
    to: i64,
    json: Value,
}

fn span(number: usize, name: &str, (from, to): (i64, i64), attributes: &[(&str, String)]) -> Sent {
    let attributes: Vec<Value> =
        attributes.iter().map(|(key, value)| json!({"key": key, "value": {"stringValue": value}})).collect();
    let ns = |ms: i64| ((1_000_000 + ms) * MS).to_string();
    let json = json!({
        "name": name, "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"),
        "startTimeUnixNano": ns(from), "endTimeUnixNano": ns(to), "attributes": attributes
    });
    Sent { to, json }
}

/// Spans of a few sessions that log in, write, read, and get other ids; some requests were not traced, overlap, or began at equal times.
/// Each lasts at most 40 ms.
fn random_spans(numbers: &mut Numbers) -> Vec<Sent> {
    let mut sessions: Vec<(String, i64)> = Vec::new();
    let mut spans = Vec::new();
    let mut at = 0;
    for number in 0..60 {
        at += numbers.below(12) as i64;
        let time = (at, at + numbers.below(40) as i64);
        let choice = numbers.below(10);
        if sessions.len() < 2 || choice == 0 {
            let id = format!("id-{number}");
            if numbers.below(3) > 0 {
                spans.push(span(number, "login", time, &[("session.id", id.clone())]));
            }
            sessions.push((id, 0));
            continue;
        }
        let chosen = numbers.below(sessions.len() as u64) as usize;
        let (id, version) = &mut sessions[chosen];
        let status =
            ("http.response.status_code", if numbers.below(25) == 0 { "401" } else { "200" }.to_owned());
        match choice {
            1 => {
                let previous = std::mem::replace(id, format!("id-{number}"));
                let ids = [("session.id", id.clone()), ("session.previous_id", previous)];
                spans.push(span(number, "login", time, &ids));
            }
            2..5 => {
                *version += 1;
                let written = [("session.id", id.clone()), ("version", version.to_string())];
                // Not every write was traced.
                if numbers.below(8) > 0 {
                    spans.push(span(number, "put", time, &written));
                }
            }
            _ => {
                let read = [("session.id", id.clone()), ("version", version.to_string()), status];
                spans.push(span(number, "get", time, &read));
            }
        }
    }
    spans
}

fn request(spans: &[Sent]) -> String {
    let spans: Vec<&Value> = spans.iter().map(|span| &span.json).collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

/// The events that come of requests, and why the rest is not judged.
fn received(map: &str, lateness_ms: i64, requests: &[Vec<Sent>]) -> (String, Option<LateReason>) {
    let map = TraceMap::from_toml(map).expect("a map");
    let mut stream = SpanStream::new(map, lateness_ms * MS, 1 << 24);
    let mut parts = Vec::new();
    for spans in requests {
        stream.add_request(&request(spans), NOW, &mut parts).expect("spans");
    }
    parts.extend(stream.finish());
    let (mut text, mut late) = (String::new(), None);
    for part in parts {
        match part {
            SortedPart::Lines(lines) => text.push_str(&lines),
            SortedPart::Late(event) => late = Some(event.why),
        }
    }
    (text, late)
}

/// The events of a file with these spans.
fn filed(map: &str, requests: &[Vec<Sent>]) -> String {
    let lines: Vec<String> = requests.iter().map(|spans| request(spans)).collect();
    let map = TraceMap::from_toml(map).expect("a map");
    map.write_events(lines.join("\n").as_bytes()).expect("spans").0
}

/// Cuts spans into requests.
fn batches(spans: &[Sent], numbers: &mut Numbers) -> Vec<Vec<Sent>> {
    let mut requests = vec![Vec::new()];
    for span in spans {
        if numbers.below(3) == 0 {
            requests.push(Vec::new());
        }
        requests.last_mut().expect("one").push(span.clone());
    }
    requests.retain(|spans| !spans.is_empty());
    requests
}

/// In every order of arrival within the lateness, and in any batches, the events are those of the file.
#[test]
fn spans_that_are_received_are_the_history_of_their_file() {
    let mut whole = 0;
    for seed in 0..400 {
        let mut numbers = Numbers(seed);
        let map = if seed % 2 == 0 { MAP.to_owned() } else { format!("unique_values = true\n{MAP}") };
        let mut spans = random_spans(&mut numbers);
        if spans.is_empty() {
            continue;
        }
        // They come up to 30 ms after their end, or twice.
        let repeated: Vec<Sent> = spans.iter().filter(|_| numbers.below(10) == 0).cloned().collect();
        spans.extend(repeated);
        let mut arrivals: Vec<(i64, Sent)> =
            spans.into_iter().map(|span| (span.to + numbers.below(30) as i64, span)).collect();
        arrivals.sort_by_key(|arrival| arrival.0);
        let spans: Vec<Sent> = arrivals.into_iter().map(|(_, span)| span).collect();
        let requests = batches(&spans, &mut numbers);
        let (text, late) = received(&map, 100, &requests);
        let expected = filed(&map, &requests);
        match late {
            None => {
                assert_eq!(text, expected, "seed {seed}");
                whole += 1;
            }
            // A write of a value that was read before: the whole file shows it.
            Some(LateReason::NeedsTheWhole(_)) => {}
            Some(other) => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(whole > 300, "{whole}");
}

/// In an order that exceeds the lateness, what was passed on is the beginning of the file's events, or the stream is given up. Nothing is
/// passed on that a later span would have changed.
#[test]
fn a_span_that_is_too_late_ends_the_judgement() {
    let mut given_up = 0;
    for seed in 0..300 {
        let mut numbers = Numbers(seed);
        let mut spans = random_spans(&mut numbers);
        for _ in 0..20 {
            let (a, b) = (numbers.below(spans.len() as u64), numbers.below(spans.len() as u64));
            spans.swap(a as usize, b as usize);
        }
        let requests = batches(&spans, &mut numbers);
        let (text, late) = received(MAP, 60, &requests);
        let expected = filed(MAP, &requests);
        if late.is_none() {
            assert_eq!(text, expected, "seed {seed}");
        } else {
            given_up += 1;
        }
    }
    assert!(given_up > 100, "{given_up}");
}

/// A read shows what a request wrote that began later and is still under way, although its span comes after that of the read.
#[test]
fn a_read_waits_for_the_write_that_it_overlaps() {
    let id = ("session.id", "a".to_owned());
    let read = span(1, "get", (0, 40), &[id.clone(), ("version", "1".to_owned())]);
    let write = span(2, "put", (30, 60), &[id.clone(), ("version", "1".to_owned())]);
    let other = span(3, "get", (20, 25), std::slice::from_ref(&id));
    let last = span(4, "get", (61, 500), &[id]);
    let requests = [vec![other], vec![read], vec![write], vec![last]];
    let (text, late) = received(MAP, 10_000, &requests);
    assert_eq!((&text, late), (&filed(MAP, &requests), None));
    assert!(text.contains("\"read\"") && text.contains("1 of s-1"), "{text}");
    // The read began more than the lateness before the end of the last span, and the write did too.
    let requests = [requests[1].clone(), requests[2].clone(), requests[3].clone()];
    let (text, late) = received(MAP, 100, &requests);
    assert_eq!((&text, late), (&filed(MAP, &requests), None));
    assert!(text.contains("\"read\""), "{text}");
}

/// A value that is read first and written later, and an id that is used before the request that gives it out: the file has all spans
/// before it decides. Here it is too late, and that is said.
#[test]
fn what_only_the_whole_file_tells_is_said() {
    let id = |id: &str| ("session.id", id.to_owned());
    let value = |value: &str| ("version", value.to_owned());
    let read_first = [
        vec![span(1, "get", (0, 5), &[id("a"), value("1")])],
        vec![span(2, "get", (500, 505), &[id("a"), value("1")])],
        vec![span(3, "put", (900, 905), &[id("a"), value("1")])],
    ];
    let (_, late) = received(MAP, 100, &read_first);
    assert!(
        matches!(&late, Some(LateReason::NeedsTheWhole(why)) if why.contains("read a value before")),
        "{late:?}"
    );
    let used_first = [
        vec![span(1, "put", (0, 5), &[id("b"), value("1")])],
        vec![span(2, "get", (500, 505), &[id("b"), value("1")])],
        vec![span(3, "login", (900, 905), &[id("b"), ("session.previous_id", "a".to_owned())])],
    ];
    let (_, late) = received(MAP, 100, &used_first);
    assert!(matches!(&late, Some(LateReason::NeedsTheWhole(why)) if why.contains("new id")), "{late:?}");
    // Values that belong to no session do not depend on its ids.
    let unique = format!("unique_values = true\n{MAP}");
    assert_eq!(received(&unique, 100, &used_first), (filed(&unique, &used_first), None));
}

/// Spans before a silence do not wait for those after it, and a clock that is ahead makes no span late.
#[test]
fn time_passes_in_silence_and_not_by_the_clocks_of_others() {
    let id = ("session.id", "a".to_owned());
    let map = || TraceMap::from_toml(MAP).expect("a map");
    let now = (1_000_000 + 10) * MS;
    let mut stream = SpanStream::new(map(), 50 * MS, 1 << 24);
    let mut parts = Vec::new();
    let first = request(&[span(1, "login", (0, 5), std::slice::from_ref(&id))]);
    stream.add_request(&first, now, &mut parts).expect("spans");
    assert_eq!(parts, []);
    stream.pass_time(40 * MS, now + 40 * MS, &mut parts);
    assert_eq!(parts, []);
    stream.pass_time(30 * MS, now + 70 * MS, &mut parts);
    assert!(matches!(parts.as_slice(), [SortedPart::Lines(text)] if text.lines().count() == 3), "{parts:?}");
    // This one is an hour ahead. Those after it are in time.
    let mut stream = SpanStream::new(map(), 50 * MS, 1 << 24);
    let ahead = request(&[span(2, "login", (3_600_000, 3_600_001), std::slice::from_ref(&id))]);
    let mut parts = Vec::new();
    stream.add_request(&ahead, now, &mut parts).expect("spans");
    stream.add_request(&first, now, &mut parts).expect("spans");
    assert_eq!(parts, []);
}

/// What waits, and what is remembered, is bounded.
#[test]
fn what_does_not_fit_is_said() {
    let map = || TraceMap::from_toml(MAP).expect("a map");
    let login = |at: usize, step: i64| {
        let time = at as i64 * step;
        request(&[span(at, "login", (time, time), &[("session.id", format!("id-{at}"))])])
    };
    let mut waits = SpanStream::new(map(), i64::MAX, 10_000);
    let refused = (0..100).find_map(|at| waits.add_request(&login(at, 0), NOW, &mut Vec::new()).err());
    assert!(refused.is_some_and(|why| why.contains("do not fit")));
    let mut remembers = SpanStream::new(map(), 5 * MS, 10_000);
    let mut parts = Vec::new();
    for at in 0..200 {
        remembers.add_request(&login(at, 10), NOW, &mut parts).expect("few wait");
    }
    let late = parts.iter().filter(|part| matches!(part, SortedPart::Late(_))).count();
    assert_eq!(late, 1);
}
