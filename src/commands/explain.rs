//! `steadfast explain`: the smallest part of a history that still shows the violation.
//!
//! The history is checked; the first violation is made small; the part is checked again as if it had been read, with
//! its evidence, and reported by the same code. So whoever gets the part sees what is seen here.

use super::check;
use crate::args::{CheckPlan, ExplainPlan, Source};
use crate::checking::{self, Checked, Refusal, STEPS_MAX};
use crate::exit::Exit;
use crate::output;
use crate::output_file::{refuse_existing, write_by_name};
use crate::progress::Progress;
use crate::report::layout::plural;
use crate::report::{Explains, sentence};
use crate::timer::Timer;
use checker::shrink::{self, ShrinkTarget};
use checker::{Evidence, Limits, Property};
use histories::History;
use histories::format::{Output, write_native};
use std::io::{self, BufWriter};
use std::path::Path;

/// What making a part small may take, in operations checked: some seconds.
const EFFORT: u64 = 5_000_000;

pub(crate) fn run(plan: &ExplainPlan) -> Exit {
    let (check, output) = (&plan.check, plan.output.as_deref());
    // Before hours of work: that it may not be written.
    if let Some(Err(why)) = output.map(|path| refuse_existing(path, check.force, &check.inputs())) {
        output::complain(&why);
        return Exit::BadInput;
    }
    check::run_then(check, &mut |checked| {
        let name = check.sources.first().map(Source::name).unwrap_or_default();
        let explained = explain(check, &name, checked)?;
        if let Some(path) = output {
            match &explained.explains {
                Some(_) => write(&explained.history, path, check).map_err(Refusal::Input)?,
                None => output::remark(&format!("nothing is violated: {} is not written", path.display())),
            }
        }
        Ok(explained)
    })
}

/// What was checked, made small; as it is if nothing is violated.
fn explain(plan: &CheckPlan, name: &str, mut checked: Checked) -> Result<Checked, Refusal> {
    let Some(target) = first_violation(&checked) else {
        checked.report.remarks.push("nothing to explain: no level that was asked for is violated".to_owned());
        return Ok(checked);
    };
    let progress = Progress::start(plan.quiet);
    progress.stage(&format!("making {name} small"));
    let timer = Timer::start(plan.timeout);
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop: timer.flag() };
    let Some(part) = shrink::shrink_violation(&checked.history, &checked.question, &target, &limits, EFFORT)
    else {
        return Err(match limits.stop_requested() {
            true => Refusal::Input(format!("{name}: --timeout ended before a smaller part was found")),
            false => Refusal::Internal(format!("the whole does not show its {} again", target.kind)),
        });
    };
    let (level, kind) = (target.property.name(), target.kind.as_str());
    let operations = checked.history.len();
    let explains = Explains { level, kind, operations, minimal: part.minimal, checks: part.checks };
    let remark = told(&explains, part.operations.len());
    // Figures of a part are figures of nothing.
    checked.measured = None;
    if matches!(target.property, Property::Invariant(_)) {
        // It was checked as it is.
        checked.report.answers.retain(|answer| answer.property == target.property);
    } else {
        checked.history = checked.history.restrict_to(&part.operations);
        checked.question.asked = Some(vec![target.property]);
        let remarks = std::mem::take(&mut checked.report.remarks);
        let told = (&progress, &mut checked.times);
        checked.report = checking::ask(&checked.history, name, &checked.question, &limits, told)?;
        checked.report.remarks.splice(0..0, remarks);
    }
    checked.report.remarks.insert(0, remark);
    checked.explains = Some(explains);
    Ok(checked)
}

/// What was done, in a sentence.
fn told(explains: &Explains, left: usize) -> String {
    let Explains { level, kind, operations, minimal, .. } = explains;
    let violated =
        if level == kind { (*kind).to_owned() } else { format!("that it is not {level} ({kind})") };
    let further = match (minimal, left) {
        (_, 1) => "",
        (true, _) if left == *operations => {
            return format!("nothing can be left out of what shows {violated}");
        }
        (true, _) => "; nothing more can be left out without changing what the rest means",
        (false, _) if left == *operations => return format!("nothing was left out of what shows {violated}"),
        (false, _) => "; perhaps fewer would do, the effort to find out ran out",
    };
    format!("{left} of {} are enough to show {violated}{further}", plural(*operations, "operation"))
}

/// The first property that is violated, with its first anomaly.
fn first_violation(checked: &Checked) -> Option<ShrinkTarget> {
    let findings = checked.findings("");
    let mut answers = checked.report.answers.iter();
    answers.find_map(|answer| {
        let told = findings.told(answer).into_iter().next()?;
        let operations = match &told.violation.evidence {
            Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_) => {
                sentence::told_with(&checked.history, told.violation)
            }
            _ => told.operations,
        };
        Some(ShrinkTarget { property: answer.property, kind: told.violation.kind, operations })
    })
}

/// Writes the part as a history of its own.
fn write(history: &History, path: &Path, check: &CheckPlan) -> Result<(), String> {
    write_by_name(path, check.force, &check.inputs(), |beside| {
        let failed = |error: io::Error| format!("failed to write {}: {error}", path.display());
        let mut out = Output::create(beside).map_err(failed)?;
        write_native(history, BufWriter::new(&mut out)).map_err(failed)?;
        out.finish().map_err(failed)
    })
}
