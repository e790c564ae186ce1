//! Orders that prove a level: found by trying, believed only when replayed.
//!
//! *Serial, for registers.* The order of versions is known in part, and to find one that explains all reads is
//! NP-complete (Papadimitriou 1979). But a store that is serializable committed in *some* order, and mostly
//! the one in which it answered. So transactions are taken one by one, those first by which, or by whose
//! successors, an answer was given first (and if that fails, those that completed first), with three rules that every order must follow: what comes before in the graph was taken; each read finds the
//! version that it returned; and nobody overwrites a version that is yet to be read (values are written once,
//! so it would never come back). Read-only transactions are taken as soon as they can be, which cannot hurt.
//! Each transaction is looked at again only when a key that it waited for changed.
//!
//! Where all that is left waits, somebody was taken too early: a writer b waits for a reader of the version that a
//! wrote, and that reader, in the end, for b. So b should have been before a, or after the reader. The first is tried: b
//! before a becomes an edge, and everything is done again, a counted number of times. It is a guess, and a wrong one
//! costs nothing but the witness: what is found is replayed, and nothing found is *unknown*.
//!
//! A store that is strict leaves more to go by: the order of versions that [`by_zones`] finds is added first.
//!
//! *Snapshots, for lists.* Snapshot isolation gives each transaction two points, begin and commit (Cerone &
//! Gotsman 2016): a dependency leads from a commit to a beginning, an anti-dependency from a beginning to a
//! commit. Where the order of versions is total, that graph has an order exactly if no cycle has all its
//! anti-dependencies apart. Appends that no read shows are put in order of completion, those of transactions
//! that read the key first.

use super::analysis::Point;
use super::anomaly::VersionEvidence;
use super::cycles::kinds_of;
use super::dependencies::{outside_reads, unlisted, writes};
use super::graph::{Builder, Components, Graph, Kinds, Scope};
use super::index::{Index, NONE, Shape};
use super::phenomenon::{Extent, Family};
use super::versions::VersionEdge;
use crate::Limits;
use histories::{Id, KeyId, OpId};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A serial order of all committed transactions that explains all reads of registers and extends the graph.
pub(crate) fn serial(
    index: &Index<'_>,
    graph: &Graph,
    extent: Extent,
    limits: &Limits<'_>,
) -> Option<Vec<OpId>> {
    let committed = index.states.iter().filter(|&&state| state == super::index::State::Committed).count();
    let kinds = kinds_of(Family::G2, extent);
    let completions = completions(index, graph);
    let middles = (0..).zip(&completions).map(|(vertex, &end)| middle(index, graph, vertex, end)).collect();
    for order in [deadlines(graph, kinds, &completions, limits), completions, middles] {
        let mut mended: Vec<(u32, u32)> = Vec::new();
        let rounds = (WORK_MAX / graph.vertices().max(1)).clamp(2, ROUNDS_MAX);
        for _ in 0..rounds {
            if limits.stopped() {
                return None;
            }
            let mut schedule = Schedule::new(index, graph, kinds, &order, &mended);
            schedule.run(limits);
            if schedule.taken.len() == committed {
                return Some(schedule.taken);
            }
            let before = mended.len();
            mended.extend(schedule.misplaced());
            mended.sort_unstable();
            mended.dedup();
            if mended.len() == before {
                break;
            }
        }
    }
    None
}

/// How often an order is mended, and the work, in vertices, that all rounds together may take.
const ROUNDS_MAX: usize = 48;
const WORK_MAX: usize = 1 << 24;

/// The middle between an operation's invocation and its completion.
fn middle(index: &Index<'_>, graph: &Graph, vertex: u32, end: u32) -> u32 {
    if !graph.is_operation(vertex) || end == histories::NEVER {
        return end;
    }
    let start = index.history.operation(index.op(vertex)).invoked;
    start + (end - start) / 2
}

/// The order of versions that real time leaves no choice in, if each transaction happens at one moment: what is
/// done with one version (its write, its reads) is done before anything is done with the next. So if anything that
/// touches a completed before something that touches b was invoked, a comes before b: the zones of Gibbons & Korach
/// (1997). Only orders to try are made of this, so it need not be all: each version leads to those
/// that must follow it immediately, as far as the next [`FOLLOWING_MAX`].
pub(crate) fn by_zones(index: &Index<'_>, key: KeyId) -> Vec<VersionEdge> {
    let versions = index.versions(key);
    // Of each version: the first completion and the last invocation among all that touch it.
    let mut zones: Vec<(u32, u32, u32)> =
        (1..=versions.len() as u32).map(|v| (histories::NEVER, 0, v)).collect();
    let mut touch = |version: u32, op: u32| {
        let operation = index.history.operation(index.op(op));
        let zone = &mut zones[version as usize - 1];
        (zone.0, zone.1) = (zone.0.min(operation.completed), zone.1.max(operation.invoked));
    };
    for version in 1..=versions.len() as u32 {
        if let Some(writer) = index.writer(key, version) {
            touch(version, writer);
        }
    }
    for (read, version) in outside_reads(index, key).filter(|&(_, version)| version > 0) {
        touch(version, read.op);
    }
    let installed = |version: u32| {
        index.writer(key, version).is_some() && !index.versions(key)[version as usize - 1].intermediate
    };
    zones.retain(|&(_, _, version)| installed(version));
    zones.sort_unstable_by_key(|&(end, start, version)| (u64::from(end) + u64::from(start), version));
    let mut edges = Vec::new();
    for (at, &(end, _, earlier)) in zones.iter().enumerate() {
        let mut covered = histories::NEVER;
        for &(other_end, start, later) in zones[at + 1..].iter().take(FOLLOWING_MAX) {
            // What follows one that follows is reached by way of that.
            if end < start && covered >= start {
                edges.push(VersionEdge { earlier, later, evidence: VersionEvidence::RealTime });
                covered = covered.min(other_end);
            }
        }
    }
    edges
}

/// How many versions are looked at for those that must follow.
const FOLLOWING_MAX: usize = 64;

/// When each operation completed; helpers never do.
fn completions(index: &Index<'_>, graph: &Graph) -> Vec<u32> {
    let completed = index.history.operations().map(|operation| operation.completed);
    completed.chain(std::iter::repeat(histories::NEVER)).take(graph.vertices()).collect()
}

/// By when each must have been taken for all that come after it to be in time: the earliest of its own completion
/// and theirs.
fn deadlines(graph: &Graph, kinds: Kinds, completions: &[u32], limits: &Limits<'_>) -> Vec<u32> {
    let scope = Scope { kinds, within: None, nonadjacent: false, stop: limits.stop };
    let vertices = 0..graph.vertices() as u32;
    let components = Components::find(graph, scope, vertices.clone());
    let mut sinks_first: Vec<u32> = vertices.collect();
    sinks_first.sort_unstable_by_key(|&vertex| components.number[vertex as usize]);
    let mut deadlines = completions.to_vec();
    for vertex in sinks_first {
        let mut cursor = 0;
        while let Some((arc, next)) = graph.next(vertex, cursor, kinds) {
            cursor = next;
            deadlines[vertex as usize] = deadlines[vertex as usize].min(deadlines[arc.to as usize]);
        }
    }
    deadlines
}

/// What a transaction does to one register.
#[derive(Clone, Copy)]
struct Use {
    key: KeyId,
    /// The version that it must find; [`NONE`] if it reads none from outside.
    reads: u32,
    /// The version that it leaves; [`NONE`] if it writes none.
    leaves: u32,
}

struct Schedule<'a, 'h> {
    index: &'a Index<'h>,
    graph: &'a Graph,
    kinds: Kinds,
    uses: Vec<Use>,
    starts: Vec<u32>,
    /// Who is ready is taken in this order.
    priority: &'a [u32],
    /// Further edges, by where they come from.
    mended: &'a [(u32, u32)],
    /// How many edges into each vertex are not yet satisfied.
    entering: Vec<u32>,
    current: Vec<u32>,
    /// Of each version of each register, how many transactions are yet to read it.
    readers: Vec<Vec<u32>>,
    ready: BinaryHeap<Reverse<(bool, u32, u32)>>,
    waiting: Vec<Vec<u32>>,
    taken: Vec<OpId>,
}

impl<'a, 'h> Schedule<'a, 'h> {
    fn new(
        index: &'a Index<'h>,
        graph: &'a Graph,
        kinds: Kinds,
        priority: &'a [u32],
        mended: &'a [(u32, u32)],
    ) -> Self {
        let (uses, starts) = uses(index);
        let mut readers: Vec<Vec<u32>> =
            index.key_ids().map(|key| vec![0; index.versions(key).len() + 1]).collect();
        for each in uses.iter().filter(|each| each.reads != NONE) {
            readers[each.key.index()][each.reads as usize] += 1;
        }
        let mut schedule = Self {
            index,
            graph,
            kinds,
            uses,
            starts,
            priority,
            mended,
            entering: vec![0; graph.vertices()],
            current: vec![0; index.keys.len()],
            readers,
            ready: BinaryHeap::new(),
            waiting: vec![Vec::new(); index.keys.len()],
            taken: Vec::new(),
        };
        for vertex in 0..graph.vertices() as u32 {
            let mut cursor = 0;
            while let Some((arc, next)) = graph.next(vertex, cursor, kinds) {
                cursor = next;
                schedule.entering[arc.to as usize] += 1;
            }
        }
        for &(_, later) in mended {
            schedule.entering[later as usize] += 1;
        }
        schedule
    }

    /// Of each key on which somebody waits to write: that it should have been before whoever wrote the version that is
    /// yet to be read, unless that had completed before.
    fn misplaced(&self) -> Vec<(u32, u32)> {
        let mut pairs = Vec::new();
        for key in self.index.key_ids() {
            let Some(current) = self.index.writer(key, self.current[key.index()]) else { continue };
            let operation = |op: u32| self.index.history.operation(self.index.op(op));
            let waiting = self.waiting[key.index()].iter().copied();
            let may_precede = |&op: &u32| {
                op != current
                    && self.uses_of(op).iter().any(|each| each.key == key && each.leaves != NONE)
                    && !operation(current).precedes(&operation(op))
            };
            if let Some(first) = waiting.filter(may_precede).min_by_key(|&op| self.priority[op as usize]) {
                pairs.push((first, current));
            }
        }
        pairs
    }

    fn run(&mut self, limits: &Limits<'_>) {
        let mut steps = limits.steps;
        let free: Vec<u32> =
            (0..self.graph.vertices() as u32).filter(|&vertex| self.entering[vertex as usize] == 0).collect();
        for vertex in free {
            self.offer(vertex);
        }
        while let Some(Reverse((_, _, op))) = self.ready.pop() {
            if steps == 0 || limits.stopped() {
                return;
            }
            steps -= 1;
            match self.obstacle(op) {
                Some(key) => self.waiting[key.index()].push(op),
                None => self.take(op),
            }
        }
    }

    /// A vertex all of whose predecessors were taken: an operation is ready; a helper is passed through, and
    /// so is a transaction that never happened.
    fn offer(&mut self, vertex: u32) {
        let mut passing = vec![vertex];
        while let Some(vertex) = passing.pop() {
            if self.graph.is_operation(vertex) && self.index.committed(vertex) {
                self.make_ready(vertex);
            } else {
                self.satisfy(vertex, &mut passing);
            }
        }
    }

    /// Counts the edges out of a vertex as satisfied.
    fn satisfy(&mut self, vertex: u32, freed: &mut Vec<u32>) {
        let mut cursor = 0;
        while let Some((arc, next)) = self.graph.next(vertex, cursor, self.kinds) {
            cursor = next;
            let entering = &mut self.entering[arc.to as usize];
            *entering -= 1;
            if *entering == 0 {
                freed.push(arc.to);
            }
        }
        let start = self.mended.partition_point(|pair| pair.0 < vertex);
        for &(_, later) in self.mended[start..].iter().take_while(|pair| pair.0 == vertex) {
            let entering = &mut self.entering[later as usize];
            *entering -= 1;
            if *entering == 0 {
                freed.push(later);
            }
        }
    }

    fn make_ready(&mut self, op: u32) {
        let writes = self.uses_of(op).iter().any(|each| each.leaves != NONE);
        self.ready.push(Reverse((writes, self.priority[op as usize], op)));
    }

    fn uses_of(&self, op: u32) -> &[Use] {
        &self.uses[self.starts[op as usize] as usize..self.starts[op as usize + 1] as usize]
    }

    /// A key that does not let a transaction be taken now.
    fn obstacle(&self, op: u32) -> Option<KeyId> {
        let blocked = |each: &&Use| {
            let current = self.current[each.key.index()];
            let misreads = each.reads != NONE && each.reads != current;
            let own = u32::from(each.reads == current);
            let overwrites = each.leaves != NONE && self.readers[each.key.index()][current as usize] > own;
            misreads || overwrites
        };
        self.uses_of(op).iter().find(blocked).map(|each| each.key)
    }

    fn take(&mut self, op: u32) {
        self.taken.push(self.index.op(op));
        for at in self.starts[op as usize]..self.starts[op as usize + 1] {
            let each = self.uses[at as usize];
            let key = each.key.index();
            if each.reads != NONE {
                self.readers[key][each.reads as usize] -= 1;
            }
            if each.leaves != NONE {
                self.current[key] = each.leaves;
            }
            if each.leaves != NONE || self.readers[key][self.current[key] as usize] <= 1 {
                for waiting in std::mem::take(&mut self.waiting[key]) {
                    self.make_ready(waiting);
                }
            }
        }
        let mut freed = Vec::new();
        self.satisfy(op, &mut freed);
        for vertex in freed {
            self.offer(vertex);
        }
    }
}

/// What each transaction does to registers, by transaction.
fn uses(index: &Index<'_>) -> (Vec<Use>, Vec<u32>) {
    let mut by_op: Vec<(u32, Use)> = Vec::new();
    let registers = index.key_ids().filter(|&key| index.key(key).shape == Shape::Register);
    for key in registers {
        for group in index.touches(key).chunk_by(|a, b| a.op == b.op) {
            if !index.committed(group[0].op) {
                continue;
            }
            let version = |touch: &super::index::Touch| index.version_of[touch.micro as usize];
            let reads = if index.is_known_read(group[0]) { version(&group[0]) } else { NONE };
            let last_write = group.iter().rfind(|touch| writes(index, std::slice::from_ref(touch)));
            let leaves = last_write.map_or(NONE, version);
            if reads != NONE || leaves != NONE {
                by_op.push((group[0].op, Use { key, reads, leaves }));
            }
        }
    }
    by_op.sort_by_key(|&(op, each)| (op, each.key));
    let mut starts = vec![0u32; index.history.len() + 1];
    for &(op, _) in &by_op {
        starts[op as usize + 1] += 1;
    }
    for op in 1..starts.len() {
        starts[op] += starts[op - 1];
    }
    (by_op.into_iter().map(|(_, each)| each).collect(), starts)
}

/// An order of beginnings and commits; none if there is none with the appends that no read shows in the order
/// that was tried, or if there are registers.
pub(crate) fn snapshots(
    index: &Index<'_>,
    graph: &Graph,
    extent: Extent,
    limits: &Limits<'_>,
) -> Option<Vec<Point>> {
    let register = |key| index.key(key).shape == Shape::Register && !index.versions(key).is_empty();
    if index.key_ids().any(register) {
        return None;
    }
    let count = index.history.len() as u32;
    let points = points(index, graph, extent);
    let scope = Scope { kinds: Kinds::THROUGH, within: None, nonadjacent: false, stop: limits.stop };
    let components = Components::find(&points, scope, 0..2 * count);
    if !components.nontrivial.is_empty() || limits.stopped() {
        return None;
    }
    let mut order: Vec<u32> = (0..2 * count).collect();
    order.sort_unstable_by_key(|&point| Reverse(components.number[point as usize]));
    let committed = order.into_iter().filter(|&point| index.committed(point % count));
    let name = |point: u32| match point < count {
        true => Point::Begin(OpId::from_raw(point)),
        false => Point::Commit(OpId::from_raw(point - count)),
    };
    Some(committed.map(name).collect())
}

/// The graph of points: beginnings, commits, then the helpers and moments of the other graph.
fn points(index: &Index<'_>, graph: &Graph, extent: Extent) -> Graph {
    let count = graph.operations();
    let mut builder = Builder::new(2 * count as usize, 4 * count as usize);
    for _ in count..graph.vertices() as u32 {
        builder.helper();
    }
    let kinds = kinds_of(Family::G2, extent);
    // Anti-dependencies lead from a beginning to a commit, all else from a commit to a beginning. Of lists,
    // only anti-dependencies go through helpers.
    for vertex in 0..graph.vertices() as u32 {
        if graph.is_operation(vertex) {
            builder.edge(vertex, vertex + count, Kinds::THROUGH, KeyId::NONE);
        }
        let mut cursor = 0;
        while let Some((arc, next)) = graph.next(vertex, cursor, kinds) {
            cursor = next;
            let anti = arc.kind.has(Kinds::RW.and(Kinds::THROUGH));
            let from = match graph.is_operation(vertex) {
                true if anti => vertex,
                _ => vertex + count,
            };
            let to = match graph.is_operation(arc.to) {
                true if !anti => arc.to,
                _ => arc.to + count,
            };
            builder.edge(from, to, Kinds::THROUGH, arc.key);
        }
    }
    for key in index.key_ids() {
        order_unlisted(index, key, count, &mut builder);
    }
    builder.finish(None)
}

fn order_unlisted(index: &Index<'_>, key: KeyId, count: u32, builder: &mut Builder) {
    let mut unlisted = unlisted(index, key);
    if unlisted.len() < 2 {
        return;
    }
    let readers: Vec<u32> = outside_reads(index, key).map(|(touch, _)| touch.op).collect();
    unlisted.sort_by_key(|&op| {
        let operation = index.history.operation(index.op(op));
        (readers.binary_search(&op).is_err(), operation.completed, op)
    });
    for pair in unlisted.windows(2) {
        builder.edge(pair[0] + count, pair[1], Kinds::THROUGH, key);
    }
}
