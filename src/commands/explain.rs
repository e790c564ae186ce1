//! `steadfast explain`: finds the smallest part of a history that still shows the violation.
//!
//! The command checks the history and shrinks it around the first violation. It then checks the part again, with
//! evidence, as if the part had been read from a file, and reports it with the same code as `check`. A person who
//! receives only the part therefore sees the same report.

use super::check;
use crate::args::{CheckPlan, ExplainPlan, HistorySource};
use crate::checking::{self, CheckRefusal, CheckedHistory, STEPS_MAX};
use crate::exit::Exit;
use crate::initial_keys::MissingKeys;
use crate::output;
use crate::output_file::{refuse_equal_outputs, refuse_existing, write_by_name};
use crate::progress::ProgressDisplay;
use crate::report::layout::count_noun;
use crate::report::{ReductionInfo, sentence};
use crate::timer::StopTimer;
use checker::shrink::{self, Reduction, ShrinkTarget, ShrunkPart};
use checker::{Evidence, Limits, Property};
use histories::History;
use histories::format::{Output, write_native};
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::Duration;

/// The limit on shrinking, in operations checked: a few seconds of work.
const EFFORT: u64 = 5_000_000;

/// The time, beyond the time limit, in which the evidence of a part that was found may be sought again.
const GRACE: Duration = Duration::from_millis(100);

pub(crate) fn run_explain(plan: &ExplainPlan) -> Exit {
    let (check, output) = (&plan.check, plan.output.as_deref());
    // Checked first, so that a file that may not be written is reported before hours of work.
    let writable = output.map_or(Ok(()), |path| {
        let outputs = [vec![("--output", path)], check.output_files()].concat();
        refuse_equal_outputs(&outputs)?;
        refuse_existing(path, check.force, &check.input_files())
    });
    if let Err(why) = writable {
        output::print_error(&why);
        return Exit::BadInput;
    }
    check::check_and_transform(check, &mut |checked| {
        let name = check.sources.first().map(HistorySource::name).unwrap_or_default();
        let explained = shrink_to_violation(check, &name, checked)?;
        if let Some(path) = output {
            match &explained.explains {
                Some(_) => {
                    write_part(&explained.history, path, check).map_err(CheckRefusal::Input)?;
                    note_keys_left_out(&explained.history, path, check);
                }
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
    let (timer, grace) = start_timers(plan.timeout, checked.times.since_beginning());
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop: timer.stop_flag() };
    let shrink = |checked: &CheckedHistory, target: &ShrinkTarget| {
        shrink::shrink_violation(&checked.history, &checked.question, target, &limits, EFFORT)
    };
    // What remains to be shown if the time ends: the whole history, with the answer that it has.
    checked.report.answers.retain(|answer| answer.property == target.property);
    checked.question.asked = Some(vec![target.property]);
    let mut part = shrink(&checked, &target);
    if part.is_none() && !limits.stop_requested() {
        // Levels that are decided together share what refutes them. By itself this one is refuted by something else.
        let told = (&progress, &mut checked.times);
        let alone = checking::run_checker(&checked.history, name, &checked.question, &limits, told)?;
        if alone.verdict() == "violated" {
            checked.report = alone;
            target = first_violation(&checked).unwrap_or(target);
            part = shrink(&checked, &target);
        }
    }
    let ended = limits.stop_requested();
    let Some(mut part) = part.or_else(|| ended.then(|| keep_everything(&checked.history))) else {
        return Err(CheckRefusal::Internal(format!(
            "the second check of the whole history does not show {}",
            target.kind
        )));
    };
    let whole = checked.history.len();
    // An invariant is checked on the whole history, and of the whole history there is an answer already.
    let is_answered = matches!(target.property, Property::Invariant(_)) || part.operations.len() == whole;
    if !is_answered {
        let smaller = checked.history.restrict_to(&part.operations);
        let limits = Limits { stop: grace.stop_flag(), ..limits };
        let told = (&progress, &mut checked.times);
        let report = checking::run_checker(&smaller, name, &checked.question, &limits, told)?;
        if report.verdict() == "violated" || !limits.stop_requested() {
            checked.history = smaller;
            let remarks = std::mem::replace(&mut checked.report, report).remarks;
            checked.report.remarks.splice(0..0, remarks);
        } else {
            // The evidence of the part could not be found again in time. That of the whole is known.
            part = keep_everything(&checked.history);
        }
    }
    let (level, kind) = (target.property.name(), target.kind.as_str());
    let minimal = part.reduction == Reduction::Minimal;
    let explains = ReductionInfo { level, kind, operations: whole, minimal, checks: part.checks };
    let limit = if ended { SearchLimit::Time } else { SearchLimit::Effort };
    let remark = describe_reduction(&explains, part.reduction, part.operations.len(), limit);
    // Figures that were measured on the whole say nothing about the part.
    checked.measured = None;
    checked.report.remarks.insert(0, remark);
    checked.explains = Some(explains);
    checked.times.begin_report();
    Ok(checked)
}

/// Starts the timer of the search, for what is left of the time limit, and a later one for the last check of the part that was found.
fn start_timers(limit: Option<Duration>, spent: Duration) -> (StopTimer, StopTimer) {
    let left = limit.map(|limit| limit.saturating_sub(spent));
    let grace = left.zip(limit).map(|(left, limit)| left + limit / 20 + GRACE);
    (StopTimer::start(left), StopTimer::start(grace))
}

/// The whole history as its own part.
fn keep_everything(history: &History) -> ShrunkPart {
    ShrunkPart { operations: history.ids().collect(), reduction: Reduction::EffortEnded, checks: 0 }
}

/// What ended the search for a smaller part.
#[derive(Clone, Copy)]
enum SearchLimit {
    Time,
    Effort,
}

impl SearchLimit {
    fn describe_end(self) -> &'static str {
        match self {
            SearchLimit::Time => "the time limit ended the search (pass a longer --timeout)",
            SearchLimit::Effort => "the effort limit ended the search",
        }
    }
}

/// Describes the reduction in a sentence.
fn describe_reduction(
    explains: &ReductionInfo,
    reduction: Reduction,
    left: usize,
    limit: SearchLimit,
) -> String {
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
            let ended = limit.describe_end();
            return format!("no operation was left out of the {all} that show {violated}: {ended}");
        }
        Reduction::EffortEnded => &format!("; fewer may be enough, but {}", limit.describe_end()),
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
/// Says which `--init` do not fit the part: a key that a history does not have is refused.
fn note_keys_left_out(part: &History, path: &Path, check: &CheckPlan) {
    let mut left_out = MissingKeys::of_plan(check);
    left_out.strike_those_of(part);
    if let Some(keys) = left_out.join_names() {
        output::print_note(&format!(
            "{} has no operation on {keys}. To check it, leave out the --init of what it lacks",
            path.display()
        ));
    }
}

fn write_part(history: &History, path: &Path, check: &CheckPlan) -> Result<(), String> {
    write_by_name(path, check.force, &check.input_files(), |beside| {
        let failed = |error: io::Error| format!("failed to write {}: {error}", path.display());
        let mut out = Output::create(beside).map_err(failed)?;
        write_native(history, BufWriter::new(&mut out)).map_err(failed)?;
        out.finish().map_err(failed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, CliCommand};

    /// The time limit once ended the search, the second check with it, and a violation was reported as *unknown*.
    #[test]
    fn a_violation_stays_one_when_the_time_ends_before_a_smaller_part_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.jsonl");
        let drawing = "a: [w1] [w2] [w3] [w4] [w5]\nb:                       [r1]";
        let history = histories::notation::parse(drawing).expect("a drawing");
        write_native(&history, std::fs::File::create(&path).expect("a file")).expect("it is written");
        let words =
            ["steadfast", "explain", "--quiet", "--timeout=1h", "--consistency=linearizable,monotonic-reads"];
        let words = words.iter().map(Into::into).chain([path.clone().into_os_string()]).collect();
        let CliCommand::Explain(args) = Cli::parse_arguments(words).expect("options").command else {
            panic!("it is explain");
        };
        let ExplainPlan { mut check, .. } = args.into_plan().expect("a plan");
        let explain = |check: &CheckPlan, timeout: Duration| {
            let checked = checking::check_source(check, &check.sources[0]).ok().expect("it is checked");
            let check = CheckPlan { timeout: Some(timeout), ..check.clone() };
            let told = shrink_to_violation(&check, "it", checked).ok().expect("it is explained");
            let explains = told.explains.as_ref().expect("there is something to explain");
            assert_eq!((told.report.verdict(), explains.operations), ("violated", 6));
            (told.history.len(), explains.minimal, told.report.remarks[0].clone())
        };
        let (left, minimal, remark) = explain(&check, Duration::ZERO);
        assert!(
            (left, minimal) == (6, false) && remark.contains("the time limit ended the search"),
            "{remark}"
        );
        let (left, minimal, remark) = explain(&check, Duration::from_secs(3600));
        assert!((left, minimal) == (3, true) && !remark.contains("limit"), "{remark}");
        check.timeout = None;
        assert_eq!(explain(&check, Duration::from_secs(3600)).0, 3);
    }
}
