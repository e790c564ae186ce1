//! The indexes of events that were read, to find an index that occurs twice.
//!
//! A set of ten million numbers takes 160 MB. But indexes nearly always grow, and then the greatest one is enough to
//! see that the next is new. So indexes are kept as runs of consecutive numbers. Only when an index does not grow is
//! the set built.

use rustc_hash::FxHashSet;

/// The indexes seen so far.
#[derive(Default)]
pub(super) struct SeenIndexes {
    greatest: Option<i64>,
    /// Built when an index first does not grow.
    seen: Option<FxHashSet<i64>>,
    /// All indexes so far, as runs: the first index and the length. Unused once `seen` is built.
    runs: Vec<(i64, u64)>,
}

impl SeenIndexes {
    /// Adds an index. Returns whether it is new.
    pub(super) fn insert_index(&mut self, index: i64) -> bool {
        if self.greatest.is_none_or(|greatest| index > greatest) {
            self.greatest = Some(index);
            match (&mut self.seen, self.runs.last_mut()) {
                (Some(seen), _) => return seen.insert(index),
                (None, Some((first, len))) if *first + *len as i64 == index => *len += 1,
                (None, _) => self.runs.push((index, 1)),
            }
            return true;
        }
        let runs = &mut self.runs;
        let seen = self.seen.get_or_insert_with(|| {
            let runs = std::mem::take(runs);
            runs.into_iter().flat_map(|(first, len)| (0..len as i64).map(move |step| first + step)).collect()
        });
        seen.insert(index)
    }
}
