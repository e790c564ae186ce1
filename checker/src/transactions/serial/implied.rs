//! The order of writers that single reads imply.
//!
//! Let transaction r read x from a, and another key from w, which also wrote x. Then w comes before a: otherwise r would
//! have read x from w or from a later writer (the axiom of read atomicity, Biswas & Enea 2019, figure 1). Under snapshot
//! isolation, w commits before a begins, because both write x.
//!
//! The search would learn each of these pairs by itself, but only after it had placed the two in the wrong order and some
//! fifty transactions after them. In histories of a store with write skew, three of four lemmas were of this kind. So the pairs are
//! edges of the graph from the start. If a proof needs one, it becomes a [lemma](super::lemmas) with its reason.
//!
//! O(m · k) for m micro-operations, if a transaction reads from at most k others.

use super::lemmas::{Bond, LearnedLemma, Lemmas, Literal, PrecedenceEvidence, Tie};
use super::problem::{RegisterUse, RegisterUses, SerialProblem};
use crate::transactions::graph::{DependencyEdge, EdgeKinds};
use crate::transactions::index::{NONE, TransactionIndex};
use claims::Limits;
use histories::KeyId;
use rustc_hash::FxHashMap;

/// The implied pairs: the first transaction comes before the second. The key is the one that both write. Incomplete if the
/// check was stopped, which loses nothing but time.
pub(crate) fn implied_order(
    index: &TransactionIndex<'_>,
    uses: &RegisterUses,
    limits: &Limits<'_>,
) -> Vec<DependencyEdge> {
    let mut pairs: Vec<(u32, u32, KeyId)> = Vec::new();
    let mut writers: Vec<u32> = Vec::new();
    for reader in 0..uses.transaction_count() {
        if reader & 0xfff == 0 && limits.stop_requested() {
            break;
        }
        let reads = uses.of_transaction(reader);
        writers.clear();
        writers.extend(reads.iter().filter_map(|read| source_of_read(index, read)));
        writers.sort_unstable();
        writers.dedup();
        for &writer in &writers {
            for read in reads {
                let source = source_of_read(index, read).filter(|&source| source != writer);
                if let Some(source) = source.filter(|_| writes_key(uses, writer, read.key)) {
                    pairs.push((writer, source, read.key));
                }
            }
        }
    }
    pairs.sort_unstable();
    pairs.dedup_by_key(|pair| (pair.0, pair.1));
    let edge = |(from, to, key)| DependencyEdge { from, to, kind: EdgeKinds::IMPLIED, key };
    pairs.into_iter().map(edge).collect()
}

/// The transaction that a read is from. `None` for the initial state.
fn source_of_read(index: &TransactionIndex<'_>, read: &RegisterUse) -> Option<u32> {
    (read.reads != NONE).then(|| index.committed_writer(read.key, read.reads)).flatten()
}

fn writes_key(uses: &RegisterUses, writer: u32, key: KeyId) -> bool {
    let of_writer = uses.of_transaction(writer);
    let at = of_writer.binary_search_by_key(&key, |each| each.key);
    at.is_ok_and(|at| of_writer[at].leaves != NONE)
}

/// The lemmas that implied edges have become.
#[derive(Default)]
pub(super) struct ImpliedLemmas {
    numbers: FxHashMap<(u32, u32, KeyId), u32>,
}

impl ImpliedLemmas {
    /// The reason for an implied edge, as a lemma. The edge leads from a commit to a beginning.
    pub(super) fn bond_of_edge(
        &mut self,
        problem: &SerialProblem<'_, '_>,
        (from, to, key): (u32, u32, KeyId),
        lemmas: &mut Lemmas,
    ) -> Bond {
        let number = self.numbers.entry((from, to, key));
        Bond::Lemma(*number.or_insert_with(|| lemmas.add_implied(implied_lemma(problem, from, to, key))))
    }
}

fn implied_lemma(problem: &SerialProblem<'_, '_>, from: u32, to: u32, key: KeyId) -> LearnedLemma {
    let (index, writer) = (problem.index, problem.op(from));
    let own = problem.uses_of_transaction(to).iter().find(|each| each.key == key);
    let version = own.expect("both transactions write the key").leaves;
    let read_from_writer = |reader: u32| {
        let reads = problem.uses_of_transaction(reader).iter();
        reads.clone().find(|read| source_of_read(index, read) == Some(writer)).map(|read| read.key)
    };
    let mut readers = problem.readers_of_version(problem.version_number(key, version)).iter();
    let (reader, read) = readers
        .find_map(|&reader| Some((reader, read_from_writer(reader)?)))
        .expect("a transaction that read from both implied the edge");
    let unread = Bond::Unread { key, version, order: PrecedenceEvidence::Assumed };
    LearnedLemma {
        assumed: vec![Literal { key, earlier: to, later: from }],
        cycle: vec![
            Tie { from, to: reader, bond: Bond::Arc { kind: EdgeKinds::WR, key: read } },
            Tie { from: reader, to: from, bond: unread },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use histories::notation::parse;

    fn pairs(drawing: &str) -> Vec<(u32, u32)> {
        let history = parse(drawing).unwrap();
        let limits = Limits::unbounded();
        let index = TransactionIndex::new(&history, &limits);
        let uses = RegisterUses::collect(&index, true, &limits);
        implied_order(&index, &uses, &limits).iter().map(|edge| (edge.from, edge.to)).collect()
    }

    /// The reader has x from the first transaction and y from the second, which wrote x too.
    #[test]
    fn a_reader_orders_the_writers_that_it_read_from() {
        let drawing = "
            a: [t wx1     ]
            b: [t wx2 wy1 ]
            c:              [t rx1 ry1]
        ";
        assert_eq!(pairs(drawing), [(1, 0)]);
    }

    /// It read nothing from the second transaction, or nothing that the second transaction wrote too.
    #[test]
    fn other_writers_stay_unordered() {
        let unread = "
            a: [t wx1     ]
            b: [t wx2 wy1 ]
            c:              [t rx1 ry_]
        ";
        assert_eq!(pairs(unread), []);
        let unwritten = "
            a: [t wx1 ]
            b: [t wy1 ]
            c:          [t rx1 ry1]
        ";
        assert_eq!(pairs(unwritten), []);
    }
}
