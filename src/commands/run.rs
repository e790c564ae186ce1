//! `steadfast run`: records a run, or several, and checks the histories.

use super::{check, diff, record};
use crate::args::{CheckPlan, HistorySource, JudgeArgs, RunArgs, RunPlan};
use crate::exit::Exit;
use crate::output;
use crate::output_file::refuse_equal_outputs;
use crate::progress::ProgressDisplay;
use crate::report::{ReportFormat, difference};
use std::io::Write;

pub(crate) fn run_and_check(run: &RunArgs, judge: JudgeArgs) -> Exit {
    match record_all(run, judge) {
        Ok(Some((plan, exported))) => check_recordings(&plan).max(exported),
        Ok(None) => Exit::Holds,
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

/// Records all runs. Returns the plan to check them, unless only the plan of the runs was asked for, and the exit code of
/// the export. Errors in the options are reported before the first run.
fn record_all(run: &RunArgs, judge: JudgeArgs) -> Result<Option<(CheckPlan, Exit)>, String> {
    let plans: Vec<RunPlan> = run
        .repeated_runs(judge.repeat.count())
        .into_iter()
        .map(RunArgs::into_plan)
        .collect::<Result<_, _>>()?;
    let live = judge.live_plan(&plans[0])?;
    let mut judge = judge.into_check_plan(&plans[0])?;
    judge.sources.clear();
    refuse_equal_outputs(
        &[plans.iter().flat_map(RunPlan::output_files).collect(), judge.output_files()].concat(),
    )?;
    let mut exported = Exit::Holds;
    for plan in &plans {
        let Some(recorded) = record::record_run(plan, live.as_ref())? else { return Ok(None) };
        exported = exported.max(record::export_spans(plan, &recorded.file)).max(recorded.exit_code());
        judge.sources.push(HistorySource::from_argument(recorded.file));
        if recorded.outcome.stopped {
            break;
        }
    }
    Ok(Some((judge, exported)))
}

/// Checks the histories. For several runs, also reports the figures over all of them.
fn check_recordings(plan: &CheckPlan) -> Exit {
    let exit = check::run_check(plan);
    if plan.sources.len() < 2 || plan.format != ReportFormat::Text || plan.quiet {
        return exit;
    }
    let progress = ProgressDisplay::start(plan.quiet);
    let runs = match diff::measure_sources(&plan.sources, &plan.reading, &progress) {
        Ok(runs) => runs,
        Err(why) => {
            output::print_error(&why);
            return exit.max(Exit::BadInput);
        }
    };
    drop(progress);
    let mut out = output::open_stdout(plan.color);
    match difference::write_repeated_runs(&runs, &mut out).and_then(|()| out.flush()) {
        Ok(()) => exit,
        Err(error) => output::exit_after_write_error(&error, exit),
    }
}
