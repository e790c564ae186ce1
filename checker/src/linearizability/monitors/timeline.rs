//! The events of the calls on one object, numbered in order.

use super::lives::{FOREVER, Moment};
use crate::linearizability::search::TimedCall;
use histories::NEVER;

/// The time after an event and before the next one, by the number of that event.
pub(super) type Gap = u32;

/// The positions of the events of some calls.
pub(super) enum Timeline {
    /// The positions lie so close to one another that each counts as an event.
    Dense { first: u32, count: Gap },
    /// All positions, in ascending order.
    Sparse(Vec<u32>),
}

/// How many positions a dense timeline may have for each event.
const DENSE: usize = 4;

impl Timeline {
    /// O(n), or O(n log n) if the events are a small part of the history.
    pub(super) fn of_calls(calls: &[TimedCall]) -> Self {
        let events = || calls.iter().flat_map(|call| [call.invoked, call.returned]).filter(|&at| at != NEVER);
        let (first, last) = (events().min().unwrap_or(0), events().max().unwrap_or(0));
        let span = (last - first) as usize + 1;
        if span <= DENSE * 2 * calls.len().max(1) {
            return Timeline::Dense { first, count: last - first + 1 };
        }
        let mut positions: Vec<u32> = events().collect();
        positions.sort_unstable();
        Timeline::Sparse(positions)
    }

    /// The number of gaps. The last one is after the last event.
    pub(super) fn gap_count(&self) -> Gap {
        match self {
            Timeline::Dense { count, .. } => *count,
            Timeline::Sparse(positions) => positions.len() as Gap,
        }
    }

    /// The gap after the event at a moment; [`Self::gap_count`] if that is after the last event.
    pub(super) fn gap_after(&self, moment: Moment) -> Gap {
        match u32::try_from(moment / 2) {
            Ok(position) if moment != FOREVER => self.gap_after_position(position),
            _ => self.gap_count(),
        }
    }

    /// The gap after the event at a position; [`Self::gap_count`] if that is after the last event.
    pub(super) fn gap_after_position(&self, position: u32) -> Gap {
        match self {
            Timeline::Dense { first, count } => position.saturating_sub(*first).min(*count),
            Timeline::Sparse(positions) => positions.partition_point(|&at| at < position) as Gap,
        }
    }
}
