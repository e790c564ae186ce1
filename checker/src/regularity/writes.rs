//! The writes of one object, sorted so that each question of the judge is a binary search.
//!
//! Writes are sorted by value and by *timeline*. In a history with real time there is one timeline. Without real time each session
//! is one, because operations of different sessions are not ordered then.

use super::RegisterRow;
use histories::ValueId;
use std::ops::Range;

/// The place of no row.
const NOTHING: u32 = u32::MAX;

/// Which writes belong together: those of one value on one timeline, or all of one timeline.
type GroupKey = (Option<ValueId>, u32);

/// Writes in groups. In a group the completed writes come first, in order of invocation, and then the indeterminate ones, in the same
/// order.
struct GroupedWrites {
    places: Vec<u32>,
    /// For each completed write, the two writes that completed last among it and those before it in its group.
    latest: Vec<[u32; 2]>,
}

impl GroupedWrites {
    fn new(rows: &[RegisterRow], mut places: Vec<u32>, key: impl Fn(u32) -> GroupKey) -> Self {
        places.sort_unstable_by_key(|&place| (key(place), !rows[place as usize].is_ok(), place));
        let completed = |place: u32| if place == NOTHING { 0 } else { rows[place as usize].completed };
        let mut latest: Vec<[u32; 2]> = Vec::with_capacity(places.len());
        let mut before = [NOTHING; 2];
        for (at, &place) in places.iter().enumerate() {
            if at > 0 && key(places[at - 1]) != key(place) {
                before = [NOTHING; 2];
            }
            if completed(place) > completed(before[0]) {
                before = [place, before[0]];
            } else if completed(place) > completed(before[1]) {
                before[1] = place;
            }
            latest.push(before);
        }
        Self { places, latest }
    }

    fn group(&self, key: impl Fn(u32) -> GroupKey, wanted: GroupKey) -> Range<usize> {
        let start = self.places.partition_point(|&place| key(place) < wanted);
        start..start + self.places[start..].partition_point(|&place| key(place) == wanted)
    }

    /// Of the writes of a group that were invoked before a position, other than `but`: an indeterminate one, or the one that completed
    /// last.
    fn last_to_complete(
        &self,
        rows: &[RegisterRow],
        group: Range<usize>,
        before: u32,
        but: u32,
    ) -> Option<u32> {
        let invoked_before = |place: u32| rows[place as usize].invoked < before;
        let places = &self.places[group.clone()];
        let completed = places.partition_point(|&place| rows[place as usize].is_ok());
        let mut open = places[completed..].iter().copied().take_while(|&place| invoked_before(place));
        if let Some(open) = open.find(|&place| place != but) {
            return Some(open);
        }
        let count = places[..completed].partition_point(|&place| invoked_before(place));
        let latest = self.latest[group.start + count.checked_sub(1)?];
        latest.into_iter().find(|&place| place != but && place != NOTHING)
    }
}

/// All writes of one object that can have happened.
pub(super) struct ObjectWrites {
    has_real_time: bool,
    by_value: GroupedWrites,
    by_timeline: GroupedWrites,
}

/// The timeline of a row.
pub(super) fn timeline_of(row: &RegisterRow, has_real_time: bool) -> u32 {
    if has_real_time { 0 } else { row.session.raw() }
}

impl ObjectWrites {
    /// Sorts the writes that `can_have_happened`. O(n log n).
    pub(super) fn new(rows: &[RegisterRow], has_real_time: bool, can_have_happened: &[bool]) -> Self {
        let is_write =
            |&place: &u32| rows[place as usize].writes.is_some() && can_have_happened[place as usize];
        let places: Vec<u32> = (0..rows.len() as u32).filter(is_write).collect();
        let by_value = GroupedWrites::new(rows, places.clone(), value_key(rows, has_real_time));
        Self {
            has_real_time,
            by_value,
            by_timeline: GroupedWrites::new(rows, places, timeline_key(rows, has_real_time)),
        }
    }

    /// The writers of a value.
    pub(super) fn writers_of(&self, rows: &[RegisterRow], value: ValueId) -> &[u32] {
        let value_of = |place: u32| rows[place as usize].writes;
        let places = &self.by_value.places;
        let start = places.partition_point(|&place| value_of(place) < Some(value));
        let count = places[start..].partition_point(|&place| value_of(place) == Some(value));
        &places[start..start + count]
    }

    /// Of the writes of a value on a timeline that were invoked before a position, other than `but`: the one that completed last.
    pub(super) fn last_of_value(
        &self,
        rows: &[RegisterRow],
        value: ValueId,
        timeline: u32,
        before: u32,
        but: u32,
    ) -> Option<u32> {
        let group = self.by_value.group(value_key(rows, self.has_real_time), (Some(value), timeline));
        self.by_value.last_to_complete(rows, group, before, but)
    }

    /// The same of all writes on a timeline.
    pub(super) fn last_on_timeline(
        &self,
        rows: &[RegisterRow],
        timeline: u32,
        before: u32,
        but: u32,
    ) -> Option<u32> {
        let group = self.by_timeline.group(timeline_key(rows, self.has_real_time), (None, timeline));
        self.by_timeline.last_to_complete(rows, group, before, but)
    }

    /// Whether some write is on another timeline.
    pub(super) fn has_other_timeline(&self, rows: &[RegisterRow], timeline: u32) -> bool {
        let places = &self.by_timeline.places;
        let ends = places.first().into_iter().chain(places.last());
        ends.copied().any(|place| timeline_of(&rows[place as usize], self.has_real_time) != timeline)
    }
}

fn value_key(rows: &[RegisterRow], has_real_time: bool) -> impl Fn(u32) -> GroupKey {
    move |place| {
        let row = &rows[place as usize];
        (row.writes, timeline_of(row, has_real_time))
    }
}

fn timeline_key(rows: &[RegisterRow], has_real_time: bool) -> impl Fn(u32) -> GroupKey {
    move |place| (None, timeline_of(&rows[place as usize], has_real_time))
}
