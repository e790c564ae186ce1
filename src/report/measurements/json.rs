//! Measurements for programs; docs/json.md tells the fields.
//!
//! Of a fault the same names as over the run. A figure between two bounds is an object (`least`, and `most` or
//! `null`). What could not be measured is `null`, and `missing` says why.

use crate::objectives::Held;
use checker::measurements::{
    ErrorKind, FaultMeasurements, Figure, Latency, MeasuredFigure, Measurements, Metric, MetricValues,
    ObservedReplication, Quantiles, RESOLUTION_NS, ReplicationBasis, ReplicationMeasurements, RunTimeline,
};
use histories::History;
use serde_json::{Map, Value, json};

/// All that was measured of one history.
pub(crate) fn measurements(history: &History, found: &Measurements) -> Value {
    json!({
        "run": figures(&found.run),
        "missing": missing(&found.run),
        "faults": found.faults.iter().map(|one| fault(history, one)).collect::<Vec<_>>(),
        "errors": errors(&found.errors),
        "replication": replication(&found.replication),
        "untraced_reads": found.untraced_reads,
        "ids_out_of_reach": found.ids_out_of_reach,
        "timeline": found.timeline.as_ref().map(timeline),
    })
}

/// What became of the objectives.
pub(crate) fn objectives(judged: &[Held]) -> Vec<Value> {
    let one = |judged: &Held| {
        let mut object = json!({
            "name": judged.objective.metric.objective,
            "limit": judged.objective.limit,
            "measured": judged.measured.map_or(Value::Null, figure),
            "verdict": judged.verdict(),
        });
        if let Some(by) = judged.missed_by() {
            object["missed_by"] = rounded(by);
        }
        if let Err(why) = judged.measured {
            object["reason"] = why.into();
        }
        object
    };
    judged.iter().map(one).collect()
}

fn figures(values: &MetricValues) -> Map<String, Value> {
    let named = |(metric, measured): (&Metric, MeasuredFigure)| {
        (metric.name.to_owned(), measured.map_or(Value::Null, figure))
    };
    values.iter().map(named).collect()
}

fn missing(values: &MetricValues) -> Map<String, Value> {
    let missing = values.iter().filter_map(|(metric, measured)| Some((metric, measured.err()?)));
    missing.map(|(metric, why)| (metric.name.to_owned(), why.into())).collect()
}

fn fault(history: &History, one: &FaultMeasurements) -> Value {
    let fault = &one.fault;
    let nodes: Value = serde_json::from_str(&fault.nodes).unwrap_or_default();
    let nodes = if nodes.is_array() { nodes } else { json!([nodes]) };
    let (first, last) = one.lost_window.unzip();
    let mut object = json!({
        "fault": fault.name,
        "nodes": nodes,
        "struck_seconds": seconds(fault.struck),
        "healed_seconds": fault.healed.map(seconds),
        "until_seconds": seconds(fault.until),
        "in_force": fault.in_force,
        "evidence": fault.how,
        "struck_index": history.event_index(fault.positions.0),
        "lost_writes_from_seconds": first.map(seconds),
        "lost_writes_to_seconds": last.map(seconds),
        "latency": {
            "before": latency(&one.phases.before),
            "during": latency(&one.phases.during),
            "after": latency(&one.phases.after),
        },
        "errors": errors(&one.errors),
    });
    if let Value::Object(fields) = &mut object {
        fields.extend(figures(&one.values));
        fields.insert("missing".to_owned(), missing(&one.values).into());
    }
    object
}

fn latency(latency: &Latency) -> Value {
    json!({
        "latency": latency.latency.as_ref().map(quantiles),
        "service_time": latency.service_time.as_ref().map(quantiles),
    })
}

fn quantiles(quantiles: &Quantiles) -> Value {
    json!({
        "count": quantiles.count,
        "p50_seconds": seconds(quantiles.p50),
        "p90_seconds": seconds(quantiles.p90),
        "p99_seconds": seconds(quantiles.p99),
        "p999_seconds": seconds(quantiles.p999),
        "max_seconds": seconds(quantiles.max),
    })
}

fn errors(kinds: &[ErrorKind]) -> Vec<Value> {
    let one = |kind: &ErrorKind| json!({"kind": kind.kind, "failed": kind.failed, "unknown": kind.unknown});
    kinds.iter().map(one).collect()
}

fn replication(found: &ReplicationMeasurements) -> Value {
    let nodes = found.nodes.iter().map(|node| {
        json!({
            "node": node.node,
            "reads": node.reads,
            "stale_reads": node.stale,
            "lag": node.lag.as_ref().map(quantiles),
        })
    });
    let replicas = found.replicas.as_ref().map(|replicas| {
        json!({
            "nodes": replicas.nodes,
            "keys": replicas.keys,
            "divergent_keys": replicas.divergent,
            "unanswered": replicas.unanswered,
        })
    });
    json!({
        "looks": looks(found.looks),
        "rests_on": rests_on(found),
        "reads": found.reads,
        "telling_reads": found.telling_reads,
        "resolution_seconds": seconds(RESOLUTION_NS),
        "lag": found.lag.as_ref().map(quantiles),
        "nodes": nodes.collect::<Vec<_>>(),
        "replicas": replicas,
    })
}

/// What replication looks like, in a word.
pub(super) fn looks(looks: ObservedReplication) -> &'static str {
    match looks {
        ObservedReplication::Asynchronous => "asynchronous",
        ObservedReplication::Synchronous => "synchronous",
        ObservedReplication::NoLagSeen => "no-lag-seen",
        ObservedReplication::Unknown => "unknown",
    }
}

/// What the word rests on.
pub(super) fn rests_on(found: &ReplicationMeasurements) -> String {
    let (reads, telling) = (found.reads, found.telling_reads);
    let millisecond = RESOLUTION_NS as f64 / 1e6;
    match found.basis {
        ReplicationBasis::StaleReads => {
            let stale = found.lag.map_or(0, |lag| lag.count);
            format!("{stale} of {reads} reads before any fault were stale")
        }
        ReplicationBasis::Losses => "one server lacked what another one had acknowledged".to_owned(),
        ReplicationBasis::TellingReads => format!(
            "none of {telling} reads was stale that began within {millisecond} ms after another replica had acknowledged \
             a write"
        ),
        ReplicationBasis::NoReplicas => "those who answered are not known to be replicas".to_owned(),
        ReplicationBasis::FewTellingReads => format!(
            "no read was stale, but only {telling} began within {millisecond} ms after another replica had acknowledged a \
             write"
        ),
        ReplicationBasis::FewReads => {
            format!("{reads} reads before any fault, or their versions are not known")
        }
    }
}

fn timeline(timeline: &RunTimeline) -> Value {
    let column = |of: fn(&checker::measurements::TimelineBucket) -> usize| -> Vec<usize> {
        timeline.buckets.iter().map(of).collect()
    };
    let took = |of: fn(&Quantiles) -> i64| -> Vec<Value> {
        let latencies = timeline.buckets.iter().map(|bucket| bucket.latency.as_ref().map(of));
        latencies.map(|time| time.map_or(Value::Null, seconds)).collect()
    };
    json!({
        "from_seconds": seconds(timeline.from),
        "width_seconds": seconds(timeline.width),
        "ok": column(|bucket| bucket.ok),
        "refused": column(|bucket| bucket.refused),
        "failed": column(|bucket| bucket.failed),
        "unknown": column(|bucket| bucket.unknown),
        "latency_p50_seconds": took(|quantiles| quantiles.p50),
        "latency_p99_seconds": took(|quantiles| quantiles.p99),
    })
}

fn seconds(nanoseconds: i64) -> Value {
    json!(nanoseconds as f64 / 1e9)
}

/// A number, or the bounds of one.
fn figure(figure: Figure) -> Value {
    match figure.exact_value() {
        Some(exact) => rounded(exact),
        None => json!({
            "least": rounded(figure.least),
            "most": figure.upper_bound().map_or(Value::Null, rounded),
        }),
    }
}

/// To the nanosecond; whole numbers as such.
fn rounded(figure: f64) -> Value {
    let rounded = (figure * 1e9).round() / 1e9;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 { json!(rounded as i64) } else { json!(rounded) }
}
