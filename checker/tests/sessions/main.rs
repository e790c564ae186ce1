//! The session guarantees against brute force, on random small histories.

mod generator;
mod reference;

use checker::check::{Assume, FailedCas, Model, Question, Witness};
use checker::{Limits, Verdict, sessions};
use generator::{Random, Run, Shape};
use histories::{History, OpId};
use reference::LEVELS;
use std::sync::atomic::AtomicBool;

static NEVER_STOP: AtomicBool = AtomicBool::new(false);

fn limits() -> Limits<'static> {
    Limits { steps: 1_000_000, bytes: 1 << 26, stop: &NEVER_STOP }
}

/// The history of a seed, and a question of it.
fn random(seed: u64) -> (History, Question) {
    let mut random = Random(seed);
    let shape = Shape::new(&mut random);
    let initial = if random.chance(80) { "null" } else { "0" };
    let assume = Assume { sequential_keys: random.chance(15), linearizable_keys: random.chance(15) };
    let failed_cas = if random.chance(50) { FailedCas::SaysNothing } else { FailedCas::Observes };
    let history = Run::new(random, shape, initial).history();
    let initial = history.values.get(initial).expect("it was interned first");
    (history, Question { model: Model::CasRegister, initial, failed_cas, assume })
}

/// A history as a person reads it, for the message of a failure.
fn drawn(history: &History) -> String {
    let line = |op: OpId| {
        let row = history.operation(op);
        let name = history.function_name(row.function);
        format!(
            "{}: {} {} {} {:?} -> {} [{}, {}] {:?} @{:?}\n",
            history.index(op),
            history.session_text(row.session),
            history.key_text(row.key),
            name,
            match row.argument {
                histories::Argument::Pair(old, new) =>
                    format!("{} > {}", history.value_text(old), history.value_text(new)),
                _ => history.value_text(row.value()).to_owned(),
            },
            history.value_text(row.result),
            row.invoked,
            row.completed,
            row.outcome,
            history.version(op),
        )
    };
    history.ids().map(line).collect()
}

#[test]
fn agrees_with_brute_force_on_random_histories() {
    let mut counts = [[0u32; 2]; 5];
    let mut searched = 0;
    for seed in 0..30_000 {
        let (history, question) = random(seed);
        let expected = reference::holds(&history, &question);
        let found = sessions::check_levels(&history, &LEVELS, &question, &limits());
        for (at, ((method, verdict), level)) in found.iter().zip(LEVELS).enumerate() {
            let told = format!("seed {seed}, {}, {question:?}\n{}", level.name(), drawn(&history));
            match verdict {
                Verdict::Holds(_) => assert!(expected[at], "holds, but no execution fits\n{told}"),
                Verdict::Violated(_) => {
                    assert!(!expected[at], "violated, but an execution fits\n{told}{verdict:?}")
                }
                Verdict::Unknown(why) => panic!("unknown: {}\n{told}", why.reason),
            }
            if let Err(why) = sessions::recheck::verdict(&history, level, &question, verdict) {
                panic!("the evidence does not hold: {why}\n{told}{verdict:?}");
            }
            counts[at][usize::from(expected[at])] += 1;
            searched += u32::from(method == "version-search");
        }
    }
    // What was tested must be worth it: enough of both verdicts, enough that was ambiguous.
    println!("violated and holding, by level: {counts:?}; ambiguous: {searched}");
    assert!(counts.iter().flatten().all(|&count| count > 2_000), "{counts:?}");
    assert!(searched > 10_000, "{searched}");
}

#[test]
fn witnesses_are_version_orders() {
    let (history, question) = random(1);
    for (_, verdict) in sessions::check_levels(&history, &LEVELS, &question, &limits()) {
        if let Verdict::Holds(witness) = verdict {
            assert!(matches!(witness, Witness::Versions(_)));
        }
    }
}
