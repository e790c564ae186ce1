//! The versions of each object, and the operations on each version: the clusters of the object.

use super::super::in_time::{TimeOver, UntilStopped, in_time};
use super::Staleness;
use histories::{Argument, Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;
use std::sync::atomic::AtomicBool;

/// What is known of one version. Times are in ns; those of the initial version are before all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionCluster {
    /// When its write was invoked.
    pub(super) written: i64,
    /// The first response in the cluster: m.
    pub(super) first_response: i64,
    /// The last invocation in the cluster: M.
    pub(super) last_invocation: i64,
}

/// A read and the first response in the cluster of what it returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct TracedRead {
    pub(super) id: OpId,
    pub(super) invoked: i64,
    pub(super) seen: i64,
}

/// The versions of one object that were observed, and the reads of the object.
#[derive(Default)]
pub(super) struct ObjectVersions {
    pub(super) clusters: Vec<VersionCluster>,
    pub(super) reads: Vec<TracedRead>,
}

/// The operation that wrote a value.
#[derive(Clone, Copy)]
enum VersionWriter {
    /// The index of its version.
    Version(u32),
    /// More than one operation, or a failed one.
    Nobody,
}

struct TrackedVersion {
    object: u32,
    cluster: VersionCluster,
    /// Whether the version was observed: its write was acknowledged, or it was read.
    seen: bool,
}

/// All objects with their clusters and traced reads; the counts of reads are filled in.
///
/// # Errors
/// The time limit was reached.
pub(super) fn build_objects(
    history: &History,
    initial: ValueId,
    stop: &AtomicBool,
) -> Result<(Vec<ObjectVersions>, Staleness), TimeOver> {
    let lineage = Lineage::from_history(history, stop)?;
    let mut versions: Vec<TrackedVersion> = Vec::new();
    let mut writers: FxHashMap<(u32, ValueId), VersionWriter> = FxHashMap::default();
    writers.reserve(history.len() / 2);
    if !lineage.sessions {
        for object in lineage.root_keys() {
            let cluster =
                VersionCluster { written: i64::MIN, first_response: i64::MIN, last_invocation: i64::MIN };
            writers.insert((object, initial), VersionWriter::Version(versions.len() as u32));
            versions.push(TrackedVersion { object, cluster, seen: true });
        }
    }
    let mut is_written = vec![false; lineage.object.len()];
    for id in history.ids().until_stopped(stop) {
        let Some((value, invoked)) = written_whole(history, id) else { continue };
        let object = lineage.object[history.key(id).index()];
        is_written[object as usize] = true;
        let failed = history.outcome(id) == Outcome::Fail;
        let response = match history.outcome(id) {
            Outcome::Ok => history.completed_at(id),
            Outcome::Fail | Outcome::Info => None,
        };
        let version = VersionWriter::Version(versions.len() as u32);
        let writer = writers.entry((object, value)).and_modify(|writer| *writer = VersionWriter::Nobody);
        writer.or_insert(if failed { VersionWriter::Nobody } else { version });
        let first_response = response.unwrap_or(i64::MAX);
        let cluster = VersionCluster { written: invoked, first_response, last_invocation: invoked };
        versions.push(TrackedVersion { object, cluster, seen: response.is_some() });
    }
    in_time(stop)?;
    let mut counts = Staleness::default();
    let mut reads: Vec<(OpId, i64, u32)> = Vec::new();
    for id in history.ids().until_stopped(stop).filter(|&id| is_read(history, id)) {
        let (value, Some(invoked)) = (history.operation(id).result, history.invoked_at(id)) else { continue };
        if lineage.sessions && value == ValueId::NULL {
            continue;
        }
        let object = lineage.object[history.key(id).index()];
        let writer = if lineage.untraceable[object as usize] { None } else { writers.get(&(object, value)) };
        let (Some(&VersionWriter::Version(version)), Some(response)) = (writer, history.completed_at(id))
        else {
            counts.untraced += 1;
            continue;
        };
        let found = &mut versions[version as usize];
        if response < found.cluster.written {
            // The read returned a value before its write began. Moving the read into the past does not explain that.
            counts.untraced += 1;
            continue;
        }
        found.seen = true;
        found.cluster.first_response = found.cluster.first_response.min(response);
        found.cluster.last_invocation = found.cluster.last_invocation.max(invoked);
        reads.push((id, invoked, version));
    }
    in_time(stop)?;
    // Where nothing was ever written, no read can be stale, and none says that none was.
    let could_be_stale =
        |&(_, _, version): &(OpId, i64, u32)| is_written[versions[version as usize].object as usize];
    counts.traced = if reads.iter().any(could_be_stale) { reads.len() } else { 0 };
    Ok((group_by_object(&versions, &reads, lineage.object.len()), counts))
}

fn group_by_object(
    versions: &[TrackedVersion],
    reads: &[(OpId, i64, u32)],
    count: usize,
) -> Vec<ObjectVersions> {
    let mut objects: Vec<ObjectVersions> = Vec::new();
    objects.resize_with(count, ObjectVersions::default);
    for version in versions.iter().filter(|version| version.seen) {
        objects[version.object as usize].clusters.push(version.cluster);
    }
    for &(id, invoked, version) in reads {
        let version = &versions[version as usize];
        let read = TracedRead { id, invoked, seen: version.cluster.first_response };
        objects[version.object as usize].reads.push(read);
    }
    objects.retain(|object| !object.reads.is_empty());
    objects
}

/// The least Γ of an object. The clusters are left in another order.
pub(super) fn least_gamma(clusters: &mut [VersionCluster]) -> i64 {
    let twice_middle =
        |cluster: &VersionCluster| i128::from(cluster.first_response) + i128::from(cluster.last_invocation);
    clusters.sort_unstable_by_key(twice_middle);
    let (mut gamma, mut latest) = (0, i64::MIN);
    for cluster in clusters.iter() {
        if latest > cluster.first_response {
            gamma = gamma.max(latest - cluster.first_response);
        }
        latest = latest.max(cluster.last_invocation);
    }
    gamma
}

/// The value that an operation wrote as a whole, and when it was invoked.
fn written_whole(history: &History, id: OpId) -> Option<(ValueId, i64)> {
    let value = match (history.function(id), history.argument(id)) {
        (Function::CREATE, Argument::Value(value)) => value,
        _ => history.effect(id)?.writes?,
    };
    Some((value, history.invoked_at(id)?))
}

fn is_read(history: &History, id: OpId) -> bool {
    matches!(history.function(id), Function::READ | Function::GET) && history.outcome(id) == Outcome::Ok
}

/// Which keys are one object: a renewed session continues under another id.
struct Lineage {
    /// For each key, the key that represents its object.
    object: Vec<u32>,
    /// For each object, whether single fields are written, or whether an id was given out again and some id was renewed: then several
    /// sessions are joined, and their versions do not replace one another.
    untraceable: Vec<bool>,
    /// Whether the objects are sessions, which may be absent.
    sessions: bool,
}

impl Lineage {
    fn from_history(history: &History, stop: &AtomicBool) -> Result<Lineage, TimeOver> {
        let count = history.keys.len();
        let mut object: Vec<u32> = (0..count as u32).collect();
        let (mut patched, mut renewed, mut births) =
            (vec![false; count], vec![false; count], vec![0u32; count]);
        let mut sessions = false;
        for id in history.ids().until_stopped(stop) {
            match (history.function(id), history.argument(id)) {
                (Function::RENEW, Argument::Value(new)) => {
                    let new = history.keys.get(history.value_text(new));
                    renewed[history.key(id).index()] = true;
                    if let Some(new) = new.filter(|_| history.outcome(id) != Outcome::Fail) {
                        births[new.index()] += 1;
                    }
                    let (old, new) =
                        (find_root(&mut object, history.key(id)), new.map(|new| find_root(&mut object, new)));
                    if let Some(new) = new {
                        object[new as usize] = old;
                    }
                }
                (Function::PATCH | Function::APPEND | Function::DELETE, _) => {
                    let of = find_root(&mut object, history.key(id));
                    patched[of as usize] = true;
                }
                (Function::CREATE, _) => {
                    sessions = true;
                    births[history.key(id).index()] += u32::from(history.outcome(id) != Outcome::Fail);
                }
                _ => {}
            }
        }
        in_time(stop)?;
        let mut given_again = vec![false; count];
        for key in 0..count {
            let of = find_root(&mut object, KeyId::new(key)) as usize;
            object[key] = of as u32;
            patched[of] |= patched[key];
            renewed[of] |= renewed[key];
            given_again[of] |= births[key] > 1;
        }
        let joins = renewed.iter().zip(given_again).map(|(&renewed, again)| renewed && again);
        let untraceable = patched.iter().zip(joins).map(|(&patched, joins)| patched || joins).collect();
        Ok(Lineage { object, untraceable, sessions })
    }

    fn root_keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.object.iter().enumerate().filter(|&(at, &root)| at == root as usize).map(|(_, &root)| root)
    }
}

/// The key that represents the object of a key. Halves the paths on the way.
fn find_root(object: &mut [u32], key: KeyId) -> u32 {
    let mut at = key.raw();
    while object[at as usize] != at {
        object[at as usize] = object[object[at as usize] as usize];
        at = object[at as usize];
    }
    at
}

#[cfg(test)]
mod tests {
    use crate::measurements::tests::{history, is, unknown};
    use crate::measurements::{MeasuredLosses, measure_history};
    use histories::ValueId;

    fn payload(version: u32) -> String {
        format!(r#"{{"bytes":10,"session":"u","version":{version}}}"#)
    }

    /// A session is created under k1 and renewed to k2, and then another one is created under k1. A read of k2 returns the content of the
    /// first, as it should. The two sessions were taken for one, so the read was stale and by a version behind.
    #[test]
    fn sessions_that_share_an_id_one_after_the_other_are_not_versions_of_one() {
        let text = |again: &str| {
            format!(
                "0-100 u create k1 {} ok\n 1000-1100 u renew k1 \"k2\" ok\n {again} 3000-3100 u read k2 {} ok",
                payload(1),
                payload(1)
            )
        };
        let measured = |again: &str| {
            let history = history(&text(again));
            measure_history(&history, ValueId::NULL, &MeasuredLosses::default())
        };
        let again = measured(&format!("2000-2100 u create k1 {} ok\n", payload(2)));
        assert_eq!((again.untraced_reads, again.stale_reads.len()), (1, 0));
        unknown(&again.run, "stale_read_share");
        is(&measured("").run, "stale_read_share", 0.0);
    }
}
