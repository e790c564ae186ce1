//! The language of the program: no sentence over 30 words in help and lists, and none of the words that say nothing.
//!
//! The help said "How long an operation may take before nobody knows", and the report "0 of which nobody knows". Whoever has an
//! outage reads each sentence once. A program cannot tell good English, but it can count words and find known riddles.

use assert_cmd::Command;
use std::path::Path;

/// The most words of a sentence in help, lists and reports.
const WORDS_MAX: usize = 30;
/// The most words of a sentence in the documents.
const DOC_WORDS_MAX: usize = 35;

/// Phrases of the former private English, each with what to write.
const RIDDLES: &[(&str, &str)] = &[
    ("nobody knows", "indeterminate, or unknown"),
    ("of which nobody", "say which"),
    ("in a circle", "in a cycle"),
    ("held against", "compared with, or checked against"),
    ("beyond noise", "significant"),
    ("what is typed", "options on the command line"),
    ("all else", "say what"),
    ("to talk through", "as a timeline"),
    ("for want of", "because there is no"),
    ("what got better", "what improved"),
    ("a line each", "per line"),
    ("how it is made again", "how to replay"),
    ("by which means here", "the means on this machine"),
    ("told to nobody", "reached no client"),
    ("struck nobody", "struck no node"),
];

fn printed(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The sentences of a text: paragraphs joined, cut at full stops, question marks and semicolons that end a clause.
fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n") {
        // A line that begins with an option or a list mark begins a sentence.
        let mut sentence = String::new();
        for line in paragraph.lines() {
            let begins = line.trim_start().starts_with(['-', '*', '|', '`', '#', '$']) || line.contains("  ");
            if begins {
                found.push(std::mem::take(&mut sentence));
            }
            sentence += " ";
            sentence += line;
        }
        found.push(sentence);
    }
    let ends = |text: &String| -> Vec<String> {
        let text = text
            .replace(": ", ". ")
            .replace("; ", ". ")
            .replace("? ", ". ")
            .replace(" | ", ". ")
            .replace(" [", ". [");
        text.split(". ").map(|part| part.trim().to_owned()).collect()
    };
    found.iter().flat_map(ends).filter(|part| !part.is_empty()).collect()
}

fn count_words(sentence: &str) -> usize {
    sentence.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count()
}

fn check_text(place: &str, text: &str, most: usize, problems: &mut Vec<String>) {
    for sentence in sentences(text) {
        if count_words(&sentence) > most {
            problems.push(format!("{place}: {} words: {sentence}", count_words(&sentence)));
        }
    }
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    for (riddle, instead) in RIDDLES {
        if flat.contains(riddle) {
            problems.push(format!("{place}: {riddle:?}; write: {instead}"));
        }
    }
}

#[test]
fn help_and_lists_are_plain() {
    let commands = [
        "run",
        "record",
        "check",
        "diff",
        "explain",
        "compare",
        "verify",
        "convert",
        "levels",
        "enumerate",
        "generate",
        "models",
        "objectives",
        "stores",
        "faults",
        "scenarios",
        "stack",
        "stack test",
        "stack init",
        "tap",
        "clean",
        "completions",
        "man",
    ];
    let mut problems = Vec::new();
    check_text("--help", &printed(&["--help"]), WORDS_MAX, &mut problems);
    for command in commands {
        for help in ["--help", "-h"] {
            let words: Vec<&str> = command.split(' ').chain([help]).collect();
            check_text(&words.join(" "), &printed(&words), WORDS_MAX, &mut problems);
        }
    }
    for list in ["levels", "models", "objectives", "stores", "faults", "scenarios"] {
        check_text(list, &printed(&[list]), WORDS_MAX, &mut problems);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// What asks for the levels that a case says are violated; nothing if none is.
fn ask_for_violated(case: &Path) -> Vec<String> {
    let expected = std::fs::read_to_string(case.join("expect.toml")).expect("each case has an expect.toml");
    let expected: toml::Table = expected.parse().expect("TOML");
    let levels = expected.get("levels").and_then(toml::Value::as_table).into_iter().flatten();
    let violated: Vec<&str> = levels
        .filter(|(_, verdict)| verdict.as_str() == Some("violated"))
        .map(|(level, _)| level.as_str())
        .collect();
    if violated.is_empty() {
        return Vec::new();
    }
    let mut options = vec!["--consistency".to_owned(), violated.join(",")];
    for option in ["model", "init", "assume", "failed_cas"] {
        let value = match expected.get(option) {
            Some(toml::Value::String(value)) => value.clone(),
            Some(toml::Value::Array(values)) => {
                values.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
            }
            _ => continue,
        };
        options.extend([format!("--{}", option.replace('_', "-")), value]);
    }
    options
}

/// Besides what `check` says by default, what `explain` says of each level that the case violates: the order that a
/// causal level contradicts was said with "in a circle", and no default shows it.
#[test]
fn reports_of_the_corpus_are_plain_and_narrow() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/corpus");
    let mut problems = Vec::new();
    let (mut checked, mut explained) = (0, 0);
    for entry in std::fs::read_dir(corpus).expect("the corpus") {
        let case = entry.expect("an entry").path();
        let Some(file) =
            ["history.jsonl", "history.edn"].iter().map(|name| case.join(name)).find(|file| file.exists())
        else {
            continue;
        };
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = file.to_str().expect("text");
        let text = printed(&["check", file]);
        check_text(&name, &text, WORDS_MAX, &mut problems);
        // Problems with a file are for one line each; reports fit a narrow terminal whatever the names.
        let is_report = !text.starts_with("error") && !text.contains("\nerror: ");
        for line in text.lines().filter(|line| is_report && line.chars().count() > 80) {
            problems.push(format!("{name}: {} columns: {line}", line.chars().count()));
        }
        checked += 1;
        let question = ask_for_violated(&case);
        if !question.is_empty() {
            let mut words = vec!["explain", file];
            words.extend(question.iter().map(String::as_str));
            let text = printed(&words);
            assert!(text.starts_with("VIOLATED"), "{name}: {text}");
            check_text(&format!("explain {name}"), &text, WORDS_MAX, &mut problems);
            explained += 1;
        }
    }
    assert!(checked > 200 && explained > 100, "{checked} cases, {explained} explained");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Only ten pages were on a list once, and the others kept sentences of fifty words. Now every page is read.
#[test]
fn pages_are_plain() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).expect("the documents");
    let pages = docs.map(|entry| entry.expect("an entry").path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let others = ["README.md", "LIMITS.md", "ARCHITECTURE.md"].map(|name| root.join(name));
    let (mut problems, mut checked) = (Vec::new(), 0);
    for page in pages.chain(others) {
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&page).expect("a page");
        let prose: Vec<&str> = text.split("```").step_by(2).collect();
        check_text(&name, &prose.join("\n\n"), DOC_WORDS_MAX, &mut problems);
        checked += 1;
    }
    assert!(checked >= 29, "only {checked} pages were read");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn sentences_are_counted() {
    assert_eq!(sentences("One two.\nThree four. Five\n\nsix"), ["One two", "Three four", "Five", "six"]);
    let mut problems = Vec::new();
    check_text("here", "word ".repeat(WORDS_MAX + 1).as_str(), WORDS_MAX, &mut problems);
    check_text("there", "nobody\nknows", WORDS_MAX, &mut problems);
    assert_eq!(problems.len(), 2, "{problems:?}");
}
