//! Measurements for people: the effect of each fault, and the results of the objectives.

use super::super::layout::{count_noun, describe_list, fit_table, wrap_text};
use super::json::{describe_replication_basis, replication_name};
use crate::objectives::{JudgedObjective, format_amount, format_figure};
use crate::report::{MeasuredRun, describe};
use anstyle::{AnsiColor, Style};
use checker::measurements::{FaultMeasurements, Figure, Measurements, NEVER_TOGETHER, Unit, find_metric};
use std::io::{self, Write};

/// The number of faults that get their own line.
const FAULTS_MAX: usize = 12;
/// The number of kinds of errors that get their own line.
const ERRORS_MAX: usize = 5;
const DIM: Style = Style::new().dimmed();
/// The columns of the fault table.
pub(in crate::report) const COLUMNS: [&str; 15] = [
    "fault",
    "at",
    "lasted",
    "affected sessions",
    "recovery p50",
    "recovery p99",
    "recovery max",
    "recovered with state",
    "unavailable",
    "error share",
    "lost writes",
    "latency p99 before",
    "latency p99 after",
    "warm-up",
    "replicas agree after",
];

/// Writes all figures, or a line per fault; and every objective.
pub(crate) fn write_measurements(
    measured: &MeasuredRun,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let found = &measured.found;
    if !found.faults.is_empty() {
        write_fault_table(found, width, out)?;
    }
    if measured.everything {
        write_all_figures(found, width, out)?;
    }
    write_objectives(&measured.objectives, width, out)
}

fn write_fault_table(found: &Measurements, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(found.faults.iter().take(FAULTS_MAX).map(fault_row));
    let lines = fit_table(&rows, width - 2);
    writeln!(out, "\n  {DIM}{}{DIM:#}", lines[0])?;
    lines[1..].iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    if let Some(more) = found.faults.len().checked_sub(FAULTS_MAX).filter(|&more| more > 0) {
        writeln!(out, "  and {}; --format json lists all", count_noun(more, "more fault"))?;
    }
    let sum = |name| -> f64 { found.faults.iter().filter_map(|one| exact_figure(one, name)).sum() };
    let (unrecovered, silent) = (sum("unrecovered_sessions"), sum("silent_sessions"));
    if unrecovered > 0.0 {
        let sessions = count_noun(unrecovered as usize, "affected session");
        let text = format!("{sessions} sent requests until the end and got no answer");
        write_indented(&text, width, out)?;
    }
    if silent > 0.0 {
        let text =
            format!("{silent} affected sessions stopped sending requests; each counts as waiting until then");
        write_indented(&text, width, out)?;
    }
    for one in found.faults.iter().filter(|one| one.fault.in_force == Some(false)) {
        let how = one.fault.how.as_deref().map_or(String::new(), |how| format!(" ({how})"));
        let (name, nodes) = (&one.fault.name, &one.fault.nodes);
        write_indented(&format!("{name} {nodes} was not in force{how}, so it has no figures"), width, out)?;
    }
    Ok(())
}

/// The row of a fault, in the order of [`COLUMNS`].
pub(in crate::report) fn fault_row(one: &FaultMeasurements) -> Vec<String> {
    let fault = &one.fault;
    let value = |name: &str| match find_metric(name)
        .and_then(|metric| Some((metric.unit, one.values.get(metric)?)))
    {
        Some((unit, Ok(figure))) => format_figure(unit, figure),
        _ => "?".to_owned(),
    };
    let time = |nanoseconds: i64| format_amount(Unit::Seconds, nanoseconds as f64 / 1e9);
    let p99 = |latency: &checker::measurements::Latency| {
        latency.latency.map_or("?".to_owned(), |quantiles| time(quantiles.p99))
    };
    let nodes = fault.nodes.replace(['[', ']', '"'], "").replace(',', " ");
    vec![
        format!("{} {}", fault.name, describe::shorten_text(&nodes)).trim().to_owned(),
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
        format_convergence(one),
    ]
}

/// The time until all replicas held the same data again, with its uncertainty.
fn format_convergence(one: &FaultMeasurements) -> String {
    let seen = find_metric("convergence_seconds").and_then(|metric| one.values.get(metric));
    match (seen, exact_figure(one, "convergence_uncertainty_seconds")) {
        (Some(Ok(seen)), Some(within)) => {
            format!("{} (-{})", format_figure(Unit::Seconds, seen), format_amount(Unit::Seconds, within))
        }
        (Some(Err(NEVER_TOGETHER)), _) => "never".to_owned(),
        _ => "?".to_owned(),
    }
}

fn exact_figure(one: &FaultMeasurements, name: &str) -> Option<f64> {
    find_metric(name)
        .and_then(|metric| one.values.get(metric))
        .and_then(Result::ok)
        .and_then(Figure::exact_value)
}

fn write_all_figures(found: &Measurements, width: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    let mut rows = Vec::new();
    for (metric, measured) in found.run.iter() {
        let figure = measured.map_or("?".to_owned(), |figure| format_figure(metric.unit, figure));
        let why = measured.err().map_or(String::new(), |why| format!(" ({why})"));
        rows.push((vec![metric.objective.to_owned(), figure], format!("{}{why}", metric.line)));
    }
    describe_list(&rows, width - 2).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    for kind in found.errors.iter().take(ERRORS_MAX) {
        let (count, unknown) = (kind.failed + kind.unknown, kind.unknown);
        let text = format!("error {:?}: {count} operations, {unknown} of them indeterminate", kind.kind);
        write_indented(&text, width, out)?;
    }
    if found.ids_out_of_reach > 0 {
        let ids = found.ids_out_of_reach;
        let text = format!("{ids} ids reached no client, so no replica was asked for them (convergence)");
        write_indented(&text, width, out)?;
    }
    write_replication(found, width, out)
}

fn write_replication(found: &Measurements, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let seen = &found.replication;
    let mut text =
        format!("replication looks {}: {}", replication_name(seen.looks), describe_replication_basis(seen));
    if let Some(lag) = seen.lag {
        let time = |nanoseconds: i64| format_amount(Unit::Seconds, nanoseconds as f64 / 1e9);
        text += &format!(", by {} (p50), {} (p99), {} (max)", time(lag.p50), time(lag.p99), time(lag.max));
    }
    write_indented(&text, width, out)?;
    if let Some(replicas) = &seen.replicas {
        let (differ, keys, nodes) = (replicas.divergent.len(), replicas.keys, replicas.nodes);
        let text = format!("at the end, {nodes} replicas differ in {differ} of {keys} keys");
        write_indented(&text, width, out)?;
    }
    Ok(())
}

fn write_objectives(judged: &[JudgedObjective], width: usize, out: &mut dyn Write) -> io::Result<()> {
    if !judged.is_empty() {
        writeln!(out)?;
    }
    let rows: Vec<(Vec<String>, String)> =
        judged.iter().map(|one| (vec![one.verdict().to_owned()], one.describe_result())).collect();
    for line in describe_list(&rows, width - 2) {
        let verdict = line.split(' ').next().unwrap_or_default();
        let color = match verdict {
            "met" => AnsiColor::Green,
            "missed" => AnsiColor::Red,
            _ => AnsiColor::Yellow,
        };
        let (style, rest) = (Style::new().fg_color(Some(color.into())), &line[verdict.len()..]);
        match verdict {
            "" => writeln!(out, "  {line}")?,
            verdict => writeln!(out, "  {style}{verdict}{style:#}{rest}")?,
        }
    }
    Ok(())
}

/// Writes a text in indented lines.
fn write_indented(text: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    wrap_text(text, width - 2).iter().try_for_each(|line| writeln!(out, "  {line}"))
}
