//! Runs the checker, and has the verifier check its claims or forged ones.

use claims::{Answer, IsolationLevel, Level, Limits, Model, Property, Question, Report, Verdict};
use histories::History;
use std::sync::atomic::AtomicBool;
use verifier::Standing;

/// The models of objects, except those of single registers.
pub const OTHER_MODELS: [Model; 8] = [
    Model::MultiRegister,
    Model::Kv,
    Model::Counter,
    Model::Set,
    Model::Queue,
    Model::Stack,
    Model::PriorityQueue,
    Model::Mutex,
];

/// Limits of so many steps and bytes, with a stop flag that is never set.
pub fn test_limits(steps: u64, bytes: usize) -> Limits<'static> {
    static NEVER: AtomicBool = AtomicBool::new(false);
    Limits { steps, bytes, stop: &NEVER }
}

/// Converts levels to properties.
pub fn level_properties(levels: &[Level]) -> Vec<Property> {
    levels.iter().copied().map(Property::Level).collect()
}

/// Converts isolation levels to properties.
pub fn isolation_properties(levels: &[IsolationLevel]) -> Vec<Property> {
    levels.iter().copied().map(Property::Isolation).collect()
}

/// The model of a history of transactions: lists, or registers if the history does not fit lists.
pub fn model_of_transactions(history: &History) -> Model {
    let lists = Model::ListAppend;
    if lists.explain_mismatch(history).is_none() { lists } else { Model::RwRegister }
}

/// The question whether `properties` hold for histories of a model. *Untested* counts as *holds*, because small random
/// histories often have no read at all, and brute force then says that everything holds.
pub fn question_about(model: Model, properties: &[Property]) -> Question {
    Question { asked: Some(properties.to_vec()), accept_untested: true, ..Question::about(model) }
}

/// Checks properties of a history, within 100 million steps and a gigabyte. Panics if the verifier does not confirm
/// every claim.
pub fn check_all(history: &History, model: Model, properties: &[Property]) -> Report {
    check_confirmed(history, &question_about(model, properties), &test_limits(100_000_000, 1 << 30))
}

/// Checks a question. Panics with a drawing of the history if the verifier does not confirm some answer.
pub fn check_confirmed(history: &History, question: &Question, limits: &Limits<'_>) -> Report {
    let report = checker::check(history, question, limits)
        .unwrap_or_else(|why| panic!("{why}\n{question:?}\n{}", crate::draw_history(history)));
    assert_confirmed(history, question, &report);
    report
}

/// Panics unless the verifier confirms every claim and every phenomenon of a report.
pub fn assert_confirmed(history: &History, question: &Question, report: &Report) {
    let found = verifier::verify(history, question, report, &Limits::unbounded());
    let answers = report.answers.iter().chain(&report.beside);
    for (answer, standing) in answers.zip(found.answers.iter().chain(&found.beside)) {
        let told = || format!("{standing:?}: {answer:#?}\n{question:?}\n{}", crate::draw_history(history));
        // Where values repeat, the name of an anomaly may be open.
        let stands = matches!(standing, Standing::Confirmed | Standing::ConfirmedExcept(_));
        assert!(stands, "{}", told());
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

/// A report with one claim that nothing supports.
pub fn forge_report(question: &Question, property: Property, verdict: Verdict) -> Report {
    let answer = Answer { property, method: "forged".to_owned(), verdict, counts: Vec::new() };
    Report { model: question.model, answers: vec![answer], ..Report::default() }
}

/// The verifier's standing for the claim that a property has this verdict.
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

/// Panics unless the verifier refutes the claim that a property has this verdict. Returns the reason of the refutation.
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
