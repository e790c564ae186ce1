//! `steadfast run`: records, and checks what was recorded; several times, if that is asked for.

use super::{check, diff, record};
use crate::args::{CheckPlan, JudgeArgs, RunArgs, RunPlan, Source};
use crate::exit::Exit;
use crate::output;
use crate::progress::Progress;
use crate::report::{Format, difference};
use std::io::Write;

pub(crate) fn run(run: &RunArgs, judge: JudgeArgs) -> Exit {
    match recorded(run, judge) {
        Ok(Some((plan, exported))) => judged(&plan).max(exported),
        Ok(None) => Exit::Holds,
        Err(why) => {
            output::complain(&why);
            Exit::BadInput
        }
    }
}

/// Records all runs; how to check them, if anything was recorded, and how the export of their spans ended. What is wrong
/// with any of the options is said before the first one.
fn recorded(run: &RunArgs, judge: JudgeArgs) -> Result<Option<(CheckPlan, Exit)>, String> {
    let plans: Vec<RunPlan> =
        run.runs(judge.repeat.count()).into_iter().map(RunArgs::plan).collect::<Result<_, _>>()?;
    let mut judge = judge.plan(&plans[0])?;
    judge.sources.clear();
    let mut exported = Exit::Holds;
    for plan in &plans {
        let Some(recorded) = record::record(plan)? else { return Ok(None) };
        exported = exported.max(record::export(plan, &recorded.file)).max(recorded.exit());
        judge.sources.push(Source::of(recorded.file));
        if recorded.outcome.stopped {
            break;
        }
    }
    Ok(Some((judge, exported)))
}

/// Checks the histories, and tells of several runs what was measured over all of them.
fn judged(plan: &CheckPlan) -> Exit {
    let exit = check::run(plan);
    if plan.sources.len() < 2 || plan.format != Format::Text || plan.quiet {
        return exit;
    }
    let progress = Progress::start(plan.quiet);
    let runs = match diff::measured_all(&plan.sources, &plan.reading, &progress) {
        Ok(runs) => runs,
        Err(why) => {
            output::complain(&why);
            return exit.max(Exit::BadInput);
        }
    };
    drop(progress);
    let mut out = output::results(plan.color);
    match difference::repeated(&runs, &mut out).and_then(|()| out.flush()) {
        Ok(()) => exit,
        Err(error) => output::unwritten(&error, exit),
    }
}
