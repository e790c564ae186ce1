//! The differences between two groups of runs, for people and for programs; and the figures of repeated runs.

use super::layout::{align_columns, count_noun, wrap_text};
use crate::objectives::{format_amount, format_figure};
use anstyle::{AnsiColor, Style};
use checker::measurements::{
    Figure, METRICS, MetricChange, MetricComparison, MetricValues, Noise, Summary, Unit,
};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The output format of `steadfast diff`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum DiffFormat {
    /// A line for each figure that differs
    Text,
    /// One JSON object for programs
    Json,
}

/// The comparison of two groups of runs.
pub(crate) struct DiffReport {
    /// The names of the histories of each group.
    pub(crate) a: Vec<String>,
    pub(crate) b: Vec<String>,
    pub(crate) noise: Noise,
    pub(crate) compared: Vec<MetricComparison>,
}

impl DiffReport {
    pub(crate) fn has_change(&self, change: MetricChange) -> bool {
        self.compared.iter().any(|compared| compared.change == change)
    }

    /// The worst change of any figure.
    fn verdict(&self) -> &'static str {
        let order = [
            MetricChange::Worse,
            MetricChange::NoiseUnknown,
            MetricChange::BoundsOverlap,
            MetricChange::Better,
        ];
        order.into_iter().find(|&change| self.has_change(change)).map_or("same", change_name)
    }
}

pub(crate) fn write_difference(
    found: &DiffReport,
    form: DiffFormat,
    (quiet, width): (bool, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    match form {
        DiffFormat::Text => write_difference_text(found, quiet, width, out),
        DiffFormat::Json => writeln!(out, "{}", difference_as_json(found)),
    }
}

fn change_name(change: MetricChange) -> &'static str {
    match change {
        MetricChange::Better => "better",
        MetricChange::Worse => "worse",
        MetricChange::Same => "same",
        MetricChange::NoiseUnknown | MetricChange::BoundsOverlap => "unknown",
        MetricChange::Missing => "missing",
    }
}

fn write_difference_text(
    found: &DiffReport,
    quiet: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let runs = |names: &[String]| match names {
        [name] => name.clone(),
        names => format!("{} runs, {} to {}", names.len(), names[0], names[names.len() - 1]),
    };
    if !quiet {
        writeln!(out, "A: {}\nB: {}\n", runs(&found.a), runs(&found.b))?;
    }
    let order =
        [MetricChange::Worse, MetricChange::NoiseUnknown, MetricChange::BoundsOverlap, MetricChange::Better];
    let of = |change| found.compared.iter().filter(move |compared| compared.change == change);
    let told: Vec<&MetricComparison> = order.into_iter().flat_map(of).collect();
    let rows = |ranges| told.iter().map(|compared| difference_row(compared, ranges)).collect::<Vec<_>>();
    let with_ranges = align_columns(&rows(true));
    let is_narrow = with_ranges.iter().any(|line| line.chars().count() + 2 > width);
    let lines = if is_narrow { align_columns(&rows(false)) } else { with_ranges };
    for (line, compared) in lines.iter().zip(&told) {
        let color = match compared.change {
            MetricChange::Worse => AnsiColor::Red,
            MetricChange::Better => AnsiColor::Green,
            _ => AnsiColor::Yellow,
        };
        let style = Style::new().fg_color(Some(color.into()));
        let (word, rest) = line.split_at(7);
        writeln!(out, "  {style}{word}{style:#}{rest}")?;
    }
    if quiet {
        return Ok(());
    }
    let count = |change| of(change).count();
    if !told.is_empty() {
        writeln!(out)?;
    }
    writeln!(
        out,
        "  {} the same, {} not measured on both sides",
        count(MetricChange::Same),
        count(MetricChange::Missing)
    )?;
    if found.has_change(MetricChange::NoiseUnknown) {
        let chance = format_amount(Unit::Share, found.noise.significance);
        let runs = match (found.a.len(), found.b.len()) {
            (a, b) if a == b => format!("{} on each side", count_noun(a, "run")),
            (a, b) => format!("{a} and {}", count_noun(b, "run")),
        };
        let are = if (found.a.len(), found.b.len()) == (1, 1) { "is" } else { "are" };
        let text = format!(
            "unknown: {runs} {are} too few to tell a difference from noise. Record five on each side for a \
             significance of {chance} (steadfast run --repeat 5)."
        );
        wrap_text(&text, width - 2).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    Ok(())
}

/// The row of a figure; without `ranges`, only the medians of both sides.
fn difference_row(compared: &MetricComparison, ranges: bool) -> Vec<String> {
    let side = |summary: Option<Summary>| match (summary, ranges) {
        (None, _) => String::new(),
        (Some(summary), true) => format_range(compared, &summary),
        (Some(summary), false) => format_figure(compared.metric.unit, summary.median),
    };
    let note = match (compared.change, compared.is_better()) {
        (MetricChange::BoundsOverlap, _) => "only bounds are known".to_owned(),
        (MetricChange::NoiseUnknown, Some(true)) => "looks better".to_owned(),
        (MetricChange::NoiseUnknown, Some(false)) => "looks worse".to_owned(),
        (MetricChange::NoiseUnknown, None) => "only bounds are known".to_owned(),
        _ => compared.probability.map_or(String::new(), |chance| format!("p = {chance:.3}")),
    };
    let exact = |summary: Option<Summary>| summary.and_then(|summary| summary.median.exact_value());
    let change =
        exact(compared.a).zip(exact(compared.b)).map(|(a, b)| percent_change(a, b)).unwrap_or_default();
    vec![
        format!("{:<7}", change_name(compared.change)),
        compared.metric.objective.to_owned(),
        side(compared.a),
        "→".to_owned(),
        side(compared.b),
        change,
        note,
    ]
}

/// Formats the median, and for several runs the range.
fn format_range(compared: &MetricComparison, summary: &Summary) -> String {
    let unit = compared.metric.unit;
    let median = format_figure(unit, summary.median);
    match (summary.count, summary.max.is_finite()) {
        (1, _) => median,
        (_, true) => {
            format!("{median} ({} to {})", format_amount(unit, summary.min), format_amount(unit, summary.max))
        }
        (_, false) => format!("{median} ({} or more)", format_amount(unit, summary.min)),
    }
}

fn percent_change(a: f64, b: f64) -> String {
    if a == 0.0 { String::new() } else { format!("{:+.0}%", (b - a) / a * 100.0) }
}

fn difference_as_json(found: &DiffReport) -> Value {
    let summary = |summary: Summary| {
        let median = match summary.median.exact_value() {
            Some(median) => json!(median),
            None => json!({"least": summary.median.least, "most": summary.median.upper_bound()}),
        };
        let max = summary.max.is_finite().then_some(summary.max);
        json!({"count": summary.count, "min": summary.min, "median": median, "max": max})
    };
    let one = |compared: &MetricComparison| {
        let mut object = json!({
            "name": compared.metric.name,
            "change": change_name(compared.change),
            "a": compared.a.map(summary),
            "b": compared.b.map(summary),
            "probability": compared.probability,
        });
        if let Some(why) = compared.reason {
            object["reason"] = why.into();
        }
        object
    };
    json!({
        "a": found.a,
        "b": found.b,
        "verdict": found.verdict(),
        "significance": found.noise.significance,
        "tolerance": found.noise.tolerance,
        "measurements": found.compared.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Writes the figures of repeated runs, one per line: median, minimum and maximum.
pub(crate) fn write_repeated_runs(runs: &[MetricValues], out: &mut dyn Write) -> io::Result<()> {
    let header = ["over the runs", "median", "min", "max", "of"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    for metric in METRICS {
        let figures: Vec<Figure> = runs.iter().filter_map(|values| values.get(metric)?.ok()).collect();
        let Some(found) = Summary::from_figures(&figures) else { continue };
        let most =
            if found.max.is_finite() { format_amount(metric.unit, found.max) } else { "unknown".to_owned() };
        rows.push(vec![
            metric.objective.to_owned(),
            format_figure(metric.unit, found.median),
            format_amount(metric.unit, found.min),
            most,
            found.count.to_string(),
        ]);
    }
    writeln!(out)?;
    align_columns(&rows).iter().try_for_each(|line| writeln!(out, "  {line}"))
}
