//! The positions of the events with which the recorder marks the phases of a run.

use histories::History;

/// The position after which operations are not those of users.
pub(super) fn settled_position(history: &History) -> u32 {
    find_recorder_event(history, "settled").unwrap_or(u32::MAX)
}

/// The position before which operations are not those of users.
pub(super) fn warmed_up_position(history: &History) -> u32 {
    find_recorder_event(history, "warmed-up").unwrap_or(0)
}

fn find_recorder_event(history: &History, what: &str) -> Option<u32> {
    let mut events = history.actor_events().iter();
    let event = events.find(|event| event.actor == "recorder" && event.function == what);
    event.map(|event| event.position)
}
