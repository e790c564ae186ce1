//! JSON for programs: one object per history, one per line. The fields are an interface; docs/json.md describes them.

use super::{CheckFindings, DescribedAnomaly, HistoryCounts, ReductionInfo, ReportWriter};
use crate::times::PhaseTimes;
use checker::{Answer, IsolationLevel};
use histories::{History, KeyId};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Write};

pub(crate) struct JsonReport;

impl ReportWriter for JsonReport {
    fn write_checked(&mut self, findings: &CheckFindings<'_>, out: &mut dyn Write) -> io::Result<()> {
        let answers = findings.answers();
        let levels: Vec<JsonLevel<'_>> =
            answers.iter().map(|answer| level_as_json(findings, answer)).collect();
        let reason = answers.iter().find_map(|answer| {
            super::open_reason(answer).map(|reason| format!("{}: {reason}", answer.property.name()))
        });
        let verdict = findings.report.verdict();
        let isolation = findings.question.model.has_transactions().then(|| isolation_as_json(findings));
        let object = JsonHistory {
            history: findings.name,
            model: findings.model().name(),
            verdict,
            reason: reason.filter(|_| matches!(verdict, "unknown" | "untested")),
            counts: HistoryCounts::count_history(findings.history),
            basis: JsonBasis::from_findings(findings),
            levels,
            isolation,
            objectives: findings
                .measured
                .map(|_| super::measurements::objectives_as_json(findings.judged_objectives())),
            measurements: findings
                .measured
                .map(|measured| super::measurements::measurements_as_json(findings.history, &measured.found)),
            remarks: remarks_of(findings),
            explains: findings.explains,
            seconds: JsonSeconds {
                read: round_to_micros(findings.times.read),
                check: round_to_micros(findings.times.check),
                verify: round_to_micros(findings.times.verify),
                measure: round_to_micros(findings.times.measure),
                report: ReportTime(findings.times),
            },
        };
        serde_json::to_writer(&mut *out, &object)?;
        writeln!(out)
    }
}

/// The remarks of the check, and a warning if most operations did not succeed.
fn remarks_of(findings: &CheckFindings<'_>) -> Vec<String> {
    let warning = super::thin_history_warning(findings);
    findings.report.remarks.iter().cloned().chain(warning).collect()
}

#[derive(Serialize)]
struct JsonHistory<'a> {
    history: &'a str,
    model: &'a str,
    verdict: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    counts: HistoryCounts,
    basis: JsonBasis,
    levels: Vec<JsonLevel<'a>>,
    #[serde(flatten)]
    isolation: Option<JsonIsolation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objectives: Option<Vec<serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measurements: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explains: Option<&'a ReductionInfo>,
    seconds: JsonSeconds<'a>,
}

/// How much in the history could have contradicted the verdict.
#[derive(Serialize)]
struct JsonBasis {
    answers: u64,
    returned_a_value: u64,
    overlapping: u64,
    moved_sessions: u64,
}

impl JsonBasis {
    fn from_findings(findings: &CheckFindings<'_>) -> Self {
        let basis = findings.basis;
        Self {
            answers: basis.answers,
            returned_a_value: basis.reads_of_something,
            overlapping: basis.overlapping,
            moved_sessions: basis.moved_sessions,
        }
    }
}

/// What is known about transactions in addition to the levels of the question.
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

/// For session stores: the session, the node and the active faults.
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
struct JsonSeconds<'a> {
    read: f64,
    check: f64,
    verify: f64,
    measure: f64,
    report: ReportTime<'a>,
}

/// The time of the report until this is written, as the last field of its object.
struct ReportTime<'a>(&'a PhaseTimes);

impl Serialize for ReportTime<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(round_to_micros(self.0.report()))
    }
}

fn level_as_json<'a>(findings: &CheckFindings<'a>, answer: &'a Answer) -> JsonLevel<'a> {
    JsonLevel {
        level: answer.property.name(),
        verdict: answer.verdict.name(),
        reason: super::open_reason(answer),
        method: &answer.method,
        seconds: round_to_micros(findings.times.seconds_for(answer.property)),
        anomalies: findings
            .describe_anomalies(answer)
            .into_iter()
            .map(|told| anomaly_as_json(findings.history, told))
            .collect(),
    }
}

fn anomaly_as_json<'a>(history: &History, told: DescribedAnomaly<'_>) -> JsonAnomaly<'a> {
    let circumstances = told.circumstances.map(|around| JsonCircumstances {
        session: around.session,
        node: around.node,
        trace_id: around.trace,
        faults: around.faults,
        runbook: super::continuity::runbook_link(told.kind),
    });
    JsonAnomaly {
        r#type: told.kind,
        key: key_as_json(history, told.key),
        operations: told.operations.iter().map(|&id| history.operation_index(id)).collect(),
        count: told.count,
        text: told.text,
        circumstances,
    }
}

fn isolation_as_json(findings: &CheckFindings<'_>) -> JsonIsolation {
    let names = |levels: &[IsolationLevel]| levels.iter().map(|level| level.name()).collect();
    // The checker sorts phenomena by name.
    let anomaly_types = findings.report.phenomena.iter().map(|anomaly| anomaly.phenomenon.name()).collect();
    let (not, also_not) = findings.report.ruled_out_levels();
    JsonIsolation { anomaly_types, not: names(&not), also_not: names(&also_not) }
}

/// The key as JSON; none for the one object of a history that names no objects.
pub(crate) fn key_as_json(history: &History, key: KeyId) -> Option<Box<RawValue>> {
    let text = (key != KeyId::NONE).then(|| history.keys.text(key).to_owned())?;
    Some(RawValue::from_string(text).expect("keys are interned as JSON"))
}

/// Rounds seconds to microseconds.
fn round_to_micros(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}
