//! `steadfast check`: reads histories and reports verdicts.

use crate::args::CheckPlan;
use crate::certificate::Certificates;
use crate::checking::{self, CheckRefusal, CheckedHistory, catch_panic};
use crate::exit::Exit;
use crate::output;
use crate::output_file::refuse_equal_outputs;
use crate::pictures::ReportFiles;
use crate::report::{self, ReportWriter};
use std::io::{self, Write};
use std::num::NonZeroUsize;

/// A step between the check of a history and its report: `explain` shrinks the history here.
pub(crate) type TransformChecked<'a> = dyn FnMut(CheckedHistory) -> Result<CheckedHistory, CheckRefusal> + 'a;

pub(crate) fn run_check(plan: &CheckPlan) -> Exit {
    check_and_transform(plan, &mut Ok)
}

/// The threads that are started on any machine, if the user asks for so many.
const THREADS_STARTED_MIN: usize = 64;
/// The threads that are started for each core at most.
const THREADS_PER_CORE_MAX: usize = 4;

/// Sizes the thread pool as `--threads` says. Without that option the pool starts at first use, which small histories
/// never reach.
///
/// An idle thread looks for work at all others before it sleeps, so that starting n threads costs n². On two cores, 2,000 threads need many
/// seconds for that. More than a few per core gain nothing.
pub(crate) fn size_pool(plan: &CheckPlan) -> Result<(), String> {
    let Some(threads) = plan.threads else { return Ok(()) };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let started = threads.get().min(THREADS_STARTED_MIN.max(cores.saturating_mul(THREADS_PER_CORE_MAX)));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(started).build_global();
    pool.map_err(|error| format!("failed to start {threads} threads: {error}"))
}

/// Checks each history, applies `then`, and reports the result.
pub(crate) fn check_and_transform(plan: &CheckPlan, then: &mut TransformChecked<'_>) -> Exit {
    match check_all_sources(plan, then) {
        Ok(exit) => exit,
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

fn check_all_sources(plan: &CheckPlan, then: &mut TransformChecked<'_>) -> Result<Exit, String> {
    refuse_equal_outputs(&plan.output_files())?;
    size_pool(plan)?;
    // Opened first, so that a file that cannot be written is reported before hours of checking.
    let mut certificates = Certificates::create(plan)?;
    let said = report::report_writer(plan.format, plan.quiet, output::terminal_width());
    let mut report = ReportFiles::open_files(said, plan)?;
    let mut out = output::ResultWriter::new(plan.color);
    let mut worst = Exit::Holds;
    for source in &plan.sources {
        let name = source.name();
        let exit = match catch_panic(|| checking::check_source(plan, source).and_then(&mut *then)) {
            Ok(checked) => report_history(&checked, &name, &mut report, &mut out, &mut certificates),
            Err(refusal) => {
                let (problem, exit) = refusal.into_message(&name);
                output::print_error(&problem);
                report.write_refused(&name, &problem, &mut out).map(|()| exit)
            }
        };
        worst = worst.max(exit.map_err(|error| error.to_string())?);
    }
    let finished = report.write_end(&mut out).and_then(|()| certificates.finish());
    finished.map_err(|error| error.to_string())?;
    Ok(out.finish(worst))
}

/// Reports one history. The exit code follows from the verdict and not from standard output.
fn report_history(
    checked: &CheckedHistory,
    name: &str,
    report: &mut dyn ReportWriter,
    out: &mut output::ResultWriter,
    certificates: &mut Certificates,
) -> io::Result<Exit> {
    let findings = checked.as_findings(name);
    report.write_checked(&findings, out)?;
    out.flush()?;
    certificates.write(&findings)?;
    Ok(match findings.verdict() {
        "holds" => Exit::Holds,
        "violated" | "missed" => Exit::Violated,
        _ => Exit::Unknown,
    })
}
