//! A run in buckets of equal width, for charts.

use super::latency::Quantiles;
use super::samples::{End, Samples};
use super::turned_away;

/// The greatest number of buckets.
const BUCKETS_MAX: i64 = 240;
/// The widths that buckets can have, in ms. Beyond these, whole minutes.
const WIDTHS_MS: [i64; 12] = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// A run in buckets. Operations belong to a bucket by their invocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeline {
    /// When the first bucket begins, in ns on the history's clock.
    pub from: i64,
    /// The width of a bucket, in ns.
    pub width: i64,
    /// The buckets.
    pub buckets: Vec<Bucket>,
}

/// What was requested in one bucket, and the outcomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Operations that succeeded.
    pub ok: usize,
    /// Operations that the store refused.
    pub refused: usize,
    /// Operations that certainly took no effect, except refusals; and requests that were never sent.
    pub failed: usize,
    /// Indeterminate operations.
    pub unknown: usize,
    /// How long the successes took, from the intended start, in ns.
    pub latency: Option<Quantiles>,
}

/// Puts the operations of a run into buckets. `None` if there are none.
pub(super) fn timeline(samples: &Samples) -> Option<Timeline> {
    let (from, to) = (samples.rows.first()?.invoked, samples.rows.last()?.invoked);
    let to = samples.turned_away.last().map_or(to, |&last| last.max(to));
    let length = to - from + 1;
    let fitting = WIDTHS_MS.iter().map(|width| width * 1_000_000).find(|width| length <= width * BUCKETS_MAX);
    let minutes = |length: i64| (length / BUCKETS_MAX / 60_000_000_000 + 1) * 60_000_000_000;
    let width = fitting.unwrap_or_else(|| minutes(length));
    let count = (length + width - 1) / width;
    let buckets = (0..count).map(|at| bucket(samples, from + at * width, from + (at + 1) * width));
    Some(Timeline { from, width, buckets: buckets.collect() })
}

fn bucket(samples: &Samples, from: i64, to: i64) -> Bucket {
    let rows = samples.between(from, to);
    let count = |end| rows.iter().filter(|row| row.end == end).count();
    let errors = rows.iter().filter(|row| row.end == End::Error);
    let failed = errors.filter(|row| row.outcome == histories::Outcome::Fail).count();
    let unknown = count(End::Error) - failed;
    let took = rows.iter().filter(|row| row.end == End::Success);
    Bucket {
        ok: count(End::Success),
        refused: count(End::Refusal),
        failed: failed + turned_away::between(&samples.turned_away, from, to),
        unknown,
        latency: Quantiles::of(took.filter_map(|row| Some(row.ended? - row.wanted)).collect()),
    }
}
