//! The state of a judgement as figures in the text format of Prometheus.
//!
//! The names are an interface; `docs/live.md` lists them. Counters end in `_total`, and units come last.

use super::status::StreamStatus;
use crate::stream_objectives::FollowedObjective;
use std::fmt::{Display, Write};

/// The type of the text.
pub(super) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const VERDICTS: [&str; 4] = ["holds", "untested", "unknown", "violated"];

/// The labels of a figure with its value.
type MetricRow<'a> = (Vec<(&'static str, &'a str)>, f64);

/// Writes all figures.
pub(super) fn format_metrics(status: &StreamStatus) -> String {
    let mut text = String::new();
    let one = |value: f64| vec![(Vec::new(), value)];
    let outcomes = status.operations;
    let by_outcome = [("ok", outcomes.ok), ("fail", outcomes.fail), ("info", outcomes.info)];
    let operations = by_outcome.map(|(name, count)| (vec![("outcome", name)], count as f64)).to_vec();
    add_metric(&mut text, "events_total", "counter", "Events of the stream.", &one(status.events as f64));
    let late = one(status.late_events as f64);
    add_metric(&mut text, "late_events_total", "counter", "Events later than --lateness allows.", &late);
    add_metric(&mut text, "operations_total", "counter", "Operations that ended, by outcome.", &operations);
    let gauges = [
        ("open_operations", "Operations without a completion.", Some(status.open_operations as f64)),
        ("watermark_events", "Events that are judged for good.", Some(status.judged as f64)),
        ("lag_events", "Events after the watermark.", Some(status.lag_events() as f64)),
        (
            "unread_bytes",
            "Bytes of the file that were not read.",
            status.unread_bytes.map(|bytes| bytes as f64),
        ),
        ("quiet_seconds", "Time since the last event.", Some(status.quiet_seconds)),
        ("judgement_seconds", "Duration of the last judgement.", Some(status.judgement_seconds)),
        ("kept_operations", "Operations that the monitor keeps.", Some(status.kept_operations as f64)),
        ("memory_bytes", "Resident memory of the process.", status.memory_bytes.map(|bytes| bytes as f64)),
        ("memory_limit_bytes", "Memory that the monitor may use.", Some(status.memory_bytes_max as f64)),
        ("ended", "Whether the stream has ended.", Some(f64::from(u8::from(status.ended)))),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            add_metric(&mut text, name, "gauge", help, &one(value));
        }
    }
    let violations = status.violations.len() as f64;
    add_metric(
        &mut text,
        "violations_total",
        "counter",
        "Levels that were found violated.",
        &one(violations),
    );
    let levels: Vec<MetricRow<'_>> = status
        .levels
        .iter()
        .flat_map(|level| {
            VERDICTS.map(|verdict| {
                let is_so = f64::from(u8::from(level.verdict == verdict));
                (vec![("level", level.level), ("verdict", verdict)], is_so)
            })
        })
        .collect();
    add_metric(&mut text, "verdict", "gauge", "1 for the present verdict on each level.", &levels);
    add_user_metrics(&mut text, status);
    text
}

/// What users experience, and how the objectives stand.
fn add_user_metrics(text: &mut String, status: &StreamStatus) {
    let users = &status.users;
    if let Some(latency) = users.latency_seconds {
        let rows = ["0.5", "0.99", "1"].into_iter().zip(latency);
        let rows: Vec<MetricRow<'_>> =
            rows.map(|(quantile, value)| (vec![("quantile", quantile)], value)).collect();
        add_metric(text, "latency_seconds", "gauge", "Latency of the latest successes.", &rows);
    }
    let sessions = [("affected", users.affected_sessions), ("waiting", users.waiting_sessions)];
    let rows = sessions.map(|(state, count)| (vec![("state", state)], count as f64));
    add_metric(
        text,
        "sessions",
        "gauge",
        "Sessions with an error since the latest fault, and without an answer since.",
        &rows,
    );
    add_metric(text, "faults", "gauge", "Faults in force.", &[(Vec::new(), users.faults.len() as f64)]);
    if status.objectives.is_empty() {
        return;
    }
    let of = |value: fn(&FollowedObjective) -> u64| -> Vec<MetricRow<'_>> {
        status.objectives.iter().map(|one| (vec![("objective", one.name)], value(one) as f64)).collect()
    };
    add_metric(
        text,
        "objective_operations_total",
        "counter",
        "Operations that an objective counts.",
        &of(|one| one.operations),
    );
    add_metric(
        text,
        "objective_bad_total",
        "counter",
        "Those of them that it does not want.",
        &of(|one| one.bad),
    );
    let windows: Vec<(&str, String, f64, bool)> = status
        .objectives
        .iter()
        .flat_map(|one| {
            one.burn_rates.iter().flat_map(|rates| {
                let both = [(rates.long_seconds, rates.long), (rates.short_seconds, rates.short)];
                both.map(|(length, rate)| (one.name, length.to_string(), rate, rates.alert))
            })
        })
        .collect();
    let rates: Vec<MetricRow<'_>> = windows
        .iter()
        .map(|(name, length, rate, _)| {
            (vec![("objective", *name), ("window_seconds", length.as_str())], *rate)
        })
        .collect();
    add_metric(text, "objective_burn_rate", "gauge", "Burn rate of the error budget in each window.", &rates);
    let alerts: Vec<MetricRow<'_>> = windows
        .iter()
        .step_by(2)
        .map(|(name, length, _, alert)| {
            (vec![("objective", *name), ("window_seconds", length.as_str())], f64::from(u8::from(*alert)))
        })
        .collect();
    add_metric(
        text,
        "objective_alert",
        "gauge",
        "1 while the burn rate alerts, by the long window.",
        &alerts,
    );
}

fn add_metric(text: &mut String, name: &str, kind: &str, help: &str, rows: &[MetricRow<'_>]) {
    writeln!(text, "# HELP steadfast_{name} {help}\n# TYPE steadfast_{name} {kind}").expect("text grows");
    for (labels, value) in rows {
        let labels: Vec<String> =
            labels.iter().map(|(label, of)| format!("{label}=\"{}\"", escape_label(of))).collect();
        let labels: &dyn Display = match labels.is_empty() {
            true => &"",
            false => &format!("{{{}}}", labels.join(",")),
        };
        writeln!(text, "steadfast_{name}{labels} {value}").expect("text grows");
    }
}

fn escape_label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
