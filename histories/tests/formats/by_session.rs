//! Formats that tell what each session did and nothing of when: read as they say, written so that they say the same,
//! refused where they cannot, and every problem with its place. Places and bytes were counted by hand.

use histories::format::{
    self, AcceptedLosses, Format, Input, ReadOptions, RepresentableHistory, TargetFormat,
};
use histories::{History, Id, MicroKind, OpId, Outcome, Problems, notation};
use proptest::prelude::*;

const LOSSES: AcceptedLosses = AcceptedLosses { real_time: true };

fn read(name: &str, bytes: &[u8]) -> Result<format::Loaded, Problems> {
    format::read(Input::Bytes(name.to_owned(), bytes.to_vec()), &ReadOptions::default(), &|_, _| {})
}

fn problems(name: &str, text: &str) -> Vec<String> {
    read(name, text.as_bytes()).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

fn written(history: &History, target: TargetFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    RepresentableHistory::new(history, target, LOSSES).unwrap().write(&mut bytes).unwrap();
    bytes
}

fn unsayable(history: &History, target: TargetFormat, losses: AcceptedLosses) -> Vec<String> {
    match RepresentableHistory::new(history, target, losses) {
        Ok(_) => panic!("{} can say it", target.name()),
        Err(unsayable) => unsayable.reasons,
    }
}

/// What each session did, in order: `s0: ok r5=1 w6=2`.
fn told(history: &History) -> Vec<String> {
    let mut sessions = vec![String::new(); history.sessions.len()];
    for id in history.ids() {
        let text = &mut sessions[history.session(id).index()];
        let session = history.session_text(history.session(id));
        text.push_str(if text.is_empty() { session } else { ";" });
        text.push_str(match history.outcome(id) {
            Outcome::Ok => " ok",
            Outcome::Fail => " fail",
            Outcome::Info => " info",
        });
        for micro in history.micros_of(id) {
            let kind = if micro.kind == MicroKind::Write { 'w' } else { 'r' };
            let value = history.value_text(micro.value());
            text.push_str(&format!(" {kind}{}={value}", history.key_text(micro.key)));
        }
    }
    sessions.sort();
    sessions
}

const PLUME: &str =
    "w(5,1,0,7)\nr(6,0,0,7)\nw(6,2,3,8)\nw(5,9,0,-1)\nr(5,9,0,-1)\r\n\nr(5,1,3,9)\nw(7,3,3,8)\n";

#[test]
fn plume_tells_sessions_transactions_and_what_was_aborted() {
    let loaded = read("a.txt", PLUME.as_bytes()).unwrap();
    assert_eq!(loaded.format, Format::Plume);
    // Steps of transaction 8 are mixed with those of others; 0 is the initial value; what was aborted read nothing.
    assert_eq!(
        told(&loaded.history),
        ["process 0 ok w5=1 r6=null; fail w5=9 r5=null", "process 3 ok w6=2 w7=3; ok r5=1"]
    );
    assert!(!loaded.history.has_real_time());
    assert!(loaded.remarks[0].contains("no real-time order"), "{:?}", loaded.remarks);
    // By transaction of the file, from zero, two events each: 7, 8, the aborted one, 9.
    let indexes: Vec<u64> = loaded.history.ids().map(|id| loaded.history.operation_index(id)).collect();
    assert_eq!(indexes, [0, 2, 4, 6]);
    assert_eq!(loaded.history.find_operation(6), Some(OpId::new(3)));
}

#[test]
fn awdit_tells_sessions_between_lines() {
    let text = "=====\nw 0 0\n\n  w 1 0\n-----\n-----\nr 1 0\n==\n==\nr 0 0";
    let loaded = read("a.txt", text.as_bytes()).unwrap();
    assert_eq!(loaded.format, Format::Awdit);
    // 0 is a value like any other here.
    assert_eq!(told(&loaded.history), ["process 0 ok w0=0 w1=0; ok r1=0", "process 1 ok r0=0"]);
}

#[test]
fn dbcops_json_is_read_bare_or_beside_its_header_in_both_ways_to_write_an_event() {
    let sessions = r#"[[{"events":[{"Write":{"variable":0,"version":0}},["w",1,5]],"committed":true}],
        [{"events":[["r",0,0],{"Read":{"variable":1,"version":0}},["r",1,null]],"committed":true},
         {"events":[["w",1,6]],"committed":false}]]"#;
    let whole = format!(r#"{{"params":{{"id":3}},"info":"by hand","start":"","end":"","data":{sessions}}}"#);
    // 0 is written to variable 0 and so a version; of variable 1 it is the beginning.
    let expected = ["process 0 ok w0=0 w1=5", "process 1 ok r0=0 r1=null r1=null; fail w1=6"];
    for (name, text) in [("a.json", sessions), ("a.json", whole.as_str()), ("-", sessions)] {
        let loaded = read(name, text.as_bytes()).unwrap();
        assert_eq!(
            (loaded.format, told(&loaded.history)),
            (Format::Dbcop, expected.map(str::to_owned).to_vec())
        );
    }
    let header = read("a.json", whole.as_bytes()).unwrap().history.header().unwrap().to_owned();
    assert!(header.contains(r#""info":"by hand""#) && header.contains(r#""params":{"id":3}"#), "{header}");
}

/// A file of 2019, laid out by hand.
fn bincode() -> Vec<u8> {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, n: u64| bytes.extend_from_slice(&n.to_le_bytes());
    [3, 1, 2, 2, 2].into_iter().for_each(|n| number(&mut bytes, n));
    for text in ["made \"by hand\"", "", "é"] {
        number(&mut bytes, text.len() as u64);
        bytes.extend_from_slice(text.as_bytes());
    }
    let event = |bytes: &mut Vec<u8>, writes, variable, value, succeeded| {
        bytes.push(writes);
        number(bytes, variable);
        number(bytes, value);
        bytes.push(succeeded);
    };
    number(&mut bytes, 1);
    number(&mut bytes, 2);
    number(&mut bytes, 3);
    event(&mut bytes, 1, 7, 4, 1);
    event(&mut bytes, 0, 8, 0, 0);
    event(&mut bytes, 1, 8, 5, 0);
    bytes.push(1);
    number(&mut bytes, 1);
    event(&mut bytes, 1, 7, 6, 1);
    bytes.push(0);
    bytes
}

#[test]
fn dbcops_bincode_is_read_and_an_event_that_failed_is_not_taken_for_done() {
    let loaded = read("history.bincode", &bincode()).unwrap();
    assert_eq!(loaded.format, Format::Dbcop);
    assert_eq!(told(&loaded.history), ["process 0 ok w7=4; fail w8=5; fail w7=6"]);
    let header = loaded.history.header().unwrap();
    for field in [r#""info":"made \"by hand\"""#, r#""start":"""#, r#""end":"é""#] {
        assert!(header.contains(field), "{header}");
    }
}

#[test]
fn bincode_that_breaks_off_or_lies_is_told_with_its_byte() {
    let whole = bincode();
    for len in 8..whole.len() {
        let problems = read("history.bincode", &whole[..len]).unwrap_err();
        assert_eq!((problems.list.len(), problems.list[0].line), (1, 0), "{len}: {problems}");
    }
    let found = |bytes: &[u8]| read("a.bincode", bytes).unwrap_err().to_string();
    let more = [whole.clone(), vec![0]].concat();
    assert_eq!(
        found(&more),
        format!("a.bincode: found 1 more bytes at byte {}, expected the end of the file", whole.len())
    );
    // The number of sessions stands behind 5 numbers and 3 texts of 14, 0 and 2 bytes.
    let mut lies = whole.clone();
    lies[80] = 255;
    let most = (whole.len() - 88) / 8;
    assert_eq!(
        found(&lies),
        format!(
            "a.bincode: found 255 sessions at byte 80, expected at most {most}, for which there are bytes left"
        )
    );
    // The first event begins behind three lengths.
    let mut lies = whole;
    lies[104] = 2;
    assert_eq!(
        found(&lies),
        "a.bincode: found the byte 2 at byte 104, expected 0 or 1: whether an event writes"
    );
}

#[test]
fn every_problem_has_its_place() {
    const LINE: &str = "a line such as w(KEY,VALUE,SESSION,TRANSACTION) or r(7,12,0,3)";
    let text = "w(0,1,0,0)\nx(0,1,0,0)\n  r(0,é,0,0)\nr(0,1,1,0)\nr(0,99999999999999999999,0,1)\nw(0,1,0,-2)\nw(0,1,0)\nw(0,1,0,1,1)\nr(0,1,0";
    assert_eq!(
        problems("a.txt", text),
        [
            format!("a.txt:2:1: found x(0,1,0,0), expected {LINE}"),
            "a.txt:3:7: found \"é\", expected a value: an integer from 0 to 2^63 - 1".to_owned(),
            "a.txt:4:1: found transaction 0 in session 1, expected session 0, where it began".to_owned(),
            "a.txt:5:5: found \"99999999999999999999\", expected a value: an integer from 0 to 2^63 - 1".to_owned(),
            "a.txt:6:9: found \"-2\", expected a transaction: an integer up to 2^63 - 1, or -1 for one that was aborted"
                .to_owned(),
            format!("a.txt:7:1: found w(0,1,0), expected {LINE}"),
            format!("a.txt:8:1: found w(0,1,0,1,1), expected {LINE}"),
            format!("a.txt:9:1: found r(0,1,0, expected {LINE}"),
        ]
    );
    const STEP: &str = "a step such as w KEY VALUE or r 0 1, or a line of - or =";
    assert_eq!(
        problems("a.txt", "w 0 1\n x 0 1\n--=\nw 0\nw 0  -1\n"),
        [
            format!("a.txt:2:2: found x 0 1, expected {STEP}"),
            format!("a.txt:3:1: found --=, expected {STEP}"),
            format!("a.txt:4:1: found w 0, expected {STEP}"),
            "a.txt:5:6: found \"-1\", expected a value: an integer from 0 to 2^63 - 1".to_owned(),
        ]
    );
    let json = "[[{\"events\":[[\"x\",0,1],[\"w\",0,null]],\"committed\":true},\n {\"events\":[]},\n 5], 7]";
    let event =
        "an event: {\"Read\": {\"variable\": 0, \"version\": null}}, {\"Write\": {...}} or [\"r\", 0, 1]";
    let transaction = "a transaction: {\"events\": [...], \"committed\": true}";
    assert_eq!(
        problems("a.json", json),
        [
            format!("a.json:1:14: found a list, expected {event}"),
            format!("a.json:1:24: found a write without a version, expected {event}"),
            format!(
                "a.json:2:2: found an object without \"events\" or \"committed\", expected {transaction}"
            ),
            format!("a.json:3:2: found 5, expected {transaction}"),
            "a.json:3:6: found 7, expected a session: a list of transactions".to_owned(),
        ]
    );
    assert!(problems("a.json", "{\"data\":[}")[0].starts_with("a.json:1:10: found '}', expected JSON"));
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let options = ReadOptions { problems_max: 2, ..ReadOptions::default() };
    let input = Input::Bytes("a.txt".into(), b"w(1,1,1,1)\nx\nx\nx\nx\n".to_vec());
    let problems = format::read(input, &options, &|_, _| {}).unwrap_err();
    assert_eq!((problems.list.len(), problems.more), (2, 2));
}

#[test]
fn independent_values_are_refused() {
    let options = ReadOptions { independent: true, ..ReadOptions::default() };
    let problems =
        format::read(Input::Bytes("a.txt".into(), PLUME.into()), &options, &|_, _| {}).unwrap_err();
    assert_eq!(problems.list[0].found, "plume with --independent");
}

/// What is marked stays marked: a native copy must not turn an order that was made up into one that was seen.
#[test]
fn native_lines_keep_that_there_is_no_real_time() {
    let history = read("a.txt", PLUME.as_bytes()).unwrap().history;
    let text = String::from_utf8(written(&history, TargetFormat::Native)).unwrap();
    assert!(text.starts_with(r#"{"from":"plume","real_time":false,"steadfast":1}"#), "{text}");
    let again = format::from_text(Format::Native, &text).unwrap();
    assert!(!again.has_real_time() && again.same_events(&history), "{text}");
    assert_eq!(
        format::from_text(Format::Native, "{\"steadfast\":1,\"real_time\":\"no\"}\n")
            .unwrap_err()
            .to_string(),
        "text:1:28: found the real_time \"no\", expected true or false: whether the order of events says what came first"
    );
    // EDN has no place for it.
    let reasons = unsayable(&history, TargetFormat::Edn, AcceptedLosses::default());
    assert!(reasons[0].contains("no real-time order"), "{reasons:?}");
    assert!(!written(&history, TargetFormat::Edn).is_empty(), "unless the user agrees");
}

#[test]
fn what_cannot_be_said_is_told_with_its_operation() {
    use TargetFormat::*;
    let all = [Plume, Awdit, DbcopJson, DbcopBincode];
    let one = |drawing: &str, json: &str, targets: &[TargetFormat], expected: &str| {
        let history = match drawing {
            "" => format::from_text(Format::Native, json).unwrap(),
            drawing => notation::parse(drawing).unwrap(),
        };
        for &target in targets {
            let reasons = unsayable(&history, target, LOSSES);
            let expected = expected.replace("FORMAT", target.name());
            assert!(reasons.contains(&expected), "{}: {reasons:?}, expected {expected}", target.name());
        }
    };
    one("a: [w1]", "", &all, "operation 0 is \"write\": FORMAT has transactions only");
    let txn = |micros: &str, kind: &str, more: &str| {
        let event = |kind: &str, more: &str| {
            format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"txn\",\"value\":{micros}{more}}}\n")
        };
        event("invoke", "") + &event(kind, more)
    };
    let cases = [
        (
            txn("[[\"append\",0,1]]", "ok", ""),
            &all[..],
            "operation 0 is about the list 0: FORMAT has registers only",
        ),
        (
            txn("[[\"r\",0,[1]]]", "ok", ""),
            &all,
            "operation 0 is about the list 0: FORMAT has registers only",
        ),
        (
            txn("[[\"w\",\"x\",1]]", "ok", ""),
            &all,
            "operation 0 is about \"x\": the keys of FORMAT are integers from 0 up",
        ),
        (
            txn("[[\"w\",0,\"a\"]]", "ok", ""),
            &all,
            "operation 0 writes \"a\": the values of FORMAT are integers from 0 up",
        ),
        (
            txn("[[\"r\",0,-5]]", "ok", ""),
            &all,
            "operation 0 reads -5: the values of FORMAT are integers from 0 up",
        ),
        (txn("[[\"w\",0,null]]", "ok", ""), &all, "operation 0 writes null: FORMAT cannot write nothing"),
        (
            txn("[[\"w\",0,1]]", "info", ""),
            &all,
            "operation 0 is indeterminate: FORMAT knows of each transaction whether it was committed",
        ),
        (txn("[[\"w\",0,1]]", "ok", ",\"version\":3"), &all, "operation 0 has a version: FORMAT has none"),
        (
            txn("[[\"w\",0,0]]", "ok", ""),
            &[Plume, DbcopBincode],
            "operation 0 writes 0, which in FORMAT is the initial value",
        ),
        (
            txn("[[\"r\",0,0]]", "ok", ""),
            &[DbcopJson],
            "operation 0 reads 0, which no committed transaction writes: in FORMAT that is the initial value",
        ),
        (txn("[[\"r\",0,null]]", "ok", ""), &[Awdit], "operation 0 reads the initial value: FORMAT has none"),
        (
            txn("[[\"w\",0,1]]", "fail", ""),
            &[Awdit],
            "operation 0 was aborted: FORMAT knows committed transactions only",
        ),
    ];
    for (json, targets, expected) in &cases {
        one("", json, targets, expected);
    }
    let two_tabs = r#"{"process":0,"session":"s","type":"invoke","f":"txn","value":[["w",0,1]]}
        {"process":1,"session":"s","type":"invoke","f":"txn","value":[["w",0,2]]}
        {"process":0,"session":"s","type":"ok","f":"txn","value":[["w",0,1]]}
        {"process":1,"session":"s","type":"ok","f":"txn","value":[["w",0,2]]}"#;
    one(
        "",
        two_tabs,
        &all,
        "operation 1 begins before operation 0 of its session has ended: FORMAT knows sessions that do one thing \
         after another",
    );
    let ordered = format::from_text(Format::Native, &two_tabs.replace("\"session\":\"s\",", "")).unwrap();
    let reasons = unsayable(&ordered, Plume, AcceptedLosses::default());
    assert!(reasons[0].contains("plume knows no real-time order, and this history has one"), "{reasons:?}");
}

/// What was done, without the numbers of sessions: dbcop numbers them itself.
fn anonymous(history: &History) -> Vec<String> {
    let mut sessions: Vec<String> =
        told(history).iter().filter_map(|text| text.splitn(3, ' ').nth(2)).map(str::to_owned).collect();
    sessions.sort();
    sessions
}

/// A transaction: whether it was committed, and its steps, each with whether it writes, its key and what it reads.
type Drawn = (bool, Vec<(bool, i64, i64)>);

/// Sessions of transactions over few keys, every value written once.
fn sessions() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    let step = (any::<bool>(), 0..4_i64, 0..6_i64);
    let transaction = (prop::bool::weighted(0.8), prop::collection::vec(step, 1..4));
    prop::collection::vec(prop::collection::vec(transaction, 1..5), 1..5)
}

/// The same in Plume's text; written values are made distinct, so that 0 is only ever read.
fn plume(sessions: &[Vec<Drawn>]) -> String {
    let (mut text, mut number, mut value) = (String::new(), 0, 10);
    for (session, transactions) in sessions.iter().enumerate() {
        for (committed, steps) in transactions {
            for &(writes, key, read) in steps.iter().filter(|(writes, ..)| *committed || *writes) {
                value += i64::from(writes);
                let (kind, value) = if writes { ('w', value) } else { ('r', read) };
                let transaction = if *committed { number } else { -1 };
                text.push_str(&format!("{kind}({key},{value},{session},{transaction})\n"));
            }
            number += i64::from(*committed);
        }
    }
    text
}

const PIECES: &[&str] = &[
    "w(0,1,0,0)\n",
    "r(0,1,0,-1)\n",
    "w 0 1\n",
    "r 1 2\n",
    "----\n",
    "===\n",
    "\n",
    "(",
    ")",
    ",",
    "-1",
    "99999999999999999999",
    "[",
    "]",
    "{",
    "}",
    "\"events\":",
    "\"committed\":true",
    "\"data\":",
    "\"params\":",
    "[\"r\",0,1]",
    "{\"Write\":{\"variable\":0,\"version\":1}}",
    "null",
    "é",
    "\0\0\0\0",
    "\u{1}\0\0\0\0\0\0\0",
    "r",
    "w",
    " ",
    ":",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_says_the_same(sessions in sessions()) {
        let text = plume(&sessions);
        let history = format::from_text(Format::Plume, &text).unwrap();
        for target in [TargetFormat::Plume, TargetFormat::DbcopJson, TargetFormat::DbcopBincode] {
            let bytes = written(&history, target);
            let options = ReadOptions {
                from: Some(if target == TargetFormat::Plume { Format::Plume } else { Format::Dbcop }),
                ..ReadOptions::default()
            };
            let again = format::read(Input::Bytes("x".into(), bytes.clone()), &options, &|_, _| {}).unwrap().history;
            prop_assert_eq!(anonymous(&again), anonymous(&history), "{}\n{}", target.name(), String::from_utf8_lossy(&bytes));
            prop_assert!(!again.has_real_time());
            prop_assert_eq!(written(&again, target), bytes, "written twice it is the same");
        }
        let native = String::from_utf8(written(&history, TargetFormat::Native)).unwrap();
        prop_assert!(format::from_text(Format::Native, &native).unwrap().same_events(&history));
    }

    #[test]
    fn awdits_text_says_the_same(sessions in sessions()) {
        let mut text = String::new();
        for transactions in &sessions {
            for (_, steps) in transactions {
                for (writes, key, value) in steps {
                    text.push_str(&format!("{} {key} {value}\n", if *writes { 'w' } else { 'r' }));
                }
                text.push_str("-----\n");
            }
            text.push_str("=====\n");
        }
        let history = format::from_text(Format::Awdit, &text).unwrap();
        let again = String::from_utf8(written(&history, TargetFormat::Awdit)).unwrap();
        prop_assert_eq!(told(&format::from_text(Format::Awdit, &again).unwrap()), told(&history), "{}", again);
    }

    #[test]
    fn any_bytes_are_a_history_or_a_problem(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30)) {
        let bytes = pieces.concat().into_bytes();
        for format in [Format::Plume, Format::Awdit, Format::Dbcop] {
            let options = ReadOptions { from: Some(format), ..ReadOptions::default() };
            match format::read(Input::Bytes("x".into(), bytes.clone()), &options, &|_, _| {}) {
                Ok(loaded) => prop_assert!(!loaded.history.has_real_time()),
                Err(problems) => prop_assert!(!problems.list.is_empty()),
            }
        }
    }
}

/// What went wrong: the first transaction of Plume's, PolySI's and IsoVista's histories writes 0 to every key. Taken for
/// a write, it left open of each read of 0 whether it saw the write or the beginning, and seven levels were unknown.
#[test]
fn a_first_transaction_that_writes_zero_everywhere_is_the_initial_state() {
    let text = "w(1,0,0,0)\nw(2,0,0,0)\nw(1,1,1,1)\nr(2,0,1,1)\nw(2,1,2,2)\nr(1,0,2,2)\n";
    let loaded = read("a.txt", text.as_bytes()).expect("a history");
    assert_eq!(loaded.history.len(), 2);
    assert!(
        loaded.remarks[1].starts_with("the first transaction writes 0 to every key"),
        "{:?}",
        loaded.remarks
    );
    // Operations keep the numbers that they have by the file: its second transaction is operation 2.
    assert_eq!(loaded.history.ids().map(|id| loaded.history.operation_index(id)).collect::<Vec<_>>(), [2, 4]);
    let zeros = |text: &str| read("a.txt", text.as_bytes()).expect("a history").remarks[1].clone();
    for (why, from, to) in [
        ("another key", "r(1,0,2,2)", "r(3,0,2,2)"),
        ("another 0", "w(2,1,2,2)", "w(2,0,2,2)"),
        ("not committed", "w(1,0,0,0)\nw(2,0,0,0)", "w(1,0,0,-1)\nw(2,0,0,-1)"),
        ("not first", "w(1,0,0,0)", "r(1,0,1,1)\nw(1,0,0,0)"),
    ] {
        assert!(zeros(&text.replace(from, to)).contains("writes of 0"), "{why}");
    }
}
