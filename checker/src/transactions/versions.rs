//! The version order of a register, as far as it is known.
//!
//! A list shows what it held before; a register does not. So its version order has to come from other sources:
//!
//! * The initial state comes before all versions. It has no edges here, because every version would need one.
//! * **Read-modify-write**: a transaction that reads v and then writes v' puts v before v'. Adya's PL-2 and all
//!   stronger levels demand this. If v' came before v, the writer of v would follow the transaction (`ww`) and also
//!   be read by it (`wr`), which is a `G1c`. (Elle infers this only with the option `wfr-keys`.) So this order is
//!   always used, but never for a `ww` edge, because such an edge could form a `G0`.
//! * **Tokens**: the store returned a version number with each transaction.
//! * **Sequential keys**, **linearizable keys**: the user asserts that the writes to one object take effect in the
//!   order in which they were made, within each session or overall. Elle extends the assertion to reads and reports a
//!   stale read as `cyclic-versions`, which no level permits. Here it covers only writes, as `definitions` says, and
//!   a stale read is reported as the cycle that it is.
//!
//! If these sources contradict each other on a key, the key has the anomaly `cyclic-versions`. Then only
//! read-modify-writes are used for it.

use super::findings::AnomalyCollector;
use super::index::{KeyShape, NONE, TransactionIndex, UNKNOWN};
use super::key_facts::immediate_successors;
use claims::{Assume, Limits, Phenomenon, TransactionEvidence, VersionEvidence, VersionStep};
use histories::KeyId;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// One version comes before another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VersionEdge {
    pub earlier: u32,
    pub later: u32,
    pub evidence: VersionEvidence,
}

impl VersionEdge {
    pub(crate) fn is_by_reading(&self) -> bool {
        self.evidence == VersionEvidence::ReadModifyWrite
    }
}

/// The known order of the versions of every register, by key. Lists have no edges here.
pub(crate) fn find_version_orders(
    index: &TransactionIndex<'_>,
    assume: Assume,
    findings: &mut AnomalyCollector,
    limits: &Limits<'_>,
) -> Vec<Vec<VersionEdge>> {
    index
        .key_ids()
        .map(|key| match index.key(key).shape {
            KeyShape::Register if limits.stop_requested() => Vec::new(),
            KeyShape::List => Vec::new(),
            KeyShape::Register => find_version_order(index, key, assume, findings),
        })
        .collect()
}

fn find_version_order(
    index: &TransactionIndex<'_>,
    key: KeyId,
    assume: Assume,
    findings: &mut AnomalyCollector,
) -> Vec<VersionEdge> {
    let mut edges = read_modify_write_edges(index, key);
    let certain = edges.len();
    let last = last_writes(index, key);
    edges.extend(edges_by_token(index, &last));
    if assume.sequential_keys {
        edges.extend(edges_by_session(index, &last));
    }
    if assume.linearizable_keys {
        edges.extend(edges_by_time(index, &last, VersionEvidence::LinearizableKeys));
    }
    if edges.len() == certain {
        return edges;
    }
    let count = index.versions(key).len() + 1;
    if let Some(cycle) = find_version_cycle(count, &edges)
        && !cycle.iter().all(VersionEdge::is_by_reading)
    {
        findings.record_finding(Phenomenon::CyclicVersions, || TransactionEvidence::CyclicVersions {
            key,
            steps: cycle.iter().map(|edge| version_step(index, key, edge)).collect(),
        });
        edges.truncate(certain);
    }
    edges
}

/// The order of a register's versions that session order implies, for levels whose snapshots respect session order.
///
/// Let one transaction touch a version (read or write it), and let a later transaction of its session touch another
/// version. Then the first version was installed before the second. The first transaction's snapshot shows the first
/// version, or its own commit installs it. The later transaction's snapshot is no older than that commit; it shows
/// the second version, or the later commit installs it. Below snapshot levels a read may be stale, and nothing of
/// this follows. So these edges are not used as `ww` edges, which could form a `G1c`.
pub(crate) fn edges_by_session_touch(index: &TransactionIndex<'_>, key: KeyId) -> Vec<VersionEdge> {
    let mut edges = Vec::new();
    // For each session: the transaction that last touched the key, and the versions that it touched.
    let mut last: FxHashMap<u32, (u32, Vec<u32>)> = FxHashMap::default();
    for group in
        index.touches(key).chunk_by(|a, b| a.op == b.op).filter(|group| index.is_committed(group[0].op))
    {
        let mut versions: Vec<u32> = Vec::new();
        for &touch in group {
            let version = match index.is_known_read(touch) {
                true => index.outside_version(key, touch),
                false => Some(index.version_of[touch.micro as usize]),
            };
            // Other transactions never see a version that its own transaction overwrote.
            let seen = |&version: &u32| {
                index.committed_writer(key, version).is_some()
                    && !index.versions(key)[version as usize - 1].intermediate
            };
            versions.extend(version.filter(seen));
        }
        versions.dedup();
        if versions.is_empty() {
            continue;
        }
        let here = index.history.operation(index.op_id(group[0].op));
        if let Some((before, earlier)) = last.get(&here.session.raw())
            && index.history.operation(index.op_id(*before)).precedes(&here)
        {
            let pairs = earlier.iter().flat_map(|&a| versions.iter().map(move |&b| (a, b)));
            let evidence = VersionEvidence::Session;
            let fresh = pairs.filter(|(a, b)| a != b && !earlier.contains(b));
            edges.extend(fresh.map(|(earlier, later)| VersionEdge { earlier, later, evidence }));
        }
        last.insert(here.session.raw(), (group[0].op, versions));
    }
    edges
}

fn version_step(index: &TransactionIndex<'_>, key: KeyId, edge: &VersionEdge) -> VersionStep {
    VersionStep {
        earlier: index.value_of_version(key, edge.earlier),
        later: index.value_of_version(key, edge.later),
        order: edge.evidence,
    }
}

fn read_modify_write_edges(index: &TransactionIndex<'_>, key: KeyId) -> Vec<VersionEdge> {
    let mut edges = Vec::new();
    for group in index.touches(key).chunk_by(|a, b| a.op == b.op) {
        let earlier = index.version_of[group[0].micro as usize];
        if !index.is_known_read(group[0]) || earlier == 0 || earlier >= UNKNOWN {
            continue;
        }
        let written = group.iter().find(|&&touch| !super::index::is_read(index.micro_at(touch.micro)));
        if let Some(written) = written {
            let later = index.version_of[written.micro as usize];
            if later != earlier {
                edges.push(VersionEdge { earlier, later, evidence: VersionEvidence::ReadModifyWrite });
            }
        }
    }
    edges
}

/// The last write of each transaction to the key, as (operation, version), in order of invocation.
fn last_writes(index: &TransactionIndex<'_>, key: KeyId) -> Vec<(u32, u32)> {
    let versions = index.versions(key).iter().zip(1u32..);
    let last = versions.filter(|(version, _)| version.op != NONE && !version.intermediate);
    let mut last: Vec<(u32, u32)> = last.map(|(version, number)| (version.op, number)).collect();
    last.retain(|&(op, _)| index.is_committed(op));
    last.sort_unstable();
    last
}

fn edges_by_token(index: &TransactionIndex<'_>, last: &[(u32, u32)]) -> Vec<VersionEdge> {
    let token = |op: u32| index.history.version(index.op_id(op));
    let mut tokens: Vec<(i64, u32)> =
        last.iter().filter_map(|&(op, version)| Some((token(op)?, version))).collect();
    tokens.sort_unstable();
    let mut edges = Vec::new();
    // Equal tokens do not order their versions. All versions with one token come before those with the next token.
    let groups: Vec<&[(i64, u32)]> = tokens.chunk_by(|a, b| a.0 == b.0).collect();
    for pair in groups.windows(2).filter(|pair| pair[0].len() == 1 && pair[1].len() == 1) {
        let (earlier, later) = (pair[0][0].1, pair[1][0].1);
        edges.push(VersionEdge { earlier, later, evidence: VersionEvidence::Token });
    }
    edges
}

fn edges_by_session(index: &TransactionIndex<'_>, last: &[(u32, u32)]) -> Vec<VersionEdge> {
    let session = |op: u32| index.history.session(index.op_id(op));
    let mut sorted = last.to_vec();
    sorted.sort_by_key(|&(op, _)| (session(op), op));
    let of_one = sorted.chunk_by(|a, b| session(a.0) == session(b.0));
    of_one.flat_map(|writes| edges_by_time(index, writes, VersionEvidence::SequentialKeys)).collect()
}

fn edges_by_time(
    index: &TransactionIndex<'_>,
    writes: &[(u32, u32)],
    evidence: VersionEvidence,
) -> Vec<VersionEdge> {
    let ends = |&(op, _): &(u32, u32)| {
        let operation = index.history.operation(index.op_id(op));
        (operation.invoked, operation.completed)
    };
    let intervals: Vec<(u32, u32)> = writes.iter().map(ends).collect();
    let mut edges = Vec::new();
    for (at, range) in immediate_successors(&intervals).into_iter().enumerate() {
        let earlier = writes[at].1;
        edges.extend(range.map(|later| VersionEdge { earlier, later: writes[later].1, evidence }));
    }
    edges
}

/// A cycle among versions, if there is one: the shortest cycle through the first version that is on any.
fn find_version_cycle(count: usize, edges: &[VersionEdge]) -> Option<Vec<VersionEdge>> {
    let mut out: Vec<Vec<u32>> = vec![Vec::new(); count];
    let mut entering = vec![0u32; count];
    for (at, edge) in edges.iter().enumerate() {
        out[edge.earlier as usize].push(at as u32);
        entering[edge.later as usize] += 1;
    }
    let mut free: Vec<u32> = (0..count as u32).filter(|&version| entering[version as usize] == 0).collect();
    let mut left = count;
    while let Some(version) = free.pop() {
        left -= 1;
        for &at in &out[version as usize] {
            let later = edges[at as usize].later;
            entering[later as usize] -= 1;
            if entering[later as usize] == 0 {
                free.push(later);
            }
        }
    }
    if left == 0 {
        return None;
    }
    (0..count as u32)
        .filter(|&version| entering[version as usize] > 0)
        .find_map(|start| shortest_cycle_from(start, edges, &out))
}

fn shortest_cycle_from(start: u32, edges: &[VersionEdge], out: &[Vec<u32>]) -> Option<Vec<VersionEdge>> {
    let mut parent = vec![u32::MAX; out.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(version) = queue.pop_front() {
        for &at in &out[version as usize] {
            let later = edges[at as usize].later;
            if parent[later as usize] != u32::MAX {
                continue;
            }
            parent[later as usize] = at;
            if later == start {
                let mut cycle = vec![edges[at as usize]];
                while cycle[cycle.len() - 1].earlier != start {
                    let before = cycle[cycle.len() - 1].earlier;
                    cycle.push(edges[parent[before as usize] as usize]);
                }
                cycle.reverse();
                return Some(cycle);
            }
            queue.push_back(later);
        }
    }
    None
}
