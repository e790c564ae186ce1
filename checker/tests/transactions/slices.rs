//! A history that is cut into slices has the verdicts of the whole, at every level.

use checker::IsolationLevel;
use checker::slices::{
    KeyEdges, KeyPart, KeyUse, KnotEdges, PlacedTransaction, Vertex, find_knots, key_edges, list_uses,
    merge_spans, reading_witnesses, slice_history,
};
use histories::{History, KeyId, OpId, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use testkit::transactions::{KeyType, history_of_repeated_elements, long_history_of_lists, random_history};
use testkit::{TestRandom, check_confirmed, draw_history, isolation_properties, question_about, test_limits};

/// How a history is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cut {
    Components,
    Knots,
}

/// How much was cut.
#[derive(Default, Debug)]
struct CutTally {
    histories: usize,
    /// Histories without any slice.
    empty: usize,
    /// Histories with some transactions in slices and some outside.
    partial: usize,
    /// Histories with several slices.
    several: usize,
    violated: usize,
}

type Verdicts = BTreeMap<&'static str, &'static str>;

fn check_levels(history: &History, levels: &[IsolationLevel]) -> Verdicts {
    let question = question_about(checker::Model::ListAppend, &isolation_properties(levels));
    let report = check_confirmed(history, &question, &test_limits(1_000_000, 1 << 30));
    report.answers.iter().map(|answer| (answer.property.name(), answer.verdict.name())).collect()
}

/// What each key contributes, and the transactions that may have taken effect.
struct CutHistory<'a> {
    history: &'a History,
    transactions: BTreeMap<u64, PlacedTransaction>,
    uses: BTreeMap<KeyId, Vec<KeyUse>>,
    by_key: BTreeMap<KeyId, KeyEdges>,
    observed: BTreeSet<u64>,
}

impl<'a> CutHistory<'a> {
    fn new(history: &'a History) -> Self {
        let mut uses: BTreeMap<KeyId, Vec<KeyUse>> = BTreeMap::new();
        for (key, of) in list_uses(history) {
            uses.entry(key).or_default().push(of);
        }
        let transactions =
            uses.values().flatten().map(|of| (of.transaction.invoked, of.transaction)).collect();
        let by_key: BTreeMap<KeyId, KeyEdges> =
            uses.iter().map(|(key, uses)| (*key, key_edges(key.raw().into(), uses))).collect();
        let observed = by_key.values().flat_map(|edges| edges.observed.iter().copied()).collect();
        Self { history, transactions, uses, by_key, observed }
    }

    fn takes_effect(&self, of: &PlacedTransaction) -> bool {
        of.outcome != Outcome::Info || self.observed.contains(&of.invoked)
    }

    /// The transactions of each slice.
    fn components(&self) -> Vec<Vec<u64>> {
        let spans = self.by_key.values().flat_map(|edges| &edges.spans);
        let spans = spans.filter(|span| span.only_if.is_none_or(|id| self.observed.contains(&id)));
        let merged = merge_spans(spans.map(|span| (span.low, span.high)).collect());
        let members = |&(low, high): &(u64, u64)| {
            let inside = self.transactions.values().filter(|of| (low..=high).contains(&of.place()));
            inside.filter(|of| self.takes_effect(of)).map(|of| of.invoked).collect()
        };
        merged.iter().map(members).collect()
    }

    fn knots(&self, real_time: bool) -> Vec<Vec<u64>> {
        let session = |of: &PlacedTransaction| {
            let id = self.history.find_operation(of.invoked).expect("it is one of the history");
            self.history.session(id).raw()
        };
        let transactions: Vec<(PlacedTransaction, u32)> = self
            .transactions
            .values()
            .filter(|of| self.takes_effect(of))
            .map(|of| (*of, session(of)))
            .collect();
        let dependencies: Vec<(Vertex, Vertex)> =
            self.by_key.values().flat_map(|edges| edges.edges.iter().copied()).collect();
        let edges = KnotEdges { transactions: &transactions, dependencies: &dependencies, real_time };
        let knots = find_knots(edges);
        for knot in &knots {
            let is_inside = knot.cycle.iter().all(|of| knot.transactions.contains(of));
            assert!(is_inside && !knot.cycle.is_empty(), "{knot:?}\n{}", draw_history(self.history));
        }
        knots.into_iter().map(|knot| knot.transactions).collect()
    }

    fn slice(&self, transactions: &[u64]) -> History {
        let mut transactions: BTreeSet<u64> = transactions.iter().copied().collect();
        let is_member = transactions.clone();
        for uses in self.uses.values() {
            let witnesses = reading_witnesses(uses, |of| is_member.contains(&of.invoked).then_some(0));
            transactions.extend(witnesses.iter().map(|(_, of)| of.invoked));
        }
        let ids: Vec<OpId> =
            transactions.iter().map(|&of| self.history.find_operation(of).expect("an operation")).collect();
        slice_history(&self.history.restrict_to(&ids), |key| {
            let key = self.history.keys.get(key).filter(|key| self.by_key.contains_key(key));
            let Some(key) = key.filter(|key| self.by_key[key].is_irregular) else { return KeyPart::Own };
            let is_here = is_member.contains(&self.uses[&key][0].transaction.invoked);
            if is_here { KeyPart::Whole } else { KeyPart::None }
        })
    }
}

/// The verdicts of the slices together.
fn check_slices(history: &History, levels: &[IsolationLevel], cut: Cut, tally: &mut CutTally) -> Verdicts {
    let parts = CutHistory::new(history);
    let mut verdicts: Verdicts = levels.iter().map(|level| (level.name(), "holds")).collect();
    for real_time in [false, true] {
        let asked: Vec<IsolationLevel> =
            levels.iter().copied().filter(|level| level.needs_real_time() == real_time).collect();
        let slices = match cut {
            Cut::Components => parts.components(),
            Cut::Knots => parts.knots(real_time),
        };
        tally.empty += usize::from(slices.is_empty());
        tally.several += usize::from(slices.len() > 1);
        let cut_out: usize = slices.iter().map(Vec::len).sum();
        tally.partial += usize::from(cut_out > 0 && cut_out < history.len());
        for slice in slices {
            for (level, verdict) in check_levels(&parts.slice(&slice), &asked) {
                let known = verdicts.get_mut(level).expect("it was asked for");
                if verdict == "violated" || *known == "holds" {
                    *known = verdict;
                }
            }
        }
    }
    tally.histories += 2;
    tally.violated += usize::from(verdicts.values().any(|verdict| *verdict == "violated"));
    verdicts
}

fn compare(history: &History, cut: Cut, tally: &mut CutTally) {
    let levels = IsolationLevel::ALL;
    let together = check_slices(history, levels, cut, tally);
    for (level, verdict) in check_levels(history, levels) {
        // What the whole leaves open, because elements were appended twice, a slice may decide.
        if verdict != "unknown" {
            assert_eq!(together[level], verdict, "{level}, {cut:?}\n{}", draw_history(history));
        }
    }
}

#[test]
fn slices_together_have_the_verdicts_of_the_whole() {
    for cut in [Cut::Components, Cut::Knots] {
        let mut tally = CutTally::default();
        for seed in 0..3000 {
            compare(&random_history(&mut TestRandom::new(seed), KeyType::List), cut, &mut tally);
        }
        for seed in 0..800 {
            let mut random = TestRandom::new(seed);
            let count = 8 + random.below(30);
            compare(&long_history_of_lists(&mut random, count), cut, &mut tally);
        }
        for seed in 0..400 {
            compare(&history_of_repeated_elements(&mut TestRandom::new(seed)), cut, &mut tally);
        }
        println!("{cut:?}: {tally:?}");
        assert!(tally.violated > tally.histories / 10, "too few are violated: {tally:?}");
        assert!(tally.empty > tally.histories / 10, "too few are clean: {tally:?}");
        assert!(tally.partial > tally.histories / 10, "too few are cut: {tally:?}");
        assert!(tally.several > tally.histories / 300, "too few have several slices: {tally:?}");
    }
}
