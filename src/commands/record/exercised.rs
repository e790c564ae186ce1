//! Whether a run put its store to the test at all: a store that was never asked anything keeps every promise.

use crate::args::RunPlan;
use recorder::RunOutcome;
use std::time::Duration;
use workloads::format_duration;

/// Why what was recorded says nothing of the store, or not what was asked for. Each is a sentence for the user.
pub(super) fn shortcomings(plan: &RunPlan, outcome: &RunOutcome) -> Vec<String> {
    // Whoever ends a run has seen enough.
    if outcome.stopped {
        return Vec::new();
    }
    let mut found: Vec<String> = unanswered(outcome).into_iter().collect();
    found.extend(shortage(outcome));
    found.extend(faults_in_vain(plan, outcome));
    found
}

/// No operation of the load succeeded.
fn unanswered(outcome: &RunOutcome) -> Option<String> {
    let load = outcome.load;
    if load.ok > 0 {
        return None;
    }
    Some(match (&outcome.first_error, load.ended_count()) {
        (_, 0) => "the store was not tested: no operation was begun".to_owned(),
        (Some(why), count) => {
            format!(
                "the store was not tested: none of {count} operations succeeded. The first was told: {why}"
            )
        }
        (None, count) => format!("the store was not tested: none of {count} operations succeeded"),
    })
}

/// This program was short of something, so that operations failed which the store never saw.
fn shortage(outcome: &RunOutcome) -> Option<String> {
    let error = outcome.shortage.as_ref()?;
    Some(format!(
        "operations failed for want of something on this machine before they reached the store. The first was told: \
         {error}"
    ))
}

/// Faults that struck nobody, or that the load did not outlast.
fn faults_in_vain(plan: &RunPlan, outcome: &RunOutcome) -> Vec<String> {
    let planned = &plan.settings.plan.episodes;
    let lasted = format_duration(outcome.load_lasted);
    let mut found = Vec::new();
    if !planned.is_empty() && outcome.faults.iter().all(|fault| fault.nodes.is_empty()) {
        found.push(format!(
            "no fault was tested: none of the {} that were planned struck anybody",
            planned.len()
        ));
        return found;
    }
    for fault in outcome.faults.iter().filter(|fault| fault.nodes.is_empty()) {
        found.push(format!("the fault {} struck nobody", fault.fault));
    }
    for fault in &outcome.faults {
        if fault.to_ns.is_some_and(|to_ns| Duration::from_nanos(to_ns) >= outcome.load_lasted) {
            found.push(format!(
                "the fault {} of {} was on until the load ended at {lasted}, so what comes after it was not tested. \
                 Make the run longer (--duration, --after-heal) or the fault shorter",
                fault.fault,
                fault.nodes.join(", "),
            ));
        }
    }
    for fault in &outcome.faults {
        if let Some(seen) = fault.evidence.as_ref().filter(|seen| !seen.in_force) {
            let struck = fault.nodes.join(", ");
            found.push(format!(
                "the fault {} of {struck} was not seen to be in force: {}",
                fault.fault, seen.how
            ));
        }
    }
    found.extend(plan.cut_faults.iter().cloned());
    found
}
