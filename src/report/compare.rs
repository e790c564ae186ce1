//! Several histories beside one another: a row a level, a column a history; as text and as JSON.

use super::Counts;
use super::lattice::{Column, Found, Lattice};
use super::layout::{columns, plural, wrapped};
use anstyle::Style;
use checker::Property;
use serde::Serialize;
use std::io::{self, Write};

/// Histories checked against all levels.
pub(crate) struct Comparison {
    pub(crate) columns: Vec<Column>,
    pub(crate) lattice: Lattice,
}

impl Column {
    /// What was found of a level; none if it is no level of this history's model.
    pub(crate) fn found(&self, level: Property) -> Option<&Found> {
        self.verdicts.iter().find(|found| found.level == level)
    }
}

/// For people.
pub(crate) fn text(comparison: &Comparison, width: usize, out: &mut dyn Write) -> io::Result<()> {
    let Comparison { columns: histories, lattice } = comparison;
    let names: Vec<String> = (1..=histories.len()).map(|number| format!("[{number}]")).collect();
    for (history, name) in histories.iter().zip(&names) {
        let counts = history.counts;
        let size = format!("{}, {}", history.model, plural(counts.operations, "operation"));
        writeln!(out, "{name} {} ({size})", history.name)?;
    }
    if lattice.levels.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut rows = vec![[vec!["level".to_owned()], names.clone(), vec!["implies".to_owned()]].concat()];
    for (at, &level) in lattice.levels.iter().enumerate() {
        let verdicts =
            histories.iter().map(|history| history.found(level).map_or("-", |found| found.verdict));
        let implied = lattice.implied(at).join(", ");
        rows.push(
            [vec![level.name().to_owned()], verdicts.map(str::to_owned).collect(), vec![implied]].concat(),
        );
    }
    let dim = Style::new().dimmed();
    let lines = columns(&rows);
    writeln!(out, "{dim}{}{dim:#}", lines[0])?;
    for line in &lines[1..] {
        writeln!(out, "{}", painted(line))?;
    }
    for (history, name) in histories.iter().zip(&names) {
        reasons(history, name, width, out)?;
    }
    Ok(())
}

/// A row with its verdicts in colour: no name of a level has one of these words between two spaces.
fn painted(line: &str) -> String {
    let mut line = format!("{line} ");
    for verdict in ["violated", "holds", "unknown", "untested"] {
        let style = super::text::style_of(verdict);
        line = line.replace(&format!(" {verdict} "), &format!(" {style}{verdict}{style:#} "));
    }
    line.trim_end().to_owned()
}

/// What rules levels out, and why others are unknown: each once, with the levels that it is about.
fn reasons(history: &Column, name: &str, width: usize, out: &mut dyn Write) -> io::Result<()> {
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
        for line in wrapped(&format!("{name} {because} ({})", levels.join(", ")), width) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct JsonComparison<'a> {
    levels: Vec<JsonLevel<'a>>,
    histories: Vec<JsonHistory<'a>>,
}

#[derive(Serialize)]
struct JsonLevel<'a> {
    level: &'a str,
    implies: Vec<&'a str>,
}

#[derive(Serialize)]
struct JsonHistory<'a> {
    history: &'a str,
    model: &'a str,
    counts: Counts,
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

/// For programs: one object on one line.
pub(crate) fn json(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let lattice = &comparison.lattice;
    let level =
        |(at, level): (usize, &Property)| JsonLevel { level: level.name(), implies: lattice.implied(at) };
    let histories = comparison.columns.iter().map(|history| JsonHistory {
        history: &history.name,
        model: history.model,
        counts: history.counts,
        levels: history.verdicts.iter().map(json_verdict).collect(),
    });
    let object = JsonComparison {
        levels: lattice.levels.iter().enumerate().map(level).collect(),
        histories: histories.collect(),
    };
    serde_json::to_writer(&mut *out, &object)?;
    writeln!(out)
}

fn json_verdict(found: &Found) -> JsonVerdict<'_> {
    JsonVerdict {
        level: found.level.name(),
        verdict: found.verdict,
        reason: found.reason.as_deref(),
        anomaly_types: &found.anomalies,
    }
}
