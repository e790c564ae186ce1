//! Histories of other projects with known verdicts: what Elle, or the definitions, say of each.
//!
//! They are not part of this repository: set `STEADFAST_CORPUS` to the folder that has `elle` and `elle-cli`.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use checker::check::Assume;
use checker::transactions::{Analysis, Isolation, Options, analyze, recheck};
use checker::{Limits, Verdict};
use histories::format::{Input, ReadOptions, read};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// File, the anomalies that must be among those found, and what `not` must be.
const CASES: &[(&str, &[&str], &[Isolation])] = &[
    (
        "elle-cli/paper-example.edn",
        &["G-single-item"],
        &[Isolation::ConsistentView, Isolation::RepeatableRead],
    ),
    (
        "elle-cli/paper-example.json",
        &["G-single-item"],
        &[Isolation::ConsistentView, Isolation::RepeatableRead],
    ),
    ("elle-cli/list-append-gh-30.edn", &["G2-item"], &[Isolation::RepeatableRead]),
    ("elle-cli/rw-register.edn", &["garbage-read"], &[Isolation::ReadCommitted]),
    (
        "elle/si-without-g-single.edn",
        &["G2-item", "G-single-item-realtime"],
        &[Isolation::RepeatableRead, Isolation::StrongSnapshotIsolation],
    ),
];

fn run(file: &Path, levels: &[Isolation]) -> Analysis {
    let input = Input::named(file.to_str().unwrap());
    let history = read(input, &ReadOptions::default(), &|_, _| ()).unwrap().history;
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 1_000_000, bytes: 1 << 30, stop: &stop };
    let options = Options { levels: levels.to_vec(), assume: Assume::default() };
    let analysis = analyze(&history, &options, &limits);
    recheck::analysis(&history, &options, &analysis).unwrap();
    analysis
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
        let analysis = run(&folder.join(file), &[Isolation::StrictSerializable]);
        let found: Vec<&str> = analysis.anomalies.iter().map(|anomaly| anomaly.phenomenon.name()).collect();
        assert!(anomalies.iter().all(|name| found.contains(name)), "{file}: {found:?}");
        assert_eq!(analysis.not, *not, "{file}: {found:?}");
        assert!(matches!(analysis.judgements[0].verdict, Verdict::Violated(_)), "{file}");
    }
}

/// One component that swallows most of the history. Elle stops after a second of searching in it, and what it then
/// says depends on the machine; it is known to be violated by real time alone.
#[test]
fn one_huge_component() {
    let Some(folder) = corpus("one_huge_component") else { return };
    let levels =
        [Isolation::StrictSerializable, Isolation::StrongSessionSerializable, Isolation::Serializable];
    let file = folder.join("elle/huge-scc.edn");
    let analysis = run(&file, &levels);
    assert!(matches!(analysis.judgements[0].verdict, Verdict::Violated(_)));
    assert!(analysis.not.contains(&Isolation::StrongSnapshotIsolation), "{:?}", analysis.not);
    assert_eq!(analysis.anomalies, run(&file, &levels).anomalies);
    for judgement in &analysis.judgements[1..] {
        eprintln!("{}: {}", judgement.level.name(), judgement.verdict.name());
    }
}
