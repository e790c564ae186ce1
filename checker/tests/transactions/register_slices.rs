//! A history of register transactions that is cut into slices has the verdicts of the whole, at every level.

use super::cut_history::{Cut, CutHistory};
use checker::IsolationLevel;
use checker::slices::PlacedTransaction;
use checker::slices::registers::{RegisterSlice, register_witnesses};
use histories::History;
use std::collections::{BTreeMap, BTreeSet};
use testkit::transactions::{KeyType, history_of_repeated_values, long_history_of_registers, random_history};
use testkit::{TestRandom, check_confirmed, draw_history, isolation_properties, question_about, test_limits};

/// How much was cut, and where levels were decided.
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
    /// Levels that first slices decided, and those that needed wider ones.
    decided: usize,
    open: usize,
    /// Histories in which a slice that is not the whole shows a violation.
    violated_in_part: usize,
    /// Slices with a transaction that comes after all others.
    with_last_reader: usize,
}

type Verdicts = BTreeMap<IsolationLevel, &'static str>;

fn check_levels(history: &History, levels: &[IsolationLevel]) -> Verdicts {
    let question = question_about(checker::Model::RwRegister, &isolation_properties(levels));
    let report = check_confirmed(history, &question, &test_limits(1_000_000, 1 << 30));
    levels.iter().copied().zip(report.answers.iter().map(|answer| answer.verdict.name())).collect()
}

/// The transactions that make a slice: a range of places, or some invocations.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Members {
    Places(u64, u64),
    Knot(BTreeSet<u64>),
}

impl Members {
    fn contain(&self, of: &PlacedTransaction) -> bool {
        match self {
            Members::Places(low, high) => (low..=high).contains(&&of.place()),
            Members::Knot(transactions) => transactions.contains(&of.invoked),
        }
    }
}

fn ranges(parts: &CutHistory<'_>, further: &[(u64, u64)]) -> Vec<Members> {
    parts.ranges(further).into_iter().map(|(low, high)| Members::Places(low, high)).collect()
}

fn knots(parts: &CutHistory<'_>, real_time: bool) -> Vec<Members> {
    let knots = parts.knots(real_time).into_iter();
    knots.map(|knot| Members::Knot(knot.transactions.into_iter().collect())).collect()
}

/// Of each level whether the slice holds, violates the whole, or says nothing.
fn decide(
    parts: &CutHistory<'_>,
    members: &Members,
    levels: &[IsolationLevel],
    tally: &mut CutTally,
) -> Verdicts {
    let is_member = |of: &PlacedTransaction| members.contain(of) && parts.takes_effect(of);
    let own = parts.transactions.values().filter(|of| is_member(of)).map(|of| of.invoked);
    let mut transactions: BTreeSet<u64> = own.collect();
    for uses in parts.uses.values() {
        let witnesses = register_witnesses(uses, |of| is_member(of).then_some(0));
        transactions.extend(witnesses.iter().map(|(_, of)| of.invoked));
    }
    let part = parts.restrict_to(&transactions);
    let slice = RegisterSlice::new(&part, is_member, |key| parts.part_of_key(key, is_member));
    let presumed = slice.presumed();
    let count = transactions.iter().filter(|of| is_member(&parts.transactions[of])).count();
    tally.with_last_reader += usize::from(presumed.as_ref().is_some_and(|it| it.len() > count));
    let mut verdicts: Verdicts = match &presumed {
        Some(history) => check_levels(history, levels),
        None => levels.iter().map(|&level| (level, "open")).collect(),
    };
    let left: Vec<IsolationLevel> =
        levels.iter().copied().filter(|level| verdicts[level] != "holds").collect();
    if !left.is_empty() {
        let alone = check_levels(&slice.alone(), &left);
        verdicts
            .extend(alone.iter().map(|(&level, &it)| (level, if it == "violated" { it } else { "open" })));
    }
    verdicts
}

/// The verdicts of the slices together. What they leave open is looked at in wider slices, up to the whole.
fn check_slices(history: &History, levels: &[IsolationLevel], cut: Cut, tally: &mut CutTally) -> Verdicts {
    let parts = CutHistory::of_registers(history);
    let mut verdicts: Verdicts = levels.iter().map(|&level| (level, "holds")).collect();
    for real_time in [false, true] {
        let mut asked: Vec<IsolationLevel> =
            levels.iter().copied().filter(|level| level.needs_real_time() == real_time).collect();
        let mut slices = match cut {
            Cut::Components => ranges(&parts, &[]),
            Cut::Knots => knots(&parts, real_time),
        };
        let members = parts.transactions.values().filter(|of| parts.takes_effect(of));
        let cut_out = members.filter(|of| slices.iter().any(|slice| slice.contain(of))).count();
        tally.empty += usize::from(slices.is_empty());
        tally.several += usize::from(slices.len() > 1);
        tally.partial += usize::from(cut_out > 0 && cut_out < history.len());
        let mut wider: Vec<(u64, u64)> = Vec::new();
        for round in 0.. {
            let mut open = BTreeSet::new();
            for slice in &slices {
                for (level, verdict) in decide(&parts, slice, &asked, tally) {
                    if verdict == "violated" {
                        tally.violated_in_part += usize::from(round == 0 && cut_out < history.len());
                        verdicts.insert(level, verdict);
                    } else if verdict == "open" {
                        open.insert(level);
                        wider.push(widen(&parts, slice, round));
                    }
                }
            }
            open.retain(|level| verdicts[level] == "holds");
            if round == 0 {
                tally.open += open.len();
                tally.decided += asked.len() - open.len();
            }
            if open.is_empty() {
                break;
            }
            assert!(round < 10, "the whole decides: {open:?}\n{}", draw_history(history));
            asked = open.into_iter().collect();
            slices = ranges(&parts, &wider);
        }
    }
    tally.histories += 2;
    tally.violated += usize::from(verdicts.values().any(|verdict| *verdict == "violated"));
    verdicts
}

/// A range of places around a slice, twice as large each time.
fn widen(parts: &CutHistory<'_>, slice: &Members, round: u32) -> (u64, u64) {
    let places = parts.transactions.values().filter(|of| slice.contain(of)).map(PlacedTransaction::place);
    let (low, high) = (places.clone().min().unwrap_or(0), places.max().unwrap_or(u64::MAX / 2));
    let more = 2 << (2 * round);
    (low.saturating_sub(more), high + more)
}

fn compare(history: &History, cut: Cut, tally: &mut CutTally) {
    let levels: Vec<IsolationLevel> =
        IsolationLevel::ALL.iter().copied().filter(|level| *level != IsolationLevel::Mixed).collect();
    let together = check_slices(history, &levels, cut, tally);
    for (level, verdict) in check_levels(history, &levels) {
        if verdict != "unknown" {
            assert_eq!(together[&level], verdict, "{}, {cut:?}\n{}", level.name(), draw_history(history));
        }
    }
}

#[test]
fn slices_of_registers_together_have_the_verdicts_of_the_whole() {
    let seeds = std::env::var("STEADFAST_SEEDS").map_or(1500, |seeds| seeds.parse().expect("a number"));
    for cut in [Cut::Components, Cut::Knots] {
        let mut tally = CutTally::default();
        for seed in 0..seeds {
            compare(&random_history(&mut TestRandom::new(seed), KeyType::Register), cut, &mut tally);
        }
        for seed in 0..seeds / 3 {
            let mut random = TestRandom::new(seed);
            let count = 8 + random.below(30);
            compare(&long_history_of_registers(&mut random, count), cut, &mut tally);
        }
        for seed in 0..seeds / 6 {
            compare(&history_of_repeated_values(&mut TestRandom::new(seed)), cut, &mut tally);
        }
        println!("{cut:?}: {tally:?}");
        assert!(tally.violated > tally.histories / 10, "too few are violated: {tally:?}");
        assert!(tally.empty > tally.histories / 20, "too few are clean: {tally:?}");
        assert!(tally.partial > tally.histories / 10, "too few are cut: {tally:?}");
        assert!(tally.several > tally.histories / 100, "too few have several slices: {tally:?}");
        assert!(tally.decided > 20 * tally.open, "too much is left open: {tally:?}");
        assert!(tally.violated_in_part > tally.histories / 10, "slices show too little: {tally:?}");
        assert!(tally.with_last_reader > tally.histories / 30, "the end of slices is not tested: {tally:?}");
    }
}
