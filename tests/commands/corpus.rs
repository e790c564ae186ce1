//! Every history whose verdict is known from elsewhere, through the program as a user runs it.
//!
//! Two corpora. `histories/corpus/<case>/` holds small hand-made ones: `history.jsonl` (or `.jsonl.zst`) and
//! `expect.toml`, whose `why` argues from the definitions. `$STEADFAST_CORPUS` holds recorded ones of other
//! projects, with the verdicts that other checkers gave in `EXPECTED.tsv`; they are not part of this repository
//! and are skipped, by name, where the variable is not set.
//!
//! Each verdict is compared, and its evidence is then given to `steadfast verify`.

use crate::program::steadfast;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Output;

/// What a case expects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    /// Why the verdicts are right, argued from the definitions.
    why: String,
    model: Option<String>,
    /// JSON, as it would be typed.
    init: Option<String>,
    #[serde(default)]
    assume: Vec<String>,
    failed_cas: Option<String>,
    levels: BTreeMap<String, String>,
    /// For a level, the names of all its anomalies.
    #[serde(default)]
    anomalies: BTreeMap<String, BTreeSet<String>>,
}

#[test]
fn every_hand_made_case_gets_its_verdicts() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(corpus).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    // Histories that separate levels are no cases with an expect.toml; `levels_separations.rs` has them.
    cases.retain(|case| !case.ends_with("levels"));
    cases.sort();
    let built = built("levels");
    let mut wrong = Vec::new();
    let mut skipped = BTreeMap::<String, usize>::new();
    let mut verdicts = 0;
    for case in &cases {
        let text = std::fs::read_to_string(case.join("expect.toml")).expect("each case has an expect.toml");
        let expect: Expect = toml::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", case.display()));
        assert!(expect.why.len() > 20, "{}: a case says why", case.display());
        assert!(!expect.levels.is_empty(), "{}: a case expects something", case.display());
        let (asked, not_built): (Vec<_>, Vec<_>) =
            expect.levels.keys().partition(|level| built.contains(*level));
        not_built.into_iter().for_each(|level| *skipped.entry(level.clone()).or_default() += 1);
        verdicts += asked.len();
        if let Err(why) = hand_made(case, &expect, &asked) {
            wrong.push(format!("{}: {why}", case.file_name().expect("a folder").display()));
        }
    }
    println!("{} cases, {verdicts} verdicts; levels not built yet: {skipped:?}", cases.len());
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(verdicts > 100, "the corpus is there");
}

fn hand_made(case: &Path, expect: &Expect, asked: &[&String]) -> Result<(), String> {
    if asked.is_empty() {
        return Ok(());
    }
    let history = ["history.jsonl", "history.jsonl.zst"].map(|name| case.join(name));
    let history = history.iter().find(|path| path.exists()).ok_or("it has no history.jsonl")?;
    let levels: Vec<&str> = asked.iter().map(|level| level.as_str()).collect();
    let mut options = vec![format!("--consistency={}", levels.join(","))];
    options.extend(expect.model.iter().map(|model| format!("--model={model}")));
    options.extend(expect.init.iter().map(|init| format!("--init={init}")));
    options.extend(expect.failed_cas.iter().map(|what| format!("--failed-cas={what}")));
    options.extend(expect.assume.iter().map(|what| format!("--assume={what}")));
    let found = &check(&options, &[history])?[0];
    for answer in found["levels"].as_array().expect("levels") {
        let level = answer["level"].as_str().expect("a name");
        if answer["verdict"] != expect.levels[level].as_str() {
            return Err(format!(
                "{level} is {}, expected {}: {}",
                answer["verdict"], expect.levels[level], expect.why
            ));
        }
        let names: BTreeSet<String> = answer["anomalies"]
            .as_array()
            .expect("anomalies")
            .iter()
            .map(|anomaly| anomaly["type"].as_str().expect("a type").to_owned())
            .collect();
        if let Some(expected) = expect.anomalies.get(level)
            && *expected != names
        {
            return Err(format!("{level} shows {names:?}, expected {expected:?}: {}", expect.why));
        }
    }
    Ok(())
}

#[test]
fn every_recorded_history_gets_the_verdict_that_others_gave() {
    let Some(corpus) = std::env::var_os("STEADFAST_CORPUS").map(PathBuf::from) else {
        println!("skipped: the recorded histories of other projects, because STEADFAST_CORPUS is not set");
        return;
    };
    let table = std::fs::read_to_string(corpus.join("EXPECTED.tsv")).expect("the corpus has an EXPECTED.tsv");
    let (levels, models) = (built("levels"), built("models"));
    // One call for all files that are asked the same, as a user would.
    let mut calls = BTreeMap::<Vec<String>, Vec<(PathBuf, String)>>::new();
    let mut skipped = BTreeMap::<String, usize>::new();
    for row in table.lines().skip(1).filter(|row| !row.is_empty()) {
        let [file, model, level, verdict] = row.split('\t').take(4).collect::<Vec<_>>()[..] else {
            panic!("four columns at least: {row}");
        };
        if !levels.contains(level) || !models.contains(model) {
            *skipped.entry(format!("{model} {level}")).or_default() += 1;
            continue;
        }
        calls.entry(options(file, model, level)).or_default().push((corpus.join(file), verdict.to_owned()));
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    for (options, rows) in &calls {
        let files: Vec<&PathBuf> = rows.iter().map(|row| &row.0).collect();
        // Others call a history good in which nothing was tested, so that is not told apart here.
        let mut options = options.clone();
        options.push("--accept-untested".to_owned());
        let found = check(&options, &files).unwrap_or_else(|why| panic!("{options:?}: {why}"));
        assert_eq!(found.len(), rows.len(), "{options:?}: a line for each history");
        for (object, (file, verdict)) in found.iter().zip(rows) {
            count += 1;
            if object["verdict"] != verdict.as_str() {
                wrong.push(format!("{}: {}, expected {verdict}", file.display(), object["verdict"]));
            }
        }
    }
    println!("{count} histories; skipped, because their model or level is not built yet: {skipped:?}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 50, "the corpus is there");
}

/// How the checker that gave the verdict was asked.
fn options(file: &str, model: &str, level: &str) -> Vec<String> {
    let mut options = vec![format!("--model={model}"), format!("--consistency={level}")];
    if file.starts_with("porcupine/") && model == "cas-register" {
        // Porcupine's model of etcd: a compare-and-set that failed found another value.
        options.push("--failed-cas=observes".to_owned());
    }
    if model == "multi-register" {
        // Its first line says that x and y begin as 0.
        options.push("--init=0".to_owned());
    }
    options
}

/// Checks histories and has their evidence verified. One JSON object a history.
fn check(options: &[String], histories: &[impl AsRef<Path>]) -> Result<Vec<Value>, String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let certificate = folder.path().join("certificate.json");
    let mut command = steadfast();
    command.arg("check").args(options).args(["--format=json", "--timeout=300s"]);
    command.arg("--certificate").arg(&certificate);
    let output = command.args(histories.iter().map(AsRef::as_ref)).output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines = String::from_utf8(output.stdout.clone()).expect("JSON is text");
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let verdicts: BTreeSet<&str> =
        objects.iter().map(|object| object["verdict"].as_str().expect("a verdict")).collect();
    let expected = if verdicts.contains("violated") {
        1
    } else if verdicts.contains("unknown") || verdicts.contains("untested") {
        3
    } else {
        0
    };
    if output.status.code() != Some(expected) || objects.len() != histories.len() {
        return Err(format!("exit code {:?} with verdicts {verdicts:?}: {errors}", output.status.code()));
    }
    for (history, object) in histories.iter().zip(&objects) {
        let verified =
            steadfast().arg("verify").arg(&certificate).arg(history.as_ref()).output().expect("it runs");
        confirmed(object, &verified).map_err(|why| format!("{}: {why}", history.as_ref().display()))?;
    }
    Ok(objects)
}

fn confirmed(object: &Value, verified: &Output) -> Result<(), String> {
    let undecided = |level: &Value| level["verdict"] == "unknown" || level["verdict"] == "untested";
    let expected = if undecided(object) { 3 } else { 0 };
    let some_unknown = object["levels"].as_array().expect("levels").iter().any(undecided);
    // A second look may be unable to see all: appends to one key can be ordered in too many ways to try them all once
    // more, and an id that was given out twice is two sessions. `check` must have said so of each such claim, and nothing
    // may speak against the evidence.
    let remarks: Vec<&str> =
        object["remarks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let said = String::from_utf8_lossy(&verified.stdout);
    let mut in_part = said.lines().filter_map(|line| line.strip_prefix("unknown    "));
    let all_are_told = !said.contains("refuted") && in_part.all(|claim| remarks.contains(&claim));
    match verified.status.code() {
        Some(code) if code == expected || (some_unknown && code == 3) => Ok(()),
        Some(3) if all_are_told => Ok(()),
        code => Err(format!(
            "its evidence is not confirmed (exit code {code:?}):\n{}{}",
            String::from_utf8_lossy(&verified.stdout),
            String::from_utf8_lossy(&verified.stderr)
        )),
    }
}

/// The names that `steadfast levels` or `steadfast models` lists.
fn built(what: &str) -> BTreeSet<String> {
    let output = steadfast().arg(what).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Histories of others have plain values in place of the payloads of this program. The second check knew payloads only, so that a stale
/// session with the values 1 and 2 was an internal error.
#[test]
fn sessions_with_plain_values_get_the_same_verdicts() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus");
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("plain.jsonl");
    let mut compared = 0;
    for case in std::fs::read_dir(corpus).expect("the corpus") {
        let case = case.expect("an entry");
        let name = case.file_name().into_string().expect("a name");
        let text = std::fs::read_to_string(case.path().join("history.jsonl")).unwrap_or_default();
        if !name.starts_with("store-") || !text.contains("\"version\":") {
            continue;
        }
        let lines: Option<Vec<String>> = text.lines().map(with_plain_values).collect();
        let Some(lines) = lines else { continue };
        std::fs::write(&plain, lines.join("\n")).expect("a file");
        let verdicts = |history: &Path| -> BTreeMap<String, String> {
            let checked = check(&[], &[history]).unwrap_or_else(|why| panic!("{name}: {why}"));
            let levels = checked[0]["levels"].as_array().expect("levels").clone();
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            levels.iter().map(|level| (text(&level["level"]), text(&level["verdict"]))).collect()
        };
        assert_eq!(verdicts(&case.path().join("history.jsonl")), verdicts(&plain), "{name}");
        compared += 1;
    }
    assert!(compared > 20, "only {compared} cases were compared");
}

/// A line with a text in place of each payload; nothing if it has fields, which are payloads by definition.
fn with_plain_values(line: &str) -> Option<String> {
    fn simplify(value: &mut Value) -> Option<()> {
        match value {
            Value::Object(fields)
                if ["field", "fields", "torn"].iter().any(|name| fields.contains_key(*name)) =>
            {
                None
            }
            Value::Object(fields) if fields.contains_key("version") => {
                *value = Value::from(format!("{} of {}", fields["version"], fields["session"]));
                Some(())
            }
            Value::Array(items) => items.iter_mut().try_for_each(simplify),
            _ => Some(()),
        }
    }
    let mut event: Value = serde_json::from_str(line).ok()?;
    for name in ["value", "based_on"] {
        if let Some(value) = event.get_mut(name) {
            simplify(value)?;
        }
    }
    Some(event.to_string())
}
