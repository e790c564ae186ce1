//! 2-atomicity against brute force from its formula: all orders of the operations on each object.

use super::reference::{Matrix, seen, some_order, written};
use super::{limits, shape, tangled};
use checker::{Level, Model, ObjectQuestion, Question, Verdict};
use histories::{History, KeyId, Operation, Outcome, notation};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, check_confirmed, draw_history};

fn question() -> Question {
    let levels = [Level::TwoAtomic, Level::Linearizable];
    testkit::question_about(Model::CasRegister, &testkit::level_properties(&levels))
}

/// Whether each read returns one of the last `versions`. `before` says which of two operations comes first.
pub(crate) fn holds(
    history: &History,
    question: &ObjectQuestion,
    versions: usize,
    before: &dyn Fn(&Operation, &Operation) -> bool,
) -> bool {
    let operations: Vec<Operation> = history.operations().filter(|op| op.outcome != Outcome::Fail).collect();
    let of = |outcome| move |op: &&Operation| op.outcome == outcome;
    let sure: Vec<&Operation> = operations.iter().filter(of(Outcome::Ok)).collect();
    let doubtful: Vec<&Operation> =
        operations.iter().filter(of(Outcome::Info)).filter(|op| written(op).is_some()).collect();
    (0u32..1 << doubtful.len()).any(|chosen| {
        let some = (0..doubtful.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| doubtful[bit]);
        let ops: Vec<&Operation> = sure.iter().copied().chain(some).collect();
        let n = ops.len();
        let time: Matrix = (0..n).map(|a| (0..n).map(|b| before(ops[a], ops[b])).collect()).collect();
        let mut keys: Vec<KeyId> = ops.iter().map(|op| op.key).collect();
        keys.dedup();
        keys.into_iter().all(|key| {
            let part: Vec<usize> = (0..n).filter(|&at| ops[at].key == key).collect();
            let initial = question.initial.value_of_key(KeyId::NONE);
            let may = |placed: &[usize], next: usize| {
                let Some(value) = seen(ops[next]) else { return true };
                let all = placed.iter().rev().filter_map(|&at| written(ops[at])).chain([initial]);
                // A compare-and-set finds the last version.
                let known = if written(ops[next]).is_some() { 1 } else { versions };
                all.take(known).any(|version| version == value)
            };
            some_order(&part, &time, &may)
        })
    })
}

fn compare(seed: u64, shape: fn(&mut TestRandom) -> RegisterShape, counts: &mut [u32; 3]) {
    let mut random = TestRandom::new(seed);
    let shape = shape(&mut random);
    let initial = if random.chance(80) { "null" } else { "0" };
    let history = RegisterRun::new(random, shape, initial).into_history();
    let mut question = question();
    question.initial.set_default(initial).expect("it is JSON");
    let expected = holds(&history, &question.about_objects(&history), 2, &|a, b| a.precedes(b));
    let report = check_confirmed(&history, &question, &limits());
    let told = || format!("seed {seed}\n{}{:?}", draw_history(&history), report.answers[0]);
    match report.answers[0].verdict {
        Verdict::Holds(_) => assert!(expected, "holds, but no order fits\n{}", told()),
        Verdict::Violated(_) => assert!(!expected, "violated, but an order fits\n{}", told()),
        _ => panic!("not decided\n{}", told()),
    }
    let atomic = matches!(report.answers[1].verdict, Verdict::Holds(_));
    assert!(!atomic || expected, "linearizable\n{}", told());
    counts[usize::from(expected) + usize::from(atomic)] += 1;
}

#[test]
fn two_versions_agree_with_brute_force() {
    let mut counts = [0; 3];
    (0..20_000).for_each(|seed| compare(seed, shape, &mut counts));
    (0..4_000).for_each(|seed| compare(seed, tangled, &mut counts));
    // Violated, 2-atomic only, and linearizable.
    assert!(counts.iter().all(|&count| count > 1_000), "{counts:?}");
}

#[test]
fn a_read_may_be_one_version_behind_and_no_more() {
    let verdict = |drawing: &str| {
        let history = notation::parse(drawing).expect("a drawing");
        check_confirmed(&history, &question(), &limits()).answers[0].verdict.name()
    };
    assert_eq!(verdict("a: [w1] [w2]\nb:           [r1]"), "holds");
    assert_eq!(verdict("a: [w1] [w2] [w3]\nb:                [r1]"), "violated");
    assert_eq!(verdict("a: [w1]\nb:      [r_]"), "holds");
    assert_eq!(verdict("a: [w1] [w2]\nb:           [r_]"), "violated");
    assert_eq!(verdict("a: [r1] [w1]"), "violated");
    assert_eq!(verdict("a: [w1] [w2]\nb:           [c1>3]"), "violated");
}
