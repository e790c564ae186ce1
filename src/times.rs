//! The time that each phase of a check takes.

use crate::clock::Instant;
use crate::progress::ProgressDisplay;
use checker::{CheckPhase, Observer, Property};
use std::time::Duration;

/// Seconds per phase of the work on one history. Together the phases cover all the time since its work began.
#[derive(Clone, Debug)]
pub(crate) struct PhaseTimes {
    began: Instant,
    pub(crate) read: f64,
    /// Time to decide all properties, with everything that belongs to it: the question, the remarks, and for `explain` the
    /// search for a smaller history. It is what reading, the second check and measuring leave of the time before the report.
    pub(crate) check: f64,
    pub(crate) by_property: Vec<(Property, f64)>,
    /// Time to check the evidence a second time.
    pub(crate) verify: f64,
    pub(crate) measure: f64,
    reported_since: Option<Instant>,
}

impl PhaseTimes {
    /// The times of a history whose work began at this moment and which has just been read.
    pub(crate) fn after_reading(began: Instant) -> Self {
        let read = began.elapsed().as_secs_f64();
        let (check, verify, measure) = (0.0, 0.0, 0.0);
        Self { began, read, check, by_property: Vec::new(), verify, measure, reported_since: None }
    }

    /// The time since the work on the history began.
    pub(crate) fn since_beginning(&self) -> Duration {
        self.began.elapsed()
    }

    /// No times, for work whose phases are not measured.
    pub(crate) fn unmeasured() -> Self {
        Self { read: 0.0, ..Self::after_reading(Instant::now()) }
    }

    /// Ends all phases but the report.
    pub(crate) fn begin_report(&mut self) {
        self.check = self.began.elapsed().as_secs_f64() - self.read - self.verify - self.measure;
        self.reported_since = Some(Instant::now());
    }

    /// The same times for a report that begins now: a binding may ask for one at any time.
    pub(crate) fn reported_from_now(&self) -> Self {
        Self { reported_since: Some(Instant::now()), ..self.clone() }
    }

    /// The time that the report has taken so far.
    pub(crate) fn report(&self) -> f64 {
        self.reported_since.map_or(0.0, |since| since.elapsed().as_secs_f64())
    }

    /// The time to decide a property. Properties that are decided together each report the time of the whole group.
    pub(crate) fn seconds_for(&self, property: Property) -> f64 {
        self.by_property.iter().find(|known| known.0 == property).map_or(0.0, |known| known.1)
    }
}

/// Measures the phases of a check and shows the current one.
pub(crate) struct PhaseWatch<'a> {
    name: &'a str,
    progress: &'a ProgressDisplay,
    times: &'a mut PhaseTimes,
    current: Option<(CheckPhase, Instant)>,
}

impl<'a> PhaseWatch<'a> {
    /// Watches the check of the history with this name.
    pub(crate) fn new(name: &'a str, progress: &'a ProgressDisplay, times: &'a mut PhaseTimes) -> Self {
        Self { name, progress, times, current: None }
    }
}

impl Observer for PhaseWatch<'_> {
    fn phase_begins(&mut self, phase: &CheckPhase) {
        let now = Instant::now();
        if let Some((before, began)) = self.current.replace((phase.clone(), now)) {
            let seconds = now.duration_since(began).as_secs_f64();
            match before {
                CheckPhase::Check(properties) => {
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
                self.progress.set_stage(&format!("checking {name}: {}", what.join(", ")));
            }
            CheckPhase::Verify => self.progress.set_stage(&format!("checking the evidence for {name}")),
            CheckPhase::Done => {}
        }
    }
}
