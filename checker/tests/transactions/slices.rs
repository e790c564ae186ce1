//! A history that is cut into slices has the verdicts of the whole, at every level.

use super::cut_history::{Cut, CutHistory};
use checker::IsolationLevel;
use checker::slices::{PlacedTransaction, reading_witnesses, slice_history};
use histories::History;
use std::collections::{BTreeMap, BTreeSet};
use testkit::transactions::{KeyType, history_of_repeated_elements, long_history_of_lists, random_history};
use testkit::{TestRandom, check_confirmed, draw_history, isolation_properties, question_about, test_limits};

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

/// The transactions of each slice.
fn members_of_slices(parts: &CutHistory<'_>, cut: Cut, real_time: bool) -> Vec<Vec<u64>> {
    let inside = |&(low, high): &(u64, u64)| {
        let inside = parts.transactions.values().filter(|of| (low..=high).contains(&of.place()));
        inside.filter(|of| parts.takes_effect(of)).map(|of| of.invoked).collect()
    };
    match cut {
        Cut::Components => parts.ranges(&[]).iter().map(inside).collect(),
        Cut::Knots => parts.knots(real_time).into_iter().map(|knot| knot.transactions).collect(),
    }
}

fn slice_of(parts: &CutHistory<'_>, members: &[u64]) -> History {
    let members: BTreeSet<u64> = members.iter().copied().collect();
    let mut transactions = members.clone();
    for uses in parts.uses.values() {
        let witnesses = reading_witnesses(uses, |of| members.contains(&of.invoked).then_some(0));
        transactions.extend(witnesses.iter().map(|(_, of)| of.invoked));
    }
    let is_member = |of: &PlacedTransaction| members.contains(&of.invoked);
    slice_history(&parts.restrict_to(&transactions), |key| parts.part_of_key(key, is_member))
}

/// The verdicts of the slices together.
fn check_slices(history: &History, levels: &[IsolationLevel], cut: Cut, tally: &mut CutTally) -> Verdicts {
    let parts = CutHistory::of_lists(history);
    let mut verdicts: Verdicts = levels.iter().map(|level| (level.name(), "holds")).collect();
    for real_time in [false, true] {
        let asked: Vec<IsolationLevel> =
            levels.iter().copied().filter(|level| level.needs_real_time() == real_time).collect();
        let slices = members_of_slices(&parts, cut, real_time);
        tally.empty += usize::from(slices.is_empty());
        tally.several += usize::from(slices.len() > 1);
        let cut_out: usize = slices.iter().map(Vec::len).sum();
        tally.partial += usize::from(cut_out > 0 && cut_out < history.len());
        for slice in slices {
            for (level, verdict) in check_levels(&slice_of(&parts, &slice), &asked) {
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
