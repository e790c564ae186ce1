//! The objectives of a stream as data and in words: how they stand, and the alerts when they burn their error budgets.

use crate::args::quantity::format_span;
use crate::objectives::{Objective, format_amount};
use checker::measurements::{
    BurnRateAlert, BurnRateRule, ObjectiveStanding, OperationCounts, StreamFigures, StreamObjective,
};
use serde::Serialize;
use serde_json::{Value, json};

/// What to say of an objective that only a whole history decides.
const JUDGED: &str = "A stream is judged by availability, errors, latency and service-time. Check the recorded history for the others";

/// An objective of a stream, so far or at its end.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct FollowedObjective {
    /// The name of its figure.
    pub(crate) name: &'static str,
    /// The limit, in the unit of the figure.
    pub(crate) limit: f64,
    /// `met`, `missed` or `unknown`.
    pub(crate) verdict: &'static str,
    /// The operations that the objective counts, those of them that are bad, and the share that may be.
    pub(crate) operations: u64,
    pub(crate) bad: u64,
    pub(crate) budget: f64,
    /// The burn rates, and whether they alert.
    pub(crate) burn_rates: Vec<FollowedBurnRate>,
    /// The objective in words.
    #[serde(skip)]
    pub(crate) text: String,
}

/// The burn rates of a rule at the end of the last bucket. Without a budget they may be infinite, which is `null` in JSON.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct FollowedBurnRate {
    pub(crate) long_seconds: f64,
    pub(crate) short_seconds: f64,
    pub(crate) alerts_at: f64,
    pub(crate) long: f64,
    pub(crate) short: f64,
    pub(crate) alert: bool,
}

/// The counters for the objectives of a plan. The error names an objective that a stream cannot be judged by.
pub(crate) fn count_for_objectives(
    objectives: &[Objective],
    rules: &[BurnRateRule],
) -> Result<StreamFigures, String> {
    let known = objectives.iter().map(|objective| {
        as_stream_objective(*objective).ok_or_else(|| {
            format!("the objective {} needs the whole history. {JUDGED}", objective.metric.objective)
        })
    });
    Ok(StreamFigures::new(known.collect::<Result<_, _>>()?, rules))
}

/// The counters for those objectives of a run that a stream can be judged by. The others are judged when the run has ended.
pub(crate) fn count_for_some(objectives: &[Objective], rules: &[BurnRateRule]) -> StreamFigures {
    StreamFigures::new(
        objectives.iter().filter_map(|objective| as_stream_objective(*objective)).collect(),
        rules,
    )
}

fn as_stream_objective(objective: Objective) -> Option<StreamObjective> {
    StreamObjective::new(objective.metric, objective.limit)
}

/// How each objective stands.
pub(crate) fn describe_objectives(figures: &StreamFigures, has_ended: bool) -> Vec<FollowedObjective> {
    figures.standings(has_ended).map(describe_standing).collect()
}

fn describe_standing(standing: ObjectiveStanding) -> FollowedObjective {
    let ObjectiveStanding { objective, total, met, windows } = standing;
    let verdict = match met {
        None => "unknown",
        Some(true) => "met",
        Some(false) => "missed",
    };
    let burn_rates = windows.into_iter().map(|(rule, [long, short], alert)| FollowedBurnRate {
        long_seconds: rule.long_ns as f64 / 1e9,
        short_seconds: rule.short_ns as f64 / 1e9,
        alerts_at: rule.rate,
        long,
        short,
        alert,
    });
    FollowedObjective {
        name: objective.metric.objective,
        limit: objective.limit,
        verdict,
        operations: total.all,
        bad: total.bad,
        budget: objective.budget(),
        burn_rates: burn_rates.collect(),
        text: describe_total(objective, total),
    }
}

/// What was counted for an objective: `3 of 4000 operations ended in an error (0.075%). The objective allows 0.1%`.
fn describe_total(objective: StreamObjective, total: OperationCounts) -> String {
    if total.all == 0 {
        return format!("no operation with times was counted (limit: {})", describe_limit(objective));
    }
    format!(
        "{} of {} operations {} ({}). The objective allows {} (limit: {})",
        total.bad,
        total.all,
        objective.describe_bad(),
        format_share(total),
        format_percent(objective.budget()),
        describe_limit(objective)
    )
}

fn describe_limit(objective: StreamObjective) -> String {
    Objective { metric: objective.metric, limit: objective.limit }.describe_bound()
}

fn format_share(counts: OperationCounts) -> String {
    match counts.all {
        0 => "–".to_owned(),
        all => format_percent(counts.bad as f64 / all as f64),
    }
}

fn format_percent(share: f64) -> String {
    format_amount(checker::measurements::Unit::Share, share)
}

/// An alert in words.
pub(crate) fn describe_alert(alert: &BurnRateAlert) -> String {
    let BurnRateAlert { event, objective, rule, begins, long, short } = alert;
    let about =
        format!("objective {} ({}), event {event}", objective.metric.objective, describe_limit(*objective));
    let bad = objective.describe_bad();
    let times = |counts: &OperationCounts| match counts.burn_rate(objective.budget()) {
        rate if rate.is_infinite() => "and the objective allows none".to_owned(),
        rate => format!("{} times what the objective allows", format_rate(rate)),
    };
    let (within_short, within_long) = (format_span(rule.short_ns), format_span(rule.long_ns));
    match begins {
        true => format!(
            "alert: {about}: in the last {within_short}, {} of {} operations {bad}, {}; in the last {within_long}, {} of {}, {}. \
             An alert begins at {} times",
            short.bad,
            short.all,
            times(short),
            long.bad,
            long.all,
            times(long),
            format_rate(rule.rate)
        ),
        false => format!(
            "alert over: {about}: in the last {within_short}, {} of {} operations {bad}, {}",
            short.bad,
            short.all,
            times(short)
        ),
    }
}

fn format_rate(rate: f64) -> String {
    let text = if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// An alert as the JSON that commands get.
pub(crate) fn alert_as_json(history: &str, alert: &BurnRateAlert) -> Value {
    let BurnRateAlert { event, objective, rule, begins, long, short } = alert;
    let window = |counts: &OperationCounts, ns: i64| {
        json!({
            "seconds": ns as f64 / 1e9,
            "operations": counts.all,
            "bad": counts.bad,
            "burn_rate": counts.burn_rate(objective.budget()),
        })
    };
    json!({
        "history": history,
        "alert": if *begins { "begins" } else { "ends" },
        "objective": objective.metric.objective,
        "limit": objective.limit,
        "budget": objective.budget(),
        "event": event,
        "alerts_at": rule.rate,
        "windows": [window(long, rule.long_ns), window(short, rule.short_ns)],
        "text": describe_alert(alert),
    })
}
