//! What got better and what got worse, for people and for programs; and the figures of repeated runs.

use super::layout::columns;
use crate::objectives::shown;
use anstyle::{AnsiColor, Style};
use checker::measurements::{Change, Compared, METRICS, Noise, Summary, Unit, Values};
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
    pub(crate) compared: Vec<Compared>,
}

impl Difference {
    pub(crate) fn has(&self, change: Change) -> bool {
        self.compared.iter().any(|compared| compared.change == change)
    }

    /// In a word: the worst that there is.
    fn verdict(&self) -> &'static str {
        let order = [Change::Worse, Change::NoiseUnknown, Change::Better];
        order.into_iter().find(|&change| self.has(change)).map_or("same", word)
    }
}

pub(crate) fn write(found: &Difference, form: Form, quiet: bool, out: &mut dyn Write) -> io::Result<()> {
    match form {
        Form::Text => text(found, quiet, out),
        Form::Json => writeln!(out, "{}", json(found)),
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Better => "better",
        Change::Worse => "worse",
        Change::Same => "same",
        Change::NoiseUnknown => "unknown",
        Change::Missing => "missing",
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
    let order = [Change::Worse, Change::NoiseUnknown, Change::Better];
    let of = |change| found.compared.iter().filter(move |compared| compared.change == change);
    let told: Vec<&Compared> = order.into_iter().flat_map(of).collect();
    let lines = columns(&told.iter().map(|compared| row(compared)).collect::<Vec<_>>());
    for (line, compared) in lines.iter().zip(&told) {
        let color = match compared.change {
            Change::Worse => AnsiColor::Red,
            Change::Better => AnsiColor::Green,
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
    writeln!(out, "  {} the same, {} not measured in both", count(Change::Same), count(Change::Missing))?;
    if found.has(Change::NoiseUnknown) {
        let (a, b, chance) = (found.a.len(), found.b.len(), shown(Unit::Share, found.noise.significance));
        writeln!(
            out,
            "  unknown: how much these figures differ from run to run is not known from {a} and {b} runs; five each \
             tell at {chance} (steadfast run --repeat 5)"
        )?;
    }
    Ok(())
}

fn row(compared: &Compared) -> Vec<String> {
    let side = |summary: Option<Summary>| summary.map_or(String::new(), |summary| range(compared, &summary));
    let note = match (compared.change, compared.is_better()) {
        (Change::NoiseUnknown, Some(true)) => "looks better".to_owned(),
        (Change::NoiseUnknown, _) => "looks worse".to_owned(),
        _ => compared.probability.map_or(String::new(), |chance| format!("p = {chance:.3}")),
    };
    let change = compared.a.zip(compared.b).map(|(a, b)| by(a.median, b.median)).unwrap_or_default();
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
fn range(compared: &Compared, summary: &Summary) -> String {
    let figure = |figure| shown(compared.metric.unit, figure);
    match summary.count {
        1 => figure(summary.median),
        _ => format!("{} ({} to {})", figure(summary.median), figure(summary.min), figure(summary.max)),
    }
}

fn by(a: f64, b: f64) -> String {
    if a == 0.0 { String::new() } else { format!("{:+.0}%", (b - a) / a * 100.0) }
}

fn json(found: &Difference) -> Value {
    let summary = |summary: Summary| json!({"count": summary.count, "min": summary.min, "median": summary.median, "max": summary.max});
    let one = |compared: &Compared| {
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
pub(crate) fn repeated(runs: &[Values], out: &mut dyn Write) -> io::Result<()> {
    let header = ["over the runs", "median", "min", "max", "of"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    for metric in METRICS {
        let mut figures: Vec<f64> = runs.iter().filter_map(|values| values.get(metric)?.ok()).collect();
        figures.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (figures.first(), figures.last()) else { continue };
        let (low, high) = (figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        let cell = |figure| shown(metric.unit, figure);
        let cells = [cell((low + high) / 2.0), cell(min), cell(max), figures.len().to_string()];
        rows.push([&[metric.objective.to_owned()][..], &cells].concat());
    }
    writeln!(out)?;
    columns(&rows).iter().try_for_each(|line| writeln!(out, "  {line}"))
}
