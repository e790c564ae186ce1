//! `steadfast run`: records a run, or several, and checks the histories.

use super::{check, diff, record};
use crate::args::{CheckPlan, HistorySource, JudgeArgs, RunArgs, RunPlan};
use crate::exit::Exit;
use crate::output;
use crate::output_file::{refuse_equal_outputs, refuse_unwritable};
use crate::progress::ProgressDisplay;
use crate::report::{ReportFormat, difference};
use crate::stream_watch::{PendingSpans, wait_for_spans};
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) fn run_and_check(run: &RunArgs, judge: JudgeArgs) -> Exit {
    match record_all(run, judge) {
        Ok(Some(recordings)) => {
            let exit = check_recordings(&recordings.plan).max(recordings.exit);
            // Only now, because the verdict must not wait for a collector.
            wait_for_spans(recordings.spans);
            exit
        }
        Ok(None) => Exit::Holds,
        Err(why) => {
            output::print_error(&why);
            Exit::BadInput
        }
    }
}

/// What was recorded.
struct Recordings {
    /// The plan to check the histories.
    plan: CheckPlan,
    /// The exit code so far.
    exit: Exit,
    /// The violations that are still to be sent to a collector.
    spans: Vec<PendingSpans>,
}

/// Records all runs. Returns none if only the plan of the runs was asked for. Errors in the options are reported before the
/// first run.
fn record_all(run: &RunArgs, judge: JudgeArgs) -> Result<Option<Recordings>, String> {
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
    if !plans[0].only_plan {
        let inputs: Vec<&Path> = plans[0].inputs.iter().map(PathBuf::as_path).collect();
        for (_, path) in judge.output_files() {
            refuse_unwritable(path, judge.force, &inputs)?;
        }
    }
    let (mut exported, mut spans) = (Exit::Holds, Vec::new());
    for plan in &plans {
        let Some(recorded) = record::record_run(plan, live.as_ref())? else { return Ok(None) };
        exported = exported.max(record::export_spans(plan, &recorded.file)).max(recorded.exit_code());
        spans.extend(recorded.spans);
        judge.sources.push(HistorySource::from_argument(recorded.file));
        if recorded.outcome.stopped {
            break;
        }
    }
    Ok(Some(Recordings { plan: judge, exit: exported, spans }))
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
