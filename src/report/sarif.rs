//! SARIF 2.1.0 for code scanning: one rule per kind of anomaly, one result per occurrence.

use super::{CheckFindings, ReportWriter};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Default)]
pub(crate) struct SarifReport {
    rules: BTreeMap<String, Value>,
    results: Vec<Value>,
    notifications: Vec<Value>,
    failed: bool,
}

impl ReportWriter for SarifReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, _out: &mut dyn Write) -> io::Result<()> {
        for answer in findings.answers() {
            let (level, verdict) = (answer.property.name(), answer.verdict.name());
            for anomaly in findings.describe_anomalies(answer) {
                self.add_rule(anomaly.kind, anomaly.meaning);
                let text = match anomaly.kind == level {
                    true => anomaly.text.clone(),
                    false => format!("not {level}: {}", anomaly.text),
                };
                let operations: Vec<u64> =
                    anomaly.operations.iter().map(|&id| findings.history.operation_index(id)).collect();
                self.add_result(
                    anomaly.kind,
                    "error",
                    &text,
                    findings.name,
                    json!({ "level": level, "operations": operations }),
                );
            }
            if let Some(reason) = super::open_reason(answer) {
                let meaning = match verdict {
                    "untested" => "nothing in the history could have contradicted the level",
                    _ => "the search ended before it decided the level",
                };
                self.add_rule(verdict, meaning);
                let text = format!("{level} is {verdict}: {reason}");
                self.add_result(verdict, "warning", &text, findings.name, json!({ "level": level }));
            }
        }
        for judged in findings.judged_objectives() {
            let (rule, severity) = match judged.verdict() {
                "met" => continue,
                "missed" => ("objective-missed", "error"),
                _ => ("objective-unknown", "warning"),
            };
            self.add_rule(rule, "an objective of the run");
            let properties = json!({ "objective": judged.objective.metric.objective });
            self.add_result(rule, severity, &judged.describe_result(), findings.name, properties);
        }
        Ok(())
    }

    fn write_refused(&mut self, name: &str, problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        self.failed = true;
        self.notifications.push(json!({
            "level": "error",
            "message": { "text": problems },
            "locations": [sarif_location(name)],
        }));
        Ok(())
    }

    fn write_end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let rules: Vec<Value> = std::mem::take(&mut self.rules).into_values().collect();
        let log = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "steadfast",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                }},
                "invocations": [{
                    "executionSuccessful": !self.failed,
                    "toolExecutionNotifications": self.notifications,
                }],
                "results": self.results,
            }],
        });
        serde_json::to_writer_pretty(&mut *out, &log)?;
        writeln!(out)
    }
}

impl SarifReport {
    fn add_rule(&mut self, id: &str, text: &str) {
        let rule = json!({ "id": id, "shortDescription": { "text": text } });
        self.rules.entry(id.to_owned()).or_insert(rule);
    }

    fn add_result(&mut self, rule: &str, severity: &str, text: &str, history: &str, properties: Value) {
        self.results.push(json!({
            "ruleId": rule,
            "level": severity,
            "message": { "text": text },
            "locations": [sarif_location(history)],
            "properties": properties,
        }));
    }
}

fn sarif_location(history: &str) -> Value {
    json!({ "physicalLocation": { "artifactLocation": { "uri": path_as_uri(history) } } })
}

/// A path as a relative URI reference, percent-encoded.
fn path_as_uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte as char)
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        assert_eq!(path_as_uri("runs/a b%.jsonl"), "runs/a%20b%25.jsonl");
    }
}
