//! The events of some operations of a session, in order.

use histories::{History, NEVER, OpId, Outcome};

/// Events of operations: invocations, and the completions of acknowledged operations. Each is packed into one integer, its position
/// first, because integers are sorted faster than rows.
pub(super) struct OrderedEvents(Vec<u64>);

/// One event.
pub(super) struct OrderedEvent {
    /// Its position in the history.
    pub(super) position: u32,
    /// The place that was given to its operation.
    pub(super) place: u32,
    /// Whether it completes the operation.
    pub(super) completes: bool,
}

impl OrderedEvents {
    /// The events of operations, each with its place. O(n log n).
    pub(super) fn of_operations(history: &History, operations: impl ExactSizeIterator<Item = OpId>) -> Self {
        assert!(operations.len() < 1 << 31, "places take 31 bits");
        let mut events = Vec::with_capacity(2 * operations.len());
        for (place, id) in operations.enumerate() {
            let place = (place as u64) << 1;
            events.push(u64::from(history.invocation_position(id)) << 32 | place);
            let completed = history.completion_position(id);
            if history.outcome(id) == Outcome::Ok && completed != NEVER {
                events.push(u64::from(completed) << 32 | place | 1);
            }
        }
        events.sort_unstable();
        Self(events)
    }

    /// The events in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = OrderedEvent> + '_ {
        self.0.iter().map(|&event| OrderedEvent {
            position: (event >> 32) as u32,
            place: (event as u32) >> 1,
            completes: event & 1 == 1,
        })
    }
}
