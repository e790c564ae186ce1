//! The figures of a history, with the losses that its findings show.

use crate::args::SessionArgs;
use checker::continuity::{self, FindingVerdict};
use checker::measurements::{
    MeasuredLosses, Measurements, TimeOver, measure_history_within, measure_register_losses_within,
    measure_session_losses_within,
};
use checker::{ACCEPTED_UNTESTED, Evidence, Limits, Property, Report};
use histories::{Function, History, ValueId};

/// Measures a history whose objects hold `initial` at first. `report` has the findings, if they were looked for. Where the
/// time is over first, every figure is missing for that reason.
///
/// # Errors
/// The header says something of sessions that cannot be understood.
pub(crate) fn measure_with_losses(
    history: &History,
    initial: ValueId,
    sessions: &SessionArgs,
    report: Option<&Report>,
    limits: &Limits<'_>,
) -> Result<Measurements, String> {
    let losses = match report.map(collect_findings).filter(|findings| !findings.is_empty()) {
        Some(findings) => measure_session_losses_within(history, &findings, limits),
        None if holds_sessions(history) => {
            let question = sessions.session_rules(history)?;
            measure_session_losses_within(
                history,
                &continuity::judge_session_findings(history, &question, limits),
                limits,
            )
        }
        None => measure_register_losses_within(history, initial, limits),
    };
    let measured =
        losses.and_then(|losses: MeasuredLosses| measure_history_within(history, initial, &losses, limits));
    Ok(measured.unwrap_or_else(|TimeOver| Measurements::not_in_time()))
}

fn holds_sessions(history: &History) -> bool {
    let is_of_sessions =
        |id| matches!(history.function(id), Function::CREATE | Function::ACT | Function::PATCH);
    history.ids().any(is_of_sessions)
}

/// The findings of a report, asked for or not.
fn collect_findings(report: &Report) -> Vec<FindingVerdict> {
    // What nothing could have shown says nothing of losses, even if it counts as holding.
    let all = report.answers.iter().chain(&report.beside).filter(|answer| answer.method != ACCEPTED_UNTESTED);
    let judged = all.filter_map(|answer| {
        let Property::Finding(kind) = answer.property else { return None };
        let findings = |violations: Vec<checker::Violation>| {
            let finding = |violation: checker::Violation| match violation.evidence {
                Evidence::Finding(finding) => Some(*finding),
                _ => None,
            };
            violations.into_iter().filter_map(finding).collect()
        };
        Some(FindingVerdict { kind, verdict: answer.verdict.clone().map(|_| (), findings) })
    });
    judged.collect()
}
