//! By how many versions stale reads were behind.
//!
//! For a read that began at r and returned A: how many B have w(B) > m(A) and m(B) < r. As w(B) ≤ m(B), that is all B
//! with m(B) < r less those with m(B) < r and w(B) ≤ m(A): reads are taken by m(A), clusters are let in by w(B), and a
//! tree of partial sums (Fenwick 1994) over the ranks of m counts. O((n + s) log n) for s stale reads.

use super::clusters::{TracedRead, VersionCluster};

/// For each stale read how many versions are newer for certain and were there before it began. `clusters` are sorted
/// by when they were written.
pub(super) fn count_versions_behind(clusters: &[VersionCluster], stale: &[(TracedRead, i64)]) -> Vec<u32> {
    if stale.is_empty() {
        return Vec::new();
    }
    let mut responses: Vec<i64> = clusters.iter().map(|cluster| cluster.first_response).collect();
    responses.sort_unstable();
    let rank = |time: i64| responses.partition_point(|&response| response < time);
    let mut order: Vec<usize> = (0..stale.len()).collect();
    order.sort_unstable_by_key(|&at| stale[at].0.seen);
    let mut sums = RankCounts(vec![0; clusters.len() + 1]);
    let mut next = 0;
    let mut counts = vec![0; stale.len()];
    for at in order {
        let read = &stale[at].0;
        while let Some(cluster) = clusters.get(next).filter(|cluster| cluster.written <= read.seen) {
            sums.add_rank(rank(cluster.first_response));
            next += 1;
        }
        let there = rank(read.invoked);
        counts[at] = there as u32 - sums.count_below(there);
    }
    counts
}

/// Counts by rank.
struct RankCounts(Vec<u32>);

impl RankCounts {
    fn add_rank(&mut self, rank: usize) {
        let mut at = rank + 1;
        while at < self.0.len() {
            self.0[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    /// How many have a lower rank.
    fn count_below(&self, rank: usize) -> u32 {
        let (mut at, mut sum) = (rank, 0);
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        sum
    }
}
