//! `regular` and `safe` against brute force from their formulas: for each read, all orders of the writes of its object and of the
//! read are tried.

use super::reference::{Matrix, possible, seen, some_order, written};
use super::{limits, shape, tabs, tangled};
use checker::{
    AnomalyName, Core, Evidence, Level, Model, ObjectQuestion, Property, Question, ReturnedWrite, Verdict,
    Violation, Witness,
};
use histories::{History, KeyId, OpId, Operation, Outcome, notation};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, assert_refuted, check_confirmed, draw_history};
use verifier::Standing;

const LEVELS: [Level; 2] = [Level::Regular, Level::Safe];

/// Whether `regular` and `safe` hold. `before` says which of two operations is known to be the earlier one.
pub(crate) fn holds(
    history: &History,
    question: &ObjectQuestion,
    before: &dyn Fn(&Operation, &Operation) -> bool,
) -> [bool; 2] {
    let operations: Vec<Operation> = history.operations().filter(|op| op.outcome != Outcome::Fail).collect();
    let info: Vec<usize> =
        (0..operations.len()).filter(|&at| operations[at].outcome == Outcome::Info).collect();
    let sure: Vec<usize> =
        (0..operations.len()).filter(|&at| operations[at].outcome == Outcome::Ok).collect();
    let written_info = info.iter().copied().filter(|&at| written(&operations[at]).is_some()).collect();
    [(possible(&operations, question), false), (written_info, true)].map(
        |(doubtful, is_safe): (Vec<usize>, bool)| {
            (0u32..1 << doubtful.len()).any(|chosen| {
                let some = (0..doubtful.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| doubtful[bit]);
                let ops: Vec<&Operation> =
                    sure.iter().copied().chain(some).map(|at| &operations[at]).collect();
                execution(&ops, question, before, is_safe)
            })
        },
    )
}

fn execution(
    ops: &[&Operation],
    question: &ObjectQuestion,
    before: &dyn Fn(&Operation, &Operation) -> bool,
    is_safe: bool,
) -> bool {
    let n = ops.len();
    let time: Matrix = (0..n).map(|a| (0..n).map(|b| before(ops[a], ops[b])).collect()).collect();
    (0..n).filter(|&read| seen(ops[read]).is_some()).all(|read| {
        let write = |at: usize| ops[at].key == ops[read].key && written(ops[at]).is_some();
        let overlaps = |at: usize| at != read && write(at) && !time[at][read] && !time[read][at];
        let part: Vec<usize> = (0..n).filter(|&at| at == read || write(at)).collect();
        let initial = question.initial.value_of_key(KeyId::NONE);
        let may = |placed: &[usize], next: usize| {
            let last = placed.iter().rev().find(|&&at| write(at));
            let holds = last.map_or(Some(initial), |&at| written(ops[at]));
            next != read || seen(ops[read]) == holds
        };
        is_safe && (0..n).any(overlaps) || some_order(&part, &time, &may)
    })
}

fn random(seed: u64, shape: fn(&mut TestRandom) -> RegisterShape) -> (History, Question) {
    let mut random = TestRandom::new(seed);
    let shape = shape(&mut random);
    let initial = if random.chance(80) { "null" } else { "0" };
    let history = RegisterRun::new(random, shape, initial).into_history();
    let mut question = testkit::question_about(Model::CasRegister, &testkit::level_properties(&LEVELS));
    question.initial.set_default(initial).expect("it is JSON");
    (history, question)
}

/// Compares one history. Counts the verdicts: violated and holds of each level.
fn compare(seed: u64, shape: fn(&mut TestRandom) -> RegisterShape, counts: &mut [[u32; 2]; 2]) {
    let (history, question) = random(seed, shape);
    let expected = holds(&history, &question.about_objects(&history), &|a, b| a.precedes(b));
    let report = check_confirmed(&history, &question, &limits());
    for (at, answer) in report.answers.iter().enumerate() {
        let told = || format!("seed {seed}, {question:?}\n{}{answer:?}", draw_history(&history));
        match answer.verdict {
            Verdict::Holds(_) => assert!(expected[at], "holds, but no order fits\n{}", told()),
            Verdict::Violated(_) => assert!(!expected[at], "violated, but orders fit\n{}", told()),
            Verdict::Untested(_) => assert!(expected[at], "untested, but no order fits\n{}", told()),
            Verdict::Unknown(_) => panic!("not decided\n{}", told()),
        }
        counts[at][usize::from(expected[at])] += 1;
    }
    assert!(!expected[0] || expected[1], "regular, not safe\n{}", draw_history(&history));
}

#[test]
fn single_reads_agree_with_brute_force() {
    let mut counts = [[0; 2]; 2];
    (0..20_000).for_each(|seed| compare(seed, shape, &mut counts));
    (0..6_000).for_each(|seed| compare(seed, tangled, &mut counts));
    (0..6_000).for_each(|seed| compare(seed, tabs, &mut counts));
    assert!(counts.iter().flatten().all(|&count| count > 2_000), "{counts:?}");
}

fn verdicts(drawing: &str) -> [&'static str; 2] {
    let history = notation::parse(drawing).expect("a drawing");
    let question = testkit::question_about(Model::CasRegister, &testkit::level_properties(&LEVELS));
    let report = check_confirmed(&history, &question, &limits());
    [0, 1].map(|at| report.answers[at].verdict.name())
}

#[test]
fn textbook_registers_are_told_apart() {
    // The later read returns the older value: regular, and not atomic (Lamport 1986, part II, section 3).
    assert_eq!(verdicts("a: [w1] [w2        ]\nb:          [r2] [r1]")[0], "holds");
    // An overlapping read returns a value from before the last completed write.
    assert_eq!(
        verdicts("a: [w1] [w2] [w3]\nb:             [r1]\nc:                    [r3]"),
        ["violated", "holds"]
    );
    assert_eq!(verdicts("a: [w1] [w2]\nb:             [r1]"), ["violated", "violated"]);
    assert_eq!(verdicts("a: [r1]\nb:      [w1]"), ["violated", "violated"]);
    // A value that nobody wrote, beside a write and alone.
    assert_eq!(verdicts("a: [w1]\nb: [r7]\nc:      [r1]"), ["violated", "holds"]);
    assert_eq!(verdicts("a: [w1]\nb:      [r7]"), ["violated", "violated"]);
    // Two overlapping writes: later readers need not agree on which one is last.
    assert_eq!(verdicts("a: [w1]      [r1]\nb: [w2]      [r2]"), ["holds", "holds"]);
    // A write without an end overlaps all reads after it.
    assert_eq!(verdicts("a: [w1 ?\nb:       [r7]"), ["violated", "holds"]);
    assert_eq!(verdicts("a: [w1   ]\nb:   [r9]"), ["violated", "holds"]);
}

#[test]
fn tampered_evidence_about_single_reads_is_refused() {
    let asked = testkit::question_about(Model::Register, &testkit::level_properties(&LEVELS));
    let history = notation::parse("a: [w1] [w2]\nb:             [r1] [r2]").expect("a drawing");
    let [one, two, old, new] = [0, 1, 2, 3].map(OpId::from_raw);
    let core = |operations: &[OpId]| Core::minimal_core(history.key(one), operations.to_vec());
    let by = |core: Core| {
        let (key, operations) = (core.key, core.operations.clone());
        let evidence = Evidence::Core(core);
        Verdict::Violated(vec![Violation { kind: AnomalyName::new("stale-read"), key, operations, evidence }])
    };
    let property = Property::Level(Level::Regular);
    let standing = |history, verdict| testkit::claim_standing(history, &asked, property, verdict);
    assert_eq!(standing(&history, by(core(&[one, two, old]))), Standing::Confirmed);
    // Without the newer write, and of a read that is right.
    assert_refuted(&history, &asked, property, by(core(&[one, old])));
    assert_refuted(&history, &asked, property, by(core(&[one, two, new])));
    assert_refuted(&history, &asked, property, by(Core { until: 3, ..core(&[one, two, old]) }));
    assert_refuted(&history, &asked, property, by(Core { writes_only: vec![old], ..core(&[one, two, old]) }));
    let source = |read, write| ReturnedWrite { read, write };
    let sound = notation::parse("a: [w1] [w2    ]\nb:         [r1] [r2]").expect("a drawing");
    let claim = |sources: &[ReturnedWrite]| Verdict::Holds(Witness::Sources(sources.to_vec()));
    let whole = [source(old, Some(one)), source(new, Some(two))];
    assert_eq!(standing(&sound, claim(&whole)), Standing::Confirmed);
    assert_refuted(&sound, &asked, property, claim(&whole[..1]));
    assert_refuted(&sound, &asked, property, claim(&[source(old, Some(two)), whole[1]]));
    assert_refuted(&sound, &asked, property, claim(&[source(old, None), whole[1]]));
    assert_refuted(&history, &asked, property, claim(&whole));
}
