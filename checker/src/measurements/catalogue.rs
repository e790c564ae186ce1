//! The names of all metrics of a run, in one table. Objectives, JSON, comparisons of runs and the documentation use it.

use super::figure::Figure;

/// A figure as far as it is known, or the reason why nothing is known of it.
pub type MeasuredFigure = Result<Figure, &'static str>;

/// A metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// The name that objectives use: `recovery.p99`.
    pub objective: &'static str,
    /// The name in JSON, with its unit: `recovery_p99_seconds`.
    pub name: &'static str,
    /// The unit of the figure.
    pub unit: Unit,
    /// Whether less or more is better.
    pub better: Better,
    /// What the metric means, in one line.
    pub line: &'static str,
}

/// The unit of a figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// A number of things.
    Count,
    /// A share of a whole, from 0 to 1. Users type and read it in per cent.
    Share,
    /// A factor.
    Ratio,
    /// A number of things per second.
    PerSecond,
}

/// Whether less or more is better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// Less is better: an objective is the greatest value allowed.
    Less,
    /// More is better: an objective is the least value allowed.
    More,
}

macro_rules! metrics {
    ($($objective:literal $name:literal $unit:ident $better:ident $line:literal;)*) => {
        /// All metrics of a run, in the order in which they are shown.
        pub const METRICS: &[Metric] = &[$(Metric {
            objective: $objective, name: $name, unit: Unit::$unit, better: Better::$better, line: $line,
        }),*];
    };
}

metrics! {
    "availability" "availability_share" Share More "share of operations that the store answered";
    "available-time" "available_time_share" Share More "share of the time in which operations succeeded";
    "unavailable" "unavailable_seconds" Seconds Less "time in which operations were open and none succeeded";
    "unavailable.longest" "unavailable_longest_seconds" Seconds Less "longest span in which operations were open and none succeeded";
    "session-unavailable.p50" "session_unavailable_p50_seconds" Seconds Less "unavailable time of each session: median over the sessions";
    "session-unavailable.p99" "session_unavailable_p99_seconds" Seconds Less "… 99th percentile";
    "session-unavailable.max" "session_unavailable_max_seconds" Seconds Less "… worst session";
    "recovery.p50" "recovery_p50_seconds" Seconds Less "time from a fault to the first answer to each affected session: median";
    "recovery.p99" "recovery_p99_seconds" Seconds Less "… 99th percentile";
    "recovery.max" "recovery_max_seconds" Seconds Less "… maximum";
    "recovery.first" "recovery_first_seconds" Seconds Less "time from a fault to the first answer to any affected session; worst fault";
    "recovery-with-state.p50" "recovery_with_state_p50_seconds" Seconds Less "time from a fault to the first answer that shows the session with its state: median";
    "recovery-with-state.p99" "recovery_with_state_p99_seconds" Seconds Less "… 99th percentile";
    "recovery-with-state.max" "recovery_with_state_max_seconds" Seconds Less "… maximum";
    "recovered-with-state" "recovered_with_state_share" Share More "share of affected sessions that were found again with their state";
    "affected-sessions" "affected_sessions" Count Less "sessions that a fault affected, counted per fault";
    "unrecovered-sessions" "unrecovered_sessions" Count Less "… of these, sessions that sent requests until the end and got no answer";
    "silent-sessions" "silent_sessions" Count Less "… of these, sessions that stopped sending requests, so that their recovery is unknown";
    "lost-sessions" "lost_sessions" Count Less "sessions that the store lost";
    "lost-writes" "lost_writes" Count Less "acknowledged writes that are lost";
    "lost-renewals" "lost_renewals" Count Less "acknowledged renewals (new session ids) that are lost";
    "recovery-point" "recovery_point_seconds" Seconds Less "time from the first to the last lost write; worst fault";
    "lost-actions" "lost_actions" Count Less "actions that were acknowledged or seen, and are gone";
    "duplicated-actions" "duplicated_actions" Count Less "actions that took effect more than once";
    "errors" "error_share" Share Less "share of operations that ended without an answer of the store";
    "retries" "retries" Count Less "operations that were repeated after a failure or a timeout";
    "throughput" "throughput_per_second" PerSecond More "successful operations per second";
    "latency.p50" "latency_p50_seconds" Seconds Less "time from the intended start of an operation to its success: median";
    "latency.p90" "latency_p90_seconds" Seconds Less "… 90th percentile";
    "latency.p99" "latency_p99_seconds" Seconds Less "… 99th percentile";
    "latency.p999" "latency_p999_seconds" Seconds Less "… 99.9th percentile";
    "latency.max" "latency_max_seconds" Seconds Less "… maximum";
    "service-time.p50" "service_time_p50_seconds" Seconds Less "time from sending a request to its success: median";
    "service-time.p90" "service_time_p90_seconds" Seconds Less "… 90th percentile";
    "service-time.p99" "service_time_p99_seconds" Seconds Less "… 99th percentile";
    "service-time.p999" "service_time_p999_seconds" Seconds Less "… 99.9th percentile";
    "service-time.max" "service_time_max_seconds" Seconds Less "… maximum";
    "warm-up" "warm_up_seconds" Seconds Less "time from the end of a fault until latency is within 20 % of before; worst fault";
    "start-warm-up" "start_warm_up_seconds" Seconds Less "time from the first request until latency is within 20 % of its level before any fault";
    "stale-reads" "stale_read_share" Share Less "share of reads that returned an older version than one that existed before they began";
    "staleness.versions" "staleness_versions" Count Less "versions by which the worst read was behind, at least";
    "staleness.p99" "staleness_p99_seconds" Seconds Less "age of the newer version that a read missed: 99th percentile over all reads";
    "staleness.delta" "staleness_delta_seconds" Seconds Less "smallest Δ for which the history is Δ-atomic";
    "staleness.gamma" "staleness_gamma_seconds" Seconds Less "smallest Γ for which the history is Γ-atomic";
    "divergent-keys" "divergent_keys" Count Less "keys whose replicas differ at the end";
    "convergence" "convergence_seconds" Seconds Less "time from the end of a fault until all replicas agreed for good; worst fault";
    "convergence.uncertainty" "convergence_uncertainty_seconds" Seconds Less "time between the last disagreement that was seen and that moment";
    "write-amplification.commands" "write_amplification_commands" Ratio Less "commands that reached the store per acknowledged write";
    "write-amplification.bytes" "write_amplification_bytes" Ratio Less "bytes that reached the store per byte of an acknowledged write";
}

/// Finds a metric by the name that objectives use, or by the name that JSON uses.
pub fn find_metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.objective == name || metric.name == name)
}

/// Figures by metric, in the order of [`METRICS`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MetricValues(Vec<(&'static Metric, MeasuredFigure)>);

impl MetricValues {
    /// All figures, or the reasons why they are missing.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static Metric, MeasuredFigure)> + '_ {
        self.0.iter().copied()
    }

    /// The figure of a metric. `None` if the metric was not set.
    pub fn get(&self, metric: &Metric) -> Option<MeasuredFigure> {
        self.iter().find(|(known, _)| known.name == metric.name).map(|(_, measured)| measured)
    }

    /// Adds a figure. Panics for a name that is not in the table, which is a bug of the caller.
    pub(super) fn set_figure(&mut self, name: &str, measured: Result<impl Into<Figure>, &'static str>) {
        let metric = find_metric(name).unwrap_or_else(|| panic!("{name} is in the table of metrics"));
        let measured = measured.map(Into::into).and_then(|figure: Figure| match figure.is_sound() {
            true => Ok(figure),
            false => Err("it is beyond what can be counted"),
        });
        self.0.push((metric, measured));
    }

    /// Replaces all figures by a reason.
    pub(super) fn withhold_all(&mut self, why: &'static str) {
        self.0.iter_mut().for_each(|(_, measured)| *measured = Err(why));
    }

    /// Sorts the figures into the order of the table.
    pub(super) fn sort_by_table(&mut self) {
        let place = |metric: &Metric| METRICS.iter().position(|known| known.name == metric.name);
        self.0.sort_by_key(|(metric, _)| place(metric));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_things() {
        let mut names: Vec<&str> =
            METRICS.iter().flat_map(|metric| [metric.objective, metric.name]).collect();
        names.sort_unstable();
        // `retries` has the same name in both places.
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count - 1);
    }

    #[test]
    fn names_in_json_tell_their_unit() {
        for metric in METRICS {
            let fits = match metric.unit {
                Unit::Seconds => metric.name.ends_with("_seconds"),
                Unit::Share => metric.name.ends_with("_share"),
                Unit::PerSecond => metric.name.ends_with("_per_second"),
                Unit::Count | Unit::Ratio => !metric.name.ends_with("_seconds"),
            };
            assert!(fits, "{}", metric.name);
        }
    }
}
