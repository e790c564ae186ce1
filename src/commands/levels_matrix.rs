//! The matrix of `docs/levels.md`: the verdict of every level on every history that separates two levels.

use super::levels::subject_of;
use crate::separations::{SEPARATIONS, Separation};
use checker::{Level, Limits, Property, Question};
use std::fmt::Write as _;

const HEAD: &str = "
## Every level on every history

Each history above has a column, and each level a row. `+` means that the level holds, and `-` that it is violated. A level that nothing
in a history could have contradicted holds. `bounded-staleness` is left out, because its verdict depends on the bound.
";

/// Appends a table for the levels of objects, and one for those of transactions.
pub(super) fn write_matrix(text: &mut String) {
    text.push_str(HEAD);
    for (subject, is_about_transactions) in [("objects", false), ("transactions", true)] {
        let cases = SEPARATIONS.iter().filter(|one| one.is_about_transactions() == is_about_transactions);
        let cases: Vec<&Separation> = cases.collect();
        let levels = checker::level_definitions().map(|level| level.property).filter(|&level| {
            subject_of(level) == subject && level != Property::Level(Level::BoundedStaleness)
        });
        write_table(subject, &cases, &levels.collect::<Vec<_>>(), text);
    }
}

fn write_table(subject: &str, cases: &[&Separation], levels: &[Property], text: &mut String) {
    let _ = write!(text, "\n| {subject} |");
    (1..=cases.len()).for_each(|number| {
        let _ = write!(text, " {number} |");
    });
    let _ = write!(text, "\n| --- |{}\n", " --- |".repeat(cases.len()));
    let columns: Vec<Vec<char>> = cases.iter().map(|case| judge_case(case, levels)).collect();
    for (at, level) in levels.iter().enumerate() {
        let _ = write!(text, "| `{}` |", level.name());
        for column in &columns {
            let _ = write!(text, " {} |", column[at]);
        }
        text.push('\n');
    }
    text.push('\n');
    for (number, case) in (1..).zip(cases) {
        let _ = writeln!(text, "{number}. [{}](../histories/corpus/levels/{}.jsonl)", case.name, case.name);
    }
}

/// A sign for each level.
fn judge_case(case: &Separation, levels: &[Property]) -> Vec<char> {
    let history =
        histories::notation::parse(case.drawing).expect("the histories of the table are well-formed");
    let question = Question::recognised(&history).map(|question| Question {
        asked: Some(levels.to_vec()),
        accept_untested: true,
        ..question
    });
    let report = question.map_err(|why| why.to_string()).and_then(|question| {
        checker::check(&history, &question, &Limits::unbounded()).map_err(|why| why.to_string())
    });
    let sign = |level: &Property| {
        let answers = report.as_ref().map(|report| report.answers.as_slice()).unwrap_or_default();
        match answers.iter().find(|answer| answer.property == *level).map(|answer| answer.verdict.name()) {
            Some("holds") => '+',
            Some("violated") => '-',
            _ => '?',
        }
    };
    levels.iter().map(sign).collect()
}
