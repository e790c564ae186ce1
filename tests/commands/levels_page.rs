//! `docs/levels.md` is the Markdown form of the table of levels. `STEADFAST_WRITE_PICTURES=1` writes the page anew.
//!
//! Definitions stood in four places, and an example that somebody wrote by hand would be wrong one day. `levels_separations.rs`
//! holds the histories of the page to the verdicts of the program.

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

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
        Case { path, verdicts: one["levels"].as_array().expect("levels").iter().map(verdict).collect() }
    };
    (levels, found["histories"].as_array().expect("histories").iter().map(case).collect())
}

#[test]
fn the_page_of_levels_is_the_table() {
    let path = root().join("docs/levels.md");
    let text = printed(&["levels", "--format", "markdown"]);
    if std::env::var_os("STEADFAST_WRITE_PICTURES").is_some() {
        std::fs::write(&path, &text).expect("it can be written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == known,
        "the page is old: run STEADFAST_WRITE_PICTURES=1 cargo test --test commands levels_page"
    );
    for level in checker::level_definitions() {
        assert!(known.contains(&format!("\n### {}\n", level.property.name())), "{}", level.property.name());
        assert!(known.contains(level.formula), "{}", level.formula);
    }
}

/// Text, JSON and Markdown are renderings of one table. A program that reads the JSON finds every level of the text.
#[test]
fn all_formats_list_the_same_levels() {
    let json: Value = serde_json::from_str(&printed(&["levels", "--format", "json"])).expect("one object");
    let names = |list: &Value, field: &str| -> Vec<String> {
        let list = list.as_array().expect("a list").iter();
        list.map(|one| one[field].as_str().expect("a name").to_owned()).collect()
    };
    let listed: Vec<String> = [names(&json["levels"], "level"), names(&json["others"], "name")].concat();
    let text = printed(&["levels"]);
    let in_text: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, in_text);
    let implied: usize = json["levels"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["implies"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(implied, checker::level_implications().count());
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

/// The matrix has every level and every history, and no verdict is open.
#[test]
fn no_cell_of_the_matrix_is_open() {
    let page = printed(&["levels", "--format", "markdown"]);
    let matrix = page.split("## Every level on every history").nth(1).expect("the matrix");
    let rows = matrix.lines().filter(|line| line.starts_with("| `"));
    let signs =
        rows.clone().flat_map(|row| row.split('|').skip(2).map(str::trim).filter(|sign| !sign.is_empty()));
    let (mut holds, mut violated) = (0, 0);
    for sign in signs {
        match sign {
            "+" => holds += 1,
            "-" => violated += 1,
            open => panic!("a cell is {open:?}:\n{matrix}"),
        }
    }
    assert!(rows.count() > 45 && holds > 400 && violated > 250, "{holds} hold, {violated} are violated");
}
