//! `docs/levels.md`: each level with a history of the corpus that separates it from a weaker one, drawn by the program.
//! `STEADFAST_WRITE_PICTURES=1` writes the page anew.
//!
//! A definition says what a level is, an example what it excludes. Examples that somebody wrote by hand would be wrong one day;
//! these are verdicts of the program on histories whose verdicts `corpus.rs` holds to reasons from outside.

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Histories with more operations are no examples.
const OPERATIONS_MAX: u64 = 8;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(args)
        .current_dir(root())
        .output()
        .expect("it runs");
    String::from_utf8(output.stdout).expect("text")
}

/// A case of the corpus with its verdicts.
struct Case {
    path: String,
    name: String,
    operations: u64,
    verdicts: BTreeMap<String, String>,
}

/// The implications between levels, and the small cases whose recorded options are the defaults.
fn compared() -> (Vec<(String, Vec<String>)>, Vec<Case>) {
    let corpus = std::fs::read_dir(root().join("histories/corpus")).expect("the corpus");
    let mut paths: Vec<String> = corpus
        .map(|entry| entry.expect("an entry").path())
        .filter(|case| {
            let expect = std::fs::read_to_string(case.join("expect.toml")).unwrap_or_default();
            let is_plain =
                !["init", "assume", "failed_cas"].iter().any(|key| expect.contains(&format!("\n{key} =")));
            is_plain && case.join("history.jsonl").exists()
        })
        .map(|case| {
            format!(
                "histories/corpus/{}/history.jsonl",
                case.file_name().unwrap_or_default().to_string_lossy()
            )
        })
        .collect();
    paths.sort();
    // A level that nothing could contradict is satisfied as well, if only trivially.
    let mut args = vec!["compare", "--accept-untested", "--format", "json"];
    args.extend(paths.iter().map(String::as_str));
    let found: Value = serde_json::from_str(&printed(&args)).expect("one object");
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect()
    };
    let levels = found["levels"].as_array().expect("levels").iter();
    let levels = levels
        .map(|level| (level["level"].as_str().expect("a name").to_owned(), texts(&level["implies"])))
        .collect();
    let case = |one: &Value| {
        let path = one["history"].as_str().expect("a name").to_owned();
        let verdict = |level: &Value| {
            (
                level["level"].as_str().expect("a name").to_owned(),
                level["verdict"].as_str().expect("a verdict").to_owned(),
            )
        };
        Case {
            name: path.split('/').nth(2).expect("a folder").to_owned(),
            path,
            operations: one["counts"]["operations"].as_u64().expect("a count"),
            verdicts: one["levels"].as_array().expect("levels").iter().map(verdict).collect(),
        }
    };
    (levels, found["histories"].as_array().expect("histories").iter().map(case).collect())
}

/// The drawing of the anomaly in a report: the lanes, or the transactions.
fn drawing(path: &str, level: &str) -> Vec<String> {
    let text = printed(&["check", "--consistency", level, path]);
    let lanes = text.lines().filter(|line| line.contains(":  ") && line.contains('['));
    let transactions =
        text.lines().filter(|line| line.trim_start().starts_with('T') && line.contains(" = at "));
    let lines: Vec<&str> = lanes.chain(transactions).collect();
    let indent = lines.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines.into_iter().map(|line| line[indent..].to_owned()).collect()
}

fn page() -> (String, usize) {
    let (levels, cases) = compared();
    let listed = printed(&["levels"]);
    let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, line) in listed.lines().filter_map(|line| line.split_once("  ")) {
        lines.entry(name).or_default().push(line.trim());
    }
    let mut text = String::from(
        "# Levels by example\n\nEach example is the smallest history of the [corpus](../histories/corpus) that violates a level and satisfies \
         one that it implies.\nThe program draws it: a line per session, and columns in the order of events. `[w1]` is a write of 1, and \
         `[r1]` a read that\nreturned 1. `?` ends an indeterminate operation. The [definitions](definitions.md) are exact.\n",
    );
    let mut examples = 0;
    for (level, implied) in &levels {
        let mut sections = String::new();
        for weaker in implied {
            let separates = |case: &&Case| {
                let is = |level: &str, verdict: &str| {
                    case.verdicts.get(level).is_some_and(|found| found == verdict)
                };
                case.operations <= OPERATIONS_MAX && is(level, "violated") && is(weaker, "holds")
            };
            let Some(case) = cases.iter().filter(separates).min_by_key(|case| case.operations) else {
                continue;
            };
            let drawn = drawing(&case.path, level);
            if drawn.is_empty() {
                continue;
            }
            examples += 1;
            write!(
                sections,
                "\nNot `{level}`, but `{weaker}` ([{}](../histories/corpus/{})):\n\n```text\n{}\n```\n",
                case.name,
                case.name,
                drawn.join("\n")
            )
            .expect("a string takes everything");
        }
        if !sections.is_empty() {
            // Objects and transactions share a name; the line of objects comes first.
            let is_second = implied.iter().any(|weaker| weaker == "read-atomic");
            let known = lines.get(level.as_str()).map_or(&[][..], Vec::as_slice);
            let line = if is_second { known.last() } else { known.first() };
            let title =
                if is_second && known.len() > 1 { format!("{level} (transactions)") } else { level.clone() };
            let mut line = line.copied().unwrap_or_default().to_owned();
            line[..1].make_ascii_uppercase();
            write!(text, "\n## {title}\n\n{line}.\n{sections}").expect("a string takes everything");
        }
    }
    (text, examples)
}

#[test]
fn the_page_of_levels_shows_what_the_program_decides() {
    let path = root().join("docs/levels.md");
    let (text, examples) = page();
    if std::env::var_os("STEADFAST_WRITE_PICTURES").is_some() {
        std::fs::write(&path, &text).expect("it can be written");
    }
    assert!(examples >= 15, "{examples} examples");
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == known, "the page is old: run STEADFAST_WRITE_PICTURES=1 cargo test --test levels_page");
}

/// `compare` printed that monotonic atomic view implies read committed, beside a history in which the first held and the second was
/// violated: a transaction had read its own append. Nothing is told as an implication that the verdicts beside it contradict.
#[test]
fn no_verdict_contradicts_an_implication_that_is_told() {
    let (levels, cases) = compared();
    let mut followed = 0;
    for (stronger, weaker) in levels.iter().flat_map(|(name, below)| below.iter().map(move |one| (name, one)))
    {
        for case in &cases {
            let verdict = |level: &String| case.verdicts.get(level).map(String::as_str);
            let pair = (verdict(stronger), verdict(weaker));
            assert_ne!(pair, (Some("holds"), Some("violated")), "{}: {stronger}, {weaker}", case.path);
            followed += usize::from(pair == (Some("holds"), Some("holds")));
        }
    }
    assert!(followed > 500, "{followed} implications were seen at work");
}
