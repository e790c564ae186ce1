//! Random small histories against a reference that is written from the definitions: it tries every order.
//!
//! Lists and registers, failed and indeterminate transactions, sessions with several transactions in flight.
//! Nothing that the reference refutes may hold, nothing that it allows may be violated; and where the history
//! says enough, the answer must not be *unknown*.

mod reference;

use checker::check::Assume;
use checker::transactions::{Analysis, Evidence, Isolation, Options, Phenomenon, analyze, recheck};
use checker::{Limits, Verdict};
use histories::History;
use reference::random::{Kind, Random, history};
use reference::{Orders, allows};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

const LEVELS: &[Isolation] = &[
    Isolation::StrictSerializable,
    Isolation::StrongSessionSerializable,
    Isolation::Serializable,
    Isolation::RepeatableRead,
    Isolation::StrongSnapshotIsolation,
    Isolation::StrongSessionSnapshotIsolation,
    Isolation::SnapshotIsolation,
    Isolation::ReadCommitted,
    Isolation::Causal,
    Isolation::ReadAtomic,
    Isolation::MonotonicAtomicView,
];

fn run(history: &History) -> Analysis {
    run_levels(history, LEVELS)
}

fn run_levels(history: &History, levels: &[Isolation]) -> Analysis {
    let stop = AtomicBool::new(false);
    let limits = Limits { steps: 100_000, bytes: 1 << 30, stop: &stop };
    let options = Options { levels: levels.to_vec(), assume: Assume::default() };
    let analysis = analyze(history, &options, &limits);
    if let Err(mismatch) = recheck::analysis(history, &options, &analysis) {
        panic!("{mismatch}\n{}", reference::draw(history));
    }
    analysis
}

/// Levels whose verdict is never unknown, unless reads contradict themselves.
const DECIDED: &[Isolation] = &[
    Isolation::StrictSerializable,
    Isolation::StrongSessionSerializable,
    Isolation::Serializable,
    Isolation::ReadCommitted,
];

/// Levels whose verdict is never unknown where each value has one writer.
const DECIDED_ALWAYS: &[Isolation] =
    &[Isolation::Causal, Isolation::ReadAtomic, Isolation::MonotonicAtomicView, Isolation::ReadCommitted];

fn compare(kind: Kind, seeds: std::ops::Range<u64>) -> BTreeMap<(&'static str, &'static str), u32> {
    let mut counts = BTreeMap::new();
    for seed in seeds {
        let history = history(&mut Random::new(seed), kind);
        let analysis = run(&history);
        let orders = Orders::new(&history);
        let clouded = analysis.anomalies.iter().any(|anomaly| anomaly.phenomenon.clouds_versions());
        for judgement in &analysis.judgements {
            let level = judgement.level;
            let name = judgement.verdict.name();
            *counts.entry((level.name(), name)).or_default() += 1;
            let allowed = allows(&orders, level);
            let right = match &judgement.verdict {
                Verdict::Holds(_) => allowed,
                Verdict::Violated(_) => !allowed,
                Verdict::Unknown(_) => {
                    clouded || !(DECIDED_ALWAYS.contains(&level) || DECIDED.contains(&level))
                }
            };
            assert!(
                right,
                "seed {seed}: {} is {name}, the reference says {allowed}\n{:?}\n{}\n{:#?}",
                level.name(),
                judgement.verdict,
                reference::draw(&history),
                analysis.anomalies
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
    both_occur(&compare(Kind::List, 0..seeds()), 100);
}

#[test]
fn registers_agree_with_the_reference() {
    let counts = compare(Kind::Register, 0..seeds());
    both_occur(&counts, 100);
}

/// Where no cycle is certain, and there is none the less no serial order, the proof goes through cases: it must come up.
#[test]
fn proofs_by_cases_come_up() {
    let by_cases = |seed: &u64| {
        let analysis = run(&history(&mut Random::new(*seed), Kind::Register));
        let mut examples = analysis.anomalies.iter().flat_map(|anomaly| &anomaly.examples);
        examples.any(|example| matches!(example, Evidence::Lemmas(_)))
    };
    let count = (0..6_000).filter(by_cases).count();
    assert!(count >= 30, "only {count} of 6,000");
}

/// Asked for by themselves these are decided without an index where the history is plain, and with fewer cycles looked for
/// where it is not. The verdicts must be the same.
#[test]
fn levels_by_execution_do_not_depend_on_what_else_is_asked() {
    for (kind, seed) in
        [Kind::List, Kind::Register].into_iter().flat_map(|kind| (0..3_000).map(move |seed| (kind, seed)))
    {
        let history = history(&mut Random::new(seed), kind);
        let orders = Orders::new(&history);
        for levels in [DECIDED_ALWAYS, &DECIDED_ALWAYS[..3], &DECIDED_ALWAYS[1..2], &DECIDED_ALWAYS[2..3]] {
            let analysis = run_levels(&history, levels);
            let clouded = analysis.anomalies.iter().any(|anomaly| anomaly.phenomenon.clouds_versions());
            for judgement in &analysis.judgements {
                let right = match judgement.verdict {
                    Verdict::Holds(_) => allows(&orders, judgement.level),
                    Verdict::Violated(_) => !allows(&orders, judgement.level),
                    Verdict::Unknown(_) => clouded,
                };
                assert!(right, "{kind:?} {seed}: {judgement:?}\n{}", reference::draw(&history));
            }
        }
    }
}

#[test]
fn the_same_history_gives_the_same_answer() {
    for seed in 0..200 {
        let history = history(&mut Random::new(seed), Kind::List);
        let (one, other) = (run(&history), run(&history));
        assert_eq!(one.anomalies, other.anomalies);
        let cycles = one.anomalies.iter().filter(|a| matches!(a.phenomenon, Phenomenon::Cycle(_)));
        assert!(cycles.into_iter().all(|anomaly| anomaly.count > 0));
    }
}
