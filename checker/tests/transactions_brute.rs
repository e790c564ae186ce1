//! Random small histories against a reference that is written from the definitions: it tries every order.
//!
//! Lists and registers, failed and indeterminate transactions, sessions with several transactions in flight.
//! Nothing that the reference refutes may hold, nothing that it allows may be violated; and where the history
//! says enough, the answer must not be *unknown*.

mod reference;

use checker::{IsolationLevel, Property, Report, TransactionEvidence, Verdict};
use histories::History;
use reference::{Orders, allows};
use std::collections::BTreeMap;
use testkit::transactions::{KeyType, random_history};
use testkit::{
    TestRandom, check_confirmed, draw_history, isolation_properties, model_of_transactions, question_about,
    test_limits,
};

const LEVELS: &[IsolationLevel] = &[
    IsolationLevel::StrictSerializable,
    IsolationLevel::StrongSessionSerializable,
    IsolationLevel::Serializable,
    IsolationLevel::RepeatableRead,
    IsolationLevel::StrongSnapshotIsolation,
    IsolationLevel::StrongSessionSnapshotIsolation,
    IsolationLevel::SnapshotIsolation,
    IsolationLevel::ReadCommitted,
    IsolationLevel::Causal,
    IsolationLevel::ReadAtomic,
    IsolationLevel::MonotonicAtomicView,
];

fn run(history: &History) -> Report {
    run_levels(history, LEVELS)
}

fn run_levels(history: &History, levels: &[IsolationLevel]) -> Report {
    let question = question_about(model_of_transactions(history), &isolation_properties(levels));
    check_confirmed(history, &question, &test_limits(100_000, 1 << 30))
}

/// Whether what was found leaves in doubt which versions there were.
fn is_clouded(report: &Report) -> bool {
    report.phenomena.iter().any(|anomaly| anomaly.phenomenon.leaves_versions_uncertain())
}

fn level_of(property: Property) -> IsolationLevel {
    match property {
        Property::Isolation(level) => level,
        other => panic!("nobody asked for {}", other.name()),
    }
}

/// Levels whose verdict is never unknown, unless reads contradict themselves.
const DECIDED: &[IsolationLevel] = &[
    IsolationLevel::StrictSerializable,
    IsolationLevel::StrongSessionSerializable,
    IsolationLevel::Serializable,
    IsolationLevel::ReadCommitted,
];

/// Levels whose verdict is never unknown where each value has one writer.
const DECIDED_ALWAYS: &[IsolationLevel] = &[
    IsolationLevel::Causal,
    IsolationLevel::ReadAtomic,
    IsolationLevel::MonotonicAtomicView,
    IsolationLevel::ReadCommitted,
];

fn compare(kind: KeyType, seeds: std::ops::Range<u64>) -> BTreeMap<(&'static str, &'static str), u32> {
    let mut counts = BTreeMap::new();
    for seed in seeds {
        let history = random_history(&mut TestRandom::new(seed), kind);
        let report = run(&history);
        let orders = Orders::new(&history);
        let clouded = is_clouded(&report);
        for answer in &report.answers {
            let (level, name) = (level_of(answer.property), answer.verdict.name());
            *counts.entry((level.name(), name)).or_default() += 1;
            let allowed = allows(&orders, level);
            let right = match &answer.verdict {
                Verdict::Holds(_) => allowed,
                Verdict::Violated(_) => !allowed,
                Verdict::Untested(_) => false,
                Verdict::Unknown(_) => {
                    clouded || !(DECIDED_ALWAYS.contains(&level) || DECIDED.contains(&level))
                }
            };
            assert!(
                right,
                "seed {seed}: {} is {name}, the reference says {allowed}\n{answer:?}\n{}\n{:#?}",
                level.name(),
                draw_history(&history),
                report.phenomena
            );
        }
    }
    counts
}

/// How many histories of each kind; `STEADFAST_SEEDS` for more.
fn seeds() -> u64 {
    std::env::var("STEADFAST_SEEDS")
        .map_or(6_000, |count| count.parse().expect("STEADFAST_SEEDS is a number"))
}

/// Each verdict must occur, or the test would not test it.
fn both_occur(counts: &BTreeMap<(&'static str, &'static str), u32>, at_least: u32) {
    for level in LEVELS {
        for verdict in ["holds", "violated"] {
            let count = counts.get(&(level.name(), verdict)).copied().unwrap_or(0);
            assert!(count >= at_least, "{} {verdict} only {count} times: {counts:#?}", level.name());
        }
    }
}

#[test]
fn lists_agree_with_the_reference() {
    both_occur(&compare(KeyType::List, 0..seeds()), 100);
}

#[test]
fn registers_agree_with_the_reference() {
    let counts = compare(KeyType::Register, 0..seeds());
    both_occur(&counts, 100);
}

/// Where no cycle is certain, and there is none the less no serial order, the proof goes through cases: it must come up.
#[test]
fn proofs_by_cases_come_up() {
    let by_cases = |seed: &u64| {
        let report = run(&random_history(&mut TestRandom::new(*seed), KeyType::Register));
        let mut examples = report.phenomena.iter().flat_map(|anomaly| &anomaly.examples);
        examples.any(|example| matches!(example, TransactionEvidence::Lemmas(_)))
    };
    let count = (0..6_000).filter(by_cases).count();
    assert!(count >= 30, "only {count} of 6,000");
}

/// Asked for by themselves these are decided without an index where the history is plain, and with fewer cycles looked for
/// where it is not. The verdicts must be the same.
#[test]
fn levels_by_execution_do_not_depend_on_what_else_is_asked() {
    for (kind, seed) in [KeyType::List, KeyType::Register]
        .into_iter()
        .flat_map(|kind| (0..3_000).map(move |seed| (kind, seed)))
    {
        let history = random_history(&mut TestRandom::new(seed), kind);
        let orders = Orders::new(&history);
        for levels in [DECIDED_ALWAYS, &DECIDED_ALWAYS[..3], &DECIDED_ALWAYS[1..2], &DECIDED_ALWAYS[2..3]] {
            let report = run_levels(&history, levels);
            for answer in &report.answers {
                let allowed = allows(&orders, level_of(answer.property));
                let right = match answer.verdict {
                    Verdict::Holds(_) => allowed,
                    Verdict::Violated(_) => !allowed,
                    Verdict::Untested(_) => false,
                    Verdict::Unknown(_) => is_clouded(&report),
                };
                assert!(right, "{kind:?} {seed}: {answer:?}\n{}", draw_history(&history));
            }
        }
    }
}

#[test]
fn the_same_history_gives_the_same_answer() {
    for seed in 0..200 {
        let history = random_history(&mut TestRandom::new(seed), KeyType::List);
        let (one, other) = (run(&history), run(&history));
        assert_eq!(one, other);
        assert!(one.phenomena.iter().all(|anomaly| anomaly.count > 0));
    }
}
