//! The positions of the events with which the recorder marks the phases of a run.

use histories::History;

/// The event after which operations are not those of users.
pub(super) const SETTLED: &str = "settled";
/// The event before which operations are not those of users.
pub(super) const WARMED_UP: &str = "warmed-up";

/// The position after which operations are not those of users.
pub(super) fn settled_position(history: &History) -> u32 {
    find_recorder_event(history, SETTLED).unwrap_or(u32::MAX)
}

/// The position before which operations are not those of users.
pub(super) fn warmed_up_position(history: &History) -> u32 {
    find_recorder_event(history, WARMED_UP).unwrap_or(0)
}

fn find_recorder_event(history: &History, what: &str) -> Option<u32> {
    let mut events = history.actor_events().iter();
    let event = events.find(|event| event.actor == "recorder" && event.function == what);
    event.map(|event| event.position)
}
