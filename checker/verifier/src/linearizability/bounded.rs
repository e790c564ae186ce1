//! Verifies claims about bounded staleness: in versions, as k-atomicity; in time, as linearizability of reads that began earlier.
//!
//! A bound of T ns moves the beginning of each read into the past: to the first completion that was recorded no more than T before the
//! read was invoked. Orders and cores are then checked as those of linearizability.
//!
//! Cost: O(n log n), and that of linearizability.

use super::anomaly_names::check_name_of_level;
use super::two_versions::{verify_recent_versions, verify_two_atomicity};
use super::{
    ConfirmationResult, CoreRefutation, Moment, OperationsByObject, OrderReplay, check_all_are_ordered,
    confirm_each, core, core_of_violation, invocation_moment, run_with_specification, verify_linearizability,
};
use crate::watch::Watch;
use crate::{Confirmation, Mismatch};
use claims::specification::RecentVersionsRegister;
use claims::{FailedCas, ObjectQuestion, StalenessBound, Verdict, Violation, Witness};
use histories::{Function, History, OpId, Operation, Outcome};
use std::collections::HashMap;

/// Verifies a verdict on bounded staleness. The error names the part that does not follow.
pub(crate) fn verify_bounded_staleness(
    history: &History,
    question: &ObjectQuestion,
    verdict: &Verdict,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    if matches!(verdict, Verdict::Untested(_) | Verdict::Unknown(_)) {
        return Ok(Confirmation::Confirmed);
    }
    match question.staleness {
        None | Some(StalenessBound::Versions(0)) => Err(Mismatch("the question has no bound".to_owned())),
        Some(StalenessBound::Versions(1)) => verify_linearizability(history, question, verdict, watch),
        Some(StalenessBound::Versions(2)) => verify_two_atomicity(history, question, verdict, watch),
        Some(StalenessBound::Versions(versions)) => {
            let register = |initial| RecentVersionsRegister { initial, versions };
            verify_recent_versions(history, question, verdict, ("too-stale", &register), watch)
        }
        Some(StalenessBound::Nanoseconds(ns)) => {
            let question = &ObjectQuestion { failed_cas: FailedCas::SaysNothing, ..question.clone() };
            let began = EarlierBeginnings::new(history, ns)?;
            verify_bounded_time(history, question, verdict, &began, watch)
        }
    }
}

/// When the reads begin if each began earlier by the bound.
struct EarlierBeginnings(HashMap<OpId, Moment>);

impl EarlierBeginnings {
    fn new(history: &History, bound_ns: u64) -> Result<Self, String> {
        let untimed = |op: OpId| format!("operation {} has no time", history.operation_index(op));
        let mut completions: Vec<(u32, i128)> = Vec::new();
        let mut reads: Vec<(i128, Operation)> = Vec::new();
        for operation in history.operations().filter(|operation| operation.outcome == Outcome::Ok) {
            let completed = history.completed_at(operation.id).ok_or_else(|| untimed(operation.id))?;
            completions.push((operation.completed, i128::from(completed)));
            if matches!(operation.function, Function::READ | Function::GET) {
                let invoked = history.invoked_at(operation.id).ok_or_else(|| untimed(operation.id))?;
                reads.push((i128::from(invoked) - i128::from(bound_ns), operation));
            }
        }
        completions.sort_unstable();
        reads.sort_unstable_by_key(|read| read.0);
        // The earliest begin first, so the completions are walked through once.
        let mut completions = completions.into_iter().peekable();
        let mut moments = HashMap::new();
        for (earliest, operation) in reads {
            while completions.next_if(|&(_, at)| at < earliest).is_some() {}
            let began = invocation_moment(&operation);
            let first = completions.peek().map_or(began, |&(position, _)| 2 * Moment::from(position));
            // An odd moment: just before that completion.
            moments.insert(operation.id, began.min(first.saturating_sub(1)));
        }
        Ok(Self(moments))
    }

    fn moment_of(&self, operation: &Operation) -> Moment {
        self.0.get(&operation.id).copied().unwrap_or_else(|| invocation_moment(operation))
    }
}

fn verify_bounded_time(
    history: &History,
    question: &ObjectQuestion,
    verdict: &Verdict,
    began: &EarlierBeginnings,
    watch: &Watch<'_>,
) -> Result<Confirmation, Mismatch> {
    match verdict {
        Verdict::Holds(Witness::Orders(orders)) => {
            check_all_are_ordered(history, question, orders, watch)?;
            for found in orders {
                let replay =
                    OrderReplay { found, history, began: &|operation| began.moment_of(operation), watch };
                run_with_specification(history, question, found.key, &found.operations, None, replay)?;
            }
            Ok(Confirmation::Confirmed)
        }
        Verdict::Violated(violations) if !violations.is_empty() => {
            let objects = OperationsByObject::new(history, question);
            confirm_each(violations, |violation| refute(&objects, violation, began, watch))
        }
        _ => Err(Mismatch("it rests on nothing that can be checked".to_owned())),
    }
}

fn refute(
    objects: &OperationsByObject<'_>,
    violation: &Violation,
    began: &EarlierBeginnings,
    watch: &Watch<'_>,
) -> ConfirmationResult {
    let core = core_of_violation(violation)?;
    if core.from.is_some() {
        return Err("a core of bounded staleness begins at the beginning".to_owned());
    }
    core::check_omitted_operations(objects, core, watch)?;
    let (history, question) = (objects.history, objects.question);
    let began = |operation: &Operation| began.moment_of(operation);
    let refutation = CoreRefutation { core, history, began: &began, watch };
    let refuted = run_with_specification(history, question, core.key, &core.operations, None, refutation)?;
    check_name_of_level(objects, violation.kind.as_str(), "too-stale", core)?;
    Ok(refuted)
}
