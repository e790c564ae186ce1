//! The constraints of an order in the form that the search needs: what each transaction does to registers, and which
//! transactions read each version.
//!
//! In a serial order each transaction is one vertex. In an order of snapshots it is two: at its begin point it reads, at
//! its commit point its writes take effect, and between the two no other transaction commits a write to a key that it
//! writes. For lists, the version order is in the graph, except for appends that no read shows. Those count as writes that
//! nobody reads: no two transactions with such an append to one key may be open at once.

use crate::transactions::cycles::edge_kinds_for;
use crate::transactions::dependencies::contains_write;
use crate::transactions::graph::{DependencyGraph, EdgeKinds};
use crate::transactions::index::{KeyShape, NONE, Touch, TransactionIndex, UNKNOWN};
use crate::transactions::key_facts::unlisted_appenders;
use claims::{CycleFamily, Limits, OrderExtent};
use histories::{Id, KeyId};

/// What a transaction does to one register.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegisterUse {
    pub key: KeyId,
    /// The version that the transaction must find; [`NONE`] if it reads none of another transaction.
    pub reads: u32,
    /// The version that it leaves; [`NONE`] if it writes none.
    pub leaves: u32,
}

/// What all transactions do to registers.
pub(crate) struct RegisterUses {
    uses: Vec<RegisterUse>,
    /// Where the uses of each transaction begin.
    starts: Vec<u32>,
}

impl RegisterUses {
    /// O(micro-operations). The result is incomplete if the check was stopped.
    pub(crate) fn collect(index: &TransactionIndex<'_>, in_points: bool, limits: &Limits<'_>) -> Self {
        let mut starts = vec![0u32; index.history.len() + 1];
        for_each_use(index, in_points, limits, |op, _| starts[op as usize + 1] += 1);
        for op in 1..starts.len() {
            starts[op] += starts[op - 1];
        }
        let mut next = starts.clone();
        let nothing = RegisterUse { key: KeyId::NONE, reads: NONE, leaves: NONE };
        let mut uses = vec![nothing; starts[starts.len() - 1] as usize];
        for_each_use(index, in_points, limits, |op, each| {
            uses[next[op as usize] as usize] = each;
            next[op as usize] += 1;
        });
        Self { uses, starts }
    }

    /// What one transaction does, in the order of keys.
    pub(super) fn of_transaction(&self, op: u32) -> &[RegisterUse] {
        &self.uses[self.starts[op as usize] as usize..self.starts[op as usize + 1] as usize]
    }

    pub(super) fn transaction_count(&self) -> u32 {
        self.starts.len() as u32 - 1
    }
}

pub(super) struct SerialProblem<'a, 'h> {
    pub index: &'a TransactionIndex<'h>,
    pub graph: &'a DependencyGraph,
    pub kinds: EdgeKinds,
    pub extent: OrderExtent,
    /// How many operations there are, if beginnings and commits are placed: commits are numbered on after beginnings.
    commits_from: Option<u32>,
    uses: RegisterUses,
    /// The number of each key's initial version among all versions. The key's other versions follow.
    first_versions: Vec<u32>,
    /// Where the readers of each version begin.
    reader_starts: Vec<u32>,
    readers: Vec<u32>,
}

impl<'a, 'h> SerialProblem<'a, 'h> {
    /// O(micro-operations).
    pub(super) fn new(
        index: &'a TransactionIndex<'h>,
        uses: RegisterUses,
        graph: &'a DependencyGraph,
        extent: OrderExtent,
        in_points: bool,
    ) -> Self {
        let mut first_versions = vec![0u32; index.keys.len() + 1];
        for key in index.key_ids() {
            let after = first_versions[key.index()] + index.versions(key).len() as u32 + 1;
            first_versions[key.index() + 1] = after;
        }
        let mut problem = SerialProblem {
            index,
            graph,
            // The graph of points has no others.
            kinds: if in_points { EdgeKinds(u8::MAX) } else { edge_kinds_for(CycleFamily::G2, extent) },
            extent,
            commits_from: in_points.then(|| index.history.len() as u32),
            uses,
            first_versions,
            reader_starts: Vec::new(),
            readers: Vec::new(),
        };
        problem.index_readers();
        problem
    }

    fn index_readers(&mut self) {
        let mut starts = vec![0u32; self.version_count() + 1];
        for each in self.uses.uses.iter().filter(|each| each.reads != NONE) {
            starts[self.version_number(each.key, each.reads) as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut readers = vec![NONE; starts[starts.len() - 1] as usize];
        for op in 0..self.uses.transaction_count() {
            for each in self.uses_of_transaction(op).iter().filter(|each| each.reads != NONE) {
                let place = &mut next[self.version_number(each.key, each.reads) as usize];
                readers[*place as usize] = op;
                *place += 1;
            }
        }
        (self.reader_starts, self.readers) = (starts, readers);
    }

    /// The number of versions of all keys, including the initial ones.
    pub(super) fn version_count(&self) -> usize {
        self.first_versions[self.first_versions.len() - 1] as usize
    }

    /// The number of a key's version among all versions.
    pub(super) fn version_number(&self, key: KeyId, version: u32) -> u32 {
        self.first_versions[key.index()] + version
    }

    pub(super) fn readers_of_version(&self, version: u32) -> &[u32] {
        let range = self.reader_starts[version as usize]..self.reader_starts[version as usize + 1];
        &self.readers[range.start as usize..range.end as usize]
    }

    /// What the transaction of a vertex does.
    pub(super) fn uses_of_transaction(&self, vertex: u32) -> &[RegisterUse] {
        self.uses.of_transaction(self.op(vertex))
    }

    /// Whether a vertex is a transaction, or a point of one, that must be placed. All other vertices are only passed through.
    pub(super) fn is_placeable(&self, vertex: u32) -> bool {
        self.graph.is_operation(vertex) && self.index.is_committed(self.op(vertex))
    }

    /// The transaction of a vertex.
    pub(super) fn op(&self, vertex: u32) -> u32 {
        match self.commits_from {
            Some(count) if vertex >= count => vertex - count,
            _ => vertex,
        }
    }

    /// Where a transaction's reads are placed, and its key is taken by it alone.
    pub(super) fn begins(&self, vertex: u32) -> bool {
        self.commits_from.is_none_or(|count| vertex < count)
    }

    /// Where its writes are placed.
    pub(super) fn commits(&self, vertex: u32) -> bool {
        self.commits_from.is_none_or(|count| vertex >= count)
    }

    pub(super) fn in_points(&self) -> bool {
        self.commits_from.is_some()
    }

    /// The vertex of a transaction's writes.
    pub(super) fn commit_of(&self, op: u32) -> u32 {
        op + self.commits_from.unwrap_or(0)
    }
}

/// Calls `found` for each use, key by key. So the uses of one transaction come in the order of keys.
fn for_each_use(
    index: &TransactionIndex<'_>,
    in_points: bool,
    limits: &Limits<'_>,
    mut found: impl FnMut(u32, RegisterUse),
) {
    for key in index.key_ids().take_while(|_| !limits.stop_requested()) {
        if index.key(key).shape == KeyShape::List {
            for op in if in_points { unlisted_appenders(index, key) } else { Vec::new() } {
                let leaves = unlisted_version(index, key, op);
                found(op, RegisterUse { key, reads: NONE, leaves });
            }
            continue;
        }
        let of_one = index.touches(key).chunk_by(|a, b| a.op == b.op);
        for group in of_one.filter(|group| index.is_committed(group[0].op)) {
            let version = |touch: &Touch| index.version_of[touch.micro as usize];
            let reads = if index.is_known_read(group[0]) { version(&group[0]) } else { NONE };
            let last_write = group.iter().rfind(|touch| contains_write(index, std::slice::from_ref(touch)));
            let leaves = last_write.map_or(NONE, version);
            if reads != NONE || leaves != NONE {
                found(group[0].op, RegisterUse { key, reads, leaves });
            }
        }
    }
}

/// The version that an append left which no read shows.
fn unlisted_version(index: &TransactionIndex<'_>, key: KeyId, op: u32) -> u32 {
    let touches = index.touches(key);
    let start = touches.partition_point(|touch| touch.op < op);
    let appends = touches[start..].iter().take_while(|touch| touch.op == op);
    let versions = appends.map(|touch| index.version_of[touch.micro as usize]);
    let unread = versions.filter(|&version| version > index.key(key).strays && version < UNKNOWN);
    unread.last().expect("it appended what no read shows")
}
