//! Proofs by cases that say more than the history shows.
//!
//! A proof by cases leans on two things that the verifier looks up by itself: which writes a read may have returned, and who wrote
//! first. Where the history does not tell them, an empty list of candidates is no contradiction.

use claims::{
    AnomalyName, Answer, CaseStep, Evidence, IsolationLevel, Phenomenon, Property, ReadAt, Report,
    TransactionAnomaly, TransactionEvidence, Verdict, Violation,
};
use histories::{History, KeyId, OpId, notation};
use testkit::{model_of_transactions, question_about};
use verifier::{Standing, verify};

/// What the verifier says of the claim that a level is violated because nothing explains the history.
fn standing(history: &History, level: IsolationLevel, example: TransactionEvidence) -> Standing {
    let property = Property::Isolation(level);
    let question = question_about(model_of_transactions(history), &[property]);
    let phenomenon = Phenomenon::Impossible(level);
    let violation = Violation {
        kind: AnomalyName::new(phenomenon.name()),
        key: KeyId::NONE,
        operations: Vec::new(),
        evidence: Evidence::Phenomenon(phenomenon),
    };
    let answer = Answer {
        property,
        method: String::new(),
        verdict: Verdict::Violated(vec![violation]),
        counts: Vec::new(),
    };
    let report = Report {
        model: question.model,
        answers: vec![answer],
        phenomena: vec![TransactionAnomaly { phenomenon, count: 1, examples: vec![example] }],
        ..Report::default()
    };
    verify(history, &question, &report, &claims::Limits::unbounded()).answers[0].clone()
}

/// The claim that nothing needs to be assumed for a contradiction.
fn bare_contradiction() -> TransactionEvidence {
    TransactionEvidence::Cases(vec![CaseStep { assumed: Vec::new(), cycle: Vec::new() }])
}

fn drawn(drawing: &str) -> History {
    notation::parse(drawing).expect("a drawing")
}

fn is_refuted(history: &History, level: IsolationLevel, example: TransactionEvidence) -> bool {
    matches!(standing(history, level, example), Standing::Refuted(_))
}

/// Two transactions append 1, and a third reads the list between them. It was confirmed that no execution explains this,
/// because the element does not tell its writer, and no writer was taken for no possible writer.
#[test]
fn an_element_that_two_transactions_appended_contradicts_nothing() {
    let history = drawn("a: [t ax1]\nb:         [t ax1]\nc:    [t rx(1)  ]");
    assert!(is_refuted(&history, IsolationLevel::Serializable, bare_contradiction()));
}

/// A key that is both written and appended to has no order that anybody defined.
#[test]
fn a_key_that_is_a_list_and_a_register_contradicts_nothing() {
    let history = drawn("a: [t ax1]\nb:        [t wx1]\nc:                  [t rx(1)]");
    assert!(is_refuted(&history, IsolationLevel::Serializable, bare_contradiction()));
}

/// Levels that ask nothing of reads are contradicted by no read.
#[test]
fn a_read_of_nothing_known_does_not_contradict_read_uncommitted() {
    let history = drawn("a: [t ax1 ax2]\nb:              [t rx(1)]");
    assert!(is_refuted(&history, IsolationLevel::ReadUncommitted, bare_contradiction()));
    // From read-committed up it does: the list stops in the middle of a transaction.
    let found = standing(&history, IsolationLevel::ReadCommitted, bare_contradiction());
    assert_eq!(found, Standing::Confirmed);
}

/// Evidence about lists, told of registers: it is refused, and nothing is looked up that is not there.
#[test]
fn two_reads_of_a_register_are_no_incompatible_lists() {
    let history = drawn("a: [t wx1]\nb:        [t wx2]\nc:   [t rx1    ]\nd:            [t rx2]");
    let key = history.micros_of(OpId::from_raw(0))[0].key;
    let read = |number| ReadAt { transaction: OpId::from_raw(number), place: 0, key };
    let readers: Vec<u32> = (0..4)
        .filter(|&number| {
            matches!(
                history.micros_of(OpId::from_raw(number))[0].kind,
                histories::MicroKind::Read | histories::MicroKind::ReadList
            )
        })
        .collect();
    let example = TransactionEvidence::IncompatibleOrder { one: read(readers[0]), other: read(readers[1]) };
    assert!(is_refuted(&history, IsolationLevel::Serializable, example));
}
