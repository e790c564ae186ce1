//! The elements of a priority queue by priority, and the order of calls that follows from where removals take effect.

use super::lives::{ElementLife, ElementLives};
use super::timeline::{Gap, Timeline};
use crate::linearizability::search::TimedCall;
use claims::specification::PriorityQueue;

/// The elements of a priority queue in ascending order of priority.
pub(super) struct RankedElements<'a> {
    pub(super) calls: &'a [TimedCall],
    pub(super) timeline: Timeline,
    pub(super) found: ElementLives,
    /// Priorities with the places of their elements, in ascending order.
    pub(super) ranked: Vec<(i128, u32)>,
}

/// Where removals take effect.
#[derive(Clone, Debug)]
pub(super) struct Placement {
    /// The gap in which each element is removed; `None` if it stays.
    pub(super) removed_in: Vec<Option<Gap>>,
    /// The call that removes each element.
    pub(super) removals: Vec<Option<u32>>,
    /// The gap of each removal that found the object empty.
    pub(super) empty_in: Vec<Gap>,
}

impl<'a> RankedElements<'a> {
    /// `None` if an element has no priority.
    pub(super) fn from_lives(
        model: &PriorityQueue,
        calls: &'a [TimedCall],
        found: ElementLives,
    ) -> Option<Self> {
        let priority = |(place, life): (u32, &ElementLife)| {
            Some((model.priority_of(calls[life.insertion as usize].call.value())?, place))
        };
        let mut ranked: Vec<(i128, u32)> = (0u32..).zip(&found.lives).map(priority).collect::<Option<_>>()?;
        ranked.sort_unstable();
        Some(Self { calls, timeline: Timeline::of_calls(calls), found, ranked })
    }

    /// The elements of each priority, in ascending order.
    pub(super) fn classes(&self) -> impl Iterator<Item = &[(i128, u32)]> {
        self.ranked.chunk_by(|(one, _), (other, _)| one == other)
    }

    /// The gaps in which the element may be removed: from the first one to the last one, without that.
    pub(super) fn removal_window(&self, life: &ElementLife) -> (Gap, Gap) {
        (self.timeline.gap_after(life.removed.from), self.timeline.gap_after(life.removed.until))
    }

    /// The gaps in which a removal that found the object empty may take effect.
    pub(super) fn empty_window(&self, removal: u32) -> (Gap, Gap) {
        let call = &self.calls[removal as usize];
        (self.timeline.gap_after_position(call.invoked), self.timeline.gap_after_position(call.returned))
    }

    /// The first gap after the return of the element's insertion.
    pub(super) fn first_covered(&self, life: &ElementLife) -> Gap {
        self.timeline.gap_after(life.inserted.until)
    }

    /// The calls in the order in which they take effect.
    pub(super) fn order_calls(&self, placement: &Placement) -> Vec<u32> {
        let lives = &self.found.lives;
        let mut timed: Vec<(Gap, u32)> = Vec::with_capacity(self.calls.len());
        let mut late: Vec<(Gap, u32)> = Vec::new();
        for &(_, place) in &self.ranked {
            let (life, removed_in) = (&lives[place as usize], placement.removed_in[place as usize]);
            let returned = self.first_covered(life);
            match removed_in {
                Some(gap) if gap < returned => timed.push((gap, life.insertion)),
                _ => late.push((returned - 1, life.insertion)),
            }
            if let (Some(gap), Some(removal)) = (removed_in, placement.removals[place as usize]) {
                timed.push((gap, removal));
            }
        }
        timed.extend(placement.empty_in.iter().copied().zip(self.found.empty_removals.iter().copied()));
        timed.append(&mut late);
        // Stable: within a gap, removals in ascending order of priority, empty removals, then late insertions.
        timed.sort_by_key(|&(gap, _)| gap);
        timed.into_iter().map(|(_, call)| call).collect()
    }
}
