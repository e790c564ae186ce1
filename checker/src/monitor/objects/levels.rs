//! One level of registers that is monitored, and what is known about it.

use crate::monitor::verdicts::{MonitorVerdict, OnlineViolation, UnknownFrom};
use claims::Level;
use serde::{Deserialize, Serialize};

/// One level that is monitored.
#[derive(Serialize, Deserialize)]
pub(in crate::monitor) struct MonitoredLevel {
    pub(in crate::monitor) level: Level,
    #[serde(with = "crate::monitor::snapshot::violation")]
    pub(in crate::monitor) violation: Option<Box<OnlineViolation>>,
    /// An object was given up, or something that matters was forgotten.
    pub(in crate::monitor) unknown: Option<UnknownFrom>,
    /// The last judgement reached a limit. A later one may decide.
    pub(in crate::monitor) undecided: Option<UnknownFrom>,
}

impl MonitoredLevel {
    pub(in crate::monitor) fn new(level: Level) -> Self {
        Self { level, violation: None, unknown: None, undecided: None }
    }

    /// The verdict so far. A level that nothing could have contradicted is *untested*.
    pub(in crate::monitor) fn verdict(&self, is_tested: bool) -> MonitorVerdict<'_> {
        match (&self.violation, self.unknown.as_ref().or(self.undecided.as_ref())) {
            (Some(violation), _) => MonitorVerdict::Violated(violation),
            (None, _) if !is_tested => MonitorVerdict::Untested,
            (None, Some(unknown)) => MonitorVerdict::Unknown(unknown),
            (None, None) => MonitorVerdict::HoldsSoFar,
        }
    }

    /// Makes the level *unknown* from an event on, because of so many objects. An earlier reason stays.
    pub(in crate::monitor) fn give_up(&mut self, event: u64, reason: &str, objects: u64) {
        match &mut self.unknown {
            Some(known) => known.objects += objects,
            None => self.unknown = Some(UnknownFrom { event, reason: reason.to_owned(), objects }),
        }
    }
}
