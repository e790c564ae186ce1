//! `steadfast verify`: the evidence of an earlier verdict, held against its history.

use crate::args::{Source, VerifyArgs};
use crate::certificate;
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::progress::Progress;
use crate::recheck;
use checker::Verdict;
use checker::linearizability::recheck::Recheck;
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
    let mut lines = String::new();
    let mut worst = Exit::Holds;
    for answer in &claimed.answers {
        let (level, verdict) = (answer.level.name(), answer.verdict.name());
        let (line, exit) = match (&answer.verdict, recheck::recheck(&history, &claimed.question, answer)) {
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
    Ok((lines, worst))
}
