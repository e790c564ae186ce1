//! `steadfast verify`: checks the evidence of an earlier verdict against its history.

use crate::args::{HistorySource, VerifyArgs};
use crate::certificate::Certificate;
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::progress::ProgressDisplay;
use checker::{Answer, Model, Verdict};
use histories::History;
use std::fmt::Write;
use verifier::Standing;

pub(crate) fn run_verify(args: &VerifyArgs) -> Exit {
    match verify_certificate(args) {
        Ok((text, exit)) => exit.max(super::print_result(&text)),
        Err(problems) => {
            output::print_error(&problems);
            Exit::BadInput
        }
    }
}

fn verify_certificate(args: &VerifyArgs) -> Result<(String, Exit), String> {
    let shown = args.certificate.display();
    let text =
        std::fs::read_to_string(&args.certificate).map_err(|why| format!("failed to read {shown}: {why}"))?;
    let source = HistorySource::from_argument(args.history.clone());
    let history = input::load_history(&source, &args.reading, &ProgressDisplay::start(false))?.history;
    verify_text(&text, &source.name(), &history).map_err(|why| format!("{shown}: {why}"))
}

/// Verifies the claims that the text of a certificate makes about a history. Returns a line for each, and the exit code.
pub(crate) fn verify_text(text: &str, name: &str, history: &History) -> Result<(String, Exit), String> {
    let claimed = Certificate::find_for_history(text, name, history)?;
    if claimed.report.answers.is_empty() {
        return Err("it makes no claim about a level, so there is nothing to verify".to_owned());
    }
    claimed.question.check(history).map_err(|why| why.to_string())?;
    let mut lines = format!("given      {}\n", claimed.describe_question());
    if claimed.question.model == Model::Session {
        writeln!(lines, "given      {}", crate::checking::describe_session_rules(&claimed.question))
            .expect("a string takes everything");
    }
    let (report, limits) = (&claimed.report, Certificate::verification_limits());
    let standings = verifier::verify(history, &claimed.question, report, &limits);
    let mut worst = Exit::Holds;
    for (answer, standing) in report.answers.iter().zip(standings.answers) {
        let (line, exit) = describe_standing(answer, standing);
        writeln!(lines, "{line}").expect("a string takes everything");
        worst = worst.max(exit);
    }
    // The certificate also claims what was found in addition to the question.
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

/// The result for one claim: its line and its exit code.
fn describe_standing(answer: &Answer, standing: Standing) -> (String, Exit) {
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
