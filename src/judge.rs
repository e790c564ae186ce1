//! Questions put to the checker: each answer is timed, and its evidence checked again before anyone sees it.

use crate::recheck::recheck;
use crate::report::{Found, Timed};
use crate::subject::{Promise, Subject};
use crate::{models, progress::Progress};
use checker::check::{Assume, Question};
use checker::linearizability::recheck::Recheck;
use checker::transactions::{self, Analysis, Isolation};
use checker::{Level, Limits, Verdict};
use histories::History;
use std::time::Instant;

/// The levels of objects to check: those asked for, or those that the model is checked against by default.
pub(crate) fn object_levels(question: &Question, asked: Option<&[Promise]>) -> Result<Vec<Level>, String> {
    let Some(asked) = asked else { return Ok(models::default_levels(question.model).to_vec()) };
    let one = |&level: &Promise| match level {
        Promise::Object(level) => Ok(level),
        Promise::Isolation(level) => Err(foreign(level.name(), Subject::Objects(question.model))),
    };
    asked.iter().map(one).collect()
}

/// The levels of transactions to check: those asked for, or strict serializability.
pub(crate) fn isolation_levels(
    subject: Subject,
    asked: Option<&[Promise]>,
) -> Result<Vec<Isolation>, String> {
    let Some(asked) = asked else { return Ok(vec![Isolation::StrictSerializable]) };
    let one = |&level: &Promise| match level {
        Promise::Isolation(level) => Ok(level),
        Promise::Object(level) => Err(foreign(level.name(), subject)),
    };
    asked.iter().map(one).collect()
}

fn foreign(level: &str, subject: Subject) -> String {
    let (name, other) = (subject.name(), Promise::all().map(Promise::name));
    let fitting = match subject {
        Subject::Objects(_) => other.take(Level::ALL.len()).collect::<Vec<_>>(),
        Subject::Transactions(_) => other.skip(Level::ALL.len()).collect(),
    };
    format!("{level} is no level of the model {name}; it has: {}", fitting.join(", "))
}

/// Decides levels of objects, one after the other; what people must know of the second check becomes a remark. The
/// error is a bug of this program.
pub(crate) fn objects(
    history: &History,
    name: &str,
    question: &Question,
    levels: &[Level],
    limits: &Limits<'_>,
    (progress, remarks): (&Progress, &mut Vec<String>),
) -> Result<Vec<Timed>, String> {
    let mut ask = |&level: &Level| {
        progress.stage(&format!("checking {name}: {}", level.name()));
        let began = Instant::now();
        let answer = checker::check::check(history, level, question, limits);
        let seconds = began.elapsed().as_secs_f64();
        let checked = recheck(history, question, &answer)
            .map_err(|why| format!("{} {}: {why}", level.name(), answer.verdict.name()))?;
        if checked == Recheck::TooLarge {
            remarks.push(format!(
                "{} {}: the search tried every order; the second check found nothing against it, but stopped before it \
                 had tried them all",
                level.name(),
                answer.verdict.name()
            ));
        }
        Ok(Timed { found: Found::Object(answer), seconds })
    };
    levels.iter().map(&mut ask).collect()
}

/// Decides levels of transactions, all in one analysis: its time is that of each level. The error is a bug of
/// this program.
pub(crate) fn transactions(
    history: &History,
    name: &str,
    assume: Assume,
    levels: Vec<Isolation>,
    limits: &Limits<'_>,
    progress: &Progress,
) -> Result<(Vec<Timed>, Analysis), String> {
    progress.stage(&format!("checking {name}: transactions"));
    let options = transactions::Options { levels, assume };
    let began = Instant::now();
    let analysis = transactions::analyze(history, &options, limits);
    let seconds = began.elapsed().as_secs_f64();
    transactions::recheck::analysis(history, &options, &analysis).map_err(|why| why.to_string())?;
    for judgement in &analysis.judgements {
        // A verdict must rest on something that was checked just now.
        let Verdict::Violated(phenomena) = &judgement.verdict else { continue };
        if !analysis.anomalies.iter().any(|anomaly| phenomena.contains(&anomaly.phenomenon)) {
            return Err(format!("{} violated: without an anomaly", judgement.level.name()));
        }
    }
    let judgements = analysis.judgements.iter().cloned();
    let answers = judgements.map(|judgement| Timed { found: Found::Isolation(judgement), seconds }).collect();
    Ok((answers, analysis))
}
