//! The first lines of the text report: the verdict with its counts, what to do next, and the history.

use super::{BOLD, DIM, TextReport, verdict_style};
use crate::report::layout::{count_noun, shorten_path, wrap_text};
use crate::report::summary::{FindingSummary, describe_extent, next_step};
use crate::report::{CheckFindings, HistoryCounts};
use std::io::{self, Write};

/// The most kinds of anomalies that the first line names.
const KINDS_MAX: usize = 3;

impl TextReport {
    pub(super) fn write_headline(
        &self,
        findings: &CheckFindings<'_>,
        summary: &FindingSummary,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let counts = HistoryCounts::count_history(findings.history);
        let word = findings.verdict().to_uppercase();
        let style = verdict_style(findings.verdict()).bold();
        let text = format!("{word}: {}", describe_verdict(findings, summary, &counts));
        let lines = wrap_text(&text, self.width);
        for (at, line) in lines.iter().enumerate() {
            match line.strip_prefix(&word).filter(|_| at == 0) {
                Some(rest) => writeln!(out, "{style}{word}{style:#}{rest}")?,
                None => writeln!(out, "{line}")?,
            }
        }
        if let Some(next) = next_step(findings, summary) {
            self.write_paragraph("", &format!("next: {next}."), out)?;
        }
        writeln!(
            out,
            "history: {BOLD}{}{BOLD:#}",
            shorten_path(findings.name, self.width - "history: ".len())
        )?;
        for line in wrap_text(&describe_size(findings, &counts), self.width) {
            writeln!(out, "{DIM}{line}{DIM:#}")?;
        }
        if let Some(warning) = crate::report::thin_history_warning(findings) {
            let style = verdict_style("unknown").bold();
            for line in wrap_text(&warning, self.width) {
                writeln!(out, "{style}{line}{style:#}")?;
            }
        }
        Ok(())
    }
}

/// The verdict with its counts: `2 stale-read in 2 of 9 sessions; 100 operations over 4.0 s`.
fn describe_verdict(
    findings: &CheckFindings<'_>,
    summary: &FindingSummary,
    counts: &HistoryCounts,
) -> String {
    let answers = findings.answers();
    let count = |verdict: &str| answers.iter().filter(|answer| answer.verdict.name() == verdict).count();
    let all = answers.len();
    let mut parts = Vec::new();
    match findings.verdict() {
        "violated" if summary.kinds.is_empty() => {
            parts.push(format!("{} of {}", count("violated"), count_noun(all, "level")));
        }
        "violated" => {
            let (kinds, sessions) = (summary.describe_kinds(KINDS_MAX), summary.describe_sessions(counts));
            parts.push(format!("{kinds} in {sessions}"));
        }
        "missed" => {
            let objectives = findings.judged_objectives();
            let missed = objectives.iter().filter(|one| one.verdict() == "missed").count();
            parts.push(format!("{missed} of {}", count_noun(objectives.len(), "objective")));
        }
        "holds" => parts.push(match all {
            1 => answers[0].property.name().to_owned(),
            all => format!("all {all} levels"),
        }),
        verdict => parts.push(match (all, count(verdict)) {
            (1, 1) => answers[0].property.name().to_owned(),
            (_, 0) => "an objective".to_owned(),
            (all, open) => format!("{open} of {all} levels"),
        }),
    }
    let sessions = match findings.verdict() {
        "violated" => String::new(),
        _ => format!(" in {}", count_noun(counts.sessions, "session")),
    };
    parts.push(describe_extent(findings.history, counts) + &sessions);
    parts.join("; ")
}

/// `register on 1 key, 2 processes: 5 ok, 0 failed, 1 indeterminate`
fn describe_size(findings: &CheckFindings<'_>, counts: &HistoryCounts) -> String {
    format!(
        "{} on {}, {}: {} ok, {} failed, {} indeterminate",
        findings.model().name(),
        count_noun(counts.keys, "key"),
        count_noun(counts.processes, "process"),
        counts.ok,
        counts.fail,
        counts.info
    )
}
