//! `steadfast check`: histories in, verdicts out.

use crate::args::CheckPlan;
use crate::certificate::Certificates;
use crate::checking::{self, Checked, Refusal, guarded};
use crate::exit::Exit;
use crate::output;
use crate::pictures::Pictures;
use crate::report::{self, Report};
use std::io::{self, Write};

/// What is made of a history that was checked, before it is reported.
pub(crate) type Then<'a> = dyn FnMut(Checked) -> Result<Checked, Refusal> + 'a;

pub(crate) fn run(plan: &CheckPlan) -> Exit {
    run_then(plan, &mut Ok)
}

/// Starts as many threads as `--threads` says. Without it the pool starts when it is first needed, which small
/// histories never do.
pub(crate) fn size_pool(plan: &CheckPlan) -> Result<(), String> {
    let Some(threads) = plan.threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
    pool.map_err(|error| format!("failed to start {threads} threads: {error}"))
}

/// Checks each history, and reports what is made of that.
pub(crate) fn run_then(plan: &CheckPlan, then: &mut Then<'_>) -> Exit {
    match checked(plan, then) {
        Ok(exit) => exit,
        Err(why) => {
            output::complain(&why);
            Exit::BadInput
        }
    }
}

fn checked(plan: &CheckPlan, then: &mut Then<'_>) -> Result<Exit, String> {
    size_pool(plan)?;
    // Opened first: that a file cannot be written is better known before hours of checking.
    let mut certificates = Certificates::create(plan)?;
    let said = report::report(plan.format, plan.quiet, output::width());
    let mut report = Pictures::beside(said, plan)?;
    let mut out = output::Results::new(plan.color);
    let mut worst = Exit::Holds;
    for source in &plan.sources {
        let name = source.name();
        let exit = match guarded(|| checking::check(plan, source).and_then(&mut *then)) {
            Ok(checked) => told(&checked, &name, &mut report, &mut out, &mut certificates),
            Err(refusal) => {
                let (problem, exit) = refusal.told(&name);
                output::complain(&problem);
                report.refused(&name, &problem, &mut out).map(|()| exit)
            }
        };
        worst = worst.max(exit.map_err(|error| error.to_string())?);
    }
    let finished = report.finish(&mut out).and_then(|()| certificates.finish());
    finished.map_err(|error| error.to_string())?;
    Ok(out.finish(worst))
}

/// Reports one history. Its exit code is that of the verdict, whatever becomes of standard output.
fn told(
    checked: &Checked,
    name: &str,
    report: &mut dyn Report,
    out: &mut output::Results,
    certificates: &mut Certificates,
) -> io::Result<Exit> {
    let findings = checked.findings(name);
    report.checked(&findings, out)?;
    out.flush()?;
    certificates.write(&findings)?;
    Ok(match findings.verdict() {
        "holds" => Exit::Holds,
        "violated" | "missed" => Exit::Violated,
        _ => Exit::Unknown,
    })
}
