//! The session guarantees against brute force, on random small histories.

mod reference;

use checker::{
    AnomalyName, Assume, Evidence, FailedCas, Level, Limits, Model, Property, Question, Report, Verdict,
    VersionProofStep, VersionRefutation, Violation, Witness,
};
use histories::{Argument, Function, History, HistoryBuilder, Invocation, KeyId, Payload, ValueId, notation};
use reference::LEVELS;
use std::sync::atomic::AtomicBool;
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, assert_refuted, check_confirmed, draw_history, verdict_of};

fn limits() -> Limits<'static> {
    testkit::test_limits(1_000_000, 1 << 26)
}

/// The history of a seed, and a question of it.
fn random(seed: u64, shape: fn(&mut TestRandom) -> RegisterShape) -> (History, Question) {
    let mut random = TestRandom::new(seed);
    let shape = shape(&mut random);
    let initial = if random.chance(80) { "null" } else { "0" };
    let assume = Assume { sequential_keys: random.chance(15), linearizable_keys: random.chance(15) };
    let failed_cas = if random.chance(50) { FailedCas::SaysNothing } else { FailedCas::Observes };
    let history = RegisterRun::new(random, shape, initial).into_history();
    let mut question = Question { failed_cas, assume, ..question(Model::CasRegister) };
    question.initial.set_default(initial).expect("it is JSON");
    (history, question)
}

/// How many verdicts of each level were (violated, holds), and how many answers took more than a graph.
#[derive(Default, Debug)]
struct Counts {
    verdicts: [[u32; 2]; 5],
    ambiguous: u32,
}

/// Holds one history's verdicts against all executions; their evidence is confirmed.
fn compare(seed: u64, (history, question): (History, Question), counts: &mut Counts) {
    let expected = reference::holds(&history, &question.about_objects(&history));
    let report = check_confirmed(&history, &question, &limits());
    for ((answer, level), (holds, counted)) in
        report.answers.iter().zip(LEVELS).zip(expected.into_iter().zip(&mut counts.verdicts))
    {
        let told = || format!("seed {seed}, {question:?}\n{}{answer:?}", draw_history(&history));
        assert_eq!(answer.property, Property::Level(level));
        match answer.verdict {
            Verdict::Holds(_) => assert!(holds, "holds, but no execution fits\n{}", told()),
            Verdict::Violated(_) => assert!(!holds, "violated, but an execution fits\n{}", told()),
            Verdict::Untested(_) | Verdict::Unknown(_) => panic!("not decided\n{}", told()),
        }
        counted[usize::from(holds)] += 1;
        counts.ambiguous += u32::from(answer.method == "version-search");
    }
}

#[test]
fn agrees_with_brute_force_on_random_histories() {
    let mut counts = Counts::default();
    (0..30_000).for_each(|seed| compare(seed, random(seed, RegisterShape::new), &mut counts));
    // What was tested must be worth it: enough of both verdicts, enough that was ambiguous.
    assert!(counts.verdicts.iter().flatten().all(|&count| count > 5_000), "{counts:?}");
    assert!(counts.ambiguous > 15_000, "{counts:?}");
}

#[test]
fn agrees_with_brute_force_where_it_is_open_what_took_effect() {
    let mut counts = Counts::default();
    (0..10_000).for_each(|seed| compare(seed, random(seed, RegisterShape::tangled), &mut counts));
    assert!(counts.verdicts.iter().flatten().all(|&count| count > 1_000), "{counts:?}");
    assert!(counts.ambiguous > 15_000, "{counts:?}");
}

#[test]
fn cycles_are_the_shortest() {
    let mut lengths = [0u32; 5];
    for seed in 0..20_000 {
        let (history, question) = random(seed, RegisterShape::plain);
        let asked = question.about_objects(&history);
        let writes = history.operations().filter(|op| op.function != Function::READ);
        let mut values: Vec<ValueId> = writes.map(|op| written(&op.argument)).collect();
        values.push(asked.initial.value_of_key(KeyId::NONE));
        values.sort_unstable();
        if values.windows(2).any(|pair| pair[0] == pair[1]) {
            continue;
        }
        let report = check_confirmed(&history, &question, &limits());
        for (at, answer) in report.answers.iter().enumerate() {
            let Verdict::Violated(anomalies) = &answer.verdict else { continue };
            let cycles = anomalies.iter().filter_map(|anomaly| match &anomaly.evidence {
                Evidence::Cycle(cycle) => Some(cycle),
                _ => None,
            });
            let Some(found) = cycles.map(|cycle| cycle.cycles().next().expect("a cycle").len()).min() else {
                continue;
            };
            let expected = reference::fewest(&history, &asked, at);
            assert_eq!(Some(found), expected, "seed {seed}\n{}{answer:?}", draw_history(&history));
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

fn question(model: Model) -> Question {
    testkit::question_about(model, &testkit::level_properties(&LEVELS))
}

fn check(drawing: &str, level: Level, limits: &Limits<'_>) -> Verdict {
    let history = notation::parse(drawing).expect("a drawing");
    let asked = testkit::question_about(Model::Register, &[Property::Level(level)]);
    check_confirmed(&history, &asked, limits).answers.remove(0).verdict
}

fn reason(verdict: Verdict) -> String {
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
    assert_eq!(told, Limits::STOPPED);
    // Where nothing is ambiguous no step is needed.
    assert_eq!(check("a: [w1] [r_]", Level::Session, &Limits { steps: 0, ..limits() }).name(), "violated");
}

/// A violation that this cycle shows, told as the checker tells it.
fn by_cycle(cycle: &VersionRefutation) -> Verdict {
    Verdict::Violated(vec![Violation {
        kind: AnomalyName::new(cycle.anomaly_name()),
        key: cycle.key,
        operations: cycle.involved_operations(),
        evidence: Evidence::Cycle(cycle.clone()),
    }])
}

fn found(report: &Report, level: Level) -> Verdict {
    verdict_of(report, Property::Level(level)).clone()
}

#[test]
fn tampered_evidence_is_refused() {
    let history = notation::parse("a: [w1] [w2]\nb:           [r1] [r2] [r_]").expect("a drawing");
    let asked = question(Model::Register);
    let report = check_confirmed(&history, &asked, &limits());
    let refused =
        |level: Level, verdict: Verdict| assert_refuted(&history, &asked, Property::Level(level), verdict);
    let Verdict::Holds(Witness::Versions(mut orders)) = found(&report, LEVELS[2]) else {
        panic!("monotonic writes hold")
    };
    orders[0].writes.swap(0, 1);
    refused(LEVELS[2], Verdict::Holds(Witness::Versions(orders.clone())));
    orders[0].writes.pop();
    refused(LEVELS[0], Verdict::Holds(Witness::Versions(orders)));
    let Verdict::Violated(anomalies) = found(&report, LEVELS[1]) else {
        panic!("monotonic reads are violated")
    };
    let Evidence::Cycle(mut cycle) = anomalies[0].evidence.clone() else { panic!("by a cycle") };
    assert_eq!(by_cycle(&cycle), Verdict::Violated(vec![anomalies[0].clone()]), "as the checker tells it");
    // It is a cycle of another level.
    refused(LEVELS[0], by_cycle(&cycle));
    let proof = cycle.proof.clone();
    for change in 0..3 {
        cycle.proof.clone_from(&proof);
        let VersionProofStep::Cycle(constraints) = &mut cycle.proof[0] else { panic!("of one step") };
        match change {
            0 => constraints.truncate(1),
            1 => constraints[0].to = constraints[0].from,
            _ => constraints[0].from = None,
        }
        refused(LEVELS[1], by_cycle(&cycle));
    }
    // It goes on after its end.
    cycle.proof = vec![proof[0].clone(), proof[0].clone()];
    refused(LEVELS[1], by_cycle(&cycle));
}

#[test]
fn a_session_of_half_a_million_operations_overflows_nothing() {
    let mut builder = HistoryBuilder::new();
    let session = Some(builder.history().sessions.intern("\"s\""));
    for n in 0..250_000 {
        let value = builder.history().values.intern(&n.to_string());
        for (function, argument) in [(Function::WRITE, value), (Function::READ, ValueId::NULL)] {
            let (process, key, payload) = (0, KeyId::NONE, Payload::Value(argument));
            let invocation = Invocation { process, session, function, key, payload };
            testkit::record_operation(&mut builder, invocation, Payload::Value(value));
        }
    }
    let limits = Limits { bytes: 1 << 30, ..limits() };
    let report = checker::check(&builder.finish(), &question(Model::Register), &limits).expect("answers");
    assert!(report.answers.iter().all(|answer| answer.verdict.name() == "holds"));
}
