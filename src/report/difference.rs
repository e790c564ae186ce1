//! What got better and what got worse, for people and for programs; and the figures of repeated runs.

use super::layout::columns;
use crate::objectives::{shown, shown_figure};
use anstyle::{AnsiColor, Style};
use checker::measurements::{
    Figure, METRICS, MetricChange, MetricComparison, MetricValues, Noise, Summary, Unit,
};
use serde_json::{Value, json};
use std::io::{self, Write};

/// How a difference goes to standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Form {
    /// for people: a line for each figure that differs
    Text,
    /// for programs: one JSON object
    Json,
}

/// Two systems held against each other.
pub(crate) struct Difference {
    /// The histories of each.
    pub(crate) a: Vec<String>,
    pub(crate) b: Vec<String>,
    pub(crate) noise: Noise,
    pub(crate) compared: Vec<MetricComparison>,
}

impl Difference {
    pub(crate) fn has(&self, change: MetricChange) -> bool {
        self.compared.iter().any(|compared| compared.change == change)
    }

    /// In a word: the worst that there is.
    fn verdict(&self) -> &'static str {
        let order = [
            MetricChange::Worse,
            MetricChange::NoiseUnknown,
            MetricChange::BoundsOverlap,
            MetricChange::Better,
        ];
        order.into_iter().find(|&change| self.has(change)).map_or("same", word)
    }
}

pub(crate) fn write(found: &Difference, form: Form, quiet: bool, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Text => text(found, quiet, out),
        Form::Json => writeln!(out, "{}", json(found)),
    }
}

fn word(change: MetricChange) -> &'static str {
    match change {
        MetricChange::Better => "better",
        MetricChange::Worse => "worse",
        MetricChange::Same => "same",
        MetricChange::NoiseUnknown | MetricChange::BoundsOverlap => "unknown",
        MetricChange::Missing => "missing",
    }
}

fn text(found: &Difference, quiet: bool, out: &mut dyn Write) -> io::Result<()> {
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
    let lines = columns(&told.iter().map(|compared| row(compared)).collect::<Vec<_>>());
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
        "  {} the same, {} not measured in both",
        count(MetricChange::Same),
        count(MetricChange::Missing)
    )?;
    if found.has(MetricChange::NoiseUnknown) {
        let (a, b, chance) = (found.a.len(), found.b.len(), shown(Unit::Share, found.noise.significance));
        writeln!(
            out,
            "  unknown: how much these figures differ from run to run is not known from {a} and {b} runs; five each \
             tell at {chance} (steadfast run --repeat 5)"
        )?;
    }
    Ok(())
}

fn row(compared: &MetricComparison) -> Vec<String> {
    let side = |summary: Option<Summary>| summary.map_or(String::new(), |summary| range(compared, &summary));
    let note = match (compared.change, compared.is_better()) {
        (MetricChange::BoundsOverlap, _) => "known between bounds only".to_owned(),
        (MetricChange::NoiseUnknown, Some(true)) => "looks better".to_owned(),
        (MetricChange::NoiseUnknown, _) => "looks worse".to_owned(),
        _ => compared.probability.map_or(String::new(), |chance| format!("p = {chance:.3}")),
    };
    let exact = |summary: Option<Summary>| summary.and_then(|summary| summary.median.exact_value());
    let change = exact(compared.a).zip(exact(compared.b)).map(|(a, b)| by(a, b)).unwrap_or_default();
    vec![
        format!("{:<7}", word(compared.change)),
        compared.metric.objective.to_owned(),
        side(compared.a),
        "→".to_owned(),
        side(compared.b),
        change,
        note,
    ]
}

/// The median, and of several runs what lies around it.
fn range(compared: &MetricComparison, summary: &Summary) -> String {
    let unit = compared.metric.unit;
    let median = shown_figure(unit, summary.median);
    match (summary.count, summary.max.is_finite()) {
        (1, _) => median,
        (_, true) => format!("{median} ({} to {})", shown(unit, summary.min), shown(unit, summary.max)),
        (_, false) => format!("{median} ({} or more)", shown(unit, summary.min)),
    }
}

fn by(a: f64, b: f64) -> String {
    if a == 0.0 { String::new() } else { format!("{:+.0}%", (b - a) / a * 100.0) }
}

fn json(found: &Difference) -> Value {
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
            "change": word(compared.change),
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

/// The figures of repeated runs, a line each: median, least and largest.
pub(crate) fn repeated(runs: &[MetricValues], out: &mut dyn Write) -> io::Result<()> {
    let header = ["over the runs", "median", "min", "max", "of"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    for metric in METRICS {
        let figures: Vec<Figure> = runs.iter().filter_map(|values| values.get(metric)?.ok()).collect();
        let Some(found) = Summary::from_figures(&figures) else { continue };
        let most = if found.max.is_finite() { shown(metric.unit, found.max) } else { "unknown".to_owned() };
        rows.push(vec![
            metric.objective.to_owned(),
            shown_figure(metric.unit, found.median),
            shown(metric.unit, found.min),
            most,
            found.count.to_string(),
        ]);
    }
    writeln!(out)?;
    columns(&rows).iter().try_for_each(|line| writeln!(out, "  {line}"))
}
