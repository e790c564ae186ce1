//! One event of a stream, and what the monitor keeps of its names.

use histories::events::Event;
use histories::{History, OpId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One event of a stream: an event of a history that holds a part of the stream, with its names.
///
/// The part may be any: the whole history, or one event of it. Only names and the event itself are read.
#[derive(Clone, Copy, Debug)]
pub struct StreamEvent<'a> {
    /// The part of the stream.
    pub part: &'a History,
    /// What happened.
    pub event: Event<'a>,
    /// The position of the event in the part.
    pub position: u32,
    /// The index of the event in the stream, by which messages refer to it.
    pub index: u64,
}

impl<'a> StreamEvent<'a> {
    /// All events of a history.
    pub fn all(history: &'a History) -> impl Iterator<Item = StreamEvent<'a>> {
        history.events().zip(0u32..).map(move |(event, position)| StreamEvent {
            part: history,
            event,
            position,
            index: history.event_index(position),
        })
    }

    pub(super) fn details(&self, time: Option<i64>) -> EventDetails {
        let note = self.part.note(self.position).map(|note| Arc::from(&*note.fields));
        EventDetails { index: self.index, time, note }
    }

    pub(crate) fn process_name(&self, id: OpId) -> ProcessName {
        let process = self.part.process(id);
        match self.part.process_label(process) {
            Some(label) => ProcessName::Label(Arc::from(label)),
            None => ProcessName::Number(self.part.process_number(process)),
        }
    }
}

/// The position of an event that has not come.
pub(super) const NOT_YET: u64 = u64::MAX;

/// The client that did an operation.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(crate) enum ProcessName {
    Number(i64),
    Label(Arc<str>),
}

/// What only people read of an event: its index, its time and its further fields.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct EventDetails {
    pub(super) index: u64,
    pub(super) time: Option<i64>,
    pub(super) note: Option<Arc<str>>,
}
