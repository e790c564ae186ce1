//! Native lines are read by a scanner or, if they are unusual, by a careful parser. Whichever reads a line, the history
//! and the problems must be the same.
//!
//! The scanner takes no line that begins with a tab, and skips spaces. So the same lines are read twice, with a space and
//! with a tab before each. Both move a column by one, so even the places of problems must be equal.

use histories::format::{self, Format, Input, ReadOptions};
use histories::{History, KeyId, SessionId, ValueId};
use proptest::prelude::*;

/// Everything that can be seen of a history, and the problems if there is none.
#[derive(PartialEq, Debug)]
enum ReadResult {
    Read { written: String, names: [Vec<String>; 3], dropped: Option<String>, remarks: Vec<String> },
    Refused(String),
}

fn read_with(mark: u8, lines: &[Vec<u8>], block_bytes: usize, lenient: bool) -> ReadResult {
    let mut bytes = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            bytes.push(b'\n');
        }
        bytes.push(mark);
        bytes.extend_from_slice(line);
    }
    let options = ReadOptions { from: Some(Format::Native), block_bytes, lenient, ..ReadOptions::default() };
    match format::read(Input::Bytes("lines".to_owned(), bytes), &options, &|_, _| {}) {
        Ok(loaded) => ReadResult::Read {
            written: written(&loaded.history),
            names: names(&loaded.history),
            dropped: loaded.dropped.map(|problem| problem.to_string()),
            remarks: loaded.remarks,
        },
        Err(problems) => ReadResult::Refused(problems.to_string()),
    }
}

fn written(history: &History) -> String {
    let mut text = Vec::new();
    format::write_native(history, &mut text).expect("memory");
    String::from_utf8(text).expect("text")
}

/// The names in the order of their ids: both paths must number them alike.
fn names(history: &History) -> [Vec<String>; 3] {
    let of_values = history.values.iter().map(|(_, text): (ValueId, &str)| text.to_owned());
    let of_keys = history.keys.iter().map(|(_, text): (KeyId, &str)| text.to_owned());
    let of_sessions = history.sessions.iter().map(|(_, text): (SessionId, &str)| text.to_owned());
    [of_values.collect(), of_keys.collect(), of_sessions.collect()]
}

fn assert_equal_on_both_paths(lines: &[Vec<u8>], block_bytes: usize, lenient: bool) -> ReadResult {
    let fast = read_with(b' ', lines, block_bytes, lenient);
    let careful = read_with(b'\t', lines, block_bytes, lenient);
    let shown: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
    assert_eq!(fast, careful, "{}", shown.join("\n"));
    fast
}

fn lines_of(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(|line| line.as_bytes().to_vec()).collect()
}

/// A payload whose fields are in another order is the same payload, and so is one with another spelling of a letter. If they
/// were two values, a read that returned the payload would seem to return what nobody wrote.
#[test]
fn equal_payloads_are_one_value_however_they_are_spelt() {
    let spellings = [
        r#"{"session":"s-1","version":7,"bytes":64}"#,
        r#"{"bytes":64,"session":"s-1","version":7}"#,
        r#"{ "version" : 7, "bytes": 64, "session":"s-1" }"#,
        r#"{"version":7,"bytes":64,"session":"\u0073-1"}"#,
        r#"{"version":7,"bytes":64,"\u0073ession":"s-1"}"#,
    ];
    let mut lines = Vec::new();
    for spelling in spellings {
        for kind in ["invoke", "ok"] {
            lines
                .push(format!(r#"{{"process":0,"type":"{kind}","f":"write","key":"k","value":{spelling}}}"#));
        }
    }
    let lines: Vec<Vec<u8>> = lines.into_iter().map(String::into_bytes).collect();
    let ReadResult::Read { names: [values, ..], .. } = assert_equal_on_both_paths(&lines, 1 << 18, false)
    else {
        panic!("a history");
    };
    assert_eq!(values, ["null", r#"{"bytes":64,"session":"s-1","version":7}"#]);
}

/// Values that only look alike stay apart: an integer and a float, a number and its text, a null and no field.
#[test]
fn different_payloads_are_different_values() {
    let payloads = [
        r#"{"version":7}"#,
        r#"{"version":7.0}"#,
        r#"{"version":"7"}"#,
        r#"{"version":null}"#,
        "{}",
        "[]",
        r#"{"":7}"#,
        r#"{"version":[7]}"#,
        r#"{"version":{"a":7}}"#,
        r#""{\"version\":7}""#,
        r#"{"a":"b","c":"d"}"#,
        r#"{"a":"b\",\"c\":\"d"}"#,
    ];
    let lines = payloads.iter().enumerate().map(|(process, payload)| {
        format!(r#"{{"process":{process},"type":"invoke","f":"write","key":"k","value":{payload}}}"#)
    });
    let lines: Vec<Vec<u8>> = lines.map(String::into_bytes).collect();
    let ReadResult::Read { names: [values, ..], .. } = assert_equal_on_both_paths(&lines, 1 << 18, false)
    else {
        panic!("a history");
    };
    assert_eq!(values.len(), payloads.len() + 1, "{values:?}");
}

#[test]
fn lines_of_many_megabytes_are_read_alike() {
    let elements: Vec<String> = (0..300_000).map(|number| number.to_string()).collect();
    let long = elements.join(",");
    let lines = lines_of(&format!(
        r#"{{"process":0,"type":"invoke","f":"txn","value":[["r",1,null]]}}
{{"process":0,"type":"ok","f":"txn","value":[["r",1,[{long}]]]}}
{{"process":0,"type":"invoke","f":"txn","value":[["r",1,null],["append",1,300000]]}}
{{"process":0,"type":"ok","f":"txn","value":[["r",1,[{long}]],["append",1,300000]]}}
{{"process":0,"type":"invoke","f":"write","key":"k","value":{{"b":[{long}],"a":"{long}"}}}}
{{"process":0,"type":"ok","f":"write","key":"k","value":{{"a":"{long}","b":[{long}]}}}}"#
    ));
    let outcome = assert_equal_on_both_paths(&lines, 1 << 16, false);
    assert!(matches!(outcome, ReadResult::Read { .. }), "{outcome:?}");
}

/// Pieces of values. Some are no JSON, or JSON that is refused as a value.
const PIECES: &[&str] = &[
    "null",
    "true",
    "0",
    "7",
    "-3",
    "1.5",
    "1e3",
    "-0",
    "01",
    "12345678901234567890",
    "18446744073709551616",
    r#""x""#,
    r#"":x""#,
    r#""é""#,
    r#""a\nb""#,
    r#""a\/b""#,
    r#""\u0041""#,
    r#""\ud800""#,
    r#""\"""#,
    "\"\t\"",
    "{}",
    "[]",
    "[",
    "}",
    "",
    ",",
];
const NAMES: &[&str] =
    &["session", "version", "bytes", "fields", "a", "b", ":a", "é", "a b", r"\u0061", "", "bytes"];

fn value() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(PIECES).prop_map(str::to_owned);
    let usual = prop_oneof![(0..9_i64).prop_map(|n| n.to_string()), Just(r#""s-1""#.to_owned())];
    prop_oneof![6 => usual, 1 => piece].prop_recursive(3, 12, 3, |inner| {
        let field = (prop::sample::select(NAMES), inner.clone());
        let separator = prop::sample::select(vec![",", ", ", ",,"]);
        prop_oneof![
            2 => (prop::collection::vec(field, 0..4), separator).prop_map(|(fields, separator)| {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                // Two commas in a row are an error, and should be rare.
                let separator = if separator == ",," && fields.len() < 3 { "," } else { separator };
                format!("{{{}}}", fields.join(separator))
            }),
            1 => prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

fn micros() -> impl Strategy<Value = String> {
    let list = (0..6_u32, prop::option::weighted(0.1, value())).prop_map(|(len, odd)| {
        let elements: Vec<String> = (0..len).map(|n| n.to_string()).chain(odd).collect();
        format!("[{}]", elements.join(","))
    });
    let step = prop_oneof![
        4 => (0..3_u8, list).prop_map(|(key, list)| format!(r#"["r",{key},{list}]"#)),
        2 => (0..3_u8, 0..6_u8).prop_map(|(key, value)| format!(r#"["append",{key},{value}]"#)),
        1 => (0..3_u8, value()).prop_map(|(key, value)| format!(r#"["w",{key},{value}]"#)),
        1 => (0..3_u8).prop_map(|key| format!(r#"["r",{key}]"#)),
    ];
    prop::collection::vec(step, 0..4).prop_map(|steps| format!("[{}]", steps.join(",")))
}

/// The events of an operation: mostly two that fit, with fields repeated or in another order at times.
fn operation() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let payload = prop_oneof![
        4 => (prop::sample::select(vec!["read", "write", "create"]), value()),
        4 => (Just("txn"), micros()),
        1 => (Just("append"), micros()),
        1 => (Just("cas"), (value(), value()).prop_map(|(old, new)| format!("[{old},{new}]"))),
    ];
    let process =
        prop::sample::select(vec!["0", "1", "2", "70000", r#""web""#, r#""nemesis""#, r#"":audit""#]);
    let usual_note = (prop::sample::select(vec!["clock", "node", "intended"]), 0..3_i64)
        .prop_map(|(name, number)| (name, number.to_string()));
    let note = prop_oneof![1 => (prop::sample::select(NAMES), value()), 3 => usual_note];
    let notes = prop::collection::vec(note, 0..3);
    let damage = prop::option::weighted(0.1, (any::<prop::sample::Index>(), any::<u8>()));
    let shape = (0..8_usize, prop::bool::weighted(0.05), prop::sample::select(vec!["ok", "fail", "info"]));
    (payload, process, notes, damage, shape).prop_map(
        |((function, value), process, notes, damage, (turn, twice, kind))| {
            let event = |kind: &str| {
                let mut fields = vec![
                    format!(r#""process":{process}"#),
                    format!(r#""type":"{kind}""#),
                    format!(r#""f":"{function}""#),
                    format!(r#""value":{value}"#),
                ];
                fields.extend((function != "txn").then(|| r#""key":"k""#.to_owned()));
                fields.extend(notes.iter().map(|(name, value)| format!("\"{name}\":{value}")));
                if twice {
                    fields.push(fields[turn % fields.len()].clone());
                }
                let turn = turn % fields.len();
                fields.rotate_left(turn);
                format!("{{{}}}", fields.join(",")).into_bytes()
            };
            let mut events = vec![event("invoke"), event(kind)];
            if let Some((at, byte)) = damage {
                let at = at.index(events[1].len());
                events[1][at] = byte;
            }
            events
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_scanner_and_the_careful_parser_say_the_same(
        operations in prop::collection::vec(operation(), 1..6),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        block_bytes in prop::sample::select(vec![64_usize, 300, 1 << 18]),
        lenient in any::<bool>(),
    ) {
        // The scanner remembers values and further fields, so some come again.
        let again = again.iter().map(|at| operations[at.index(operations.len())].clone());
        let lines: Vec<Vec<Vec<u8>>> = operations.iter().cloned().chain(again).collect();
        assert_equal_on_both_paths(&lines.concat(), block_bytes, lenient);
    }
}
