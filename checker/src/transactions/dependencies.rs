//! From reads and writes to edges between transactions (Adya 1999, §3.1.1).
//!
//! * `ww`: the first transaction wrote a version of an object, the second wrote the next version.
//! * `wr`: the first transaction wrote a version, the second read it.
//! * `rw`: the first transaction read a version, the second wrote the next version (*anti-dependency*).
//!
//! For a list, the reads show the version order. If no read shows an append that took effect, that append comes after
//! all appends that were read; otherwise the longest read would show it. Two such appends stay unordered: every order
//! of them gives the same result for every read.
//!
//! "Every reader of the last version comes before every transaction whose append no read shows" is a product of two
//! sets. Helpers carry it with one edge for each member of either set ([`join`]).
//!
//! A transaction without a completion may have failed, and a dirty read may have shown its append. `ww` edges that leave it are marked, and
//! its neighbours that completed have an edge of their own.
//!
//! A write is skipped if it failed or if several transactions may have made it. The versions before and after it are
//! still in order.

use super::graph::{DependencyGraph, DependencyGraphBuilder, EdgeKinds, RealTimeChain};
use super::index::{KeyShape, NONE, Touch, TransactionIndex, TransactionState, UNKNOWN, is_read};
use super::key_facts::{immediate_successors, outside_reads, unlisted_appenders};
use super::versions::{VersionEdge, edges_by_session_touch};
use super::zones::edges_by_zones;
use claims::{CycleFamily, Limits, OrderExtent};
use histories::{History, Id, KeyId};

/// Builds the graph of all dependencies, with session and real-time edges as far as the extent needs them. `orders`
/// has the edges between versions of registers, by key. Anti-dependencies are included only if cycles beyond `G1c`
/// are searched for. If the check was stopped, edges are missing.
pub(crate) fn build_dependency_graph(
    index: &TransactionIndex<'_>,
    orders: &[Vec<VersionEdge>],
    extent: OrderExtent,
    deepest: CycleFamily,
    limits: &Limits<'_>,
) -> DependencyGraph {
    let anti = deepest > CycleFamily::G1c;
    let mut builder = DependencyGraphBuilder::new(index.history.len(), index.history.micros().len() / 2);
    // If a key was used both as a list and as a register, the versions that it went through are unknown.
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

/// The same, without reads that return the same version as the previous read of the same transaction.
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
    // next[v] is the writer of the first version after v; next[last] stays NONE.
    let mut next = vec![NONE; ordered as usize + 1];
    let mut after = NONE;
    let mut completed_after = NONE;
    for version in (1..=ordered).rev() {
        if let Some(writer) = index.committed_writer(key, version) {
            add_overwrites(index, writer, [after, completed_after], key, builder);
            after = writer;
            if index.has_completed(writer) {
                completed_after = writer;
            }
        }
        next[version as usize - 1] = after;
    }
    let mut writers = (1..=ordered).rev().filter_map(|version| index.committed_writer(key, version));
    let last_writer = writers.next();
    let last_completed = last_writer.into_iter().chain(writers).find(|&op| index.has_completed(op));
    let unlisted = unlisted_appenders(index, key);
    for &op in &unlisted {
        for last in
            [last_writer, last_completed.filter(|_| last_completed != last_writer)].into_iter().flatten()
        {
            add_overwrites(index, last, [op, NONE], key, builder);
        }
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

/// Adds edges from the writer of a version to that of the next one and, beyond transactions without a completion, to the next one that
/// certainly committed. `NONE` if there is no such writer.
fn add_overwrites(
    index: &TransactionIndex<'_>,
    writer: u32,
    [next, next_completed]: [u32; 2],
    key: KeyId,
    builder: &mut DependencyGraphBuilder,
) {
    let completed = index.has_completed(writer);
    let kind = if completed { EdgeKinds::WW } else { EdgeKinds::WW.union(EdgeKinds::INDETERMINATE) };
    if next != NONE && next != writer {
        builder.add_edge(writer, next, kind, key);
    }
    if completed && next_completed != NONE && next_completed != next && next_completed != writer {
        builder.add_edge(writer, next_completed, kind, key);
    }
}

/// Adds an edge from each transaction in `from` to each other transaction in `to`. O(both lengths). `to` is sorted.
///
/// With up to two targets the edges are added directly. Otherwise one chain of helpers runs over the targets upwards
/// and one downwards. A source that is itself a target enters the upward chain after its own place and the downward
/// chain before it.
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
        // For a read-modify-write the `wr` edge is already there: the later writer read from the earlier one.
        if let Some(earlier) = earlier.filter(|&earlier| earlier != later && !edge.is_by_reading()) {
            builder.add_edge(earlier, later, EdgeKinds::WW, key);
        }
        for reader in readers_of(edge.earlier).filter(|&reader| reader != later) {
            builder.add_edge(reader, later, EdgeKinds::RW, key);
        }
    }
}

/// Adds anti-dependencies from readers of a version to the writer of a version that session order or real time shows
/// to be later.
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

/// Adds session order. If no two operations of a session overlap, which is usual, each has one edge to the next.
/// Otherwise each has edges to its immediate successors.
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

/// The committed transactions of each session, in order of invocation. Sessions without any are left out.
pub(crate) fn transactions_by_session(history: &History, states: &[TransactionState]) -> Vec<Vec<u32>> {
    let mut sessions = vec![Vec::new(); history.sessions.len()];
    for id in history.ids().filter(|id| states[id.index()] == TransactionState::Committed) {
        sessions[history.session(id).index()].push(id.raw());
    }
    sessions.retain(|session| !session.is_empty());
    sessions
}

/// Whether any of these micro-operations is a write.
pub(crate) fn contains_write(index: &TransactionIndex<'_>, touches: &[Touch]) -> bool {
    touches.iter().any(|&touch| !is_read(index.micro_at(touch.micro)))
}
