//! Users who were turned away: requests of an open load that nobody was free to make.
//!
//! They are no operations, because nobody began them: no client, no session, no object. The recorder tells when each was
//! due (`recorder`, `turned-away`), and here each counts as an error at that time.

use super::samples::settled_position;
use histories::History;

/// Under which kind of error they are told.
pub(super) const KIND: &str = "never sent: no client was free";

/// When each was due, in ns on the history's clock, in order.
pub(super) fn read_turned_away(history: &History) -> Vec<i64> {
    let settled = settled_position(history);
    let events = history.actor_events().iter().filter(|event| event.position < settled);
    let told = events.filter(|event| event.actor == "recorder" && event.function == "turned-away");
    let times = told.filter_map(|event| serde_json::from_str::<Vec<i64>>(&event.value).ok());
    let mut due: Vec<i64> = times.flatten().collect();
    due.sort_unstable();
    due
}

/// How many of them were due from one time until before another.
pub(super) fn count_due_between(due: &[i64], from: i64, to: i64) -> usize {
    due.partition_point(|&at| at < to).saturating_sub(due.partition_point(|&at| at < from))
}
