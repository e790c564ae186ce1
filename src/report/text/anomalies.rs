//! The anomalies in the text report: of each kind one example in full, and the number of the others.

use super::{BOLD, DIM, TextReport, verdict_style};
use crate::report::faults::{ShownFault, shown_faults};
use crate::report::layout::{as_sentence, count_noun, fit_table, without_empty_columns, wrap_text};
use crate::report::operation_table::{COLUMNS, operation_row};
use crate::report::sentence::{operations_to_show, reading_conditions};
use crate::report::summary::{AnomalyKind, FindingSummary};
use crate::report::terms::textbook_name;
use crate::report::{CheckFindings, DescribedAnomaly, continuity, describe, timeline, violations_of};
use checker::Evidence;
use histories::{History, OpId, Outcome};
use std::io::{self, Write};

/// Characters of a line about a transaction; a list can have thousands of elements.
const LINE_CHARS_MAX: usize = 400;
/// The most faults that are named beside an anomaly, the last ones.
const FAULTS_MAX: usize = 3;

impl TextReport {
    /// Writes each kind of anomaly.
    pub(super) fn write_anomalies(
        &self,
        findings: &CheckFindings<'_>,
        summary: &FindingSummary,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        for (at, kind) in summary.kinds.iter().enumerate() {
            let Some(example) = first_of_kind(findings, kind.kind) else { continue };
            self.write_kind(kind, &example, findings.history, out)?;
            match &example.violation.evidence {
                Evidence::Phenomenon(_) => self.write_transactions(&example, out)?,
                Evidence::Finding(_) => self.write_finding(findings.history, &example, out)?,
                Evidence::Breach(_) => self.write_breach(findings.history, &example, out)?,
                Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_) => {
                    self.write_object_anomaly(findings.history, &example, out)?;
                }
            }
            // The headline has the next step of the first kind.
            if at > 0 && !kind.is_finding {
                self.write_paragraph("  ", &format!("next: {}.", kind.next_step), out)?;
            }
            if kind.count > 1 {
                let more = usize::try_from(kind.count - 1).unwrap_or(usize::MAX);
                writeln!(out, "  and {} more; --format json lists them", more)?;
            }
        }
        Ok(())
    }

    /// Writes the heading of a kind, and what it means.
    fn write_kind(
        &self,
        kind: &AnomalyKind,
        example: &DescribedAnomaly<'_>,
        history: &History,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let red = verdict_style("violated").bold();
        let name = textbook_name(kind.kind).map(|name| format!(" ({name})")).unwrap_or_default();
        let key = describe::key_phrase(history, example.key).replacen(" of ", " on ", 1);
        writeln!(out, "\n{red}{}{red:#}{name}{BOLD}{key}{BOLD:#}", kind.kind)?;
        let ruled_out: Vec<&str> =
            kind.properties.iter().copied().filter(|name| *name != kind.kind).collect();
        // The sentence about operations on objects says what the meaning says.
        let is_object = matches!(
            example.violation.evidence,
            Evidence::Core(_) | Evidence::Cycle(_) | Evidence::Causal(_)
        );
        let mut about = if is_object { Vec::new() } else { vec![as_sentence(kind.meaning)] };
        if kind.count > 1 {
            about.insert(0, format!("{} times in {}.", kind.count, count_noun(kind.sessions, "session")));
        }
        if !ruled_out.is_empty() {
            about.push(format!("Violates {}.", ruled_out.join(", ")));
        }
        let about = about.join(" ");
        for line in wrap_text(&about, self.width - 2) {
            writeln!(out, "  {DIM}{line}{DIM:#}")?;
        }
        Ok(())
    }

    fn write_transactions(&self, example: &DescribedAnomaly<'_>, out: &mut dyn Write) -> io::Result<()> {
        for line in example.text.lines().map(clip_line) {
            let indent = line.len() - line.trim_start().len();
            let hanging = if line.trim_start().starts_with("- ") { indent + 2 } else { indent + 5 };
            for (at, part) in wrap_text(&line, self.width.saturating_sub(hanging + 2)).iter().enumerate() {
                let spaces = if at == 0 { indent } else { hanging };
                writeln!(out, "  {:spaces$}{part}", "")?;
            }
        }
        Ok(())
    }

    fn write_object_anomaly(
        &self,
        history: &History,
        example: &DescribedAnomaly<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let text = &example.text;
        let text = text.strip_prefix(&format!("{}: ", history.key_text(example.key))).unwrap_or(text);
        self.write_paragraph("  ", &as_sentence(text), out)?;
        let shown = operations_to_show(history, example.violation);
        self.write_operations(history, &shown, out)?;
        for condition in reading_conditions(history, example.violation) {
            self.write_paragraph("  ", &format!("note: {condition}."), out)?;
        }
        self.write_faults_before(history, &shown, out)
    }

    fn write_breach(
        &self,
        history: &History,
        example: &DescribedAnomaly<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.write_paragraph("  ", &as_sentence(&example.text), out)?;
        let mut operations = example.operations.clone();
        operations.sort_unstable();
        operations.dedup();
        self.write_operations(history, &operations, out)?;
        self.write_faults_before(history, &operations, out)
    }

    fn write_finding(
        &self,
        history: &History,
        example: &DescribedAnomaly<'_>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.write_paragraph("  ", &as_sentence(&example.text), out)?;
        let mut operations = example.operations.clone();
        operations.sort_unstable();
        if !operations.is_empty() {
            self.write_operations(history, &operations, out)?;
        }
        let faults = example.circumstances.as_ref().map_or(&[][..], |around| &around.faults);
        let last = &faults[faults.len().saturating_sub(FAULTS_MAX)..];
        let faults = if last.is_empty() { "none".to_owned() } else { last.join("; ") };
        self.write_paragraph("  ", &format!("faults meanwhile: {faults}"), out)?;
        let link = continuity::runbook_link(example.kind);
        self.write_paragraph("  ", &format!("what it means and what to do: {link}"), out)
    }

    /// Writes a table of operations and a drawing of them.
    fn write_operations(
        &self,
        history: &History,
        operations: &[OpId],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        writeln!(out)?;
        let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
        rows.extend(operations.iter().take(timeline::OPERATIONS_MAX).map(|&id| operation_row(history, id)));
        let lines = fit_table(&without_empty_columns(rows), self.width - 2);
        writeln!(out, "  {DIM}{}{DIM:#}", lines[0])?;
        lines[1..].iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        if let Some(more) = operations.len().checked_sub(timeline::OPERATIONS_MAX).filter(|&more| more > 0) {
            writeln!(out, "  and {}", count_noun(more, "more operation"))?;
        }
        writeln!(out)?;
        for line in timeline::draw_timeline(history, operations, self.width - 2) {
            writeln!(out, "  {}", line.trim_end())?;
        }
        writeln!(out)
    }

    /// Writes the last faults that began before the last of these operations ended.
    fn write_faults_before(
        &self,
        history: &History,
        operations: &[OpId],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let last = operations.iter().map(|&id| history.operation(id)).map(|op| match op.outcome {
            Outcome::Info => op.invoked,
            Outcome::Ok | Outcome::Fail => op.completed,
        });
        let last = last.max().unwrap_or(0);
        let mut faults = shown_faults(history);
        faults.retain(|fault| fault.from <= last);
        let named = faults.iter().rev().take(FAULTS_MAX).rev().map(ShownFault::describe_with_interval);
        let named: Vec<String> = named.collect();
        if named.is_empty() {
            return Ok(());
        }
        self.write_paragraph("  ", &format!("faults so far: {}", named.join("; ")), out)
    }
}

/// The first described anomaly of a kind.
fn first_of_kind<'a>(findings: &CheckFindings<'a>, kind: &str) -> Option<DescribedAnomaly<'a>> {
    let describer = continuity::FindingDescriber::new(findings.history);
    findings.answers().iter().find_map(|answer| {
        let violation = violations_of(answer).iter().find(|violation| violation.kind.as_str() == kind)?;
        findings.describe_violation(answer, violation, &describer).into_iter().next()
    })
}

/// Shortens a very long line in the middle.
fn clip_line(line: &str) -> String {
    let count = line.chars().count();
    if count <= LINE_CHARS_MAX {
        return line.to_owned();
    }
    let half = LINE_CHARS_MAX / 2;
    let start: String = line.chars().take(half).collect();
    let end: String = line.chars().skip(count - half).collect();
    format!("{start} .. {end}")
}
