//! When no user was served, and for how long each session was not.
//!
//! A **span without service** lies between two consecutive successes of any users. It begins with the first operation
//! that was requested, or with the earlier success if some operation was already in progress, and ends with the later
//! success. Spans shorter than a tenth of a second, or shorter than ten times the median time of a success if that is
//! more, do not count: they are the ordinary time between two answers.
//!
//! For one session, a span begins when an operation that ends in an error is invoked, and ends with the next answer to
//! the session, or with its last event if there is no answer.

use super::samples::{Samples, UserOutcome};

const SPAN_LEAST_NS: i64 = 100_000_000;
const MEDIANS: i64 = 10;

/// The spans without service, each as (from, to).
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

/// How much of the spans lies between two times.
pub(super) fn unserved_within_ns(spans: &[(i64, i64)], from: i64, to: i64) -> i64 {
    let first = spans.partition_point(|span| span.1 <= from);
    let inside = spans[first..].iter().take_while(|span| span.0 < to);
    inside.map(|span| span.1.min(to) - span.0.max(from)).sum()
}

/// How long each session was not served, in ns, sorted.
pub(super) fn unserved_by_session(samples: &Samples) -> Vec<i64> {
    let waits = samples.sessions_with_rows().map(|session| {
        let rows = samples.rows_of_session(session);
        let answers = rows.clone().filter(|row| row.end != UserOutcome::Error).filter_map(|row| row.ended);
        let mut answers: Vec<i64> = answers.collect();
        answers.sort_unstable();
        let last = rows.clone().map(|row| row.until).max().unwrap_or(i64::MIN);
        // The next answer may be to another tab, whose request began earlier or ended sooner than the next one.
        let (mut sum, mut over) = (0, i64::MIN);
        for row in rows.filter(|row| row.end == UserOutcome::Error) {
            if row.invoked < over {
                continue;
            }
            let next = answers.partition_point(|&answered| answered <= row.invoked);
            over = answers.get(next).copied().unwrap_or(last);
            sum += over - row.invoked;
        }
        sum
    });
    let mut waits: Vec<i64> = waits.collect();
    waits.sort_unstable();
    waits
}

#[cfg(test)]
mod tests {
    use crate::measurements::tests::{is, measured};

    /// A user with two tabs. A request of one tab fails at 1 s. The next answer comes at 1.4 s, while another request is open from 1.2 s to
    /// 9.2 s. The wait was 8.2 s: the next *request* counted, and not the next answer.
    #[test]
    fn a_session_is_served_again_with_its_next_answer_in_any_tab() {
        let text = "0-100 u write x 1 ok
            1000-1100 u write x 2 fail no primary
            1200-9200 u read x 1 ok
            1300-1400 u read x 1 ok
            1500-1600 u read x 1 ok";
        is(&measured(text).run, "session_unavailable_max_seconds", 0.4);
        // The request that is answered next began before the one that failed.
        let text = "0-100 u write x 1 ok
            900-1300 u read x 1 ok
            1000-1100 u write x 2 fail no primary
            5000-5100 u read x 1 ok";
        is(&measured(text).run, "session_unavailable_max_seconds", 0.3);
    }
}
