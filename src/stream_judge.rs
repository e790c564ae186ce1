//! Passes a stream to the monitor, and decides when it judges.
//!
//! A judgement costs as much as what the monitor keeps, so a busy stream is judged in blocks. A quiet one is judged after
//! [`QUIET`], so that a violation is known within a second of the event that makes it certain.

use crate::args::SessionArgs;
use crate::report::layout::format_elapsed;
use crate::stream_lines::{StreamFlaw, StreamLines};
use crate::stream_sorter::{LateEvent, LateReason, SortedPart};
use checker::measurements::StreamFigures;
use checker::{Model, Monitor, MonitorError, StreamEvent};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long to wait for the next bytes before what came is judged.
pub(crate) const QUIET: Duration = Duration::from_millis(100);
/// Events are judged at the latest after this time, or after four times as long as the last judgement took.
const JUDGE_EVERY: Duration = Duration::from_millis(500);

/// The most objects that are remembered as given up. Beyond, an object is judged once more before it is given up again.
const GIVEN_UP_MAX: usize = 100_000;

/// Why a stream cannot be judged any further.
#[derive(Debug)]
pub(crate) enum StreamTrouble {
    /// Something is wrong with the stream.
    Input(String),
    /// Something is wrong with this program.
    Internal(String),
}

/// A monitor, and the lines of the stream that it judges.
pub(crate) struct StreamJudge {
    pub(crate) monitor: Monitor,
    pub(crate) lines: StreamLines,
    /// What users experience, and how the objectives stand.
    pub(crate) figures: StreamFigures,
    /// The number of events that came later than they may.
    pub(crate) late_events: u64,
    /// The objects of late events, as JSON.
    given_up: HashSet<Option<String>>,
    /// What the user says of sessions. The header of the stream tells the rest.
    sessions: SessionArgs,
    judged_at: Instant,
    judgement_took: Duration,
}

impl StreamJudge {
    pub(crate) fn new(monitor: Monitor, sessions: SessionArgs, figures: StreamFigures) -> Self {
        Self {
            monitor,
            sessions,
            figures,
            late_events: 0,
            given_up: HashSet::new(),
            lines: StreamLines::default(),
            judged_at: Instant::now(),
            judgement_took: Duration::ZERO,
        }
    }

    /// How long the last judgement took.
    pub(crate) fn judgement_took(&self) -> Duration {
        self.judgement_took
    }

    /// Takes the next bytes.
    pub(crate) fn take_bytes(&mut self, bytes: &[u8]) -> Result<(), StreamTrouble> {
        let (monitor, figures, sessions) = (&mut self.monitor, &mut self.figures, &self.sessions);
        let mut internal = false;
        let taken = self.lines.add_bytes(bytes, &mut |event| {
            if monitor.event_count() == 0 {
                set_session_rules(monitor, sessions, event)?;
            }
            figures.push(event);
            monitor.push(event).map_err(|why| {
                internal |= matches!(why, MonitorError::Internal(_));
                why.to_string()
            })
        });
        taken.map_err(|flaw| match flaw {
            StreamFlaw::Line(line, why) => StreamTrouble::Input(format!("line {line}: {why}")),
            StreamFlaw::Refused(why) if internal => StreamTrouble::Internal(why),
            StreamFlaw::Refused(why) => StreamTrouble::Input(why),
        })
    }

    /// Takes what a sorter passed on, in order.
    pub(crate) fn take_sorted(&mut self, parts: Vec<SortedPart>) -> Result<(), StreamTrouble> {
        parts.into_iter().try_for_each(|part| match part {
            SortedPart::Lines(text) => self.take_bytes(text.as_bytes()),
            SortedPart::Late(late) => self.give_up_late(late),
        })
    }

    /// Gives up what a late event is about. What was found before is judged first, so that the verdict does not depend on the moments of
    /// the judgements.
    fn give_up_late(&mut self, late: LateEvent) -> Result<(), StreamTrouble> {
        self.late_events += 1;
        if self.given_up.len() >= GIVEN_UP_MAX {
            self.given_up.clear();
        }
        if !self.given_up.insert(late.key.clone()) {
            return Ok(());
        }
        self.judge_now()?;
        let key = late.key.as_deref();
        let about = key.map_or_else(String::new, |key| format!(" on key {key}"));
        let reason = match late.why {
            LateReason::TooLate { what, excess_ns } => {
                format!("{what} came {} too late{about} (--lateness)", format_elapsed(excess_ns as f64 / 1e9))
            }
            LateReason::Unpaired => {
                format!("an event does not fit those that came in time{about} (--lateness)")
            }
            LateReason::NeedsTheWhole(why) => why,
        };
        self.monitor.give_up_key(key, self.lines.event_count(), &reason);
        Ok(())
    }

    /// Judges everything so far if the last judgement is long enough ago.
    pub(crate) fn judge_if_due(&mut self) -> Result<(), StreamTrouble> {
        if self.judged_at.elapsed() < JUDGE_EVERY.max(self.judgement_took * 4) {
            return Ok(());
        }
        self.judge_now()
    }

    /// Judges everything so far.
    pub(crate) fn judge_now(&mut self) -> Result<(), StreamTrouble> {
        let began = Instant::now();
        let judged = self.monitor.judge();
        self.judged_at = Instant::now();
        self.judgement_took = began.elapsed();
        judged.map_err(|why| StreamTrouble::Internal(why.to_string()))
    }
}

/// Sets the rules of sessions by the options, and for the rest by the header of the stream.
fn set_session_rules(
    monitor: &mut Monitor,
    sessions: &SessionArgs,
    first: StreamEvent<'_>,
) -> Result<(), String> {
    if monitor.question().model != Model::Session {
        return Ok(());
    }
    let rules = sessions.session_rules(first.part)?;
    monitor.set_session_rules(rules).map_err(|why| why.to_string())
}
