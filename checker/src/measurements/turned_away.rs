//! Users who were turned away: requests of an open load for which no client was free.
//!
//! These are not operations, because they never began: they have no client, session or object. The recorder records
//! when each was due (`recorder`, `turned-away`), and each counts as an error at that time.

use super::recorder_events::{settled_position, warmed_up_position};
use histories::{ActorEvent, History};

/// The kind of error under which they are reported.
pub(super) const KIND: &str = "never sent: no client was free";

/// When each request of a user was due, in ns on the history's clock, sorted. As of operations, those before `warmed-up` and after
/// `settled` are left out.
pub(super) fn read_turned_away(history: &History) -> Vec<i64> {
    let (warm, settled) = (warmed_up_position(history), settled_position(history));
    let events = history.actor_events().iter().filter(|event| (warm..settled).contains(&event.position));
    let mut due: Vec<i64> = events.flat_map(read_due_times).collect();
    due.sort_unstable();
    due
}

/// The times that one event tells. Events of other kinds tell none.
pub(super) fn read_due_times(event: &ActorEvent) -> Vec<i64> {
    if event.actor != "recorder" || event.function != "turned-away" {
        return Vec::new();
    }
    // An event of another program with this name may mean something else.
    serde_json::from_str(&event.value).unwrap_or_else(|_| Vec::new())
}

/// How many requests were due from one time (included) to another (excluded).
pub(super) fn count_due_between(due: &[i64], from: i64, to: i64) -> usize {
    due.partition_point(|&at| at < to).saturating_sub(due.partition_point(|&at| at < from))
}
