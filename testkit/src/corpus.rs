//! The corpus of small histories, for tests that need a variety of them.

use claims::{Model, Property, Question, SessionRules};
use histories::History;
use histories::format::{Input, ReadOptions, read};
use std::path::Path;

/// A history of the corpus.
pub struct CorpusCase {
    /// The name of its folder.
    pub name: String,
    /// Its history.
    pub history: History,
    /// The question about everything that can be asked of it.
    pub question: Question,
}

/// Loads all cases in the order of their names. The question of each has all properties of its model.
pub fn corpus_cases() -> Vec<CorpusCase> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../histories/corpus");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    // Histories that separate levels are files without an expect.toml.
    folders.retain(|path| path.is_dir() && !path.ends_with("levels"));
    folders.sort();
    folders.iter().map(|path| load_case(path)).collect()
}

fn load_case(folder: &Path) -> CorpusCase {
    let name = folder.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
    let files = ["history.jsonl", "history.jsonl.zst"].map(|name| folder.join(name));
    let file = files.into_iter().find(|path| path.exists());
    let file = Input::Path(file.unwrap_or_else(|| panic!("{name} has no history.jsonl")));
    let history =
        read(file, &ReadOptions::default(), &|_, _| ()).unwrap_or_else(|why| panic!("{name}: {why}"));
    let history = history.history;
    let expect = std::fs::read_to_string(folder.join("expect.toml")).expect("each case says what to expect");
    let told = expect.lines().find_map(|line| line.strip_prefix("model = "));
    let model: Model = match told {
        Some(told) => told.trim_matches('"').parse().unwrap_or_else(|why| panic!("{name}: {why}")),
        None => Question::recognised(&history).unwrap_or_else(|why| panic!("{name}: {why}")).model,
    };
    let sessions = SessionRules::from_header(&history).unwrap_or_else(|why| panic!("{name}: {why}"));
    let mut properties = model.properties();
    // An invariant is not asked of a history with operations that the invariant does not cover.
    properties.retain(
        |property| !matches!(property, Property::Invariant(one) if one.explain_mismatch(&history).is_some()),
    );
    let question = Question { sessions, ..crate::question_about(model, &properties) };
    CorpusCase { name, history, question }
}
