//! The plan of a run as a timeline, for a discussion without running it.
//!
//! The plan says what will happen and when, except which node is primary when a fault strikes. A line per moment says what
//! an observer would see; the drawing below shows load, faults and quiet periods side by side.

use super::layout;
use crate::args::RunPlan;
use std::time::Duration;
use workloads::{Episode, WorkloadKind, format_duration};

/// The width of the drawing in columns.
const COLUMNS: u64 = 60;

/// Describes the plan of a run.
pub(crate) fn describe_plan(plan: &RunPlan, width: usize) -> String {
    let mut text = String::new();
    if let Some(scenario) = &plan.scenario {
        text += &format!("{}: {}\npromise: {}\n\n", scenario.name, scenario.title, scenario.promise);
        for paragraph in scenario.story.lines() {
            text += &layout::wrap_text(paragraph, width).join("\n");
            text.push('\n');
        }
        text.push('\n');
    }
    let settings = &plan.settings;
    text += &format!(
        "{}, workload {}, {} start, {} clients, seed {}\n\n",
        plan.store.name(),
        settings.workload.kind.name(),
        if settings.warm_start { "warm" } else { "cold" },
        settings.workers,
        settings.workload.seed
    );
    let mut moments = plan_moments(plan);
    moments.sort_by_key(|moment| moment.0);
    let rows: Vec<Vec<String>> =
        moments.into_iter().map(|(at_ns, what)| vec![format!("{:>8}", format_span(at_ns)), what]).collect();
    text += &layout::align_columns(&rows).join("\n");
    text + "\n\n" + &draw_plan(plan)
}

fn plan_moments(plan: &RunPlan) -> Vec<(u64, String)> {
    let settings = &plan.settings;
    let quiet_ns = (settings.duration + settings.after_heal).as_nanos() as u64;
    let settled_ns = quiet_ns + settings.settle.as_nanos() as u64;
    let mut moments = vec![(0, "the load begins".to_owned())];
    if settings.warm_start {
        let (count, clients) = (settings.workload.sessions, settings.workers);
        let there = match settings.workload.kind {
            WorkloadKind::Session => {
                format!("{count} sessions are created and read once by each of {clients} clients")
            }
            _ => format!("everything is read once by each of {clients} clients"),
        };
        moments.insert(0, (0, there));
    }
    for episode in &settings.plan.episodes {
        let name = format!("{} {}", episode.fault, episode.target);
        moments.push((episode.from_ns, name.clone()));
        if !episode.fault.is_momentary() {
            moments.push((episode.to_ns, format!("{name} ends")));
        }
    }
    moments.push((quiet_ns, "the load ends, and the store settles".to_owned()));
    moments.push((settled_ns, "the final reads; then the history is checked".to_owned()));
    moments
}

fn draw_plan(plan: &RunPlan) -> String {
    let settings = &plan.settings;
    let quiet_ns = (settings.duration + settings.after_heal).as_nanos() as u64;
    let end_ns = (quiet_ns + settings.settle.as_nanos() as u64).max(1);
    let bar = |from_ns: u64, to_ns: u64, sign: char| -> String {
        let column = |ns: u64| u128::from(ns) * u128::from(COLUMNS) / u128::from(end_ns);
        let (from, to) = (column(from_ns), column(to_ns).max(column(from_ns) + 1));
        (0..u128::from(COLUMNS)).map(|at| if (from..to).contains(&at) { sign } else { ' ' }).collect()
    };
    let mut rows = vec![vec!["load".to_owned(), bar(0, quiet_ns, '=')]];
    let one = |episode: &Episode| {
        let name = format!("{} {}", episode.fault, episode.target);
        vec![name, bar(episode.from_ns, episode.to_ns, '#')]
    };
    rows.extend(settings.plan.episodes.iter().map(one));
    let end = format_span(end_ns);
    let gap = COLUMNS as usize - 1 - end.len().min(COLUMNS as usize - 1);
    rows.push(vec![String::new(), format!("0{}{end}", " ".repeat(gap))]);
    layout::align_columns(&rows).join("\n") + "\n"
}

fn format_span(ns: u64) -> String {
    format_duration(Duration::from_nanos(ns))
}
