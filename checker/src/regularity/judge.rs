//! Judges the reads of one object, one by one.

use super::RegisterRow;
use super::write_order::{WriteOrder, WriteOrderConflict, find_write_order};
use super::writes::{ObjectWrites, timeline_of};
use claims::{Level, Limits, ReturnedWrite};
use histories::ValueId;
use rustc_hash::{FxHashMap, FxHashSet};

/// Why a read is explained.
enum Explanation {
    /// It returned this write; `None` for the initial value.
    Source(Option<u32>),
    /// It overlaps a write, and the level demands nothing of such a read.
    Overlap,
}

/// A read that nothing explains.
pub(super) struct UnexplainedRead {
    /// Whether no operation can have written its value, and it is not the initial value.
    pub(super) has_no_writer: bool,
    /// The rows that show it, in order of invocation.
    pub(super) operations: Vec<u32>,
}

/// The reads and writes of one object.
pub(super) struct ObjectJudge<'a> {
    rows: &'a [RegisterRow],
    pub(super) initial: ValueId,
    level: Level,
    has_real_time: bool,
    /// For each row, the write that was invoked last among those that completed before the row was invoked, on its timeline.
    newest_before: Vec<Option<u32>>,
    /// For each row, whether it can have happened.
    can_have_happened: Vec<bool>,
    /// The writes that can have happened.
    writes: ObjectWrites,
    /// The writes whose values could have been there, whether or not real time permits them. `None` if they are the same.
    possible: Option<ObjectWrites>,
}

impl<'a> ObjectJudge<'a> {
    /// The rows are those of one object, in order of invocation. Meaningless once the stop flag is set.
    pub(super) fn new(
        rows: &'a [RegisterRow],
        initial: ValueId,
        level: Level,
        has_real_time: bool,
        limits: &Limits<'_>,
    ) -> Self {
        let timeline = |place: u32| timeline_of(&rows[place as usize], has_real_time);
        let live = match level {
            Level::Safe => vec![true; rows.len()],
            _ => rows_with_possible_values(rows, initial),
        };
        let mut judge = Self {
            rows,
            initial,
            level,
            has_real_time,
            newest_before: find_newest_before(rows, timeline),
            writes: ObjectWrites::new(rows, has_real_time, &live),
            can_have_happened: live,
            possible: None,
        };
        let is_doubtful = |row: &RegisterRow| !row.is_ok() && row.reads.is_some();
        // The greatest set of compare-and-sets whose reads are explained.
        loop {
            let gone: Vec<u32> = (0..rows.len() as u32)
                .filter(|&place| {
                    judge.can_have_happened[place as usize] && is_doubtful(&rows[place as usize])
                })
                .filter(|&place| judge.explain_read(place).is_none())
                .collect();
            if gone.is_empty() || limits.stop_requested() {
                return judge;
            }
            gone.into_iter().for_each(|place| judge.can_have_happened[place as usize] = false);
            let fewer = ObjectWrites::new(rows, has_real_time, &judge.can_have_happened);
            let before = std::mem::replace(&mut judge.writes, fewer);
            judge.possible.get_or_insert(before);
        }
    }

    /// The possible writers of a value, whether or not real time permits them.
    fn possible_writers_of(&self, value: ValueId) -> &[u32] {
        self.possible.as_ref().unwrap_or(&self.writes).writers_of(self.rows, value)
    }

    fn timeline(&self, place: u32) -> u32 {
        timeline_of(&self.rows[place as usize], self.has_real_time)
    }

    /// Finds an order of the writes that all reads agree with. Each read must have a source by itself.
    pub(super) fn find_write_order(&self, limits: &Limits<'_>) -> WriteOrder {
        let hides_a_write: Vec<bool> = self.newest_before.iter().map(Option::is_some).collect();
        find_write_order(
            self.rows,
            self.initial,
            self.has_real_time,
            &self.can_have_happened,
            &hides_a_write,
            limits,
        )
    }

    /// The rows that show that no order of the writes exists: those of the conflict, and those that show which of their
    /// candidates cannot have happened. In order of invocation.
    pub(super) fn rows_of_conflict(&self, conflict: &WriteOrderConflict) -> Vec<u32> {
        let mut shown: FxHashSet<u32> = conflict.writes.iter().chain(&conflict.reads).copied().collect();
        for &read in &conflict.reads {
            let row = &self.rows[read as usize];
            let Some(value) = row.reads else { continue };
            if value == self.initial {
                shown.extend(self.newest_before[read as usize]);
            }
            let gone = self.possible_writers_of(value).iter().copied();
            for write in gone.filter(|&write| !self.can_have_happened[write as usize]) {
                shown.extend(self.collect_evidence(write));
            }
        }
        let mut shown: Vec<u32> = shown.into_iter().collect();
        shown.sort_unstable();
        shown
    }

    /// Judges the read of a row. Adds the write that it returned to `sources`, also for indeterminate compare-and-sets that can
    /// have happened. Returns what shows that nothing explains a completed read.
    pub(super) fn judge_read(&self, place: u32, sources: &mut Vec<ReturnedWrite>) -> Option<UnexplainedRead> {
        let row = &self.rows[place as usize];
        let value = row.reads?;
        match self.explain_read(place) {
            Some(Explanation::Source(write)) => {
                let write = write.map(|write| self.rows[write as usize].op);
                sources.push(ReturnedWrite { read: row.op, write });
                None
            }
            Some(Explanation::Overlap) => None,
            None if !row.is_ok() => None,
            None => {
                let mut writers = self.possible_writers_of(value).iter().filter(|&&write| write != place);
                let has_no_writer = value != self.initial && writers.next().is_none();
                Some(UnexplainedRead { has_no_writer, operations: self.collect_evidence(place) })
            }
        }
    }

    fn explain_read(&self, place: u32) -> Option<Explanation> {
        let row = &self.rows[place as usize];
        let value = row.reads?;
        let newest = match self.level {
            // A read may return any version, however old.
            Level::ConsistentPrefix => None,
            _ => self.newest_before[place as usize],
        };
        if value == self.initial && newest.is_none() {
            return Some(Explanation::Source(None));
        }
        let timeline = self.timeline(place);
        let newest = newest.map_or(0, |newest| self.rows[newest as usize].invoked);
        let last = self.writes.last_of_value(self.rows, value, timeline, row.completed, place);
        if let Some(last) = last.filter(|&last| self.rows[last as usize].completed > newest) {
            return Some(Explanation::Source(Some(last)));
        }
        if !self.has_real_time {
            let mut writers = self.writes.writers_of(self.rows, value).iter().copied();
            if let Some(other) = writers.find(|&write| self.timeline(write) != timeline) {
                return Some(Explanation::Source(Some(other)));
            }
        }
        (self.level == Level::Safe && self.overlaps_write(place)).then_some(Explanation::Overlap)
    }

    /// Whether a write that can have happened is neither before nor after the row.
    fn overlaps_write(&self, place: u32) -> bool {
        let row = &self.rows[place as usize];
        let timeline = self.timeline(place);
        let last = self.writes.last_on_timeline(self.rows, timeline, row.completed, place);
        last.is_some_and(|last| self.rows[last as usize].completed > row.invoked)
            || self.writes.has_other_timeline(self.rows, timeline)
    }

    /// The rows that show that a read is not explained: the possible writers of its value, the write that replaced them, and the same
    /// for compare-and-sets among them that cannot have happened.
    fn collect_evidence(&self, place: u32) -> Vec<u32> {
        let mut shown = FxHashSet::default();
        shown.insert(place);
        let mut todo = vec![place];
        while let Some(place) = todo.pop() {
            let row = &self.rows[place as usize];
            let Some(value) = row.reads else { continue };
            // What a compare-and-set writes is not what it found.
            let others = self.possible_writers_of(value).iter().copied().filter(|&write| write != place);
            let mut writers = others.clone();
            let began = |write: u32| self.rows[write as usize].invoked < row.completed;
            let may_be_replaced = self.level != Level::ConsistentPrefix;
            if may_be_replaced && (value == self.initial || writers.any(began)) {
                shown.extend(self.newest_before[place as usize]);
            }
            let is_doubtful = |row: &RegisterRow| !row.is_ok() && row.reads.is_some();
            let new = others.filter(|&write| shown.insert(write));
            todo.extend(new.filter(|&write| is_doubtful(&self.rows[write as usize])));
        }
        let mut shown: Vec<u32> = shown.into_iter().collect();
        shown.sort_unstable();
        shown
    }
}

/// Whether the value that each row expects can have been there at some time: a least fixed point.
fn rows_with_possible_values(rows: &[RegisterRow], initial: ValueId) -> Vec<bool> {
    let is_doubtful = |row: &RegisterRow| !row.is_ok() && row.reads.is_some();
    let mut possible: Vec<bool> = rows.iter().map(|row| !is_doubtful(row)).collect();
    let mut values: FxHashSet<ValueId> =
        rows.iter().filter(|row| !is_doubtful(row)).filter_map(|row| row.writes).collect();
    values.insert(initial);
    let mut waiting: FxHashMap<ValueId, Vec<usize>> = FxHashMap::default();
    for (place, row) in rows.iter().enumerate().filter(|(_, row)| is_doubtful(row)) {
        waiting.entry(row.reads.expect("it expects a value")).or_default().push(place);
    }
    let mut known: Vec<ValueId> = values.iter().copied().collect();
    while let Some(value) = known.pop() {
        for place in waiting.remove(&value).unwrap_or_default() {
            possible[place] = true;
            known.extend(rows[place].writes.filter(|&new| values.insert(new)));
        }
    }
    possible
}

/// For each row, the write that was invoked last among those that completed before the row was invoked, on its timeline.
fn find_newest_before(rows: &[RegisterRow], timeline: impl Fn(u32) -> u32) -> Vec<Option<u32>> {
    let is_write = |&place: &u32| rows[place as usize].writes.is_some() && rows[place as usize].is_ok();
    let mut completed: Vec<u32> = (0..rows.len() as u32).filter(is_write).collect();
    completed.sort_unstable_by_key(|&place| rows[place as usize].completed);
    let mut completed = completed.into_iter().peekable();
    let mut newest: FxHashMap<u32, u32> = FxHashMap::default();
    let mut found = Vec::with_capacity(rows.len());
    for (place, row) in (0u32..).zip(rows) {
        while let Some(write) = completed.next_if(|&write| rows[write as usize].completed < row.invoked) {
            let newest = newest.entry(timeline(write)).or_insert(write);
            *newest = write.max(*newest);
        }
        found.push(newest.get(&timeline(place)).copied());
    }
    found
}
