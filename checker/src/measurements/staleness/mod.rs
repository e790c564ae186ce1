//! How old what was read was: in versions and in seconds, for each read and for the whole history.
//!
//! Where every value of an object is written once, a read names the version that it returned. The operations on one
//! version are its *cluster*; let m be the first response in it, M the last invocation, and w the invocation of its
//! write, which is no later than m. Version B is **newer for certain** than A if w(B) > m(A): somebody had A before B
//! was even asked for.
//!
//! - A read that began at r and returned A is **stale** if some B that is newer for certain was there before it
//!   began: m(B) < r. By how many versions: how many such B there are. For how long: r less the first such m(B).
//! - **Δ** (Golab, Li & Shah, *Analyzing consistency properties for fun and profit*, PODC 2011) is the least shift of
//!   all reads' beginnings into the past after which the history is linearizable; **Γ** (Golab et al., ICDCS 2014) the
//!   least by which each operation has to be lengthened, half of it at either end.
//!
//! Both come from pairs of clusters (Gibbons & Korach 1997): a history is linearizable if and only if no two clusters
//! must each precede the other, that is m(A) < M(B) and m(B) < M(A). Lengthening by Γ undoes the pair if
//! Γ ≥ min(M(B) − m(A), M(A) − m(B)). Shifting reads does it at the same price, except that a write does not move: if
//! w(B) > m(A), then only M(A) − m(B) will do, and that is how long the last read of A was stale. So
//!
//! Γ = max over pairs of min(M(B) − m(A), M(A) − m(B)) and Δ = max(Γ, the longest that a read was stale).
//!
//! The minimum is M(A) − m(B) exactly if m(A) + M(A) ≤ m(B) + M(B); so with clusters sorted by that sum, the maximum
//! over all pairs is one sweep with the largest M so far. O(n log n) in all.
//!
//! *Choices.* The least k for which a history is k-atomic is not known to be computable in polynomial time; the number
//! of versions here is a lower bound for k − 1, read by read, and means what it says. An indeterminate write
//! counts if it was read. A compare-and-set counts as a write. What cannot be traced to one write (a value
//! that was written twice, by nobody, or by a failed operation; a session of several fields; `null` where a session is
//! gone) is counted apart.

mod clusters;
mod versions;

use clusters::{ObjectVersions, TracedRead, build_objects};
use histories::{History, OpId, ValueId};

/// The staleness of a history's reads.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Staleness {
    /// How many reads could be traced to one write.
    pub(super) traced: usize,
    /// How many could not.
    pub(super) untraced: usize,
    /// The stale reads, in order of invocation.
    pub(super) stale: Vec<StaleRead>,
    /// The least Δ, in ns.
    pub(super) delta: i64,
    /// The least Γ, in ns.
    pub(super) gamma: i64,
}

/// A read of something older than what was there before it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StaleRead {
    pub(super) id: OpId,
    /// By how many versions, at least.
    pub(super) versions: u32,
    /// For how long a newer version had been there, in ns.
    pub(super) age: i64,
}

/// The staleness of all reads of single objects. O(n log n).
pub(super) fn measure_staleness(history: &History, initial: ValueId) -> Staleness {
    let (objects, mut found) = build_objects(history, initial);
    for object in objects {
        measure_object(object, &mut found);
    }
    found.stale.sort_unstable_by_key(|read| read.id);
    found
}

fn measure_object(mut object: ObjectVersions, found: &mut Staleness) {
    object.clusters.sort_unstable_by_key(|cluster| cluster.written);
    // For each place, the first response of any cluster from there on.
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
