//! Judges the window: the engines and the verifier of a check decide, and a small history shows each violation.

use super::window::{WindowOperation, build_window};
use super::{MonitorError, MonitoredLevel, ObjectMonitor, OnlineViolation, UnknownFrom};
use crate::monitor::window::WindowDetail;
use crate::{CheckError, check};
use claims::{Evidence, Level, Limits, Property, Question, Report, Verdict, Violation};
use histories::{History, Id, OpId};
use std::sync::atomic::AtomicBool;

impl ObjectMonitor {
    /// Judges the levels of these kinds (linearizability, session guarantees) on some objects.
    pub(super) fn judge_objects(&mut self, group: &[u32], kinds: (bool, bool)) -> Result<(), MonitorError> {
        let wanted = |told: &&MonitoredLevel| {
            let of_kind = if told.level == Level::Linearizable { kinds.0 } else { kinds.1 };
            of_kind && told.violation.is_none()
        };
        let asked: Vec<Property> =
            self.levels.iter().filter(wanted).map(|told| Property::Level(told.level)).collect();
        if group.is_empty() || asked.is_empty() {
            return Ok(());
        }
        let operations = self.window_operations(group);
        let window = build_window(&operations, WindowDetail::Bare);
        let report = self.check_window(&window, asked)?;
        let mut found = Vec::new();
        for answer in report.answers {
            let Property::Level(level) = answer.property else { continue };
            match answer.verdict {
                Verdict::Holds(_) | Verdict::Untested(_) => {}
                Verdict::Violated(violations) => {
                    found.push((level, Some(self.show_violation(level, &violations, &operations)?), None));
                }
                Verdict::Unknown(why) => found.push((level, None, Some(why.reason))),
            }
        }
        for (level, violation, undecided) in found {
            let at = self.levels.iter().position(|told| told.level == level).expect("it was asked");
            if violation.is_some() {
                self.levels[at].violation = violation.map(Box::new);
                self.news.push(at);
            } else if let Some(reason) = undecided {
                self.levels[at].undecided.get_or_insert(UnknownFrom {
                    event: self.latest_index,
                    reason,
                    objects: 0,
                });
            }
        }
        Ok(())
    }

    /// The kept operations of some objects, in order of invocation.
    fn window_operations(&self, group: &[u32]) -> Vec<WindowOperation<'_>> {
        let mut operations: Vec<WindowOperation<'_>> = Vec::new();
        for object in group.iter().map(|&at| &self.objects[at as usize]) {
            let kept = object.operations.iter().filter(|operation| !operation.is_void());
            operations.extend(kept.map(|operation| WindowOperation { key: &object.name, operation }));
        }
        if group.len() > 1 {
            operations.sort_unstable_by_key(|told| told.operation.invoked);
        }
        operations
    }

    fn check_window(&self, window: &History, asked: Vec<Property>) -> Result<Report, MonitorError> {
        static NEVER_STOPPED: AtomicBool = AtomicBool::new(false);
        let question = Question { asked: Some(asked), accept_untested: true, ..self.question.clone() };
        let limits = Limits { steps: self.limits.steps, bytes: self.limits.bytes, stop: &NEVER_STOPPED };
        check(window, &question, &limits).map_err(|error| match error {
            CheckError::Question(why) => MonitorError::Question(why),
            CheckError::Internal(why) => MonitorError::Internal(why),
        })
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
            involved_operations(first).into_iter().map(|id| operations[id.index()]).collect();
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
                return Ok(OnlineViolation {
                    property,
                    event,
                    history,
                    question,
                    report,
                    found: violations.len(),
                });
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
