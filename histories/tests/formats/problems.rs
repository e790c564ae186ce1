//! What people are told about files that are no histories: every problem, its place, what was found and what was
//! expected. The places were counted by hand.

use histories::format::{self, Format, Input, Loaded, ReadOptions};
use histories::{Problem, Problems};
use proptest::prelude::*;

fn read(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Loaded, Problems> {
    format::read(Input::Bytes(name.to_owned(), bytes.to_vec()), options, &|_, _| {})
}

fn problems(name: &str, text: &str) -> Vec<String> {
    let problems = read(name, text.as_bytes(), &ReadOptions::default()).unwrap_err();
    problems.to_string().lines().map(str::to_owned).collect()
}

/// Each text is one line of a history; what is expected leaves out the file's name.
#[test]
fn native_lines() {
    let cases = [
        (
            r#"{"process":0,"type":"invok","f":"read"}"#,
            vec![r#"1:21: found "invok", expected a type: invoke, ok, fail or info"#],
        ),
        (
            r#"{"steadfast":1,"clients":5}"#,
            vec![r#"1:1: found 5, expected a list of names in the header's clients"#],
        ),
        (
            r#"{"time":1}"#,
            vec![
                r#"1:1: found an event without "type", expected a type: invoke, ok, fail or info"#,
                r#"1:1: found an event without "process", expected a process: an integer or a string"#,
            ],
        ),
        (
            r#"{"process":0,"type":"invoke"}"#,
            vec![r#"1:1: found an event without "f", expected a function such as "f": "read""#],
        ),
        (
            r#"{"process":0.5,"type":"invoke","f":"read"}"#,
            vec![r#"1:12: found the process 0.5, expected a process: an integer or a string"#],
        ),
        (
            r#"{"process":9223372036854775808,"type":"invoke","f":"write","value":[1,-9223372036854775809]}"#,
            vec![
                "1:12: found the process 9223372036854775808, expected an integer between -2^63 and 2^63 - 1",
            ],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"write","value":[1,-9223372036854775809]}"#,
            vec!["1:53: found -9223372036854775809, expected an integer between -2^63 and 2^64 - 1"],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"read","time":99999999999999999999,"index":-1,"key":99999999999999999999}"#,
            vec![
                "1:48: found the time 99999999999999999999, expected an integer between -2^63 and 2^63 - 1",
                "1:77: found the index -1, expected an index from 0 up",
                "1:86: found 99999999999999999999, expected an integer between -2^63 and 2^64 - 1",
            ],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"read","time":"now"}"#,
            vec![r#"1:48: found the time "now", expected an integer: nanoseconds"#],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"read","f":"read"}"#,
            vec![r#"1:41: found the field "f" for the second time, expected each field once"#],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"read","session":[1]}"#,
            vec!["1:51: found a list, expected a session: a string or a number"],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"cas","value":1}"#,
            vec!["1:48: found 1, expected [old, new], the value of a compare-and-set"],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["x",1,2],3,["w",1]]}"#,
            vec![
                r#"1:65: found "x", expected a micro-operation's name: r, w or append"#,
                r#"1:74: found 3, expected a micro-operation: ["r", key, value], ["w", key, value] or ["append", key, value]"#,
                r#"1:76: found a micro-operation of 2 parts, expected a micro-operation: ["r", key, value], ["w", key, value] or ["append", key, value]"#,
            ],
        ),
        (
            r#"{"process":0,"type":"invoke","f":"write","value":{"a":1,"a":2}}"#,
            vec![r#"1:57: found the key "a" for the second time, expected each key once"#],
        ),
        (r#"{"é":1 "type":"invoke"}"#, vec!["1:8: found '\"', expected JSON (expected `,` or `}`)"]),
        (
            "[1]",
            vec![
                r#"1:1: found a list, expected an event such as {"process": 0, "type": "invoke", "f": "read", "value": null}"#,
            ],
        ),
        ("hello", vec!["1:1: found 'h', expected JSON (expected value)"]),
        (
            r#"{"process":0,"type":"ok","f":"read","value":"\ud800"}"#,
            vec!["1:52: found '\"', expected JSON (unexpected end of hex escape)"],
        ),
    ];
    for (line, expected) in cases {
        let found = problems("a.jsonl", &format!("{line}\n"));
        let expected: Vec<String> = expected.iter().map(|problem| format!("a.jsonl:{problem}")).collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn events_that_do_not_fit_the_ones_before() {
    let text = r#"{"process":3,"type":"ok","f":"read","value":1}
{"process":0,"type":"invoke","f":"read","index":7}

{"process":0,"type":"invoke","f":"read","index":8}
{"process":0,"type":"ok","f":"write","value":1,"index":9}
{"process":0,"type":"ok","f":"read","key":"x","value":1,"index":10}
{"process":0,"type":"ok","f":"read","session":"s","value":1,"index":11}
{"process":0,"type":"ok","f":"read","value":1,"index":7}
"#;
    assert_eq!(
        problems("a.jsonl", text),
        [
            "a.jsonl:1:1: found ok by process 3, which has no operation open, expected its invoke event before it",
            "a.jsonl:4:1: found invoke by process 0, whose operation 7 is still open, expected its ok, fail or info first (a client that goes on after a time-out does so under a new process number)",
            "a.jsonl:5:1: found ok by process 0 with f \"write\", expected f \"read\", as its operation 7 was invoked",
            "a.jsonl:6:1: found ok by process 0 with key \"x\", expected key null, as its operation 7 was invoked",
            "a.jsonl:7:1: found ok by process 0 with session \"s\", expected session process 0, as its operation 7 was invoked",
            "a.jsonl:8:1: found the index 7 for the second time, expected an index that no other event has",
        ]
    );
}

#[test]
fn indexes_out_of_order_are_fine_but_not_twice() {
    let line = |process: u32, index: u32| {
        format!("{{\"process\":{process},\"type\":\"invoke\",\"f\":\"read\",\"index\":{index}}}\n")
    };
    let text: String =
        [5, 6, 9, 2, 1, 7].iter().zip(0..).map(|(&index, process)| line(process, index)).collect();
    assert!(read("a.jsonl", text.as_bytes(), &ReadOptions::default()).is_ok());
    for (again, at) in [(6, 7), (2, 7), (1, 7), (9, 7)] {
        let text = text.clone() + &line(9, again);
        assert_eq!(
            problems("a.jsonl", &text),
            [format!(
                "a.jsonl:{at}:1: found the index {again} for the second time, expected an index that no other event has"
            )]
        );
    }
}

/// A completion whose invocation is broken has lost nothing of its own: only what is wrong is reported.
#[test]
fn one_mistake_is_one_problem() {
    let text = r#"{"process":0,"type":"invokee","f":"read"}
{"process":0,"type":"ok","f":"read","value":1}
{"process":1,"type":"invoke","f":"read"}
{"process":1,"type":"ok","f":"read","value":1
{"process":1,"type":"invoke","f":"read"}
{"process":2,"type":"ok","f":"read","value":1}
"#;
    let places: Vec<String> = problems("a.jsonl", text)
        .iter()
        .map(|problem| problem.split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(places, ["a.jsonl:1:21", "a.jsonl:4:45", "a.jsonl:6:1"]);
}

#[test]
fn edn() {
    for (text, expected) in [
        (
            "{:process 0 :type :invok :f :read}",
            vec!["1:19: found :invok, expected a type: invoke, ok, fail or info"],
        ),
        (
            "[{:process 0\n  :type :invoke :f :read}\n {:process 1 :type}]",
            vec!["3:2: found a map of 3 forms, expected a value for each key"],
        ),
        (
            "{:process 0 :type :invoke :f :write :value 1/2}\n{:process 1 :type :invoke :f :write :value [18446744073709551616 a]}",
            vec![
                "1:44: found 1/2, expected an integer or a float (JSON has no ratios)",
                "2:45: found 18446744073709551616, expected an integer between -2^63 and 2^64 - 1",
            ],
        ),
        (
            "{:process 0 :type :invoke :f :read]}\n{:process 1 :type :ok :f :read}",
            vec!["1:35: found ']', expected '}' first"],
        ),
        (
            "[{:process 0 :type :invoke :f :read}",
            vec!["1:1: found a bracket that is never closed, expected its other half at the end of the file"],
        ),
        (
            "{:process 0 :type :invoke :f :read}]",
            vec!["1:36: found a closing bracket, expected an event or the end"],
        ),
        (
            "{:process 0 :type :invoke\n{:process 1 :type :invoke :f :read}",
            vec!["1:1: found a bracket that is never closed, expected '}' before the end of the file"],
        ),
        (
            "{:process 0 :type :invoke :f :read :value \"x}\n",
            vec!["1:43: found a string that is never closed, expected '\"' before the end of the file"],
        ),
        (
            "{:process 0 :type :invoke :f :read :value \"\\q\"}\n",
            vec!["1:44: found the escape \\q, expected \\n, \\t, \\r, \\b, \\f, \\\", \\\\ or \\uXXXX"],
        ),
        (
            "{:process 0 :type :invoke :f :write :value \":x\"}",
            vec!["1:44: found \":x\", expected a keyword, or a string that cannot be taken for one"],
        ),
        (
            "{:process 0 :type :ok :f :txn :value [[:r :x #{1 2}]]}",
            vec!["1:46: found a set that was read, expected a list or one value"],
        ),
        (
            "(1 2)",
            vec![
                "1:2: found 1, expected an event such as {\"process\": 0, \"type\": \"invoke\", \"f\": \"read\", \"value\": null}",
                "1:4: found 2, expected an event such as {\"process\": 0, \"type\": \"invoke\", \"f\": \"read\", \"value\": null}",
            ],
        ),
        (
            "{:type :invoke :f :read}\n{:process 0 :type :invoke :f :read}\n{:type :ok :f :read}",
            vec![
                "2:1: found an event with a process, expected no process, as in the events before it, or one in each event",
                "2:1: found invoke by process 0, whose operation 0 is still open, expected its ok, fail or info first (a client that goes on after a time-out does so under a new process number)",
                "3:1: found an event without \"process\", expected a process, as in other events",
            ],
        ),
    ] {
        let expected: Vec<String> = expected.iter().map(|problem| format!("a.edn:{problem}")).collect();
        assert_eq!(problems("a.edn", text), expected, "{text}");
    }
}

#[test]
fn logs_and_arrays() {
    let log = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nWARN  something else\nINFO  jepsen.util - 0\t:ok\t:read\nINFO  jepsen.util - 0\t:ok\t:read\t1 2\n";
    assert_eq!(
        problems("a.log", log),
        [
            "a.log:3:32: found a line without a value, expected a line such as \"INFO  jepsen.util - 3\t:invoke\t:write\t4\"",
            "a.log:4:35: found 2, expected the end of the line",
        ]
    );
    let array = "[{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"},\n{\"process\":1,\"type\":\"invoke\",\"f\":},\n[";
    assert_eq!(
        problems("a.json", array),
        [
            "a.json:2:34: found '}', expected JSON (expected value)",
            "a.json:3:1: found a bracket inside the list of events, expected an event",
        ]
    );
    assert_eq!(
        problems("notes.txt", "Dear diary")[0],
        "notes.txt is in no format that is recognised. Name its format with --from: native, jepsen-json, edn, jepsen-text, porcupine-etcd, porcupine-kv, otlp, plume, awdit, dbcop, porcupine-json, csv, s2, chronos, cobra, parquet."
    );
}

#[test]
fn unreadable_files() {
    let missing =
        format::read(Input::from_argument("no/such/file.jsonl"), &ReadOptions::default(), &|_, _| {})
            .unwrap_err();
    assert_eq!(missing.to_string(), "no/such/file.jsonl cannot be read: No such file or directory");
    let folder = format::read(Input::from_argument("src"), &ReadOptions::default(), &|_, _| {}).unwrap_err();
    assert!(
        folder.to_string().starts_with("src is a directory. Pass a file, `-` for standard input"),
        "{folder}"
    );
    let claims = problems("a.jsonl.gz", "{}");
    assert_eq!(claims, ["a.jsonl.gz is named .gz but is not gzip data"]);
}

#[test]
fn a_byte_order_mark_is_no_problem_at_the_beginning() {
    for (name, text) in [("-", WHOLE), ("a.edn", "{:process 0 :type :invoke :f :read}"), ("a.json", "[]")] {
        let text = format!("\u{feff}{text}");
        assert!(read(name, text.as_bytes(), &ReadOptions::default()).is_ok(), "{name}");
        assert!(
            read(name, (text.clone() + "\n" + &text).as_bytes(), &ReadOptions::default()).is_err(),
            "{name}"
        );
    }
}

#[test]
fn problems_are_kept_to_a_limit_and_counted_beyond_it() {
    let text = "x\n".repeat(250);
    let options = ReadOptions { block_bytes: 50, ..ReadOptions::default() };
    for options in [options, ReadOptions::default()] {
        let problems = read("a.jsonl", text.as_bytes(), &options).unwrap_err();
        assert_eq!((problems.list.len(), problems.more), (100, 150));
        let lines: Vec<u64> = problems.list.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, (1..=100).collect::<Vec<_>>());
        assert!(problems.to_string().ends_with("\nand 150 more"));
    }
}

#[test]
fn bytes_that_are_not_utf8() {
    let mut text =
        b"{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":\"\xc3\xa9\xff\"}\n".to_vec();
    let found = read("a.jsonl", &text, &ReadOptions::default()).unwrap_err().to_string();
    assert_eq!(found, "a.jsonl:1:52: found bytes that are not UTF-8, expected UTF-8 text");
    text = b"{:process 0 :type :invoke :f :write :value \"\xff\"}".to_vec();
    let found = read("a.edn", &text, &ReadOptions::default()).unwrap_err().to_string();
    assert_eq!(found, "a.edn:1:45: found bytes that are not UTF-8, expected UTF-8 text");
}

const WHOLE: &str = "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n";

#[test]
fn a_cut_off_end_is_a_problem_unless_leniency_is_asked_for() {
    let lenient = ReadOptions { lenient: true, ..ReadOptions::default() };
    for (name, whole, cut, place, found) in [
        ("a.jsonl", WHOLE.to_owned(), "{\"process\":0,\"type\":\"ok", (2, 23), "the end of the text"),
        ("a.json", format!("[{}", WHOLE.trim_end()), ",\n{\"process\":0,\"ty", (2, 1), "never closed"),
        ("a.json", format!("[{}", WHOLE.trim_end()), "\n", (1, 1), "never closed"),
        (
            "a.edn",
            "{:process 0 :type :invoke :f :read}".to_owned(),
            "\n{:process 0 :type :o",
            (2, 1),
            "never closed",
        ),
        (
            "a.edn",
            "({:process 0 :type :invoke :f :read}".to_owned(),
            "\n{:process 0 :type \"o",
            (2, 19),
            "never closed",
        ),
        (
            "a.log",
            "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n".to_owned(),
            "INFO  jepsen.util - 0\t:ok\t:rea",
            (2, 31),
            "without a value",
        ),
    ] {
        let text = whole + cut;
        let strict = read(name, text.as_bytes(), &ReadOptions::default()).unwrap_err();
        let first = &strict.list[0];
        assert_eq!((first.line, first.column), place, "{strict}");
        assert!(first.found.contains(found), "{strict}");
        let loaded = read(name, text.as_bytes(), &lenient).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.history.len(), 1);
        assert_eq!(
            loaded.dropped.as_ref().map(|problem: &Problem| (problem.line, problem.column)),
            Some(place)
        );
    }
}

/// Leniency is for the last line only.
#[test]
fn leniency_excuses_nothing_else() {
    let lenient = ReadOptions { lenient: true, ..ReadOptions::default() };
    for text in [
        format!("{{\"process\":0,\"type\":\"ok\n{WHOLE}"),
        format!("{WHOLE}{{\"process\":0,\"type\":\"ok\n"),
        format!("{WHOLE}{{\"process\":0,\"type\":\"oky\"}}"),
        format!("{WHOLE}hello"),
    ] {
        assert!(read("a.jsonl", text.as_bytes(), &lenient).is_err(), "{text}");
    }
    let loaded = read("a.jsonl", WHOLE.trim_end().as_bytes(), &lenient).unwrap();
    assert_eq!(loaded.dropped, None);
}

#[test]
fn nesting_is_bounded_and_uses_no_stack() {
    for (name, open, close) in [
        ("a.jsonl", "[", "]"),
        ("a.json", "[", "]"),
        ("a.edn", "[", "]"),
        ("a.edn", "{:a ", "}"),
        ("a.edn", "#a #{", "}"),
    ] {
        let (open_n, close_n) = (open.repeat(200_000), close.repeat(200_000));
        let (process, value) =
            if name == "a.edn" { (":process 0", ":value") } else { ("\"process\":0,", "\"value\":") };
        let deep = format!("{{{process} {value} {open_n}{close_n}}}\n");
        let found = read(name, deep.as_bytes(), &ReadOptions::default()).unwrap_err().to_string();
        assert!(found.contains("more than 64 others"), "{name}: {found}");
        let endless = format!("{{{process} {value} {open_n}");
        assert!(read(name, endless.as_bytes(), &ReadOptions::default()).is_err());
    }
}

#[test]
fn an_event_that_is_too_long_is_one_problem() {
    let long = format!(
        "{{\"process\":1,\"type\":\"invoke\",\"f\":\"write\",\"value\":\"{}\"}}\n",
        "x".repeat(20 << 20)
    );
    for (name, after) in [("a.jsonl", "x\n"), ("a.json", "}\n"), ("a.edn", "}\n")] {
        let mut text = WHOLE.to_owned() + &long + WHOLE + after;
        if name == "a.edn" {
            text = text.replace("\":", "\" ");
        }
        let problems = read(name, text.as_bytes(), &ReadOptions::default()).unwrap_err();
        let places: Vec<(u64, u64)> =
            problems.list.iter().map(|problem| (problem.line, problem.column)).collect();
        assert_eq!(problems.list[0].expected, "an event of at most 16 MiB", "{problems}");
        assert_eq!((places[0], *places.last().unwrap()), ((2, 1), (4, 1)), "{name}: {problems}");
    }
}

/// What went wrong: each of 100,000 brackets had a flaw, and to place a flaw took a pass over the block: 18.6 s. Where work
/// grows with the square, twice the brackets take four times as long.
#[test]
fn brackets_take_time_in_proportion_to_their_number() {
    let seconds = |name: &str, text: &str| {
        let began = std::time::Instant::now();
        let found = read(name, text.as_bytes(), &ReadOptions::default());
        assert!(found.is_err() || text.starts_with("[]"), "{name}");
        began.elapsed().as_secs_f64()
    };
    for (name, unit) in
        [("a.edn", "["), ("a.json", "["), ("a.edn", "]"), ("a.edn", "[]"), ("a.json", "[]"), ("a.edn", "[[")]
    {
        let (one, two) = (seconds(name, &unit.repeat(60_000)), seconds(name, &unit.repeat(120_000)));
        assert!(two < 3.0 * one + 1.0, "{name} {unit}: {one} s, and {two} s for twice as many");
    }
}

/// 98 KB of compressed blank lines took 42 s: they are ten gigabytes.
#[test]
fn blank_lines_without_end_are_refused_after_a_limit() {
    struct Blank(std::sync::Arc<std::sync::atomic::AtomicU64>);
    impl std::io::Read for Blank {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            buffer.fill(b'\n');
            self.0.fetch_add(buffer.len() as u64, std::sync::atomic::Ordering::Relaxed);
            Ok(buffer.len())
        }
    }
    for name in ["a.jsonl", "a.edn"] {
        let count = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
        let input = Input::Reader(name.to_owned(), Box::new(Blank(std::sync::Arc::clone(&count))));
        let options = ReadOptions { block_bytes: 1 << 20, ..ReadOptions::default() };
        let why = format::read(input, &options, &|_, _| {}).unwrap_err().to_string();
        assert_eq!(why, format!("{name} has more than 256 MiB of blank lines; remove them"));
        assert!(count.load(std::sync::atomic::Ordering::Relaxed) < 400 << 20);
    }
}

/// Pieces that files are made of, whole and broken.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "\\",
    ",",
    ":",
    ";",
    "#",
    "_",
    "^",
    "\n",
    " ",
    "\t",
    "nil",
    "null",
    "true",
    "-",
    "1",
    "0",
    ".5",
    "e9",
    "99999999999999999999",
    "\"type\":",
    ":type",
    "\"ok\"",
    ":ok",
    ":invoke",
    "\"invoke\"",
    "\"process\":0",
    ":process 0",
    "\"f\":\"txn\"",
    ":f :read",
    "\"value\":",
    ":value",
    "[[\"r\",\"x\",null]]",
    "[[:r :x nil]]",
    "\"index\":3",
    "INFO  jepsen.util - 0 :ok :read nil",
    "#jepsen.history.Op",
    "\u{feff}",
    "é",
    "\"steadfast\":1",
    "\"time\":",
    "\"key\":",
    "99999999999999999999N",
    "\"note\":",
];

fn broken_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        2 => Just(WHOLE.as_bytes().to_vec()),
        1 => Just(b"{:process 1, :type :invoke, :f :read, :value nil}\n".to_vec()),
    ];
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the bytes: a history, or at least one problem with a place inside the file; the same one
    /// wherever the file is cut into blocks.
    #[test]
    fn any_bytes_are_a_history_or_have_a_problem(
        bytes in broken_bytes(),
        format in prop::sample::select(Format::ALL.to_vec()),
        lenient in any::<bool>(),
        size in 1..40_usize,
    ) {
        let whole = ReadOptions { from: Some(format), lenient, ..ReadOptions::default() };
        let cut = ReadOptions { block_bytes: size, ..whole.clone() };
        let lines = bytes.split(|&byte| byte == b'\n').count() as u64;
        match (read("-", &bytes, &whole), read("-", &bytes, &cut)) {
            (Ok(whole), Ok(cut)) => {
                prop_assert!(whole.history.same_events(&cut.history));
                prop_assert_eq!(whole.dropped, cut.dropped);
                let mut text = Vec::new();
                format::write_native(&whole.history, &mut text).unwrap();
                let again = read("a.jsonl", &text, &ReadOptions::default()).unwrap().history;
                prop_assert!(whole.history.same_events(&again));
                if whole.history.header().is_none() {
                    let mut text = Vec::new();
                    format::write_edn(&whole.history, &mut text).unwrap();
                    let again = read("a.edn", &text, &ReadOptions::default()).unwrap().history;
                    prop_assert!(whole.history.same_events(&again), "{}", String::from_utf8_lossy(&text));
                }
            }
            (Err(whole), Err(cut)) => {
                prop_assert!(!whole.list.is_empty() && whole.list.iter().all(|problem| problem.line <= lines));
                // Where brackets are out of order, how much is read after that depends on the cuts.
                if matches!(format, Format::Native | Format::PorcupineEtcd) {
                    prop_assert_eq!(whole, cut);
                }
            }
            (whole, cut) => prop_assert!(false, "{whole:?} or, in blocks of {size}, {cut:?}"),
        }
    }

    /// A good file, damaged in one place, is read in full or reported; never half.
    #[test]
    fn a_damaged_file_loses_nothing_in_silence(
        format in 0..3_usize,
        at in any::<prop::sample::Index>(),
        with in any::<Option<u8>>(),
        insert in any::<bool>(),
    ) {
        let (format, text) = [
            (Format::Native, WHOLE.to_owned() + "{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":7}\n"),
            (Format::JepsenJson, format!("[{}, {{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":7}}]", WHOLE.trim())),
            (Format::Edn, "[{:process 0, :type :invoke, :f :read}\n {:process 0, :type :ok, :f :read, :value 7}]".to_owned()),
        ][format].clone();
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        match with {
            Some(byte) if insert => bytes.insert(at, byte),
            Some(byte) => bytes[at] = byte,
            None => { bytes.remove(at); }
        }
        let options = ReadOptions { from: Some(format), ..ReadOptions::default() };
        if let Ok(loaded) = read("-", &bytes, &options) {
            // A comment may swallow the rest of a line of EDN, and `#_` the next form: that is what they are for.
            let hides = bytes.contains(&b';') || bytes.contains(&b'#') || bytes.contains(&b'^');
            prop_assert!(hides || loaded.history.event_count() == 2, "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
