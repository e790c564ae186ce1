//! Measurements for programs; docs/json.md tells the fields.
//!
//! Of a fault the same names as over the run. A figure between two bounds is an object (`least`, and `most` or
//! `null`). What could not be measured is `null`, and `missing` says why.

use crate::objectives::JudgedObjective;
use checker::measurements::{
    ErrorKind, FaultMeasurements, Figure, Latency, MeasuredFigure, Measurements, Metric, MetricValues,
    ObservedReplication, Quantiles, RESOLUTION_NS, ReplicationBasis, ReplicationMeasurements, RunTimeline,
};
use histories::History;
use serde_json::{Map, Value, json};

/// All figures of one history.
pub(crate) fn measurements_as_json(history: &History, found: &Measurements) -> Value {
    json!({
        "run": figures_as_json(&found.run),
        "missing": missing_figures_as_json(&found.run),
        "faults": found.faults.iter().map(|one| fault_as_json(history, one)).collect::<Vec<_>>(),
        "errors": errors_as_json(&found.errors),
        "replication": replication_as_json(&found.replication),
        "untraced_reads": found.untraced_reads,
        "ids_out_of_reach": found.ids_out_of_reach,
        "timeline": found.timeline.as_ref().map(timeline_as_json),
    })
}

/// Why an objective is unknown although its figure is not missing.
const BETWEEN_BOUNDS: &str = "only bounds of the figure are known, and the limit lies between them";

/// The results of the objectives.
pub(crate) fn objectives_as_json(judged: &[JudgedObjective]) -> Vec<Value> {
    let one = |judged: &JudgedObjective| {
        let mut object = json!({
            "name": judged.objective.metric.objective,
            "limit": judged.objective.limit,
            "measured": judged.measured.map_or(Value::Null, figure_as_json),
            "verdict": judged.verdict(),
        });
        if let Some(by) = judged.missed_by() {
            object["missed_by"] = round_to_nanos(by);
        }
        match judged.measured {
            Err(why) => object["reason"] = why.into(),
            Ok(_) if judged.verdict() == "unknown" => object["reason"] = BETWEEN_BOUNDS.into(),
            Ok(_) => {}
        }
        object
    };
    judged.iter().map(one).collect()
}

fn figures_as_json(values: &MetricValues) -> Map<String, Value> {
    let named = |(metric, measured): (&Metric, MeasuredFigure)| {
        (metric.name.to_owned(), measured.map_or(Value::Null, figure_as_json))
    };
    values.iter().map(named).collect()
}

fn missing_figures_as_json(values: &MetricValues) -> Map<String, Value> {
    let missing = values.iter().filter_map(|(metric, measured)| Some((metric, measured.err()?)));
    missing.map(|(metric, why)| (metric.name.to_owned(), why.into())).collect()
}

fn fault_as_json(history: &History, one: &FaultMeasurements) -> Value {
    let fault = &one.fault;
    let nodes: Value = serde_json::from_str(&fault.nodes).unwrap_or_default();
    let nodes = if nodes.is_array() { nodes } else { json!([nodes]) };
    let (first, last) = one.lost_window.unzip();
    let mut object = json!({
        "fault": fault.name,
        "nodes": nodes,
        "struck_seconds": seconds_as_json(fault.struck),
        "healed_seconds": fault.healed.map(seconds_as_json),
        "until_seconds": seconds_as_json(fault.until),
        "in_force": fault.in_force,
        "evidence": fault.how,
        "struck_index": history.event_index(fault.positions.0),
        "lost_writes_from_seconds": first.map(seconds_as_json),
        "lost_writes_to_seconds": last.map(seconds_as_json),
        "latency": {
            "before": latency_as_json(&one.phases.before),
            "during": latency_as_json(&one.phases.during),
            "after": latency_as_json(&one.phases.after),
        },
        "errors": errors_as_json(&one.errors),
    });
    if let Value::Object(fields) = &mut object {
        fields.extend(figures_as_json(&one.values));
        fields.insert("missing".to_owned(), missing_figures_as_json(&one.values).into());
    }
    object
}

fn latency_as_json(latency: &Latency) -> Value {
    json!({
        "latency": latency.latency.as_ref().map(quantiles_as_json),
        "service_time": latency.service_time.as_ref().map(quantiles_as_json),
    })
}

fn quantiles_as_json(quantiles: &Quantiles) -> Value {
    json!({
        "count": quantiles.count,
        "p50_seconds": seconds_as_json(quantiles.p50),
        "p90_seconds": seconds_as_json(quantiles.p90),
        "p99_seconds": seconds_as_json(quantiles.p99),
        "p999_seconds": seconds_as_json(quantiles.p999),
        "max_seconds": seconds_as_json(quantiles.max),
    })
}

fn errors_as_json(kinds: &[ErrorKind]) -> Vec<Value> {
    let one = |kind: &ErrorKind| json!({"kind": kind.kind, "failed": kind.failed, "unknown": kind.unknown});
    kinds.iter().map(one).collect()
}

fn replication_as_json(found: &ReplicationMeasurements) -> Value {
    let nodes = found.nodes.iter().map(|node| {
        json!({
            "node": node.node,
            "reads": node.reads,
            "stale_reads": node.stale,
            "lag": node.lag.as_ref().map(quantiles_as_json),
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
        "looks": replication_name(found.looks),
        "rests_on": describe_replication_basis(found),
        "reads": found.reads,
        "telling_reads": found.telling_reads,
        "resolution_seconds": seconds_as_json(RESOLUTION_NS),
        "lag": found.lag.as_ref().map(quantiles_as_json),
        "nodes": nodes.collect::<Vec<_>>(),
        "replicas": replicas,
    })
}

/// The observed kind of replication, in a word.
pub(super) fn replication_name(looks: ObservedReplication) -> &'static str {
    match looks {
        ObservedReplication::Asynchronous => "asynchronous",
        ObservedReplication::Synchronous => "synchronous",
        ObservedReplication::NoLagSeen => "no-lag-seen",
        ObservedReplication::Unknown => "unknown",
    }
}

/// The observations that support the word.
pub(super) fn describe_replication_basis(found: &ReplicationMeasurements) -> String {
    let (reads, telling) = (found.reads, found.telling_reads);
    let millisecond = RESOLUTION_NS as f64 / 1e6;
    match found.basis {
        ReplicationBasis::StaleReads => {
            let stale = found.lag.map_or(0, |lag| lag.count);
            format!("{stale} of {reads} reads before the first fault were stale")
        }
        ReplicationBasis::Losses => "one server lacked a write that another had acknowledged".to_owned(),
        ReplicationBasis::TellingReads => format!(
            "none of the {telling} reads within {millisecond} ms after a write on another replica was stale"
        ),
        ReplicationBasis::NoReplicas => "the nodes that answered are not known to be replicas".to_owned(),
        ReplicationBasis::FewTellingReads => format!(
            "no read was stale, but only {telling} began within {millisecond} ms after a write on another replica"
        ),
        ReplicationBasis::FewReads => {
            format!("too few reads before the first fault ({reads}), or their versions are not known")
        }
    }
}

fn timeline_as_json(timeline: &RunTimeline) -> Value {
    let column = |of: fn(&checker::measurements::TimelineBucket) -> usize| -> Vec<usize> {
        timeline.buckets.iter().map(of).collect()
    };
    let took = |of: fn(&Quantiles) -> i64| -> Vec<Value> {
        let latencies = timeline.buckets.iter().map(|bucket| bucket.latency.as_ref().map(of));
        latencies.map(|time| time.map_or(Value::Null, seconds_as_json)).collect()
    };
    json!({
        "from_seconds": seconds_as_json(timeline.from),
        "width_seconds": seconds_as_json(timeline.width),
        "ok": column(|bucket| bucket.ok),
        "refused": column(|bucket| bucket.refused),
        "failed": column(|bucket| bucket.failed),
        "unknown": column(|bucket| bucket.unknown),
        "latency_p50_seconds": took(|quantiles| quantiles.p50),
        "latency_p99_seconds": took(|quantiles| quantiles.p99),
    })
}

fn seconds_as_json(nanoseconds: i64) -> Value {
    json!(nanoseconds as f64 / 1e9)
}

/// A number, or its bounds.
fn figure_as_json(figure: Figure) -> Value {
    match figure.exact_value() {
        Some(exact) => round_to_nanos(exact),
        None => json!({
            "least": round_to_nanos(figure.least),
            "most": figure.upper_bound().map_or(Value::Null, round_to_nanos),
        }),
    }
}

/// Rounds to nanoseconds. Whole numbers are written as integers.
fn round_to_nanos(figure: f64) -> Value {
    let rounded = (figure * 1e9).round() / 1e9;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 { json!(rounded as i64) } else { json!(rounded) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objectives::Objective;
    use checker::measurements::Figure;

    #[test]
    fn an_objective_that_is_unknown_says_why() {
        let judged = |text: &str, measured| {
            let objective = Objective::parse_objective(text).expect("an objective");
            objectives_as_json(&[JudgedObjective { objective, measured }]).remove(0)
        };
        let between = judged("lost-writes=3", Ok(Figure::between(2.0, 5.0)));
        assert_eq!((&between["verdict"], &between["reason"]), (&"unknown".into(), &BETWEEN_BOUNDS.into()));
        let missing = judged("lost-writes=3", Err("nobody looked"));
        assert_eq!((&missing["verdict"], &missing["reason"]), (&"unknown".into(), &"nobody looked".into()));
        let met = judged("lost-writes=3", Ok(Figure::exactly(2.0)));
        assert_eq!((&met["verdict"], &met["reason"]), (&"met".into(), &Value::Null));
    }
}
