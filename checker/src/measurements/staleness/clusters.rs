//! Versions and what was done with each: the clusters of an object.

use super::Staleness;
use histories::{Argument, Function, History, Id, KeyId, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;

/// What is known of one version. Times in ns; before all times for the initial one.
#[derive(Clone, Copy, Debug)]
pub(super) struct VersionCluster {
    /// When its write was invoked.
    pub(super) written: i64,
    /// The first response in it: m.
    pub(super) first_response: i64,
    /// The last invocation in it: M.
    pub(super) last_invocation: i64,
}

/// A read and the first response in the cluster of what it returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct TracedRead {
    pub(super) id: OpId,
    pub(super) invoked: i64,
    pub(super) seen: i64,
}

/// The versions of one object that somebody had, and the reads of it.
#[derive(Default)]
pub(super) struct ObjectVersions {
    pub(super) clusters: Vec<VersionCluster>,
    pub(super) reads: Vec<TracedRead>,
}

/// A write as it is found first: who wrote a value.
#[derive(Clone, Copy)]
enum VersionWriter {
    /// Its place among all versions.
    Version(u32),
    /// More than one, or a failed operation.
    Nobody,
}

struct TrackedVersion {
    object: u32,
    cluster: VersionCluster,
    /// Whether somebody had it: it was acknowledged, or read.
    seen: bool,
}

/// All objects with their clusters and traced reads; the counts of reads are filled in.
pub(super) fn build_objects(history: &History, initial: ValueId) -> (Vec<ObjectVersions>, Staleness) {
    let lineage = Lineage::from_history(history);
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
    for id in history.ids() {
        let Some((value, invoked)) = written_whole(history, id) else { continue };
        let object = lineage.object[history.key(id).index()];
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
    let mut counts = Staleness::default();
    let mut reads: Vec<(OpId, i64, u32)> = Vec::new();
    for id in history.ids().filter(|&id| is_read(history, id)) {
        let (value, Some(invoked)) = (history.operation(id).result, history.invoked_at(id)) else { continue };
        if lineage.sessions && value == ValueId::NULL {
            continue;
        }
        let object = lineage.object[history.key(id).index()];
        let writer = if lineage.patched[object as usize] { None } else { writers.get(&(object, value)) };
        let (Some(&VersionWriter::Version(version)), Some(response)) = (writer, history.completed_at(id))
        else {
            counts.untraced += 1;
            continue;
        };
        let found = &mut versions[version as usize];
        if response < found.cluster.written {
            // It returned what was not written yet: no shift into the past mends that.
            counts.untraced += 1;
            continue;
        }
        found.seen = true;
        found.cluster.first_response = found.cluster.first_response.min(response);
        found.cluster.last_invocation = found.cluster.last_invocation.max(invoked);
        reads.push((id, invoked, version));
    }
    counts.traced = reads.len();
    (group_by_object(&versions, &reads, lineage.object.len()), counts)
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

/// The least Γ of an object; its clusters are left in another order.
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

/// What an operation wrote whole, and when it was invoked.
fn written_whole(history: &History, id: OpId) -> Option<(ValueId, i64)> {
    let value = match (history.function(id), history.argument(id)) {
        (Function::WRITE | Function::PUT | Function::CREATE, Argument::Value(value)) => value,
        (Function::CAS, Argument::Pair(_, new)) => new,
        _ => return None,
    };
    Some((value, history.invoked_at(id)?))
}

fn is_read(history: &History, id: OpId) -> bool {
    matches!(history.function(id), Function::READ | Function::GET) && history.outcome(id) == Outcome::Ok
}

/// Which keys are one object: a session that is renewed goes on under another id.
struct Lineage {
    /// For each key, the key that stands for its object.
    object: Vec<u32>,
    /// Whether single fields of an object are written.
    patched: Vec<bool>,
    /// Whether the objects are sessions, which may be gone.
    sessions: bool,
}

impl Lineage {
    fn from_history(history: &History) -> Lineage {
        let count = history.keys.len();
        let mut object: Vec<u32> = (0..count as u32).collect();
        let mut patched = vec![false; count];
        let mut sessions = false;
        for id in history.ids() {
            match (history.function(id), history.argument(id)) {
                (Function::RENEW, Argument::Value(new)) => {
                    let new = history.keys.get(history.value_text(new));
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
                (Function::CREATE, _) => sessions = true,
                _ => {}
            }
        }
        for key in 0..count as u32 {
            let of = find_root(&mut object, KeyId::from_raw(key));
            object[key as usize] = of;
            patched[of as usize] |= patched[key as usize];
        }
        Lineage { object, patched, sessions }
    }

    fn root_keys(&self) -> impl Iterator<Item = u32> + '_ {
        self.object.iter().enumerate().filter(|&(at, &root)| at == root as usize).map(|(_, &root)| root)
    }
}

/// The key that stands for a key's object; paths are halved on the way.
fn find_root(object: &mut [u32], key: KeyId) -> u32 {
    let mut at = key.raw();
    while object[at as usize] != at {
        object[at as usize] = object[object[at as usize] as usize];
        at = object[at as usize];
    }
    at
}
