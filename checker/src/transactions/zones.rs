//! Version order by real time.

use super::index::TransactionIndex;
use super::key_facts::outside_reads;
use super::versions::VersionEdge;
use claims::VersionEvidence;
use histories::KeyId;

/// How many following versions are searched for immediate successors.
const FOLLOWING_MAX: usize = 64;

/// The version order that real time forces if each transaction happens at one moment. All operations on one version
/// (its write and its reads) happen before all operations on the next. If an operation on version a completed before
/// an operation on version b was invoked, then a comes before b: these are the zones of Gibbons & Korach (1997). The
/// result need not be complete, because a missing edge can only hide a cycle. Each version has edges to its immediate
/// successors among the next [`FOLLOWING_MAX`] versions.
pub(crate) fn edges_by_zones(index: &TransactionIndex<'_>, key: KeyId) -> Vec<VersionEdge> {
    let versions = index.versions(key);
    // For each version: the first completion and the last invocation among all operations that touch it.
    let mut zones: Vec<(u32, u32, u32)> =
        (1..=versions.len() as u32).map(|v| (histories::NEVER, 0, v)).collect();
    let mut touch = |version: u32, op: u32| {
        let operation = index.history.operation(index.op_id(op));
        let zone = &mut zones[version as usize - 1];
        (zone.0, zone.1) = (zone.0.min(operation.completed), zone.1.max(operation.invoked));
    };
    for version in 1..=versions.len() as u32 {
        if let Some(writer) = index.committed_writer(key, version) {
            touch(version, writer);
        }
    }
    for (read, version) in outside_reads(index, key).filter(|&(_, version)| version > 0) {
        touch(version, read.op);
    }
    let installed = |version: u32| {
        index.committed_writer(key, version).is_some()
            && !index.versions(key)[version as usize - 1].intermediate
    };
    zones.retain(|&(_, _, version)| installed(version));
    zones.sort_unstable_by_key(|&(end, start, version)| (u64::from(end) + u64::from(start), version));
    let mut edges = Vec::new();
    for (at, &(end, _, earlier)) in zones.iter().enumerate() {
        let mut covered = histories::NEVER;
        for &(other_end, start, later) in zones[at + 1..].iter().take(FOLLOWING_MAX) {
            // A successor of a successor needs no edge of its own.
            if end < start && covered >= start {
                edges.push(VersionEdge { earlier, later, evidence: VersionEvidence::RealTime });
                covered = covered.min(other_end);
            }
        }
    }
    edges
}
