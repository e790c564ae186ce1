//! Checks whether a run tested its store at all: a store that got no requests keeps every promise.

use crate::args::RunPlan;
use recorder::RunOutcome;
use std::time::Duration;
use workloads::format_duration;

/// The reasons why a recording says nothing about the store, or does not answer what the user asked. Each is a sentence for
/// the user.
pub(super) fn find_shortcomings(plan: &RunPlan, outcome: &RunOutcome) -> Vec<String> {
    // The user ended the run and needs no explanation.
    if outcome.stopped {
        return Vec::new();
    }
    let mut found: Vec<String> = describe_unanswered_load(outcome).into_iter().collect();
    found.extend(describe_shortage(outcome));
    found.extend(find_ineffective_faults(plan, outcome));
    found
}

/// Reports that no operation of the load succeeded.
fn describe_unanswered_load(outcome: &RunOutcome) -> Option<String> {
    let load = outcome.load;
    if load.ok > 0 {
        return None;
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
