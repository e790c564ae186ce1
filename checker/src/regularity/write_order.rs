//! One order of the writes of an object that all its reads agree with, for `regular-write-order`.
//!
//! # The problem
//!
//! At `regular`, each read has an order of the writes of its own, so two reads may disagree for ever on which of two overlapping
//! writes is the last one. MWRegWO demands that the orders of any two reads agree on the writes that matter to both: those that were
//! invoked before the read completed.
//!
//! # How
//!
//! Of two reads, the one that completed later has all the writes that matter to the other. So the order of the read that completed
//! last serves all reads, and the level demands *one* order `≪` of all writes that extends real time. A read `r` agrees with it if a
//! write of its value that was invoked before `r` completed comes after every other write that completed before `r` was invoked: the
//! writes that do not matter to `r` can be taken out of the order, and `r` put after that write.
//!
//! In other words: each write that completed before `r` was invoked, and has another value, is followed by *some* candidate of `r`.
//! The order is built from its end. A write can be placed if every write that real time puts after it is placed, and every read that
//! it would hide has a candidate that is placed. To place a write never keeps another from being placed, so no choice is ever
//! regretted. If no write can be placed, none of those that are left can be the last of them, which refutes the level. These are
//! AND/OR precedence constraints (Möhring, Skutella & Stork, *Scheduling with AND/OR precedence constraints*, SIAM J. Comput. 33(2),
//! 2004), so values that are written several times cost nothing.
//!
//! # Choices
//!
//! - **Writes that do not matter.** Let `w 1` be open while another session reads 1, writes 2 and reads 1 again. The first read must
//!   come before `w 2` in real time, and the second needs `w 2` before `w 1`. The write of 2 does not matter to the first read, so
//!   this is allowed. One order of all operations but the order of reads would forbid it.
//! - **Compare-and-set** is judged as a read, and is a write in the order, as at `regular`. Its read is not tied to the place of its
//!   write.
//! - **Indeterminate writes** have no end, so they can be placed last and hide no read. An indeterminate compare-and-set took effect
//!   if a read has no other candidate. For the others, those that some read would need are tried one after the other; where that
//!   fails, the level is open.
//!
//! Cost: O(n log n) for each object, and that again for each indeterminate compare-and-set that is tried.

mod backward;
mod conflict;

use super::RegisterRow;
use backward::{BackwardOrder, WriteOrderPart};
use claims::Limits;
use conflict::shrink_conflict;
use histories::ValueId;
use rustc_hash::FxHashMap;

/// How many indeterminate compare-and-sets are tried in one object.
const TRIED_MAX: usize = 64;
/// How many candidates of a read are examined to see that an indeterminate compare-and-set is the only one.
const CANDIDATES_MAX: usize = 64;

/// Whether the reads of an object agree with one order of its writes.
pub(super) enum WriteOrder {
    /// The writes that took effect, from the first to the last.
    Order(Vec<u32>),
    /// No order exists: these rows show it, in order of invocation.
    Conflict(WriteOrderConflict),
    /// The choice between indeterminate compare-and-sets was not decided.
    Open,
    /// The check was stopped.
    Stopped,
}

/// Writes that have no last one, and the reads that show it.
pub(super) struct WriteOrderConflict {
    /// The writes.
    pub(super) writes: Vec<u32>,
    /// The reads whose values show it, and those that show that an indeterminate compare-and-set took effect.
    pub(super) reads: Vec<u32>,
}

/// Finds an order of the writes of an object. `can_have_happened` says so of each row, and `hides_a_write` whether some write completed
/// before the row was invoked. The read of each row is known to have a source by itself.
pub(super) fn find_write_order(
    rows: &[RegisterRow],
    initial: ValueId,
    has_real_time: bool,
    can_have_happened: &[bool],
    hides_a_write: &[bool],
    limits: &Limits<'_>,
) -> WriteOrder {
    let is_doubtful = |place: usize| !rows[place].is_ok() && rows[place].reads.is_some();
    let doubtful: Vec<u32> = (0..rows.len())
        .filter(|&place| is_doubtful(place) && can_have_happened[place])
        .map(|place| place as u32)
        .collect();
    let mut part = WriteOrderPart {
        rows,
        has_real_time,
        hides_a_write,
        writes: (0..rows.len()).map(|place| rows[place].writes.is_some() && !is_doubtful(place)).collect(),
        reads: rows.iter().map(|row| row.reads.is_some() && row.is_ok()).collect(),
    };
    let sources = ReadSources::new(rows, initial, hides_a_write, can_have_happened);
    let needed_by = sources.require_only_candidates(&mut part, &doubtful);
    let mut is_assumed = false;
    for _ in 0..TRIED_MAX {
        let mut attempt = BackwardOrder::new(&part);
        if !attempt.place_all_writes(limits) {
            return WriteOrder::Stopped;
        }
        let optional = doubtful.iter().copied().filter(|&place| !part.writes[place as usize]);
        let optional: Vec<u32> = optional.collect();
        let Some(stuck) = attempt.find_stuck_writes() else {
            // Reads that hide no write have agreed with the order, whatever they returned.
            let Some(help) = sources.find_missing_source(&part, &optional) else {
                return WriteOrder::Order(attempt.into_order());
            };
            is_assumed = true;
            (part.writes[help as usize], part.reads[help as usize]) = (true, true);
            continue;
        };
        if !is_assumed {
            // An indeterminate compare-and-set that need not be explained can only help.
            let mut relaxed = part.clone();
            optional.iter().for_each(|&place| relaxed.writes[place as usize] = true);
            let mut attempt = BackwardOrder::new(&relaxed);
            if !attempt.place_all_writes(limits) {
                return WriteOrder::Stopped;
            }
            if let Some(stuck) = attempt.find_stuck_writes() {
                let shrunk = shrink_conflict(&relaxed, stuck);
                return WriteOrder::Conflict(with_reasons(shrunk, &needed_by));
            }
        }
        let explains = |write: u32, read: u32| {
            rows[write as usize].writes == rows[read as usize].reads && part.is_candidate(write, read)
        };
        let helps = |&write: &u32| stuck.reads.iter().any(|&read| explains(write, read));
        let Some(help) = optional.into_iter().find(helps) else { return WriteOrder::Open };
        is_assumed = true;
        (part.writes[help as usize], part.reads[help as usize]) = (true, true);
    }
    WriteOrder::Open
}

/// Adds the reads that show that the indeterminate compare-and-sets of a conflict took effect.
fn with_reasons(mut conflict: WriteOrderConflict, needed_by: &FxHashMap<u32, u32>) -> WriteOrderConflict {
    let mut at = 0;
    while at < conflict.reads.len() {
        if let Some(&reader) = needed_by.get(&conflict.reads[at])
            && !conflict.reads.contains(&reader)
        {
            conflict.reads.push(reader);
        }
        at += 1;
    }
    conflict
}

/// The writes that each read may have returned.
struct ReadSources<'a> {
    rows: &'a [RegisterRow],
    initial: ValueId,
    hides_a_write: &'a [bool],
    /// The writes of each value that can have happened, in order of invocation.
    writers: FxHashMap<ValueId, Vec<u32>>,
}

impl<'a> ReadSources<'a> {
    fn new(
        rows: &'a [RegisterRow],
        initial: ValueId,
        hides_a_write: &'a [bool],
        can_have_happened: &[bool],
    ) -> Self {
        let mut writers: FxHashMap<ValueId, Vec<u32>> = FxHashMap::default();
        for (place, row) in (0u32..).zip(rows) {
            if let Some(value) = row.writes.filter(|_| can_have_happened[place as usize]) {
                writers.entry(value).or_default().push(place);
            }
        }
        Self { rows, initial, hides_a_write, writers }
    }

    /// The writers of the value of a read; `None` if the read may have returned the initial value.
    fn writers_for(&self, read: u32) -> Option<&[u32]> {
        let value = self.rows[read as usize].reads.expect("it reads");
        let is_initial = value == self.initial && !self.hides_a_write[read as usize];
        (!is_initial).then(|| self.writers.get(&value).map_or(&[][..], Vec::as_slice))
    }

    /// Adds the indeterminate compare-and-sets that some read needs, because its value has no other candidate. Returns the read for
    /// each of them.
    fn require_only_candidates(
        &self,
        part: &mut WriteOrderPart<'_>,
        doubtful: &[u32],
    ) -> FxHashMap<u32, u32> {
        let mut needed_by = FxHashMap::default();
        if doubtful.is_empty() {
            return needed_by;
        }
        let mut readers: Vec<u32> =
            (0..self.rows.len() as u32).filter(|&place| part.reads[place as usize]).collect();
        while let Some(read) = readers.pop() {
            let Some(all) = self.writers_for(read).filter(|all| all.len() <= CANDIDATES_MAX) else {
                continue;
            };
            let mut candidates = all.iter().copied().filter(|&write| part.is_candidate(write, read));
            if let (Some(only), None) = (candidates.next(), candidates.next())
                && doubtful.binary_search(&only).is_ok()
                && !part.writes[only as usize]
            {
                (part.writes[only as usize], part.reads[only as usize]) = (true, true);
                needed_by.insert(only, read);
                readers.push(only);
            }
        }
        needed_by
    }

    /// An optional compare-and-set that would explain a read that has no candidate among the writes that count.
    fn find_missing_source(&self, part: &WriteOrderPart<'_>, optional: &[u32]) -> Option<u32> {
        if optional.is_empty() {
            return None;
        }
        let reads = (0..self.rows.len() as u32).filter(|&place| part.reads[place as usize]);
        reads.filter_map(|read| Some((read, self.writers_for(read)?))).find_map(|(read, all)| {
            let candidates = || all.iter().copied().filter(|&write| part.is_candidate(write, read));
            match candidates().any(|write| part.writes[write as usize]) {
                true => None,
                false => candidates().find(|write| optional.binary_search(write).is_ok()),
            }
        })
    }
}
