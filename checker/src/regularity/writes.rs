//! The writes of one object, in the order in which the judge asks for them.
//!
//! Writes are kept by value and by *timeline*. In a history with real time there is one timeline. Without real time each session
//! is one, because operations of different sessions are not ordered then.

use super::RegisterRow;
use histories::ValueId;
use rustc_hash::FxHashMap;

/// The writes of one value, or all of them, on one timeline.
#[derive(Default)]
pub(super) struct TimelineWrites {
    /// The completed writes, in order of invocation.
    completed: Vec<u32>,
    /// For each beginning of `completed`, the two writes that completed last, the last one first.
    latest: Vec<[Option<u32>; 2]>,
    /// The indeterminate writes that can have happened, in order of invocation.
    open: Vec<u32>,
}

impl TimelineWrites {
    fn add_write(&mut self, rows: &[RegisterRow], write: u32) {
        if !rows[write as usize].is_ok() {
            self.open.push(write);
            return;
        }
        let completed = |at: Option<u32>| at.map_or(0, |at| rows[at as usize].completed);
        let [first, second] = self.latest.last().copied().unwrap_or_default();
        let now = Some(write);
        let latest = if completed(now) > completed(first) {
            [now, first]
        } else if completed(now) > completed(second) {
            [first, now]
        } else {
            [first, second]
        };
        self.completed.push(write);
        self.latest.push(latest);
    }

    /// Of the writes that were invoked before a position, other than `but`: an indeterminate one, or the one that completed last.
    pub(super) fn last_to_complete(&self, rows: &[RegisterRow], before: u32, but: u32) -> Option<u32> {
        let invoked_before = |&&write: &&u32| rows[write as usize].invoked < before;
        if let Some(&open) = self.open.iter().filter(|&&write| write != but).find(invoked_before) {
            return Some(open);
        }
        let count = self.completed.partition_point(|write| invoked_before(&write));
        let latest = self.latest[count.checked_sub(1)?];
        latest.into_iter().flatten().find(|&write| write != but)
    }
}

/// All writes of one object.
pub(super) struct ObjectWrites {
    /// By value and timeline.
    by_value: FxHashMap<(ValueId, u32), TimelineWrites>,
    /// All values, by timeline.
    by_timeline: FxHashMap<u32, TimelineWrites>,
    /// The writers of each value, in order of invocation.
    writers: FxHashMap<ValueId, Vec<u32>>,
}

impl ObjectWrites {
    /// Collects the writes that `can_have_happened`.
    pub(super) fn new(
        rows: &[RegisterRow],
        timeline: impl Fn(u32) -> u32,
        can_have_happened: impl Fn(u32) -> bool,
    ) -> Self {
        let mut all = Self {
            by_value: FxHashMap::default(),
            by_timeline: FxHashMap::default(),
            writers: FxHashMap::default(),
        };
        for place in (0..rows.len() as u32).filter(|&place| can_have_happened(place)) {
            let Some(value) = rows[place as usize].writes else { continue };
            all.by_value.entry((value, timeline(place))).or_default().add_write(rows, place);
            all.by_timeline.entry(timeline(place)).or_default().add_write(rows, place);
            all.writers.entry(value).or_default().push(place);
        }
        all
    }

    /// The writers of a value, in order of invocation.
    pub(super) fn writers_of(&self, value: ValueId) -> &[u32] {
        self.writers.get(&value).map_or(&[], Vec::as_slice)
    }

    /// The writes of a value on a timeline.
    pub(super) fn writes_of(&self, value: ValueId, timeline: u32) -> Option<&TimelineWrites> {
        self.by_value.get(&(value, timeline))
    }

    /// All writes on a timeline.
    pub(super) fn writes_on(&self, timeline: u32) -> Option<&TimelineWrites> {
        self.by_timeline.get(&timeline)
    }

    /// Whether some write is on another timeline.
    pub(super) fn has_other_timeline(&self, timeline: u32) -> bool {
        self.by_timeline.keys().any(|&other| other != timeline)
    }
}
