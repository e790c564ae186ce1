//! A history as it is written down: event by event.
//!
//! Checkers read operations, in flat columns. Whoever writes a history out or draws it needs the events again,
//! in their order, those of actors and the `info` events included. [`History::events`] gives them back in one
//! pass; it takes 8 bytes an event while it runs.

use crate::{ActorEvent, History, Id, NEVER, OpId};

/// What happened at one position of a history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// An operation began.
    Invoke(OpId),
    /// Its `ok`, `fail` or `info` event; which of them, [`History::outcome`] says.
    Complete(OpId),
    /// Something that no client did.
    Actor(&'a ActorEvent),
}

/// A place in the order of events: which operation, and whether this is its end; or which actor's event.
#[derive(Clone, Copy)]
enum EventSlot {
    Invoke(u32),
    Complete(u32),
    Actor(u32),
}

impl History {
    /// Every event in order; its position is its place in the iteration. O(events).
    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        let mut slots = vec![EventSlot::Actor(0); self.event_count as usize];
        for id in self.ids() {
            let at = id.index();
            slots[self.invoked[at] as usize] = EventSlot::Invoke(at as u32);
            if self.completed[at] != NEVER {
                slots[self.completed[at] as usize] = EventSlot::Complete(at as u32);
            }
        }
        for &(position, id) in &self.info_events {
            slots[position as usize] = EventSlot::Complete(id.index() as u32);
        }
        for (event, at) in self.actor_events.iter().zip(0..) {
            slots[event.position as usize] = EventSlot::Actor(at);
        }
        slots.into_iter().map(|slot| match slot {
            EventSlot::Invoke(id) => Event::Invoke(OpId::from_raw(id)),
            EventSlot::Complete(id) => Event::Complete(OpId::from_raw(id)),
            EventSlot::Actor(at) => Event::Actor(&self.actor_events[at as usize]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_every_event_back_in_order() {
        let history = crate::notation::parse("a: [w1     ]\nb:  [r1 ?\nc:   [w2 !").unwrap();
        let ids: Vec<_> = history.ids().collect();
        let events: Vec<_> = history.events().collect();
        let (invoke, complete) = (Event::Invoke, Event::Complete);
        assert_eq!(
            events,
            [
                invoke(ids[0]),
                invoke(ids[1]),
                invoke(ids[2]),
                complete(ids[1]),
                complete(ids[2]),
                complete(ids[0])
            ]
        );
    }
}
