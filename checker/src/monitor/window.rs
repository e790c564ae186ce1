//! What the windows of registers and of transactions share: the order of their events, and everything that is not about the operations
//! themselves.

use super::limits::ACTOR_EVENTS_MAX;
use super::stream::{EventDetails, NOT_YET, ProcessName};
use histories::{ActorEvent, HistoryBuilder, OpId, Outcome};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// How much of each event a window has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowDetail<'a> {
    /// What a verdict depends on.
    Bare,
    /// Also indexes, times, further fields, and these events of actors: position in the stream, index, and event.
    Full(&'a [(u64, u64, ActorEvent)]),
}

/// An event of a window: an index into its operations, or into the events of actors.
#[derive(Clone, Copy)]
pub(super) enum WindowEvent {
    Invocation(usize),
    Completion(usize),
    Actor(usize),
}

/// The position of the event by which a window shows that an operation has ended; [`NOT_YET`] if it is open. An `info` event decides
/// nothing that an open operation would not.
pub(super) fn end_in_window(outcome: Option<Outcome>, completed: u64, last_event: u64) -> u64 {
    if outcome == Some(Outcome::Info) { last_event } else { completed }
}

/// The events of a window in the order of the stream. `operations` has the index of each operation, and the positions of its invocation
/// and its end. O(n log n).
pub(super) fn order_window_events(
    operations: impl Iterator<Item = (usize, u64, u64)>,
    detail: WindowDetail<'_>,
) -> Vec<WindowEvent> {
    let mut events: Vec<(u64, WindowEvent)> = Vec::with_capacity(operations.size_hint().0 * 2);
    for (at, invoked, ended) in operations {
        events.push((invoked, WindowEvent::Invocation(at)));
        if ended != NOT_YET {
            events.push((ended, WindowEvent::Completion(at)));
        }
    }
    if let WindowDetail::Full(actors) = detail {
        events.extend(actors.iter().enumerate().map(|(at, actor)| (actor.0, WindowEvent::Actor(at))));
    }
    events.sort_unstable_by_key(|event| event.0);
    events.into_iter().map(|(_, event)| event).collect()
}

/// Keeps an event of an actor, and drops the oldest one if there are too many. The event has its position in the stream and its index.
pub(super) fn keep_actor_event(
    kept: &mut VecDeque<(u64, u64, ActorEvent)>,
    (position, index, event): (u64, u64, &ActorEvent),
) {
    if kept.len() == ACTOR_EVENTS_MAX {
        kept.pop_front();
    }
    kept.push_back((position, index, event.clone()));
}

/// Writes the events of a window into a history.
pub(super) struct WindowWriter<'a> {
    pub(super) builder: HistoryBuilder,
    detail: WindowDetail<'a>,
    /// The numbers of processes that have a name: negative, in order of appearance.
    processes: FxHashMap<&'a ProcessName, i64>,
}

impl<'a> WindowWriter<'a> {
    pub(super) fn new(detail: WindowDetail<'a>) -> Self {
        Self { builder: HistoryBuilder::new(), detail, processes: FxHashMap::default() }
    }

    /// The number by which the window refers to a process.
    pub(super) fn process_number(&mut self, name: &'a ProcessName) -> i64 {
        match name {
            ProcessName::Number(number) => *number,
            name => {
                let next = -1 - self.processes.len() as i64;
                *self.processes.entry(name).or_insert(next)
            }
        }
    }

    /// Adds the index, the time and the further fields of the event that was added last, if the window has them.
    pub(super) fn add_details(&mut self, id: OpId, completion: bool, details: &EventDetails) {
        if self.detail == WindowDetail::Bare {
            return;
        }
        if let Some(time) = details.time {
            self.builder.set_time(id, completion, time);
        }
        self.builder.set_event_index(details.index);
        if let Some(note) = &details.note {
            self.builder.add_note(note);
        }
    }

    /// Adds the event of an actor with this place among those of the window.
    pub(super) fn add_actor_event(&mut self, at: usize) {
        let WindowDetail::Full(actors) = self.detail else { return };
        let (_, index, event) = &actors[at];
        self.builder.add_actor_event(event.clone());
        self.builder.set_event_index(*index);
    }
}
