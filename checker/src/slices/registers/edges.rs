//! The edges between the transactions that use one register.

use super::key::RegularRegister;
use crate::slices::key_edges::{EdgeList, irregular_edges};
use crate::slices::{KeyEdges, KeyStep, KeyUse, PlacedTransaction, Vertex};
use histories::Outcome;
use std::collections::BTreeMap;

/// Computes what one register contributes, from everything that was done to it. `key` is a number for the key, which should be its own.
/// O(n log n).
pub fn register_edges(key: u64, uses: &[KeyUse]) -> KeyEdges {
    let has_reads = uses.iter().flat_map(|of| &of.steps).any(|step| matches!(step, KeyStep::Read(_)));
    let edges = match RegularRegister::new(uses) {
        Some(register) => register.edges(key),
        None => irregular_edges(uses),
    };
    KeyEdges { has_reads, ..edges }
}

/// The transactions that have to be added to slices: the number of the slice, and the transaction. `slice_of` says in which slice a
/// transaction is. If a slice has several writers of the key, one later reader of the last of them is added; the writer of an
/// earlier version is added if another transaction of the slice may have overwritten it. O(n log n).
pub fn register_witnesses(
    uses: &[KeyUse],
    slice_of: impl Fn(&PlacedTransaction) -> Option<u32>,
) -> Vec<(u32, PlacedTransaction)> {
    let Some(register) = RegularRegister::new(uses) else { return Vec::new() };
    let slices: Vec<Option<u32>> = uses.iter().map(|of| slice_of(&of.transaction)).collect();
    let mut contended: BTreeMap<u32, Contention> = BTreeMap::new();
    for &writer in register.unread.iter().chain(&register.order) {
        if let Some(slice) = slices[writer] {
            let known =
                contended.entry(slice).or_insert(Contention { writers: 0, last: writer, reader: None });
            (known.writers, known.last) = (known.writers + 1, writer);
        }
    }
    let mut witnesses = Vec::new();
    for (reader, sources) in register.sources.iter().enumerate() {
        for &writer in sources.iter().flatten() {
            if slices[writer] == slices[reader] {
                continue;
            }
            if let Some(slice) = slices[reader]
                && let Some(known) = contended.get(&slice)
                && (known.writers > 1 || known.last != reader)
            {
                witnesses.push((slice, uses[writer].transaction));
            }
            if let Some(slice) = slices[writer]
                && let Some(known) = contended.get_mut(&slice)
                && known.writers > 1
                && known.last == writer
            {
                let invoked = |at: usize| uses[at].transaction.invoked;
                let is_later = known.reader.is_none_or(|other| invoked(other) < invoked(reader));
                known.reader = if is_later { Some(reader) } else { known.reader };
            }
        }
    }
    let readers = contended.iter().filter_map(|(slice, of)| Some((*slice, uses[of.reader?].transaction)));
    witnesses.extend(readers);
    witnesses
}

/// What the writers of a key in one slice are.
struct Contention {
    writers: usize,
    /// The last one in the presumed order.
    last: usize,
    /// The reader of it outside the slice that was invoked last.
    reader: Option<usize>,
}

impl RegularRegister<'_> {
    fn edges(&self, key: u64) -> KeyEdges {
        let mut found = EdgeList::new(self.uses);
        for pair in self.order.windows(2) {
            found.add(pair[0], pair[1]);
        }
        let reads = self.reads_by_version();
        for (version, readers) in reads.iter().enumerate() {
            for &reader in readers {
                if let Some(writer) = version.checked_sub(1) {
                    found.add(self.order[writer], reader);
                }
                if let Some(&next) = self.order.get(version) {
                    found.add(reader, next);
                }
            }
        }
        for &at in &self.bent {
            found.add_loop(at);
        }
        self.add_unread_writers(key, &reads, &mut found);
        let indeterminate = self.order.iter().map(|&at| self.uses[at].transaction);
        let indeterminate = indeterminate.filter(|of| of.outcome == Outcome::Info);
        let observed = indeterminate.map(|of| of.invoked).collect();
        KeyEdges { edges: found.edges, spans: found.spans, observed, is_irregular: false, has_reads: false }
    }

    /// The readers of each version. Version 0 is the initial one, and version i + 1 that of writer i in the presumed order.
    fn reads_by_version(&self) -> Vec<Vec<usize>> {
        let mut version = vec![0; self.uses.len()];
        self.order.iter().enumerate().for_each(|(at, &writer)| version[writer] = at + 1);
        let mut reads = vec![Vec::new(); self.order.len() + 1];
        for (reader, sources) in self.sources.iter().enumerate() {
            for source in sources {
                reads[source.map_or(0, |writer| version[writer])].push(reader);
            }
        }
        reads
    }

    /// An indeterminate writer that another key may show to have taken effect is put where its place is: before the first writer from
    /// which on all places are higher.
    fn add_unread_writers(&self, key: u64, reads: &[Vec<usize>], found: &mut EdgeList<'_>) {
        let place = |at: usize| self.uses[at].transaction.place();
        let mut lowest_from: Vec<u64> = self.order.iter().map(|&at| place(at)).collect();
        for at in (1..lowest_from.len()).rev() {
            lowest_from[at - 1] = lowest_from[at - 1].min(lowest_from[at]);
        }
        let mut by_version: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &writer in &self.unread {
            let version = lowest_from.partition_point(|&lowest| lowest < place(writer));
            by_version.entry(version).or_default().push(writer);
        }
        let vertex = |at: usize| Vertex::Transaction(self.uses[at].transaction.invoked);
        for (version, writers) in by_version {
            let hub = Vertex::Hub((key ^ (version as u64) << 24) & (u64::MAX >> 2));
            let before = version.checked_sub(1).map(|before| self.order[before]);
            found.edges.extend(reads[version].iter().copied().chain(before).map(|at| (vertex(at), hub)));
            let high = reads[version].iter().map(|&at| place(at)).max().unwrap_or(0);
            for writer in writers {
                found.edges.push((hub, vertex(writer)));
                found.edges.extend(self.order.get(version).map(|&next| (vertex(writer), vertex(next))));
                found.add_span(place(writer), high, writer);
            }
        }
    }
}
