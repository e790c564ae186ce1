//! `steadfast verify`: checks the evidence of an earlier verdict against its history.

use crate::args::{HistorySource, VerifyArgs};
use crate::certificate::verify_text;
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::progress::ProgressDisplay;

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
    let history = input::load_history(&source, &args.reading, &ProgressDisplay::start(false), None)?.history;
    verify_text(&text, &source.name(), &history).map_err(|why| format!("{shown}: {why}"))
}
