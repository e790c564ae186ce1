//! Questions put to the checker: each answer is timed, and its evidence checked again before anyone sees it.

use crate::recheck::recheck;
use crate::report::{Found, Timed};
use crate::subject::{Promise, Subject};
use crate::{models, progress::Progress};
use checker::check::{Assume, Question};
use checker::continuity::{self, Kind};
use checker::invariants::{self, Check};
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
        other => Err(foreign(other.name(), Subject::Objects(question.model))),
    };
    asked.iter().map(one).collect()
}

/// The levels of transactions to check: those asked for, or strict serializability.
pub(crate) fn isolation_levels(
    subject: Subject,
    asked: Option<&[Promise]>,
) -> Result<Vec<Isolation>, String> {
    let Some(asked) = asked else { return Ok(vec![Isolation::StrictSerializable]) };
    let one = |&level: &Promise| level.of_transactions().ok_or_else(|| foreign(level.name(), subject));
    asked.iter().map(one).collect()
}

/// The findings of session stores to look for: those asked for, or all.
pub(crate) fn kinds(asked: Option<&[Promise]>) -> Result<Option<Vec<Kind>>, String> {
    let one = |&level: &Promise| match level {
        Promise::Finding(kind) => Ok(kind),
        other => Err(foreign(other.name(), Subject::Sessions)),
    };
    asked.map(|asked| asked.iter().map(one).collect()).transpose()
}

/// The invariants to check: those asked for, or the one that the subject is named for.
pub(crate) fn checks(subject: Subject, asked: Option<&[Promise]>) -> Result<Vec<Check>, String> {
    let own = subject.invariants();
    let one = |&level: &Promise| match level {
        Promise::Invariant(check) if own.contains(&check) => Ok(check),
        other => Err(foreign(other.name(), subject)),
    };
    asked.map_or_else(|| Ok(own.iter().take(1).copied().collect()), |asked| asked.iter().map(one).collect())
}

fn foreign(level: &str, subject: Subject) -> String {
    let name = subject.name();
    let fits = |promise: &Promise| {
        matches!(
            (subject, promise),
            (Subject::Objects(_), Promise::Object(_))
                | (Subject::Transactions(_), Promise::Isolation(_))
                | (Subject::Sessions, Promise::Finding(_))
        ) || matches!(promise, Promise::Invariant(check) if subject.invariants().contains(check))
    };
    let fitting: Vec<&str> = Promise::all().filter(fits).map(Promise::name).collect();
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
            let (level, verdict) = (level.name(), answer.verdict.name());
            remarks.push(match answer.verdict {
                Verdict::Holds(_) => format!(
                    "{level} {verdict}: the second check held the order against sessions and reads, but had no room for the \
                     causal past of each read"
                ),
                _ => format!(
                    "{level} {verdict}: the search tried every order; the second check found nothing against it, but stopped \
                     before it had tried them all"
                ),
            });
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
    let analysis = transactions::recheck::within(history, &options, analysis, limits);
    let analysis = analysis.map_err(|why| why.to_string())?;
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

/// Looks for findings of session stores, all in one pass: its time is that of each. What was not recorded is left out
/// unless it was asked for, and said in a remark. The error is a bug of this program.
pub(crate) fn sessions(
    history: &History,
    name: &str,
    question: &continuity::Question,
    asked: Option<&[Kind]>,
    limits: &Limits<'_>,
    (progress, remarks): (&Progress, &mut Vec<String>),
) -> Result<Vec<Timed>, String> {
    progress.stage(&format!("checking {name}: sessions"));
    let began = Instant::now();
    let all = continuity::judge(history, question, limits);
    let seconds = began.elapsed().as_secs_f64();
    continuity::recheck::judged(history, question, &all).map_err(|why| why.to_string())?;
    let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
    let mut answers = Vec::new();
    for judged in all {
        let wanted = asked.is_none_or(|asked| asked.contains(&judged.kind));
        match (&judged.verdict, asked) {
            _ if !wanted => {}
            (Verdict::Unknown(unknown), None) if !judged.recorded => {
                match missing.iter_mut().find(|known| known.0 == unknown.reason) {
                    Some((_, kinds)) => kinds.push(judged.kind.name()),
                    None => missing.push((unknown.reason.clone(), vec![judged.kind.name()])),
                }
            }
            _ => answers.push(Timed { found: Found::Finding(judged), seconds }),
        }
    }
    remarks
        .extend(missing.into_iter().map(|(why, kinds)| format!("not judged: {}: {why}", kinds.join(", "))));
    remarks.push(in_force(question));
    Ok(answers)
}

/// Checks invariants, one after the other. The error is a bug of this program.
pub(crate) fn invariants(
    history: &History,
    name: &str,
    options: &invariants::Options,
    checks: &[Check],
    (progress, remarks): (&Progress, &mut Vec<String>),
) -> Result<Vec<Timed>, String> {
    let mut ask = |&check: &Check| {
        progress.stage(&format!("checking {name}: {}", check.name()));
        let began = Instant::now();
        let answer = invariants::check(history, check, options);
        let seconds = began.elapsed().as_secs_f64();
        invariants::recheck::answer(history, options, &answer)?;
        let new: Vec<String> =
            answer.remarks.iter().filter(|remark| !remarks.contains(remark)).cloned().collect();
        remarks.extend(new);
        Ok(Timed { found: Found::Invariant(answer), seconds })
    };
    checks.iter().map(&mut ask).collect()
}

/// What the verdicts of a session store rest on.
pub(crate) fn in_force(question: &continuity::Question) -> String {
    let span = |ns: i64| crate::report::layout::duration(ns as f64 / 1e9);
    let lives = match question.time_to_live_ns {
        Some(ns) => format!("sessions live for {}", span(ns)),
        None => "sessions live for ever, as far as is known".to_owned(),
    };
    format!("{lives}; clocks may be off by {}", span(question.tolerance_ns))
}
