//! `steadfast convert`: a history in another format.

use crate::args::{ConvertArgs, Source, Written};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::progress::Progress;
use crate::spans;
use histories::History;
use histories::format::{Output, write_edn, write_native, write_otlp};
use std::io::{self, BufWriter, Write};

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
    let format = args.written()?;
    let progress = Progress::start(false);
    let read = input::load(&Source::of(args.input.clone()), &args.reading, &progress)?;
    read.remarks.iter().for_each(|remark| output::remark(remark));
    progress.stage(&format!("writing {}", args.output.display()));
    match Source::of(args.output.clone()) {
        // Bytes, not a report: no colours to strip.
        Source::StandardInput => match write(&read.history, format, BufWriter::new(io::stdout().lock())) {
            Ok(()) => Ok(Exit::Holds),
            Err(error) => Ok(output::unwritten(&error, Exit::Holds)),
        },
        Source::File(path) => {
            let failed = |error: io::Error| format!("failed to write {}: {error}", path.display());
            let mut out = Output::create(&path).map_err(failed)?;
            write(&read.history, format, BufWriter::new(&mut out)).map_err(failed)?;
            out.finish().map_err(failed)?;
            Ok(Exit::Holds)
        }
    }
}

fn write(history: &History, format: Written, mut out: impl Write) -> io::Result<()> {
    match format {
        Written::Native => write_native(history, &mut out)?,
        Written::Edn => write_edn(history, &mut out)?,
        Written::Otlp => write_otlp(history, spans::began_unix_ns(history).unwrap_or(0), &mut out)?,
    }
    out.flush()
}
