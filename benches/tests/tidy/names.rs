//! One word for a thing, one thing for a word: no two public types share a name, and the glossary's terms exist.

use super::{files, read, root, rust_files, shown};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The library crates, by the folders of their code.
const LIBRARIES: &[&str] = &[
    "histories",
    "checker/claims",
    "checker/verifier",
    "checker",
    "workloads",
    "recorder",
    "testkit",
    "benches",
];

/// A name that means two things makes every sentence about either ambiguous, and every import needs an alias.
#[test]
fn no_two_public_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in LIBRARIES.iter().flat_map(|library| rust_files(&root().join(library).join("src"))) {
        for name in public_types(&code(&file)) {
            places.entry(name).or_default().push(shown(&file));
        }
    }
    let shared = places.iter().filter(|(_, files)| files.len() > 1);
    let shared: Vec<String> = shared.map(|(name, files)| format!("{name}: {}", files.join(", "))).collect();
    assert!(shared.is_empty(), "public types that share a name:\n{}", shared.join("\n"));
}

/// A term that names no type, or a type that was renamed, would send the reader of the glossary nowhere.
#[test]
fn the_types_of_the_glossary_exist() {
    let sources: Vec<(PathBuf, String)> =
        files(&root(), "rs").into_iter().map(|file| (file.clone(), code(&file))).collect();
    let glossary = read(&root().join("docs/glossary.md"));
    let mut missing = Vec::new();
    let mut found = BTreeSet::new();
    for (number, line) in glossary.lines().enumerate() {
        for word in line.split('`').skip(1).step_by(2) {
            let (name, variant) = word.split_once("::").unwrap_or((word, ""));
            if !is_type_name(name) {
                continue;
            }
            let declares =
                |(_, code): &&(PathBuf, String)| public_types(code).iter().any(|known| known == name);
            let declared = sources.iter().find(declares);
            let has = |code: &str| {
                code.split(|sign: char| !sign.is_alphanumeric() && sign != '_').any(|word| word == variant)
            };
            match declared {
                Some((_, code)) if variant.is_empty() || has(code) => _ = found.insert(name),
                _ => missing.push(format!("docs/glossary.md:{}: {word}", number + 1)),
            }
        }
    }
    assert!(missing.is_empty(), "no such type in the code:\n{}", missing.join("\n"));
    assert!(found.len() >= 25, "a glossary of {} types", found.len());
}

#[test]
fn the_glossary_has_one_line_a_term_in_order() {
    let glossary = read(&root().join("docs/glossary.md"));
    let term = |line: &str| {
        line.strip_prefix("| **").and_then(|rest| rest.split("**").next()).map(str::to_lowercase)
    };
    let terms: Vec<String> = glossary.lines().filter_map(term).collect();
    assert!(terms.len() >= 40, "{} terms", terms.len());
    for pair in terms.windows(2) {
        assert!(pair[0] < pair[1], "{} after {}: in alphabetical order, each once", pair[1], pair[0]);
    }
}

#[test]
fn public_types_are_found_however_they_are_declared() {
    let code = "pub struct One {\n}\n    pub(crate) struct Hidden;\npub enum Two<T> {}\npub trait Three: Sync {}\n\
        pub type Four = u32;\nnamed! {\n    /// What it is.\n    Five, \"five\";\n    A \"a\" \"line\",\n}\n\
        ids! {\n    /// An id.\n    Six;\n}\n    pub struct Inner;\npub(super) enum Not {}\n";
    assert_eq!(public_types(code), ["One", "Two", "Three", "Four", "Five", "Six", "Inner"]);
}

/// The names of public types that some code declares, by itself or through the macros for names and ids.
fn public_types(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut within_macro = false;
    for line in code.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        within_macro = match line {
            "named! {" | "ids! {" => true,
            _ if line.starts_with('}') => false,
            _ => within_macro,
        };
        let name = match words.as_slice() {
            ["pub", "struct" | "enum" | "trait" | "type" | "union", name, ..] => name,
            [name] if within_macro && name.ends_with(';') => name,
            [name, .., noun] if within_macro && name.ends_with(',') && noun.ends_with("\";") => name,
            _ => continue,
        };
        let name: String = name.chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_').collect();
        if is_type_name(&name) {
            found.push(name);
        }
    }
    found
}

/// Whether a word is written as types are: a capital, and a small letter somewhere.
fn is_type_name(word: &str) -> bool {
    word.starts_with(|sign: char| sign.is_ascii_uppercase())
        && word.chars().all(|sign| sign.is_ascii_alphanumeric())
        && word.contains(|sign: char| sign.is_ascii_lowercase())
}

/// The code of a file without its unit tests.
fn code(file: &std::path::Path) -> String {
    read(file).split("#[cfg(test)]\nmod tests").next().expect("a first part").to_owned()
}
