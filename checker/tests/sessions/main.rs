//! The session guarantees against brute force, on random small histories.

mod generator;
mod reference;

use checker::check::{Assume, FailedCas, Model, Question};
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
fn random(seed: u64, shape: fn(&mut Random) -> Shape) -> (History, Question) {
    let mut random = Random(seed);
    let shape = shape(&mut random);
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

/// How many verdicts of each level were (violated, holds), and how many answers took more than a graph.
#[derive(Default, Debug)]
struct Counts {
    verdicts: [[u32; 2]; 5],
    ambiguous: u32,
}

/// Holds one history's verdicts, and their evidence, against all executions.
fn compare(seed: u64, (history, question): (History, Question), counts: &mut Counts) {
    let expected = reference::holds(&history, &question);
    let found = sessions::check_levels(&history, &LEVELS, &question, &limits());
    for (at, ((method, verdict), level)) in found.iter().zip(LEVELS).enumerate() {
        let told = || format!("seed {seed}, {}, {question:?}\n{}{verdict:?}", level.name(), drawn(&history));
        match verdict {
            Verdict::Holds(_) => assert!(expected[at], "holds, but no execution fits\n{}", told()),
            Verdict::Violated(_) => assert!(!expected[at], "violated, but an execution fits\n{}", told()),
            Verdict::Unknown(_) => panic!("unknown\n{}", told()),
        }
        if let Err(why) = sessions::recheck::verdict(&history, level, &question, verdict) {
            panic!("the evidence does not hold: {why}\n{}", told());
        }
        counts.verdicts[at][usize::from(expected[at])] += 1;
        counts.ambiguous += u32::from(method == "version-search");
    }
}

#[test]
fn agrees_with_brute_force_on_random_histories() {
    let mut counts = Counts::default();
    (0..30_000).for_each(|seed| compare(seed, random(seed, Shape::new), &mut counts));
    // What was tested must be worth it: enough of both verdicts, enough that was ambiguous.
    assert!(counts.verdicts.iter().flatten().all(|&count| count > 5_000), "{counts:?}");
    assert!(counts.ambiguous > 15_000, "{counts:?}");
}

#[test]
fn agrees_with_brute_force_where_it_is_open_what_took_effect() {
    let mut counts = Counts::default();
    (0..10_000).for_each(|seed| compare(seed, random(seed, Shape::tangled), &mut counts));
    assert!(counts.verdicts.iter().flatten().all(|&count| count > 1_000), "{counts:?}");
    assert!(counts.ambiguous > 15_000, "{counts:?}");
}
