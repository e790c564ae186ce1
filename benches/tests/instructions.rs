//! Counts the instructions of ten hot paths, and fails if one takes 5 % more than `instructions.txt` says.
//!
//! A clock cannot hold this: on a busy machine, times differ by a factor of two. Instructions differ by a thousandth. They depend on
//! the compiler, so the counts name theirs, and another one is not compared. They also depend on the features of the packages that are built
//! together, so this test belongs to a build of the whole workspace. To accept new counts, which belong into a commit:
//! `STEADFAST_ACCEPT_COUNTS=1 cargo test --workspace --test instructions`.

#![allow(clippy::print_stdout, reason = "what was counted and what was skipped is said")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of each path, the shape of its history, and the levels that are checked; none if the history is only read.
const PATHS: &[(&str, &str, Option<&str>)] = &[
    ("read lines of registers", "lines", None),
    ("read lines of many keys", "keys", None),
    ("read a session store", "sessions", None),
    ("read lists", "lists", None),
    ("linearizable", "registers", Some("linearizable")),
    (
        "four guarantees",
        "registers",
        Some("read-your-writes,monotonic-reads,monotonic-writes,writes-follow-reads"),
    ),
    ("causal", "replicas", Some("causal")),
    ("findings of sessions", "sessions", Some("default")),
    ("strict-serializable lists", "lists", Some("strict-serializable")),
    ("serializable registers", "transactions", Some("serializable")),
];

/// By how much a count may grow.
const GROWTH_PERCENT: u64 = 5;

fn counts_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions.txt")
}

/// The compiler and the target, as far as they decide what a count is.
fn compiler() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(rustc).arg("--version").output().ok()?;
    let version = String::from_utf8(told.stdout).ok()?;
    let version = version.split_whitespace().nth(1)?.to_owned();
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    Some(format!("rustc {version} {} {profile}", std::env::consts::ARCH))
}

/// The instructions that one run takes.
fn count_instructions(arguments: &[&str]) -> u64 {
    let told = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_hot_paths")])
        .args(arguments)
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{arguments:?}: {said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.unwrap_or_else(|| panic!("valgrind tells no count: {said}"));
    count.trim().parse().unwrap_or_else(|_| panic!("no number: {count}"))
}

/// The instructions of each path. A check is counted without the reading before it.
fn measure_paths(folder: &Path) -> BTreeMap<&'static str, u64> {
    let file_of = |shape: &str| folder.join(format!("{shape}.jsonl")).display().to_string();
    let mut reading: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, shape, _) in PATHS {
        reading.entry(shape).or_insert_with(|| {
            let file = file_of(shape);
            let prepared =
                Command::new(env!("CARGO_BIN_EXE_hot_paths")).args(["prepare", shape, &file]).status();
            assert!(prepared.expect("it runs").success(), "{shape}");
            count_instructions(&["read", &file])
        });
    }
    let count = |&(name, shape, levels): &(&'static str, &str, Option<&str>)| {
        let count = match levels {
            None => reading[shape],
            Some(levels) => count_instructions(&["check", levels, &file_of(shape)]) - reading[shape],
        };
        (name, count)
    };
    PATHS.iter().map(count).collect()
}

fn write_counts(compiler: &str, counts: &BTreeMap<&str, u64>) {
    let mut text = format!("# {compiler}\n");
    for (name, count) in counts {
        text.push_str(&format!("{name}: {count}\n"));
    }
    std::fs::write(counts_file(), text).expect("the counts can be written");
}

#[test]
fn hot_paths_take_no_more_instructions_than_before() {
    let has_valgrind =
        Command::new("valgrind").arg("--version").output().is_ok_and(|told| told.status.success());
    if !has_valgrind {
        println!("skipped: there is no valgrind, so no instructions are counted");
        return;
    }
    let compiler = compiler().expect("rustc tells its version");
    let accepts = std::env::var_os("STEADFAST_ACCEPT_COUNTS").is_some();
    let known = match accepts {
        true => String::new(),
        false => std::fs::read_to_string(counts_file()).expect("instructions.txt is part of the repository"),
    };
    if !accepts && known.lines().next() != Some(&format!("# {compiler}")) {
        println!("skipped: instructions.txt has the counts of another compiler than {compiler}");
        return;
    }
    let folder = std::env::temp_dir().join(format!("steadfast-hot-paths-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let counts = measure_paths(&folder);
    std::fs::remove_dir_all(&folder).expect("the folder was made here");
    if accepts {
        return write_counts(&compiler, &counts);
    }
    let expected: BTreeMap<&str, u64> = known
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, count)| (name, count.parse().expect("a count")))
        .collect();
    assert!(expected.keys().eq(counts.keys()), "instructions.txt has other paths: {known}");
    let mut slower = Vec::new();
    for (name, &count) in &counts {
        let before = expected[name];
        println!("{name}: {count} instructions, {before} before");
        if count * 100 > before * (100 + GROWTH_PERCENT) {
            slower.push(format!("{name}: {count} instructions instead of {before}"));
        } else if count * (100 + GROWTH_PERCENT) < before * 100 {
            println!("  faster: accept the new count, so that it stays so");
        }
    }
    assert!(
        slower.is_empty(),
        "slower by more than {GROWTH_PERCENT} %:\n{}\nIf that is intended, run\n\
         STEADFAST_ACCEPT_COUNTS=1 cargo test --workspace --test instructions\nand commit benches/tests/instructions.txt.",
        slower.join("\n")
    );
}
