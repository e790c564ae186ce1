//! Registers: the levels that are judged object by object, and those that join all objects, each with a window of its own.

use super::causal::{self, CausalMonitor};
use super::limits::{MonitorError, MonitorLimits};
use super::objects::{self, ObjectMonitor};
use super::stream::StreamEvent;
use super::verdicts::{MonitorAnswer, OnlineViolation};
use claims::{Level, Model, Property, Question};
use serde::{Deserialize, Serialize};

/// Whether the level is judged online.
pub(super) fn judges_level(level: Level) -> bool {
    objects::judges_level(level) || causal::judges_level(level)
}

/// Judges a stream of events on registers while it grows.
#[derive(Serialize, Deserialize)]
pub(super) struct RegisterMonitor {
    question: Question,
    limits: MonitorLimits,
    by_object: Option<ObjectMonitor>,
    causal: Option<CausalMonitor>,
}

impl RegisterMonitor {
    /// A monitor for a question about registers. If both kinds of levels are asked, each has half of the memory.
    ///
    /// # Errors
    /// [`MonitorError::OfflineOnly`] for any other model, for a level that is not judged online, and for assumptions
    /// about version orders.
    pub(super) fn new(question: Question, limits: MonitorLimits) -> Result<Self, MonitorError> {
        if question.model != Model::Register {
            return Err(MonitorError::OfflineOnly(format!("the model {}", question.model.name())));
        }
        if let Some(name) = question.assume.assumption_names().next() {
            return Err(MonitorError::OfflineOnly(format!("the assumption {name}")));
        }
        let (mut by_object, mut joining) = (Vec::new(), Vec::new());
        for property in question.asked_properties() {
            match property {
                Property::Level(level) if objects::judges_level(level) => by_object.push(property),
                Property::Level(level) if causal::judges_level(level) => joining.push(property),
                other => return Err(MonitorError::OfflineOnly(format!("the level {}", other.name()))),
            }
        }
        let share = if by_object.is_empty() || joining.is_empty() { 1 } else { 2 };
        let part = MonitorLimits { bytes: (limits.bytes / share).max(MonitorLimits::BYTES_MIN), ..limits };
        let ask = |asked: Vec<Property>| Question { asked: Some(asked), ..question.clone() };
        let causal = (!joining.is_empty()).then(|| CausalMonitor::new(ask(joining), part));
        let by_object = match by_object.is_empty() && causal.is_some() {
            true => None,
            false => Some(ObjectMonitor::new(ask(by_object), part)?),
        };
        Ok(Self { question, limits, by_object, causal })
    }

    /// Takes one event. Each part judges if enough events came since its last judgement.
    ///
    /// # Errors
    /// As [`super::Monitor::push`]. Both parts refuse the same events.
    pub(super) fn push(&mut self, event: StreamEvent<'_>) -> Result<(), MonitorError> {
        let first = self.by_object.as_mut().map_or(Ok(()), |monitor| monitor.push(event));
        let second = self.causal.as_mut().map_or(Ok(()), |monitor| monitor.push(event));
        first.and(second)
    }

    /// Judges all events so far.
    ///
    /// # Errors
    /// [`MonitorError::Internal`] if the verifier refutes an answer.
    pub(super) fn judge(&mut self) -> Result<(), MonitorError> {
        self.by_object.as_mut().map_or(Ok(()), ObjectMonitor::judge)?;
        self.causal.as_mut().map_or(Ok(()), CausalMonitor::judge)
    }

    /// The violations that were found since the last call.
    pub(super) fn take_violations(&mut self) -> Vec<&OnlineViolation> {
        let first = self.by_object.as_mut().map(ObjectMonitor::take_violations);
        let second = self.causal.as_mut().map(CausalMonitor::take_violations);
        first.into_iter().chain(second).flatten().collect()
    }

    /// The verdicts so far, in the order of the question.
    pub(super) fn answers(&self) -> Vec<MonitorAnswer<'_>> {
        let mut answers: Vec<MonitorAnswer<'_>> =
            self.by_object.as_ref().map_or_else(Vec::new, ObjectMonitor::answers);
        answers.extend(self.causal.iter().flat_map(CausalMonitor::answers));
        let asked = self.question.asked_properties();
        answers.sort_by_key(|answer| asked.iter().position(|property| *property == answer.property));
        answers
    }

    /// The number of events from the beginning that both parts have judged, up to the invocation of the slowest open operation.
    pub(super) fn watermark(&self) -> u64 {
        let parts = [
            self.by_object.as_ref().map(ObjectMonitor::watermark),
            self.causal.as_ref().map(CausalMonitor::watermark),
        ];
        parts.into_iter().flatten().min().unwrap_or(0)
    }

    /// Whether violations were found that were not taken.
    pub(super) fn has_news(&self) -> bool {
        self.by_object.as_ref().is_some_and(ObjectMonitor::has_news)
            || self.causal.as_ref().is_some_and(CausalMonitor::has_news)
    }

    pub(super) fn limits(&self) -> MonitorLimits {
        self.limits
    }

    /// The number of events so far.
    pub(super) fn event_count(&self) -> u64 {
        let first = self.by_object.as_ref().map(ObjectMonitor::event_count);
        first.or(self.causal.as_ref().map(CausalMonitor::event_count)).unwrap_or(0)
    }

    /// The number of operations that are kept, by both parts.
    pub(super) fn kept_operations(&self) -> usize {
        self.by_object.as_ref().map_or(0, ObjectMonitor::kept_operations)
            + self.causal.as_ref().map_or(0, CausalMonitor::kept_operations)
    }

    /// The question that is asked of the stream.
    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// What a verdict on a property assumes about the stream. None if it assumes nothing.
    pub(super) fn assumption(&self, property: Property) -> Option<String> {
        let Property::Level(level) = property else { return None };
        let assumed = match level {
            Level::RealTimeCausal => super::FORGET_ASSUMPTION,
            level if level.is_session_guarantee() || causal::judges_level(level) => super::SESSION_ASSUMPTION,
            _ => return None,
        };
        Some(match self.limits.session_idle_ns {
            Some(idle) if causal::judges_level(level) => format!(
                "{assumed}, and that no session is used again after {} s without a request (--session-idle)",
                idle as f64 / 1e9
            ),
            _ => assumed.to_owned(),
        })
    }

    /// Judges an object no further. Levels that join all objects end.
    pub(super) fn give_up_key(&mut self, key: &str, event: u64, reason: &str) {
        if let Some(monitor) = &mut self.by_object {
            monitor.give_up_key(key, event, reason);
        }
        if let Some(monitor) = &mut self.causal {
            monitor.end_judgement(event, reason);
        }
    }

    /// Ends the judgement: the levels are *unknown* from the next event on.
    pub(super) fn end_judgement(&mut self, event: u64, reason: &str) {
        if let Some(monitor) = &mut self.by_object {
            monitor.end_judgement(event, reason);
        }
        if let Some(monitor) = &mut self.causal {
            monitor.end_judgement(event, reason);
        }
    }
}
