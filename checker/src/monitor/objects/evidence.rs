//! Checks windows of registers, and makes the small history that shows a violation.

use super::window::{WindowOperation, build_window};
use crate::monitor::limits::{MonitorError, MonitorLimits};
use crate::monitor::verdicts::OnlineViolation;
use crate::monitor::window::WindowDetail;
use crate::{CheckError, check};
use claims::{Evidence, Level, Limits, Property, Question, Report, Verdict, Violation};
use histories::{ActorEvent, History, OpId};
use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;

/// What a window is checked for, and what is shown with a violation.
pub(in crate::monitor) struct WindowJudge<'a> {
    pub(in crate::monitor) question: &'a Question,
    pub(in crate::monitor) limits: MonitorLimits,
    pub(in crate::monitor) actors: &'a VecDeque<(u64, u64, ActorEvent)>,
    /// The index of the latest event of the stream.
    pub(in crate::monitor) latest_index: u64,
}

/// A level that does not hold, with its violation or the reason for *unknown*.
pub(in crate::monitor) type NotHolding = (Level, Result<OnlineViolation, String>);

/// The limits of a check that nothing stops.
pub(in crate::monitor) fn unstopped(limits: MonitorLimits) -> Limits<'static> {
    static NEVER_STOPPED: AtomicBool = AtomicBool::new(false);
    Limits { steps: limits.steps, bytes: limits.bytes, stop: &NEVER_STOPPED }
}

impl WindowJudge<'_> {
    /// Checks a window.
    fn check_window(&self, window: &History, asked: Vec<Property>) -> Result<Report, MonitorError> {
        let question = Question { asked: Some(asked), accept_untested: true, ..self.question.clone() };
        check(window, &question, &unstopped(self.limits)).map_err(|error| match error {
            CheckError::Question(why) => MonitorError::Question(why),
            CheckError::Internal(why) => MonitorError::Internal(why),
        })
    }

    /// Judges levels on a window of these operations. Returns those that do not hold.
    pub(in crate::monitor) fn judge_levels(
        &self,
        operations: &[WindowOperation<'_>],
        asked: Vec<Property>,
    ) -> Result<Vec<NotHolding>, MonitorError> {
        let report = self.check_window(&build_window(operations, WindowDetail::Bare), asked)?;
        let mut found = Vec::new();
        for answer in report.answers {
            let Property::Level(level) = answer.property else { continue };
            match answer.verdict {
                Verdict::Holds(_) | Verdict::Untested(_) => {}
                Verdict::Violated(violations) => {
                    found.push((level, Ok(self.show_violation(level, &violations, operations)?)));
                }
                Verdict::Unknown(why) => found.push((level, Err(why.reason))),
            }
        }
        Ok(found)
    }

    /// Builds the smallest history that still shows a violation: its operations alone, or else the whole window.
    fn show_violation(
        &self,
        level: Level,
        violations: &[Violation],
        operations: &[WindowOperation<'_>],
    ) -> Result<OnlineViolation, MonitorError> {
        let actors: Vec<_> = self.actors.iter().cloned().collect();
        let first = violations.first().expect("a violated level has a violation");
        let part: Vec<WindowOperation<'_>> =
            involved_operations(first).into_iter().map(|id| operations[histories::Id::index(id)]).collect();
        let asked = vec![Property::Level(level)];
        for shown in [&part[..], operations] {
            let history = build_window(shown, WindowDetail::Full(&actors));
            let report = self.check_window(&history, asked.clone())?;
            if report.verdict() == "violated" {
                let ends = shown.iter().map(|told| told.operation);
                let last = ends.max_by_key(|operation| operation.last_event);
                let event = last.map_or(self.latest_index, |operation| match operation.outcome {
                    None => operation.invocation.index,
                    Some(_) => operation.completion.index,
                });
                let question = Question { asked: Some(asked), ..self.question.clone() };
                let property = Property::Level(level);
                let found = violations.len();
                return Ok(OnlineViolation { property, event, history, question, report, found });
            }
        }
        Err(MonitorError::Internal(format!(
            "{} violated: the same operations do not show it again",
            level.name()
        )))
    }
}

/// The operations of a violation and of its evidence, in order.
fn involved_operations(violation: &Violation) -> Vec<OpId> {
    let mut operations = violation.operations.clone();
    match &violation.evidence {
        Evidence::Core(core) => {
            operations.extend(&core.operations);
            operations.extend(&core.writes_only);
        }
        Evidence::Cycle(cycle) => operations.extend(cycle.involved_operations()),
        _ => {}
    }
    operations.sort_unstable();
    operations.dedup();
    operations
}
