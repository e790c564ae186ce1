//! Claims about single objects and invariants that rest on one condition that does not hold, and true ones that one condition too many
//! would refute.

use claims::specification::Register;
use claims::{
    AnomalyName, Assume, BreachEvidence, ConstraintReason, Core, Evidence, Invariant, Level, Model, Property,
    Question, StalenessBound, Verdict, VersionConstraint, VersionProofStep, VersionRefutation, Violation,
    Witness,
};
use histories::format::{Format, from_text};
use histories::{Function, History, OpId, Outcome, ValueId, notation};
use testkit::{assert_refuted, check_all, claim_standing, question_about, test_limits, verdict_of};
use verifier::{Standing, dead_ends, verify_specification};

const LINEARIZABLE: Property = Property::Level(Level::Linearizable);

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

fn op(number: u32) -> OpId {
    OpId::from_raw(number)
}

fn core_of(history: &History, operations: &[u32]) -> Core {
    let operations: Vec<OpId> = operations.iter().map(|&number| op(number)).collect();
    Core { minimal: false, ..Core::minimal_core(history.key(operations[0]), operations) }
}

fn violated_by(core: Core) -> Verdict {
    let (key, operations) = (core.key, core.operations.clone());
    let kind = AnomalyName::new("non-linearizable");
    Verdict::Violated(vec![Violation { kind, key, operations, evidence: Evidence::Core(core) }])
}

#[track_caller]
fn assert_holds(history: &History, model: Model, property: Property) {
    let report = check_all(history, model, &[property]);
    assert_eq!(verdict_of(&report, property).name(), "holds", "{}", testkit::draw_history(history));
}

/// Somebody inserted null, so that a removal that returned null may have returned that element. The queue had null before 1. Without the
/// insertion of null, the removal found an empty queue although 1 was in it.
#[test]
fn the_insertion_of_a_null_that_came_out_stays_in_the_core() {
    let history = drawn("a: [enqueue:_] [enqueue:1] [dequeue:_]");
    assert_holds(&history, Model::Queue, LINEARIZABLE);
    let question = question_about(Model::Queue, &[LINEARIZABLE]);
    let why = assert_refuted(&history, &question, LINEARIZABLE, violated_by(core_of(&history, &[1, 2])));
    assert!(why.contains("left out"), "{why}");
}

/// Nobody inserted null. So the removal that returned it found nothing, and is about no element. Both insertions of the core came out, so that
/// the removal without an answer took neither, and may be left out.
#[test]
fn a_removal_that_found_nothing_keeps_no_unknown_removal_in_the_core() {
    let history = drawn(
        "a: [enqueue:1] [enqueue:2] [dequeue:2] [dequeue:1]\nb:                                                [dequeue:_]\nc:                                                            [dequeue:_ ?",
    );
    let question = question_about(Model::Queue, &[LINEARIZABLE]);
    for kept in [vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3]] {
        let claim = violated_by(core_of(&history, &kept));
        let found = claim_standing(&history, &question, LINEARIZABLE, claim);
        assert!(matches!(found, Standing::Confirmed | Standing::ConfirmedExcept(_)), "{kept:?}: {found:?}");
    }
    // One of them did not come out, so that the removal without an answer may have taken it.
    let history = drawn("a: [enqueue:1] [enqueue:2] [dequeue:2]\nb: [dequeue:_ ?");
    let answered = history.ids().filter(|&id| history.outcome(id) == Outcome::Ok);
    let kept: Vec<u32> = answered.map(|id| id.raw()).collect();
    assert_holds(&history, Model::Queue, LINEARIZABLE);
    assert_refuted(&history, &question, LINEARIZABLE, violated_by(core_of(&history, &kept)));
}

fn read_lines(lines: &[&str]) -> History {
    from_text(Format::Native, &lines.join("\n")).expect("a history")
}

/// An element that is present at first is present until somebody removes it, whatever else the set has.
#[test]
fn a_core_of_a_set_begins_with_any_set_of_its_elements() {
    let lines = |answers: [bool; 2]| {
        let mut lines = vec![
            r#"{"process":0,"type":"invoke","f":"add","value":1}"#.to_owned(),
            r#"{"process":0,"type":"ok","f":"add","value":1}"#.to_owned(),
        ];
        for answer in answers {
            lines.push(r#"{"process":0,"type":"invoke","f":"contains","value":1}"#.to_owned());
            lines.push(format!(r#"{{"process":0,"type":"ok","f":"contains","value":{answer}}}"#));
        }
        lines
    };
    let question = question_about(Model::Set, &[LINEARIZABLE]);
    for (answers, is_right) in [([true, false], true), ([true, true], false), ([false, false], false)] {
        let lines = lines(answers);
        let history = read_lines(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let core = Core { from: Some(2), ..core_of(&history, &[1, 2]) };
        let found = claim_standing(&history, &question, LINEARIZABLE, violated_by(core));
        let stands = matches!(found, Standing::Confirmed | Standing::ConfirmedExcept(_));
        assert_eq!(stands, is_right, "{answers:?}: {found:?}");
    }
}

/// A specification of the user's own has no operation that failed.
#[test]
fn a_failed_operation_belongs_into_no_core() {
    let history = drawn("a: [w1 !\nb:        [r_]");
    let register = Register { initial: ValueId::NULL };
    // As if it had happened, the read would be too old.
    let verdict = violated_by(core_of(&history, &[0, 1]));
    let standing = verify_specification(&history, &register, &verdict, &claims::Limits::unbounded());
    let Standing::Refuted(why) = standing else { panic!("{standing:?}") };
    assert!(why.contains("belong"), "{why}");
}

/// More than 64 operations are too many to tell how each order ends.
#[test]
fn the_dead_ends_of_a_large_core_are_not_told() {
    for (count, is_told) in [(64, true), (65, false)] {
        let mut drawing = String::from("a: ");
        for value in 1..count {
            drawing += &format!("[w{value}] ");
        }
        let history = drawn(&(drawing + "[r_]"));
        let question = question_about(Model::Register, &[LINEARIZABLE]).about_objects(&history);
        let all: Vec<u32> = (0..count).collect();
        let found = dead_ends(&history, &question, &core_of(&history, &all), 8);
        assert_eq!(found.is_some(), is_told, "{count}: {found:?}");
    }
}

/// Levels of registers say nothing of an operation that no register has, so that none is proved for a history with one.
#[test]
fn an_operation_that_no_register_has_is_part_of_no_witness() {
    let (known, strange) = (drawn("a: [w1] [r1]"), drawn("a: [w1] [r1] [shake:1]"));
    for &level in Level::ALL {
        let property = Property::Level(level);
        let question = question_about(Model::Register, &[property]);
        let question = Question { staleness: Some(StalenessBound::Versions(1)), ..question };
        let report = testkit::check_confirmed(&known, &question, &test_limits(100_000, 1 << 28));
        let Verdict::Holds(witness) = verdict_of(&report, property) else { panic!("{level:?}") };
        // Session guarantees are about what sessions read and wrote, and about nothing else.
        if level.is_session_guarantee() {
            continue;
        }
        for witness in [witness.clone(), with_operation(witness, op(2))] {
            assert_refuted(&strange, &question, property, Verdict::Holds(witness));
        }
    }
}

/// The witness with another operation at the end of each order.
fn with_operation(witness: &Witness, more: OpId) -> Witness {
    let mut witness = witness.clone();
    match &mut witness {
        Witness::Orders(orders) => orders.iter_mut().for_each(|order| order.operations.push(more)),
        Witness::Causal(found) => found.orders.iter_mut().for_each(|order| order.operations.push(more)),
        _ => {}
    }
    witness
}

/// Whether a value is there may be asked of a register, too. Levels of single reads do not judge the answer.
#[test]
fn a_question_about_a_value_is_no_read() {
    let levels =
        [Level::RegularWriteOrder, Level::Regular, Level::Safe, Level::ConsistentPrefix, Level::Causal];
    // What failed did nothing, whatever it was.
    for drawing in ["a: [w1] [r1] [contains:1]", "a: [w1] [r1] [shake:1 !"] {
        let history = drawn(drawing);
        for level in levels {
            assert_holds(&history, Model::Register, Property::Level(level));
        }
    }
}

/// The user asserts that writes keep real-time order. 1, 2 and 3 were written one after the other; that 1 was written before 2 does not
/// make 3 older than 2.
#[test]
fn an_assertion_orders_the_two_writes_that_it_is_about() {
    let history = drawn("a: [w1] [w2] [w3] [r3]");
    let constraint =
        |reason, from: u32, to: u32| VersionConstraint { from: Some(op(from)), to: Some(op(to)), reason };
    let reasons: [fn(OpId, OpId) -> ConstraintReason; 2] =
        [|a, b| ConstraintReason::RealTimeWrites { a, b }, |a, b| ConstraintReason::SessionWrites { a, b }];
    for reason in reasons {
        let forged = [
            vec![constraint(reason(op(0), op(1)), 2, 1), constraint(reason(op(1), op(2)), 1, 2)],
            vec![constraint(reason(op(0), op(1)), 0, 2), constraint(reason(op(1), op(2)), 2, 0)],
        ];
        for cycle in forged {
            let property = Property::Level(Level::ReadYourWrites);
            let question = question_about(Model::Register, &[property]);
            let assume = Assume { sequential_keys: true, linearizable_keys: true };
            let question = Question { assume, ..question };
            let proof = vec![VersionProofStep::Cycle(cycle)];
            let key = history.key(op(0));
            let cycle = VersionRefutation { key, proof, shortest: true };
            let (kind, operations) = (AnomalyName::new(cycle.anomaly_name()), cycle.involved_operations());
            let violation = Violation { kind, key, operations, evidence: Evidence::Cycle(cycle) };
            let why = assert_refuted(&history, &question, property, Verdict::Violated(vec![violation]));
            assert!(why.contains("follow"), "{why}");
        }
    }
}

/// The user asserts that the writes of one session keep their order. These are of two sessions, and a third one saw them in the other order.
#[test]
fn an_assertion_about_sessions_orders_no_writes_of_two() {
    let property = Property::Level(Level::MonotonicReads);
    for (drawing, is_right) in [
        ("a: [w1]\nb:      [w2]\nc:           [r2] [r1]", false),
        ("a: [w1] [w2]\nc:             [r2] [r1]", true),
    ] {
        let history = drawn(drawing);
        let assume = Assume { sequential_keys: true, linearizable_keys: false };
        let question = Question { assume, ..question_about(Model::Register, &[property]) };
        let report = testkit::check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
        assert_eq!(verdict_of(&report, property).name() == "violated", is_right);
        let (a, b) = (op(0), op(1));
        let written = ConstraintReason::SessionWrites { a, b };
        let guarantee = Level::MonotonicReads;
        let seen = ConstraintReason::SessionOrder { guarantee, a: op(2), b: op(3) };
        let cycle = vec![
            VersionConstraint { from: Some(a), to: Some(b), reason: written },
            VersionConstraint { from: Some(b), to: Some(a), reason: seen },
        ];
        let key = history.key(a);
        let cycle = VersionRefutation { key, proof: vec![VersionProofStep::Cycle(cycle)], shortest: true };
        let (kind, operations) = (AnomalyName::new(cycle.anomaly_name()), cycle.involved_operations());
        let violation = Violation { kind, key, operations, evidence: Evidence::Cycle(cycle) };
        let found = claim_standing(&history, &question, property, Verdict::Violated(vec![violation]));
        assert_eq!(found == Standing::Confirmed, is_right, "{found:?}");
    }
}

/// The only element that did not come out may have been taken by the dequeue without an answer.
#[test]
fn what_an_unknown_dequeue_can_have_taken_is_not_undelivered() {
    let property = Property::Invariant(Invariant::TotalQueue);
    let question = question_about(Model::Queue, &[property]);
    for (drawing, count, is_right) in [
        ("a: [enqueue:1] [dequeue:_]\nb: [dequeue:_ ?", 1, false),
        ("a: [enqueue:1] [enqueue:2] [dequeue:_]\nb: [dequeue:_ ?", 2, true),
    ] {
        let history = drawn(drawing);
        let is_enqueue = |id: &OpId| history.function(*id) == Function::ENQUEUE;
        let enqueued: Vec<OpId> = history.ids().filter(is_enqueue).collect();
        assert_eq!(enqueued.len(), count);
        let empty = history.ids().find(|id| !is_enqueue(id) && history.outcome(*id) == Outcome::Ok);
        let empty = empty.expect("it was drawn");
        let breach = BreachEvidence::Undelivered { enqueued, empty, swallowed: 1 };
        let (kind, operations) = (AnomalyName::new("lost"), breach.involved_operations());
        let evidence = Evidence::Breach(breach);
        let violation = Violation { kind, key: history.key(empty), operations, evidence };
        let found = claim_standing(&history, &question, property, Verdict::Violated(vec![violation]));
        assert_eq!(found == Standing::Confirmed, is_right, "{found:?}");
    }
}

/// An account without money is not overdrawn. One with less is, unless the bank allows it.
#[test]
fn a_bank_allows_balances_below_zero_or_not() {
    let property = Property::Invariant(Invariant::Bank);
    for (balance, negative_balances, holds) in
        [(0, false, true), (0, true, true), (-1, false, false), (-1, true, true)]
    {
        let history = read_lines(&[
            r#"{"process":0,"type":"invoke","f":"read","value":null}"#,
            &format!(
                r#"{{"process":0,"type":"ok","f":"read","value":{{"a":{balance},"b":{}}}}}"#,
                10 - balance
            ),
        ]);
        let mut question = question_about(Model::Bank, &[property]);
        (question.bank.total, question.bank.negative_balances) = (Some(10), negative_balances);
        let claim = Verdict::Holds(Witness::Looked(1));
        let found = claim_standing(&history, &question, property, claim);
        assert_eq!(found == Standing::Confirmed, holds, "{balance} {negative_balances}: {found:?}");
        let report = testkit::check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
        assert_eq!(verdict_of(&report, property).name() == "holds", holds);
        question.bank.total = Some(11);
        let claim = Verdict::Holds(Witness::Looked(1));
        let why = assert_refuted(&history, &question, property, claim);
        assert!(why.contains("total") || !holds, "the user stated another total: {why}");
    }
}

/// What accounts hold is right or wrong in whatever order their bank was read.
#[test]
fn balances_need_no_real_time() {
    let property = Property::Invariant(Invariant::Bank);
    for (balance, holds) in [(-1, false), (1, true)] {
        let history = read_lines(&[
            r#"{"steadfast":1,"real_time":false}"#,
            r#"{"process":0,"type":"invoke","f":"read","value":null}"#,
            &format!(
                r#"{{"process":0,"type":"ok","f":"read","value":{{"a":{balance},"b":{}}}}}"#,
                10 - balance
            ),
        ]);
        let question = question_about(Model::Bank, &[property]);
        let report = testkit::check_confirmed(&history, &question, &test_limits(100_000, 1 << 28));
        assert_eq!(verdict_of(&report, property).name() == "holds", holds);
        let found = claim_standing(&history, &question, property, Verdict::Holds(Witness::Looked(1)));
        assert_eq!(found == Standing::Confirmed, holds, "{found:?}");
    }
}
