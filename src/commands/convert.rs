//! `steadfast convert`: a history in another format.

use crate::args::{ConvertArgs, Source};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::output_file::write_by_name;
use crate::progress::Progress;
use histories::format::{AcceptedLosses, Output, RepresentableHistory};
use std::io::{self, BufWriter};
use std::path::Path;

pub(crate) fn run(args: &ConvertArgs) -> Exit {
    match convert(args) {
        Ok(exit) => exit,
        Err(problem) => {
            output::complain(&problem);
            Exit::BadInput
        }
    }
}

fn convert(args: &ConvertArgs) -> Result<Exit, String> {
    let target = args.written()?;
    let progress = Progress::start(false);
    let source = Source::of(args.input.clone());
    let read = input::load(&source, &args.reading, &progress)?;
    read.remarks.iter().for_each(|remark| output::remark(remark));
    let losses = AcceptedLosses { real_time: args.without_real_time };
    // Before the file is made: what is refused leaves nothing behind.
    let sayable = RepresentableHistory::new(&read.history, target, losses).map_err(|unsayable| {
        let (name, format) = (source.name(), target.name());
        format!("{name} cannot be written as {format}:\n{unsayable}{}", advice(&unsayable.reasons))
    })?;
    for what in sayable.omitted_parts() {
        output::remark(&format!("left out, for {} has no place for them: {what}", target.name()));
    }
    progress.stage(&format!("writing {}", args.output.display()));
    match Source::of(args.output.clone()) {
        // Bytes, not a report: no colours to strip.
        Source::StandardInput => match sayable.write(BufWriter::new(io::stdout().lock())) {
            Ok(()) => Ok(Exit::Holds),
            Err(error) => Ok(output::unwritten(&error, Exit::Holds)),
        },
        Source::File(path) => {
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

/// What the user can do about it.
fn advice(reasons: &[String]) -> &'static str {
    match reasons.iter().any(|reason| reason.contains("real-time order")) {
        true => "\n--without-real-time writes it all the same, and loses the order between sessions",
        false => "",
    }
}
