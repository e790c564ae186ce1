//! Decides a level over lists with equal elements by guesses that are mended.
//!
//! A guess tells the equal elements apart ([`distinct`](super::distinct)). If the level holds of the guess, it holds. If not, a few keys show
//! why. The cases of these keys alone ([`polygraph`](super::polygraph)) then either refute the level, whatever the rest of the history is
//! like, or place the appends to these keys in a way that explains them. The next guess keeps these places, and the keys stay among those
//! that are looked at. So only the cases of keys that matter are ever written down, and not those of a million transactions.

use super::analysis::TransactionOptions;
use super::distinct::{KnownPlaces, tell_elements_apart};
use super::polygraph::{self, CaseOutcome};
use super::undecided::CaseContext;
use claims::{CaseChoice, CaseStep, IsolationLevel, TransactionAnomaly, TransactionEvidence};
use histories::{History, KeyId, OpId};
use rustc_hash::FxHashSet;

/// How often a guess is mended.
const GUESSES_MAX: usize = 32;
/// The maximum number of keys whose cases are looked at together.
const KEYS_MAX: usize = 256;

/// Decides a level. `None` if the elements of lists differ anyway, or if the guesses lead to nothing.
pub(super) fn decide_by_guesses(known: &CaseContext<'_>, level: IsolationLevel) -> Option<CaseOutcome> {
    if level == IsolationLevel::Mixed || polygraph::asks_nothing_of_reads(level) {
        return None;
    }
    let options = TransactionOptions { levels: vec![level], assume: known.assume };
    let mut places = KnownPlaces::default();
    let mut keys: FxHashSet<KeyId> = FxHashSet::default();
    for _ in 0..GUESSES_MAX {
        let guess = tell_elements_apart(known.index, &places, known.limits)?;
        let (held, anomalies) = guess.levels_that_hold(&options, known.own_appends_read, known.limits);
        if let Some((_, witness)) = held.into_iter().next() {
            return Some(CaseOutcome::Holds(witness));
        }
        let before = keys.len();
        anomalies.iter().for_each(|anomaly| add_keys_of(known.history, anomaly, &mut keys));
        if keys.len() == before || keys.len() > KEYS_MAX || known.limits.stop_requested() {
            return None;
        }
        match polygraph::find_places_of(known.history, level, known.assume, &keys, known.limits) {
            Ok(found) => {
                places.extend(found.into_iter().map(|place| ((place.key, place.writer), place.start)))
            }
            Err(CaseOutcome::Impossible(steps)) => return Some(CaseOutcome::Impossible(steps)),
            Err(_) => return None,
        }
    }
    None
}

/// Adds the keys of the transactions that show an anomaly.
fn add_keys_of(history: &History, anomaly: &TransactionAnomaly, keys: &mut FxHashSet<KeyId>) {
    let mut involved: Vec<OpId> = Vec::new();
    for example in &anomaly.examples {
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
    }
    keys.extend(involved.into_iter().flat_map(|id| history.micros_of(id)).map(|micro| micro.key));
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
                assume: Assume::default(),
                own_write_missed: false,
                own_appends_read: reads_own_appends(&history),
                mixed: false,
                limits: &limits,
            };
            let Some(guess) = tell_elements_apart(&index, &KnownPlaces::default(), &limits) else { continue };
            let level = IsolationLevel::Serializable;
            let options = TransactionOptions { levels: vec![level], assume: known.assume };
            let (held, _) = guess.levels_that_hold(&options, known.own_appends_read, &limits);
            match decide_by_guesses(&known, level) {
                Some(CaseOutcome::Holds(_)) if held.is_empty() => mended += 1,
                Some(CaseOutcome::Holds(_)) => first += 1,
                Some(CaseOutcome::Impossible(_)) => refuted += 1,
                _ => left += 1,
            }
        }
        assert!(first > 100 && mended > 5 && refuted > 100, "{first}, {mended}, {refuted}, {left}");
    }
}
