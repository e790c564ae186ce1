//! Which positions of the stream lie the staleness bound apart.

use crate::monitor::stream::NOT_YET;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Samples in one staleness bound. The bound is longer by at most one part in so many.
const SAMPLES_PER_BOUND: i64 = 64;
/// The most samples that are kept.
const SAMPLES_MAX: usize = 1_024;

/// Times of the stream, if there is a staleness bound.
#[derive(Serialize, Deserialize)]
pub(super) struct StreamTimes {
    bound_ns: Option<i64>,
    /// Positions and times, both ascending.
    samples: VecDeque<(u64, i64)>,
}

impl StreamTimes {
    pub(super) fn new(bound_ns: Option<i64>) -> Self {
        Self { bound_ns, samples: VecDeque::new() }
    }

    /// Notes the time of an event.
    pub(super) fn note(&mut self, position: u64, time: Option<i64>) {
        let (Some(bound), Some(time)) = (self.bound_ns, time) else { return };
        let due =
            self.samples.back().is_none_or(|last| time >= last.1.saturating_add(bound / SAMPLES_PER_BOUND));
        if due {
            self.samples.push_back((position, time));
            if self.samples.len() > SAMPLES_MAX {
                self.samples.pop_front();
            }
        }
    }

    /// The position from which on a transaction certainly comes after one that completed at `position`: the bound has
    /// passed by then. Without a bound it is the position itself.
    pub(super) fn certain_after(&self, position: u64) -> u64 {
        let Some(bound) = self.bound_ns else { return position };
        let from = self.samples.partition_point(|sample| sample.0 < position);
        let Some(&(_, time)) = self.samples.get(from) else { return NOT_YET };
        let until = self.samples.partition_point(|sample| sample.1 < time.saturating_add(bound));
        self.samples.get(until).map_or(NOT_YET, |sample| sample.0)
    }

    /// The last position that lies the bound before another one; 0 if there is none. Without a bound it is the position
    /// itself.
    pub(super) fn settled_before(&self, position: u64) -> u64 {
        let Some(bound) = self.bound_ns else { return position };
        let at = self.samples.partition_point(|sample| sample.0 <= position);
        let Some(&(_, time)) = at.checked_sub(1).and_then(|at| self.samples.get(at)) else { return 0 };
        let until = self.samples.partition_point(|sample| sample.1 <= time.saturating_sub(bound));
        until.checked_sub(1).and_then(|at| self.samples.get(at)).map_or(0, |sample| sample.0)
    }
}
