//! The edges between the transactions that use one list.

use super::{KeyStep, KeyUse, PlacedTransaction, Span};
use histories::Outcome;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Up to so many unseen appends of a key, the edges to them are exact.
const DIRECT_EDGES_MAX: usize = 64;

/// A vertex of the dependency graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Vertex {
    /// The transaction with this invocation.
    Transaction(u64),
    /// Stands between the readers of a complete list and the appends that none of them shows. The number is that of the key. If two keys
    /// share it, there are only more edges.
    Hub(u64),
}

/// What one key contributes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct KeyEdges {
    /// Dependencies between transactions, each implied by what was read.
    pub edges: Vec<(Vertex, Vertex)>,
    /// The spans of the backward ones.
    pub spans: Vec<Span>,
    /// The indeterminate transactions that took effect, as far as this key shows.
    pub observed: Vec<u64>,
    /// Whether the key has more than edges can say. All its transactions are then on one cycle of `edges`.
    pub is_irregular: bool,
    /// Whether an answer of a transaction could have been wrong.
    pub has_reads: bool,
}

/// Computes what one key contributes, from everything that was done to it. `key` is a number for the key, which should be its own.
/// O(elements of all lists).
pub fn key_edges(key: u64, uses: &[KeyUse]) -> KeyEdges {
    let has_reads = uses.iter().flat_map(|of| &of.steps).any(|step| matches!(step, KeyStep::Read(_)));
    let edges = match RegularKey::new(uses) {
        Some(regular) => regular.edges(Vertex::Hub(key)),
        None => irregular_edges(uses),
    };
    KeyEdges { has_reads, ..edges }
}

/// The transactions that have to be added to slices, because they alone show an append of the slice: the number of the slice, and the
/// transaction. `slice_of` says in which slice a transaction is. Of an irregular key, all transactions must be in one slice, and none is
/// added. O(elements of all lists).
pub fn reading_witnesses(
    uses: &[KeyUse],
    slice_of: impl Fn(&PlacedTransaction) -> Option<u32>,
) -> Vec<(u32, PlacedTransaction)> {
    let Some(key) = RegularKey::new(uses) else { return Vec::new() };
    // The latest append of each slice, and the longest list that a transaction of the slice read.
    let mut latest: BTreeMap<u32, usize> = BTreeMap::new();
    for (position, &writer) in key.writers.iter().enumerate() {
        if let Some(slice) = slice_of(&uses[writer].transaction) {
            latest.insert(slice, position);
        }
    }
    let mut shown: FxHashMap<u32, usize> = FxHashMap::default();
    let mut readers: Vec<(usize, PlacedTransaction)> = Vec::new();
    for of in uses {
        let Some(longest) = longest_read(of) else { continue };
        readers.push((longest, of.transaction));
        if let Some(slice) = slice_of(&of.transaction) {
            let known = shown.entry(slice).or_default();
            *known = longest.max(*known);
        }
    }
    readers.sort_unstable_by_key(|(length, of)| (*length, of.invoked));
    let unshown =
        latest.into_iter().filter(|(slice, position)| shown.get(slice).is_none_or(|it| it <= position));
    unshown
        .map(|(slice, position)| {
            let first = readers.partition_point(|(length, _)| *length <= position);
            (slice, readers[first].1)
        })
        .collect()
}

fn longest_read(of: &KeyUse) -> Option<usize> {
    let lengths = of.steps.iter().filter_map(|step| match step {
        KeyStep::Read(list) => Some(list.len()),
        KeyStep::Write(_) | KeyStep::Foreign => None,
    });
    lengths.max()
}

/// Puts all transactions on one cycle, and into one span.
pub(super) fn irregular_edges(uses: &[KeyUse]) -> KeyEdges {
    let ids = |of: &KeyUse| Vertex::Transaction(of.transaction.invoked);
    let next = uses.iter().cycle().skip(1);
    let edges = uses.iter().zip(next).map(|(one, next)| (ids(one), ids(next))).collect();
    let places = || uses.iter().map(|of| of.transaction.place());
    let low_and_high = places().min().zip(places().max());
    let spans = low_and_high.map(|(low, high)| Span { low, high, only_if: None }).into_iter().collect();
    let indeterminate = uses.iter().filter(|of| of.transaction.outcome == Outcome::Info);
    let observed = indeterminate.map(|of| of.transaction.invoked).collect();
    KeyEdges { edges, spans, observed, is_irregular: true, has_reads: false }
}

/// A key whose lists are prefixes of one list, in which the elements of each transaction lie side by side.
struct RegularKey<'a> {
    uses: &'a [KeyUse],
    /// The longest list that was read: of each element, the use that appended it.
    writers: Vec<usize>,
    /// Of each use, the length of the list before the transaction, if it read it.
    versions: Vec<Option<usize>>,
}

impl<'a> RegularKey<'a> {
    /// `None` if the key is irregular.
    fn new(uses: &'a [KeyUse]) -> Option<Self> {
        let appends = find_appends(uses)?;
        let trunk = find_trunk(uses)?;
        let mut writers = Vec::with_capacity(trunk.len());
        for element in trunk {
            let &(at, _) = appends.get(element)?;
            if uses[at].transaction.outcome == Outcome::Fail {
                return None;
            }
            writers.push(at);
        }
        if !blocks_are_whole(uses, trunk, &writers) {
            return None;
        }
        let versions = uses.iter().map(version_before).collect::<Option<Vec<_>>>()?;
        let regular = Self { uses, writers, versions };
        // A reader of part of what a transaction appended saw an intermediate state.
        let reads_whole_blocks =
            regular.versions.iter().flatten().all(|&version| regular.is_boundary(version));
        (reads_whole_blocks && !regular.foretells()).then_some(regular)
    }

    /// Whether a transaction read what it appended only afterwards.
    fn foretells(&self) -> bool {
        let mut first: FxHashMap<usize, usize> = FxHashMap::default();
        for (position, &writer) in self.writers.iter().enumerate() {
            first.entry(writer).or_insert(position);
        }
        first
            .iter()
            .any(|(writer, position)| self.versions[*writer].is_some_and(|version| version > *position))
    }

    /// Whether a block of elements of one transaction begins or ends here.
    fn is_boundary(&self, version: usize) -> bool {
        version == 0 || version == self.writers.len() || self.writers[version - 1] != self.writers[version]
    }

    fn edges(&self, hub: Vertex) -> KeyEdges {
        let mut found = EdgeList::new(self.uses);
        for pair in self.writers.windows(2) {
            found.add(pair[0], pair[1]);
        }
        for (reader, version) in self.versions.iter().enumerate().filter_map(|(at, it)| Some((at, (*it)?))) {
            if version > 0 {
                found.add(self.writers[version - 1], reader);
            }
            if let Some(&next) = self.writers.get(version) {
                found.add(reader, next);
            }
        }
        self.add_unseen_appends(hub, &mut found);
        let seen: FxHashSet<usize> = self.writers.iter().copied().collect();
        let observed = seen.iter().map(|&at| self.uses[at].transaction);
        let observed = observed.filter(|of| of.outcome == Outcome::Info).map(|of| of.invoked).collect();
        KeyEdges { edges: found.edges, spans: found.spans, observed, is_irregular: false, has_reads: false }
    }

    /// An append that no read shows comes after every version that was read.
    fn add_unseen_appends(&self, hub: Vertex, found: &mut EdgeList<'_>) {
        let seen: FxHashSet<usize> = self.writers.iter().copied().collect();
        let appends = |at: &usize| self.uses[*at].steps.iter().any(|step| matches!(step, KeyStep::Write(_)));
        let unseen: Vec<usize> = (0..self.uses.len())
            .filter(|at| self.uses[*at].transaction.outcome != Outcome::Fail && !seen.contains(at))
            .filter(appends)
            .collect();
        if unseen.is_empty() {
            return;
        }
        let readers = self.versions.iter().enumerate();
        let readers = readers.filter(|(_, version)| **version == Some(self.writers.len())).map(|(at, _)| at);
        let before: Vec<usize> = readers.chain(self.writers.last().copied()).collect();
        let vertex = |at: usize| Vertex::Transaction(self.uses[at].transaction.invoked);
        found.edges.extend(unseen.iter().map(|&at| (hub, vertex(at))));
        for &at in &before {
            // By way of the hub, a transaction that reads the list and appends to it would come before itself.
            if unseen.len() <= DIRECT_EDGES_MAX && unseen.contains(&at) {
                let others = unseen.iter().filter(|&&other| other != at);
                found.edges.extend(others.map(|&other| (vertex(at), vertex(other))));
            } else {
                found.edges.push((vertex(at), hub));
            }
        }
        let place = |at: &usize| self.uses[*at].transaction.place();
        for &append in &unseen {
            // A transaction that reads the list and appends to it is not before itself.
            let others = before.iter().filter(|&&at| at != append);
            if let Some(high) = others.map(place).max() {
                found.add_span(place(&append), high, append);
            }
        }
    }
}

/// The edges between uses, and the spans of the backward ones.
pub(super) struct EdgeList<'a> {
    uses: &'a [KeyUse],
    pub(super) edges: Vec<(Vertex, Vertex)>,
    pub(super) spans: Vec<Span>,
}

impl<'a> EdgeList<'a> {
    pub(super) fn new(uses: &'a [KeyUse]) -> Self {
        Self { uses, edges: Vec::new(), spans: Vec::new() }
    }

    pub(super) fn add(&mut self, from: usize, to: usize) {
        if from == to {
            return;
        }
        let vertex = |at: usize| Vertex::Transaction(self.uses[at].transaction.invoked);
        self.edges.push((vertex(from), vertex(to)));
        let place = |at: usize| self.uses[at].transaction.place();
        if place(from) > place(to) {
            self.spans.push(Span { low: place(to), high: place(from), only_if: None });
        }
    }

    /// An edge of a transaction to itself.
    pub(super) fn add_loop(&mut self, at: usize) {
        let of = self.uses[at].transaction;
        self.edges.push((Vertex::Transaction(of.invoked), Vertex::Transaction(of.invoked)));
        self.spans.push(Span { low: of.place(), high: of.place(), only_if: None });
    }

    /// The span of an edge that exists if `append` took effect.
    pub(super) fn add_span(&mut self, low: u64, high: u64, append: usize) {
        let of = self.uses[append].transaction;
        if low < high {
            self.spans.push(Span { low, high, only_if: (of.outcome == Outcome::Info).then_some(of.invoked) });
        }
    }
}

/// The use that appended each element, and the place of the element among its appends. `None` if an element was appended twice, or if
/// something was done that is not done to a list.
fn find_appends(uses: &[KeyUse]) -> Option<FxHashMap<u32, (usize, usize)>> {
    let mut appends = FxHashMap::default();
    for (at, of) in uses.iter().enumerate() {
        let mut own = 0;
        for step in &of.steps {
            match step {
                KeyStep::Write(element) => {
                    if appends.insert(*element, (at, own)).is_some() {
                        return None;
                    }
                    own += 1;
                }
                KeyStep::Read(_) => {}
                KeyStep::Foreign => return None,
            }
        }
    }
    Some(appends)
}

/// The longest list that was read. `None` if it has an element twice, or if another list that was read is not a prefix of it.
fn find_trunk(uses: &[KeyUse]) -> Option<&[u32]> {
    let lists = || {
        uses.iter().flat_map(|of| &of.steps).filter_map(|step| match step {
            KeyStep::Read(list) => Some(list.as_slice()),
            KeyStep::Write(_) | KeyStep::Foreign => None,
        })
    };
    let trunk = lists().max_by_key(|list| list.len()).unwrap_or(&[]);
    let mut elements = FxHashSet::default();
    let is_regular =
        lists().all(|list| trunk.starts_with(list)) && trunk.iter().all(|it| elements.insert(*it));
    is_regular.then_some(trunk)
}

/// Whether the elements of each transaction in a list lie side by side, in the order of its appends, and all of them.
fn blocks_are_whole(uses: &[KeyUse], trunk: &[u32], writers: &[usize]) -> bool {
    let mut at = 0;
    while at < trunk.len() {
        let appended = uses[writers[at]].steps.iter().filter_map(|step| match step {
            KeyStep::Write(element) => Some(*element),
            KeyStep::Read(_) | KeyStep::Foreign => None,
        });
        let appended: Vec<u32> = appended.collect();
        if !trunk[at..].starts_with(&appended) {
            return false;
        }
        at += appended.len();
    }
    true
}

/// The length of the list before the transaction: `Some(None)` if the transaction did not read it, `None` if its reads contradict what it
/// did itself.
fn version_before(of: &KeyUse) -> Option<Option<usize>> {
    let mut own: Vec<u32> = Vec::new();
    let mut before: Option<usize> = None;
    for step in &of.steps {
        match step {
            KeyStep::Write(element) => own.push(*element),
            KeyStep::Read(list) => {
                let start = list.len().checked_sub(own.len())?;
                if list[start..] != own || before.is_some_and(|before| before != start) {
                    return None;
                }
                before = Some(start);
            }
            KeyStep::Foreign => return None,
        }
    }
    Some(before)
}
