//! When nobody was served, and how long each session was not.
//!
//! A **span without service** is between two successes that follow one another, of whomever: it begins with the first
//! operation that was asked, or with the success before if some were under way already, and ends with the next success.
//! Shorter ones than a tenth of a second, or ten times the median time of a success where that is more, are the ordinary
//! time between one answer and the next, and do not count.
//!
//! Of one session the span begins when its first operation that ends in an error is invoked and ends with its next
//! answer, or else its last event.

use super::samples::{Samples, UserOutcome};

const SPAN_LEAST_NS: i64 = 100_000_000;
const MEDIANS: i64 = 10;

/// The spans without service from one time to another, each as (from, to).
pub(super) fn find_unserved_spans(samples: &Samples, median_ns: i64) -> Vec<(i64, i64)> {
    let Some((begin, end)) = samples.span() else { return Vec::new() };
    let least = SPAN_LEAST_NS.max(median_ns.saturating_mul(MEDIANS));
    let served = samples.rows.iter().filter(|row| row.end != UserOutcome::Error).filter_map(|row| row.ended);
    let mut served: Vec<i64> = served.collect();
    served.sort_unstable();
    served.push(end);
    let mut spans = Vec::new();
    let mut before = begin;
    for at in served {
        if at - before >= least {
            let asked = samples.rows.get(samples.index_from(before)).map_or(at, |row| row.invoked);
            let away = samples.turned_away.partition_point(|&due| due < before);
            let asked = samples.turned_away.get(away).map_or(asked, |&due| due.min(asked));
            let from = if samples.is_under_way(before) { before } else { asked };
            if at - from >= least {
                spans.push((from, at));
            }
        }
        before = at;
    }
    spans
}

/// How much of the spans lies within a time.
pub(super) fn unserved_within_ns(spans: &[(i64, i64)], from: i64, to: i64) -> i64 {
    let first = spans.partition_point(|span| span.1 <= from);
    let inside = spans[first..].iter().take_while(|span| span.0 < to);
    inside.map(|span| span.1.min(to) - span.0.max(from)).sum()
}

/// How long each session was not served, in ns, sorted.
pub(super) fn unserved_by_session(samples: &Samples) -> Vec<i64> {
    let waits = samples.sessions_with_rows().map(|session| {
        let (mut sum, mut since, mut last) = (0, None::<i64>, i64::MIN);
        for row in samples.rows_of_session(session) {
            last = last.max(row.ended.unwrap_or(row.invoked));
            match (row.end, since) {
                (UserOutcome::Error, None) => since = Some(row.invoked),
                (UserOutcome::Success | UserOutcome::Refusal, Some(from)) => {
                    sum += row.ended.map_or(0, |ended| ended - from);
                    since = None;
                }
                _ => {}
            }
        }
        sum + since.map_or(0, |from| last - from)
    });
    let mut waits: Vec<i64> = waits.collect();
    waits.sort_unstable();
    waits
}
