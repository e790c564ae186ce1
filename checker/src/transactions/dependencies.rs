//! From reads and writes to edges between transactions (Adya 1999, §3.1.1).
//!
//! * `ww`: one wrote a version of an object, the other the next.
//! * `wr`: one wrote a version, the other read it.
//! * `rw`: one read a version, the other wrote the next (*anti-dependency*).
//!
//! Of a list the reads tell the order of versions. An append that took effect and that no read shows comes
//! after all that were read, for else the longest read would show it; two such stay unordered, and every
//! order of them gives the same answers to every read.
//!
//! "Everyone who read the last version comes before everyone whose append nobody read" is a product; it goes
//! through helpers, one edge for each of the two sides ([`join`]).
//!
//! A write that failed, or that more than one may have written, is stepped over: the versions around it are
//! in order all the same.

use super::graph::{DependencyGraph, DependencyGraphBuilder, EdgeKinds, RealTimeChain};
use super::index::{KeyShape, NONE, Touch, TransactionIndex, TransactionState, UNKNOWN, is_read};
use super::versions::{VersionEdge, edges_by_session_touch};
use super::witness::edges_by_zones;
use claims::{CycleFamily, Limits, OrderExtent};
use histories::{History, Id, KeyId, NEVER};

/// The graph of all dependencies, with session edges and real time as far as the extent asks for them.
/// `orders` are the edges between versions of registers, by key. Anti-dependencies only if cycles beyond `G1c` are looked
/// for. If it was stopped, edges are missing.
pub(crate) fn build_dependency_graph(
    index: &TransactionIndex<'_>,
    orders: &[Vec<VersionEdge>],
    extent: OrderExtent,
    deepest: CycleFamily,
    limits: &Limits<'_>,
) -> DependencyGraph {
    let anti = deepest > CycleFamily::G1c;
    let mut builder = DependencyGraphBuilder::new(index.history.len(), index.history.micros().len() / 2);
    // What a key that is both a list and a register went through is anyone's guess.
    let plain = index.key_ids().filter(|key| index.mixed.binary_search(key).is_err());
    for key in plain.take_while(|_| !limits.stop_requested()) {
        match index.key(key).shape {
            KeyShape::List => add_list_edges(index, key, anti, &mut builder),
            KeyShape::Register => {
                add_register_edges(index, key, &orders[key.index()], anti, &mut builder);
                if anti {
                    add_edges_by_order(index, key, extent, &mut builder);
                }
            }
        }
    }
    if extent >= OrderExtent::Session {
        add_session_edges(index, &mut builder, limits);
    }
    builder.into_graph((extent == OrderExtent::RealTime).then(|| RealTimeChain::new(index.history)), limits)
}

/// Reads with the version that they returned, as far as others wrote it.
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

/// The same, leaving out a read that returns what the same transaction's one before it did.
fn distinct_reads<'a>(
    index: &'a TransactionIndex<'_>,
    key: KeyId,
) -> impl Iterator<Item = (Touch, u32)> + 'a {
    let mut before = (NONE, UNKNOWN);
    outside_reads(index, key).filter(move |&(touch, version)| {
        std::mem::replace(&mut before, (touch.op, version)) != (touch.op, version)
    })
}

fn add_list_edges(
    index: &TransactionIndex<'_>,
    key: KeyId,
    anti: bool,
    builder: &mut DependencyGraphBuilder,
) {
    let ordered = index.key(key).ordered;
    // next[v]: who wrote the first version after v; and the last writer of all.
    let mut next = vec![NONE; ordered as usize + 1];
    let mut after = NONE;
    for version in (1..=ordered).rev() {
        if let Some(writer) = index.committed_writer(key, version) {
            if after != NONE && writer != after {
                builder.add_edge(writer, after, EdgeKinds::WW, key);
            }
            after = writer;
        }
        next[version as usize - 1] = after;
    }
    let last_writer = (1..=ordered).rev().find_map(|version| index.committed_writer(key, version));
    let unlisted = unlisted_appenders(index, key);
    for &op in unlisted.iter().filter(|&&op| last_writer.is_some_and(|last| last != op)) {
        builder.add_edge(last_writer.expect("just tested"), op, EdgeKinds::WW, key);
    }
    let mut readers_of_last = Vec::new();
    for (touch, version) in distinct_reads(index, key) {
        if let Some(writer) = index.committed_writer(key, version) {
            builder.add_edge(writer, touch.op, EdgeKinds::WR, key);
        }
        if version > ordered || !anti {
            continue; // shown only by a list that contradicts the longest: its place is unknown
        }
        match next[version as usize] {
            NONE => readers_of_last.push(touch.op),
            writer if writer != touch.op => builder.add_edge(touch.op, writer, EdgeKinds::RW, key),
            _ => {}
        }
    }
    join_all_pairs(&readers_of_last, &unlisted, EdgeKinds::RW, key, builder);
}

/// Transactions that took effect and appended what no read shows, in order of invocation.
pub(crate) fn unlisted_appenders(index: &TransactionIndex<'_>, key: KeyId) -> Vec<u32> {
    let versions = &index.versions(key)[index.key(key).strays as usize..];
    let committed =
        versions.iter().map(|version| version.op).filter(|&op| op != NONE && index.is_committed(op));
    let mut unlisted: Vec<u32> = committed.collect();
    unlisted.sort_unstable();
    unlisted.dedup();
    unlisted
}

/// An edge from each of the one side to each of the other but itself, O(both sides). `to` is sorted.
///
/// Up to two targets: directly. Else a chain of helpers over the targets from each end; who is itself a
/// target enters the one chain before its own place and the other after it.
fn join_all_pairs(
    from: &[u32],
    to: &[u32],
    kind: EdgeKinds,
    key: KeyId,
    builder: &mut DependencyGraphBuilder,
) {
    if to.len() <= 2 || from.len() <= 1 {
        for &from in from {
            for &to in to.iter().filter(|&&to| to != from) {
                builder.add_edge(from, to, kind, key);
            }
        }
        return;
    }
    let upwards: Vec<u32> = to.iter().map(|_| builder.add_helper()).collect();
    let downwards: Vec<u32> = to.iter().map(|_| builder.add_helper()).collect();
    for at in 0..to.len() {
        builder.add_edge(upwards[at], to[at], EdgeKinds::THROUGH, key);
        builder.add_edge(downwards[at], to[at], EdgeKinds::THROUGH, key);
        if at > 0 {
            builder.add_edge(upwards[at - 1], upwards[at], EdgeKinds::THROUGH, key);
            builder.add_edge(downwards[at], downwards[at - 1], EdgeKinds::THROUGH, key);
        }
    }
    for &from in from {
        match to.binary_search(&from) {
            Err(_) => builder.add_edge(from, upwards[0], kind, key),
            Ok(at) => {
                if at + 1 < to.len() {
                    builder.add_edge(from, upwards[at + 1], kind, key);
                }
                if at > 0 {
                    builder.add_edge(from, downwards[at - 1], kind, key);
                }
            }
        }
    }
}

fn add_register_edges(
    index: &TransactionIndex<'_>,
    key: KeyId,
    order: &[VersionEdge],
    anti: bool,
    builder: &mut DependencyGraphBuilder,
) {
    let mut readers: Vec<(u32, u32)> = Vec::new(); // (version, operation)
    for (touch, version) in distinct_reads(index, key) {
        if let Some(writer) = index.committed_writer(key, version) {
            builder.add_edge(writer, touch.op, EdgeKinds::WR, key);
        }
        if anti {
            readers.push((version, touch.op));
        }
    }
    readers.sort_unstable();
    let readers_of = |version: u32| {
        let start = readers.partition_point(|reader| reader.0 < version);
        readers[start..].iter().take_while(move |reader| reader.0 == version).map(|reader| reader.1)
    };
    let mut writers: Vec<u32> =
        index.versions(key).iter().map(|version| version.op).filter(|&op| op != NONE).collect();
    writers.retain(|&op| index.is_committed(op));
    writers.sort_unstable();
    writers.dedup();
    let first_readers: Vec<u32> = readers_of(0).collect();
    join_all_pairs(&first_readers, &writers, EdgeKinds::RW, key, builder);
    for edge in order {
        let (earlier, later) =
            (index.committed_writer(key, edge.earlier), index.committed_writer(key, edge.later));
        let Some(later) = later else { continue };
        // Of a read-modify-write the dependency is there already: it read from the earlier writer.
        if let Some(earlier) = earlier.filter(|&earlier| earlier != later && !edge.is_by_reading()) {
            builder.add_edge(earlier, later, EdgeKinds::WW, key);
        }
        for reader in readers_of(edge.earlier).filter(|&reader| reader != later) {
            builder.add_edge(reader, later, EdgeKinds::RW, key);
        }
    }
}

/// Anti-dependencies from a version to one that session order, or real time, shows to be later.
fn add_edges_by_order(
    index: &TransactionIndex<'_>,
    key: KeyId,
    extent: OrderExtent,
    builder: &mut DependencyGraphBuilder,
) {
    let session = EdgeKinds::RW.union(EdgeKinds::SESSION);
    let mut edges: Vec<(VersionEdge, EdgeKinds)> = Vec::new();
    if extent >= OrderExtent::Session {
        edges.extend(edges_by_session_touch(index, key).into_iter().map(|edge| (edge, session)));
    }
    if extent == OrderExtent::RealTime {
        edges.extend(
            edges_by_zones(index, key).into_iter().map(|edge| (edge, EdgeKinds::RW.union(EdgeKinds::TIME))),
        );
    }
    if edges.is_empty() {
        return;
    }
    let mut readers: Vec<(u32, u32)> =
        distinct_reads(index, key).map(|(at, version)| (version, at.op)).collect();
    readers.sort_unstable();
    for (edge, kind) in edges {
        let Some(later) = index.committed_writer(key, edge.later) else { continue };
        let start = readers.partition_point(|reader| reader.0 < edge.earlier);
        let same = readers[start..].iter().take_while(|reader| reader.0 == edge.earlier);
        same.filter(|reader| reader.1 != later)
            .for_each(|reader| builder.add_edge(reader.1, later, kind, key));
    }
}

/// Session order. Where no two operations of a session overlap, as in nearly all, one edge from each to the
/// next; else to each that follows immediately.
fn add_session_edges(
    index: &TransactionIndex<'_>,
    builder: &mut DependencyGraphBuilder,
    limits: &Limits<'_>,
) {
    let sessions = transactions_by_session(index.history, &index.states).into_iter();
    for session in sessions.take_while(|_| !limits.stop_requested()) {
        let ends = |op: u32| {
            let operation = index.history.operation(index.op_id(op));
            (operation.invoked, operation.completed)
        };
        let intervals: Vec<(u32, u32)> = session.iter().map(|&op| ends(op)).collect();
        for (at, range) in immediate_successors(&intervals).into_iter().enumerate() {
            for later in range {
                builder.add_edge(session[at], session[later], EdgeKinds::SESSION, KeyId::NONE);
            }
        }
    }
}

/// The committed transactions of each session that has any, in order of invocation.
pub(crate) fn transactions_by_session(history: &History, states: &[TransactionState]) -> Vec<Vec<u32>> {
    let mut sessions = vec![Vec::new(); history.sessions.len()];
    for id in history.ids().filter(|id| states[id.index()] == TransactionState::Committed) {
        sessions[history.session(id).index()].push(id.raw());
    }
    sessions.retain(|session| !session.is_empty());
    sessions
}

/// Of intervals (start, end) sorted by start: which follow each immediately, nothing fitting in between.
/// They are a range: those that start after its end and no later than the first end among them.
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

/// Whether a transaction writes a key.
pub(crate) fn contains_write(index: &TransactionIndex<'_>, touches: &[Touch]) -> bool {
    touches.iter().any(|&touch| !is_read(index.micro_at(touch.micro)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Immediate successors, closed transitively, are all successors: nothing is lost by thinning.
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
