//! Proofs about causal levels, and breaches of sets, in which one condition does not hold, each beside one that is right.

use claims::{
    AnomalyName, BreachEvidence, CausalLink, CausalProofStep, CausalRefutation, Contradiction, Evidence,
    InferenceRule, InferredOrder, Invariant, Level, LinkReason, Model, Property, Verdict, Violation,
};
use histories::format::{Format, from_text};
use histories::{History, OpId, notation};
use testkit::{claim_standing, question_about};
use verifier::Standing;

fn op(number: u32) -> OpId {
    OpId::from_raw(number)
}

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

fn link(from: u32, to: u32, why: LinkReason) -> CausalLink {
    CausalLink { from: Some(op(from)), to: Some(op(to)), why }
}

fn standing_of_proof(history: &History, level: Level, proof: Vec<CausalProofStep>) -> Standing {
    let refutation = CausalRefutation { proof };
    let operations = refutation.involved_operations();
    let kind = AnomalyName::new(refutation.anomaly_name(level));
    let key = operations.first().map_or(histories::KeyId::NONE, |&id| history.key(id));
    let violation = Violation { kind, key, operations, evidence: Evidence::Causal(refutation) };
    let property = Property::Level(level);
    let question = question_about(Model::Register, &[property]);
    claim_standing(history, &question, property, Verdict::Violated(vec![violation]))
}

#[track_caller]
fn assert_refuted(standing: Standing, part_of_reason: &str) {
    let Standing::Refuted(why) = standing else { panic!("{standing:?}") };
    assert!(why.contains(part_of_reason), "{why}");
}

fn contradiction(inferred: Vec<InferredOrder>, cycle: Vec<CausalLink>) -> CausalProofStep {
    CausalProofStep::Contradiction(Contradiction { session: None, inferred, cycle })
}

/// A read returned `source`, and the path leads from `other` to the read. So `other` comes before `source`.
fn overwritten(read: u32, source: u32, other: u32, path: Vec<CausalLink>) -> InferredOrder {
    InferredOrder {
        read: op(read),
        source: Some(op(source)),
        other: op(other),
        rule: InferenceRule::NotBetween,
        path,
    }
}

/// Two sessions read two writes in different orders. Sequential consistency wants one order of the writes; causal consistency does not.
#[test]
fn an_order_of_writes_that_everybody_sees_is_asked_of_some_levels_only() {
    let history = drawn("a: [w1]\nb:      [w2]\nc:           [r1] [r2]\nd:                     [r2] [r1]");
    // A session read `second`, and then `first`, so that `second` comes before `first`.
    let case = |[first, second]: [u32; 2], [earlier, later]: [u32; 2]| {
        let path = vec![
            link(second, earlier, LinkReason::ReadsFrom),
            link(earlier, later, LinkReason::SessionOrder),
        ];
        let cycle =
            vec![link(first, second, LinkReason::Assumed), link(second, first, LinkReason::Inferred(0))];
        contradiction(vec![overwritten(later, first, second, path)], cycle)
    };
    let proof = || {
        let order = CausalProofStep::Order { a: op(0), b: op(1) };
        vec![order, case([0, 1], [4, 5]), case([1, 0], [2, 3])]
    };
    assert_eq!(standing_of_proof(&history, Level::Sequential, proof()), Standing::Confirmed);
    let sessions = [None, Some(history.session(op(2)))];
    for session in sessions {
        let with = |step: CausalProofStep| match step {
            CausalProofStep::Contradiction(found) => {
                CausalProofStep::Contradiction(Contradiction { session, ..found })
            }
            other => other,
        };
        let found = standing_of_proof(&history, Level::Causal, proof().into_iter().map(with).collect());
        assert_refuted(found, "need not be in one order");
    }
}

/// No write is before itself, so that a proof by the two orders of one write proves anything.
#[test]
fn a_write_is_in_no_order_with_itself() {
    let history = drawn("a: [w1] [r1]");
    let case = || contradiction(Vec::new(), vec![link(0, 0, LinkReason::Assumed)]);
    let proof = vec![CausalProofStep::Order { a: op(0), b: op(0) }, case(), case()];
    let found = standing_of_proof(&history, Level::Sequential, proof);
    assert_refuted(found, "need not be in one order");
}

/// A read, and a write that failed, replace nothing. A write that was acknowledged between the two does.
#[test]
fn only_a_write_that_happened_is_overwritten() {
    for (drawing, is_right) in
        [("a: [w1] [r1] [r1]", false), ("a: [w1] [w2 ! [r1]", false), ("a: [w1] [w2] [r1]", true)]
    {
        let history = drawn(drawing);
        let path = vec![link(1, 2, LinkReason::SessionOrder)];
        let cycle = vec![link(0, 1, LinkReason::SessionOrder), link(1, 0, LinkReason::Inferred(0))];
        let proof = vec![contradiction(vec![overwritten(2, 0, 1, path)], cycle)];
        let found = standing_of_proof(&history, Level::CausalConvergence, proof);
        match is_right {
            true => assert_eq!(found, Standing::Confirmed, "{drawing}"),
            false => assert!(matches!(found, Standing::Refuted(_)), "{drawing}: {found:?}"),
        }
    }
}

/// An element of a set was missing from a read, and was there again. A set that is read late allows this; a linearizable one does not. What
/// shows the element again is a later read.
#[test]
fn what_shows_an_element_again_is_a_later_read() {
    let line = |kind: &str, function: &str, value: &str| {
        format!("{{\"process\":0,\"type\":\"{kind}\",\"f\":\"{function}\",\"value\":{value}}}\n")
    };
    let mut text = line("invoke", "add", "1") + &line("ok", "add", "1");
    for answer in ["[1]", "[]", "[1]", "[]"] {
        text += &(line("invoke", "read", "null") + &line("ok", "read", answer));
    }
    let history = from_text(Format::Native, &text).expect("a history");
    let standing = |invariant: Invariant, again: u32| {
        let breach = BreachEvidence::Missing {
            element: "1".to_owned(),
            known: op(0),
            read: op(2),
            again: Some(op(again)),
        };
        standing_of_breach(&history, (Model::Set, invariant, "stale"), breach)
    };
    assert_eq!(standing(Invariant::SetFullLinearizable, 3), Standing::Confirmed);
    for (invariant, again) in
        [(Invariant::SetFull, 3), (Invariant::SetFullLinearizable, 1), (Invariant::SetFullLinearizable, 4)]
    {
        let found = standing(invariant, again);
        assert!(matches!(found, Standing::Refuted(_)), "{} {again}: {found:?}", invariant.name());
    }
}

fn standing_of_breach(
    history: &History,
    (model, invariant, name): (Model, Invariant, &'static str),
    breach: BreachEvidence,
) -> Standing {
    let operations = breach.involved_operations();
    let kind = AnomalyName::new(name);
    let violation =
        Violation { kind, key: history.key(operations[0]), operations, evidence: Evidence::Breach(breach) };
    let property = Property::Invariant(invariant);
    let question = question_about(model, &[property]);
    claim_standing(history, &question, property, Verdict::Violated(vec![violation]))
}

/// A read that began before the addition was over may lack the element.
#[test]
fn an_element_that_was_still_being_added_is_not_missing() {
    for (is_over, order) in [(true, [0, 1, 2, 3]), (false, [0, 2, 1, 3])] {
        let lines = [
            r#"{"process":0,"type":"invoke","f":"add","value":1}"#,
            r#"{"process":0,"type":"ok","f":"add","value":1}"#,
            r#"{"process":1,"type":"invoke","f":"read","value":null}"#,
            r#"{"process":1,"type":"ok","f":"read","value":[]}"#,
        ];
        let text: Vec<&str> = order.iter().map(|&at: &usize| lines[at]).collect();
        let history = from_text(Format::Native, &text.join("\n")).expect("a history");
        let breach =
            BreachEvidence::Missing { element: "1".to_owned(), known: op(0), read: op(1), again: None };
        let found = standing_of_breach(&history, (Model::Set, Invariant::SetFull, "lost"), breach);
        assert_eq!(found == Standing::Confirmed, is_over, "{found:?}");
    }
}

/// An element came out twice. It was put in again after that, which explains nothing.
#[test]
fn what_was_put_in_later_had_not_come_out() {
    for (drawing, count) in [
        ("a: [enqueue:1] [dequeue:1] [dequeue:1] [enqueue:1]", 1),
        ("a: [enqueue:1] [enqueue:1] [dequeue:1] [dequeue:1]", 2),
    ] {
        let history = drawn(drawing);
        let is_dequeue = |id: &OpId| history.function(*id) == histories::Function::DEQUEUE;
        let returned: Vec<OpId> = history.ids().filter(is_dequeue).collect();
        let breach = BreachEvidence::Repeated { element: "1".to_owned(), returned, put_in: count };
        let found = standing_of_breach(&history, (Model::Queue, Invariant::AtMostOnce, "duplicated"), breach);
        assert_eq!(found == Standing::Confirmed, count == 1, "{found:?}");
    }
}

/// A read of another set shows nothing about the elements of this set.
#[test]
fn an_element_is_missing_from_its_own_set() {
    let mut text = String::new();
    for (function, key, value) in [
        ("add", "a", "1"),
        ("read", "a", "[]"),
        ("read", "b", "[]"),
        ("add", "b", "1"),
        ("read", "b", "[1]"),
        ("read", "a", "[1]"),
    ] {
        let given = if function == "add" { value } else { "null" };
        for (kind, value) in [("invoke", given), ("ok", value)] {
            text += &format!(
                "{{\"process\":0,\"type\":\"{kind}\",\"f\":\"{function}\",\"key\":\"{key}\",\"value\":{value}}}\n"
            );
        }
    }
    let history = from_text(Format::Native, &text).expect("a history");
    for (read, again, is_right) in [(1, 5, true), (1, 4, false), (2, 5, false)] {
        let breach = BreachEvidence::Missing {
            element: "1".to_owned(),
            known: op(0),
            read: op(read),
            again: Some(op(again)),
        };
        let found =
            standing_of_breach(&history, (Model::Set, Invariant::SetFullLinearizable, "stale"), breach);
        assert_eq!(found == Standing::Confirmed, is_right, "{read} {again}: {found:?}");
    }
}
