//! CC, CCv, CM and PRAM: against brute force on random small histories, and on the examples of the literature.

#[path = "../sessions/generator.rs"]
mod generator;
mod reference;

use checker::check::{Answer, Assume, Evidence, FailedCas, Model, Question, Witness, check};
use checker::{Level, Limits, Verdict, causality};
use generator::{Random, Run, Shape};
use histories::{Argument, History, OpId, ValueId, notation};
use reference::LEVELS;
use std::sync::atomic::AtomicBool;

static NEVER_STOP: AtomicBool = AtomicBool::new(false);

fn limits() -> Limits<'static> {
    Limits { steps: 1_000_000, bytes: 1 << 26, stop: &NEVER_STOP }
}

fn question(initial: ValueId) -> Question {
    Question {
        model: Model::CasRegister,
        initial,
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    }
}

/// The history of a seed, and a question of it: values mostly differ.
fn random(seed: u64) -> (History, Question) {
    let mut random = Random(seed);
    let often = |random: &mut Random, percent| if random.chance(50) { 0 } else { percent };
    let shape = Shape {
        operations: 3 + random.below(5),
        sessions: 2 + random.below(2),
        keys: 1 + random.below(2),
        tabs: if random.chance(75) { 1 } else { 2 },
        repeats: 0,
        cas: often(&mut random, 30),
        info: often(&mut random, 30),
        fail: often(&mut random, 10),
        mad: often(&mut random, 5),
        stale: 20 + random.below(70),
        tokens: false,
        hangs: 5,
        writes: 4,
    };
    let initial = if random.chance(80) { "null" } else { "0" };
    let history = Run::new(random, shape, initial).history();
    let initial = history.values.get(initial).expect("it was interned first");
    (history, question(initial))
}

/// A history as a person reads it, for the message of a failure.
fn drawn(history: &History) -> String {
    let line = |op: OpId| {
        let row = history.operation(op);
        let argument = match row.argument {
            Argument::Pair(old, new) => format!("{} > {}", history.value_text(old), history.value_text(new)),
            _ => history.value_text(row.value()).to_owned(),
        };
        format!(
            "{}: {} {} {} {argument} -> {} [{}, {}] {:?}\n",
            history.index(op),
            history.session_text(row.session),
            history.key_text(row.key),
            history.function_name(row.function),
            history.value_text(row.result),
            row.invoked,
            row.completed,
            row.outcome,
        )
    };
    history.ids().map(line).collect()
}

/// Whether some session has operations in flight together: then CM and PRAM may be unknown.
fn overlaps(history: &History) -> bool {
    let all: Vec<_> = history.operations().collect();
    all.iter().any(|a| {
        all.iter().any(|b| a.id < b.id && a.session == b.session && !(a.completed < b.invoked))
    })
}

/// The answer for one level, its evidence checked.
fn answer(history: &History, level: Level, question: &Question) -> Answer {
    let answer = check(history, level, question, &limits());
    let told = || format!("{} {question:?}\n{}{:?}", level.name(), drawn(history), answer.verdict);
    if let Err(why) = causality::recheck::verdict(history, level, question, &answer.verdict) {
        panic!("the evidence does not hold: {why}\n{}", told());
    }
    if let Verdict::Violated(anomalies) = &answer.verdict {
        for anomaly in anomalies {
            assert!(!anomaly.operations.is_empty(), "{}", told());
            if let Evidence::Causality(found) = &anomaly.evidence {
                assert!(!causality::explain::sentence(history, found).is_empty());
            }
        }
    }
    answer
}

#[test]
fn agrees_with_brute_force_on_random_histories() {
    // By level: violated, holds, unknown; and how often a level holds and another does not.
    let mut counts = [[0u32; 3]; 4];
    let mut differ = [[0u32; 4]; 4];
    for seed in 0..12_000 {
        let (history, question) = random(seed);
        if reference::is_open(&history, &question) {
            continue;
        }
        let expected = reference::holds(&history, &question);
        for (at, level) in LEVELS.into_iter().enumerate() {
            let answer = answer(&history, level, &question);
            let told = || format!("seed {seed}, {}\n{}{:?}", level.name(), drawn(&history), answer.verdict);
            let place = match answer.verdict {
                Verdict::Violated(_) => {
                    assert!(!expected[at], "violated, but an execution fits\n{}", told());
                    0
                }
                Verdict::Holds(_) => {
                    assert!(expected[at], "holds, but no execution fits\n{}", told());
                    1
                }
                Verdict::Unknown(_) => {
                    let may = at >= 2 && overlaps(&history);
                    assert!(may, "unknown\n{}", told());
                    2
                }
            };
            counts[at][place] += 1;
        }
        let [cc, ccv, cm, pram] = expected;
        assert!((!ccv || cc) && (!cm || cc && pram), "seed {seed}: {expected:?}\n{}", drawn(&history));
        let linearizable = check(&history, Level::Linearizable, &question, &limits());
        if matches!(linearizable.verdict, Verdict::Holds(_)) {
            assert_eq!(expected, [true; 4], "seed {seed}\n{}", drawn(&history));
        }
        for (one, &holds) in expected.iter().enumerate() {
            (0..4).for_each(|other| differ[one][other] += u32::from(holds && !expected[other]));
        }
    }
    // What was tested must be worth it.
    eprintln!("{counts:?} {differ:?}");
    assert!(counts.iter().all(|one| one[0] > 1_000 && one[1] > 1_000), "{counts:?}");
    assert!(counts.iter().map(|one| one[2]).sum::<u32>() < 60, "{counts:?}");
}
