//! The state of a judgement as figures in the text format of Prometheus.
//!
//! The names are an interface; `docs/live.md` lists them. Counters end in `_total`, and units come last.

use super::status::StreamStatus;
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
    text
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
