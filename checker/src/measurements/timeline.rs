//! What happened when, in buckets of equal width: for charts.

use super::latency::Quantiles;
use super::samples::{Samples, UserOutcome};
use super::turned_away;

/// How many buckets there are at most.
const BUCKETS_MAX: i64 = 240;
/// How wide buckets can be, in ms.
const WIDTHS_MS: [i64; 12] = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// A run in buckets, by when operations were invoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunTimeline {
    /// When the first begins, in ns on the history's clock.
    pub from: i64,
    /// How wide each is, in ns.
    pub width: i64,
    /// The buckets.
    pub buckets: Vec<TimelineBucket>,
}

/// What was asked in one bucket and what came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimelineBucket {
    /// Operations that succeeded.
    pub ok: usize,
    /// Operations that the store refused.
    pub refused: usize,
    /// Operations that certainly took no effect, refusals apart, and requests that were never made.
    pub failed: usize,
    /// Operations of which nobody knows.
    pub unknown: usize,
    /// How long the successes took, from when their users wanted to begin, in ns.
    pub latency: Option<Quantiles>,
}

/// The buckets of a run.
pub(super) fn build_timeline(samples: &Samples) -> Option<RunTimeline> {
    let (from, to) = (samples.rows.first()?.invoked, samples.rows.last()?.invoked);
    let to = samples.turned_away.last().map_or(to, |&last| last.max(to));
    let length = to - from + 1;
    let fitting = WIDTHS_MS.iter().map(|width| width * 1_000_000).find(|width| length <= width * BUCKETS_MAX);
    let minutes = |length: i64| (length / BUCKETS_MAX / 60_000_000_000 + 1) * 60_000_000_000;
    let width = fitting.unwrap_or_else(|| minutes(length));
    let count = (length + width - 1) / width;
    let buckets = (0..count).map(|at| build_bucket(samples, from + at * width, from + (at + 1) * width));
    Some(RunTimeline { from, width, buckets: buckets.collect() })
}

fn build_bucket(samples: &Samples, from: i64, to: i64) -> TimelineBucket {
    let rows = samples.invoked_between(from, to);
    let count = |end| rows.iter().filter(|row| row.end == end).count();
    let errors = rows.iter().filter(|row| row.end == UserOutcome::Error);
    let failed = errors.filter(|row| row.outcome == histories::Outcome::Fail).count();
    let unknown = count(UserOutcome::Error) - failed;
    let took = rows.iter().filter(|row| row.end == UserOutcome::Success);
    TimelineBucket {
        ok: count(UserOutcome::Success),
        refused: count(UserOutcome::Refusal),
        failed: failed + turned_away::count_due_between(&samples.turned_away, from, to),
        unknown,
        latency: Quantiles::from_values(took.filter_map(|row| Some(row.ended? - row.wanted)).collect()),
    }
}
