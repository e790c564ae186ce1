//! The session guarantees against brute force, on random small histories.

mod generator;
mod reference;

use checker::check::{Anomaly, Assume, Evidence, FailedCas, Model, Question, Witness};
use checker::sessions::Step;
use checker::{Level, Limits, Verdict, sessions};
use generator::{Random, Run, Shape};
use histories::{
    Argument, Completion, Function, History, HistoryBuilder, Invocation, KeyId, OpId, Outcome, Payload,
    ValueId, notation,
};
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
                Argument::Pair(old, new) =>
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

#[test]
fn cycles_are_the_shortest() {
    let mut lengths = [0u32; 5];
    for seed in 0..20_000 {
        let (history, question) = random(seed, Shape::plain);
        let writes = history.operations().filter(|op| op.function != Function::READ);
        let mut values: Vec<ValueId> = writes.map(|op| written(&op.argument)).collect();
        values.push(question.initial);
        values.sort_unstable();
        if values.windows(2).any(|pair| pair[0] == pair[1]) {
            continue;
        }
        let found = sessions::check_levels(&history, &LEVELS, &question, &limits());
        for (at, (_, verdict)) in found.iter().enumerate() {
            let Verdict::Violated(anomalies) = verdict else { continue };
            let cycles = anomalies.iter().filter_map(|anomaly| match &anomaly.evidence {
                Evidence::Cycle(cycle) => Some(cycle),
                Evidence::Core(_) | Evidence::Causal(_) => None,
            });
            let Some(found) = cycles.map(|cycle| cycle.cycles().next().expect("a cycle").len()).min() else {
                continue;
            };
            let expected = reference::fewest(&history, &question, at);
            assert_eq!(
                Some(found),
                expected,
                "seed {seed}, {}\n{}{verdict:?}",
                LEVELS[at].name(),
                drawn(&history)
            );
            lengths[found.min(4)] += 1;
        }
    }
    assert!(lengths[1..4].iter().all(|&count| count > 20), "few cycles of some length: {lengths:?}");
}

fn written(argument: &Argument) -> ValueId {
    match argument {
        Argument::Value(new) | Argument::Pair(_, new) => *new,
        Argument::Micros(_) => unreachable!("no transactions are made"),
    }
}

fn question() -> Question {
    Question {
        model: Model::Register,
        initial: ValueId::NULL,
        failed_cas: FailedCas::SaysNothing,
        assume: Assume::default(),
    }
}

fn check(drawing: &str, level: Level, limits: &Limits<'_>) -> Verdict<Witness, Vec<Anomaly>> {
    let history = notation::parse(drawing).expect("a drawing");
    let (_, verdict) = sessions::check_levels(&history, &[level], &question(), limits).remove(0);
    sessions::recheck::verdict(&history, level, &question(), &verdict).expect("evidence");
    verdict
}

fn reason(verdict: Verdict<Witness, Vec<Anomaly>>) -> String {
    match verdict {
        Verdict::Unknown(unknown) => unknown.reason,
        other => panic!("expected unknown, found {}", other.name()),
    }
}

#[test]
fn what_is_not_decided_is_unknown_with_its_reason() {
    let told = reason(check("a: [t wx1] [r1]", Level::Session, &limits()));
    assert!(told.starts_with("operation 0 is a \"txn\""), "{told}");
    let told = reason(check("a: [w1] [enqueue:2] [r1]", Level::Session, &limits()));
    assert!(told.starts_with("operation 2 is a \"enqueue\""), "{told}");
    // What failed did nothing, whatever it was; and an object that is decided violates by itself.
    assert_eq!(check("a: [w1] [enqueue:2 ! [r1]", Level::Session, &limits()).name(), "holds");
    assert_eq!(check("a: [x.enqueue:2] [y.w1] [y.r_]", Level::Session, &limits()).name(), "violated");
}

/// Each read of 1 may be of either write of it, and no first guess fits.
const AMBIGUOUS: &str = "
    a: [w1] [w2] [w1]
    b:                [r1] [r2] [r1] [r2]
";

#[test]
fn limits_end_in_unknown_and_name_the_values() {
    assert_eq!(check(AMBIGUOUS, Level::MonotonicReads, &limits()).name(), "violated");
    let told = reason(check(AMBIGUOUS, Level::MonotonicReads, &Limits { steps: 3, ..limits() }));
    assert_eq!(
        told,
        "no answer within 3 steps: values written more than once (1) leave open which write was read"
    );
    let told = reason(check(AMBIGUOUS, Level::MonotonicReads, &Limits { bytes: 100, ..limits() }));
    assert!(told.contains("beyond the limit"), "{told}");
    let stop = AtomicBool::new(true);
    let told = reason(check(AMBIGUOUS, Level::MonotonicReads, &Limits { stop: &stop, ..limits() }));
    assert!(told.starts_with("stopped"), "{told}");
    // Where nothing is ambiguous no step is needed.
    assert_eq!(check("a: [w1] [r_]", Level::Session, &Limits { steps: 0, ..limits() }).name(), "violated");
}

#[test]
fn tampered_evidence_is_refused() {
    let history = notation::parse("a: [w1] [w2]\nb:           [r1] [r2] [r_]").expect("a drawing");
    let asked = question();
    let mut found = sessions::check_levels(&history, &LEVELS, &asked, &limits());
    let Verdict::Holds(Witness::Versions(orders)) = &mut found[2].1 else { panic!("monotonic writes hold") };
    sessions::recheck::orders(&history, LEVELS[2], &asked, orders).expect("the order is right");
    orders[0].writes.swap(0, 1);
    sessions::recheck::orders(&history, LEVELS[2], &asked, orders).expect_err("the order is inverted");
    orders[0].writes.pop();
    sessions::recheck::orders(&history, LEVELS[0], &asked, orders).expect_err("a write is missing");
    let Verdict::Violated(anomalies) = &mut found[1].1 else { panic!("monotonic reads are violated") };
    let Evidence::Cycle(cycle) = &mut anomalies[0].evidence else { panic!("by a cycle") };
    sessions::recheck::cycle(&history, LEVELS[1], &asked, cycle).expect("the cycle is right");
    sessions::recheck::cycle(&history, LEVELS[0], &asked, cycle).expect_err("it is not of this level");
    let proof = cycle.proof.clone();
    for change in 0..3 {
        cycle.proof.clone_from(&proof);
        let Step::Cycle(constraints) = &mut cycle.proof[0] else { panic!("of one step") };
        match change {
            0 => constraints.truncate(1),
            1 => constraints[0].to = constraints[0].from,
            _ => constraints[0].from = None,
        }
        sessions::recheck::cycle(&history, LEVELS[1], &asked, cycle).expect_err("it was changed");
    }
    cycle.proof = vec![proof[0].clone(), proof[0].clone()];
    sessions::recheck::cycle(&history, LEVELS[1], &asked, cycle).expect_err("it goes on");
}

#[test]
fn a_session_of_half_a_million_operations_overflows_nothing() {
    let mut builder = HistoryBuilder::new();
    let session = builder.history().sessions.intern("\"s\"");
    for n in 0..250_000 {
        let value = builder.history().values.intern(&n.to_string());
        for (function, payload) in [(Function::WRITE, value), (Function::READ, ValueId::NULL)] {
            let (process, key, payload) = (0, KeyId::NONE, Payload::Value(payload));
            let invocation = Invocation { process, session: Some(session), function, key, payload };
            builder.invoke(invocation).expect("nothing is open");
            let payload = Payload::Value(value);
            let outcome = Outcome::Ok;
            let completion = Completion { process, outcome, function: None, key: None, payload };
            builder.complete(completion).expect("it is open");
        }
    }
    let history = builder.finish();
    let limits = Limits { bytes: 1 << 30, ..limits() };
    for (_, verdict) in sessions::check_levels(&history, &LEVELS, &question(), &limits) {
        assert_eq!(verdict.name(), "holds");
    }
}
