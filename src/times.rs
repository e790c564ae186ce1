//! What each phase of a check took.

use crate::progress::Progress;
use checker::{CheckPhase, Observer, Property};
use std::time::Instant;

/// What each phase took, in seconds.
#[derive(Clone, Default, Debug)]
pub(crate) struct Times {
    pub(crate) read: f64,
    /// Deciding, and of each property the time of the group that it was decided in.
    pub(crate) check: f64,
    pub(crate) by_property: Vec<(Property, f64)>,
    /// Checking evidence again.
    pub(crate) verify: f64,
    pub(crate) measure: f64,
}

impl Times {
    /// What deciding a property took. Properties that are decided together have the time of all of them.
    pub(crate) fn of(&self, property: Property) -> f64 {
        self.by_property.iter().find(|known| known.0 == property).map_or(0.0, |known| known.1)
    }
}

/// Takes the time of phases, and shows which is on.
pub(crate) struct Watch<'a> {
    name: &'a str,
    progress: &'a Progress,
    times: &'a mut Times,
    current: Option<(CheckPhase, Instant)>,
}

impl<'a> Watch<'a> {
    /// Watches the check of a history of this name.
    pub(crate) fn new(name: &'a str, progress: &'a Progress, times: &'a mut Times) -> Self {
        Self { name, progress, times, current: None }
    }
}

impl Observer for Watch<'_> {
    fn phase_begins(&mut self, phase: &CheckPhase) {
        let now = Instant::now();
        if let Some((before, began)) = self.current.replace((phase.clone(), now)) {
            let seconds = now.duration_since(began).as_secs_f64();
            match before {
                CheckPhase::Check(properties) => {
                    self.times.check += seconds;
                    self.times.by_property.extend(properties.into_iter().map(|property| (property, seconds)));
                }
                CheckPhase::Verify => self.times.verify += seconds,
                CheckPhase::Done => {}
            }
        }
        let name = self.name;
        match phase {
            CheckPhase::Check(properties) => {
                let what: Vec<&str> = properties.iter().take(3).map(|property| property.name()).collect();
                self.progress.stage(&format!("checking {name}: {}", what.join(", ")));
            }
            CheckPhase::Verify => self.progress.stage(&format!("checking the evidence about {name} again")),
            CheckPhase::Done => {}
        }
    }
}
