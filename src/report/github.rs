//! Annotations for GitHub Actions, one per anomaly, with the escaping of workflow commands.
//!
//! GitHub shows ten errors and ten warnings of a step, and drops the others without a word. So ten of each kind are written, and a notice
//! at the end says how many more there are.

use super::event_lines::EventLines;
use super::{CheckFindings, ReportWriter};
use histories::OpId;
use std::io::{self, Write};

/// The most annotations of one kind that GitHub shows for a step.
const EACH_MAX: usize = 10;

#[derive(Default)]
pub(crate) struct GithubReport {
    errors: usize,
    warnings: usize,
}

impl ReportWriter for GithubReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let last = |operations: &[OpId]| {
            operations.iter().copied().max_by_key(|&op| findings.history.operation(op).invoked)
        };
        let described: Vec<_> =
            findings.answers().iter().map(|answer| (answer, findings.describe_anomalies(answer))).collect();
        let told = described.iter().flat_map(|(_, anomalies)| anomalies);
        let shown = told.take(EACH_MAX.saturating_sub(self.errors));
        let operations: Vec<OpId> = shown.filter_map(|anomaly| last(&anomaly.operations)).collect();
        let lines = EventLines::find_in_file(findings.name, findings.history, &operations);
        for (answer, anomalies) in described {
            let (level, verdict) = (answer.property.name(), answer.verdict.name());
            for anomaly in anomalies {
                let title = match anomaly.kind == level {
                    true => level.to_owned(),
                    false => format!("{} (not {level})", anomaly.kind),
                };
                let line = last(&anomaly.operations).and_then(|op| lines.line_of(op));
                self.annotate(out, "error", (findings.name, line), &title, &anomaly.text)?;
            }
            if let Some(reason) = super::open_reason(answer) {
                let title = format!("{level} is {verdict}");
                self.annotate(out, "warning", (findings.name, None), &title, reason)?;
            }
        }
        for judged in findings.judged_objectives() {
            let kind = match judged.verdict() {
                "met" => continue,
                "missed" => "error",
                _ => "warning",
            };
            let title = format!("objective {}", judged.verdict());
            self.annotate(out, kind, (findings.name, None), &title, &judged.describe_result())?;
        }
        if let Some(warning) = super::thin_history_warning(findings) {
            self.annotate(out, "warning", (findings.name, None), "hardly tested", &warning)?;
        }
        if findings.verdict() == "holds" {
            let held = describe_held_levels(findings);
            write_annotation(out, "notice", (findings.name, None), "holds", &held)?;
        }
        Ok(())
    }

    fn write_refused(&mut self, name: &str, problems: &str, out: &mut dyn Write) -> io::Result<()> {
        self.annotate(out, "error", (name, None), "not checked", problems)
    }

    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let more = |count: usize, what: &str| {
            let left = count.saturating_sub(EACH_MAX);
            (left > 0).then(|| super::layout::count_noun(left, &format!("more {what}")))
        };
        let left: Vec<String> =
            [more(self.errors, "error"), more(self.warnings, "warning")].into_iter().flatten().collect();
        if left.is_empty() {
            return Ok(());
        }
        let told = format!(
            "GitHub shows ten annotations of a kind and would drop {}. `steadfast check --format json` lists all.",
            left.join(" and ")
        );
        writeln!(out, "::notice title=steadfast::{}", escape_message(&told))
    }
}

impl GithubReport {
    /// Writes an annotation, unless GitHub would not show it.
    fn annotate(
        &mut self,
        out: &mut dyn Write,
        kind: &str,
        place: (&str, Option<usize>),
        title: &str,
        message: &str,
    ) -> io::Result<()> {
        let count = if kind == "error" { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count > EACH_MAX { Ok(()) } else { write_annotation(out, kind, place, title, message) }
    }
}

fn describe_held_levels(findings: &CheckFindings<'_>) -> String {
    let levels: Vec<&str> = findings.answers().iter().map(|answer| answer.property.name()).collect();
    format!("{}, based on {}", levels.join(", "), super::describe_basis(findings))
}

fn write_annotation(
    out: &mut dyn Write,
    kind: &str,
    (file, line): (&str, Option<usize>),
    title: &str,
    message: &str,
) -> io::Result<()> {
    writeln!(
        out,
        "::{kind} file={}{},title={}::{}",
        escape_property(file),
        line.map_or(String::new(), |line| format!(",line={line}")),
        escape_property(title),
        escape_message(message)
    )
}

fn escape_message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_a_command_or_a_property() {
        let mut out = Vec::new();
        let place = ("a,b:c", Some(7));
        write_annotation(&mut out, "error", place, "100%", "two\nlines: fine").expect("memory");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "::error file=a%2Cb%3Ac,line=7,title=100%25::two%0Alines: fine\n"
        );
    }

    #[test]
    fn what_github_would_drop_is_counted() {
        let (mut report, mut out) = (GithubReport::default(), Vec::new());
        for number in 0..12 {
            report.annotate(&mut out, "error", ("a", None), "t", &number.to_string()).expect("memory");
        }
        report.annotate(&mut out, "warning", ("a", None), "t", "w").expect("memory");
        report.write_end(&mut out).expect("memory");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.matches("::error").count(), 10, "{text}");
        assert_eq!(text.matches("::warning").count(), 1, "{text}");
        assert!(
            text.ends_with("would drop 2 more errors. `steadfast check --format json` lists all.\n"),
            "{text}"
        );
    }
}
