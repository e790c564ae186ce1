//! SARIF 2.1.0 for code scanning: one rule per kind of anomaly, one result per occurrence.
//!
//! A result is in the line in which the last of its operations begins, and the lines of the others are related locations. Its fingerprint is
//! made of the history, the level, the anomaly, the key and the operations, so that a server recognises it in a later analysis of the file.

use super::event_lines::EventLines;
use super::{CheckFindings, DescribedAnomaly, ReportWriter};
use histories::OpId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The most related locations of one result.
const RELATED_MAX: usize = 10;

#[derive(Default)]
pub(crate) struct SarifReport {
    rules: BTreeMap<String, Value>,
    results: Vec<Value>,
    notifications: Vec<Value>,
    failed: bool,
}

impl ReportWriter for SarifReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, _out: &mut dyn Write) -> io::Result<()> {
        let described: Vec<_> =
            findings.answers().iter().map(|answer| (answer, findings.describe_anomalies(answer))).collect();
        let told = described.iter().flat_map(|(_, anomalies)| anomalies);
        let operations: Vec<OpId> = told.flat_map(|anomaly| &anomaly.operations).copied().collect();
        let lines = EventLines::find_in_file(findings.name, findings.history, &operations);
        for (answer, anomalies) in described {
            let (level, verdict) = (answer.property.name(), answer.verdict.name());
            anomalies.iter().for_each(|anomaly| self.add_anomaly(findings, level, anomaly, &lines));
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
        if let Some(warning) = super::thin_history_warning(findings) {
            self.notifications.push(json!({
                "level": "warning",
                "message": { "text": warning },
                "locations": [sarif_location(findings.name, None)],
            }));
        }
        Ok(())
    }

    fn write_refused(&mut self, name: &str, problems: &str, _out: &mut dyn Write) -> io::Result<()> {
        self.failed = true;
        self.notifications.push(json!({
            "level": "error",
            "message": { "text": problems },
            "locations": [sarif_location(name, None)],
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
        let page = help_page(id);
        let help = format!("{text}. What it means and what to do: {page}");
        let mut rule = json!({ "id": id, "shortDescription": { "text": text }, "help": { "text": help } });
        let repository = env!("CARGO_PKG_REPOSITORY");
        if !repository.is_empty() {
            rule["helpUri"] = json!(format!("{repository}/blob/main/{page}"));
        }
        self.rules.entry(id.to_owned()).or_insert(rule);
    }

    fn add_anomaly(
        &mut self,
        findings: &CheckFindings<'_>,
        level: &str,
        anomaly: &DescribedAnomaly<'_>,
        lines: &EventLines,
    ) {
        self.add_rule(anomaly.kind, anomaly.meaning);
        let text = match anomaly.kind == level {
            true => anomaly.text.clone(),
            false => format!("not {level}: {}", anomaly.text),
        };
        let history = findings.history;
        let operations: Vec<u64> = anomaly.operations.iter().map(|&id| history.operation_index(id)).collect();
        let last = anomaly.operations.iter().copied().max_by_key(|&id| history.operation(id).invoked);
        let line = last.and_then(|op| lines.line_of(op));
        let key = history.key_text(anomaly.key);
        let fingerprint = fingerprint(&[findings.name, level, anomaly.kind, key, &format!("{operations:?}")]);
        let others = anomaly.operations.iter().filter(|&&op| Some(op) != last);
        let related: Vec<Value> = others
            .filter_map(|&op| Some((op, lines.line_of(op)?)))
            .take(RELATED_MAX)
            .map(|(op, line)| {
                let mut location = sarif_location(findings.name, Some(line));
                let text = format!("operation {}", history.operation_index(op));
                location["message"] = json!({ "text": text });
                location
            })
            .collect();
        self.results.push(json!({
            "ruleId": anomaly.kind,
            "level": "error",
            "message": { "text": text },
            "locations": [sarif_location(findings.name, line)],
            "relatedLocations": related,
            "partialFingerprints": { "steadfast/v1": fingerprint },
            "properties": { "level": level, "operations": operations },
        }));
    }

    fn add_result(&mut self, rule: &str, severity: &str, text: &str, history: &str, properties: Value) {
        self.results.push(json!({
            "ruleId": rule,
            "level": severity,
            "message": { "text": text },
            "locations": [sarif_location(history, None)],
            "partialFingerprints": { "steadfast/v1": fingerprint(&[history, rule, &properties.to_string()]) },
            "properties": properties,
        }));
    }
}

fn sarif_location(history: &str, line: Option<usize>) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": path_as_uri(history) } });
    if let Some(line) = line {
        place["region"] = json!({ "startLine": line });
    }
    json!({ "physicalLocation": place })
}

/// The page that explains a rule.
fn help_page(rule: &str) -> String {
    let is_finding = checker::FindingKind::ALL.iter().any(|kind| kind.name() == rule);
    match rule {
        "objective-missed" | "objective-unknown" => "docs/measurements.md#objectives".to_owned(),
        "unknown" | "untested" => "docs/json.md".to_owned(),
        _ if is_finding => super::continuity::runbook_link(rule),
        _ => "docs/definitions.md".to_owned(),
    }
}

/// A number that is the same for the same parts: 64-bit FNV-1a, with a separator after each part.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
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
