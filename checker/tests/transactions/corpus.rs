//! Histories of other projects with known verdicts: what Elle, or the definitions, say of each.
//!
//! They are not part of this repository: set `STEADFAST_CORPUS` to the folder that has `elle` and `elle-cli`.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use checker::{IsolationLevel, Report};
use histories::format::{Input, ReadOptions, read};
use std::path::Path;
use testkit::{check_confirmed, isolation_properties, model_of_transactions, question_about, test_limits};

/// File, the anomalies that must be among those found, and what `not` must be.
const CASES: &[(&str, &[&str], &[IsolationLevel])] = &[
    (
        "elle-cli/paper-example.edn",
        &["G-single-item"],
        &[IsolationLevel::ConsistentView, IsolationLevel::RepeatableRead],
    ),
    (
        "elle-cli/paper-example.json",
        &["G-single-item"],
        &[IsolationLevel::ConsistentView, IsolationLevel::RepeatableRead],
    ),
    ("elle-cli/list-append-gh-30.edn", &["G2-item"], &[IsolationLevel::RepeatableRead]),
    ("elle-cli/rw-register.edn", &["garbage-read"], &[IsolationLevel::ReadCommitted]),
    (
        "elle/si-without-g-single.edn",
        &["G2-item", "G-single-item-realtime"],
        &[IsolationLevel::RepeatableRead, IsolationLevel::StrongSnapshotIsolation],
    ),
];

fn run(file: &Path, levels: &[IsolationLevel]) -> Report {
    let input = Input::from_argument(file.to_str().unwrap());
    let history = read(input, &ReadOptions::default(), &|_, _| ()).unwrap().history;
    let question = question_about(model_of_transactions(&history), &isolation_properties(levels));
    check_confirmed(&history, &question, &test_limits(1_000_000, 1 << 30))
}

fn corpus(test: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("STEADFAST_CORPUS");
    if folder.is_none() {
        eprintln!("skipped: {test}, for STEADFAST_CORPUS is not set");
    }
    folder.map(Into::into)
}

#[test]
fn known_verdicts() {
    let Some(folder) = corpus("known_verdicts") else { return };
    for (file, anomalies, not) in CASES {
        let report = run(&folder.join(file), &[IsolationLevel::StrictSerializable]);
        let found: Vec<&str> = report.phenomena.iter().map(|anomaly| anomaly.phenomenon.name()).collect();
        assert!(anomalies.iter().all(|name| found.contains(name)), "{file}: {found:?}");
        assert_eq!(report.ruled_out_levels().0, *not, "{file}: {found:?}");
        assert_eq!(report.verdict(), "violated", "{file}");
    }
}

/// One component that swallows most of the history. Elle stops after a second of searching in it, and what it then
/// says depends on the machine; it is known to be violated by real time alone.
#[test]
fn one_huge_component() {
    let Some(folder) = corpus("one_huge_component") else { return };
    let levels = [
        IsolationLevel::StrictSerializable,
        IsolationLevel::StrongSessionSerializable,
        IsolationLevel::Serializable,
    ];
    let file = folder.join("elle/huge-scc.edn");
    let report = run(&file, &levels);
    assert_eq!(report.answers[0].verdict.name(), "violated");
    let (not, _) = report.ruled_out_levels();
    assert!(not.contains(&IsolationLevel::StrongSnapshotIsolation), "{not:?}");
    assert_eq!(report.phenomena, run(&file, &levels).phenomena);
    for answer in &report.answers[1..] {
        eprintln!("{}: {}", answer.property.name(), answer.verdict.name());
    }
}
