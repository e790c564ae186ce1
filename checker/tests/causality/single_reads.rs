//! `regular-write-order`, `regular`, `safe` and `consistent-prefix` against brute force from their formulas: for each read, all orders of
//! the writes of its object and of the read are tried; and for the first of them, all orders of the writes.

use super::reference::{Matrix, possible, seen, some_order, written};
use super::{limits, shape, tabs, tangled};
use checker::{
    AnomalyName, Core, Evidence, Level, Linearization, Model, ObjectQuestion, Property, Question,
    ReturnedWrite, Verdict, Violation, Witness,
};
use histories::{History, KeyId, OpId, Operation, Outcome, notation};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, assert_refuted, check_confirmed, draw_history};
use verifier::Standing;

pub(crate) const LEVELS: [Level; 4] =
    [Level::RegularWriteOrder, Level::Regular, Level::Safe, Level::ConsistentPrefix];

/// Whether each of these levels holds. `before` says which of two operations is known to be the earlier one.
pub(crate) fn holds(
    history: &History,
    question: &ObjectQuestion,
    before: &dyn Fn(&Operation, &Operation) -> bool,
) -> [bool; 4] {
    let operations: Vec<Operation> = history.operations().filter(|op| op.outcome != Outcome::Fail).collect();
    let info: Vec<usize> =
        (0..operations.len()).filter(|&at| operations[at].outcome == Outcome::Info).collect();
    let sure: Vec<usize> =
        (0..operations.len()).filter(|&at| operations[at].outcome == Outcome::Ok).collect();
    LEVELS.map(|level| {
        let doubtful: Vec<usize> = match level {
            Level::Safe => info.iter().copied().filter(|&at| written(&operations[at]).is_some()).collect(),
            _ => possible(&operations, question),
        };
        (0u32..1 << doubtful.len()).any(|chosen| {
            let some = (0..doubtful.len()).filter(|bit| chosen >> bit & 1 == 1).map(|bit| doubtful[bit]);
            let ops: Vec<&Operation> = sure.iter().copied().chain(some).map(|at| &operations[at]).collect();
            execution(&ops, question, before, level)
        })
    })
}

fn execution(
    ops: &[&Operation],
    question: &ObjectQuestion,
    before: &dyn Fn(&Operation, &Operation) -> bool,
    level: Level,
) -> bool {
    let n = ops.len();
    let time: Matrix = (0..n).map(|a| (0..n).map(|b| before(ops[a], ops[b])).collect()).collect();
    let reads: Vec<usize> = (0..n).filter(|&read| seen(ops[read]).is_some()).collect();
    let write_on = |at: usize, key: KeyId| ops[at].key == key && written(ops[at]).is_some();
    // Whether an order of the writes and of the read extends this one and is legal.
    let is_answered = |read: usize, before: &Matrix| {
        let write = |at: usize| write_on(at, ops[read].key);
        let part: Vec<usize> = (0..n).filter(|&at| at == read || write(at)).collect();
        let initial = question.initial.value_of_key(KeyId::NONE);
        some_order(&part, before, &|placed, next| {
            let last = placed.iter().rev().find(|&&at| write(at));
            let holds = last.map_or(Some(initial), |&at| written(ops[at]));
            next != read || seen(ops[read]) == holds
        })
    };
    let overlaps = |read: usize, at: usize| {
        at != read && write_on(at, ops[read].key) && !time[at][read] && !time[read][at]
    };
    let only_after = |read: usize| -> Matrix {
        (0..n).map(|a| (0..n).map(|b| a == read && time[a][b]).collect()).collect()
    };
    match level {
        Level::Regular => reads.iter().all(|&read| is_answered(read, &time)),
        Level::Safe => {
            let free = |read: usize| (0..n).any(|at| overlaps(read, at));
            reads.iter().all(|&read| free(read) || is_answered(read, &time))
        }
        Level::ConsistentPrefix => reads.iter().all(|&read| is_answered(read, &only_after(read))),
        _ => {
            let mut keys: Vec<KeyId> = ops.iter().map(|op| op.key).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.into_iter().all(|key| {
                let writes: Vec<usize> = (0..n).filter(|&at| write_on(at, key)).collect();
                let of_key: Vec<usize> = reads.iter().copied().filter(|&read| ops[read].key == key).collect();
                let agree = |order: &[usize]| {
                    of_key.iter().all(|&read| is_answered(read, &with_order(&time, read, order)))
                };
                if writes.is_empty() {
                    return agree(&[]);
                }
                some_order(&writes, &time, &|placed, last| {
                    placed.len() + 1 < writes.len() || agree(&[placed, &[last]].concat())
                })
            })
        }
    }
}

/// Real time, and the order of the writes that matter to a read: the others that were invoked before it completed.
fn with_order(time: &Matrix, read: usize, order: &[usize]) -> Matrix {
    let mut before = time.clone();
    let matters = |at: usize| at != read && !time[read][at];
    for (at, &a) in order.iter().enumerate() {
        for &b in &order[at + 1..] {
            before[a][b] |= matters(a) && matters(b);
        }
    }
    before
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
fn compare(seed: u64, shape: fn(&mut TestRandom) -> RegisterShape, counts: &mut [[u32; 2]; 5]) {
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
    let [ordered, regular, safe, prefix] = expected;
    // Of regular histories: whether the reads agree on an order of the writes.
    counts[4][usize::from(ordered)] += u32::from(regular);
    assert!(!ordered || regular, "regular-write-order, not regular\n{}", draw_history(&history));
    assert!(!regular || safe && prefix, "regular, not safe or no prefix\n{}", draw_history(&history));
}

#[test]
fn single_reads_agree_with_brute_force() {
    let mut counts = [[0; 2]; 5];
    (0..20_000).for_each(|seed| compare(seed, shape, &mut counts));
    (0..6_000).for_each(|seed| compare(seed, tangled, &mut counts));
    (0..6_000).for_each(|seed| compare(seed, tabs, &mut counts));
    assert!(counts[..4].iter().flatten().all(|&count| count > 2_000), "{counts:?}");
    assert!(counts[4].iter().all(|&count| count > 100), "{counts:?}");
}

/// Overlapping writes of few values, and reads after them: what is open is which of the writes is last.
fn disordered(random: &mut TestRandom) -> RegisterShape {
    RegisterShape {
        operations: 6 + random.below(3),
        sessions: 3,
        keys: 1,
        cas: if random.chance(50) { 0 } else { 20 },
        info: if random.chance(50) { 0 } else { 20 },
        repeats: if random.chance(50) { 0 } else { 50 },
        mad: 0,
        stale: 50,
        writes: 5,
        ..shape(random)
    }
}

#[test]
fn orders_of_writes_agree_with_brute_force() {
    let mut counts = [[0; 2]; 5];
    (0..40_000).for_each(|seed| compare(seed, disordered, &mut counts));
    assert!(counts[4].iter().all(|&count| count > 200), "{counts:?}");
}

/// The verdicts on `regular` and `safe`.
fn verdicts(drawing: &str) -> [&'static str; 2] {
    all_verdicts(drawing)[1..3].try_into().expect("two")
}

fn all_verdicts(drawing: &str) -> [&'static str; 4] {
    let history = notation::parse(drawing).expect("a drawing");
    let question = testkit::question_about(Model::CasRegister, &testkit::level_properties(&LEVELS));
    let report = check_confirmed(&history, &question, &limits());
    [0, 1, 2, 3].map(|at| report.answers[at].verdict.name())
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
fn orders_of_writes_are_told_apart() {
    let first = |drawing: &str| all_verdicts(drawing)[0];
    // The reads disagree on which of two overlapping writes is the last one.
    assert_eq!(first("a: [w1]      [r1]\nb: [w2]      [r2]"), "violated");
    assert_eq!(first("a: [w1]      [r1]\nb: [w2]      [r1]"), "holds");
    // A new and then an old version, while the write is open.
    assert_eq!(first("a: [w1] [w2        ]\nb:          [r2] [r1]"), "holds");
    // The write of 2 had not begun when the first read ended, so it does not matter to that read.
    assert_eq!(first("a: [w1                    ]\nb:  [r1] [w2] [r1]         "), "holds");
    // Three writes in a cycle: each read puts another one last.
    let cycle = "a: [w1]      [r1]           \nb: [w2]           [r2]      \nc: [w3]                [r3]";
    assert_eq!(first(cycle), "violated");
    // The second write of 1 is open when 2 is read, so it may come last.
    assert_eq!(first("a: [w1] [w2] [r2]\nb: [w1             ] [r1]"), "holds");
    assert_eq!(first("a: [w1] [w2]      [r2]\nb: [w1]      [r1]"), "violated");
    assert_eq!(first("a: [w1] [w2]      [r2]\nb: [w1     ] [r1]"), "violated");
    // A write without an end may come last, and hides nothing.
    assert_eq!(first("a: [w1 ?\nb:       [w2] [r1] [r2]"), "holds");
    assert_eq!(first("a: [w1 ?\nb:       [w2] [r2] [r1]"), "holds");
}

#[test]
fn tampered_orders_of_writes_are_refused() {
    let asked = testkit::question_about(Model::Register, &testkit::level_properties(&LEVELS));
    let property = Property::Level(Level::RegularWriteOrder);
    let standing = |history, verdict| testkit::claim_standing(history, &asked, property, verdict);
    let history = notation::parse("a: [w1]      [r1]\nb: [w2]      [r2]").expect("a drawing");
    let [one, two, early, late] = [0, 1, 2, 3].map(OpId::from_raw);
    let key = history.key(one);
    let by = |operations: &[OpId]| {
        let core = Core { minimal: false, ..Core::minimal_core(key, operations.to_vec()) };
        let operations = core.operations.clone();
        let kind = AnomalyName::new("conflicting-order");
        Verdict::Violated(vec![Violation { kind, key, operations, evidence: Evidence::Core(core) }])
    };
    assert_eq!(standing(&history, by(&[one, two, early, late])), Standing::Confirmed);
    for fewer in [[one, two, early], [one, two, late], [one, early, late], [two, early, late]] {
        assert_refuted(&history, &asked, property, by(&fewer));
    }
    // The same evidence against a level that does not ask for one order.
    assert_refuted(&history, &asked, Property::Level(Level::Regular), by(&[one, two, early, late]));
    let sound = notation::parse("a: [w1] [w2    ]\nb:         [r1] [r2]").expect("a drawing");
    let order = |operations: &[OpId]| {
        Verdict::Holds(Witness::Orders(vec![Linearization { key, operations: operations.to_vec() }]))
    };
    assert_eq!(standing(&sound, order(&[one, two])), Standing::Confirmed);
    // Against real time, incomplete, twice, with a read; and as a witness of another level.
    for wrong in [&[two, one][..], &[one], &[one, two, two], &[one, two, late], &[]] {
        assert_refuted(&sound, &asked, property, order(wrong));
    }
    assert_refuted(&sound, &asked, Property::Level(Level::Regular), order(&[one, two]));
    assert_refuted(&history, &asked, property, order(&[one, two]));
    assert_refuted(&history, &asked, property, order(&[two, one]));
    let sources = Verdict::Holds(Witness::Sources(vec![
        ReturnedWrite { read: early, write: Some(one) },
        ReturnedWrite { read: late, write: Some(two) },
    ]));
    assert_refuted(&history, &asked, property, sources);
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
