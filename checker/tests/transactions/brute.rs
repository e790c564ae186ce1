//! Random small histories against a reference that is written from the definitions: it tries every order.
//!
//! Lists and registers, failed and indeterminate transactions, sessions with several transactions in flight.
//! Nothing that the reference refutes may hold, nothing that it allows may be violated, and nothing may be *unknown*.

use super::reference::{Orders, allows};
use checker::{IsolationLevel, Property, Report, TransactionEvidence, Verdict};
use histories::format::{Format, from_text, write_native};
use histories::{DeclaredIsolation, History};
use std::collections::BTreeMap;
use testkit::transactions::{
    KeyType, history_of_mixed_levels, history_of_one_level, history_of_repeated_elements,
    history_of_repeated_values, random_history,
};
use testkit::{
    TestRandom, check_confirmed, draw_history, isolation_properties, model_of_transactions, question_about,
    test_limits,
};

pub(super) const LEVELS: &[IsolationLevel] = IsolationLevel::ALL;

fn run(history: &History) -> Report {
    run_levels(history, LEVELS)
}

pub(super) fn run_levels(history: &History, levels: &[IsolationLevel]) -> Report {
    let question = question_about(model_of_transactions(history), &isolation_properties(levels));
    check_confirmed(history, &question, &test_limits(100_000, 1 << 30))
}

pub(super) fn level_of(property: Property) -> IsolationLevel {
    match property {
        Property::Isolation(level) => level,
        other => panic!("nobody asked for {}", other.name()),
    }
}

/// Levels that are decided without an index where the history is plain.
const BY_EXECUTION: &[IsolationLevel] =
    &[IsolationLevel::Causal, IsolationLevel::ReadAtomic, IsolationLevel::MonotonicAtomicView];

/// What the histories are made of.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Distinct(KeyType),
    Repeated,
    /// Lists to which several transactions append equal elements.
    RepeatedElements,
    /// Transactions that declare levels, with few or many values.
    Mixed(KeyType, u32),
}

fn generate_history(kind: Kind, seed: u64) -> History {
    let mut random = TestRandom::new(seed);
    match kind {
        Kind::Distinct(kind) => random_history(&mut random, kind),
        Kind::Repeated => history_of_repeated_values(&mut random),
        Kind::RepeatedElements => history_of_repeated_elements(&mut random),
        Kind::Mixed(kind, values) => history_of_mixed_levels(&mut random, kind, values),
    }
}

type VerdictCounts = BTreeMap<(&'static str, &'static str), u32>;

fn compare(kind: Kind, seeds: std::ops::Range<u64>) -> VerdictCounts {
    compare_levels(kind, LEVELS, seeds)
}

fn compare_levels(kind: Kind, levels: &[IsolationLevel], seeds: std::ops::Range<u64>) -> VerdictCounts {
    compare_histories(kind, levels, seeds, |history| history)
}

fn compare_histories(
    kind: Kind,
    levels: &[IsolationLevel],
    seeds: std::ops::Range<u64>,
    change: fn(History) -> History,
) -> VerdictCounts {
    let mut counts = BTreeMap::new();
    for seed in seeds {
        let history = change(generate_history(kind, seed));
        let report = run_levels(&history, levels);
        let orders = Orders::new(&history);
        for answer in &report.answers {
            let (level, name) = (level_of(answer.property), answer.verdict.name());
            *counts.entry((level.name(), name)).or_default() += 1;
            let allowed = allows(&orders, level);
            let right = match &answer.verdict {
                Verdict::Holds(_) => allowed,
                Verdict::Violated(_) => !allowed,
                Verdict::Unknown(why) => is_left_open(level, &why.reason),
                Verdict::Untested(_) => false,
            };
            assert!(
                right,
                "{kind:?}, seed {seed}: {} is {name}, the reference says {allowed}\n{answer:?}\n{}\n{:#?}",
                level.name(),
                draw_history(&history),
                report.phenomena
            );
        }
    }
    counts
}

/// Whether a level may be unknown. A case for each transaction that may have failed would decide it.
fn is_left_open(level: IsolationLevel, reason: &str) -> bool {
    level == IsolationLevel::Mixed && reason.starts_with("dirty reads show what an indeterminate transaction")
}

/// How many histories of each kind; `STEADFAST_SEEDS` for more.
fn seeds() -> u64 {
    std::env::var("STEADFAST_SEEDS")
        .map_or(3_000, |count| count.parse().expect("STEADFAST_SEEDS is a number"))
}

/// Each verdict must occur, or the test would not test it.
fn both_occur(counts: &BTreeMap<(&'static str, &'static str), u32>, never: &[&str]) {
    for level in LEVELS {
        for verdict in ["holds", "violated"] {
            let count = counts.get(&(level.name(), verdict)).copied().unwrap_or(0);
            let can = verdict == "holds" || !never.contains(&level.name());
            assert!(count >= 8 || !can, "{} {verdict} only {count} times: {counts:#?}", level.name());
        }
    }
}

/// Levels that no history over registers violates, for they ask nothing of reads.
const OF_WRITES_ALONE: &[&str] =
    &["read-uncommitted", "strong-session-read-uncommitted", "strong-read-uncommitted"];

#[test]
fn lists_agree_with_the_reference() {
    both_occur(&compare(Kind::Distinct(KeyType::List), 0..seeds()), &[]);
}

#[test]
fn registers_agree_with_the_reference() {
    both_occur(&compare(Kind::Distinct(KeyType::Register), 0..seeds()), OF_WRITES_ALONE);
}

#[test]
fn registers_whose_values_repeat_agree_with_the_reference() {
    both_occur(&compare(Kind::Repeated, 0..seeds()), OF_WRITES_ALONE);
}

/// A history without real time stands in its file session by session, so that nothing tells when anything happened.
#[test]
fn registers_without_real_time_agree_with_the_reference() {
    let levels: Vec<IsolationLevel> =
        LEVELS.iter().copied().filter(|level| !level.name().starts_with("str")).collect();
    for (number, kind) in (1..).zip([Kind::Repeated, Kind::Distinct(KeyType::Register)]) {
        let first = number * 2_000_000;
        let counts = compare_histories(kind, &levels, first..first + seeds(), without_real_time);
        for level in &levels {
            let count = counts.get(&(level.name(), "holds")).copied().unwrap_or(0);
            assert!(count >= 8, "{} holds only {count} times: {counts:#?}", level.name());
        }
        for level in ["serializable", "session-serializable", "snapshot-isolation", "prefix"] {
            let count = counts.get(&(level, "violated")).copied().unwrap_or(0);
            assert!(count >= 8, "{level} is violated only {count} times: {counts:#?}");
        }
    }
}

/// The same transactions, session by session, with a header that says that their order is no real time.
fn without_real_time(history: History) -> History {
    let mut text = b"{\"steadfast\":1,\"real_time\":false}\n".to_vec();
    write_native(&history, &mut text).expect("a vector takes everything");
    let text = String::from_utf8(text).expect("text");
    from_text(Format::Native, &text).expect("it is read back")
}

/// Two appends of equal elements leave open which of them a list shows. Each way to tell them apart is a case.
#[test]
fn lists_whose_elements_repeat_agree_with_the_reference() {
    let counts = compare(Kind::RepeatedElements, 0..seeds());
    both_occur(&counts, &[]);
    println!("lists whose elements repeat: {counts:#?}");
}

/// Each transaction declares a level of its own, or none. Now and then all levels are asked together: the verdict must not depend on it.
#[test]
fn transactions_that_declare_levels_agree_with_the_reference() {
    let kinds = [
        (KeyType::List, u32::MAX),
        (KeyType::Register, u32::MAX),
        (KeyType::Register, 2),
        (KeyType::List, 1),
        (KeyType::List, 3),
    ];
    for (number, (kind, values)) in (0..).zip(kinds) {
        let first = number * 1_000_000;
        let kind = Kind::Mixed(kind, values);
        let counts = compare_levels(kind, &[IsolationLevel::Mixed], first..first + seeds());
        for verdict in ["holds", "violated"] {
            let count = counts.get(&("mixed", verdict)).copied().unwrap_or(0);
            assert!(u64::from(count) > seeds() / 20, "{verdict} only {count} times: {counts:?}");
        }
        let open = counts.get(&("mixed", "unknown")).copied().unwrap_or(0);
        assert!(u64::from(open) <= seeds() / 500, "{open} of {} are left open", seeds());
        compare_levels(kind, LEVELS, first..first + seeds() / 10);
    }
}

/// Where all transactions declare one level, the verdict on mixed levels is the verdict on that level.
#[test]
fn one_level_for_all_is_that_level() {
    for seed in 0..seeds() {
        let kind = [KeyType::List, KeyType::Register][seed as usize % 2];
        let mut random = TestRandom::new(seed);
        let level = random.one_of(&DeclaredIsolation::ALL);
        let history = history_of_one_level(&mut random, kind, level);
        let same = IsolationLevel::by_name(level.name()).expect("a level");
        let report = run_levels(&history, &[IsolationLevel::Mixed, same]);
        let verdicts: Vec<&str> = report.answers.iter().map(|answer| answer.verdict.name()).collect();
        assert_eq!(verdicts[0], verdicts[1], "seed {seed}: {}\n{}", level.name(), draw_history(&history));
    }
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
        for levels in [BY_EXECUTION, &BY_EXECUTION[..1], &BY_EXECUTION[1..2], &BY_EXECUTION[2..]] {
            let report = run_levels(&history, levels);
            for answer in &report.answers {
                let allowed = allows(&orders, level_of(answer.property));
                let right = match answer.verdict {
                    Verdict::Holds(_) => allowed,
                    Verdict::Violated(_) => !allowed,
                    Verdict::Untested(_) | Verdict::Unknown(_) => false,
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
