//! Decides a level over lists with equal elements by guesses that are mended.
//!
//! A guess tells the equal elements apart ([`distinct`](super::distinct)). If the level holds of the guess, it holds. If not, a few keys show
//! why. The cases of these keys alone ([`polygraph`](super::polygraph)) then either refute the level, whatever the rest of the history is
//! like, or place the appends to these keys in a way that explains them. The next guess keeps these places, and the keys stay among those
//! that are looked at. So only the cases of keys that matter are ever written down, and not those of a million transactions.

use super::case_context::CaseContext;
use super::covered::serial_level_above;
use super::distinct::{KnownPlaces, tell_elements_apart};
use super::polygraph::{self, CaseOutcome};
use super::summary::{TransactionAnalysis, TransactionOptions};
use claims::{
    CaseChoice, CaseStep, CycleKind, IsolationLevel, Phenomenon, TransactionEvidence, levels_ruled_out_by,
};
use histories::{History, KeyId, OpId};
use rustc_hash::FxHashSet;

/// How often a guess is mended.
const GUESSES_MAX: usize = 32;
/// The maximum number of keys whose cases are looked at together.
const KEYS_MAX: usize = 256;

/// From how many operations on a serial order is looked for first, where it would do.
const SERIAL_FIRST_FROM: usize = 2_000;

/// Decides a level. `None` if the elements of lists differ anyway, or if the guesses lead to nothing.
pub(super) fn decide_by_guesses(known: &CaseContext<'_>, level: IsolationLevel) -> Option<CaseOutcome> {
    if level == IsolationLevel::Mixed || polygraph::asks_nothing_of_reads(level) {
        return None;
    }
    if let Some(serial) = serial_level_above(level).filter(|_| known.history.len() >= SERIAL_FIRST_FROM)
        && let Some(CaseOutcome::Holds(witness)) = mend_guesses(known, serial)
    {
        return Some(CaseOutcome::Holds(witness));
    }
    mend_guesses(known, level)
}

fn mend_guesses(known: &CaseContext<'_>, level: IsolationLevel) -> Option<CaseOutcome> {
    let options = TransactionOptions { levels: vec![level], assume: known.assume };
    let mut places = KnownPlaces::default();
    let mut groups = KeyGroups::default();
    for _ in 0..GUESSES_MAX {
        let guess = tell_elements_apart(known.index, &places, known.limits)?;
        let (held, analysis) =
            guess.levels_that_hold(&options, known.own_appends_read, known.analyze, known.limits);
        drop(guess);
        if let Some((_, witness)) = held.into_iter().next() {
            return Some(CaseOutcome::Holds(witness));
        }
        find_involved(&analysis, level).iter().for_each(|involved| groups.add(known.history, involved));
        if groups.changed.is_empty() {
            return None;
        }
        for keys in std::mem::take(&mut groups.changed) {
            if keys.len() > KEYS_MAX || known.limits.stop_requested() {
                return None;
            }
            match polygraph::find_places_of(known.history, level, known.assume, &keys, known.limits) {
                Ok(found) => {
                    places.extend(found.into_iter().map(|place| ((place.key, place.writer), place.start)));
                }
                Err(CaseOutcome::Impossible(steps)) => return Some(CaseOutcome::Impossible(steps)),
                Err(_) => return None,
            }
            groups.settled.push(keys);
        }
    }
    None
}

/// Keys that are looked at together. No key is in two groups.
#[derive(Default)]
struct KeyGroups {
    settled: Vec<FxHashSet<KeyId>>,
    /// Those that are new, or larger than before.
    changed: Vec<FxHashSet<KeyId>>,
}

impl KeyGroups {
    /// Joins all keys of some transactions, and all groups that have one of them.
    fn add(&mut self, history: &History, involved: &[OpId]) {
        let keys = involved.iter().flat_map(|&id| history.micros_of(id)).map(|micro| micro.key);
        let mut keys: FxHashSet<KeyId> = keys.collect();
        let is_known = |group: &FxHashSet<KeyId>| keys.is_subset(group);
        if keys.is_empty() || self.settled.iter().chain(&self.changed).any(is_known) {
            return;
        }
        for groups in [&mut self.settled, &mut self.changed] {
            let (joined, apart) =
                std::mem::take(groups).into_iter().partition(|group| !group.is_disjoint(&keys));
            *groups = apart;
            let joined: Vec<FxHashSet<KeyId>> = joined;
            joined.into_iter().for_each(|group| keys.extend(group));
        }
        self.changed.push(keys);
    }
}

/// For each contradiction of a guess to a level, the transactions that show it.
fn find_involved(analysis: &TransactionAnalysis, level: IsolationLevel) -> Vec<Vec<OpId>> {
    let rules_out = |kind: CycleKind| levels_ruled_out_by(Phenomenon::Cycle(kind)).contains(level);
    let cycles = analysis.cycles.iter().filter(|(kind, _)| rules_out(*kind));
    let mut all: Vec<Vec<OpId>> = cycles.map(|(_, involved)| involved.clone()).collect();
    for example in analysis.anomalies.iter().flat_map(|anomaly| &anomaly.examples) {
        let mut involved: Vec<OpId> = Vec::new();
        match example {
            TransactionEvidence::Cycle(cycle) => involved.extend(cycle.edges.iter().map(|edge| edge.from)),
            TransactionEvidence::Lemmas(lemmas) => {
                involved.extend(lemmas.iter().flat_map(|lemma| &lemma.cycle).map(|edge| edge.from));
            }
            TransactionEvidence::Cases(steps) => {
                steps.iter().for_each(|step| add_transactions_of_step(step, &mut involved));
            }
            _ => {}
        }
        all.push(involved);
    }
    all
}

fn add_transactions_of_step(step: &CaseStep, involved: &mut Vec<OpId>) {
    involved.extend(step.cycle.iter().map(|edge| edge.from));
    for choice in &step.assumed {
        match choice {
            CaseChoice::Before { earlier, later, .. } => involved.extend([*earlier, *later]),
            CaseChoice::ReadFrom(read) | CaseChoice::NotReadFrom(read) => involved.push(read.reader),
            CaseChoice::Placed(place)
            | CaseChoice::NotPlaced(place)
            | CaseChoice::Shown(place)
            | CaseChoice::NotShown(place) => involved.push(place.writer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transactions::analyze;
    use crate::transactions::index::TransactionIndex;
    use crate::transactions::refuted::reads_own_appends;
    use claims::{Assume, Limits};
    use std::sync::atomic::AtomicBool;
    use testkit::TestRandom;
    use testkit::transactions::history_of_repeated_elements;

    /// How a level was decided, over random histories. Whether rightly is tested from outside, against all orders.
    #[test]
    fn guesses_hold_or_are_mended_or_refuted() {
        let stop = AtomicBool::new(false);
        let limits = Limits { steps: 100_000, bytes: 1 << 28, stop: &stop };
        let (mut first, mut mended, mut refuted, mut left) = (0, 0, 0, 0);
        for seed in 0..2_000 {
            let history = history_of_repeated_elements(&mut TestRandom::new(seed));
            let index = TransactionIndex::new(&history, &limits);
            let known = CaseContext {
                history: &history,
                index: &index,
                analyze,
                assume: Assume::default(),
                own_write_missed: false,
                own_appends_read: reads_own_appends(&history),
                mixed: false,
                limits: &limits,
            };
            let Some(guess) = tell_elements_apart(&index, &KnownPlaces::default(), &limits) else { continue };
            let level = IsolationLevel::Serializable;
            let options = TransactionOptions { levels: vec![level], assume: known.assume };
            let (held, _) = guess.levels_that_hold(&options, known.own_appends_read, known.analyze, &limits);
            match decide_by_guesses(&known, level) {
                Some(CaseOutcome::Holds(_)) if held.is_empty() => mended += 1,
                Some(CaseOutcome::Holds(_)) => first += 1,
                Some(CaseOutcome::Impossible(_)) => refuted += 1,
                _ => left += 1,
            }
        }
        assert!(first > 100 && mended > 5 && refuted > 50, "{first}, {mended}, {refuted}, {left}");
    }
}
