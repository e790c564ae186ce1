//! `steadfast explain`: what it writes shows the same violation, for every violated case of the corpus.

use crate::program::{case, steadfast};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How a case is asked about, as in `corpus.rs`.
#[derive(Deserialize)]
struct Expect {
    model: Option<String>,
    init: Option<String>,
    #[serde(default)]
    assume: Vec<String>,
    failed_cas: Option<String>,
    levels: BTreeMap<String, String>,
    #[serde(default)]
    anomalies: BTreeMap<String, BTreeSet<String>>,
}

#[test]
fn the_part_of_every_violated_case_shows_the_same_violation() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let built = String::from_utf8(steadfast().arg("levels").output().expect("it runs").stdout).expect("text");
    let built: BTreeSet<&str> = built.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut explained = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus") {
        let case = entry.expect("an entry").path();
        if case.ends_with("levels") {
            continue;
        }
        let text = std::fs::read_to_string(case.join("expect.toml")).expect("each case has an expect.toml");
        let expect: Expect = toml::from_str(&text).expect("TOML");
        for (level, _) in expect.levels.iter().filter(|(_, verdict)| *verdict == "violated") {
            if built.contains(level.as_str()) {
                same_again(&case, &expect, level, folder.path());
                explained += 1;
            }
        }
    }
    assert!(explained > 50, "the corpus is there: {explained}");
}

fn same_again(case: &Path, expect: &Expect, level: &str, folder: &Path) {
    let history = ["history.jsonl", "history.jsonl.zst"].map(|name| case.join(name));
    let history = history.iter().find(|path| path.exists()).expect("a history");
    let part = folder.join("part.jsonl");
    let mut options = vec![format!("--consistency={level}"), "--format=json".to_owned()];
    options.extend(expect.model.iter().map(|model| format!("--model={model}")));
    options.extend(expect.init.iter().map(|init| format!("--init={init}")));
    options.extend(expect.failed_cas.iter().map(|what| format!("--failed-cas={what}")));
    options.extend(expect.assume.iter().map(|what| format!("--assume={what}")));
    let run = |command: &str, more: &[&str], file: &PathBuf| -> Value {
        let output = steadfast().arg(command).args(&options).args(more).arg(file).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{command} {level} {}: {told}", file.display());
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let explained = run("explain", &["--force", "--output", part.to_str().expect("text")], history);
    let (kind, whole) = (&explained["explains"]["type"], &explained["explains"]["operations"]);
    if let Some(known) = expect.anomalies.get(level) {
        assert!(known.contains(kind.as_str().expect("a name")), "{level} {}: {kind}", case.display());
    }
    let again = run("check", &[], &part);
    let found = again["levels"][0]["anomalies"].as_array().expect("anomalies");
    assert!(found.iter().any(|anomaly| anomaly["type"] == *kind), "{level} {}: {found:?}", case.display());
    assert_eq!(again["counts"], explained["counts"], "what is written is what is told");
    assert!(again["counts"]["operations"].as_u64() <= whole.as_u64(), "{}", case.display());
}

#[test]
fn the_smallest_part_is_told_as_a_history() {
    let text = |name: &str, level: &str| {
        let output =
            steadfast().args(["explain", "--consistency", level, &case(name)]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        without_durations(&String::from_utf8(output.stdout).expect("text"))
    };
    insta::assert_snapshot!("explain_register", text("one-key-of-several", "linearizable"));
    insta::assert_snapshot!("explain_transactions", text("txn-missed-append", "strict-serializable"));
}

fn without_durations(text: &str) -> String {
    let line = |line: &str| {
        let mut parts: Vec<&str> = line.split(" ms").collect();
        let last = parts.pop().unwrap_or_default();
        let is_digit = |sign: char| sign.is_ascii_digit() || sign == '.';
        let before = parts.iter().map(|part| part.trim_end_matches(is_digit).trim_end());
        before.map(|part| format!("{part} <time>")).collect::<String>() + last + "\n"
    };
    text.lines().map(line).collect()
}

/// A register that is written five hundred times, and one read that goes back: two writes and the read are enough, and
/// the other object has nothing to do with it.
#[test]
fn of_a_thousand_operations_three_are_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut lines = String::new();
    let mut add = |process: usize, f: &str, key: &str, value: String| {
        for kind in ["invoke", "ok"] {
            lines += &format!(
                "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"key\":\"{key}\",\"value\":{value}}}\n"
            );
        }
    };
    for n in 0..500 {
        add(0, "write", "x", n.to_string());
        add(1, "write", "y", n.to_string());
    }
    add(2, "read", "x", "250".to_owned());
    let (file, part) = (folder.path().join("long.jsonl"), folder.path().join("part.jsonl.zst"));
    std::fs::write(&file, lines).expect("it can be written");
    steadfast().args(["explain", "--output"]).arg(&part).arg(&file).assert().code(1);
    let output =
        steadfast().args(["check", "--format=json", "--consistency=linearizable"]).arg(&part).output();
    let found: Value = serde_json::from_slice(&output.expect("it runs").stdout).expect("JSON");
    assert_eq!(found["counts"]["operations"], 3);
    assert_eq!(found["levels"][0]["anomalies"][0]["type"], "stale-read");
    assert_eq!(found["levels"][0]["anomalies"][0]["operations"].as_array().map(Vec::len), Some(3));
}

/// A message that one of two live connections skipped: the other session has nothing to do with it. It was said that the effort
/// had ended the search, where there was none.
#[test]
fn of_a_lost_message_the_session_is_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = std::fs::read_to_string(case("store-lost-message")).expect("a case");
    let (header, events) = text.split_once('\n').expect("lines");
    let of_both = events.lines().flat_map(|line| {
        let mut event: Value = serde_json::from_str(line).expect("JSON");
        event.as_object_mut().expect("an object").remove("index");
        let mut other: Value =
            serde_json::from_str(&event.to_string().replace("\"s1\"", "\"s2\"").replace("\"u\"", "\"v\""))
                .expect("JSON");
        if let Some(process) = other["process"].as_u64() {
            other["process"] = (process + 2).into();
        }
        // The connection of the other session brings 6 and 7 in place of 8 and 9.
        if let Some(number) = other["value"][1].as_u64().filter(|number| *number > 5) {
            other["value"][1] = (number - 2).into();
        }
        let both = [event, other];
        let one_is_enough = both[0]["process"] == "nemesis";
        both.into_iter().take(if one_is_enough { 1 } else { 2 })
    });
    let lines: Vec<String> = of_both.map(|event| event.to_string()).collect();
    let (file, part) = (folder.path().join("two.jsonl"), folder.path().join("part.jsonl"));
    std::fs::write(&file, format!("{header}\n{}\n", lines.join("\n"))).expect("it can be written");
    let told = steadfast()
        .args(["explain", "--consistency=lost-message", "--output"])
        .arg(&part)
        .arg(&file)
        .assert();
    let told = String::from_utf8_lossy(&told.code(1).get_output().stdout).replace('\n', " ");
    let expected =
        "2 of 4 operations show lost-message; they are those of the session of the live connection";
    assert!(told.contains(expected), "{told}");
    let part = std::fs::read_to_string(part).expect("a part");
    assert!(part.contains("\"s1\"") && !part.contains("\"s2\""), "{part}");
    let telling = part.lines().filter(|line| line.contains("\"message\"")).count();
    assert_eq!(telling, 4, "{part}");
}

#[test]
fn what_is_about_everything_is_said_to_be_so() {
    for (name, level, expected) in [
        ("queue-not-drained-dry", "total-queue", "because lost is about everything that was recorded"),
        (
            "store-lost-message",
            "lost-message",
            ": all 2 operations are of the session of the live connection",
        ),
    ] {
        let told =
            steadfast().args(["explain", &case(name), &format!("--consistency={level}")]).assert().code(1);
        let told = String::from_utf8_lossy(&told.get_output().stdout).replace('\n', " ");
        assert!(told.contains("note: nothing was left out") && told.contains(expected), "{told}");
    }
}

#[test]
fn where_nothing_is_violated_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let part = folder.path().join("part.jsonl");
    let told = steadfast().args(["explain", &case("cas-chain"), "--output"]).arg(&part).assert().code(0);
    let output = told.get_output();
    assert!(String::from_utf8_lossy(&output.stdout).contains("nothing to explain"));
    assert!(!part.exists());
    let both = [case("cas-chain"), case("stale-read")];
    steadfast().arg("explain").args(&both).arg("--output").arg(&part).assert().code(2);
}

/// A file that is called .edn and has JSON Lines in it sends its reader astray.
#[test]
fn a_name_of_another_format_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("small.edn");
    let history = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus/stale-read/history.jsonl");
    let call = steadfast().arg("explain").arg(history).arg("--output").arg(&output).assert().code(2);
    let said = String::from_utf8_lossy(&call.get_output().stderr).into_owned();
    assert!(said.contains("steadfast convert"), "{said}");
    assert!(!output.exists());
}

/// A part without the creation of its session showed operations that nothing explains, which the whole never did. Whoever checked the
/// part again saw bugs that were not there.
#[test]
fn a_part_shows_no_finding_that_the_whole_does_not_show() {
    let folder = tempfile::tempdir().expect("a folder");
    let part = folder.path().join("part.jsonl");
    let violated = |history: &Path| -> BTreeSet<String> {
        let output = steadfast().args(["check", "--format", "json"]).arg(history).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        let answer: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        let levels = answer["levels"].as_array().expect("levels").iter();
        let violated = levels.filter(|level| level["verdict"] == "violated");
        violated.map(|level| level["level"].as_str().expect("a name").to_owned()).collect()
    };
    let is_shown_by_actors = |finding: &String| {
        let mut kinds = checker::FindingKind::ALL.iter();
        kinds.any(|kind| kind.name() == finding && kind.is_shown_by_actors())
    };
    let mut explained = 0;
    for case in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus")).expect("the corpus")
    {
        let case = case.expect("an entry");
        let name = case.file_name().into_string().expect("a name");
        let history = case.path().join("history.jsonl");
        if !(name.starts_with("store-") || name.starts_with("real-")) || !history.exists() {
            continue;
        }
        let whole = violated(&history);
        // What is about all that was recorded, such as an audit trail, cannot be reduced.
        for finding in whole.iter().filter(|one| !is_shown_by_actors(one)) {
            steadfast()
                .args(["explain", "--quiet", "--force", "--consistency", finding, "--output"])
                .arg(&part)
                .arg(&history)
                .assert()
                .code(1);
            let shown = violated(&part);
            assert!(shown.contains(finding) && shown.is_subset(&whole), "{name}: {shown:?}, {whole:?}");
            explained += 1;
        }
    }
    assert!(explained > 30, "only {explained} findings were explained");
}
