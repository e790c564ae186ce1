//! Percentiles of waiting times, some of which are known only by a lower bound.
//!
//! A session that stopped asking before it was answered waited at least until then. How long it would have waited is
//! not known. Leaving it out makes recovery look shorter than it was; counting it until the end of the run makes it
//! look longer. The product-limit estimator (Kaplan & Meier, *Nonparametric estimation from incomplete observations*,
//! 1958) uses what is known of each session. Until a session stops asking, it counts among those that still wait; after
//! that, it is in neither count. Without such censored observations, the percentiles are nearest ranks. A session that asked until the
//! end, and one that was told that it is gone, did not stop waiting: it counts as waiting for ever.
//!
//! *Choices.* The estimator assumes that a session that stops asking would have waited as long as the others that still
//! waited then. This is an assumption, so the number of censored sessions is reported beside the percentiles. If too
//! many sessions still waited when they were last observed, the estimate does not reach a percentile. That percentile
//! then has a lower bound and no upper one. O(n log n).

use super::figure::Figure;

/// How long one session waited, in ns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct SessionWait {
    /// Whether it still waited when the recording ended. Such waits sort last.
    endless: bool,
    /// The time until it was answered, or the time for which it is known to have waited.
    pub(super) ns: i64,
    /// Whether it is known only to have waited longer. Among equal times, answered waits sort first.
    pub(super) censored: bool,
}

impl SessionWait {
    pub(super) fn answered_after(ns: i64) -> Self {
        Self { endless: false, ns, censored: false }
    }

    /// The session stopped waiting then.
    pub(super) fn longer_than(ns: i64) -> Self {
        Self { endless: false, ns, censored: true }
    }

    /// The session waited until the recording ended, and is known to have waited for this time.
    pub(super) fn endless_after(ns: i64) -> Self {
        Self { endless: true, ns, censored: true }
    }
}

/// Tolerance for the rounding error of a product of many factors.
const ROUNDING: f64 = 1e-9;

/// The time, in seconds, by which this share of the waits is over. The waits must be sorted, and there must be at least
/// one.
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
    Figure::at_least(to_seconds(waits.iter().map(|wait| wait.ns).max().unwrap_or(0)))
}

/// The time, in seconds, at which the first wait was over. If none was, it is later than the first that was censored.
pub(super) fn first_wait(waits: &[SessionWait]) -> Option<Figure> {
    let answered = waits.iter().find(|wait| !wait.censored);
    let answered = answered.map(|wait| Figure::exactly(to_seconds(wait.ns)));
    answered.or_else(|| waits.iter().map(|wait| wait.ns).min().map(|ns| Figure::at_least(to_seconds(ns))))
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

    /// An example like the paper's, by hand: answered at 1, 3 and 6, censored at 2 and 4. After 1, 4/5 wait. At 3,
    /// three are left: 4/5 · 2/3 = 8/15. At 6, one is left: 0. So the median is 6, because 15/30 = 1/2 < 8/15.
    #[test]
    fn what_is_censored_counts_until_then() {
        let waits = waits(&[1, 3, 6], &[2, 4]);
        assert_eq!(wait_quantile(&waits, 0.2).exact_value(), Some(1.0));
        assert_eq!(wait_quantile(&waits, 0.45).exact_value(), Some(3.0));
        assert_eq!(wait_quantile(&waits, 0.5).exact_value(), Some(6.0));
    }

    /// One of two was answered at 1; the other had not been when it was last observed, at 9. The median is 1, and the
    /// longest is known only to be more than 9.
    #[test]
    fn where_too_many_still_wait_there_is_only_a_lower_bound() {
        let waits = waits(&[1], &[9]);
        assert_eq!(wait_quantile(&waits, 0.5).exact_value(), Some(1.0));
        assert_eq!(wait_quantile(&waits, 1.0), Figure::at_least(9.0));
        assert_eq!(first_wait(&waits), Some(Figure::exactly(1.0)));
    }

    /// Three of four asked until the recording ended, at 5, and the fourth was answered at 5.2. None of them stopped waiting, so half of
    /// them did not recover. They used to count as gone when the fourth was answered, and then all percentiles were 5.2.
    #[test]
    fn who_waits_to_the_end_waits_longer_than_all_others() {
        let endless = SessionWait::endless_after(5 * SECOND);
        let mut waits = vec![endless, SessionWait::answered_after(52 * SECOND / 10), endless, endless];
        waits.sort_unstable();
        assert_eq!(wait_quantile(&waits, 0.25), Figure::exactly(5.2));
        for share in [0.5, 0.99, 1.0] {
            assert_eq!(wait_quantile(&waits, share), Figure::at_least(5.2));
        }
        assert_eq!(first_wait(&waits), Some(Figure::exactly(5.2)));
    }

    #[test]
    fn of_those_that_all_gave_up_no_time_is_known() {
        let waits = waits(&[], &[2, 5]);
        assert_eq!(wait_quantile(&waits, 0.5), Figure::at_least(5.0));
        assert_eq!(first_wait(&waits), Some(Figure::at_least(2.0)));
        assert_eq!(first_wait(&[]), None);
    }
}
