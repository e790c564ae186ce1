//! Whether two histories say the same.
//!
//! Ids follow the order in which names were met, and that order depends on the text: `{"key": …, "value": …}`
//! or the other way round. So two histories are compared by what their events say, not by their columns.

use crate::events::Event;
use crate::{Argument, History, Micro, MicroKind, OpId};

impl History {
    /// Whether both have the same events in the same order, with the same names, times, indexes, versions, notes
    /// and header. O(events).
    pub fn same_events(&self, other: &History) -> bool {
        // A header that names its version alone says nothing.
        let header = |history: &History| {
            history.header().filter(|header| *header != r#"{"steadfast":1}"#).map(str::to_owned)
        };
        header(self) == header(other)
            && self.event_count() == other.event_count()
            && self.len() == other.len()
            && (0..self.event_count())
                .all(|at| self.event_index(at) == other.event_index(at) && self.note(at) == other.note(at))
            && self.events().zip(other.events()).all(|pair| match pair {
                (Event::Invoke(a), Event::Invoke(b)) => self.is_same_operation(a, other, b),
                // Both were invoked at the same place, so what they say was compared there.
                (Event::Complete(a), Event::Complete(b)) => a == b,
                (Event::Actor(a), Event::Actor(b)) => a == b,
                _ => false,
            })
    }

    fn is_same_operation(&self, a: OpId, other: &History, b: OpId) -> bool {
        let (own, its) = (self.operation(a), other.operation(b));
        own.outcome == its.outcome
            && self.process_text(own.process) == other.process_text(its.process)
            && self.sessions.text(own.session) == other.sessions.text(its.session)
            && self.function_name(own.function) == other.function_name(its.function)
            && self.written_function_name(a) == other.written_function_name(b)
            && self.keys.text(own.key) == other.keys.text(its.key)
            && self.value_text(own.result) == other.value_text(its.result)
            && self.argument_texts(&own.argument) == other.argument_texts(&its.argument)
            && self.invoked_at(a) == other.invoked_at(b)
            && self.completed_at(a) == other.completed_at(b)
            && self.version(a) == other.version(b)
    }

    /// The argument in names: of a transaction, each micro-operation's kind, key and values.
    fn argument_texts(&self, argument: &Argument) -> Vec<&str> {
        match argument {
            Argument::Value(value) => vec![self.value_text(*value)],
            Argument::Pair(old, new) => vec![self.value_text(*old), self.value_text(*new)],
            Argument::Micros(range) => {
                self.micros()[range.clone()].iter().flat_map(|m| self.micro_texts(m)).collect()
            }
        }
    }

    fn micro_texts(&self, micro: &Micro) -> Vec<&str> {
        let kind = match micro.kind {
            MicroKind::Read => "r",
            MicroKind::ReadList => "list",
            MicroKind::Write => "w",
            MicroKind::Append => "append",
        };
        let mut texts = vec![kind, self.keys.text(micro.key)];
        match micro.kind {
            MicroKind::ReadList => {
                let list = self.list(micro.list());
                texts.extend(list.iter().map(|&value| self.value_text(value)));
                // Where the list ends is part of what it says.
                texts.push("end");
            }
            _ => texts.push(self.value_text(micro.value())),
        }
        texts
    }
}
