//! How long successes took: percentiles, before, during and after a fault, and until all is as before.
//!
//! Under an open load an operation begins when its user wanted it to, not when a client was free to send it. A closed
//! loop, or the time since sending, leaves out just the waits that a standstill causes (coordinated omission; Tene,
//! *How NOT to measure latency*). So *latency* counts from the intended start where the history has one, and *service
//! time* from the invocation.
//!
//! Percentiles are by nearest rank over all values: exact. A histogram of logarithmic buckets would need less memory,
//! but the values are here anyway. Operations that did not succeed have no latency; availability tells of them.

use super::faults::MeasuredFault;
use super::figure::Figure;
use super::samples::{Sample, Samples, UserOutcome};

/// Percentiles, in ns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quantiles {
    /// Of how many values.
    pub count: usize,
    /// The median.
    pub p50: i64,
    /// The 90th percentile.
    pub p90: i64,
    /// The 99th percentile.
    pub p99: i64,
    /// The 99.9th percentile.
    pub p999: i64,
    /// The largest.
    pub max: i64,
}

/// The ranks, in thousandths.
const RANKS: [usize; 5] = [500, 900, 990, 999, 1000];

impl Quantiles {
    /// The percentiles of values in any order; none of none. O(n): each rank is looked for above the one before.
    pub(super) fn from_values(mut values: Vec<i64>) -> Option<Quantiles> {
        let (count, mut from) = (values.len(), 0);
        if count == 0 {
            return None;
        }
        let found = RANKS.map(|mille| {
            let at = rank_index(count, mille);
            let value = *values[from..].select_nth_unstable(at - from).1;
            // What is below is not needed again; the value itself may be.
            from = at;
            value
        });
        Some(Quantiles::from_ranks(count, found))
    }

    /// The percentiles of sorted values.
    pub(super) fn from_sorted(values: &[i64]) -> Option<Quantiles> {
        let count = values.len();
        (count > 0).then(|| Quantiles::from_ranks(count, RANKS.map(|mille| values[rank_index(count, mille)])))
    }

    fn from_ranks(count: usize, [p50, p90, p99, p999, max]: [i64; 5]) -> Quantiles {
        Quantiles { count, p50, p90, p99, p999, max }
    }
}

/// The place of a nearest rank, in thousandths: of the least value of which at least that share is no larger.
fn rank_index(count: usize, mille: usize) -> usize {
    (count * mille).div_ceil(1000).max(1) - 1
}

/// Latency and service time of successes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Latency {
    /// From when users wanted to begin.
    pub latency: Option<Quantiles>,
    /// From when the request was sent.
    pub service_time: Option<Quantiles>,
}

impl Latency {
    pub(super) fn from_samples(rows: &[Sample]) -> Latency {
        let successes = || rows.iter().filter(|row| row.end == UserOutcome::Success);
        let took = |from: fn(&Sample) -> i64| {
            Quantiles::from_values(successes().filter_map(|row| Some(row.ended? - from(row))).collect())
        };
        let service_time = took(|row| row.invoked);
        // Where nobody says what was intended the two are the same: sorting once is enough.
        let same = rows.iter().all(|row| row.wanted == row.invoked);
        Latency { latency: if same { service_time } else { took(|row| row.wanted) }, service_time }
    }
}

/// Latency around a fault, by when operations were invoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LatencyPhases {
    /// Since the last event of any fault, or the beginning.
    pub before: Latency,
    /// While it lasted.
    pub during: Latency,
    /// From its end for as long as it answers for what happens.
    pub after: Latency,
}

/// Latency around a fault; `quiet_since` is when the last event of another fault came before it.
pub(super) fn measure_phases(samples: &Samples, fault: &MeasuredFault, quiet_since: i64) -> LatencyPhases {
    let over = fault.end_time();
    LatencyPhases {
        before: Latency::from_samples(samples.invoked_between(quiet_since, fault.struck)),
        during: Latency::from_samples(samples.invoked_between(fault.struck, over)),
        after: Latency::from_samples(samples.invoked_between(over, fault.until.saturating_add(1))),
    }
}

/// How many successes the median is taken over.
const WINDOW: usize = 50;
/// How much longer than before is as before.
const TOLERANCE: f64 = 1.2;

/// From the end of a fault until latency is as before, in seconds: until the first of fifty successes in a row (by when
/// they were invoked) whose median is at most a fifth above the median before the fault. Where there are none, it took
/// longer than is answered for.
pub(super) fn measure_warm_up(
    samples: &Samples,
    fault: &MeasuredFault,
    before: &Latency,
) -> Result<Figure, &'static str> {
    let Some(before) = before.latency.filter(|before| before.count >= WINDOW) else {
        return Err("fewer than 50 operations succeeded before the fault");
    };
    let over = fault.end_time();
    let rows = samples.invoked_between(over, fault.until.saturating_add(1));
    let seconds = |at: i64| (at - over) as f64 / 1e9;
    let back = find_quick_window(rows, before.p50, WINDOW.div_ceil(2));
    Ok(back.map_or(Figure::at_least(seconds(fault.until.max(over))), |at| Figure::exactly(seconds(at))))
}

/// From the first request of a user until latency is what it comes to in peace: until the first of fifty successes
/// in a row whose 90th percentile is at most a fifth above that of the second half of the time before the first fault.
///
/// A fault's warm-up has a *before* to be held against; a start has only what comes of it. And what is slow at a start
/// is the first request on each connection and the first of each kind: too few for a median to notice.
pub(super) fn measure_start_warm_up(
    samples: &Samples,
    faults: &[MeasuredFault],
) -> Result<i64, &'static str> {
    let Some((from, end)) = samples.span() else { return Err(super::NO_TIMES) };
    let to = faults.iter().map(|fault| fault.struck).min().unwrap_or(end).max(from);
    let half = from + (to - from) / 2;
    let Some(calm) =
        Latency::from_samples(samples.invoked_between(half, to)).latency.filter(|calm| calm.count >= WINDOW)
    else {
        return Err("fewer than 50 operations succeeded in the second half of the time before any fault");
    };
    let at = find_quick_window(samples.invoked_between(from, to), calm.p90, rank_index(WINDOW, 900) + 1);
    at.map(|at| at - from).ok_or("no 50 successes in a row were as quick as the second half")
}

/// When the first of fifty successes in a row was invoked of which at least so many took at most a fifth longer than this.
fn find_quick_window(rows: &[Sample], before: i64, least: usize) -> Option<i64> {
    let bound = (before as f64 * TOLERANCE) as i64;
    let successes: Vec<&Sample> = rows.iter().filter(|row| row.end == UserOutcome::Success).collect();
    // A percentile of a window is within the bound if and only if that share of it is: a count slides along.
    let quick = |row: &Sample| row.ended.is_some_and(|ended| ended - row.wanted <= bound);
    let mut count = 0;
    for (at, row) in successes.iter().enumerate() {
        count += usize::from(quick(row));
        if let Some(gone) = at.checked_sub(WINDOW) {
            count -= usize::from(quick(successes[gone]));
        }
        if at + 1 >= WINDOW && count >= least {
            return Some(successes[at + 1 - WINDOW].invoked);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let quantiles = Quantiles::from_values((1..=1000).rev().collect()).expect("values");
        assert_eq!((quantiles.p50, quantiles.p90, quantiles.p99), (500, 900, 990));
        assert_eq!((quantiles.p999, quantiles.max, quantiles.count), (999, 1000, 1000));
        let one = Quantiles::from_values(vec![7]).expect("a value");
        assert_eq!((one.p50, one.p999), (7, 7));
        assert_eq!(Quantiles::from_values(Vec::new()), None);
    }
}
