//! Annotations for GitHub Actions, one per anomaly, with the escaping of workflow commands.

use super::{CheckFindings, ReportWriter};
use std::io::{self, Write};

pub(crate) struct GithubReport;

impl ReportWriter for GithubReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        for answer in findings.answers() {
            let (level, verdict) = (answer.property.name(), answer.verdict.name());
            for anomaly in findings.describe_anomalies(answer) {
                let title = match anomaly.kind == level {
                    true => level.to_owned(),
                    false => format!("{} (not {level})", anomaly.kind),
                };
                write_annotation(out, "error", findings.name, &title, &anomaly.text)?;
            }
            if let Some(reason) = super::open_reason(answer) {
                write_annotation(out, "warning", findings.name, &format!("{level} is {verdict}"), reason)?;
            }
        }
        for judged in findings.judged_objectives() {
            let kind = match judged.verdict() {
                "met" => continue,
                "missed" => "error",
                _ => "warning",
            };
            write_annotation(
                out,
                kind,
                findings.name,
                &format!("objective {}", judged.verdict()),
                &judged.describe_result(),
            )?;
        }
        if let Some(warning) = super::thin_history_warning(findings) {
            write_annotation(out, "warning", findings.name, "hardly tested", &warning)?;
        }
        if findings.verdict() == "holds" {
            write_annotation(out, "notice", findings.name, "holds", &describe_held_levels(findings))?;
        }
        Ok(())
    }

    fn write_refused(&mut self, name: &str, problems: &str, out: &mut dyn Write) -> io::Result<()> {
        write_annotation(out, "error", name, "not checked", problems)
    }
}

fn describe_held_levels(findings: &CheckFindings<'_>) -> String {
    let levels: Vec<&str> = findings.answers().iter().map(|answer| answer.property.name()).collect();
    format!("{}, based on {}", levels.join(", "), super::describe_basis(findings))
}

fn write_annotation(
    out: &mut dyn Write,
    kind: &str,
    file: &str,
    title: &str,
    message: &str,
) -> io::Result<()> {
    writeln!(
        out,
        "::{kind} file={},title={}::{}",
        escape_property(file),
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
        write_annotation(&mut out, "error", "a,b:c", "100%", "two\nlines: fine")
            .expect("a vector takes everything");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "::error file=a%2Cb%3Ac,title=100%25::two%0Alines: fine\n"
        );
    }
}
