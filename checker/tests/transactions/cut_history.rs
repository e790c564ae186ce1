//! A history that is cut by keys, as a cluster cuts it: what each key contributes, and which transactions can lie on a cycle together.

use checker::slices::registers::register_edges;
use checker::slices::{
    KeyEdges, KeyPart, KeyUse, Knot, KnotEdges, PlacedTransaction, Vertex, find_knots, key_edges, list_uses,
    merge_spans, register_uses,
};
use histories::{History, KeyId, OpId, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use testkit::draw_history;

/// How a history is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cut {
    Components,
    Knots,
}

/// What each key contributes, and the transactions that may have taken effect.
pub(super) struct CutHistory<'a> {
    pub(super) history: &'a History,
    pub(super) transactions: BTreeMap<u64, PlacedTransaction>,
    pub(super) uses: BTreeMap<KeyId, Vec<KeyUse>>,
    by_key: BTreeMap<KeyId, KeyEdges>,
    observed: BTreeSet<u64>,
}

impl<'a> CutHistory<'a> {
    pub(super) fn of_lists(history: &'a History) -> Self {
        Self::new(history, list_uses(history), key_edges)
    }

    pub(super) fn of_registers(history: &'a History) -> Self {
        Self::new(history, register_uses(history), register_edges)
    }

    fn new(
        history: &'a History,
        all: Vec<(KeyId, KeyUse)>,
        edges_of_key: fn(u64, &[KeyUse]) -> KeyEdges,
    ) -> Self {
        let mut uses: BTreeMap<KeyId, Vec<KeyUse>> = BTreeMap::new();
        for (key, of) in all {
            uses.entry(key).or_default().push(of);
        }
        let transactions =
            uses.values().flatten().map(|of| (of.transaction.invoked, of.transaction)).collect();
        let by_key: BTreeMap<KeyId, KeyEdges> =
            uses.iter().map(|(key, uses)| (*key, edges_of_key(key.raw().into(), uses))).collect();
        let observed = by_key.values().flat_map(|edges| edges.observed.iter().copied()).collect();
        Self { history, transactions, uses, by_key, observed }
    }

    pub(super) fn takes_effect(&self, of: &PlacedTransaction) -> bool {
        of.outcome != Outcome::Info || self.observed.contains(&of.invoked)
    }

    /// The ranges of places that overlap no other: those of edges that lead back, and further ones.
    pub(super) fn ranges(&self, further: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let spans = self.by_key.values().flat_map(|edges| &edges.spans);
        let spans = spans.filter(|span| span.only_if.is_none_or(|id| self.observed.contains(&id)));
        let spans = spans.map(|span| (span.low, span.high));
        merge_spans(spans.chain(further.iter().copied()).collect())
    }

    pub(super) fn knots(&self, real_time: bool) -> Vec<Knot> {
        let session = |of: &PlacedTransaction| {
            let id = self.history.find_operation(of.invoked).expect("it is one of the history");
            self.history.session(id).raw()
        };
        let all = self.transactions.values().filter(|of| self.takes_effect(of));
        let transactions: Vec<(PlacedTransaction, u32)> = all.map(|of| (*of, session(of))).collect();
        let dependencies: Vec<(Vertex, Vertex)> =
            self.by_key.values().flat_map(|edges| edges.edges.iter().copied()).collect();
        let edges = KnotEdges { transactions: &transactions, dependencies: &dependencies, real_time };
        let knots = find_knots(edges);
        for knot in &knots {
            let is_inside = knot.cycle.iter().all(|of| knot.transactions.contains(of));
            assert!(is_inside && !knot.cycle.is_empty(), "{knot:?}\n{}", draw_history(self.history));
        }
        knots
    }

    /// The history of these transactions alone.
    pub(super) fn restrict_to(&self, transactions: &BTreeSet<u64>) -> History {
        let find = |&of: &u64| self.history.find_operation(of).expect("an operation");
        let ids: Vec<OpId> = transactions.iter().map(find).collect();
        self.history.restrict_to(&ids)
    }

    /// What of a key counts in a slice with these members. All transactions that use an irregular key are in one slice.
    pub(super) fn part_of_key(&self, key: &str, is_member: impl Fn(&PlacedTransaction) -> bool) -> KeyPart {
        let key = self.history.keys.get(key).filter(|key| self.by_key.contains_key(key));
        let Some(key) = key.filter(|key| self.by_key[key].is_irregular) else { return KeyPart::Own };
        let is_here = is_member(&self.uses[&key][0].transaction);
        if is_here { KeyPart::Whole } else { KeyPart::None }
    }
}
