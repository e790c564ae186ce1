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
//! A write is skipped if it failed or if several transactions may have made it. The versions before and after it are
//! still in order.

use super::graph::{Builder, Graph, Kinds, Timeline};
use super::index::{Index, KeyShape, NONE, State, Touch, UNKNOWN, is_read};
use super::versions::{VersionEdge, by_touch_in_sessions};
use super::witness::by_zones;
use claims::{CycleFamily, Limits, OrderExtent};
use histories::{History, Id, KeyId, NEVER};

/// Builds the graph of all dependencies, with session and real-time edges as far as the extent needs them. `orders`
/// has the edges between versions of registers, by key. Anti-dependencies are included only if cycles beyond `G1c`
/// are searched for. If the check was stopped, edges are missing.
pub(crate) fn graph(
    index: &Index<'_>,
    orders: &[Vec<VersionEdge>],
    extent: OrderExtent,
    deepest: CycleFamily,
    limits: &Limits<'_>,
) -> Graph {
    let anti = deepest > CycleFamily::G1c;
    let mut builder = Builder::new(index.history.len(), index.history.micros().len() / 2);
    // If a key was used both as a list and as a register, the versions that it went through are unknown.
    let plain = index.key_ids().filter(|key| index.mixed.binary_search(key).is_err());
    for key in plain.take_while(|_| !limits.stopped()) {
        match index.key(key).shape {
            KeyShape::List => list(index, key, anti, &mut builder),
            KeyShape::Register => {
                register(index, key, &orders[key.index()], anti, &mut builder);
                if anti {
                    by_order(index, key, extent, &mut builder);
                }
            }
        }
    }
    if extent >= OrderExtent::Session {
        sessions(index, &mut builder, limits);
    }
    builder.finish((extent == OrderExtent::RealTime).then(|| Timeline::new(index.history)), limits)
}

/// Reads, each with the version that other transactions had left for it to return.
pub(crate) fn outside_reads<'a>(index: &'a Index<'_>, key: KeyId) -> impl Iterator<Item = (Touch, u32)> + 'a {
    index
        .touches(key)
        .iter()
        .copied()
        .filter_map(move |touch| Some((touch, index.outside_version(key, touch)?)))
}

/// The same, without reads that return the same version as the previous read of the same transaction.
fn distinct_reads<'a>(index: &'a Index<'_>, key: KeyId) -> impl Iterator<Item = (Touch, u32)> + 'a {
    let mut before = (NONE, UNKNOWN);
    outside_reads(index, key).filter(move |&(touch, version)| {
        std::mem::replace(&mut before, (touch.op, version)) != (touch.op, version)
    })
}

fn list(index: &Index<'_>, key: KeyId, anti: bool, builder: &mut Builder) {
    let ordered = index.key(key).ordered;
    // next[v] is the writer of the first version after v; next[last] stays NONE.
    let mut next = vec![NONE; ordered as usize + 1];
    let mut after = NONE;
    for version in (1..=ordered).rev() {
        if let Some(writer) = index.writer(key, version) {
            if after != NONE && writer != after {
                builder.edge(writer, after, Kinds::WW, key);
            }
            after = writer;
        }
        next[version as usize - 1] = after;
    }
    let last_writer = (1..=ordered).rev().find_map(|version| index.writer(key, version));
    let unlisted = unlisted(index, key);
    for &op in unlisted.iter().filter(|&&op| last_writer.is_some_and(|last| last != op)) {
        builder.edge(last_writer.expect("just tested"), op, Kinds::WW, key);
    }
    let mut readers_of_last = Vec::new();
    for (touch, version) in distinct_reads(index, key) {
        if let Some(writer) = index.writer(key, version) {
            builder.edge(writer, touch.op, Kinds::WR, key);
        }
        if version > ordered || !anti {
            continue; // shown only by a list that contradicts the longest: its place is unknown
        }
        match next[version as usize] {
            NONE => readers_of_last.push(touch.op),
            writer if writer != touch.op => builder.edge(touch.op, writer, Kinds::RW, key),
            _ => {}
        }
    }
    join(&readers_of_last, &unlisted, Kinds::RW, key, builder);
}

/// Transactions that took effect and whose appends no read shows, in order of invocation.
pub(crate) fn unlisted(index: &Index<'_>, key: KeyId) -> Vec<u32> {
    let versions = &index.versions(key)[index.key(key).strays as usize..];
    let committed = versions.iter().map(|version| version.op).filter(|&op| op != NONE && index.committed(op));
    let mut unlisted: Vec<u32> = committed.collect();
    unlisted.sort_unstable();
    unlisted.dedup();
    unlisted
}

/// Adds an edge from each transaction in `from` to each other transaction in `to`. O(both lengths). `to` is sorted.
///
/// With up to two targets the edges are added directly. Otherwise one chain of helpers runs over the targets upwards
/// and one downwards. A source that is itself a target enters the upward chain after its own place and the downward
/// chain before it.
fn join(from: &[u32], to: &[u32], kind: Kinds, key: KeyId, builder: &mut Builder) {
    if to.len() <= 2 || from.len() <= 1 {
        for &from in from {
            for &to in to.iter().filter(|&&to| to != from) {
                builder.edge(from, to, kind, key);
            }
        }
        return;
    }
    let upwards: Vec<u32> = to.iter().map(|_| builder.helper()).collect();
    let downwards: Vec<u32> = to.iter().map(|_| builder.helper()).collect();
    for at in 0..to.len() {
        builder.edge(upwards[at], to[at], Kinds::THROUGH, key);
        builder.edge(downwards[at], to[at], Kinds::THROUGH, key);
        if at > 0 {
            builder.edge(upwards[at - 1], upwards[at], Kinds::THROUGH, key);
            builder.edge(downwards[at], downwards[at - 1], Kinds::THROUGH, key);
        }
    }
    for &from in from {
        match to.binary_search(&from) {
            Err(_) => builder.edge(from, upwards[0], kind, key),
            Ok(at) => {
                if at + 1 < to.len() {
                    builder.edge(from, upwards[at + 1], kind, key);
                }
                if at > 0 {
                    builder.edge(from, downwards[at - 1], kind, key);
                }
            }
        }
    }
}

fn register(index: &Index<'_>, key: KeyId, order: &[VersionEdge], anti: bool, builder: &mut Builder) {
    let mut readers: Vec<(u32, u32)> = Vec::new(); // (version, operation)
    for (touch, version) in distinct_reads(index, key) {
        if let Some(writer) = index.writer(key, version) {
            builder.edge(writer, touch.op, Kinds::WR, key);
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
    writers.retain(|&op| index.committed(op));
    writers.sort_unstable();
    writers.dedup();
    let first_readers: Vec<u32> = readers_of(0).collect();
    join(&first_readers, &writers, Kinds::RW, key, builder);
    for edge in order {
        let (earlier, later) = (index.writer(key, edge.earlier), index.writer(key, edge.later));
        let Some(later) = later else { continue };
        // For a read-modify-write the `wr` edge is already there: the later writer read from the earlier one.
        if let Some(earlier) = earlier.filter(|&earlier| earlier != later && !edge.by_reading()) {
            builder.edge(earlier, later, Kinds::WW, key);
        }
        for reader in readers_of(edge.earlier).filter(|&reader| reader != later) {
            builder.edge(reader, later, Kinds::RW, key);
        }
    }
}

/// Adds anti-dependencies from readers of a version to the writer of a version that session order or real time shows
/// to be later.
fn by_order(index: &Index<'_>, key: KeyId, extent: OrderExtent, builder: &mut Builder) {
    let session = Kinds::RW.and(Kinds::SESSION);
    let mut edges: Vec<(VersionEdge, Kinds)> = Vec::new();
    if extent >= OrderExtent::Session {
        edges.extend(by_touch_in_sessions(index, key).into_iter().map(|edge| (edge, session)));
    }
    if extent == OrderExtent::RealTime {
        edges.extend(by_zones(index, key).into_iter().map(|edge| (edge, Kinds::RW.and(Kinds::TIME))));
    }
    if edges.is_empty() {
        return;
    }
    let mut readers: Vec<(u32, u32)> =
        distinct_reads(index, key).map(|(at, version)| (version, at.op)).collect();
    readers.sort_unstable();
    for (edge, kind) in edges {
        let Some(later) = index.writer(key, edge.later) else { continue };
        let start = readers.partition_point(|reader| reader.0 < edge.earlier);
        let same = readers[start..].iter().take_while(|reader| reader.0 == edge.earlier);
        same.filter(|reader| reader.1 != later).for_each(|reader| builder.edge(reader.1, later, kind, key));
    }
}

/// Adds session order. If no two operations of a session overlap, which is usual, each has one edge to the next.
/// Otherwise each has edges to its immediate successors.
fn sessions(index: &Index<'_>, builder: &mut Builder, limits: &Limits<'_>) {
    let sessions = by_session(index.history, &index.states).into_iter();
    for session in sessions.take_while(|_| !limits.stopped()) {
        let ends = |op: u32| {
            let operation = index.history.operation(index.op(op));
            (operation.invoked, operation.completed)
        };
        let intervals: Vec<(u32, u32)> = session.iter().map(|&op| ends(op)).collect();
        for (at, range) in immediate_successors(&intervals).into_iter().enumerate() {
            for later in range {
                builder.edge(session[at], session[later], Kinds::SESSION, KeyId::NONE);
            }
        }
    }
}

/// The committed transactions of each session, in order of invocation. Sessions without any are left out.
pub(crate) fn by_session(history: &History, states: &[State]) -> Vec<Vec<u32>> {
    let mut sessions = vec![Vec::new(); history.sessions.len()];
    for id in history.ids().filter(|id| states[id.index()] == State::Committed) {
        sessions[history.session(id).index()].push(id.raw());
    }
    sessions.retain(|session| !session.is_empty());
    sessions
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

/// Whether any of these micro-operations is a write.
pub(crate) fn writes(index: &Index<'_>, touches: &[Touch]) -> bool {
    touches.iter().any(|&touch| !is_read(index.micro(touch.micro)))
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
