//! For programs: one JSON object a history, one a line. The fields are an interface; docs/json.md tells them.

use super::{Counts, Explains, Findings, Report, Told};
use checker::{Answer, IsolationLevel};
use histories::{History, KeyId};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Write};

pub(crate) struct Json;

impl Report for Json {
    fn checked(&mut self, findings: &Findings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let answers = findings.answers();
        let levels: Vec<JsonLevel<'_>> = answers.iter().map(|answer| level(findings, answer)).collect();
        let reason = answers.iter().find_map(|answer| {
            super::reason(answer).map(|reason| format!("{}: {reason}", answer.property.name()))
        });
        let verdict = findings.report.verdict();
        let isolation = findings.question.model.has_transactions().then(|| isolation(findings));
        let object = JsonHistory {
            history: findings.name,
            model: findings.model().name(),
            verdict,
            reason: reason.filter(|_| matches!(verdict, "unknown" | "untested")),
            counts: Counts::of(findings.history),
            basis: JsonBasis::of(findings),
            levels,
            isolation,
            objectives: findings.measured.map(|_| super::measurements::objectives(findings.objectives())),
            measurements: findings
                .measured
                .map(|measured| super::measurements::measurements(findings.history, &measured.found)),
            remarks: &findings.report.remarks,
            explains: findings.explains,
            seconds: JsonSeconds {
                read: rounded(findings.times.read),
                check: rounded(findings.times.check),
                verify: rounded(findings.times.verify),
                measure: rounded(findings.times.measure),
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
    basis: JsonBasis,
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

/// How much could have been wrong.
#[derive(Serialize)]
struct JsonBasis {
    answers: u64,
    returned_a_value: u64,
    overlapping: u64,
    moved_sessions: u64,
}

impl JsonBasis {
    fn of(findings: &Findings<'_>) -> Self {
        let basis = findings.basis;
        Self {
            answers: basis.answers,
            returned_a_value: basis.reads_of_something,
            overlapping: basis.overlapping,
            moved_sessions: basis.moved_sessions,
        }
    }
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
    verify: f64,
    measure: f64,
}

fn level<'a>(findings: &Findings<'a>, answer: &'a Answer) -> JsonLevel<'a> {
    JsonLevel {
        level: answer.property.name(),
        verdict: answer.verdict.name(),
        reason: super::reason(answer),
        method: &answer.method,
        seconds: rounded(findings.times.of(answer.property)),
        anomalies: findings.told(answer).into_iter().map(|told| anomaly(findings.history, told)).collect(),
    }
}

fn anomaly<'a>(history: &History, told: Told<'_>) -> JsonAnomaly<'a> {
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
        operations: told.operations.iter().map(|&id| history.operation_index(id)).collect(),
        count: told.count,
        text: told.text,
        circumstances,
    }
}

fn isolation(findings: &Findings<'_>) -> JsonIsolation {
    let names = |levels: &[IsolationLevel]| levels.iter().map(|level| level.name()).collect();
    // Found sorted by name.
    let anomaly_types = findings.report.phenomena.iter().map(|anomaly| anomaly.phenomenon.name()).collect();
    let (not, also_not) = findings.report.ruled_out_levels();
    JsonIsolation { anomaly_types, not: names(&not), also_not: names(&also_not) }
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
