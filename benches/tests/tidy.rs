//! The rules of the house that a program can check.
//!
//! Which crate may import which; what the pure crates may not touch; how long a file and a function may be; that a
//! file says what it is about; that no link in the documentation is dead. Below `tidy/`: that no files import each other
//! in a loop, that no two types share a name, and that the glossary's types exist.

#[path = "tidy/loops.rs"]
mod loops;
#[path = "tidy/names.rs"]
mod names;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines of a file of Rust, up to its unit tests.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function. One that is longer does not fit a screen.
const FUNCTION_LINES_MAX: usize = 90;

/// The crates by their folders, and the crates of this workspace that each may import: data flows one way.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("histories", &[]),
    ("checker/claims", &["histories"]),
    // It must not be able to reach what it checks.
    ("checker/verifier", &["histories", "claims"]),
    ("checker", &["histories", "claims", "verifier"]),
    ("workloads", &["histories"]),
    ("recorder", &["histories", "workloads"]),
    // Nobody may import it but tests, whose dependencies are not looked at here.
    ("testkit", &["histories", "claims", "verifier", "checker"]),
    // It reads the code of the others and links none of it.
    ("testkit/mutants", &[]),
    ("benches", &["histories", "workloads", "recorder", "checker", "claims", "verifier"]),
    (".", &["histories", "workloads", "recorder", "checker", "claims", "verifier"]),
];

/// All that is outside of a function's arguments.
const OUTSIDE: &[&str] =
    &["println!", "eprintln!", "Instant::now", "SystemTime", "std::fs", "std::net", "std::env", "tokio"];

/// What crates that are functions of their arguments have no business with.
const IMPURE: &[(&str, &[&str])] = &[
    ("checker", OUTSIDE),
    ("checker/claims", OUTSIDE),
    ("checker/verifier", OUTSIDE),
    ("histories", &["println!", "eprintln!", "Instant::now", "SystemTime", "std::net", "tokio"]),
    ("workloads", &["println!", "eprintln!", "Instant::now", "SystemTime", "std::net", "std::fs", "tokio"]),
];

#[test]
fn dependencies_point_one_way() {
    let crates = MAY_IMPORT.iter().filter_map(|(folder, _)| folder.rsplit('/').next());
    let ours: BTreeSet<&str> = crates.chain(["steadfast"]).filter(|name| *name != ".").collect();
    for (name, allowed) in MAY_IMPORT {
        let manifest = manifest(name);
        let Some(imported) = manifest.get("dependencies").and_then(toml::Value::as_table) else { continue };
        for import in imported.keys().filter(|import| ours.contains(import.as_str())) {
            assert!(allowed.contains(&import.as_str()), "{name} may not import {import}");
        }
    }
    for name in ["checker", "checker/claims", "checker/verifier"] {
        assert!(manifest(name)["dependencies"].get("tokio").is_none(), "{name} has no runtime");
    }
}

#[test]
fn every_crate_of_the_workspace_has_its_rule() {
    let manifest = manifest(".");
    let members = manifest["workspace"]["members"].as_array().expect("members");
    for member in members {
        let name = member.as_str().expect("a name");
        assert!(MAY_IMPORT.iter().any(|(known, _)| *known == name), "{name}: who may import whom?");
    }
}

#[test]
fn pure_crates_do_no_input_or_output_and_read_no_clock() {
    for (name, forbidden) in IMPURE {
        for file in rust_files(&root().join(name).join("src")) {
            let text = read(&file);
            let code = text.split("#[cfg(test)]").next().expect("a first part");
            for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim().starts_with("//"))
            {
                for word in *forbidden {
                    assert!(!line.contains(word), "{}:{}: {word} in {name}", shown(&file), number + 1);
                }
            }
        }
    }
}

#[test]
fn files_and_functions_can_be_read_in_one_go() {
    let mut long = Vec::new();
    for file in all_rust_files() {
        let text = read(&file);
        let lines: Vec<&str> = text.lines().collect();
        let length = lines.iter().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(lines.len());
        if length > FILE_LINES_MAX {
            long.push(format!("{}: {length} lines", shown(&file)));
        }
        for (name, from, length) in functions(&lines) {
            if length > FUNCTION_LINES_MAX {
                long.push(format!("{}:{from}: {name} has {length} lines", shown(&file)));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_length_of_a_function_is_measured_right() {
    let text =
        ["impl A {", "    pub fn one() {", "        if true {", "        }", "    }", "}", "fn two() {}"];
    assert_eq!(functions(&text), [("one".to_owned(), 2, 4), ("two".to_owned(), 7, 1)]);
    // A method of a trait without a body ends with its signature, not with the next body.
    let text = ["trait A {", "    fn one(", "        a: u8,", "    ) -> u8;", "    fn two() {", "    }", "}"];
    assert_eq!(functions(&text), [("one".to_owned(), 2, 3), ("two".to_owned(), 5, 2)]);
}

#[test]
fn every_file_says_what_it_is_about() {
    for file in all_rust_files() {
        assert!(read(&file).starts_with("//!"), "{}: begins with //! and what it is about", shown(&file));
        let stem = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let folder =
            file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a folder");
        for name in ["utils", "util", "common", "helpers", "helper", "misc"] {
            assert!(stem != name && folder != name, "{}: a name that says nothing", shown(&file));
        }
    }
}

/// Whatever is particular to a store is in its folder. Elsewhere its name stands once: in the list of stores.
#[test]
fn a_store_is_named_once_outside_its_folder() {
    let stores = root().join("recorder/src/stores");
    let backends: Vec<PathBuf> = rust_files(&stores)
        .into_iter()
        .filter(|file| file.ends_with("backend.rs") && *file != stores.join("backend.rs"))
        .collect();
    let signs: Vec<[String; 2]> = backends.iter().map(|file| signs_of_a_store(&read(file))).collect();
    assert!(signs.len() > 5, "{signs:?}");
    let others = [rust_files(&root().join("src")), rust_files(&root().join("recorder/src"))].concat();
    let is_inside = |file: &Path| file.starts_with(&stores) && file.parent() != Some(stores.as_path());
    let (mut listed, mut found) = (0, Vec::new());
    for file in others.iter().filter(|file| !is_inside(file)) {
        let text = read(file);
        let code = text.split("#[cfg(test)]").next().expect("a first part");
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim().starts_with("//")) {
            // `http` is also the scheme of addresses.
            let is_scheme = line.contains("scheme");
            if is_scheme || !signs.iter().flatten().any(|sign| names_whole(line, sign)) {
                continue;
            }
            match *file == stores.join("backend.rs") && line.trim().starts_with('&') {
                true => listed += 1,
                false => found.push(format!("{}:{}: {}", shown(file), number + 1, line.trim())),
            }
        }
    }
    assert!(found.is_empty(), "named outside of its folder:\n{}", found.join("\n"));
    assert_eq!(listed, signs.len(), "each is in the list, once");
}

/// By what a store is known in code: its name as users type it, and its type as a path has it.
/// Whether a sign stands in a line, and not as the beginning of a longer name.
fn names_whole(line: &str, sign: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    line.match_indices(sign).any(|(at, _)| !goes_on(&line[at + sign.len()..]))
}

fn signs_of_a_store(backend: &str) -> [String; 2] {
    let mut lines = backend.lines();
    let kind = lines.find_map(|line| line.strip_prefix("impl Backend for ")).expect("a backend");
    let name = lines.find(|line| line.trim().starts_with('"')).expect("a name").trim();
    [name.to_owned(), format!("::{}", kind.trim_end_matches(" {"))]
}

#[test]
fn no_link_is_dead() {
    let mut dead = Vec::new();
    for file in files(&root(), "md") {
        let text = read(&file);
        for (number, line) in text.lines().enumerate() {
            for target in
                links(line).filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
            {
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path =
                    if path.is_empty() { file.clone() } else { file.parent().expect("a folder").join(path) };
                let found = path.exists() && (anchor.is_empty() || anchors(&read(&path)).contains(anchor));
                if !found {
                    dead.push(format!("{}:{}: {target}", shown(&file), number + 1));
                }
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// Name, first line (from one) and number of lines of each function, by rustfmt's indentation.
fn functions(lines: &[&str]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(place) = words.iter().position(|word| *word == "fn") else { continue };
        let before = words[..place].iter().all(|word| {
            word.starts_with("pub")
                || ["const", "async", "unsafe", "extern", "in"].contains(word)
                || word.ends_with(')')
        });
        let Some(name) = words.get(place + 1).filter(|_| before) else { continue };
        let name: String = name.chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_').collect();
        let end = format!("{}}}", " ".repeat(indent));
        let signature = lines[at..].iter().position(|line| line.ends_with(['{', '}', ';'])).unwrap_or(0);
        let length = match lines[at + signature].ends_with('{') {
            false => signature + 1,
            true => lines[at..].iter().position(|line| *line == end).map_or(1, |last| last + 1),
        };
        found.push((name, at + 1, length));
    }
    found
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// The anchors that headings get: lower case, words joined by hyphens, other signs dropped.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|sign| sign.is_alphanumeric() || *sign == '-' || *sign == '_').collect()
    };
    headings.map(anchor).collect()
}

fn all_rust_files() -> Vec<PathBuf> {
    files(&root(), "rs")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files(folder, "rs")
}

/// All files with an extension below a folder, what is built or hidden left out.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display())) {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            if path.is_dir() && !["target", "node_modules"].contains(&name.as_str()) && !name.starts_with('.')
            {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn manifest(name: &str) -> toml::Table {
    read(&root().join(name).join("Cargo.toml")).parse().expect("a manifest is TOML")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}
