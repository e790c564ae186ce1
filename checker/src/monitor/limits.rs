//! The limits of a monitor, and what it refuses.

use claims::QuestionError;
use serde::{Deserialize, Serialize};

/// The memory that one kept operation takes, including the memory of the check that judges it.
pub const BYTES_PER_OPERATION: usize = 2_000;
/// The most events of actors (faults) that are kept, to be shown with a violation.
pub(super) const ACTOR_EVENTS_MAX: usize = 256;

/// The limits of a monitor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MonitorLimits {
    /// The memory in bytes for what is kept and for judging it. At least [`MonitorLimits::BYTES_MIN`].
    pub bytes: usize,
    /// The steps of one search, where values were written more than once.
    pub steps: u64,
    /// After how many events the monitor judges by itself. [`super::Monitor::judge`] judges earlier.
    pub judge_after: u64,
    /// How many of the latest events are kept in any case, so that a stale read can be shown with the write that it
    /// returned. With 0, everything that can be forgotten is forgotten after each judgement.
    pub horizon: u64,
    /// Transactions only: how long ago the version that a read returns can have been replaced, in nanoseconds of the
    /// stream. None: no bound.
    pub staleness_bound_ns: Option<i64>,
    /// Session stores only: after how long without a request a session is not used again, in nanoseconds of the stream. None: no
    /// bound.
    pub session_idle_ns: Option<i64>,
}

impl MonitorLimits {
    /// The least memory of a monitor.
    pub const BYTES_MIN: usize = 64 * BYTES_PER_OPERATION;

    /// Limits for so many bytes, with blocks and a horizon that fit them.
    pub fn within(bytes: usize) -> Self {
        let operations = (bytes / BYTES_PER_OPERATION) as u64;
        Self {
            bytes,
            steps: 10_000_000,
            judge_after: (operations / 4).clamp(16, 65_536),
            horizon: (operations / 8).clamp(16, 16_384),
            staleness_bound_ns: None,
            session_idle_ns: None,
        }
    }
}

/// Why a monitor cannot be made, or cannot take an event.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MonitorError {
    /// Only a check of a whole history decides this.
    #[error("{0}: offline only; check the recorded history")]
    OfflineOnly(String),
    /// The question does not fit the model.
    #[error("{0}")]
    Question(#[from] QuestionError),
    /// The event does not fit the events before it. It was not taken.
    #[error("event {event}: {reason}")]
    Pairing {
        /// The index of the event.
        event: u64,
        /// What does not fit.
        reason: String,
    },
    /// The verifier refuted an answer of an engine: a bug of this program.
    #[error("internal error: {0}")]
    Internal(String),
}
