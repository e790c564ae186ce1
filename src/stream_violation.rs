//! A violation that was found in a stream: the findings that every report is made from, and the smallest history that shows it.

use crate::output_file::write_by_name;
use crate::report::{CheckFindings, ReportWriter};
use crate::times::PhaseTimes;
use checker::shrink::{self, ShrinkTarget};
use checker::{Basis, Limits, OnlineViolation, Property, Verdict};
use histories::History;
use histories::format::{Output, write_native};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// The limit on shrinking, in operations checked: about a second of work.
const EFFORT: u64 = 1_000_000;
/// The number of names that are tried for the file of a violation.
const NAMES_MAX: u32 = 1_000;

/// Calls a function with the findings about the small history of a violation. `stream` is the name of the stream.
pub(crate) fn with_violation_findings<T>(
    stream: &str,
    violation: &OnlineViolation,
    tell: impl FnOnce(&CheckFindings<'_>) -> T,
) -> T {
    let name = format!("{stream} at event {}", violation.event);
    tell(&CheckFindings {
        name: &name,
        history: &violation.history,
        question: &violation.question,
        report: &violation.report,
        basis: Basis::from_history(&violation.history, violation.question.failed_cas),
        measured: None,
        times: &PhaseTimes::unmeasured(),
        explains: None,
    })
}

/// Writes a violation as `check` writes it. A failed write is remembered by the writer.
pub(crate) fn write_violation(
    report: &mut dyn ReportWriter,
    out: &mut dyn Write,
    stream: &str,
    violation: &OnlineViolation,
) {
    let _ = with_violation_findings(stream, violation, |findings| report.write_checked(findings, out));
    let _ = out.flush();
}

/// Shrinks the history of a violation, and writes it beside the recording: `run.violation.jsonl` for `run.jsonl`, with a number
/// if that name is taken. Returns the name and the number of operations. The error is worded for the user.
pub(crate) fn write_smallest_part(
    recording: &Path,
    violation: &OnlineViolation,
) -> Result<(PathBuf, usize), String> {
    let history = shrink_history(violation);
    let name = |number: u32| match number {
        1 => recording.with_extension("violation.jsonl"),
        number => recording.with_extension(format!("violation.{number}.jsonl")),
    };
    let path = (1..=NAMES_MAX).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(1));
    write_by_name(&path, false, &[recording], |beside| {
        let failed = |error: io::Error| format!("failed to write {}: {error}", path.display());
        let mut out = Output::create(beside).map_err(failed)?;
        write_native(&history, BufWriter::new(&mut out)).map_err(failed)?;
        out.finish().map_err(failed)
    })?;
    Ok((path, history.len()))
}

/// The smallest part that was found of the history of a violation: all of it, if no smaller part shows the same.
fn shrink_history(violation: &OnlineViolation) -> History {
    static NEVER_STOPPED: AtomicBool = AtomicBool::new(false);
    let history = &violation.history;
    let found = violation.report.answers.iter().find_map(|answer| match &answer.verdict {
        Verdict::Violated(violations) => violations.first().map(|first| (answer.property, first)),
        _ => None,
    });
    let part = found.and_then(|(property, first)| {
        let operations = match property {
            Property::Finding(_) => first.operations.clone(),
            _ => history.ids().collect(),
        };
        let target = ShrinkTarget { property, kind: first.kind, key: first.key, operations };
        let limits = Limits { steps: 1_000_000, bytes: 1 << 28, stop: &NEVER_STOPPED };
        shrink::shrink_violation(history, &violation.question, &target, &limits, EFFORT)
    });
    match part {
        Some(part) => history.restrict_to(&part.operations),
        None => history.clone(),
    }
}
