//! Judges a window: the engines of a check decide, and a small history shows each violation.

use super::involved::involved_transactions;
use super::window::build_window;
use super::{MonitorError, OnlineViolation, TransactionMonitor, UnknownFrom};
use crate::monitor::window::WindowDetail;
use crate::shrink::{ShrinkTarget, shrink_violation};
use crate::{CheckError, check};
use claims::{Evidence, IsolationLevel, Limits, Property, Question, Report, Verdict, Violation};
use histories::{History, KeyId};
use std::sync::atomic::AtomicBool;

/// The work of making the history of a violation small, in transactions checked.
const SHRINK_EFFORT: u64 = 20_000;

impl TransactionMonitor {
    /// Judges all levels that are not violated.
    pub(super) fn judge_window(&mut self) -> Result<(), MonitorError> {
        self.levels.iter_mut().for_each(|told| told.undecided = None);
        let alive = self.levels.iter().filter(|told| told.violation.is_none() && !told.is_given_up);
        let asked: Vec<Property> = alive.map(|told| Property::Isolation(told.level)).collect();
        if asked.is_empty() || self.ended.is_some() {
            return Ok(());
        }
        let window = build_window(&self.transactions, &self.keys, self.is_about_lists(), WindowDetail::Bare);
        let report = self.check_window(&window, asked)?;
        for answer in &report.answers {
            let Property::Isolation(level) = answer.property else { continue };
            let at = self.levels.iter().position(|told| told.level == level).expect("it was asked");
            match &answer.verdict {
                Verdict::Holds(_) | Verdict::Untested(_) => {}
                Verdict::Violated(violations) => {
                    let shown = self.show_violation(level, violations)?;
                    self.levels[at].violation = Some(Box::new(shown));
                    self.news.push(at);
                }
                Verdict::Unknown(why) => {
                    let reason = why.reason.clone();
                    self.levels[at].undecided =
                        Some(UnknownFrom { event: self.latest_index, reason, objects: 0 });
                }
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Limits<'static> {
        static NEVER_STOPPED: AtomicBool = AtomicBool::new(false);
        Limits { steps: self.limits.steps, bytes: self.limits.bytes, stop: &NEVER_STOPPED }
    }

    fn check_window(&self, window: &History, asked: Vec<Property>) -> Result<Report, MonitorError> {
        let question = Question { asked: Some(asked), accept_untested: true, ..self.question.clone() };
        check(window, &question, &self.check_limits()).map_err(|error| match error {
            CheckError::Question(why) => MonitorError::Question(why),
            CheckError::Internal(why) => MonitorError::Internal(why),
        })
    }

    /// Builds a small history that shows a violation, or else that of the whole window.
    fn show_violation(
        &self,
        level: IsolationLevel,
        violations: &[Violation],
    ) -> Result<OnlineViolation, MonitorError> {
        let property = Property::Isolation(level);
        let actors: Vec<_> = self.actors.iter().cloned().collect();
        let detail = WindowDetail::Full(&actors);
        let whole = build_window(&self.transactions, &self.keys, self.is_about_lists(), detail);
        let question = Question { asked: Some(vec![property]), ..self.question.clone() };
        let first = violations.first().expect("a violated level has a violation");
        let asked = vec![property];
        let whole_report = self.check_window(&whole, asked.clone())?;
        let operations = match first.evidence {
            Evidence::Phenomenon(phenomenon) => involved_transactions(&whole_report, phenomenon),
            _ => Vec::new(),
        };
        let kind = first.kind;
        let target = ShrinkTarget { property, kind, key: KeyId::NONE, operations };
        let small = shrink_violation(&whole, &question, &target, &self.check_limits(), SHRINK_EFFORT);
        let small = small.map(|part| whole.restrict_to(&part.operations));
        for (history, report) in
            [small.map(|small| (small, None)), Some((whole, Some(whole_report)))].into_iter().flatten()
        {
            let report = match report {
                Some(report) => report,
                None => self.check_window(&history, asked.clone())?,
            };
            if report.verdict() == "violated" {
                let event = last_event(&history).unwrap_or(self.latest_index);
                let found = violations.len();
                return Ok(OnlineViolation { property, event, history, question, report, found });
            }
        }
        Err(MonitorError::Internal(format!(
            "{} violated: the same transactions do not show it again",
            level.name()
        )))
    }
}

/// The index of the last event of a client.
fn last_event(history: &History) -> Option<u64> {
    use histories::events::Event;
    let mut last = None;
    for (event, position) in history.events().zip(0u32..) {
        if !matches!(event, Event::Actor(_)) {
            last = Some(history.event_index(position));
        }
    }
    last
}
