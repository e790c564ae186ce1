//! A violation that was found in a stream, as the findings that every report is made from.

use crate::report::{CheckFindings, ReportWriter};
use crate::times::PhaseTimes;
use checker::{Basis, OnlineViolation};
use std::io::Write;

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
