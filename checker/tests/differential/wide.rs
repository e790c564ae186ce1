//! A history that is large enough for several threads: levels are decided at once, and objects in several parts. Nothing of this may
//! change a verdict.

use claims::{Level, Property, Verdict};
use histories::{History, Id, OpId};
use rayon::ThreadPoolBuilder;
use std::collections::{BTreeMap, BTreeSet};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, level_properties, question_about, test_limits};

/// Levels that are decided object by object.
const OF_OBJECTS: [Level; 4] =
    [Level::Linearizable, Level::ReadYourWrites, Level::MonotonicReads, Level::Session];
/// Levels that are about all objects together, or that tell only of reads of unwritten values if there are any.
const OF_ALL: [Level; 5] =
    [Level::Causal, Level::Pram, Level::ConsistentPrefix, Level::PerObjectSequential, Level::Regular];

fn history_of_many_objects(seed: u64, fail: usize, stale: usize) -> History {
    let mut random = TestRandom::new(seed);
    let shape = RegisterShape {
        operations: 25_000,
        sessions: 40,
        keys: 2_500,
        tabs: 1,
        repeats: 5,
        cas: 10,
        info: 5,
        fail,
        mad: 0,
        stale,
        tokens: false,
        hangs: 0,
        writes: 5,
    };
    let _ = random.next_u64();
    RegisterRun::new(random, shape, "0").into_history()
}

/// The objects that violate each level.
fn violated_objects(history: &History, levels: &[Level]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut question = question_about(claims::Model::CasRegister, &level_properties(levels));
    question.initial.set_default("0").expect("a value");
    let report = testkit::check_confirmed(history, &question, &test_limits(100_000_000, 1 << 30));
    let mut found = BTreeMap::new();
    for answer in report.answers {
        let Property::Level(level) = answer.property else { unreachable!("only levels were asked") };
        let keys: BTreeSet<String> = match answer.verdict {
            Verdict::Violated(violations) => {
                violations.iter().map(|violation| history.key_text(violation.key).to_owned()).collect()
            }
            Verdict::Holds(_) => BTreeSet::new(),
            other => panic!("{}: {other:?}", level.name()),
        };
        found.insert(level.name(), keys);
    }
    found
}

#[test]
fn objects_of_a_large_history_have_the_verdicts_that_each_has_alone() {
    let history = history_of_many_objects(7, 2, 3);
    let mut alone: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let mut by_key: Vec<Vec<OpId>> = vec![Vec::new(); history.keys.len()];
    history.ids().for_each(|id| by_key[history.key(id).index()].push(id));
    for operations in by_key.iter().filter(|operations| !operations.is_empty()) {
        for (level, keys) in violated_objects(&history.restrict_to(operations), &OF_OBJECTS) {
            alone.entry(level).or_default().extend(keys);
        }
    }
    for threads in [1, 2, 5] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let together = pool.install(|| violated_objects(&history, &OF_OBJECTS));
        for (level, keys) in &together {
            let other: Vec<_> = keys.symmetric_difference(&alone[level]).collect();
            assert!(
                other.is_empty(),
                "{threads} threads, {level}: {} and {}, {other:?}",
                keys.len(),
                alone[level].len()
            );
        }
    }
    for (level, keys) in &alone {
        assert!((20..1_000).contains(&keys.len()), "{level}: {} objects are violated", keys.len());
    }
    assert!(history.keys.len() > 2_000 && history.len() > 20_000);
}

#[test]
fn reports_on_a_large_history_do_not_depend_on_threads() {
    let levels: Vec<Level> = OF_OBJECTS.into_iter().chain(OF_ALL).collect();
    let mut question = question_about(claims::Model::CasRegister, &level_properties(&levels));
    question.initial.set_default("0").expect("a value");
    let mut verdicts = BTreeSet::new();
    for (fail, stale) in [(2, 3), (0, 1), (0, 0)] {
        let history = history_of_many_objects(8, fail, stale);
        let reports = [1, 2, 5].map(|threads| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let check = || checker::check(&history, &question, &test_limits(100_000_000, 1 << 30));
            pool.install(check).expect("the evidence is confirmed")
        });
        assert!(reports[1] == reports[0] && reports[2] == reports[0], "{reports:#?}");
        verdicts.extend(reports[0].answers.iter().map(|answer| answer.verdict.name()));
    }
    assert!(verdicts.contains("holds") && verdicts.contains("violated"), "{verdicts:?}");
}
