//! Measurements for people: what each fault did, a line a fault, and whether the objectives were met.

use super::super::layout::columns;
use super::json::{looks, rests_on};
use crate::objectives::{Held, shown, shown_figure};
use crate::report::describe;
use anstyle::{AnsiColor, Style};
use checker::measurements::{FaultMeasurements, Figure, Measurements, NEVER_TOGETHER, Unit, find_metric};
use std::io::{self, Write};

/// Faults that have a line each; of more, the run's figures tell.
const FAULTS_MAX: usize = 12;
/// Kinds of errors that have a line each.
const ERRORS_MAX: usize = 5;
const DIM: Style = Style::new().dimmed();
/// What is told of a fault in a table.
pub(in crate::report) const COLUMNS: [&str; 15] = [
    "fault",
    "at",
    "for",
    "affected",
    "recovered in p50",
    "p99",
    "max",
    "with their state",
    "unavailable",
    "errors",
    "lost writes",
    "latency p99 before",
    "after",
    "warm-up",
    "replicas agree",
];

/// Writes what was measured: everything, or a line a fault; and every objective.
pub(crate) fn write(
    found: &Measurements,
    judged: &[Held],
    everything: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if !found.faults.is_empty() {
        faults(found, out)?;
    }
    if everything {
        all(found, out)?;
    }
    objectives(judged, out)
}

fn faults(found: &Measurements, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(found.faults.iter().take(FAULTS_MAX).map(row));
    let lines = columns(&rows);
    writeln!(out, "\n  {DIM}{}{DIM:#}", lines[0])?;
    lines[1..].iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    if let Some(more) = found.faults.len().checked_sub(FAULTS_MAX).filter(|&more| more > 0) {
        writeln!(out, "  and {more} more: --format json tells of all")?;
    }
    let sum = |name| -> f64 { found.faults.iter().filter_map(|one| figure(one, name)).sum() };
    let (unrecovered, silent) = (sum("unrecovered_sessions"), sum("silent_sessions"));
    if unrecovered > 0.0 {
        writeln!(
            out,
            "  {unrecovered} of the affected sessions asked until the end and were never answered"
        )?;
    }
    if silent > 0.0 {
        writeln!(
            out,
            "  {silent} of the affected sessions stopped asking; each counts as waiting until then"
        )?;
    }
    for one in found.faults.iter().filter(|one| one.fault.in_force == Some(false)) {
        let how = one.fault.how.as_deref().map_or(String::new(), |how| format!(" ({how})"));
        let (name, nodes) = (&one.fault.name, &one.fault.nodes);
        writeln!(out, "  {name} {nodes} was not in force{how}: nothing is measured of it")?;
    }
    Ok(())
}

/// What is told of a fault, by the names of [`COLUMNS`].
pub(in crate::report) fn row(one: &FaultMeasurements) -> Vec<String> {
    let fault = &one.fault;
    let value = |name: &str| match find_metric(name)
        .and_then(|metric| Some((metric.unit, one.values.get(metric)?)))
    {
        Some((unit, Ok(figure))) => shown_figure(unit, figure),
        _ => "?".to_owned(),
    };
    let time = |nanoseconds: i64| shown(Unit::Seconds, nanoseconds as f64 / 1e9);
    let p99 = |latency: &checker::measurements::Latency| {
        latency.latency.map_or("?".to_owned(), |quantiles| time(quantiles.p99))
    };
    let nodes = fault.nodes.replace(['[', ']', '"'], "").replace(',', " ");
    vec![
        format!("{} {}", fault.name, describe::short(&nodes)).trim().to_owned(),
        time(fault.struck),
        fault.healed.map_or("-".to_owned(), |healed| time(healed - fault.struck)),
        value("affected_sessions"),
        value("recovery_p50_seconds"),
        value("recovery_p99_seconds"),
        value("recovery_max_seconds"),
        value("recovered_with_state_share"),
        value("unavailable_seconds"),
        value("error_share"),
        value("lost_writes"),
        p99(&one.phases.before),
        p99(&one.phases.after),
        value("warm_up_seconds"),
        together(one),
    ]
}

/// After how long replicas held the same again, with how exactly that is known.
fn together(one: &FaultMeasurements) -> String {
    let seen = find_metric("convergence_seconds").and_then(|metric| one.values.get(metric));
    match (seen, figure(one, "convergence_uncertainty_seconds")) {
        (Some(Ok(seen)), Some(within)) => {
            format!("{} (-{})", shown_figure(Unit::Seconds, seen), shown(Unit::Seconds, within))
        }
        (Some(Err(NEVER_TOGETHER)), _) => "never".to_owned(),
        _ => "?".to_owned(),
    }
}

fn figure(one: &FaultMeasurements, name: &str) -> Option<f64> {
    find_metric(name)
        .and_then(|metric| one.values.get(metric))
        .and_then(Result::ok)
        .and_then(Figure::exact_value)
}

fn all(found: &Measurements, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let mut rows = Vec::new();
    for (metric, measured) in found.run.iter() {
        let figure = measured.map_or("?".to_owned(), |figure| shown_figure(metric.unit, figure));
        let why = measured.err().map_or(String::new(), |why| format!("({why})"));
        rows.push(vec![metric.objective.to_owned(), figure, format!("{} {why}", metric.line)]);
    }
    columns(&rows).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    for kind in found.errors.iter().take(ERRORS_MAX) {
        let (count, unknown) = (kind.failed + kind.unknown, kind.unknown);
        writeln!(out, "  error {:?}: {count} operations, of {unknown} of them nobody knows", kind.kind)?;
    }
    if found.ids_out_of_reach > 0 {
        let ids = found.ids_out_of_reach;
        writeln!(
            out,
            "  {ids} ids were told to nobody, so that no replica was asked for them (convergence)"
        )?;
    }
    replication(found, out)
}

fn replication(found: &Measurements, out: &mut dyn Write) -> io::Result<()> {
    let seen = &found.replication;
    write!(out, "  replication looks {}: {}", looks(seen.looks), rests_on(seen))?;
    if let Some(lag) = seen.lag {
        let time = |nanoseconds: i64| shown(Unit::Seconds, nanoseconds as f64 / 1e9);
        write!(out, ", by {} (p50), {} (p99), {} (max)", time(lag.p50), time(lag.p99), time(lag.max))?;
    }
    writeln!(out)?;
    if let Some(replicas) = &seen.replicas {
        let (differ, keys, nodes) = (replicas.divergent.len(), replicas.keys, replicas.nodes);
        writeln!(out, "  in the end {nodes} replicas hold different things under {differ} of {keys} keys")?;
    }
    Ok(())
}

fn objectives(judged: &[Held], out: &mut dyn Write) -> io::Result<()> {
    if !judged.is_empty() {
        writeln!(out)?;
    }
    for one in judged {
        let color = match one.verdict() {
            "met" => AnsiColor::Green,
            "missed" => AnsiColor::Red,
            _ => AnsiColor::Yellow,
        };
        let style = Style::new().fg_color(Some(color.into()));
        writeln!(out, "  {style}{:<8}{style:#}{}", one.verdict(), one.sentence())?;
    }
    Ok(())
}
