//! Each implication between levels is strict: a history satisfies the weaker level and violates the stronger one. Where
//! there is none, the table says why clients cannot distinguish the levels.
//!
//! Of 44 implications between levels of transactions, only 11 had such a history. Nothing showed that the others were not
//! equivalences, and two levels that no history separates may be one level under two names.
//!
//! `STEADFAST_WRITE_PICTURES=1` writes `histories/corpus/levels/` anew from the table.

use assert_cmd::Command;
use checker::{Limits, Model, Property, Question};
use histories::format::write_native;
use histories::notation::parse;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus/levels")
}

/// Prints one JSON value, and the exit code.
fn printed(args: &[&str]) -> (Value, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast")).args(args).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{args:?}: {why}: {said}")),
        output.status.code(),
    )
}

/// An implication of the table.
struct Edge {
    about: String,
    stronger: String,
    weaker: String,
    /// The name of the history that separates the levels, and its drawing.
    separation: Option<(String, String)>,
    equivalence: Option<String>,
}

fn edges() -> Vec<Edge> {
    let (table, _) = printed(&["levels", "--format", "json"]);
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
    let mut edges = Vec::new();
    for level in table["levels"].as_array().expect("levels") {
        for edge in level["implies"].as_array().expect("implications") {
            let separation = &edge["separated_by"];
            edges.push(Edge {
                about: text(&level["about"]),
                stronger: text(&level["level"]),
                weaker: text(&edge["level"]),
                separation: separation.as_object().map(|one| (text(&one["case"]), text(&one["history"]))),
                equivalence: edge["equivalent_because"].as_str().map(str::to_owned),
            });
        }
    }
    edges
}

#[test]
fn the_corpus_has_the_histories_of_the_table() {
    let is_written = std::env::var_os("STEADFAST_WRITE_PICTURES").is_some();
    let drawings: BTreeMap<String, String> = edges().into_iter().filter_map(|edge| edge.separation).collect();
    for (name, drawing) in &drawings {
        let history = parse(drawing).unwrap_or_else(|why| panic!("{name}: {why}"));
        let mut written = Vec::new();
        write_native(&history, &mut written).expect("a vector takes everything");
        let path = corpus().join(format!("{name}.jsonl"));
        if is_written {
            std::fs::create_dir_all(corpus()).expect("a folder");
            std::fs::write(&path, &written).expect("it can be written");
        }
        let known = std::fs::read(&path).unwrap_or_default();
        let remedy = "run STEADFAST_WRITE_PICTURES=1 cargo test --test commands levels_separations";
        assert!(known == written, "{}: {remedy}", path.display());
    }
    let files = std::fs::read_dir(corpus()).expect("the corpus").count();
    assert_eq!(files, drawings.len(), "a file that no implication of the table uses");
}

fn verdict_of(level: &str, model: Model, drawing: &str) -> &'static str {
    let history = parse(drawing).expect("a drawing");
    let known = Property::by_name(level).and_then(|level| level.resolve_for_model(model));
    let mut question = Question::about(model);
    question.accept_untested = true;
    question.asked = Some(vec![known.unwrap_or_else(|| panic!("{} has no level {level}", model.name()))]);
    let report = checker::check(&history, &question, &Limits::unbounded()).expect("it is checked");
    report.answers[0].verdict.name()
}

/// The verdicts are those of [`checker::check`], whose evidence the verifier has checked.
#[test]
fn every_implication_is_separated_or_the_table_says_why_not() {
    let edges = edges();
    let (mut separated, mut equivalent, mut open) = (0, 0, Vec::new());
    for edge in &edges {
        let name = format!("{} -> {}", edge.stronger, edge.weaker);
        let Some((case, drawing)) = &edge.separation else {
            match &edge.equivalence {
                Some(_) => equivalent += 1,
                None => open.push(name),
            }
            continue;
        };
        assert_eq!(edge.equivalence, None, "{case} separates levels that the table calls equivalent: {name}");
        let model = match edge.about.as_str() {
            "objects" => Model::Register,
            _ if drawing.contains('(') => Model::ListAppend,
            _ => Model::RwRegister,
        };
        assert_eq!(verdict_of(&edge.stronger, model, drawing), "violated", "{case}: {name}\n{drawing}");
        assert_eq!(verdict_of(&edge.weaker, model, drawing), "holds", "{case}: {name}\n{drawing}");
        separated += 1;
    }
    assert!(open.is_empty(), "{} of {} implications: {open:#?}", open.len(), edges.len());
    assert!(separated >= 40 && equivalent >= 5, "{separated} separated, {equivalent} equivalent");
}
