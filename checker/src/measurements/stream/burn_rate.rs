//! Burn rates of an error budget over two windows of time, and the alerts that follow from them.
//!
//! An objective such as `availability=99.9%` allows a share of bad operations, its *error budget*: here 0.1 %. The *burn rate* of a
//! window is the share of bad operations in it, divided by the budget. At a rate of 1, the objective is just met.
//!
//! One window alone alerts too late or too often. The rule of two windows (Beyer et al., *The Site Reliability Workbook*, chapter 5, sections 5 and
//! 6) begins an alert when the rate is exceeded over a long window, so that enough of the budget is gone to matter, *and* over a short
//! one, so that it is still going on. The alert ends when the short window is below the rate.
//!
//! Time is that of the events, so an alert depends on the stream alone, not on when it was read. Counts are kept in buckets of a
//! thirtieth of the short window, and windows begin and end with a bucket. So each window is longer by at most one bucket
//! than its name says. O(1) amortized for each operation, and at most `30 × long / short` buckets.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The number of buckets in a short window.
const BUCKETS_IN_SHORT: i64 = 30;

/// A pair of windows, and the rate from which on they alert.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct BurnRateRule {
    /// The length of the long window in nanoseconds.
    pub long_ns: i64,
    /// The length of the short window in nanoseconds, at most that of the long one.
    pub short_ns: i64,
    /// The burn rate that alerts.
    pub rate: f64,
}

const MINUTE: i64 = 60_000_000_000;

/// The rules that the workbook recommends: 2 % of a budget for 30 days are gone within an hour, 5 % within 6 hours, or 10 % within 3 days.
pub const USUAL_RULES: [BurnRateRule; 3] = [
    BurnRateRule { long_ns: 60 * MINUTE, short_ns: 5 * MINUTE, rate: 14.4 },
    BurnRateRule { long_ns: 360 * MINUTE, short_ns: 30 * MINUTE, rate: 6.0 },
    BurnRateRule { long_ns: 4_320 * MINUTE, short_ns: 360 * MINUTE, rate: 1.0 },
];

/// How many operations were counted, and how many of them were bad.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct OperationCounts {
    /// All operations that the objective is about.
    pub all: u64,
    /// Those that it does not want.
    pub bad: u64,
}

impl OperationCounts {
    pub(super) fn add(&mut self, is_bad: bool) {
        self.all += 1;
        self.bad += u64::from(is_bad);
    }

    /// The burn rate at a budget: 0 without operations; infinite if there is no budget and an operation was bad.
    pub fn burn_rate(self, budget: f64) -> f64 {
        match (self.bad, budget) {
            (0, _) => 0.0,
            (_, budget) if budget <= 0.0 => f64::INFINITY,
            (bad, budget) => bad as f64 / self.all as f64 / budget,
        }
    }
}

/// Two windows that end together: with the last bucket that is over.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct WindowPair {
    pub(super) rule: BurnRateRule,
    /// The counts of buckets by number, in order. Buckets without operations are left out.
    buckets: VecDeque<(i64, OperationCounts)>,
    /// The bucket of the first operation, and the latest bucket of any event.
    first: Option<i64>,
    latest: Option<i64>,
    /// The counts of both windows when they were last looked at.
    pub(super) long: OperationCounts,
    pub(super) short: OperationCounts,
    pub(super) alerts: bool,
}

impl WindowPair {
    pub(super) fn new(rule: BurnRateRule) -> Self {
        Self {
            rule,
            buckets: VecDeque::new(),
            first: None,
            latest: None,
            long: OperationCounts::default(),
            short: OperationCounts::default(),
            alerts: false,
        }
    }

    fn bucket_ns(&self) -> i64 {
        (self.rule.short_ns / BUCKETS_IN_SHORT).max(1)
    }

    fn bucket_of(&self, time: i64) -> i64 {
        time.div_euclid(self.bucket_ns())
    }

    fn buckets_in(&self, window_ns: i64) -> i64 {
        (window_ns / self.bucket_ns()).max(1)
    }

    /// Counts an operation at its time. One that is older than the long window is in no window any more.
    pub(super) fn count_operation(&mut self, time: i64, is_bad: bool) {
        let bucket = self.bucket_of(time);
        self.first = Some(self.first.map_or(bucket, |first| first.min(bucket)));
        if self
            .latest
            .is_some_and(|latest| bucket <= latest.saturating_sub(self.buckets_in(self.rule.long_ns)))
        {
            return;
        }
        let at = self.buckets.partition_point(|&(number, _)| number < bucket);
        match self.buckets.get_mut(at) {
            Some((number, counts)) if *number == bucket => counts.add(is_bad),
            _ => {
                let mut counts = OperationCounts::default();
                counts.add(is_bad);
                self.buckets.insert(at, (bucket, counts));
            }
        }
    }

    /// Lets time go on. Whenever buckets are over, both windows are looked at. Returns whether an alert began or ended.
    pub(super) fn advance(&mut self, time: i64, budget: f64) -> Vec<bool> {
        let bucket = self.bucket_of(time);
        let Some(latest) = self.latest else {
            self.latest = Some(bucket);
            return Vec::new();
        };
        if bucket <= latest {
            return Vec::new();
        }
        self.latest = Some(bucket);
        // After a gap in the stream there are two moments: when the last bucket with events was over, and now.
        let mut changes = Vec::new();
        let before = bucket.saturating_sub(1);
        let moments = if before == latest { vec![latest] } else { vec![latest, before] };
        for end in moments {
            changes.extend(self.look_at(end, budget));
        }
        changes
    }

    /// Looks at the windows that end with this bucket.
    fn look_at(&mut self, end: i64, budget: f64) -> Option<bool> {
        let (long, short) = (self.buckets_in(self.rule.long_ns), self.buckets_in(self.rule.short_ns));
        let (long_from, short_from) = (end.saturating_sub(long), end.saturating_sub(short));
        while self.buckets.front().is_some_and(|&(number, _)| number <= long_from) {
            self.buckets.pop_front();
        }
        let sum = |from: i64| {
            let within = self.buckets.iter().rev().skip_while(|(number, _)| *number > end);
            let counts = within.take_while(|(number, _)| *number > from).map(|&(_, counts)| counts);
            counts.fold(OperationCounts::default(), |sum, counts| OperationCounts {
                all: sum.all + counts.all,
                bad: sum.bad + counts.bad,
            })
        };
        (self.long, self.short) = (sum(long_from), sum(short_from));
        let exceeds = |counts: OperationCounts| counts.bad > 0 && counts.burn_rate(budget) >= self.rule.rate;
        // At the beginning of a stream, one bad operation is a large share.
        let has_begun = self.first.is_some_and(|first| end.saturating_sub(first) >= short - 1);
        let alerts = match self.alerts {
            true => exceeds(self.short),
            false => has_begun && exceeds(self.short) && exceeds(self.long),
        };
        (std::mem::replace(&mut self.alerts, alerts) != alerts).then_some(alerts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// One operation a second, bad in some spans; the seconds at which alerts begin and end.
    fn alert_times(
        rule: BurnRateRule,
        budget: f64,
        seconds: i64,
        is_bad: impl Fn(i64) -> bool,
    ) -> Vec<(i64, bool)> {
        let mut pair = WindowPair::new(rule);
        let mut changes = Vec::new();
        for second in 0..seconds {
            changes.extend(pair.advance(second * SECOND, budget).into_iter().map(|begins| (second, begins)));
            pair.count_operation(second * SECOND, is_bad(second));
        }
        changes
    }

    const HOUR: BurnRateRule = USUAL_RULES[0];

    /// By hand: a budget of 1 % and a rate of 14.4 mean 14.4 % bad operations. From 3600 s on all are bad. The short window
    /// (300 s) has that share after 43.2 s, the long one (3600 s) after 518.4 s: the second decides. Buckets are 10 s long.
    #[test]
    fn an_alert_begins_when_both_windows_burn() {
        let told = alert_times(HOUR, 0.01, 6_000, |second| second >= 3_600);
        assert_eq!(told, [(3_600 + 520, true)]);
    }

    /// The short window is below 14.4 % when fewer than 43.2 of its 300 operations are bad: 256.8 s after the last bad one.
    #[test]
    fn it_ends_when_the_short_window_is_over_it() {
        let told = alert_times(HOUR, 0.01, 9_000, |second| (3_600..4_600).contains(&second));
        assert_eq!(told, [(4_120, true), (4_860, false)]);
    }

    /// A burst that fills the short window, and is too little for the long one.
    #[test]
    fn a_short_burst_does_not_alert() {
        assert_eq!(alert_times(HOUR, 0.01, 9_000, |second| (3_600..3_900).contains(&second)), []);
    }

    #[test]
    fn nothing_alerts_before_the_short_window_has_passed_and_a_bad_beginning_does_afterwards() {
        let told = alert_times(HOUR, 0.01, 2_000, |second| second < 200);
        assert_eq!(told, [(300, true), (460, false)]);
        assert_eq!(alert_times(HOUR, 0.01, 299, |_| true), []);
    }

    /// Without a budget, each bad operation is one too many.
    #[test]
    fn an_objective_without_a_budget_alerts_at_once() {
        let told = alert_times(HOUR, 0.0, 2_000, |second| second == 1_005);
        assert_eq!(told, [(1_010, true), (1_310, false)]);
    }

    /// A stream that is silent for longer than the windows: the alert ends, and the old operations are forgotten.
    #[test]
    fn a_gap_ends_an_alert() {
        let mut pair = WindowPair::new(HOUR);
        let mut changes = Vec::new();
        for second in (0..1_000).chain(100_000..100_020) {
            changes.extend(pair.advance(second * SECOND, 0.01).into_iter().map(|begins| (second, begins)));
            pair.count_operation(second * SECOND, second < 1_000);
        }
        assert_eq!(changes, [(300, true), (100_000, false)]);
        assert!(pair.buckets.len() <= 2, "{:?}", pair.buckets);
    }

    /// The clock of a stream may say anything.
    #[test]
    fn times_at_the_ends_of_the_clock_are_counted() {
        let mut pair = WindowPair::new(BurnRateRule { long_ns: 1, short_ns: 1, rate: 1.0 });
        for time in [i64::MIN, i64::MIN + 1, 0, i64::MAX - 1, i64::MAX] {
            pair.advance(time, 0.5);
            pair.count_operation(time, true);
        }
        assert_eq!(pair.short, OperationCounts { all: 1, bad: 1 });
    }

    /// Operations in any order of their times are counted as those in order, as long as they are within the window.
    #[test]
    fn the_order_of_operations_in_a_bucket_does_not_matter() {
        let (mut one, mut other) = (WindowPair::new(HOUR), WindowPair::new(HOUR));
        let times: Vec<i64> = (0..500).map(|at| at * 3 * SECOND).collect();
        for &time in &times {
            one.count_operation(time, time % 7 == 0);
        }
        for &time in times.iter().rev() {
            other.count_operation(time, time % 7 == 0);
        }
        one.advance(0, 0.01);
        other.advance(0, 0.01);
        one.advance(1_600 * SECOND, 0.01);
        other.advance(1_600 * SECOND, 0.01);
        assert_eq!((one.long, one.short), (other.long, other.short));
        assert_eq!(one.long.all, 500);
    }
}
