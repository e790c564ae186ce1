//! `steadfast explain`: finds the smallest part of a history that still shows the violation.
//!
//! The command checks the history and shrinks it around the first violation. It then checks the part again, with
//! evidence, as if the part had been read from a file, and reports it with the same code as `check`. A person who
//! receives only the part therefore sees the same report.

use super::check;
use crate::args::{CheckPlan, ExplainPlan, HistorySource};
use crate::checking::{self, CheckRefusal, CheckedHistory, STEPS_MAX};
use crate::exit::Exit;
use crate::output;
use crate::output_file::{refuse_existing, write_by_name};
use crate::progress::ProgressDisplay;
use crate::report::layout::count_noun;
use crate::report::{ReductionInfo, sentence};
use crate::timer::StopTimer;
use checker::shrink::{self, Reduction, ShrinkTarget};
use checker::{Evidence, Limits, Property};
use histories::History;
use histories::format::{Output, write_native};
use std::io::{self, BufWriter};
use std::path::Path;

/// The limit on shrinking, in operations checked: a few seconds of work.
const EFFORT: u64 = 5_000_000;

pub(crate) fn run_explain(plan: &ExplainPlan) -> Exit {
    let (check, output) = (&plan.check, plan.output.as_deref());
    // Checked first, so that a file that may not be written is reported before hours of work.
    if let Some(Err(why)) = output.map(|path| refuse_existing(path, check.force, &check.input_files())) {
        output::print_error(&why);
        return Exit::BadInput;
    }
    check::check_and_transform(check, &mut |checked| {
        let name = check.sources.first().map(HistorySource::name).unwrap_or_default();
        let explained = shrink_to_violation(check, &name, checked)?;
        if let Some(path) = output {
            match &explained.explains {
                Some(_) => write_part(&explained.history, path, check).map_err(CheckRefusal::Input)?,
                None => output::print_note(&format!(
                    "no level is violated, so {} was not written",
                    path.display()
                )),
            }
        }
        Ok(explained)
    })
}

/// Shrinks a checked history around its first violation. Returns it unchanged if nothing is violated.
fn shrink_to_violation(
    plan: &CheckPlan,
    name: &str,
    mut checked: CheckedHistory,
) -> Result<CheckedHistory, CheckRefusal> {
    let Some(mut target) = first_violation(&checked) else {
        checked.report.remarks.push("there is nothing to explain: no level is violated".to_owned());
        return Ok(checked);
    };
    let progress = ProgressDisplay::start(plan.quiet);
    progress.set_stage(&format!("shrinking {name}"));
    let timer = StopTimer::start(plan.timeout);
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop: timer.stop_flag() };
    let shrink = |checked: &CheckedHistory, target: &ShrinkTarget| {
        shrink::shrink_violation(&checked.history, &checked.question, target, &limits, EFFORT)
    };
    let mut part = shrink(&checked, &target);
    if part.is_none() && !limits.stop_requested() {
        // Levels that are decided together share what refutes them. By itself this one is refuted by something else.
        checked.question.asked = Some(vec![target.property]);
        let told = (&progress, &mut checked.times);
        checked.report = checking::run_checker(&checked.history, name, &checked.question, &limits, told)?;
        target = first_violation(&checked).unwrap_or(target);
        part = shrink(&checked, &target);
    }
    let Some(part) = part else {
        return Err(match limits.stop_requested() {
            true => CheckRefusal::OutOfTime(format!(
                "{name}: the time limit ended the search for a smaller part. Pass a longer --timeout."
            )),
            false => CheckRefusal::Internal(format!(
                "the second check of the whole history does not show {}",
                target.kind
            )),
        });
    };
    let (level, kind) = (target.property.name(), target.kind.as_str());
    let operations = checked.history.len();
    let minimal = part.reduction == Reduction::Minimal;
    let explains = ReductionInfo { level, kind, operations, minimal, checks: part.checks };
    let remark = describe_reduction(&explains, part.reduction, part.operations.len());
    // Figures that were measured on the whole say nothing about the part.
    checked.measured = None;
    if matches!(target.property, Property::Invariant(_)) {
        // An invariant is checked on the whole history, so the answer stays as it is.
        checked.report.answers.retain(|answer| answer.property == target.property);
    } else {
        checked.history = checked.history.restrict_to(&part.operations);
        checked.question.asked = Some(vec![target.property]);
        let remarks = std::mem::take(&mut checked.report.remarks);
        let told = (&progress, &mut checked.times);
        checked.report = checking::run_checker(&checked.history, name, &checked.question, &limits, told)?;
        checked.report.remarks.splice(0..0, remarks);
    }
    checked.report.remarks.insert(0, remark);
    checked.explains = Some(explains);
    checked.times.begin_report();
    Ok(checked)
}

/// Describes the reduction in a sentence.
fn describe_reduction(explains: &ReductionInfo, reduction: Reduction, left: usize) -> String {
    let ReductionInfo { level, kind, operations, .. } = explains;
    let violated =
        if level == kind { (*kind).to_owned() } else { format!("that the history is not {level} ({kind})") };
    let all = count_noun(*operations, "operation");
    let is_whole = left == *operations;
    let further = match reduction {
        Reduction::Everything => {
            return format!("nothing was left out, because {kind} is about everything that was recorded");
        }
        Reduction::Session if is_whole => {
            return format!("nothing was left out: all {all} are of the session of the live connection");
        }
        Reduction::Session => "; they are those of the session of the live connection",
        Reduction::Minimal if left == 1 => "",
        Reduction::Minimal if is_whole => return format!("all {all} are needed to show {violated}"),
        Reduction::Minimal => "; no further operation can be left out",
        Reduction::EffortEnded if is_whole => {
            return format!(
                "no operation was left out: the effort limit ended the search for a part that shows {violated}"
            );
        }
        Reduction::EffortEnded => "; fewer may be enough, but the effort limit ended the search",
    };
    let verb = if left == 1 { "shows" } else { "show" };
    format!("{left} of {all} {verb} {violated}{further}")
}

/// Finds the first violated property and its first anomaly.
fn first_violation(checked: &CheckedHistory) -> Option<ShrinkTarget> {
    let findings = checked.as_findings("");
    let mut answers = checked.report.answers.iter();
    answers.find_map(|answer| {
        let told = findings.describe_anomalies(answer).into_iter().next()?;
        let operations = match &told.violation.evidence {
            Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_) => {
                sentence::operations_to_show(&checked.history, told.violation)
            }
            _ => told.operations,
        };
        Some(ShrinkTarget {
            property: answer.property,
            kind: told.violation.kind,
            key: told.violation.key,
            operations,
        })
    })
}

/// Writes the part as a history in its own file.
fn write_part(history: &History, path: &Path, check: &CheckPlan) -> Result<(), String> {
    write_by_name(path, check.force, &check.input_files(), |beside| {
        let failed = |error: io::Error| format!("failed to write {}: {error}", path.display());
        let mut out = Output::create(beside).map_err(failed)?;
        write_native(history, BufWriter::new(&mut out)).map_err(failed)?;
        out.finish().map_err(failed)
    })
}
