//! Users who were turned away: requests of an open load for which no client was free.
//!
//! These are not operations, because they never began: they have no client, session or object. The recorder records
//! when each was due (`recorder`, `turned-away`), and each counts as an error at that time.

use super::recorder_events::settled_position;
use histories::History;

/// The kind of error under which they are reported.
pub(super) const KIND: &str = "never sent: no client was free";

/// When each request was due, in ns on the history's clock, sorted.
pub(super) fn read_turned_away(history: &History) -> Vec<i64> {
    let settled = settled_position(history);
    let events = history.actor_events().iter().filter(|event| event.position < settled);
    let told = events.filter(|event| event.actor == "recorder" && event.function == "turned-away");
    let times = told.filter_map(|event| serde_json::from_str::<Vec<i64>>(&event.value).ok());
    let mut due: Vec<i64> = times.flatten().collect();
    due.sort_unstable();
    due
}

/// How many requests were due from one time (included) to another (excluded).
pub(super) fn count_due_between(due: &[i64], from: i64, to: i64) -> usize {
    due.partition_point(|&at| at < to).saturating_sub(due.partition_point(|&at| at < from))
}
