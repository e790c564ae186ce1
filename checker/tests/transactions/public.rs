//! Public histories of other checkers, at serializability and snapshot isolation, with session order and without: what comes
//! out and how long it takes.
//!
//! They are not part of this repository: set `STEADFAST_HISTORIES` to a folder, or a file, with histories of dbcop
//! (`history.bincode`) in it, such as those that VeriStrong, PolySI and dbcop publish. `STEADFAST_STEPS` bounds each check.
//!
//! `STEADFAST_HISTORIES=… cargo test --release -p checker --test transactions public -- --nocapture`

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures, and says what came out")]

use checker::{IsolationLevel, Verdict};
use histories::format::{Input, ReadOptions, read};
use std::path::{Path, PathBuf};
use std::time::Instant;
use testkit::{check_confirmed, isolation_properties, model_of_transactions, question_about, test_limits};

const LEVELS: [IsolationLevel; 4] = [
    IsolationLevel::Serializable,
    IsolationLevel::StrongSessionSerializable,
    IsolationLevel::SnapshotIsolation,
    IsolationLevel::StrongSessionSnapshotIsolation,
];

fn histories(from: &Path, found: &mut Vec<PathBuf>) {
    if !from.is_dir() {
        found.push(from.to_path_buf());
        return;
    }
    let mut inside: Vec<PathBuf> =
        std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    inside.sort();
    for path in inside {
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "bincode") {
            histories(&path, found);
        }
    }
}

#[test]
fn public_histories_are_decided() {
    let Some(folder) = std::env::var_os("STEADFAST_HISTORIES") else {
        println!("skipped: public_histories_are_decided, for STEADFAST_HISTORIES is not set");
        return;
    };
    let steps = std::env::var("STEADFAST_STEPS")
        .map_or(2_000_000_000, |steps| steps.parse().expect("STEADFAST_STEPS is a number"));
    let mut paths = Vec::new();
    histories(Path::new(&folder), &mut paths);
    let mut undecided = 0;
    for path in &paths {
        let input = Input::from_argument(path.to_str().expect("a name"));
        let history = read(input, &ReadOptions::default(), &|_, _| ()).expect("a history").history;
        for level in LEVELS {
            let question = question_about(model_of_transactions(&history), &isolation_properties(&[level]));
            let begun = Instant::now();
            let report = check_confirmed(&history, &question, &test_limits(steps, 4 << 30));
            let verdict = &report.answers[0].verdict;
            let why = match verdict {
                Verdict::Unknown(unknown) => unknown.reason.as_str(),
                _ => "",
            };
            undecided += usize::from(!why.is_empty());
            println!(
                "{}\t{}\t{}\t{:.3} s\t{}\t{why}",
                path.strip_prefix(&folder).unwrap_or(path).display(),
                history.len(),
                level.name(),
                begun.elapsed().as_secs_f64(),
                verdict.name()
            );
        }
    }
    println!("{} histories, {undecided} verdicts unknown", paths.len());
    assert_eq!(undecided, 0, "every history is decided");
}
