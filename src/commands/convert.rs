//! `steadfast convert`: rewrites a history in another format.

use crate::args::{ConvertArgs, HistorySource};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::output_file::write_by_name;
use crate::progress::ProgressDisplay;
use histories::format::{AcceptedLosses, Output, RepresentableHistory};
use std::io::{self, BufWriter};
use std::path::Path;

pub(crate) fn run_convert(args: &ConvertArgs) -> Exit {
    match convert_history(args) {
        Ok(exit) => exit,
        Err(problem) => {
            output::print_error(&problem);
            Exit::BadInput
        }
    }
}

fn convert_history(args: &ConvertArgs) -> Result<Exit, String> {
    let target = args.target_format()?;
    let progress = ProgressDisplay::start(false);
    let source = HistorySource::from_argument(args.input.clone());
    let read = input::load_history(&source, &args.reading, &progress, None)?;
    read.remarks.iter().for_each(|remark| output::print_note(remark));
    let losses = AcceptedLosses { real_time: args.without_real_time };
    // Before the file is created, so that a refused history leaves nothing behind.
    let sayable = RepresentableHistory::new(&read.history, target, losses).map_err(|unsayable| {
        let (name, format) = (source.name(), target.name());
        format!("{name} cannot be written as {format}:\n{unsayable}{}", suggest_option(&unsayable.reasons))
    })?;
    for what in sayable.omitted_parts() {
        output::print_note(&format!("left out, because {} cannot express them: {what}", target.name()));
    }
    progress.set_stage(&format!("writing {}", args.output.display()));
    match HistorySource::from_argument(args.output.clone()) {
        // Raw bytes, not a report: there are no colours to strip.
        HistorySource::StandardInput => match sayable.write(BufWriter::new(io::stdout().lock())) {
            Ok(()) => Ok(Exit::Holds),
            Err(error) => Ok(output::exit_after_write_error(&error, Exit::Holds)),
        },
        HistorySource::File(path) => {
            let inputs: Vec<&Path> =
                (args.input != Path::new("-")).then_some(args.input.as_path()).into_iter().collect();
            write_by_name(&path, args.force, &inputs, |beside| {
                let failed = |error: io::Error| format!("failed to write {}: {error}", path.display());
                let mut out = Output::create(beside).map_err(failed)?;
                sayable.write(BufWriter::new(&mut out)).map_err(failed)?;
                out.finish().map_err(failed)
            })?;
            Ok(Exit::Holds)
        }
    }
}

/// Names the option that helps, if there is one.
fn suggest_option(reasons: &[String]) -> &'static str {
    match reasons.iter().any(|reason| reason.contains("real-time order")) {
        true => "\nPass --without-real-time to write it without the order between sessions.",
        false => "",
    }
}
