//! The text report, for a person who was just woken by an alert.
//!
//! The first line has the verdict and the counts, the second what to do next. A line per level follows, and then each kind of
//! anomaly: one example with its operations and a drawing, and the number of the others. Lines fit the terminal, or 80 columns
//! in a file, however long the names in the history are. Colours repeat what a word says.

mod anomalies;
mod headline;

use super::layout::{align_columns, format_elapsed, wrap_text};
use super::summary::FindingSummary;
use super::{CheckFindings, ReportWriter, group_open_reasons};
use anstyle::{AnsiColor, Style};
use checker::IsolationLevel;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The narrowest report; a narrower terminal wraps its lines.
const WIDTH_MIN: usize = 60;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

pub(crate) struct TextReport {
    quiet: bool,
    width: usize,
    written: usize,
    /// How many histories have each verdict, those that could not be checked included.
    totals: BTreeMap<&'static str, usize>,
}

impl TextReport {
    pub(crate) fn new(quiet: bool, width: usize) -> Self {
        Self { quiet, width: width.max(WIDTH_MIN), written: 0, totals: BTreeMap::new() }
    }
}

impl ReportWriter for TextReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let verdict = findings.verdict();
        *self.totals.entry(verdict).or_default() += 1;
        if self.quiet {
            let style = verdict_style(verdict).bold();
            let thin =
                if findings.basis.is_thin() { " (hardly tested: few operations succeeded)" } else { "" };
            return writeln!(out, "{style}{}{style:#} {}{thin}", verdict.to_uppercase(), findings.name);
        }
        if self.written > 0 {
            writeln!(out)?;
        }
        self.written += 1;
        let summary = FindingSummary::from_findings(findings);
        self.write_headline(findings, &summary, out)?;
        for remark in &findings.report.remarks {
            self.write_paragraph("", &format!("note: {remark}"), out)?;
        }
        writeln!(out)?;
        self.write_levels(findings, out)?;
        if findings.answers().iter().any(|answer| answer.verdict.name() == "holds") {
            for line in wrap_text(&format!("based on {}", super::describe_basis(findings)), self.width - 2) {
                writeln!(out, "  {DIM}{line}{DIM:#}")?;
            }
        }
        let times = findings.times;
        // A history that is followed is judged in blocks, whose times are not those of one violation.
        if times.read + times.check + times.verify > 0.0 {
            let [read, check, verify] = [times.read, times.check, times.verify].map(format_elapsed);
            let measured = match findings.measured {
                Some(_) => format!(", {} to measure", format_elapsed(times.measure)),
                None => String::new(),
            };
            let took =
                format!("took {read} to read, {check} to check, {verify} to check the evidence{measured}");
            for line in wrap_text(&took, self.width - 2) {
                writeln!(out, "  {DIM}{line}{DIM:#}")?;
            }
        }
        if let Some(measured) = findings.measured {
            super::measurements::write_measurements(measured, self.width, out)?;
        }
        self.write_anomalies(findings, &summary, out)?;
        self.write_ruled_out(findings, out)?;
        self.write_undecided(findings, out)
    }

    fn write_refused(&mut self, _name: &str, _problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        *self.totals.entry("not checked").or_default() += 1;
        Ok(())
    }

    /// Of several histories, a last line counts the verdicts.
    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let all: usize = self.totals.values().sum();
        if all < 2 {
            return Ok(());
        }
        let order = ["violated", "missed", "unknown", "untested", "not checked", "holds"];
        let of = |verdict| Some((*self.totals.get(verdict)?, verdict));
        let counts = order.into_iter().filter_map(of).map(|(count, verdict)| match (count, verdict) {
            (2.., "holds") => format!("{count} hold"),
            _ => format!("{count} {verdict}"),
        });
        let counts: Vec<String> = counts.collect();
        if !self.quiet {
            writeln!(out)?;
        }
        writeln!(out, "{all} histories: {}", counts.join(", "))
    }
}

impl TextReport {
    /// Writes a text in lines that begin with `indent`.
    fn write_paragraph(&self, indent: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let lines = wrap_text(text, self.width - indent.len());
        lines.iter().try_for_each(|line| writeln!(out, "{indent}{line}"))
    }

    /// Writes a line per level.
    fn write_levels(&self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let answers = findings.answers();
        let rows: Vec<Vec<String>> = answers
            .iter()
            .map(|answer| {
                let verdict = format!("{:<8}", answer.verdict.name());
                let (name, seconds) = (answer.property.name(), findings.times.seconds_for(answer.property));
                vec![verdict, name.to_owned(), answer.method.clone(), format_elapsed(seconds)]
            })
            .collect();
        for (line, answer) in align_columns(&rows).iter().zip(answers) {
            let style = verdict_style(answer.verdict.name());
            let (verdict, rest) = line.split_at(8);
            writeln!(out, "  {style}{verdict}{style:#}{rest}")?;
        }
        Ok(())
    }

    /// Writes what follows for isolation levels that were not asked for.
    fn write_ruled_out(&self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        if !findings.question.model.has_transactions() {
            return Ok(());
        }
        let reported = |kind: &str| {
            let violations = findings.answers().iter().flat_map(super::violations_of);
            violations.into_iter().any(|violation| violation.kind == kind)
        };
        let found = findings.report.phenomena.iter().map(|found| found.phenomenon.name());
        let others: Vec<&str> = found.filter(|kind| !reported(kind)).collect();
        let (not, also_not) = findings.report.ruled_out_levels();
        let names = |levels: &[IsolationLevel]| levels.iter().map(|level| level.name()).collect::<Vec<_>>();
        let lines = [
            ("also found", others),
            ("not", names(&not)),
            ("and so not", names(&also_not)),
            ("strongest that hold", names(&findings.report.strongest_holding_levels())),
        ];
        let lines: Vec<_> = lines.iter().filter(|(_, names)| !names.is_empty()).collect();
        if !lines.is_empty() {
            writeln!(out)?;
        }
        let text = |(what, names): &(&str, Vec<&str>)| format!("{what}: {}", names.join(", "));
        lines.into_iter().try_for_each(|line| self.write_paragraph("  ", &text(line), out))
    }

    /// Writes each reason of an open verdict once, with its levels.
    fn write_undecided(&self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        for (verdict, reason, names) in group_open_reasons(findings.answers()) {
            let style = verdict_style(verdict).bold();
            writeln!(out, "\n{style}{verdict}{style:#}")?;
            self.write_paragraph("  ", &format!("{}: {reason}", names.join(", ")), out)?;
        }
        Ok(())
    }
}

/// The colour of a verdict.
pub(super) fn verdict_style(verdict: &str) -> Style {
    let color = match verdict {
        "holds" => AnsiColor::Green,
        "violated" | "missed" => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(color.into()))
}
