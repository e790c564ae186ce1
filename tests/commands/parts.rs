//! `check --spill`: a history that is checked in parts gets the verdicts and the violations of the whole.

use super::program::{folder, steadfast};
use histories::format::write_native;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use testkit::TestRandom;
use testkit::registers::{RegisterRun, RegisterShape};

/// For each level, the verdict and the violations: type, object, operations and text.
type Answers = BTreeMap<String, (String, BTreeSet<String>)>;

fn answers(file: &Path, options: &[&str]) -> Result<Answers, String> {
    let told = steadfast().arg("check").arg(file).args(["--format", "json"]).args(options).output();
    let told = told.expect("the program runs");
    let Ok(report) = serde_json::from_slice::<Value>(&told.stdout) else {
        return Err(String::from_utf8_lossy(&told.stderr).into_owned());
    };
    let level = |level: &Value| {
        let anomalies = level["anomalies"].as_array().expect("a list").iter();
        let anomaly = |anomaly: &Value| {
            format!("{} {} {} {}", anomaly["type"], anomaly["key"], anomaly["operations"], anomaly["text"])
        };
        let text = |name: &str| level[name].as_str().expect("a text").to_owned();
        (text("level"), (text("verdict"), anomalies.map(anomaly).collect()))
    };
    Ok(report["levels"].as_array().expect("a list").iter().map(level).collect())
}

const LOCAL: &str = "linearizable,two-atomic,regular,safe,read-your-writes,monotonic-reads,monotonic-writes,\
                     writes-follow-reads,session,per-object-sequential,slow-memory";

/// Random histories of five registers, of stores that are often wrong. Each level that is local is asked.
#[test]
fn random_histories_get_the_same_answers_in_parts() {
    let folder = folder();
    let (mut violated, mut several, mut held) = (0, 0, 0);
    for seed in 0..60 {
        let mut random = TestRandom::new(seed);
        let shape = RegisterShape { operations: 40, keys: 5, writes: 8, cas: 0, ..RegisterShape::new(&mut random) };
        let history = RegisterRun::new(random, shape, "null").into_history();
        let file = folder.path().join("history.jsonl");
        let mut text = Vec::new();
        write_native(&history, &mut text).expect("memory");
        std::fs::write(&file, text).expect("a file");
        let asked = ["--model", "register", "--consistency", LOCAL];
        let spill = ["--spill", folder.path().to_str().expect("a name")];
        let whole = answers(&file, &asked).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        let parts = answers(&file, &[&asked[..], &spill].concat()).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        assert_eq!(parts, whole, "seed {seed}");
        violated += whole.values().filter(|answer| answer.0 == "violated").count();
        held += whole.values().filter(|answer| answer.0 == "holds").count();
        several += whole.values().filter(|answer| answer.1.len() > 1).count();
    }
    assert!(violated > 50 && held > 50 && several > 10, "{violated} violated, {held} hold, {several} of several keys");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("a file").file_name()).collect();
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
            assert_eq!(Some(&answer), whole.get(&level), "{level} of {}", file.display());
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

#[test]
fn what_needs_the_whole_history_is_refused() {
    let file = Path::new("histories/corpus/stale-read/history.jsonl");
    for options in [&["--spill", "/tmp", "--certificate", "c.json"][..], &["--spill", "/tmp", "--follow"], &["--spill", "/no/such"]] {
        let why = answers(file, options).expect_err("it is refused");
        assert!(why.contains("--spill") || why.contains("--follow"), "{why}");
    }
}
