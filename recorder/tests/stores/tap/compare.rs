//! Whether the recording of a tap is the one that the driver of the load made itself.
//!
//! The two know one another by the trace ids of requests, which the tap neither makes nor changes. Times, process numbers and the
//! names of sessions are each recorder's own, so names are compared by a mapping that must be the same everywhere, and one to one.

use serde_json::Value;
use std::collections::BTreeMap;

/// One operation of a recording.
#[derive(Debug)]
struct Recorded {
    invoke: Value,
    end: Value,
    /// Times of both events, in ns since 1970.
    span: (u64, u64),
}

/// The operations of a history by trace id, and its lines.
fn read_operations(text: &str) -> BTreeMap<String, Recorded> {
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let header = lines.next().expect("a header");
    let began = header["began_unix_ns"].as_u64().expect("a time");
    let (mut open, mut done) = (BTreeMap::new(), BTreeMap::new());
    for event in lines.filter(|event| event["process"].is_u64()) {
        let process = event["process"].as_u64();
        if event["type"] == "invoke" {
            assert!(open.insert(process, event).is_none(), "two operations of one process");
            continue;
        }
        let invoke: Value = open.remove(&process).expect("an invocation");
        let trace = invoke["trace_id"].as_str().expect("a trace id").to_owned();
        let time = |event: &Value| began + event["time"].as_u64().expect("a time");
        let span = (time(&invoke), time(&event));
        assert!(done.insert(trace, Recorded { invoke, end: event, span }).is_none(), "a trace id twice");
    }
    assert!(open.is_empty(), "an operation without a completion: {open:?}");
    done
}

/// A mapping between the names of two recordings, one to one.
#[derive(Debug, Default)]
struct Names(BTreeMap<String, String>, BTreeMap<String, String>);

impl Names {
    fn compare(&mut self, driven: &Value, tapped: &Value) -> Result<(), String> {
        let (Some(driven), Some(tapped)) = (driven.as_str(), tapped.as_str()) else {
            return if driven == tapped { Ok(()) } else { Err(format!("{driven} is {tapped}")) };
        };
        let there = self.0.entry(driven.to_owned()).or_insert_with(|| tapped.to_owned());
        let back = self.1.entry(tapped.to_owned()).or_insert_with(|| driven.to_owned());
        if there == tapped && back == driven {
            return Ok(());
        }
        Err(format!("{driven} is {tapped}, but elsewhere {there}, and that is {back}"))
    }
}

/// Compares two recordings of the same requests. Returns the number of operations by function.
pub(crate) fn compare_recordings(driven: &str, tapped: &str) -> BTreeMap<String, usize> {
    let (driven, mut tapped) = (read_operations(driven), read_operations(tapped));
    let (mut keys, mut digests, mut counts) = (Names::default(), Names::default(), BTreeMap::new());
    let mut problems = Vec::new();
    for (trace, one) in &driven {
        let Some(other) = tapped.remove(trace) else {
            // What was never sent cannot be seen. A request that the driver gave up may have been.
            if one.end["status"].is_u64() {
                problems.push(format!("not in the tap's recording: {one:?}"));
            }
            continue;
        };
        if one.end["error"] == "timeout" {
            continue;
        }
        let mut check = |result: Result<(), String>, what: &str| {
            if let Err(why) = result {
                problems.push(format!("{what}: {why}\n  driven {one:?}\n  tapped {other:?}"));
            }
        };
        let same = |name: &str, one: &Value, other: &Value| match one[name] == other[name] {
            true => Ok(()),
            false => Err(format!("{name}: {} is {}", one[name], other[name])),
        };
        check(keys.compare(&one.invoke["key"], &other.invoke["key"]), "the session");
        if one.invoke["session"] != "final" {
            check(keys.compare(&one.invoke["session"], &other.invoke["session"]), "the user");
        }
        check(same("f", &one.invoke, &other.invoke), "the operation");
        check(same("based_on", &one.invoke, &other.invoke), "what it is based on");
        for name in ["type", "node", "clock", "status", "error"] {
            check(same(name, &one.end, &other.end), "the completion");
        }
        let is_renewal = one.invoke["f"] == "renew";
        for (one, other) in [(&one.invoke, &other.invoke), (&one.end, &other.end)] {
            let compared = if is_renewal {
                keys.compare(&one["value"], &other["value"])
            } else {
                same("value", one, other)
            };
            check(compared, "the value");
        }
        check(compare_cookies(&one.end["set_cookie"], &other.end["set_cookie"], &mut digests), "the cookies");
        // The tap is between the driver and the application, so its operation lies within that of the driver.
        let slack = 50_000_000;
        let within = one.span.0 <= other.span.0 + slack && other.span.1 <= one.span.1 + slack;
        check(if within { Ok(()) } else { Err("not within".into()) }, "the time");
        *counts.entry(one.invoke["f"].as_str().expect("a name").to_owned()).or_default() += 1;
    }
    problems.extend(tapped.values().map(|other| format!("only in the tap's recording: {other:?}")));
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems[..problems.len().min(5)].join("\n")
    );
    counts
}

/// Compares lines of `Set-Cookie`, in which each recorder has digests of its own.
fn compare_cookies(driven: &Value, tapped: &Value, digests: &mut Names) -> Result<(), String> {
    let lines = |all: &Value| all.as_array().cloned().unwrap_or_default();
    let (driven, tapped) = (lines(driven), lines(tapped));
    if driven.len() != tapped.len() {
        return Err(format!("{driven:?} are {tapped:?}"));
    }
    driven.iter().zip(&tapped).try_for_each(|(one, other)| {
        let parts = |line: &Value| {
            let line = line.as_str().expect("text").to_owned();
            let at = line.find("digest-");
            at.map_or((line.clone(), Value::Null), |at| {
                let digest = &line[at..(at + 39).min(line.len())];
                (line.replace(digest, "…"), Value::from(digest))
            })
        };
        let ((one, of_one), (other, of_other)) = (parts(one), parts(other));
        if one != other {
            return Err(format!("{one} is {other}"));
        }
        digests.compare(&of_one, &of_other)
    })
}
