//! `steadfast verify`: the evidence of an earlier verdict, held against its history.

use crate::args::{Source, VerifyArgs};
use crate::certificate::{self, Certificate, Claims};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::progress::Progress;
use crate::recheck;
use checker::Verdict;
use checker::check::{Answer, Question};
use checker::linearizability::recheck::Recheck;
use checker::transactions::recheck::Evidences;
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
    Ok(match &claimed {
        Certificate::Objects(question, answers) => objects(&history, question, answers),
        Certificate::Transactions(claims) => transactions(&history, claims),
    })
}

/// A line a level, and the worst of their exit codes.
fn transactions(history: &History, claims: &Claims) -> (String, Exit) {
    let mut lines = String::new();
    let mut worst = Exit::Holds;
    let mut evidence = Evidences::new(history, claims.assume, &claims.anomalies);
    for judgement in &claims.judgements {
        let (level, verdict) = (judgement.level.name(), judgement.verdict.name());
        let (line, exit) = match (&judgement.verdict, evidence.judgement(judgement)) {
            (_, Err(why)) => (format!("refuted    {level} {verdict}: {}", why.0), Exit::Violated),
            (Verdict::Unknown(unknown), Ok(())) => {
                (format!("unknown    {level}: {}", unknown.reason), Exit::Unknown)
            }
            (_, Ok(())) => (format!("confirmed  {level} {verdict}"), Exit::Holds),
        };
        writeln!(lines, "{line}").expect("a string takes everything");
        worst = worst.max(exit);
    }
    (lines, worst)
}

fn objects(history: &History, question: &Question, answers: &[Answer]) -> (String, Exit) {
    let mut lines = String::new();
    let mut worst = Exit::Holds;
    for answer in answers {
        let (level, verdict) = (answer.level.name(), answer.verdict.name());
        let (line, exit) = match (&answer.verdict, recheck::recheck(history, question, answer)) {
            (_, Err(why)) => (format!("refuted    {level} {verdict}: {why}"), Exit::Violated),
            (Verdict::Unknown(unknown), Ok(_)) => {
                (format!("unknown    {level}: {}", unknown.reason), Exit::Unknown)
            }
            (_, Ok(Recheck::TooLarge)) => (
                format!("unknown    {level} {verdict}: its core has too many orders to try them all"),
                Exit::Unknown,
            ),
            (_, Ok(Recheck::Confirmed)) => (format!("confirmed  {level} {verdict}"), Exit::Holds),
        };
        writeln!(lines, "{line}").expect("a string takes everything");
        worst = worst.max(exit);
    }
    (lines, worst)
}
