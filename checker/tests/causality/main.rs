//! The levels of causality against brute force, on random small histories, and against the literature's examples.

#[path = "../sessions/generator.rs"]
mod generator;
mod reference;

use checker::check::{Anomaly, Assume, FailedCas, Model, Question, Witness, check};
use checker::{Level, Limits, Verdict, causality};
use generator::{Random, Run, Shape};
use histories::{Argument, History, ValueId, notation};
use std::sync::atomic::AtomicBool;

static NEVER_STOP: AtomicBool = AtomicBool::new(false);

/// In the order of [`reference::Holds`].
const LEVELS: [Level; 5] =
    [Level::Sequential, Level::CausalConvergence, Level::CausalMemory, Level::Causal, Level::Pram];

fn limits() -> Limits<'static> {
    Limits { steps: 100_000_000, bytes: 1 << 26, stop: &NEVER_STOP }
}

fn question() -> Question {
    Question {
        model: Model::CasRegister,
        initial: ValueId::NULL,
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    }
}

fn shape(random: &mut Random) -> Shape {
    let shape = Shape::new(random);
    Shape {
        operations: 3 + random.below(5),
        sessions: 2 + random.below(2),
        keys: 1 + random.below(2),
        repeats: if random.chance(70) { 0 } else { 35 },
        tokens: false,
        writes: 3,
        ..shape
    }
}

/// The history of a seed, and a question of it.
fn random(seed: u64, shape: fn(&mut Random) -> Shape) -> (History, Question) {
    let mut random = Random(seed);
    let shape = shape(&mut random);
    let initial = if random.chance(80) { "null" } else { "0" };
    let history = Run::new(random, shape, initial).history();
    let initial = history.values.get(initial).expect("it was interned first");
    (history, Question { initial, ..question() })
}

/// A history as a person reads it, for the message of a failure.
fn drawn(history: &History) -> String {
    let line = |op| {
        let row = history.operation(op);
        let argument = match row.argument {
            Argument::Pair(old, new) => {
                format!("{} > {}", history.value_text(old), history.value_text(new))
            }
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
    reference::ids(history).into_iter().map(line).collect()
}

type Found = Verdict<Witness, Vec<Anomaly>>;

fn verdicts(history: &History, question: &Question, limits: &Limits<'_>) -> Vec<(String, Found)> {
    let one = |&level: &Level| {
        let answer = check(history, level, question, limits);
        if let Err(why) = causality::recheck::verdict(history, level, question, &answer.verdict) {
            panic!("the evidence of {} does not hold: {why}\n{}{answer:?}", level.name(), drawn(history));
        }
        (answer.method, answer.verdict)
    };
    LEVELS.iter().map(one).collect()
}

/// How many verdicts of each level were (violated, holds), and how many were found in which way.
#[derive(Default, Debug)]
struct Counts {
    verdicts: [[u32; 2]; 5],
    methods: std::collections::BTreeMap<String, u32>,
}

fn compare(seed: u64, (history, question): (History, Question), counts: &mut Counts) {
    let expected = reference::holds(&history, &question);
    for (at, (method, verdict)) in verdicts(&history, &question, &limits()).into_iter().enumerate() {
        let told =
            || format!("seed {seed}, {}, {question:?}\n{}{verdict:?}", LEVELS[at].name(), drawn(&history));
        match verdict {
            Verdict::Holds(_) => assert!(expected[at], "holds, but no execution fits\n{}", told()),
            Verdict::Violated(_) => assert!(!expected[at], "violated, but an execution fits\n{}", told()),
            Verdict::Unknown(_) => panic!("unknown\n{}", told()),
        }
        counts.verdicts[at][usize::from(expected[at])] += 1;
        *counts.methods.entry(method).or_default() += 1;
    }
    implications(&history, &question, expected);
}

/// What implies what, of the verdicts themselves.
fn implications(history: &History, question: &Question, [seq, ccv, cm, cc, pram]: [bool; 5]) {
    let holds =
        |level: Level| matches!(check(history, level, question, &limits()).verdict, Verdict::Holds(_));
    let told = || drawn(history);
    assert!(!holds(Level::Linearizable) || seq, "linearizable, not sequential\n{}", told());
    assert!(!seq || ccv && cm, "sequential, not causal\n{}", told());
    assert!((!ccv || cc) && (!cm || cc) && (!cm || pram), "stronger, not weaker\n{}", told());
    assert!(!ccv || holds(Level::Session), "convergent, no session guarantees\n{}", told());
    let writes = holds(Level::MonotonicWrites) && holds(Level::WritesFollowReads);
    assert!(!cc || writes, "causal, and writes are out of order\n{}", told());
}

#[test]
fn agrees_with_brute_force_on_random_histories() {
    let mut counts = Counts::default();
    (0..20_000).for_each(|seed| compare(seed, random(seed, shape), &mut counts));
    println!("{counts:?}");
    // What was tested must be worth it: enough of both verdicts, by all methods.
    assert!(counts.verdicts.iter().flatten().all(|&count| count > 3_000), "{counts:?}");
}
