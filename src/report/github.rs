//! For GitHub Actions: an annotation for each anomaly, in the workflow commands' escaping.

use super::{Findings, Report};
use std::io::{self, Write};

pub(crate) struct Github;

impl Report for Github {
    fn checked(&mut self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        for answer in findings.answers() {
            let (level, verdict) = (answer.property.name(), answer.verdict.name());
            for anomaly in findings.told(answer) {
                let title = match anomaly.kind == level {
                    true => level.to_owned(),
                    false => format!("{} (not {level})", anomaly.kind),
                };
                command(out, "error", findings.name, &title, &anomaly.text)?;
            }
            if let Some(reason) = super::reason(answer) {
                command(out, "warning", findings.name, &format!("{level} is {verdict}"), reason)?;
            }
        }
        for judged in findings.objectives() {
            let kind = match judged.verdict() {
                "met" => continue,
                "missed" => "error",
                _ => "warning",
            };
            command(
                out,
                kind,
                findings.name,
                &format!("objective {}", judged.verdict()),
                &judged.sentence(),
            )?;
        }
        if let Some(warning) = super::thin(findings) {
            command(out, "warning", findings.name, "hardly tested", &warning)?;
        }
        if findings.verdict() == "holds" {
            command(out, "notice", findings.name, "holds", &held(findings))?;
        }
        Ok(())
    }

    fn refused(&mut self, name: &str, problems: &str, out: &mut dyn Write) -> io::Result<()> {
        command(out, "error", name, "not checked", problems)
    }
}

fn held(findings: &Findings<'_>) -> String {
    let levels: Vec<&str> = findings.answers().iter().map(|answer| answer.property.name()).collect();
    format!("{}, based on {}", levels.join(", "), super::basis(findings))
}

fn command(out: &mut dyn Write, kind: &str, file: &str, title: &str, message: &str) -> io::Result<()> {
    writeln!(out, "::{kind} file={},title={}::{}", property(file), property(title), data(message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_a_command_or_a_property() {
        let mut out = Vec::new();
        command(&mut out, "error", "a,b:c", "100%", "two\nlines: fine").expect("a vector takes everything");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "::error file=a%2Cb%3Ac,title=100%25::two%0Alines: fine\n"
        );
    }
}
