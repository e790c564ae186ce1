//! The levels of causality against brute force, on random small histories, and against the literature's examples.

mod all_shapes;
mod bounded;
mod declared;
mod reference;
#[path = "../sessions/reference.rs"]
#[allow(dead_code, reason = "it also finds shortest cycles")]
mod session_reference;
mod single_reads;
mod terry;
mod two_versions;
mod without_real_time;

use checker::{
    AnomalyName, Answer, CausalOrders, CausalProofStep, CausalRefutation, Evidence, FailedCas, Level, Limits,
    Model, Property, Question, SessionSerialization, Verdict, Violation, Witness,
};
use histories::{Function, History, HistoryBuilder, Invocation, KeyId, Payload, ValueId, notation};
use testkit::registers::{RegisterRun, RegisterShape};
use testkit::{TestRandom, assert_refuted, check_confirmed, draw_history};
use verifier::Standing;

/// In the order of [`reference::Holds`].
const LEVELS: [Level; 10] = [
    Level::Sequential,
    Level::CausalConvergence,
    Level::CausalMemory,
    Level::Causal,
    Level::Pram,
    Level::OrderedSequential,
    Level::PerObjectSequential,
    Level::SlowMemory,
    Level::RealTimeCausal,
    Level::DatabaseWritesFollowReads,
];

/// What they imply, and what implies them.
const RELATED: [Level; 5] = [
    Level::Linearizable,
    Level::Session,
    Level::MonotonicWrites,
    Level::WritesFollowReads,
    Level::ConsistentPrefix,
];

fn limits() -> Limits<'static> {
    testkit::test_limits(100_000_000, 1 << 26)
}

fn question(levels: &[Level]) -> Question {
    testkit::question_about(Model::CasRegister, &testkit::level_properties(levels))
}

fn shape(random: &mut TestRandom) -> RegisterShape {
    let shape = RegisterShape::new(random);
    RegisterShape {
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
fn random(seed: u64, shape: fn(&mut TestRandom) -> RegisterShape) -> (History, Question) {
    let mut random = TestRandom::new(seed);
    let shape = shape(&mut random);
    let initial = if random.chance(80) { "null" } else { "0" };
    let history = RegisterRun::new(random, shape, initial).into_history();
    let mut question = question(&[&LEVELS[..], &RELATED[..]].concat());
    question.initial.set_default(initial).expect("it is JSON");
    (history, question)
}

/// How many verdicts of each level were (violated, holds), and how many were found in which way.
#[derive(Default, Debug)]
struct Counts {
    verdicts: [[u32; 2]; 10],
    methods: std::collections::BTreeMap<String, u32>,
}

fn compare(seed: u64, (history, question): (History, Question), counts: &mut Counts) {
    let expected = reference::holds(&history, &question.about_objects(&history));
    let report = check_confirmed(&history, &question, &limits());
    let (answers, related) = report.answers.split_at(LEVELS.len());
    for (at, answer) in answers.iter().enumerate() {
        let told = || format!("seed {seed}, {question:?}\n{}{answer:?}", draw_history(&history));
        assert_eq!(answer.property, Property::Level(LEVELS[at]));
        match answer.verdict {
            Verdict::Holds(_) => assert!(expected[at], "holds, but no execution fits\n{}", told()),
            Verdict::Violated(_) => assert!(!expected[at], "violated, but an execution fits\n{}", told()),
            Verdict::Untested(_) | Verdict::Unknown(_) => panic!("not decided\n{}", told()),
        }
        counts.verdicts[at][usize::from(expected[at])] += 1;
        *counts.methods.entry(answer.method.clone()).or_default() += 1;
    }
    implications(&history, related, expected);
}

/// What implies what, of the verdicts themselves.
fn implications(history: &History, related: &[Answer], expected: [bool; 10]) {
    let [seq, ccv, cm, cc, pram, osc, per_object, slow, timed, causes] = expected;
    let holds = |level: Level| {
        let answer = related.iter().find(|answer| answer.property == Property::Level(level));
        matches!(answer.expect("it was asked").verdict, Verdict::Holds(_))
    };
    let told = || draw_history(history);
    assert!(!holds(Level::Linearizable) || osc, "linearizable, not ordered sequential\n{}", told());
    assert!(!osc || timed, "ordered sequential, and causal order goes back\n{}", told());
    assert!(!timed || cc && holds(Level::ConsistentPrefix), "real-time causal, and weaker not\n{}", told());
    assert!(!cc || causes, "causal, and causes come later\n{}", told());
    assert!(!causes || holds(Level::WritesFollowReads), "of the database, not of an object\n{}", told());
    assert!(!osc || seq, "ordered sequential, not sequential\n{}", told());
    assert!(!seq || per_object, "sequential, not of each object\n{}", told());
    assert!(!per_object || slow && holds(Level::Session), "each object, but slower\n{}", told());
    assert!(!pram || slow, "PRAM, not slow memory\n{}", told());
    // One version order, with each read after its version, is a legal order.
    let exchanges = history.ids().any(|op| history.function(op) == Function::CAS);
    assert!(exchanges || per_object == holds(Level::Session), "session is per object\n{}", told());
    assert!(!seq || ccv && cm, "sequential, not causal\n{}", told());
    assert!(cc || !ccv && !cm, "convergent or memory, not causal\n{}", told());
    assert!(!cm || pram, "memory, not PRAM\n{}", told());
    assert!(!ccv || holds(Level::Session), "convergent, no session guarantees\n{}", told());
    let writes = holds(Level::MonotonicWrites) && holds(Level::WritesFollowReads);
    assert!(!cc || writes, "causal, and writes are out of order\n{}", told());
}

/// Sessions with several operations in flight, on two objects, each value written once: what follows is not all of it.
fn tabs(random: &mut TestRandom) -> RegisterShape {
    RegisterShape {
        operations: 6 + random.below(3),
        sessions: 1 + random.below(2),
        keys: 2,
        tabs: 3,
        repeats: 0,
        info: 10,
        mad: 0,
        stale: 60,
        writes: 3,
        ..shape(random)
    }
}

/// Few values, compare-and-sets that time out: who wrote what is open, and what took effect at all.
fn tangled(random: &mut TestRandom) -> RegisterShape {
    RegisterShape {
        operations: 5 + random.below(2),
        cas: 60,
        info: 40,
        repeats: 60,
        writes: 4,
        keys: 1,
        ..shape(random)
    }
}

#[test]
fn agrees_with_brute_force_where_sessions_do_several_things_at_once() {
    let mut counts = Counts::default();
    (0..6_000).for_each(|seed| compare(seed, random(seed, tabs), &mut counts));
    assert!(counts.verdicts[..9].iter().flatten().all(|&count| count > 500), "{counts:?}");
}

#[test]
fn agrees_with_brute_force_where_it_is_open_what_took_effect() {
    let mut counts = Counts::default();
    (0..6_000).for_each(|seed| compare(seed, random(seed, tangled), &mut counts));
    assert!(counts.verdicts.iter().flatten().all(|&count| count > 500), "{counts:?}");
    assert!(counts.methods["cases"] > 1_000, "{counts:?}");
}

#[test]
fn agrees_with_brute_force_on_random_histories() {
    let mut counts = Counts::default();
    (0..20_000).for_each(|seed| compare(seed, random(seed, shape), &mut counts));
    // What was tested must be worth it: enough of both verdicts, by all methods.
    assert!(counts.verdicts.iter().flatten().all(|&count| count > 3_000), "{counts:?}");
}

/// Which of the levels hold, by their first letters: sequential, CCv, CM, CC, PRAM.
fn holding(drawing: &str) -> Vec<&'static str> {
    let history = notation::parse(drawing).expect("a drawing");
    let report = check_confirmed(&history, &question(&LEVELS), &limits());
    let names = ["seq", "ccv", "cm", "cc", "pram"].into_iter().zip(&report.answers);
    names.filter(|(_, answer)| answer.verdict.name() == "holds").map(|pair| pair.0).collect()
}

/// The figures of Bouajjani et al., section 3, and what sets PRAM and sequential consistency apart from them.
#[test]
fn tells_the_levels_apart_as_the_literature_does() {
    // Each session sees its own write first and then the other's: no one order has both.
    assert_eq!(holding("a: [w1] [r2]\nb: [w2] [r1]"), ["cm", "cc", "pram"]);
    // x was 1 before y was, so b agrees that x became 2 later; but it had written that before it found z unwritten.
    let not_memory = "a: [z.w1] [x.w1] [y.w1]\nb: [x.w2] [z.r_] [y.r1] [x.r2]";
    assert_eq!(holding(not_memory), ["ccv", "cc"]);
    // One after the other: in either order one of the reads comes too late.
    assert_eq!(holding("a: [w1]\nb: [w2] [r1] [r2]"), ["cc"]);
    // Neither sees the other's write: each is behind, and nobody can tell by what they saw.
    assert_eq!(holding("a: [x.w1] [y.r_]\nb: [y.w1] [x.r_]"), ["ccv", "cm", "cc", "pram"]);
    // The answer without the question: b had read x when it wrote y, and c sees y without x.
    assert_eq!(
        holding("a: [x.w1]\nb:        [x.r1] [y.w1]\nc:                      [y.r1] [x.r_]"),
        ["pram"]
    );
    // Two writes of one session in the other order.
    assert!(holding("a: [w1] [w2]\nb:           [r2] [r1]").is_empty());
    // Old values long after: nobody says when a session hears of the others.
    assert_eq!(holding("a: [w1] [w2]\nb:           [r1] [r2]"), ["seq", "ccv", "cm", "cc", "pram"]);
    // Nobody wrote 7; and what a session reads of its own future.
    assert!(holding("a: [w1] [r7]").is_empty());
    assert!(holding("a: [r1] [w1]").is_empty());
}

/// A violation that this refutation shows, told as the checker tells it.
fn by_cycles(history: &History, level: Level, found: &CausalRefutation) -> Verdict {
    let operations = found.involved_operations();
    Verdict::Violated(vec![Violation {
        kind: AnomalyName::by_name(found.anomaly_name(level)).unwrap_or(AnomalyName::new("non-sequential")),
        key: operations.first().map_or(KeyId::NONE, |&op| history.key(op)),
        operations,
        evidence: Evidence::Causal(found.clone()),
    }])
}

#[test]
fn tampered_evidence_is_refused() {
    let level = Level::CausalMemory;
    let asked = question(&[level]);
    let history = notation::parse("a: [w1]\nb: [w2] [r1] [r2]").expect("a drawing");
    let refused =
        |level: Level, verdict: Verdict| assert_refuted(&history, &asked, Property::Level(level), verdict);
    let Verdict::Violated(anomalies) = check_confirmed(&history, &asked, &limits()).answers.remove(0).verdict
    else {
        panic!("b sees its own write before a's, and after it")
    };
    let Evidence::Causal(found) = &anomalies[0].evidence else { panic!("by a cycle") };
    assert_eq!(by_cycles(&history, level, found), Verdict::Violated(vec![anomalies[0].clone()]));
    // It is evidence against another level.
    refused(Level::Causal, by_cycles(&history, Level::Causal, found));
    for change in 0..5 {
        let mut found = found.clone();
        let CausalProofStep::Contradiction(only) = &mut found.proof[0] else { panic!("of one step") };
        match change {
            0 => only.session = None,
            1 => _ = only.cycle.pop(),
            2 => only.inferred[0].other = only.inferred[0].read,
            3 => only.inferred[0].path.clear(),
            _ => found.proof.clear(),
        }
        refused(level, by_cycles(&history, level, &found));
    }
}

#[test]
fn tampered_orders_are_refused() {
    let level = Level::CausalMemory;
    let asked = question(&[level]);
    let history = notation::parse("a: [w1] [r2]\nb: [w2] [r1]").expect("a drawing");
    let refused = |level: Level, found: CausalOrders| {
        let verdict = Verdict::Holds(Witness::Causal(found));
        assert_refuted(&history, &asked, Property::Level(level), verdict)
    };
    let report = check_confirmed(&history, &asked, &limits());
    let Verdict::Holds(Witness::Causal(found)) = &report.answers[0].verdict else { panic!("it holds") };
    // These are not the orders of other levels.
    refused(Level::Sequential, found.clone());
    refused(Level::CausalConvergence, found.clone());
    for change in 0..3 {
        let mut found = found.clone();
        match change {
            0 => found.orders[0].operations.swap(0, 1),
            1 => _ = found.orders[0].operations.pop(),
            _ => _ = found.orders.pop(),
        }
        refused(level, found);
    }
}

#[test]
fn what_is_not_decided_is_unknown_with_its_reason() {
    let reason = |drawing: &str, question: &Question, limits: &Limits<'_>| {
        let history = notation::parse(drawing).expect("a drawing");
        match check_confirmed(&history, question, limits).answers.remove(0).verdict {
            Verdict::Unknown(unknown) => unknown.reason,
            other => panic!("expected unknown, found {}", other.name()),
        }
    };
    let asked = question(&[Level::CausalMemory]);
    let told = reason("a: [enqueue:2] [r_]", &asked, &limits());
    assert!(told.starts_with("operation 0 is a \"enqueue\""), "{told}");
    let observes = Question { failed_cas: FailedCas::Observes, ..asked.clone() };
    assert!(reason("a: [w1] [c1>2 ! [r1]", &observes, &limits()).contains("failed compare-and-set"));
    assert!(reason("a: [w1] [r1]", &asked, &Limits { bytes: 100, ..limits() }).contains("bytes"));
    // Each read of 1 may be of either write of it, and the first guess is wrong.
    let ambiguous = "a: [w1] [w2] [w1]\nb:                [r1] [r2] [r1] [r2]";
    let told = reason(ambiguous, &asked, &Limits { steps: 3, ..limits() });
    assert!(told.ends_with("values written more than once (1) leave open which write was read"), "{told}");
}

/// Many sessions that each write and read their own: the pasts would be as wide as there are sessions.
#[test]
fn a_second_check_without_room_says_so() {
    for (sessions, room) in [(100, true), (25_000, false)] {
        let history = own_reads(sessions);
        // All writes first: causal order is extended, and no read is legal by the order itself.
        let (writes, reads): (Vec<_>, Vec<_>) =
            reference::ids(&history).into_iter().partition(|&op| history.function(op) == Function::WRITE);
        let operations = writes.into_iter().chain(reads).collect();
        let orders = vec![SessionSerialization { session: None, key: None, operations }];
        let verdict = Verdict::Holds(Witness::Causal(CausalOrders { orders, returned: Vec::new() }));
        let level = Level::Causal;
        let standing =
            testkit::claim_standing(&history, &question(&[level]), Property::Level(level), verdict);
        match standing {
            Standing::Confirmed => assert!(room, "{sessions} sessions"),
            Standing::Partly(why) => assert!(!room && why.contains("stopped before"), "{sessions}: {why}"),
            other => panic!("{sessions} sessions: {other:?}"),
        }
    }
}

fn own_reads(sessions: usize) -> History {
    let mut builder = HistoryBuilder::new();
    for session in 0..sessions {
        let value = builder.history().values.intern(&(session + 1).to_string());
        let key = builder.history().keys.intern(&(session % 50).to_string());
        for (function, argument) in [(Function::WRITE, value), (Function::READ, ValueId::NULL)] {
            let (process, payload) = (session as i64, Payload::Value(argument));
            let invocation = Invocation { process, session: None, function, key, payload };
            testkit::record_operation(&mut builder, invocation, Payload::Value(value));
        }
    }
    builder.finish()
}

/// Two sessions in turn: each writes, and reads what the other wrote `behind` rounds ago.
fn in_turn(rounds: usize, behind: usize) -> History {
    let mut builder = HistoryBuilder::new();
    let sessions = ["\"a\"", "\"b\""].map(|name| builder.history().sessions.intern(name));
    let values: Vec<ValueId> =
        (0..2 * rounds).map(|n| builder.history().values.intern(&(n + 1).to_string())).collect();
    for step in 0..2 * rounds {
        let seen = (step + 1)
            .checked_sub(2 * behind)
            .and_then(|at| values.get(at))
            .copied()
            .unwrap_or(ValueId::NULL);
        for (function, argument, result) in
            [(Function::WRITE, values[step], values[step]), (Function::READ, ValueId::NULL, seen)]
        {
            let (process, key) = (step as i64 % 2, KeyId::NONE);
            let session = Some(sessions[step % 2]);
            let payload = Payload::Value(argument);
            let invocation = Invocation { process, session, function, key, payload };
            testkit::record_operation(&mut builder, invocation, Payload::Value(result));
        }
    }
    builder.finish()
}

#[test]
fn sessions_of_forty_thousand_operations_overflow_nothing() {
    for behind in [0, 1, 3] {
        let history = in_turn(20_000, behind);
        let limits = Limits { bytes: 1 << 30, steps: u64::MAX, ..limits() };
        let report = check_confirmed(&history, &question(&LEVELS), &limits);
        let names: Vec<&str> = report.answers.iter().map(|answer| answer.verdict.name()).collect();
        assert!(!names.contains(&"unknown"), "{behind}: {names:?}");
    }
}
