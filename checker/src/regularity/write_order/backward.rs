//! Places the writes of an object from the last to the first.
//!
//! A *timeline* is what real time orders: all rows, or those of one session in a history without real time. On each timeline, a write
//! `w` can be placed if no unplaced write and no unexplained read of another value was invoked after `w` completed. Of the writes that
//! can be placed, one is among two: the write that completed last, and the one that completed last among those of the value of the
//! unexplained read that was invoked last.

use super::super::RegisterRow;
use super::super::writes::timeline_of;
use super::WriteOrderConflict;
use claims::Limits;
use histories::ValueId;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Which rows of an object count as writes, and which as reads.
#[derive(Clone)]
pub(super) struct WriteOrderPart<'a> {
    pub(super) rows: &'a [RegisterRow],
    pub(super) has_real_time: bool,
    /// Whether some write completed before the row was invoked. Other reads agree with every order.
    pub(super) hides_a_write: &'a [bool],
    pub(super) writes: Vec<bool>,
    pub(super) reads: Vec<bool>,
}

impl WriteOrderPart<'_> {
    pub(super) fn timeline(&self, place: u32) -> u32 {
        timeline_of(&self.rows[place as usize], self.has_real_time)
    }

    /// Whether real time puts one row before the other.
    pub(super) fn precedes(&self, before: u32, after: u32) -> bool {
        self.rows[before as usize].completed < self.rows[after as usize].invoked
            && self.timeline(before) == self.timeline(after)
    }

    /// Whether a read may have returned a write of its value.
    pub(super) fn is_candidate(&self, write: u32, read: u32) -> bool {
        write != read && !self.precedes(read, write)
    }
}

/// The writes of one timeline, and what waits on it.
#[derive(Default)]
struct TimelineWrites {
    /// In order of invocation. The placed ones at the end are dropped.
    by_invocation: Vec<u32>,
    /// In order of completion. The placed ones at the end are dropped.
    by_completion: Vec<u32>,
    /// The same of each value.
    of_value: FxHashMap<ValueId, Vec<u32>>,
    /// For each value with unexplained reads, the last invocation of one.
    waiting: BTreeSet<(u32, ValueId)>,
}

/// The unexplained reads of one value on one timeline.
#[derive(Default)]
struct ValueReads {
    /// In order of invocation. The explained ones at the end are dropped.
    by_invocation: Vec<u32>,
    /// In order of completion.
    by_completion: Vec<u32>,
    /// What [`TimelineWrites::waiting`] has of them.
    entered: Option<u32>,
}

/// The order so far.
pub(super) struct BackwardOrder<'a> {
    part: &'a WriteOrderPart<'a>,
    placed: Vec<bool>,
    explained: Vec<bool>,
    timelines: FxHashMap<u32, TimelineWrites>,
    reads: FxHashMap<(u32, ValueId), ValueReads>,
    /// For each value, the timelines that may have unexplained reads of it.
    readers: FxHashMap<ValueId, Vec<u32>>,
    /// From the last to the first.
    order: Vec<u32>,
}

/// How many writes are placed between two looks at the stop flag.
const PLACED_BETWEEN_LOOKS: usize = 4096;

impl<'a> BackwardOrder<'a> {
    pub(super) fn new(part: &'a WriteOrderPart<'a>) -> Self {
        let rows = part.rows;
        let mut order = Self {
            part,
            placed: vec![false; rows.len()],
            explained: vec![false; rows.len()],
            timelines: FxHashMap::default(),
            reads: FxHashMap::default(),
            readers: FxHashMap::default(),
            order: Vec::new(),
        };
        let mut by_completion: Vec<u32> = (0..rows.len() as u32).collect();
        by_completion.sort_by_key(|&place| rows[place as usize].completed);
        for place in 0..rows.len() as u32 {
            order.enter_row(place, |lists| &mut lists.by_invocation, |reads| &mut reads.by_invocation);
        }
        for place in by_completion {
            order.enter_row(place, |lists| &mut lists.by_completion, |reads| &mut reads.by_completion);
            if let Some(value) = rows[place as usize].writes.filter(|_| part.writes[place as usize]) {
                let timeline = order.timelines.entry(part.timeline(place)).or_default();
                timeline.of_value.entry(value).or_default().push(place);
            }
        }
        let groups: Vec<(u32, ValueId)> = order.reads.keys().copied().collect();
        for (timeline, value) in groups {
            order.readers.entry(value).or_default().push(timeline);
            order.refresh_waiting(timeline, value);
        }
        order
    }

    fn enter_row(
        &mut self,
        place: u32,
        writes: impl Fn(&mut TimelineWrites) -> &mut Vec<u32>,
        reads: impl Fn(&mut ValueReads) -> &mut Vec<u32>,
    ) {
        let (part, at) = (self.part, place as usize);
        let timeline = part.timeline(place);
        if part.writes[at] {
            writes(self.timelines.entry(timeline).or_default()).push(place);
        }
        if let Some(value) = part.rows[at].reads.filter(|_| part.reads[at] && part.hides_a_write[at]) {
            reads(self.reads.entry((timeline, value)).or_default()).push(place);
        }
    }

    /// Brings [`TimelineWrites::waiting`] up to date for one value.
    fn refresh_waiting(&mut self, timeline: u32, value: ValueId) {
        let Some(reads) = self.reads.get_mut(&(timeline, value)) else { return };
        while reads.by_invocation.pop_if(|read| self.explained[*read as usize]).is_some() {}
        let newest = reads.by_invocation.last().map(|&read| self.part.rows[read as usize].invoked);
        if reads.entered != newest {
            let waiting = &mut self.timelines.entry(timeline).or_default().waiting;
            if let Some(before) = reads.entered {
                waiting.remove(&(before, value));
            }
            waiting.extend(newest.map(|newest| (newest, value)));
            reads.entered = newest;
        }
    }

    /// Places writes until no more can be placed. False if the check was stopped.
    pub(super) fn place_all_writes(&mut self, limits: &Limits<'_>) -> bool {
        let mut todo: Vec<u32> = self.timelines.keys().copied().collect();
        while let Some(timeline) = todo.pop() {
            while let Some(write) = self.find_free_write(timeline) {
                self.place_write(write, &mut todo);
                if self.order.len().is_multiple_of(PLACED_BETWEEN_LOOKS) && limits.stop_requested() {
                    return false;
                }
            }
        }
        true
    }

    fn find_free_write(&mut self, timeline: u32) -> Option<u32> {
        let placed = &self.placed;
        let last_of = |list: &mut Vec<u32>| {
            while list.pop_if(|write| placed[*write as usize]).is_some() {}
            list.last().copied()
        };
        let lists = self.timelines.get_mut(&timeline)?;
        last_of(&mut lists.by_invocation);
        let last = last_of(&mut lists.by_completion);
        let wanted = lists.waiting.last().and_then(|(_, value)| lists.of_value.get_mut(value));
        let of_wanted = wanted.and_then(last_of);
        [last, of_wanted].into_iter().flatten().find(|&write| self.find_obstacle(write).is_none())
    }

    /// Why a write cannot be placed yet: an unplaced write that comes after it, or an unexplained read that it would hide.
    fn find_obstacle(&self, write: u32) -> Option<Obstacle> {
        let rows = self.part.rows;
        let row = &rows[write as usize];
        let timeline = self.part.timeline(write);
        let lists = &self.timelines[&timeline];
        let later = |place: &&u32| rows[**place as usize].invoked > row.completed;
        if let Some(&other) = lists.by_invocation.last().filter(later) {
            return Some(Obstacle::Write(other));
        }
        let (newest, value) =
            lists.waiting.iter().rev().find(|(_, value)| Some(*value) != row.writes).copied()?;
        let reads = &self.reads[&(timeline, value)];
        (newest > row.completed).then(|| Obstacle::Read(*reads.by_invocation.last().expect("one waits")))
    }

    /// Places a write before those that are placed. Adds the timelines on which it explains reads.
    fn place_write(&mut self, write: u32, todo: &mut Vec<u32>) {
        let rows = self.part.rows;
        let row = &rows[write as usize];
        let value = row.writes.expect("it is a write");
        let own = self.part.timeline(write);
        self.placed[write as usize] = true;
        self.order.push(write);
        let Some(timelines) = self.readers.get_mut(&value) else { return };
        let touched = std::mem::take(timelines);
        // Every read on another timeline is explained.
        timelines.extend(touched.iter().copied().filter(|&timeline| timeline == own));
        for timeline in touched {
            let reads = self.reads.get_mut(&(timeline, value)).expect("the timeline has reads of it");
            let returned = |read: &mut u32| timeline != own || rows[*read as usize].completed > row.invoked;
            let mut itself = None;
            while let Some(read) = reads.by_completion.pop_if(returned) {
                match read == write {
                    true => itself = Some(read),
                    false => self.explained[read as usize] = true,
                }
            }
            reads.by_completion.extend(itself);
            self.refresh_waiting(timeline, value);
            if timeline != own {
                todo.push(timeline);
            }
        }
    }

    pub(super) fn into_order(mut self) -> Vec<u32> {
        self.order.reverse();
        self.order
    }

    /// Writes that all wait for one another, with the reads that show it. `None` if all writes are placed.
    pub(super) fn find_stuck_writes(&self) -> Option<WriteOrderConflict> {
        let unplaced = |lists: &TimelineWrites| lists.by_completion.last().copied();
        let first = self.timelines.values().filter_map(unplaced).min()?;
        let mut writes = BTreeSet::from([first]);
        let mut reads = BTreeSet::new();
        let mut todo = vec![first];
        while let Some(write) = todo.pop() {
            match self.find_obstacle(write).expect("it could be placed otherwise") {
                Obstacle::Write(other) => todo.extend(writes.insert(other).then_some(other)),
                Obstacle::Read(read) => {
                    if reads.insert(read) {
                        let candidates = self.candidates_of(read);
                        todo.extend(candidates.into_iter().filter(|&write| writes.insert(write)));
                    }
                }
            }
        }
        Some(WriteOrderConflict { writes: writes.into_iter().collect(), reads: reads.into_iter().collect() })
    }

    /// The writes that a read may have returned.
    fn candidates_of(&self, read: u32) -> Vec<u32> {
        let value = self.part.rows[read as usize].reads.expect("it reads");
        let of_value = self.timelines.values().filter_map(|lists| lists.of_value.get(&value)).flatten();
        of_value.copied().filter(|&write| self.part.is_candidate(write, read)).collect()
    }
}

/// What keeps a write from being placed.
enum Obstacle {
    Write(u32),
    Read(u32),
}
