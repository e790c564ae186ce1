//! Numbers of events that were seen, to find one that comes twice.
//!
//! A set of ten million numbers takes 160 MB, and nearly always the numbers grow: then the greatest says it all.
//! So they are kept as runs of numbers one after another until one does not grow; only then is the set made.

use rustc_hash::FxHashSet;

/// Numbers of events that were seen. While they grow, the greatest says it all.
#[derive(Default)]
pub(super) struct SeenIndexes {
    greatest: Option<i64>,
    /// Filled when they first do not grow.
    seen: Option<FxHashSet<i64>>,
    /// The numbers of all events so far, as runs: the first, and how many.
    runs: Vec<(i64, u64)>,
}

impl SeenIndexes {
    /// Notes a number; whether it was not seen before.
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
