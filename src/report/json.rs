//! For programs: one JSON object a history, one a line. The fields are an interface; docs/json.md tells them.

use super::{Asked, Counts, Explains, Findings, Report, Timed, Told};
use checker::transactions::{Analysis, Isolation};
use histories::{History, KeyId};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Write};

pub(crate) struct Json;

impl Report for Json {
    fn checked(&mut self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let levels: Vec<JsonLevel<'_>> =
            findings.answers.iter().map(|timed| level(findings, timed)).collect();
        let reason = findings
            .answers
            .iter()
            .find_map(|timed| timed.reason().map(|reason| format!("{}: {reason}", timed.level())));
        let verdict = super::verdict(findings.answers);
        let isolation = match findings.question {
            Asked::Objects(_) | Asked::Sessions(_) | Asked::Invariants(_) => None,
            Asked::Transactions(analysis) => Some(isolation(analysis)),
        };
        let object = JsonHistory {
            history: findings.name,
            model: findings.model,
            verdict,
            reason: reason.filter(|_| verdict == "unknown"),
            counts: Counts::of(findings.history),
            levels,
            isolation,
            objectives: findings.measured.map(|_| super::measurements::objectives(findings.objectives())),
            measurements: findings
                .measured
                .map(|measured| super::measurements::measurements(findings.history, &measured.found)),
            remarks: findings.remarks,
            explains: findings.explains,
            seconds: JsonSeconds {
                read: rounded(findings.read_seconds),
                check: rounded(findings.check_seconds()),
            },
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
    #[serde(flatten)]
    isolation: Option<JsonIsolation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objectives: Option<Vec<serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measurements: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    remarks: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    explains: Option<&'a Explains>,
    seconds: JsonSeconds,
}

/// What is known of transactions beside the levels that were asked for.
#[derive(Serialize)]
struct JsonIsolation {
    anomaly_types: Vec<&'static str>,
    not: Vec<&'static str>,
    also_not: Vec<&'static str>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    text: String,
    #[serde(flatten)]
    circumstances: Option<JsonCircumstances>,
}

/// Of session stores: whom it happened to, where, and under which faults.
#[derive(Serialize)]
struct JsonCircumstances {
    session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    faults: Vec<String>,
    runbook: String,
}

#[derive(Serialize)]
struct JsonSeconds {
    read: f64,
    check: f64,
}

fn level<'a>(findings: &Findings<'a>, timed: &'a Timed) -> JsonLevel<'a> {
    JsonLevel {
        level: timed.level(),
        verdict: timed.verdict(),
        reason: timed.reason(),
        method: timed.method(),
        seconds: rounded(timed.seconds),
        anomalies: findings.told(timed).into_iter().map(|told| anomaly(findings.history, told)).collect(),
    }
}

fn anomaly<'a>(history: &History, told: Told) -> JsonAnomaly<'a> {
    let circumstances = told.circumstances.map(|around| JsonCircumstances {
        session: around.session,
        node: around.node,
        trace_id: around.trace,
        faults: around.faults,
        runbook: super::continuity::runbook(told.kind),
    });
    JsonAnomaly {
        r#type: told.kind,
        key: key(history, told.key),
        operations: told.operations.iter().map(|&id| history.index(id)).collect(),
        count: told.count,
        text: told.text,
        circumstances,
    }
}

fn isolation(analysis: &Analysis) -> JsonIsolation {
    let names = |levels: &[Isolation]| levels.iter().map(|level| level.name()).collect();
    // Found sorted by name.
    let anomaly_types = analysis.anomalies.iter().map(|anomaly| anomaly.phenomenon.name()).collect();
    JsonIsolation { anomaly_types, not: names(&analysis.not), also_not: names(&analysis.also_not) }
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
