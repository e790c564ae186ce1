//! How outdated reads were: in versions and in seconds, for each read and for the whole history.
//!
//! If every value of an object is written once, a read identifies the version that it returned. The operations on one
//! version are its *cluster*. Let m be the first response in it, M the last invocation, and w the invocation of its
//! write, which is no later than m. Version B is **newer for certain** than A if w(B) > m(A): A was observed before B
//! was even requested.
//!
//! - A read that began at r and returned A is **stale** if some B that is newer for certain was there before it began:
//!   m(B) < r. The number of such B is how many versions it is behind. The time is r less the first such m(B).
//! - **Δ** (Golab, Li & Shah, *Analyzing consistency properties for fun and profit*, PODC 2011) is the least time by
//!   which the beginnings of all reads must be moved into the past so that the history is linearizable. **Γ** (Golab et
//!   al., ICDCS 2014) is the least time by which each operation must be lengthened for that, half of it at either end.
//!
//! Both come from pairs of clusters (Gibbons & Korach 1997). A history is linearizable if and only if no two clusters
//! must each precede the other, that is, m(A) < M(B) and m(B) < M(A). Lengthening by Γ resolves such a pair if Γ ≥
//! min(M(B) − m(A), M(A) − m(B)). Moving reads resolves it at the same price, except that a write does not move: if
//! w(B) > m(A), then only M(A) − m(B) resolves it, and that is how long the last read of A was stale. So
//!
//! Γ = max over pairs of min(M(B) − m(A), M(A) − m(B)) and Δ = max(Γ, the longest time by which a read was stale).
//!
//! The minimum is M(A) − m(B) exactly if m(A) + M(A) ≤ m(B) + M(B). So with clusters sorted by that sum, one sweep with
//! the largest M so far gives the maximum over all pairs. O(n log n) in all.
//!
//! *Choices.* The least k for which a history is k-atomic is not known to be computable in polynomial time. The number
//! of versions here is a lower bound for k − 1, for each read. An indeterminate write counts if it was read. A
//! compare-and-set counts as a write. A read that cannot be traced to one write is counted apart: its value was written
//! twice, by no operation, or by a failed one; or it is a session of several fields; or it is `null` where a session is
//! gone.

mod clusters;
mod versions;

use super::in_time::{TimeOver, UntilStopped, in_time};
use clusters::{ObjectVersions, TracedRead, build_objects};
use histories::{Function, History, OpId, Outcome, ValueId};
use std::sync::atomic::AtomicBool;

/// The staleness of a history's reads.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Staleness {
    /// How many reads could be traced to one write.
    pub(super) traced: usize,
    /// How many reads could not.
    pub(super) untraced: usize,
    /// The stale reads, in order of invocation.
    pub(super) stale: Vec<StaleRead>,
    /// Whether compare-and-sets took effect or may have. What they found is not looked at, so Δ and Γ are lower bounds.
    pub(super) has_swaps: bool,
    /// The least Δ, in ns.
    pub(super) delta: i64,
    /// The least Γ, in ns.
    pub(super) gamma: i64,
}

/// A read of something older than what was there before it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StaleRead {
    /// The read.
    pub id: OpId,
    /// By how many versions it is behind, at least.
    pub versions: u32,
    /// How long a newer version had been there, in ns.
    pub age: i64,
}

/// The staleness of all reads of single objects. O(n log n).
///
/// # Errors
/// The time limit was reached.
pub(super) fn measure_staleness(
    history: &History,
    initial: ValueId,
    stop: &AtomicBool,
) -> Result<Staleness, TimeOver> {
    let (objects, mut found) = build_objects(history, initial, stop)?;
    for object in objects.into_iter().until_stopped(stop) {
        measure_object(object, &mut found);
    }
    let mut swaps = history.ids().filter(|&id| history.function(id) == Function::CAS);
    found.has_swaps = swaps.any(|id| history.outcome(id) != Outcome::Fail);
    in_time(stop)?;
    found.stale.sort_unstable_by_key(|read| read.id);
    Ok(found)
}

fn measure_object(mut object: ObjectVersions, found: &mut Staleness) {
    object.clusters.sort_unstable_by_key(|cluster| cluster.written);
    // For each index, the first response of any cluster from there on.
    let mut earliest = vec![i64::MAX; object.clusters.len() + 1];
    for (at, cluster) in object.clusters.iter().enumerate().rev() {
        earliest[at] = earliest[at + 1].min(cluster.first_response);
    }
    let mut stale: Vec<(TracedRead, i64)> = Vec::new();
    for read in &object.reads {
        let newer = object.clusters.partition_point(|cluster| cluster.written <= read.seen);
        if earliest[newer] < read.invoked {
            stale.push((*read, read.invoked - earliest[newer]));
        }
    }
    found.delta = stale.iter().map(|(_, age)| *age).fold(found.delta, i64::max);
    let counts = versions::count_versions_behind(&object.clusters, &stale);
    let reads = stale.iter().zip(counts);
    found.stale.extend(reads.map(|(&(read, age), versions)| StaleRead { id: read.id, versions, age }));
    found.gamma = found.gamma.max(clusters::least_gamma(&mut object.clusters));
    found.delta = found.delta.max(found.gamma);
}
