//! Makes a conflict between the order of writes and the reads as small as it can be.

use super::WriteOrderConflict;
use super::backward::WriteOrderPart;

/// How many writes a conflict may have to be made smaller.
const SHRUNK_MAX: usize = 64;

/// Makes a conflict smaller; returns it as it is if it has too many writes or reads. O(k³ + k·n) for k writes or reads of n rows.
pub(super) fn shrink_conflict(part: &WriteOrderPart<'_>, found: WriteOrderConflict) -> WriteOrderConflict {
    match found.writes.len().max(found.reads.len()) > SHRUNK_MAX {
        true => found,
        false => ConflictShrinker::new(part, found).into_smaller_conflict(),
    }
}

/// A conflict, with the candidates of each of its reads.
struct ConflictShrinker<'a> {
    part: &'a WriteOrderPart<'a>,
    writes: Vec<u32>,
    /// Each read with all the writes that it may have returned.
    reads: Vec<(u32, Vec<u32>)>,
}

impl<'a> ConflictShrinker<'a> {
    fn new(part: &'a WriteOrderPart<'a>, found: WriteOrderConflict) -> Self {
        let candidates = |read: u32| {
            let value = part.rows[read as usize].reads;
            let writes = (0..part.rows.len() as u32).filter(|&write| {
                part.writes[write as usize]
                    && part.rows[write as usize].writes == value
                    && part.is_candidate(write, read)
            });
            (read, writes.collect())
        };
        Self { part, writes: found.writes, reads: found.reads.into_iter().map(candidates).collect() }
    }

    /// Leaves out writes and reads without which none of the others can be the last write.
    fn into_smaller_conflict(mut self) -> WriteOrderConflict {
        for write in self.writes.clone() {
            let others = self.writes.iter().copied().filter(|&other| other != write).collect();
            let left = self.blocked_among(others, &self.reads);
            if !left.is_empty() {
                self.writes = left;
            }
        }
        for read in self.reads.clone() {
            let others: Vec<_> = self.reads.iter().filter(|other| other.0 != read.0).cloned().collect();
            if self.blocked_among(self.writes.clone(), &others).len() == self.writes.len() {
                self.reads = others;
            }
        }
        let reads = self.reads.into_iter().map(|(read, _)| read).collect();
        WriteOrderConflict { writes: self.writes, reads }
    }

    /// The largest part of the writes in which each must be followed by another.
    fn blocked_among(&self, mut writes: Vec<u32>, reads: &[(u32, Vec<u32>)]) -> Vec<u32> {
        loop {
            let is_followed = |&write: &u32| {
                writes.iter().any(|&other| self.part.precedes(write, other))
                    || reads.iter().any(|(read, candidates)| {
                        self.part.precedes(write, *read)
                            && self.part.rows[write as usize].writes != self.part.rows[*read as usize].reads
                            && candidates.iter().all(|candidate| writes.contains(candidate))
                    })
            };
            let left: Vec<u32> = writes.iter().copied().filter(is_followed).collect();
            if left.len() == writes.len() {
                return left;
            }
            writes = left;
        }
    }
}
