//! The names of what is measured over a whole run: one table, which objectives, JSON, differences between runs and
//! the documentation are held to.

use super::figure::Figure;

/// A figure as far as it is known, or why nothing is known of it.
pub type MeasuredFigure = Result<Figure, &'static str>;

/// One thing that is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metric {
    /// The name that objectives use: `recovery.p99`.
    pub objective: &'static str,
    /// The name in JSON, with its unit: `recovery_p99_seconds`.
    pub name: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// Which way is good.
    pub better: Better,
    /// What it is, in one line.
    pub line: &'static str,
}

/// What a figure counts in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Things.
    Count,
    /// A share of a whole, from 0 to 1; people type and read it in per cent.
    Share,
    /// So many times as much.
    Ratio,
    /// Things a second.
    PerSecond,
}

/// Which way is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// Less is better: an objective is the most that is allowed.
    Less,
    /// More is better: an objective is the least that is allowed.
    More,
}

macro_rules! metrics {
    ($($objective:literal $name:literal $unit:ident $better:ident $line:literal;)*) => {
        /// Everything that is measured over a run, in the order in which it is shown.
        pub const METRICS: &[Metric] = &[$(Metric {
            objective: $objective, name: $name, unit: Unit::$unit, better: Better::$better, line: $line,
        }),*];
    };
}

metrics! {
    "availability" "availability_share" Share More "operations that the store answered, of all";
    "available-time" "available_time_share" Share More "the time in which somebody succeeded, of all";
    "unavailable" "unavailable_seconds" Seconds Less "time in which nobody succeeded though somebody asked";
    "unavailable.longest" "unavailable_longest_seconds" Seconds Less "the longest such span";
    "session-unavailable.p50" "session_unavailable_p50_seconds" Seconds Less "the same for each session by itself: median over the sessions";
    "session-unavailable.p99" "session_unavailable_p99_seconds" Seconds Less "… 99th percentile";
    "session-unavailable.max" "session_unavailable_max_seconds" Seconds Less "… the worst";
    "recovery.p50" "recovery_p50_seconds" Seconds Less "from a fault to the first answer to each session that it affected: median";
    "recovery.p99" "recovery_p99_seconds" Seconds Less "… 99th percentile";
    "recovery.max" "recovery_max_seconds" Seconds Less "… the last";
    "recovery.first" "recovery_first_seconds" Seconds Less "from a fault to the first answer to anybody that it affected; the worst fault";
    "recovery-with-state.p50" "recovery_with_state_p50_seconds" Seconds Less "from a fault to the first answer that shows the session itself, with what it held: median";
    "recovery-with-state.p99" "recovery_with_state_p99_seconds" Seconds Less "… 99th percentile";
    "recovery-with-state.max" "recovery_with_state_max_seconds" Seconds Less "… the last";
    "recovered-with-state" "recovered_with_state_share" Share More "affected sessions that were found again with what they held, of those that asked again";
    "affected-sessions" "affected_sessions" Count Less "sessions that a fault affected, each fault counted";
    "unrecovered-sessions" "unrecovered_sessions" Count Less "… of these, those that asked until the end and were never answered";
    "silent-sessions" "silent_sessions" Count Less "… of these, those that stopped asking, so that it is unknown when they would have been answered";
    "lost-sessions" "lost_sessions" Count Less "sessions that the store lost";
    "lost-writes" "lost_writes" Count Less "acknowledged writes that are gone";
    "lost-renewals" "lost_renewals" Count Less "acknowledged renewals (new session ids) that are gone";
    "recovery-point" "recovery_point_seconds" Seconds Less "from the first to the last acknowledged write that is gone; the worst fault";
    "lost-actions" "lost_actions" Count Less "acknowledged actions that took no effect";
    "duplicated-actions" "duplicated_actions" Count Less "actions that took effect more than once";
    "errors" "error_share" Share Less "operations that ended without an answer of the store, of all";
    "retries" "retries" Count Less "operations asked again after they had failed or hung";
    "throughput" "throughput_per_second" PerSecond More "operations that succeeded, a second";
    "latency.p50" "latency_p50_seconds" Seconds Less "how long users waited for a success, from when they wanted to begin: median";
    "latency.p90" "latency_p90_seconds" Seconds Less "… 90th percentile";
    "latency.p99" "latency_p99_seconds" Seconds Less "… 99th percentile";
    "latency.p999" "latency_p999_seconds" Seconds Less "… 99.9th percentile";
    "latency.max" "latency_max_seconds" Seconds Less "… the longest";
    "service-time.p50" "service_time_p50_seconds" Seconds Less "the same, from when the request was sent: median";
    "service-time.p90" "service_time_p90_seconds" Seconds Less "… 90th percentile";
    "service-time.p99" "service_time_p99_seconds" Seconds Less "… 99th percentile";
    "service-time.p999" "service_time_p999_seconds" Seconds Less "… 99.9th percentile";
    "service-time.max" "service_time_max_seconds" Seconds Less "… the longest";
    "warm-up" "warm_up_seconds" Seconds Less "from the end of a fault until latency is back within 20 % of before; the worst fault";
    "start-warm-up" "start_warm_up_seconds" Seconds Less "from the first request until latency is within 20 % of what it comes to before any fault";
    "stale-reads" "stale_read_share" Share Less "reads that returned a version older than one that was there before they began, of all that can be told";
    "staleness.versions" "staleness_versions" Count Less "by how many versions at least, at worst";
    "staleness.p99" "staleness_p99_seconds" Seconds Less "for how long a newer version had been there, over all reads: 99th percentile";
    "staleness.delta" "staleness_delta_seconds" Seconds Less "the least Δ for which the history is Δ-atomic";
    "staleness.gamma" "staleness_gamma_seconds" Seconds Less "the least Γ for which the history is Γ-atomic";
    "divergent-keys" "divergent_keys" Count Less "keys of which replicas hold different versions in the end";
    "convergence" "convergence_seconds" Seconds Less "from the end of a fault until replicas held the same again and did so to the end; the worst fault";
    "convergence.uncertainty" "convergence_uncertainty_seconds" Seconds Less "how long before that they were last seen apart, or not yet looked at";
    "write-amplification.commands" "write_amplification_commands" Ratio Less "commands that reached the store for each acknowledged write";
    "write-amplification.bytes" "write_amplification_bytes" Ratio Less "bytes that reached the store for each byte of an acknowledged write";
}

/// The metric of a name that objectives use, or of one that JSON uses.
pub fn find_metric(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.objective == name || metric.name == name)
}

/// Figures by metric, in the order of [`METRICS`].
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MetricValues(Vec<(&'static Metric, MeasuredFigure)>);

impl MetricValues {
    /// Every figure there is, or why there is none.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static Metric, MeasuredFigure)> + '_ {
        self.0.iter().copied()
    }

    /// The figure of a metric; nothing if it was not asked for.
    pub fn get(&self, metric: &Metric) -> Option<MeasuredFigure> {
        self.iter().find(|(known, _)| known.name == metric.name).map(|(_, measured)| measured)
    }

    /// Takes a figure in. Panics for a name that is not in the table: a bug here.
    pub(super) fn set_figure(&mut self, name: &str, measured: Result<impl Into<Figure>, &'static str>) {
        let metric = find_metric(name).unwrap_or_else(|| panic!("{name} is in the table of metrics"));
        let measured = measured.map(Into::into).and_then(|figure: Figure| match figure.is_sound() {
            true => Ok(figure),
            false => Err("it is beyond what can be counted"),
        });
        self.0.push((metric, measured));
    }

    /// Takes all figures back, for a reason.
    pub(super) fn withhold_all(&mut self, why: &'static str) {
        self.0.iter_mut().for_each(|(_, measured)| *measured = Err(why));
    }

    /// Brings the figures into the order of the table.
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
        // `retries` is called the same in both places.
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
