//! `steadfast explain`: the smallest part of a history that still shows the violation.
//!
//! The history is checked; the first violation is made small; the part is checked again as if it had been read, with
//! its evidence, and reported by the same code. So whoever gets the part sees what is seen here.

use super::check::{self, Checked, Refusal, STEPS_MAX};
use crate::args::{CheckPlan, ExplainPlan, Source};
use crate::exit::Exit;
use crate::judge;
use crate::output;
use crate::progress::Progress;
use crate::report::layout::plural;
use crate::report::{Asked, Explains, Found, Timed, isolation, sentence};
use crate::timer::Timer;
use checker::check::Question;
use checker::shrink::{self, Violation};
use checker::{Limits, Verdict};
use histories::History;
use histories::format::{Output, write_native};
use std::io::{self, BufWriter};
use std::path::Path;

/// What making a part small may take, in operations checked: some seconds.
const EFFORT: u64 = 5_000_000;

pub(crate) fn run(plan: &ExplainPlan) -> Exit {
    let (check, output) = (&plan.check, plan.output.as_deref());
    check::run_then(check, &mut |checked| {
        let name = check.sources.first().map(Source::name).unwrap_or_default();
        let explained = explain(check, &name, checked)?;
        if let Some(path) = output {
            match &explained.explains {
                Some(_) => write(&explained.history, path).map_err(Refusal::Input)?,
                None => output::remark(&format!("nothing is violated: {} is not written", path.display())),
            }
        }
        Ok(explained)
    })
}

/// What was checked, made small; as it is if nothing is violated.
fn explain(plan: &CheckPlan, name: &str, mut checked: Checked) -> Result<Checked, Refusal> {
    if let Some(explains) = as_it_is(&checked) {
        checked.answers.retain(|timed| timed.level() == explains.level);
        checked.remarks.insert(0, told(&explains, explains.operations));
        (checked.explains, checked.measured) = (Some(explains), None);
        return Ok(checked);
    }
    let Some(violation) = first_violation(plan, &checked) else {
        checked.remarks.push("nothing to explain: no level that was asked for is violated".to_owned());
        return Ok(checked);
    };
    let progress = Progress::start(plan.quiet);
    progress.stage(&format!("making {name} small"));
    let timer = Timer::start(plan.timeout);
    let limits = Limits { steps: STEPS_MAX, bytes: plan.bytes, stop: timer.flag() };
    let whole = std::mem::take(&mut checked.history);
    let Some(part) = shrink::shrink(&whole, &violation, &limits, EFFORT) else {
        return Err(match limits.stopped() {
            true => Refusal::Input(format!("{name}: --timeout ended before a smaller part was found")),
            false => Refusal::Internal(format!("the whole does not show its {} again", violation.kind)),
        });
    };
    let level = match violation.asked {
        shrink::Asked::Objects(level, _) => level.name(),
        shrink::Asked::Transactions(level, _) => level.name(),
        shrink::Asked::Sessions(kind, _) => kind.name(),
    };
    let (kind, operations) = (violation.kind, whole.len());
    let explains = Explains { level, kind, operations, minimal: part.minimal, checks: part.checks };
    checked.remarks.insert(0, told(&explains, part.operations.len()));
    checked.history = whole.part(&part.operations);
    checked.explains = Some(explains);
    // Figures of a part are figures of nothing.
    checked.measured = None;
    again(name, &violation, &whole, &mut checked, &limits, &progress).map_err(Refusal::Internal)?;
    Ok(checked)
}

/// What is explained by all that was recorded: an invariant is about the sum of what was done, and a read that was
/// left out can make a late element a lost one.
fn as_it_is(checked: &Checked) -> Option<Explains> {
    let violated =
        |timed: &&Timed| matches!(timed.found, Found::Invariant(_)) && timed.verdict() == "violated";
    let timed = checked.answers.iter().find(violated)?;
    let kind = checked.findings("").told(timed).first()?.kind;
    let (level, operations) = (timed.level(), checked.history.len());
    Some(Explains { level, kind, operations, minimal: false, checks: 0 })
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

/// The first level that is violated, with its first anomaly.
fn first_violation(plan: &CheckPlan, checked: &Checked) -> Option<Violation> {
    checked.answers.iter().find_map(|timed| match (&checked.question, &timed.found) {
        (Asked::Objects(question), Found::Object(answer)) => {
            let anomaly = timed.anomalies().first()?;
            let asked = shrink::Asked::Objects(answer.level, *question);
            let operations = sentence::told_with(&checked.history, anomaly);
            Some(Violation { asked, kind: anomaly.kind, operations })
        }
        (Asked::Transactions(analysis), Found::Isolation(judgement)) => {
            let Verdict::Violated(phenomena) = &judgement.verdict else { return None };
            let told = isolation::told(&checked.history, analysis, phenomena).next()?;
            let asked = shrink::Asked::Transactions(judgement.level, plan.assume);
            Some(Violation { asked, kind: told.kind, operations: told.operations })
        }
        (Asked::Sessions(_), Found::Finding(judged)) => {
            let Verdict::Violated(findings) = &judged.verdict else { return None };
            // The header was read once, so it can be read again.
            let question = plan.sessions.question(&checked.history).ok()?;
            let asked = shrink::Asked::Sessions(judged.kind, question);
            Some(Violation {
                asked,
                kind: judged.kind.name(),
                operations: findings.first()?.operations.clone(),
            })
        }
        _ => None,
    })
}

/// Checks the part as if it had been read.
fn again(
    name: &str,
    violation: &Violation,
    whole: &History,
    checked: &mut Checked,
    limits: &Limits<'_>,
    progress: &Progress,
) -> Result<(), String> {
    match violation.asked {
        shrink::Asked::Objects(level, question) => {
            let initial = checked.history.values.intern(whole.value_text(question.initial));
            let question = Question { initial, ..question };
            let told = (progress, &mut checked.remarks);
            checked.answers = judge::objects(&checked.history, name, &question, &[level], limits, told)?;
            checked.question = Asked::Objects(question);
        }
        shrink::Asked::Transactions(level, assume) => {
            let (answers, analysis) =
                judge::transactions(&checked.history, name, assume, vec![level], limits, progress)?;
            (checked.answers, checked.question) = (answers, Asked::Transactions(analysis));
        }
        shrink::Asked::Sessions(kind, question) => {
            let told = (progress, &mut Vec::new());
            let kinds = Some(&[kind][..]);
            checked.answers = judge::sessions(&checked.history, name, &question, kinds, limits, told)?;
        }
    }
    Ok(())
}

/// Writes the part as a history of its own.
fn write(history: &History, path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("failed to write {}: {error}", path.display());
    let mut out = Output::create(path).map_err(failed)?;
    write_native(history, BufWriter::new(&mut out)).map_err(failed)?;
    out.finish().map_err(failed)
}
