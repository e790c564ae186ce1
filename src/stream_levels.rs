//! The verdicts on the levels of a stream as data, for the text, the JSON, the page, the figures and the view.

use checker::{Monitor, MonitorAnswer, MonitorVerdict};
use serde::Serialize;

/// The verdict on one level of a stream, so far or at its end.
#[derive(Clone, Serialize)]
pub(crate) struct FollowedLevel {
    pub(crate) level: &'static str,
    pub(crate) verdict: &'static str,
    /// The event that made a violation certain, or from which on the level is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The number of keys that the reason applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keys: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) assumption: Option<String>,
}

/// The verdicts so far, in the order of the question.
pub(crate) fn describe_answers(monitor: &Monitor) -> Vec<FollowedLevel> {
    monitor.answers().map(|answer| describe_answer(monitor, &answer)).collect()
}

fn describe_answer(monitor: &Monitor, answer: &MonitorAnswer<'_>) -> FollowedLevel {
    let (event, reason, keys) = match answer.verdict {
        MonitorVerdict::Violated(violation) => (Some(violation.event), None, None),
        MonitorVerdict::Unknown(from) => {
            (Some(from.event), Some(from.reason.clone()), Some(from.objects).filter(|&keys| keys > 0))
        }
        MonitorVerdict::HoldsSoFar | MonitorVerdict::Untested => (None, None, None),
    };
    FollowedLevel {
        level: answer.property.name(),
        verdict: answer.verdict.name(),
        event,
        reason,
        keys,
        assumption: monitor.assumption(answer.property),
    }
}
