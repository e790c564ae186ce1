//! Objectives that a stream can be judged by: those that say which share of operations may be bad.
//!
//! `availability=99.9%` allows 0.1 % errors, and `latency.p99=250ms` allows 1 % of successes to take longer than 250 ms. By nearest
//! rank, a percentile is at most a limit if and only if at least that share of the values is. So two counters decide such an objective
//! exactly, whatever the length of the stream.

use super::burn_rate::{BurnRateRule, OperationCounts, WindowPair};
use crate::measurements::catalogue::{Metric, find_metric};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The operations that an objective counts, and those that are bad.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counted {
    /// All operations of users; errors are bad.
    Answers,
    /// Successes; those that took longer than the limit since their users wanted them are bad.
    Latency,
    /// Successes; those that took longer since they were sent are bad.
    ServiceTime,
}

/// A limit on a figure that a stream can be judged by.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct StreamObjective {
    /// The figure.
    pub metric: &'static Metric,
    /// Its limit, in the unit of the figure.
    pub limit: f64,
    counted: Counted,
    /// How many in a thousand operations must not be bad, for percentiles.
    mille: u64,
}

/// How an operation ended, as far as objectives matter.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndedOperation {
    pub(super) is_error: bool,
    pub(super) is_success: bool,
    /// How long it took since its user wanted it, and since it was sent, in nanoseconds.
    pub(super) latency_ns: i64,
    pub(super) service_ns: i64,
}

impl StreamObjective {
    /// The objective with this limit on a figure. `None` if only a whole history has the figure.
    pub fn new(metric: &'static Metric, limit: f64) -> Option<Self> {
        let (counted, mille) = match metric.objective {
            "availability" | "errors" => (Counted::Answers, 0),
            name => {
                let (family, rank) = name.split_once('.')?;
                let counted = match family {
                    "latency" => Counted::Latency,
                    "service-time" => Counted::ServiceTime,
                    _ => return None,
                };
                let ranks = [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999), ("max", 1_000)];
                (counted, ranks.into_iter().find(|(known, _)| *known == rank)?.1)
            }
        };
        Some(Self { metric, limit, counted, mille })
    }

    /// The share of operations that may be bad.
    pub fn budget(&self) -> f64 {
        match (self.counted, self.metric.objective) {
            (Counted::Answers, "errors") => self.limit,
            (Counted::Answers, _) => 1.0 - self.limit,
            _ => (1_000 - self.mille) as f64 / 1_000.0,
        }
    }

    /// Whether an operation that ended is bad. `None` if the objective does not count it.
    pub(super) fn judge(&self, ended: &EndedOperation) -> Option<bool> {
        let exceeds = |ns: i64| ended.is_success.then(|| ns as f64 / 1e9 > self.limit);
        match self.counted {
            Counted::Answers => Some(ended.is_error),
            Counted::Latency => exceeds(ended.latency_ns),
            Counted::ServiceTime => exceeds(ended.service_ns),
        }
    }

    /// Whether requests that were never sent are counted, as errors.
    pub(super) fn counts_requests_never_sent(&self) -> bool {
        self.counted == Counted::Answers
    }

    /// Whether the objective is met by all operations of a stream: as `check --objective` says of the whole history. `None` without
    /// operations.
    pub(super) fn is_met(&self, total: OperationCounts) -> Option<bool> {
        if total.all == 0 {
            return None;
        }
        let good = total.all - total.bad;
        Some(match (self.counted, self.metric.objective) {
            (Counted::Answers, "errors") => total.bad as f64 / total.all as f64 <= self.limit,
            (Counted::Answers, _) => good as f64 / total.all as f64 >= self.limit,
            _ => good >= (total.all * self.mille).div_ceil(1_000).max(1),
        })
    }

    /// What is bad, for people: `ended in an error`, `took longer than its limit`.
    pub fn describe_bad(&self) -> &'static str {
        match self.counted {
            Counted::Answers => "ended in an error",
            Counted::Latency | Counted::ServiceTime => "took longer than the limit",
        }
    }
}

/// Written as its name and limit.
impl Serialize for StreamObjective {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        (self.metric.objective, self.limit).serialize(to)
    }
}

impl<'de> Deserialize<'de> for StreamObjective {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (name, limit) = <(String, f64)>::deserialize(from)?;
        find_metric(&name)
            .and_then(|metric| StreamObjective::new(metric, limit))
            .ok_or_else(|| serde::de::Error::custom(format!("the objective {name} needs the whole history")))
    }
}

/// An objective with what was counted for it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct WatchedObjective {
    pub(super) objective: StreamObjective,
    pub(super) total: OperationCounts,
    pub(super) pairs: Vec<WindowPair>,
}

impl WatchedObjective {
    pub(super) fn new(objective: StreamObjective, rules: &[BurnRateRule]) -> Self {
        let pairs = rules.iter().map(|&rule| WindowPair::new(rule)).collect();
        Self { objective, total: OperationCounts::default(), pairs }
    }

    /// Forgets what was counted, as if the stream began here.
    pub(super) fn begin_again(&mut self) {
        let rules: Vec<BurnRateRule> = self.pairs.iter().map(|pair| pair.rule).collect();
        *self = Self::new(self.objective, &rules);
    }

    pub(super) fn count_operation(&mut self, time: i64, is_bad: bool) {
        self.total.add(is_bad);
        self.pairs.iter_mut().for_each(|pair| pair.count_operation(time, is_bad));
    }
}
