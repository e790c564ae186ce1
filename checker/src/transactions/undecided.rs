//! Decides the levels that the faster engines left undecided, each from its own definition, case by case.

use super::case_context::CaseContext;
use super::covered::{levels_covered_by, serial_level_above};
use super::guesses;
use super::internal::find_missed_own_write;
use super::judgement::Judgement;
use super::polygraph::{self, CaseOutcome};
use super::refuted::{all_ruled_out_levels, phenomena_ruling_out};
use super::told_order::{self, contradicts_told_order};
use claims::{
    IsolationLevel, IsolationSet, Limits, OrderExtent, Phenomenon, Proviso, Reason, TransactionAnomaly,
    TransactionEvidence, TransactionWitness, Verdict,
};

/// Whether a level requires that a transaction sees its own writes. All levels with any condition on reads require it.
pub(super) fn asks_for_own_writes(level: IsolationLevel) -> bool {
    let above = IsolationSet::default().with(IsolationLevel::ReadCommitted);
    above.and_stronger(Proviso::SessionsAside).contains(level)
}

/// Decides the requested levels that are still unknown. Judgements of levels that were not requested are removed; they have served
/// as witnesses for requested ones.
pub(super) fn decide_by_cases(
    known: &CaseContext<'_>,
    asked: &[IsolationLevel],
    judgements: &mut Vec<Judgement>,
    anomalies: &mut Vec<TransactionAnomaly>,
) {
    for judgement in judgements.iter_mut() {
        if let Verdict::Holds(witness) = &judgement.verdict
            && contradicts_told_order(known.history, known.assume, witness)
        {
            judgement.verdict = Verdict::Unknown(Reason { reason: told_order::CONTRADICTED.to_owned() });
        }
    }
    let mut proven: Vec<(IsolationSet, TransactionWitness)> = Vec::new();
    for judgement in judgements.iter() {
        if let Verdict::Holds(witness) = &judgement.verdict {
            proven.push((levels_covered_by(witness, known.own_appends_read), witness.clone()));
        }
    }
    judgements.truncate(asked.len());
    let mut tried: Vec<(IsolationLevel, String)> = Vec::new();
    for judgement in judgements.iter_mut() {
        let level = judgement.level;
        let Verdict::Unknown(reason) = &mut judgement.verdict else { continue };
        let lacks_time = super::candidates::extent_of_level(level) == OrderExtent::RealTime
            && !known.history.has_real_time();
        if known.mixed || known.limits.stop_requested() {
            continue;
        }
        if known.own_write_missed {
            match level {
                IsolationLevel::Mixed => refute_by_own_write(known, anomalies),
                _ if asks_for_own_writes(level) => continue,
                _ => {}
            }
        }
        // Without real time a level can still be ruled out by the order of sessions. That one holds proves nothing of it.
        let tried_level = if lacks_time { super::candidates::without_real_time(level) } else { level };
        let representative = polygraph::representative_level(tried_level);
        let is_new = !is_settled(known, tried_level, &proven, anomalies)
            && !tried.iter().any(|(other, _)| *other == representative);
        if is_new {
            try_serial_order(known, level, &mut proven, anomalies);
        }
        let is_new = is_new && !is_settled(known, level, &proven, anomalies);
        if is_new && let Some(why) = try_level(known, representative, &mut proven, anomalies) {
            tried.push((representative, why));
        }
        let found = tried.iter().find(|(other, _)| *other == representative);
        if let Some((_, why)) = found.filter(|_| !lacks_time) {
            reason.reason.clone_from(why);
        }
        if all_ruled_out_levels(anomalies, known.own_appends_read).contains(level) {
            judgement.verdict =
                Verdict::Violated(phenomena_ruling_out(level, anomalies, known.own_appends_read));
        } else if let Some((_, witness)) = proven.iter().find(|(covers, _)| covers.contains(level)) {
            judgement.verdict = Verdict::Holds(witness.clone());
        }
    }
}

fn is_settled(
    known: &CaseContext<'_>,
    level: IsolationLevel,
    proven: &[(IsolationSet, TransactionWitness)],
    anomalies: &[TransactionAnomaly],
) -> bool {
    all_ruled_out_levels(anomalies, known.own_appends_read).contains(level)
        || proven.iter().any(|(covers, _)| covers.contains(level))
}

/// Records that a transaction which declares a level above `read-uncommitted` missed its own write, if one did.
fn refute_by_own_write(known: &CaseContext<'_>, anomalies: &mut Vec<TransactionAnomaly>) {
    if let Some((read, because)) = find_missed_own_write(known.history) {
        let phenomenon = Phenomenon::Impossible(IsolationLevel::Mixed);
        let examples = vec![TransactionEvidence::Internal { read, because }];
        anomalies.push(TransactionAnomaly { phenomenon, count: 1, examples });
    }
}

/// From how many operations on a serial order is tried first, where it would do.
const SERIAL_FIRST_FROM: usize = 2_000;
/// How many steps that may take. It corresponds to seconds of work.
const SERIAL_FIRST_STEPS: u64 = 1 << 27;

/// Tries to find a serial order for a level of snapshots: it has half as many moments and fewer cases, and serves as well.
fn try_serial_order(
    known: &CaseContext<'_>,
    level: IsolationLevel,
    proven: &mut Vec<(IsolationSet, TransactionWitness)>,
    anomalies: &[TransactionAnomaly],
) {
    let Some(serial) = serial_level_above(level) else { return };
    let is_known = is_settled(known, serial, proven, anomalies);
    if is_known || known.history.len() < SERIAL_FIRST_FROM {
        return;
    }
    let limits = Limits { steps: known.limits.steps.min(SERIAL_FIRST_STEPS), ..*known.limits };
    if let CaseOutcome::Holds(witness) = polygraph::try_cases(known.history, serial, known.assume, &limits) {
        proven.push((levels_covered_by(&witness, known.own_appends_read), witness));
    }
}

/// Tries the cases of one level and records the result. Returns the reason if the level stays unknown.
fn try_level(
    known: &CaseContext<'_>,
    level: IsolationLevel,
    proven: &mut Vec<(IsolationSet, TransactionWitness)>,
    anomalies: &mut Vec<TransactionAnomaly>,
) -> Option<String> {
    let mut refute = |example: TransactionEvidence| {
        let phenomenon = Phenomenon::Impossible(level);
        anomalies.push(TransactionAnomaly { phenomenon, count: 1, examples: vec![example] });
    };
    let outcome = guesses::decide_by_guesses(known, level)
        .unwrap_or_else(|| polygraph::try_cases(known.history, level, known.assume, known.limits));
    match outcome {
        CaseOutcome::Holds(witness) if contradicts_told_order(known.history, known.assume, &witness) => {
            return Some(told_order::CONTRADICTED.to_owned());
        }
        CaseOutcome::Holds(witness) => {
            proven.push((levels_covered_by(&witness, known.own_appends_read), witness))
        }
        CaseOutcome::Impossible(steps) => refute(TransactionEvidence::Cases(steps)),
        CaseOutcome::Incompatible(one, other) => {
            refute(TransactionEvidence::IncompatibleOrder { one, other })
        }
        CaseOutcome::Unknown(reason) => return Some(reason),
    }
    None
}
