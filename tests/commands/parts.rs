//! `check --spill`: a history that is checked in parts gets the verdicts and the violations of the whole.

use super::program::{folder, steadfast};
use histories::format::write_native;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use testkit::TestRandom;
use testkit::registers::{RegisterRun, RegisterShape};

/// For each level, the verdict, and the object and the operations of each violation.
type Answers = BTreeMap<String, (String, Vec<(String, Vec<u64>)>)>;

fn answers(file: &Path, options: &[&str]) -> Result<Answers, String> {
    let told = steadfast().arg("check").arg(file).args(["--format", "json"]).args(options).output();
    let told = told.expect("the program runs");
    let Ok(report) = serde_json::from_slice::<Value>(&told.stdout) else {
        return Err(String::from_utf8_lossy(&told.stderr).into_owned());
    };
    let level = |level: &Value| {
        let anomalies = level["anomalies"].as_array().expect("a list").iter();
        let anomaly = |anomaly: &Value| {
            let operations = anomaly["operations"].as_array().expect("a list").iter();
            (
                anomaly["key"].to_string(),
                operations.map(|number| number.as_u64().expect("a number")).collect(),
            )
        };
        let text = |name: &str| level[name].as_str().expect("a text").to_owned();
        (text("level"), (text("verdict"), anomalies.map(anomaly).collect()))
    };
    Ok(report["levels"].as_array().expect("a list").iter().map(level).collect())
}

fn keys_of(violations: &[(String, Vec<u64>)]) -> BTreeSet<&str> {
    violations.iter().map(|(key, _)| key.as_str()).collect()
}

/// The object of the operation with this number, as JSON.
fn key_of(history: &[u8], number: u64) -> String {
    let events = history.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut events = events.map(|line| serde_json::from_slice::<Value>(line).expect("a line of JSON"));
    let invoked = events.find(|event| event["index"] == number && event["type"] == "invoke");
    invoked.expect("an operation of the whole history")["key"].to_string()
}

const LOCAL: &str = "linearizable,two-atomic,regular,safe,read-your-writes,monotonic-reads,monotonic-writes,\
                     writes-follow-reads,session,per-object-sequential,slow-memory";

const STOP_AT_PHANTOMS: [&str; 4] = ["regular", "safe", "per-object-sequential", "slow-memory"];

/// Random histories of five registers, of stores that are often wrong. Each level that is local is asked.
#[test]
fn random_histories_get_the_same_answers_in_parts() {
    let folder = folder();
    let (mut violated, mut several, mut held) = (0, 0, 0);
    for seed in 0..60 {
        let mut random = TestRandom::new(seed);
        let shape =
            RegisterShape { operations: 40, keys: 5, writes: 8, cas: 0, ..RegisterShape::new(&mut random) };
        let history = RegisterRun::new(random, shape, "null").into_history();
        let file = folder.path().join("history.jsonl");
        let mut text = Vec::new();
        write_native(&history, &mut text).expect("memory");
        std::fs::write(&file, &text).expect("a file");
        let asked = ["--model", "register", "--consistency", LOCAL];
        let spill = ["--spill", folder.path().to_str().expect("a name")];
        let whole = answers(&file, &asked).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        let parts =
            answers(&file, &[&asked[..], &spill].concat()).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        for (level, answer) in &whole {
            let found = &parts[level];
            assert_eq!(found.0, answer.0, "seed {seed}: {level}");
            let (own, all) = (keys_of(&found.1), keys_of(&answer.1));
            // Some engines name what no operation wrote and look no further: in parts, they look further in the other parts.
            let may_have_more = STOP_AT_PHANTOMS.contains(&level.as_str()) && own.is_superset(&all);
            assert!(may_have_more || own == all, "seed {seed}: {level}: {found:?} or {answer:?}");
            // The evidence may be another one. It was checked again, and its operations have the numbers of the whole.
            for (key, operations) in &found.1 {
                assert!(
                    operations.iter().all(|number| key_of(&text, *number) == *key),
                    "seed {seed}: {found:?}"
                );
            }
        }
        assert!(parts.keys().eq(whole.keys()), "seed {seed}");
        violated += whole.values().filter(|answer| answer.0 == "violated").count();
        held += whole.values().filter(|answer| answer.0 == "holds").count();
        several += whole.values().filter(|answer| keys_of(&answer.1).len() > 1).count();
    }
    assert!(
        violated > 50 && held > 50 && several > 10,
        "{violated} violated, {held} hold, {several} of several keys"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    assert_eq!(left, ["history.jsonl"], "no part is left");
}

/// Each history of the corpus, with the levels that are asked by default. What is not local is unknown, and says why.
#[test]
fn the_corpus_gets_the_same_answers_in_parts() {
    let folder = folder();
    let spill = ["--spill", folder.path().to_str().expect("a name")];
    let (mut compared, mut open) = (0, 0);
    for case in std::fs::read_dir("histories/corpus").expect("the corpus") {
        let file = case.expect("a folder").path().join("history.jsonl");
        let Ok(whole) = answers(&file, &[]) else { continue };
        let parts = answers(&file, &spill).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        for (level, answer) in parts {
            if answer.0 == "unknown" && whole.get(&level).is_none_or(|known| known.0 != "unknown") {
                open += 1;
                continue;
            }
            let (verdict, found) =
                whole.get(&level).unwrap_or_else(|| panic!("{level} of {}", file.display()));
            assert_eq!(
                (&answer.0, keys_of(&answer.1)),
                (verdict, keys_of(found)),
                "{level} of {}",
                file.display()
            );
            compared += 1;
        }
    }
    assert!(compared > 30 && open > 10, "{compared} compared, {open} unknown");
}

/// The second line is wrong; its number is that of the whole history.
#[test]
fn mistakes_are_reported_with_their_lines() {
    let folder = folder();
    let file = folder.path().join("history.jsonl");
    let line = r#"{"process":0,"type":"invoke","f":"read","key":"x"}"#;
    std::fs::write(&file, format!("{line}\n{line}\n")).expect("a file");
    let why = answers(&file, &["--spill", folder.path().to_str().expect("a name")]).expect_err("it is wrong");
    assert!(why.contains("history.jsonl:2: ") && why.contains("still open"), "{why}");
}

/// `--key` was ignored by both, and the verdict was on all objects.
#[test]
fn what_a_stream_cannot_do_is_refused() {
    let file = "histories/corpus/stale-read/history.jsonl";
    let spill = ["--spill", "/tmp"];
    let cases: &[(&[&str], &[&str])] = &[
        (&spill, &["--certificate", "c.json"]),
        (&spill, &["--follow"]),
        (&spill, &["--lenient"]),
        (&spill, &["--key", "cart"]),
        (&spill, &["--columns", "key=k"]),
        (&["--follow"], &["--key", "cart"]),
        (&["--follow"], &["--columns", "key=k"]),
    ];
    for (how, refused) in cases {
        let why = answers(Path::new(file), &[*how, *refused].concat()).expect_err("it is refused");
        let expected = format!("{} cannot be used with {}", how[0], refused[0]);
        let reversed = format!("{} cannot be used with {}", refused[0], how[0]);
        assert!(why.contains(&expected) || why.contains(&reversed), "{why}");
    }
    let why = answers(Path::new(file), &["--spill", "/no/such"]).expect_err("it is refused");
    assert!(why.contains("Pass another folder to --spill"), "{why}");
}

/// `--format json` once lacked these counts and the basis, and told of no key where `check` told of one.
#[test]
fn parts_are_counted_as_the_whole_is() {
    let folder = folder();
    let spill = ["--spill", folder.path().to_str().expect("a name")];
    let line = |kind: &str, f: &str, key: &str| {
        format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":1{key}}}\n")
    };
    for keys in [&[""][..], &[",\"key\":1", ",\"key\":2", ",\"key\":3"], &["", ",\"key\":1"]] {
        let events = |key: &&str| {
            let calls = [
                ("invoke", "write"),
                ("ok", "write"),
                ("invoke", "read"),
                ("ok", "read"),
                ("invoke", "write"),
                ("fail", "write"),
            ];
            calls.map(|(kind, f)| line(kind, f, key)).concat()
        };
        let file = folder.path().join("history.jsonl");
        std::fs::write(&file, keys.iter().map(events).collect::<String>()).expect("a file");
        let told = |options: &[&str]| {
            let words = ["--format", "json", "--model", "register", "--consistency", "linearizable"];
            let output =
                steadfast().arg("check").arg(&file).args(words).args(options).output().expect("it runs");
            let mut told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            for (part, of_sessions) in
                [("counts", "processes"), ("counts", "sessions"), ("basis", "moved_sessions")]
            {
                told[part].as_object_mut().expect("an object").remove(of_sessions);
            }
            (told["counts"].take(), told["basis"].take())
        };
        assert_eq!(told(&spill), told(&[]), "{keys:?}");
    }
}
