//! `steadfast verify`: the evidence of an earlier verdict, held against its history.

use crate::args::{Source, VerifyArgs};
use crate::certificate::{self, Certificate, Claims};
use crate::exit::Exit;
use crate::input;
use crate::judge;
use crate::output;
use crate::progress::Progress;
use crate::recheck;
use checker::check::{Answer, Question};
use checker::continuity::recheck::Again;
use checker::continuity::{self, Finding, Judged, Kind, again};
use checker::linearizability::recheck::Recheck;
use checker::transactions::recheck::Evidences;
use checker::{Verdict, invariants};
use histories::History;
use std::fmt::Write;

pub(crate) fn run(args: &VerifyArgs) -> Exit {
    match verify(args) {
        Ok((text, exit)) => exit.max(super::print(&text)),
        Err(problems) => {
            output::complain(&problems);
            Exit::BadInput
        }
    }
}

fn verify(args: &VerifyArgs) -> Result<(String, Exit), String> {
    let shown = args.certificate.display();
    let text =
        std::fs::read_to_string(&args.certificate).map_err(|why| format!("failed to read {shown}: {why}"))?;
    let source = Source::of(args.history.clone());
    let mut history = input::load(&source, &args.reading, &Progress::start(false))?.history;
    let claimed =
        certificate::read(&text, &source.name(), &mut history).map_err(|why| format!("{shown}: {why}"))?;
    let levels = match &claimed {
        Certificate::Objects(_, answers) => answers.len(),
        Certificate::Transactions(claims) => claims.judgements.len(),
        Certificate::Sessions(_, judged) => judged.len(),
        Certificate::Invariants(_, answers) => answers.len(),
    };
    if levels == 0 {
        return Err(format!("{shown}: it says nothing of any level, so there is nothing to confirm"));
    }
    Ok(match &claimed {
        Certificate::Objects(question, answers) => objects(&history, question, answers),
        Certificate::Transactions(claims) => transactions(&history, claims),
        Certificate::Sessions(question, judged) => sessions(&history, question, judged),
        Certificate::Invariants(options, answers) => invariants(&history, options, answers),
    })
}

/// What became of one level's claim.
enum Seen {
    Confirmed,
    Refuted(String),
    Unknown(String),
}

/// A line a level, and the worst of their exit codes.
fn told<'a>(levels: impl Iterator<Item = (&'a str, &'a str, Seen)>) -> (String, Exit) {
    let mut lines = String::new();
    let mut worst = Exit::Holds;
    for (level, verdict, seen) in levels {
        let (line, exit) = match (seen, verdict) {
            (Seen::Confirmed, _) => (format!("confirmed  {level} {verdict}"), Exit::Holds),
            (Seen::Refuted(why), _) => (format!("refuted    {level} {verdict}: {why}"), Exit::Violated),
            (Seen::Unknown(why), "unknown") => (format!("unknown    {level}: {why}"), Exit::Unknown),
            (Seen::Unknown(why), _) => (format!("unknown    {level} {verdict}: {why}"), Exit::Unknown),
        };
        writeln!(lines, "{line}").expect("a string takes everything");
        worst = worst.max(exit);
    }
    (lines, worst)
}

/// Findings of session stores, and before them what they rest on beside the history. What is confirmed to be wrong is left
/// out when it is looked a second time whether nothing else is to be found.
fn sessions(history: &History, question: &continuity::Question, judged: &[Judged]) -> (String, Exit) {
    let evidence = Again::new(history, question);
    let stands: Vec<Result<(), String>> =
        judged.iter().map(|judged| evidence.judged(judged).map_err(|why| why.0)).collect();
    let confirmed = judged.iter().zip(&stands).filter(|(_, stands)| stands.is_ok());
    let findings = confirmed.filter_map(|(judged, _)| match &judged.verdict {
        Verdict::Violated(findings) => Some(findings),
        _ => None,
    });
    let wrong = findings.flatten().filter_map(Finding::wrong).collect();
    let against = again::look(history, question, &wrong);
    let holds = |kind: &Kind| {
        judged.iter().any(|judged| judged.kind == *kind && matches!(judged.verdict, Verdict::Holds(())))
    };
    let level = |(judged, stands): (&Judged, &Result<(), String>)| {
        let seen = match (&judged.verdict, stands) {
            (_, Err(why)) => Seen::Refuted(why.clone()),
            (Verdict::Unknown(unknown), _) => Seen::Unknown(unknown.reason.clone()),
            (Verdict::Violated(_), Ok(())) => Seen::Confirmed,
            (Verdict::Holds(()), Ok(())) => {
                let own = || against.iter().filter(|against| against.kinds.contains(&judged.kind));
                let refutes = own().find(|against| against.certain && against.kinds.iter().all(holds));
                match (refutes, own().next()) {
                    (Some(against), _) => Seen::Refuted(against.why.clone()),
                    (None, Some(against)) if against.certain => {
                        Seen::Unknown(format!("{}, which may be this or another finding", against.why))
                    }
                    (None, Some(against)) => Seen::Unknown(against.why.clone()),
                    (None, None) => Seen::Confirmed,
                }
            }
        };
        (judged.kind.name(), judged.verdict.name(), seen)
    };
    let (lines, exit) = told(judged.iter().zip(&stands).map(level));
    (format!("given      {}\n{lines}", judge::in_force(question)), exit)
}

fn invariants(
    history: &History,
    options: &invariants::Options,
    answers: &[invariants::Answer],
) -> (String, Exit) {
    told(answers.iter().map(|answer| {
        let seen = match (&answer.verdict, invariants::recheck::answer(history, options, answer)) {
            (_, Err(why)) => Seen::Refuted(why),
            (Verdict::Unknown(unknown), Ok(())) => Seen::Unknown(unknown.reason.clone()),
            (_, Ok(())) => Seen::Confirmed,
        };
        (answer.check.name(), answer.verdict.name(), seen)
    }))
}

fn transactions(history: &History, claims: &Claims) -> (String, Exit) {
    let mut evidence = Evidences::new(history, claims.assume, &claims.anomalies);
    told(claims.judgements.iter().map(|judgement| {
        let seen = match (&judgement.verdict, evidence.judgement(judgement)) {
            (_, Err(why)) => Seen::Refuted(why.0),
            (Verdict::Unknown(unknown), Ok(())) => Seen::Unknown(unknown.reason.clone()),
            (_, Ok(())) => Seen::Confirmed,
        };
        (judgement.level.name(), judgement.verdict.name(), seen)
    }))
}

fn objects(history: &History, question: &Question, answers: &[Answer]) -> (String, Exit) {
    told(answers.iter().map(|answer| {
        let seen = match (&answer.verdict, recheck::recheck(history, question, answer)) {
            (_, Err(why)) => Seen::Refuted(why.to_string()),
            (Verdict::Unknown(unknown), Ok(_)) => Seen::Unknown(unknown.reason.clone()),
            (Verdict::Holds(_), Ok(Recheck::TooLarge)) => {
                Seen::Unknown("there is no room for the causal past of each read".to_owned())
            }
            (_, Ok(Recheck::TooLarge)) => {
                Seen::Unknown("its core has too many orders to try them all".to_owned())
            }
            (_, Ok(Recheck::Confirmed)) => Seen::Confirmed,
        };
        (answer.level.name(), answer.verdict.name(), seen)
    }))
}
