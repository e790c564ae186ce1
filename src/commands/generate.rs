//! `steadfast generate`: the history of a simulated database of known isolation.

use crate::args::{GeneratePlan, HistorySource};
use crate::exit::Exit;
use crate::output;
use crate::output_file::write_by_name;
use histories::format::{Output, write_native};
use std::io::{self, BufWriter, Write as _};
use workloads::databases::simulate_history;

pub(crate) fn run_generate(plan: &GeneratePlan) -> Exit {
    let history = simulate_history(&plan.simulation);
    let path = match HistorySource::from_argument(plan.output.clone()) {
        HistorySource::StandardInput => {
            let mut out = BufWriter::new(io::stdout().lock());
            return match write_native(&history, &mut out).and_then(|()| out.flush()) {
                Ok(()) => Exit::Holds,
                Err(error) => output::exit_after_write_error(&error, Exit::Holds),
            };
        }
        HistorySource::File(path) => path,
    };
    let written = write_by_name(&path, plan.force, &[], |beside| {
        let failed = |why: io::Error| format!("failed to write {}: {why}", path.display());
        let mut out = Output::create(beside).map_err(failed)?;
        let mut buffered = BufWriter::new(&mut out);
        write_native(&history, &mut buffered).and_then(|()| buffered.flush()).map_err(failed)?;
        drop(buffered);
        out.finish().map_err(failed)
    });
    match written {
        Ok(()) => Exit::Holds,
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}
