//! Judges the window: the engines and the verifier of a check decide, and the operations on one session show each finding.

use super::{MonitorError, OnlineViolation, StoreMonitor, UnknownFrom};
use crate::{CheckError, check};
use claims::{Evidence, FindingKind, FindingProof, Limits, Property, Question, Report, Verdict, Violation};
use histories::format::{Format, from_text};
use histories::{History, OpId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

impl StoreMonitor {
    /// Judges all findings that were not found yet.
    pub(super) fn judge_window(&mut self) -> Result<(), MonitorError> {
        self.findings.iter_mut().for_each(|told| told.undecided = None);
        let alive = self.findings.iter().filter(|told| told.violation.is_none());
        let asked: Vec<Property> = alive.map(|told| Property::Finding(told.kind)).collect();
        if asked.is_empty() || self.ended.is_some() {
            return Ok(());
        }
        for told in self.findings.iter_mut().filter(|_| self.has_forgotten) {
            told.is_tested |= self.recorded.could_show(told.kind, &self.question.sessions);
        }
        if self.kept == 0 {
            return Ok(());
        }
        let window = self.build_window(|_| true, true)?;
        let report = self.check_window(&window, asked)?;
        let mut lost: BTreeSet<Arc<str>> = BTreeSet::new();
        for answer in &report.answers {
            let Property::Finding(kind) = answer.property else { continue };
            let at = self.findings.iter().position(|told| told.kind == kind).expect("it was asked");
            self.findings[at].is_tested |= !matches!(answer.verdict, Verdict::Untested(_));
            match &answer.verdict {
                Verdict::Holds(_) | Verdict::Untested(_) => {}
                Verdict::Violated(violations) => {
                    let may_be_forgotten =
                        |violation: &&Violation| self.has_forgotten && names_no_writer(violation);
                    lost.extend(
                        violations
                            .iter()
                            .filter(may_be_forgotten)
                            .map(|told| key_of(&window, told.operations[0])),
                    );
                    if let Some(first) = violations.iter().find(|violation| !may_be_forgotten(violation)) {
                        let shown = self.show_finding(kind, first, violations.len(), &window)?;
                        self.findings[at].violation = Some(Box::new(shown));
                        self.news.push(at);
                    }
                }
                Verdict::Unknown(why) => {
                    let reason = why.reason.clone();
                    self.findings[at].undecided =
                        Some(UnknownFrom { event: self.latest_index, reason, objects: 0 });
                }
            }
        }
        for key in lost {
            self.lose_session_with_forgotten_value(&key);
        }
        Ok(())
    }

    /// The history of the sessions that are wanted, with the operations on actions if they are.
    fn build_window(
        &self,
        wanted: impl Fn(&super::kept::KeptSession) -> bool,
        actions: bool,
    ) -> Result<History, MonitorError> {
        let sessions = self.sessions.iter().flatten().filter(|session| wanted(session));
        let mut lines: Vec<(u64, &str)> = Vec::new();
        for operation in
            sessions.chain(actions.then_some(&self.actions)).flat_map(|session| &session.operations)
        {
            lines.push((operation.invoked, &operation.invocation));
            lines.extend(operation.ended.zip(operation.completion.as_deref()));
        }
        lines.extend(
            self.actors.iter().chain(&self.deciding_actors).map(|(position, line)| (*position, &**line)),
        );
        lines.sort_unstable_by_key(|line| line.0);
        let mut text = String::with_capacity(lines.iter().map(|line| line.1.len()).sum::<usize>() + 256);
        if let Some(header) = &self.header {
            text.push_str(header);
            text.push('\n');
        }
        lines.iter().for_each(|line| text.push_str(line.1));
        from_text(Format::Native, &text)
            .map_err(|problems| MonitorError::Internal(format!("a window cannot be read: {problems}")))
    }

    fn check_window(&self, window: &History, asked: Vec<Property>) -> Result<Report, MonitorError> {
        static NEVER_STOPPED: AtomicBool = AtomicBool::new(false);
        let question = Question { asked: Some(asked), ..self.question.clone() };
        let limits = Limits { steps: self.limits.steps, bytes: self.limits.bytes, stop: &NEVER_STOPPED };
        check(window, &question, &limits).map_err(|error| match error {
            CheckError::Question(why) => MonitorError::Question(why),
            CheckError::Internal(why) => MonitorError::Internal(why),
        })
    }

    /// Builds the history of all operations on the sessions of a finding, or else that of the whole window. Fewer operations could show
    /// something that the whole does not: a renewal that is left out makes a session expire earlier.
    fn show_finding(
        &self,
        kind: FindingKind,
        violation: &Violation,
        found: usize,
        window: &History,
    ) -> Result<OnlineViolation, MonitorError> {
        let property = Property::Finding(kind);
        let mut keys: BTreeSet<Arc<str>> = BTreeSet::new();
        keys.extend(violation.operations.iter().map(|&id| key_of(window, id)));
        let concerned = self.build_window(|session| session.ids.iter().any(|id| keys.contains(id)), true)?;
        for history in [Some(concerned), None] {
            let history = match history {
                Some(history) => history,
                None => self.build_window(|_| true, true)?,
            };
            let report = self.check_window(&history, vec![property])?;
            if report.verdict() == "violated" {
                let event = deciding_event(&history, &report).unwrap_or(self.latest_index);
                let question = Question { asked: Some(vec![property]), ..self.question.clone() };
                return Ok(OnlineViolation { property, event, history, question, report, found });
            }
        }
        Err(MonitorError::Internal(format!("{}: the same operations do not show it again", kind.name())))
    }
}

fn key_of(history: &History, id: OpId) -> Arc<str> {
    Arc::from(history.keys.text(history.key(id)))
}

/// Whether a finding says that no operation wrote a value. The operation may have been forgotten.
fn names_no_writer(violation: &Violation) -> bool {
    let Evidence::Finding(finding) = &violation.evidence else { return false };
    matches!(
        finding.proof,
        FindingProof::Unwritten { writer: None, .. } | FindingProof::Foreign { writer: None, .. }
    )
}

/// The index of the last event among the operations of the first finding.
fn deciding_event(history: &History, report: &Report) -> Option<u64> {
    let Some(Verdict::Violated(violations)) = report.answers.first().map(|answer| &answer.verdict) else {
        return None;
    };
    let operations = violations.first()?.operations.iter().map(|&id| history.operation(id));
    let last = operations
        .map(|operation| match operation.completed {
            histories::NEVER => operation.invoked,
            completed => completed,
        })
        .max()?;
    Some(history.event_index(last))
}
