//! Checks whether a run tested its store at all: a store that got no requests keeps every promise.

use crate::args::RunPlan;
use crate::report::layout::count_noun;
use recorder::RunOutcome;
use std::time::Duration;
use workloads::format_duration;

/// The reasons why a recording says nothing about the store, or does not answer what the user asked. Each is a sentence for
/// the user.
pub(super) fn find_shortcomings(plan: &RunPlan, outcome: &RunOutcome) -> Vec<String> {
    let mut found: Vec<String> = describe_unanswered_load(outcome).into_iter().collect();
    found.extend(describe_shortage(outcome));
    found.extend(match outcome.stopped {
        true => find_untested_faults(plan, outcome),
        false => find_ineffective_faults(plan, outcome),
    });
    found
}

/// Finds faults of a run that was ended early: those that had not struck, and those that still were in force.
fn find_untested_faults(plan: &RunPlan, outcome: &RunOutcome) -> Vec<String> {
    let planned = plan.settings.plan.episodes.len();
    let struck = outcome.faults.iter().filter(|fault| !fault.nodes.is_empty()).count();
    let lasted = format_duration(outcome.load_lasted);
    let mut found = Vec::new();
    if struck < planned {
        let left = count_noun(planned - struck, "planned fault");
        found.push(format!("the run was ended after {lasted}, before {left} struck"));
    }
    for fault in &outcome.faults {
        let is_over = fault.to_ns.is_some_and(|to_ns| Duration::from_nanos(to_ns) < outcome.load_lasted);
        if !fault.nodes.is_empty() && !is_over {
            found.push(format!(
                "the run was ended after {lasted}, while the fault {} of {} was in force, so the recovery was not tested",
                fault.fault,
                fault.nodes.join(", "),
            ));
        }
    }
    found
}

/// A store is hardly tested if fewer operations than one in so many succeeded.
const SUCCESSES_ONE_IN: u64 = 4;

/// Reports that no operation of the load succeeded, or few of them.
fn describe_unanswered_load(outcome: &RunOutcome) -> Option<String> {
    let load = outcome.load;
    if load.ok > 0 {
        let ended = load.ended_count();
        return (load.ok * SUCCESSES_ONE_IN < ended).then(|| {
            let why = outcome
                .first_error
                .as_ref()
                .map_or(String::new(), |why| format!(". The first error was: {why}"));
            format!("the store was hardly tested: only {} of {ended} operations succeeded{why}", load.ok)
        });
    }
    Some(match (&outcome.first_error, load.ended_count()) {
        (_, 0) => "the store was not tested: the load started no operation".to_owned(),
        (Some(why), count) => {
            format!(
                "the store was not tested: none of {count} operations succeeded. The first error was: {why}"
            )
        }
        (None, count) => format!("the store was not tested: none of {count} operations succeeded"),
    })
}

/// Reports that this machine lacked a resource, so that operations failed before the store saw them.
fn describe_shortage(outcome: &RunOutcome) -> Option<String> {
    let error = outcome.shortage.as_ref()?;
    Some(format!(
        "this machine ran out of a resource, so operations failed before they reached the store. The first error was: \
         {error}"
    ))
}

/// Finds faults that struck no node, that were not in force, or that lasted until the load ended.
fn find_ineffective_faults(plan: &RunPlan, outcome: &RunOutcome) -> Vec<String> {
    let planned = &plan.settings.plan.episodes;
    let lasted = format_duration(outcome.load_lasted);
    let mut found = Vec::new();
    if !planned.is_empty() && outcome.faults.iter().all(|fault| fault.nodes.is_empty()) {
        found
            .push(format!("no fault was tested: none of the {} planned faults struck a node", planned.len()));
        return found;
    }
    for fault in outcome.faults.iter().filter(|fault| fault.nodes.is_empty()) {
        found.push(format!("the fault {} struck no node", fault.fault));
    }
    for fault in &outcome.faults {
        if fault.to_ns.is_some_and(|to_ns| Duration::from_nanos(to_ns) >= outcome.load_lasted) {
            found.push(format!(
                "the fault {} of {} lasted until the load ended at {lasted}, so the recovery was not tested. Pass a longer \
                 --duration or --after-heal, or a shorter fault",
                fault.fault,
                fault.nodes.join(", "),
            ));
        }
    }
    for fault in &outcome.faults {
        if let Some(seen) = fault.evidence.as_ref().filter(|seen| !seen.in_force) {
            let struck = fault.nodes.join(", ");
            found.push(format!(
                "the fault {} of {struck} was not observed in force: {}",
                fault.fault, seen.how
            ));
        }
    }
    found.extend(plan.cut_faults.iter().cloned());
    found
}
