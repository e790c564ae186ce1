//! Converting: whatever a format is said to be able to say, it says. A converted file is read without a problem, and is
//! the same history in everything that is judged.
//!
//! What went wrong: a history in which only some events had an index was written with one index twice, and `check`
//! refused what `convert` had written. So every format that can be written is held against random histories, of which
//! some have what is easily lost: processes with names, transactions under other names, values that resemble something
//! else, events of actors, indexes that are missing.

use histories::format::{
    self, AcceptedLosses, Format, Input, ReadOptions, RepresentableHistory, TargetFormat,
};
use histories::{Argument, History, MicroKind, Outcome};
use proptest::prelude::*;

const TARGETS: [(TargetFormat, Format); 7] = [
    (TargetFormat::Native, Format::Native),
    (TargetFormat::Edn, Format::Edn),
    (TargetFormat::Otlp, Format::Otlp),
    (TargetFormat::Plume, Format::Plume),
    (TargetFormat::Awdit, Format::Awdit),
    (TargetFormat::DbcopJson, Format::Dbcop),
    (TargetFormat::DbcopBincode, Format::Dbcop),
];

fn read(format: Format, bytes: Vec<u8>) -> Result<History, String> {
    let options = ReadOptions { from: Some(format), ..ReadOptions::default() };
    let input = Input::Bytes("-".to_owned(), bytes);
    format::read(input, &options, &|_, _| {}).map(|loaded| loaded.history).map_err(|why| why.to_string())
}

/// Writes a history in each format that can say it, and reads it again; how many could.
fn convert(history: &History, losses: AcceptedLosses) -> Result<usize, TestCaseError> {
    let mut said = 0;
    for (target, format) in TARGETS {
        let Ok(sayable) = RepresentableHistory::new(history, target, losses) else { continue };
        said += 1;
        let mut bytes = Vec::new();
        sayable.write(&mut bytes).expect("memory");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let again =
            read(format, bytes).map_err(|why| TestCaseError::fail(format!("{target:?}: {why}\n{text}")))?;
        match target {
            TargetFormat::Native | TargetFormat::Edn | TargetFormat::Otlp => {
                let keeps_header = target != TargetFormat::Edn;
                prop_assert!(same_but_header(history, &again, keeps_header), "{target:?}\n{text}");
            }
            _ => prop_assert_eq!(by_session(history), by_session(&again), "{:?}\n{}", target, text),
        }
    }
    Ok(said)
}

fn same_but_header(one: &History, other: &History, keeps_header: bool) -> bool {
    // A header is only shown in EDN, as a comment; what is judged of it makes EDN refuse the history.
    keeps_header && one.same_events(other)
        || !keeps_header && written(one).lines().filter(is_event).eq(written(other).lines().filter(is_event))
}

fn is_event(line: &&str) -> bool {
    !line.starts_with("{\"steadfast\"") && !line.contains("\"steadfast\":1}")
}

fn written(history: &History) -> String {
    let mut text = Vec::new();
    format::write_native(history, &mut text).expect("memory");
    String::from_utf8(text).expect("text")
}

/// What each session did, as far as formats without real time go: sorted, for sessions have no names of their own there.
fn by_session(history: &History) -> Vec<Vec<String>> {
    let mut sessions: Vec<Vec<String>> = vec![Vec::new(); history.sessions.len()];
    for op in history.operations() {
        let Argument::Micros(range) = op.argument.clone() else { panic!("only transactions can be said") };
        let committed = op.outcome == Outcome::Ok;
        let steps =
            history.micros()[range].iter().filter(|micro| committed || micro.kind == MicroKind::Write);
        let text = |micro: &histories::Micro| {
            let value = history.value_text(micro.value());
            format!("{:?} {} {value}", micro.kind, history.keys.text(micro.key))
        };
        let steps: Vec<String> = steps.map(text).collect();
        let session = &mut sessions[history.session(op.id).raw() as usize];
        // Plume's text has one number for all that were aborted: in a row they are one.
        match session.last_mut().filter(|last| !committed && last.starts_with("false")) {
            _ if steps.is_empty() => {}
            Some(last) => last.push_str(&format!(", {}", steps.join(", "))),
            None => session.push(format!("{committed} {}", steps.join(", "))),
        }
    }
    sessions.retain(|session| !session.is_empty());
    sessions.sort();
    sessions
}

/// Values that are easily taken for something else.
const VALUES: &[&str] = &[
    "null",
    "0",
    "1",
    "\"1\"",
    "1.0",
    "-7",
    "18446744073709551615",
    "true",
    "\":x\"",
    "\"x y\"",
    "\"a\\\"\\n\"",
    "[]",
    "[1]",
    "[1,null]",
    "[1,2]",
    "[1,[2,3]]",
    "{}",
    "{\"n1\":[1]}",
    "[[\"r\",\"x\",null]]",
    "[[\"w\",1,2],[\"r\",1,2]]",
    "[\"r\",\"x\",1]",
    "[[\"append\",9,1]]",
    "\"nemesis\"",
];

fn line() -> impl Strategy<Value = String> {
    let process =
        prop::sample::select(vec!["0", "1", "2", "\"web-1\"", "\"3\"", "\"nemesis\"", "\"chaos\"", "\":w\""]);
    let kind = prop::sample::select(vec!["invoke", "invoke", "ok", "ok", "fail", "info"]);
    let function = prop::sample::select(vec!["read", "write", "cas", "txn", "add", "get", "kill", "enqueue"]);
    let more = prop::sample::select(vec![
        "",
        "",
        ",\"key\":1",
        ",\"key\":\"a\"",
        ",\"session\":\"s\"",
        ",\"index\":3",
        ",\"time\":5",
        ",\"node\":\"n1\"",
        ",\"error\":\"x\"",
        ",\"k\":1",
    ]);
    (process, kind, function, prop::sample::select(VALUES), more).prop_map(
        |(process, kind, f, value, more)| {
            format!("{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}{more}}}\n")
        },
    )
}

/// A whole operation, so that most histories are some.
fn pair() -> impl Strategy<Value = String> {
    let process = prop::sample::select(vec!["0", "1", "\"web-1\"", "\"web-2\""]);
    let function = prop::sample::select(vec!["read", "write", "get", "append", "txn"]);
    let kind = prop::sample::select(vec!["ok", "ok", "fail", "info"]);
    let index = prop::sample::select(vec!["", "", ",\"index\":0", ",\"index\":2"]);
    (process, function, prop::sample::select(VALUES), prop::sample::select(VALUES), kind, index).prop_map(
        |(process, f, argument, result, kind, index)| {
            format!(
                "{{\"process\":{process},\"type\":\"invoke\",\"f\":\"{f}\",\"value\":{argument}{index}}}\n\
                 {{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{result}}}\n"
            )
        },
    )
}

/// Transactions of small numbers, one after another in each session: what every format can say.
fn transaction() -> impl Strategy<Value = String> {
    let step = (any::<bool>(), 0..3_u8, 0..4_u8).prop_map(|(writes, key, value)| match (writes, value) {
        (true, _) => format!("[\"w\",{key},{value}]"),
        (false, 0) => format!("[\"r\",{key},null]"),
        (false, _) => format!("[\"r\",{key},{value}]"),
    });
    (0..3_u8, prop::collection::vec(step, 0..4), any::<bool>()).prop_map(|(process, steps, committed)| {
        let (steps, kind) = (steps.join(","), if committed { "ok" } else { "fail" });
        format!(
            "{{\"process\":{process},\"type\":\"invoke\",\"f\":\"txn\",\"value\":[{steps}]}}\n\
             {{\"process\":{process},\"type\":\"{kind}\",\"f\":\"txn\",\"value\":[{steps}]}}\n"
        )
    })
}

/// What went wrong: a random history failed once in many runs. A transaction under another name was invoked without a value and failed
/// with an empty list. That list was kept as a value that differs from what was asked, and was no longer one after it was written.
#[test]
fn a_transaction_that_failed_with_no_steps_is_the_same_after_it_was_written() {
    let events = concat!(
        r#"{"process":0,"type":"invoke","f":"append","value":[["r","x",null]]}"#,
        "\n",
        r#"{"process":0,"type":"fail","f":"append","value":null}"#,
        "\n",
        r#"{"process":0,"type":"invoke","f":"append","value":null}"#,
        "\n",
        r#"{"process":0,"type":"fail","f":"append","value":[],"error":"timeout"}"#,
        "\n",
    );
    let without_error = events.replace(r#","error":"timeout""#, "");
    for events in [
        events.replace("fail", "info"),
        without_error.replace("fail", "info"),
        events.to_owned(),
        without_error,
    ] {
        let history = read(Format::Native, events.into_bytes()).expect("a history");
        assert!(convert(&history, AcceptedLosses::default()).expect("the same history") >= 3);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_and_says_the_same(
        pairs in prop::collection::vec(prop_oneof![4 => pair(), 1 => line()], 0..8),
        header in prop::sample::select(vec!["", "{\"steadfast\":1,\"seed\":4}\n", "{\"steadfast\":1,\"real_time\":false}\n"]),
    ) {
        let text = header.to_owned() + &pairs.concat();
        if let Ok(history) = read(Format::Native, text.into_bytes()) {
            // Native and spans can say everything that has been read.
            prop_assert!(convert(&history, AcceptedLosses::default())? >= 1);
        }
    }

    #[test]
    fn transactions_are_the_same_in_formats_without_real_time(
        transactions in prop::collection::vec(transaction(), 1..8),
    ) {
        let history = read(Format::Native, transactions.concat().into_bytes()).expect("a history");
        convert(&history, AcceptedLosses { real_time: true })?;
    }
}
