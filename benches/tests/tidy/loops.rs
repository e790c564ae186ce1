//! No files import each other in a loop.
//!
//! Files that need one another can only be understood, moved and tested together, however many they are. The test reads the
//! `use` statements of each crate: `use crate::a::B` and `use super::B` lead to the file that declares `B`, through
//! re-exports, so that a list of everything in `lib.rs` hides no loop. A module and its own children are one idea and may
//! import each other. Unit tests are left out.

use super::{read, root, rust_files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The folders of code that are looked at, each the root of a crate.
const CRATES: &[&str] = &[
    "histories/src",
    "checker/claims/src",
    "checker/verifier/src",
    "checker/src",
    "workloads/src",
    "recorder/src",
    "testkit/src",
    "benches/src",
    "src",
];

#[test]
fn no_files_import_each_other_in_a_loop() {
    let loops: Vec<BTreeSet<String>> = CRATES.iter().flat_map(|folder| Crate::read(folder).loops()).collect();
    let told = |found: &BTreeSet<String>| {
        let lines: Vec<String> = found.iter().map(|file| format!("    {file}")).collect();
        lines.join("\n")
    };
    let told: Vec<String> = loops.iter().map(told).collect();
    assert!(told.is_empty(), "files that import each other in a loop:\n{}", told.join("\n\n"));
}

/// A module by its path from the root of its crate.
type Module = Vec<String>;

/// The modules of a crate, and what each brings into scope.
struct Crate {
    /// The file of each module, as it is shown.
    files: BTreeMap<Module, String>,
    /// The paths that each module imports: from the root of the crate, its last part what is meant.
    imports: BTreeMap<Module, Vec<Vec<String>>>,
    /// What each module re-exports, by the name that it has there.
    exports: BTreeMap<(Module, String), Vec<String>>,
}

impl Crate {
    fn read(folder: &str) -> Self {
        let folder = root().join(folder);
        let mut files = BTreeMap::new();
        for file in rust_files(&folder) {
            // Each program in `bin/` is a crate of its own.
            if !file.starts_with(folder.join("bin")) {
                let path = file.strip_prefix(&folder).expect("below the folder");
                files.insert(module(path), super::shown(&file));
            }
        }
        let mut found = Self { files, imports: BTreeMap::new(), exports: BTreeMap::new() };
        for (module, file) in found.files.clone() {
            for (exported, path, name) in uses(&code(&root().join(&file))) {
                let Some(path) = found.absolute(&module, &path) else { continue };
                if exported {
                    found.exports.insert((module.clone(), name), path.clone());
                }
                found.imports.entry(module.clone()).or_default().push(path);
            }
        }
        found
    }

    /// A path from the root of the crate; none if it leads into another one.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let mut from = module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => (from, rest) = (Vec::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    from.pop()?;
                    rest = &rest[1..];
                }
            }
            child => {
                from.push(child.to_owned());
                let is_child = self.files.contains_key(&from);
                from.pop();
                if !is_child {
                    return None;
                }
            }
        }
        from.extend(rest.iter().cloned());
        Some(from)
    }

    /// The module that declares what a path means: as far as there are files, then through re-exports. A path of more than
    /// sixteen of these is taken to end where it is.
    fn declared_in(&self, path: &[String]) -> Option<Module> {
        let mut path = path.to_vec();
        for _ in 0..16 {
            let depth = (0..=path.len()).rev().find(|&depth| self.files.contains_key(&path[..depth]))?;
            let (module, rest) = (path[..depth].to_vec(), &path[depth..]);
            let Some(name) = rest.first() else { return Some(module) };
            match self.exports.get(&(module.clone(), name.clone())) {
                Some(exported) if *exported != path => {
                    let rest = rest[1..].to_vec();
                    path = exported.clone();
                    path.extend(rest);
                }
                _ => return Some(module),
            }
        }
        None
    }

    /// Groups of files: within a group, the imports of each file lead to every other.
    fn loops(&self) -> Vec<BTreeSet<String>> {
        let mut edges: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
        for (module, paths) in &self.imports {
            for to in paths.iter().filter_map(|path| self.declared_in(path)) {
                let (to, _) = self.files.get_key_value(&to).expect("a module with a file");
                if !to.starts_with(module) && !module.starts_with(to) {
                    edges.entry(module).or_default().insert(to);
                }
            }
        }
        let reach = |from: &Module| {
            let mut seen: BTreeSet<&Module> = BTreeSet::new();
            let mut open: Vec<&Module> = edges.get(from).into_iter().flatten().copied().collect();
            while let Some(next) = open.pop() {
                if seen.insert(next) {
                    open.extend(edges.get(next).into_iter().flatten());
                }
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            self.files.keys().map(|module| (module, reach(module))).collect();
        let in_loop = |module: &&Module| reached[*module].contains(*module);
        let group = |module: &Module| {
            let both = reached[module].iter().filter(|other| reached[**other].contains(module));
            both.map(|other| self.files[*other].clone()).collect::<BTreeSet<String>>()
        };
        let groups: BTreeSet<BTreeSet<String>> = self.files.keys().filter(in_loop).map(group).collect();
        groups.into_iter().collect()
    }
}

/// The module that a file is, by its path below the root of its crate.
fn module(path: &Path) -> Module {
    let text = path.with_extension("");
    let mut parts: Module = text.iter().map(|part| part.to_str().expect("a name").to_owned()).collect();
    let last = parts.last().map(String::as_str);
    if last == Some("mod") || parts.len() == 1 && matches!(last, Some("lib" | "main")) {
        parts.pop();
    }
    parts
}

/// The code of a file up to its unit tests.
fn code(file: &Path) -> String {
    read(file).split("#[cfg(test)]\nmod tests {").next().expect("a first part").to_owned()
}

/// The `use` statements of some code: whether it re-exports, the path, and the name that it has from then on.
fn uses(code: &str) -> Vec<(bool, Vec<String>, String)> {
    let mut found = Vec::new();
    let without_comments: String = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| format!("{line}\n"))
        .collect();
    for statement in without_comments.split(';') {
        // What comes before `use` are attributes, or the end of the item before.
        let last = statement.rfind("\nuse ").or_else(|| statement.starts_with("use ").then_some(0));
        let exported = ["\npub use ", "\npub(crate) use ", "\npub(super) use "];
        let export = exported.iter().filter_map(|word| statement.rfind(word)).max();
        let (exports, at) = match (last, export) {
            (_, Some(at)) => (true, at),
            (Some(at), None) => (false, at),
            (None, None) => continue,
        };
        let Some((_, tree)) = statement[at..].split_once("use ") else { continue };
        for (path, name) in paths(tree) {
            found.push((exports, path, name));
        }
    }
    found
}

/// The paths of a tree of imports, `a::{b, c::d as e}`, each with the name that it brings into scope.
fn paths(tree: &str) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut open: Vec<(String, &str)> = vec![(String::new(), tree.trim())];
    while let Some((prefix, tree)) = open.pop() {
        let Some((before, group)) = tree.split_once('{') else {
            let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
            let whole = format!("{prefix}{}", path.trim());
            let mut parts: Vec<String> = whole.split("::").map(|part| part.trim().to_owned()).collect();
            if matches!(parts.last().map(String::as_str), Some("self" | "*" | "")) && parts.len() > 1 {
                parts.pop();
            }
            let name = if name.is_empty() {
                parts.last().cloned().unwrap_or_default()
            } else {
                name.trim().to_owned()
            };
            found.push((parts, name));
            continue;
        };
        let prefix = format!("{prefix}{}", before.trim());
        let group = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
        let mut depth = 0;
        let parts = group.split(|sign: char| {
            depth += i32::from(sign == '{') - i32::from(sign == '}');
            sign == ',' && depth == 0
        });
        open.extend(parts.map(str::trim).filter(|part| !part.is_empty()).map(|part| (prefix.clone(), part)));
    }
    found
}

#[test]
fn imports_are_read_as_they_are_written() {
    let code = "#![allow(x)]\n//! use not::this;\nuse crate::a::{self, B, c::{D as E, F}};\n#[cfg(x)]\npub(crate) use super::g::H;\n\
        fn f() {}\nuse std::io;\n";
    let mut found: Vec<String> = uses(code)
        .into_iter()
        .map(|(exported, path, name)| format!("{exported} {} {name}", path.join("::")))
        .collect();
    found.sort();
    let expected = [
        "false crate::a a",
        "false crate::a::B B",
        "false crate::a::c::D E",
        "false crate::a::c::F F",
        "false std::io io",
        "true super::g::H H",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_loop_is_found_through_a_re_export_and_a_child_is_none() {
    let module = |text: &str| text.split_terminator("::").map(str::to_owned).collect::<Module>();
    let names = ["", "a", "a::inner", "b", "c"];
    let files = names.map(|name| (module(name), format!("{name}.rs"))).into_iter().collect();
    let imports = BTreeMap::from([
        // a needs B through the list in lib.rs, and b needs a: a loop.
        (module("a"), vec![module("B"), module("a::inner::X")]),
        (module("b"), vec![module("a")]),
        // A child needs its parent, which needs the child.
        (module("a::inner"), vec![module("a")]),
        (module("c"), vec![module("b")]),
    ]);
    let exports = BTreeMap::from([((module(""), "B".to_owned()), module("b::B"))]);
    let found = Crate { files, imports, exports }.loops();
    assert_eq!(found, [BTreeSet::from(["a.rs".to_owned(), "b.rs".to_owned()])]);
}
