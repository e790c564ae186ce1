//! `steadfast verify`: the evidence of an earlier verdict, held against its history.

use crate::args::{Source, VerifyArgs};
use crate::certificate::Certificate;
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::progress::Progress;
use checker::{Answer, Model, Verdict};
use std::fmt::Write;
use verifier::Standing;

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
        std::fs::read_to_string(&args.certificate).map_err(|why| format!("{shown} cannot be read: {why}"))?;
    let source = Source::of(args.history.clone());
    let history = input::load(&source, &args.reading, &Progress::start(false))?.history;
    let claimed =
        Certificate::read(&text, &source.name(), &history).map_err(|why| format!("{shown}: {why}"))?;
    if claimed.report.answers.is_empty() {
        return Err(format!("{shown}: it says nothing of any level, so there is nothing to confirm"));
    }
    claimed.question.check(&history).map_err(|why| format!("{shown}: {why}"))?;
    let mut lines = format!("given      {}\n", claimed.told());
    if claimed.question.model == Model::Session {
        writeln!(lines, "given      {}", crate::checking::in_force(&claimed.question))
            .expect("a string takes everything");
    }
    let (report, limits) = (&claimed.report, Certificate::unbounded());
    let standings = verifier::verify(&history, &claimed.question, report, &limits);
    let mut worst = Exit::Holds;
    for (answer, standing) in report.answers.iter().zip(standings.answers) {
        let (line, exit) = told(answer, standing);
        writeln!(lines, "{line}").expect("a string takes everything");
        worst = worst.max(exit);
    }
    // What was found beside what was asked is claimed as well.
    let beside = report.beside.iter().zip(standings.beside);
    let phenomena = report.phenomena.iter().map(|anomaly| anomaly.phenomenon.name()).zip(standings.phenomena);
    let others = beside.map(|(answer, standing)| (answer.property.name(), standing)).chain(phenomena);
    for (name, standing) in others {
        if let Standing::Refuted(why) = standing {
            writeln!(lines, "refuted    {name}: {why}").expect("a string takes everything");
            worst = worst.max(Exit::Violated);
        }
    }
    Ok((lines, worst))
}

/// What became of one claim: its line and its exit code.
fn told(answer: &Answer, standing: Standing) -> (String, Exit) {
    let (name, verdict) = (answer.property.name(), answer.verdict.name());
    match (standing, &answer.verdict) {
        (Standing::Refuted(why), _) => (format!("refuted    {name} {verdict}: {why}"), Exit::Violated),
        (Standing::Partly(why), _) => (format!("unknown    {name} {verdict}: {why}"), Exit::Unknown),
        (Standing::Unchecked, _) => {
            (format!("unknown    {name} {verdict}: {}", verifier::UNCHECKED), Exit::Unknown)
        }
        (Standing::Confirmed, Verdict::Unknown(why)) => {
            (format!("unknown    {name}: {}", why.reason), Exit::Unknown)
        }
        (Standing::Confirmed, Verdict::Untested(why)) => {
            (format!("untested   {name}: {}", why.reason), Exit::Unknown)
        }
        (Standing::Confirmed, _) => (format!("confirmed  {name} {verdict}"), Exit::Holds),
    }
}
