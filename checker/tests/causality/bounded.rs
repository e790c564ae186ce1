//! Bounded staleness against brute force from its formula: all orders of the operations on each object, with one of the last k versions
//! for each read, or with reads that began T earlier.

use super::two_versions::holds;
use super::{limits, shape, tangled};
use checker::{Evidence, Level, Model, Property, Question, StalenessBound, Verdict, Witness};
use histories::format::{self, Format, write_native};
use histories::{Function, History, Operation, Outcome, notation};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, assert_refuted, check_confirmed, draw_history};

const LEVEL: Property = Property::Level(Level::BoundedStaleness);

fn question(bound: StalenessBound) -> Question {
    let question = testkit::question_about(Model::CasRegister, &[LEVEL]);
    Question { staleness: Some(bound), ..question }
}

/// The same events, with times that never go back.
fn with_times(history: &History, random: &mut TestRandom) -> History {
    let mut text = Vec::new();
    write_native(history, &mut text).expect("a vector takes everything");
    let mut time = 0;
    let timed = String::from_utf8(text).expect("text").lines().fold(String::new(), |all, line| {
        let mut event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if event.get("type").is_some() {
            time += random.below(4) as u64;
            event["time"] = time.into();
        }
        all + &event.to_string() + "\n"
    });
    format::from_text(Format::Native, &timed).expect("it is read back")
}

fn random(seed: u64, shape: fn(&mut TestRandom) -> RegisterShape) -> (History, &'static str) {
    let mut random = TestRandom::new(seed);
    let shape = shape(&mut random);
    let initial = if random.chance(80) { "null" } else { "0" };
    let history = RegisterRun::new(random, shape, initial).into_history();
    (with_times(&history, &mut TestRandom::new(seed ^ 0x5eed)), initial)
}

/// Counts violated and holds.
fn compare(
    history: &History,
    initial: &str,
    bound: StalenessBound,
    versions: usize,
    before: &dyn Fn(&Operation, &Operation) -> bool,
    counts: &mut [u32; 2],
) -> bool {
    let mut question = question(bound);
    question.initial.set_default(initial).expect("it is JSON");
    let expected = holds(history, &question.about_objects(history), versions, before);
    let report = check_confirmed(history, &question, &limits());
    let told = || format!("{bound:?}\n{}{:?}", draw_history(history), report.answers[0]);
    match report.answers[0].verdict {
        Verdict::Holds(_) => assert!(expected, "holds, but no order fits\n{}", told()),
        Verdict::Violated(_) => assert!(!expected, "violated, but an order fits\n{}", told()),
        _ => panic!("not decided\n{}", told()),
    }
    counts[usize::from(expected)] += 1;
    expected
}

#[test]
fn bounds_in_versions_agree_with_brute_force() {
    let mut counts = [[0; 2]; 4];
    for seed in 0..12_000 {
        let (history, initial) = random(seed, if seed % 4 == 0 { tangled } else { shape });
        let mut wider = false;
        for versions in 1..=4 {
            let (bound, at) = (StalenessBound::Versions(versions), versions as usize);
            let held = compare(&history, initial, bound, at, &|a, b| a.precedes(b), &mut counts[at - 1]);
            assert!(!wider || held, "seed {seed}: {versions} versions are more than fewer");
            wider = held;
        }
    }
    assert!(counts.iter().flatten().all(|&count| count > 1_000), "{counts:?}");
    // Each bound holds of more histories than the one before.
    assert!(counts.windows(2).all(|pair| pair[0][1] + 50 < pair[1][1]), "{counts:?}");
}

#[test]
fn bounds_in_time_agree_with_brute_force() {
    let mut counts = [[0; 2]; 4];
    for seed in 0..12_000 {
        let (history, initial) = random(seed, if seed % 4 == 0 { tangled } else { shape });
        let mut wider = false;
        for (at, ns) in [0, 2, 5, 1_000].into_iter().enumerate() {
            let began = |op: &Operation| {
                let moves = op.function == Function::READ && op.outcome == Outcome::Ok;
                history.invoked_at(op.id).expect("a time") - if moves { ns } else { 0 }
            };
            let before = |a: &Operation, b: &Operation| {
                let is_read = b.function == Function::READ && b.outcome == Outcome::Ok;
                a.precedes(b) && (!is_read || history.completed_at(a.id).expect("a time") < began(b))
            };
            let bound = StalenessBound::Nanoseconds(ns as u64);
            let held = compare(&history, initial, bound, 1, &before, &mut counts[at]);
            assert!(!wider || held, "seed {seed}: {ns} ns are more than fewer");
            wider = held;
        }
    }
    assert!(counts.iter().flatten().all(|&count| count > 1_000), "{counts:?}");
    assert!(counts.windows(2).all(|pair| pair[0][1] + 50 < pair[1][1]), "{counts:?}");
}

/// Events at the given times, in ns: two writes, and a read of what the first one wrote.
fn stale_by(ns: i64) -> History {
    let lines = [
        (0, "invoke", "write", "1", 0),
        (0, "ok", "write", "1", 1),
        (0, "invoke", "write", "2", 2),
        (0, "ok", "write", "2", 10),
        (1, "invoke", "read", "null", 10 + ns),
        (1, "ok", "read", "1", 20 + ns),
    ];
    let line = |(process, kind, function, value, time): (i32, &str, &str, &str, i64)| {
        format!(
            "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"{function}\",\"value\":{value},\"time\":{time}}}\n"
        )
    };
    format::from_text(Format::Native, &lines.map(line).concat()).expect("a history")
}

#[test]
fn a_read_may_be_behind_by_the_bound_and_no_more() {
    let verdict = |history: &History, ns| {
        let report = check_confirmed(history, &question(StalenessBound::Nanoseconds(ns)), &limits());
        report.answers[0].verdict.name()
    };
    assert_eq!(verdict(&stale_by(5), 5), "holds");
    assert_eq!(verdict(&stale_by(5), 4), "violated");
    assert_eq!(verdict(&stale_by(0), 0), "holds");
    // A history without times says nothing of a bound in time, and one of versions needs none.
    let untimed = notation::parse("a: [w1] [w2]\nb:           [r1]").expect("a drawing");
    assert_eq!(verdict(&untimed, 5), "unknown");
    let versions = |count| {
        let report = check_confirmed(&untimed, &question(StalenessBound::Versions(count)), &limits());
        report.answers[0].verdict.name()
    };
    assert_eq!([0, 1, 2, 3].map(versions), ["unknown", "violated", "holds", "holds"]);
}

#[test]
fn evidence_of_one_bound_is_refused_for_another() {
    let history = stale_by(5);
    let at = |ns| question(StalenessBound::Nanoseconds(ns));
    let verdict = |ns| check_confirmed(&history, &at(ns), &limits()).answers.remove(0).verdict;
    let (holds, violated) = (verdict(5), verdict(4));
    assert!(matches!(&holds, Verdict::Holds(Witness::Orders(_))), "{holds:?}");
    assert!(matches!(&violated, Verdict::Violated(found) if matches!(found[0].evidence, Evidence::Core(_))));
    assert_refuted(&history, &at(4), LEVEL, holds.clone());
    assert_refuted(&history, &at(5), LEVEL, violated.clone());
    assert_refuted(&history, &Question { staleness: None, ..at(5) }, LEVEL, holds.clone());
    assert_refuted(&history, &question(StalenessBound::Versions(1)), LEVEL, holds);
    assert_refuted(&history, &question(StalenessBound::Versions(3)), LEVEL, violated);
}
