//! Asks the checker, and holds its claims, or forged ones, against the verifier.

use claims::{Answer, IsolationLevel, Level, Limits, Model, Property, Question, Report, Verdict};
use histories::History;
use std::sync::atomic::AtomicBool;
use verifier::Standing;

/// Limits of so many steps and bytes that nobody stops.
pub fn test_limits(steps: u64, bytes: usize) -> Limits<'static> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    Limits { steps, bytes, stop: &NEVER }
}

/// Levels of objects, as properties.
pub fn level_properties(levels: &[Level]) -> Vec<Property> {
    levels.iter().copied().map(Property::Level).collect()
}

/// Isolation levels, as properties.
pub fn isolation_properties(levels: &[IsolationLevel]) -> Vec<Property> {
    levels.iter().copied().map(Property::Isolation).collect()
}

/// Registers if transactions only write such, else lists.
pub fn model_of_transactions(history: &History) -> Model {
    let lists = Model::ListAppend;
    if lists.explain_mismatch(history).is_none() { lists } else { Model::RwRegister }
}

/// The question whether properties hold of histories of a model. What nothing could have contradicted counts as *holds*,
/// because small random histories often have no read at all and brute force says of them that all holds.
pub fn question_about(model: Model, properties: &[Property]) -> Question {
    Question { asked: Some(properties.to_vec()), accept_untested: true, ..Question::about(model) }
}

/// The answers to properties of a history of a model, within 100 million steps and a gigabyte. Every claim was confirmed.
pub fn check_all(history: &History, model: Model, properties: &[Property]) -> Report {
    check_confirmed(history, &question_about(model, properties), &test_limits(100_000_000, 1 << 30))
}

/// The answers to a question. Panics with a drawing of the history if there is an answer that the verifier does not confirm.
pub fn check_confirmed(history: &History, question: &Question, limits: &Limits<'_>) -> Report {
    let report = checker::check(history, question, limits)
        .unwrap_or_else(|why| panic!("{why}\n{question:?}\n{}", crate::draw_history(history)));
    assert_confirmed(history, question, &report);
    report
}

/// Panics unless every claim of a report, and every phenomenon in it, is confirmed.
pub fn assert_confirmed(history: &History, question: &Question, report: &Report) {
    let found = verifier::verify(history, question, report, &Limits::unbounded());
    let answers = report.answers.iter().chain(&report.beside);
    for (answer, standing) in answers.zip(found.answers.iter().chain(&found.beside)) {
        let told = || format!("{standing:?}: {answer:#?}\n{question:?}\n{}", crate::draw_history(history));
        assert_eq!(*standing, Standing::Confirmed, "{}", told());
    }
    for (anomaly, standing) in report.phenomena.iter().zip(&found.phenomena) {
        assert_eq!(*standing, Standing::Confirmed, "{anomaly:#?}\n{}", crate::draw_history(history));
    }
}

/// The verdict of a property. Panics if the report has none.
pub fn verdict_of(report: &Report, property: Property) -> &Verdict {
    let answer = report.answers.iter().find(|answer| answer.property == property);
    &answer.unwrap_or_else(|| panic!("nobody asked about {}", property.name())).verdict
}

/// A report with one claim, as somebody could have made it up.
pub fn forge_report(question: &Question, property: Property, verdict: Verdict) -> Report {
    let answer = Answer { property, method: "forged".to_owned(), verdict, counts: Vec::new() };
    Report { model: question.model, answers: vec![answer], ..Report::default() }
}

/// Where the one claim stands that a property has this verdict.
pub fn claim_standing(
    history: &History,
    question: &Question,
    property: Property,
    verdict: Verdict,
) -> Standing {
    let report = forge_report(question, property, verdict);
    let mut found = verifier::verify(history, question, &report, &Limits::unbounded());
    found.answers.remove(0)
}

/// Panics unless the verifier refutes the claim that a property has this verdict. Returns why it does.
#[track_caller]
pub fn assert_refuted(
    history: &History,
    question: &Question,
    property: Property,
    verdict: Verdict,
) -> String {
    let claim = format!("{} {verdict:#?}", property.name());
    match claim_standing(history, question, property, verdict) {
        Standing::Refuted(why) => why,
        other => panic!("{other:?}, not refuted: {claim}\n{}", crate::draw_history(history)),
    }
}
