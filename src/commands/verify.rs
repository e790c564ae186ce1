//! `steadfast verify`: checks the evidence of an earlier verdict against its history.

use crate::args::{HistorySource, VerifyArgs};
use crate::certificate::verify_text;
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::progress::ProgressDisplay;
use std::io::Read;
use std::path::Path;

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
    if is_certificate(&args.history) {
        return Err(format!(
            "{} is a certificate, and a certificate comes before its history: steadfast verify CERTIFICATE HISTORY",
            args.history.display()
        ));
    }
    let text =
        std::fs::read_to_string(&args.certificate).map_err(|why| format!("failed to read {shown}: {why}"))?;
    let source = HistorySource::from_argument(args.history.clone());
    let history = input::load_history(&source, &args.reading, &ProgressDisplay::start(false), None)?.history;
    verify_text(&text, &source.name(), &history).map_err(|why| format!("{shown}: {why}"))
}

/// Whether the file begins as a certificate does.
fn is_certificate(path: &Path) -> bool {
    let mut start = [0; 15];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && start == *b"{\"certificate\":"
}
