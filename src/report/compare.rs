//! The comparison of several histories, with a row per level and a column per history; as text and as JSON.

use super::HistoryCounts;
use super::lattice::{LatticeColumn, LevelLattice, LevelResult};
use super::layout::{align_columns, count_noun, wrap_text};
use anstyle::Style;
use checker::Property;
use serde::Serialize;
use std::io::{self, Write};

/// Histories that were checked against all levels.
pub(crate) struct Comparison {
    pub(crate) columns: Vec<LatticeColumn>,
    pub(crate) lattice: LevelLattice,
}

impl Comparison {
    /// Whether the histories are about session stores. Then the rows are findings, which are no promises and imply nothing.
    pub(crate) fn is_about_findings(&self) -> bool {
        let is_finding = |property: &Property| matches!(property, Property::Finding(_));
        !self.lattice.levels.is_empty() && self.lattice.levels.iter().all(is_finding)
    }
}

impl LatticeColumn {
    /// The result of a level; none if the model of this history does not have the level.
    pub(crate) fn level_result(&self, level: Property) -> Option<&LevelResult> {
        self.verdicts.iter().find(|found| found.level == level)
    }
}

/// Writes the comparison as a table for people.
pub(crate) fn write_comparison_text(
    comparison: &Comparison,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Comparison { columns: histories, lattice } = comparison;
    let names: Vec<String> = (1..=histories.len()).map(|number| format!("[{number}]")).collect();
    for (history, name) in histories.iter().zip(&names) {
        let counts = history.counts;
        let size = format!("{}, {}", history.model, count_noun(counts.operations, "operation"));
        writeln!(out, "{name} {} ({size})", history.name)?;
    }
    if lattice.levels.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut rows = vec![heading_row(comparison, &names)];
    for (at, &level) in lattice.levels.iter().enumerate() {
        let verdicts =
            histories.iter().map(|history| history.level_result(level).map_or("-", |found| found.verdict));
        let implied: Vec<String> = lattice
            .implied_levels(at)
            .map(|(level, proviso)| match proviso.words() {
                None => level.to_owned(),
                Some(condition) => format!("{level} ({condition})"),
            })
            .collect();
        rows.push(
            [vec![level.name().to_owned()], verdicts.map(str::to_owned).collect(), vec![implied.join(", ")]]
                .concat(),
        );
    }
    let dim = Style::new().dimmed();
    let lines = align_columns(&rows);
    writeln!(out, "{dim}{}{dim:#}", lines[0])?;
    for line in &lines[1..] {
        writeln!(out, "{}", paint_verdicts(line))?;
    }
    for (history, name) in histories.iter().zip(&names) {
        write_reasons(history, name, width, out)?;
    }
    Ok(())
}

fn heading_row(comparison: &Comparison, names: &[String]) -> Vec<String> {
    // A column of findings is empty: they imply nothing.
    let (first, last) = match comparison.is_about_findings() {
        true => ("finding", ""),
        false => ("level", "implies"),
    };
    [&[first.to_owned()], names, &[last.to_owned()]].concat()
}

/// Colours the verdicts in a row. No level has one of these words as its name.
fn paint_verdicts(line: &str) -> String {
    let mut line = format!("{line} ");
    for verdict in ["violated", "holds", "unknown", "untested"] {
        let style = super::text::verdict_style(verdict);
        line = line.replace(&format!(" {verdict} "), &format!(" {style}{verdict}{style:#} "));
    }
    line.trim_end().to_owned()
}

/// Writes each reason once, with the levels that it concerns: anomalies that rule levels out, and reasons for unknown
/// verdicts.
fn write_reasons(history: &LatticeColumn, name: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    for found in &history.verdicts {
        let because = match (&found.reason, found.anomalies.as_slice()) {
            (Some(reason), _) => format!("{}: {reason}", found.verdict),
            (None, []) => continue,
            (None, anomalies) => format!("violated, by {}", anomalies.join(", ")),
        };
        match told.iter_mut().find(|known| known.0 == because) {
            Some((_, levels)) => levels.push(found.level.name()),
            None => told.push((because, vec![found.level.name()])),
        }
    }
    if !told.is_empty() {
        writeln!(out)?;
    }
    for (because, levels) in told {
        for line in wrap_text(&format!("{name} {because} ({})", levels.join(", ")), width) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct JsonComparison<'a> {
    levels: Vec<JsonComparedLevel<'a>>,
    histories: Vec<JsonComparedHistory<'a>>,
}

#[derive(Serialize)]
struct JsonComparedLevel<'a> {
    level: &'a str,
    implies: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    implies_if: Vec<JsonConditionalLevel<'a>>,
}

#[derive(Serialize)]
struct JsonConditionalLevel<'a> {
    level: &'a str,
    condition: &'a str,
}

#[derive(Serialize)]
struct JsonComparedHistory<'a> {
    history: &'a str,
    model: &'a str,
    counts: HistoryCounts,
    levels: Vec<JsonVerdict<'a>>,
}

#[derive(Serialize)]
struct JsonVerdict<'a> {
    level: &'a str,
    verdict: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    anomaly_types: &'a [&'static str],
}

/// Writes the comparison for programs: one JSON object on one line.
pub(crate) fn write_comparison_json(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let lattice = &comparison.lattice;
    let level = |(at, level): (usize, &Property)| {
        let (mut implies, mut implies_if) = (Vec::new(), Vec::new());
        for (level, proviso) in lattice.implied_levels(at) {
            match proviso.words() {
                None => implies.push(level),
                Some(condition) => implies_if.push(JsonConditionalLevel { level, condition }),
            }
        }
        JsonComparedLevel { level: level.name(), implies, implies_if }
    };
    let histories = comparison.columns.iter().map(|history| JsonComparedHistory {
        history: &history.name,
        model: history.model,
        counts: history.counts,
        levels: history.verdicts.iter().map(verdict_as_json).collect(),
    });
    let object = JsonComparison {
        levels: lattice.levels.iter().enumerate().map(level).collect(),
        histories: histories.collect(),
    };
    serde_json::to_writer(&mut *out, &object)?;
    writeln!(out)
}

fn verdict_as_json(found: &LevelResult) -> JsonVerdict<'_> {
    JsonVerdict {
        level: found.level.name(),
        verdict: found.verdict,
        reason: found.reason.as_deref(),
        anomaly_types: &found.anomalies,
    }
}
