//! Percentiles of waiting times of which some are known only to be longer than what was seen.
//!
//! A session that stopped asking before it was answered waited at least until then; how long it would have waited,
//! nobody knows. Leaving it out makes recovery look shorter than it was, and counting it until the end of the run makes
//! it look longer. The product-limit estimator (Kaplan & Meier, *Nonparametric estimation from incomplete observations*,
//! 1958) takes from each what it tells: until it stopped asking, the session is one of those that still wait; after that
//! it is in neither count. Where no observation is censored, the percentiles are nearest ranks.
//!
//! *Choices.* The estimator assumes that who stops asking would have waited as long as the others that still waited
//! then. That is an assumption, so the number of censored sessions is told beside the percentiles. Where the estimate
//! does not come down to a percentile, because too many were still waiting when they were last seen, the percentile
//! has a lower bound and no upper one. O(n log n).

use super::figure::Figure;

/// How long one session waited, in ns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SessionWait {
    /// Until it was answered, or as long as it is known to have waited.
    pub(super) ns: i64,
    /// Whether it is only known to have waited longer. Among equal times the answered ones come first.
    pub(super) censored: bool,
}

impl SessionWait {
    pub(super) fn answered_after(ns: i64) -> Self {
        Self { ns, censored: false }
    }

    pub(super) fn longer_than(ns: i64) -> Self {
        Self { ns, censored: true }
    }
}

/// Room for the error of a product of many factors.
const ROUNDING: f64 = 1e-9;

/// The time by which this share of the waits is over, in seconds; `waits` are sorted and there is one at least.
pub(super) fn wait_quantile(waits: &[SessionWait], share: f64) -> Figure {
    let mut waiting = 1.0;
    for (at, wait) in waits.iter().enumerate() {
        if wait.censored {
            continue;
        }
        let left = (waits.len() - at) as f64;
        waiting *= 1.0 - 1.0 / left;
        if waiting <= 1.0 - share + ROUNDING {
            return Figure::exactly(to_seconds(wait.ns));
        }
    }
    Figure::at_least(to_seconds(waits.last().map_or(0, |last| last.ns)))
}

/// When the first of them was over, in seconds. Where none was, it is later than the first that was given up.
pub(super) fn first_wait(waits: &[SessionWait]) -> Option<Figure> {
    let answered = waits.iter().find(|wait| !wait.censored);
    let answered = answered.map(|wait| Figure::exactly(to_seconds(wait.ns)));
    answered.or_else(|| waits.first().map(|wait| Figure::at_least(to_seconds(wait.ns))))
}

fn to_seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn waits(answered: &[i64], censored: &[i64]) -> Vec<SessionWait> {
        let of = |times: &[i64], wait: fn(i64) -> SessionWait| {
            times.iter().map(|time| wait(time * SECOND)).collect::<Vec<_>>()
        };
        let mut waits =
            [of(answered, SessionWait::answered_after), of(censored, SessionWait::longer_than)].concat();
        waits.sort_unstable();
        waits
    }

    #[test]
    fn without_censoring_percentiles_are_nearest_ranks() {
        let all: Vec<i64> = (1..=200).collect();
        let waits = waits(&all, &[]);
        let found = [0.5, 0.9, 0.99, 1.0].map(|share| wait_quantile(&waits, share).exact_value());
        assert_eq!(found, [Some(100.0), Some(180.0), Some(198.0), Some(200.0)]);
    }

    /// The example of the paper's kind, by hand: answered at 1, 3 and 6, given up at 2 and 4. After 1: 4/5 wait; at 3
    /// three are left, 4/5 · 2/3 = 8/15; at 6 one is left, 0. So the median (15/30 = 1/2 < 8/15) is 6.
    #[test]
    fn what_is_censored_counts_until_then() {
        let waits = waits(&[1, 3, 6], &[2, 4]);
        assert_eq!(wait_quantile(&waits, 0.2).exact_value(), Some(1.0));
        assert_eq!(wait_quantile(&waits, 0.45).exact_value(), Some(3.0));
        assert_eq!(wait_quantile(&waits, 0.5).exact_value(), Some(6.0));
    }

    /// One of two was answered at 1, the other had not been when it was last seen, at 9: the median is 1, and all that is
    /// known of the longest is that it is more than 9.
    #[test]
    fn where_too_many_still_wait_there_is_only_a_lower_bound() {
        let waits = waits(&[1], &[9]);
        assert_eq!(wait_quantile(&waits, 0.5).exact_value(), Some(1.0));
        assert_eq!(wait_quantile(&waits, 1.0), Figure::at_least(9.0));
        assert_eq!(first_wait(&waits), Some(Figure::exactly(1.0)));
    }

    #[test]
    fn of_those_that_all_gave_up_no_time_is_known() {
        let waits = waits(&[], &[2, 5]);
        assert_eq!(wait_quantile(&waits, 0.5), Figure::at_least(5.0));
        assert_eq!(first_wait(&waits), Some(Figure::at_least(2.0)));
        assert_eq!(first_wait(&[]), None);
    }
}
