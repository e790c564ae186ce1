//! For programs: one JSON object a history, one a line. The fields are an interface; docs/json.md tells them.

use super::{Counts, Findings, Report, Timed};
use crate::models;
use checker::check::Anomaly;
use histories::{History, KeyId};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Write};

pub(crate) struct Json;

impl Report for Json {
    fn checked(&mut self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let levels: Vec<JsonLevel<'_>> =
            findings.answers.iter().map(|timed| level(findings, timed)).collect();
        let reason = findings.answers.iter().find_map(|timed| {
            timed.reason().map(|reason| format!("{}: {reason}", timed.answer.level.name()))
        });
        let verdict = super::verdict(findings.answers);
        let check = findings.answers.iter().map(|timed| timed.seconds).sum();
        let object = JsonHistory {
            history: findings.name,
            model: models::name(findings.question.model),
            verdict,
            reason: reason.filter(|_| verdict == "unknown"),
            counts: Counts::of(findings.history),
            levels,
            remarks: findings.remarks,
            seconds: JsonSeconds { read: rounded(findings.read_seconds), check: rounded(check) },
        };
        serde_json::to_writer(&mut *out, &object)?;
        writeln!(out)
    }
}

#[derive(Serialize)]
struct JsonHistory<'a> {
    history: &'a str,
    model: &'a str,
    verdict: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    counts: Counts,
    levels: Vec<JsonLevel<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    remarks: &'a [String],
    seconds: JsonSeconds,
}

#[derive(Serialize)]
struct JsonLevel<'a> {
    level: &'a str,
    verdict: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    method: &'a str,
    seconds: f64,
    anomalies: Vec<JsonAnomaly<'a>>,
}

#[derive(Serialize)]
struct JsonAnomaly<'a> {
    r#type: &'a str,
    key: Option<Box<RawValue>>,
    operations: Vec<u64>,
    text: String,
}

#[derive(Serialize)]
struct JsonSeconds {
    read: f64,
    check: f64,
}

fn level<'a>(findings: &Findings<'a>, timed: &'a Timed) -> JsonLevel<'a> {
    JsonLevel {
        level: timed.answer.level.name(),
        verdict: timed.answer.verdict.name(),
        reason: timed.reason(),
        method: &timed.answer.method,
        seconds: rounded(timed.seconds),
        anomalies: timed.anomalies().iter().map(|found| anomaly(findings.history, found)).collect(),
    }
}

fn anomaly<'a>(history: &History, found: &'a Anomaly) -> JsonAnomaly<'a> {
    JsonAnomaly {
        r#type: found.kind,
        key: key(history, found.key),
        operations: found.operations.iter().map(|&id| history.index(id)).collect(),
        text: super::sentence::sentence(history, found),
    }
}

/// The key as JSON; none for the one object of a history that names none.
fn key(history: &History, key: KeyId) -> Option<Box<RawValue>> {
    let text = (key != KeyId::NONE).then(|| history.keys.text(key).to_owned())?;
    Some(RawValue::from_string(text).expect("keys are interned as JSON"))
}

/// Seconds to the microsecond.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}
