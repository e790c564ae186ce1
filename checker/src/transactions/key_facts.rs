//! Facts about a single key that several analyses need: its reads from other transactions, its appends that no read shows, and
//! the immediate successors of intervals.

use super::index::{NONE, Touch, TransactionIndex};
use histories::{KeyId, NEVER};

/// Reads, each with the version that other transactions had left for it to return.
pub(crate) fn outside_reads<'a>(
    index: &'a TransactionIndex<'_>,
    key: KeyId,
) -> impl Iterator<Item = (Touch, u32)> + 'a {
    index
        .touches(key)
        .iter()
        .copied()
        .filter_map(move |touch| Some((touch, index.outside_version(key, touch)?)))
}

/// Transactions that took effect and whose appends no read shows, in order of invocation.
pub(crate) fn unlisted_appenders(index: &TransactionIndex<'_>, key: KeyId) -> Vec<u32> {
    let versions = &index.versions(key)[index.key(key).strays as usize..];
    let committed =
        versions.iter().map(|version| version.op).filter(|&op| op != NONE && index.is_committed(op));
    let mut unlisted: Vec<u32> = committed.collect();
    unlisted.sort_unstable();
    unlisted.dedup();
    unlisted
}

/// The immediate successors of each interval (start, end), where nothing fits in between. The intervals are sorted by
/// start. The successors are a range: those that start after the interval's end and no later than the first end among
/// them.
pub(crate) fn immediate_successors(intervals: &[(u32, u32)]) -> Vec<std::ops::Range<usize>> {
    let mut first_end = vec![NEVER; intervals.len() + 1];
    for at in (0..intervals.len()).rev() {
        first_end[at] = first_end[at + 1].min(intervals[at].1);
    }
    let range = |&(_, end): &(u32, u32)| {
        let from = intervals.partition_point(|other| other.0 <= end);
        let to = intervals.partition_point(|other| other.0 <= first_end[from]);
        from..to.max(from)
    };
    intervals.iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The transitive closure of the immediate successors contains all successors: thinning loses nothing.
        #[test]
        fn thinning_loses_no_pair(spans in prop::collection::vec((0u32..40, 0u32..12, prop::bool::weighted(0.1)), 1..14)) {
            let mut intervals: Vec<(u32, u32)> = spans
                .iter()
                .enumerate()
                .map(|(at, &(start, len, open))| {
                    let start = start * 100 + at as u32;
                    (start, if open { NEVER } else { start + len * 100 + 50 })
                })
                .collect();
            intervals.sort_unstable();
            let edges = immediate_successors(&intervals);
            let n = intervals.len();
            let mut reach = vec![vec![false; n]; n];
            for (at, range) in edges.iter().enumerate().rev() {
                for later in range.clone() {
                    reach[at][later] = true;
                    let beyond = reach[later].clone();
                    for (to, &reached) in beyond.iter().enumerate() {
                        reach[at][to] |= reached;
                    }
                }
            }
            for a in 0..n {
                for b in 0..n {
                    prop_assert_eq!(reach[a][b], intervals[a].1 < intervals[b].0, "{} {} {:?}", a, b, intervals);
                }
            }
        }
    }
}
