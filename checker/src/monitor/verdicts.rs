//! What the monitor answers.

use claims::{Property, Question, Report};
use histories::History;
use serde::{Deserialize, Serialize};

/// The answer about one property, as far as the stream was judged.
#[derive(Clone, Copy, Debug)]
pub struct MonitorAnswer<'a> {
    /// The property.
    pub property: Property,
    /// The verdict so far.
    pub verdict: MonitorVerdict<'a>,
}

/// A verdict about the events so far.
#[derive(Clone, Copy, Debug)]
pub enum MonitorVerdict<'a> {
    /// An execution that the level permits explains all events that were judged.
    HoldsSoFar,
    /// As [`MonitorVerdict::HoldsSoFar`], but no answer so far could have contradicted the level.
    Untested,
    /// No execution that the level permits explains the events so far, nor any continuation of them. Final.
    Violated(&'a OnlineViolation),
    /// The level is not decided from some event on. It can still become violated.
    Unknown(&'a UnknownFrom),
}

impl MonitorVerdict<'_> {
    /// `holds`, `violated`, `untested` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            MonitorVerdict::HoldsSoFar => "holds",
            MonitorVerdict::Untested => "untested",
            MonitorVerdict::Violated(_) => "violated",
            MonitorVerdict::Unknown(_) => "unknown",
        }
    }
}

/// From where a level is unknown, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnknownFrom {
    /// The index of the first event that is not judged for all objects.
    pub event: u64,
    /// The reason: a fragment that fits after "unknown: ".
    pub reason: String,
    /// The number of objects that the reason applies to; 0 for the whole stream.
    pub objects: u64,
}

/// A violation that the monitor found, with a small history that shows it.
#[derive(Clone, Debug)]
pub struct OnlineViolation {
    /// The property that is violated.
    pub property: Property,
    /// The index of the last event that the evidence needs.
    pub event: u64,
    /// The operations that show the violation, as a history of their own. Events have the indexes of the stream.
    pub history: History,
    /// The question about this history.
    pub question: Question,
    /// The report on this history, whose evidence the verifier confirmed.
    pub report: Report,
    /// The number of violations of the property that were found at once; this is the first.
    pub found: usize,
}
