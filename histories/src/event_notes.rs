//! The further fields of events, as everybody reads them.

use crate::History;
use crate::note::zero_number;
use std::borrow::Cow;

/// Further fields of an event, such as node, error or trace id. They are kept and shown, but no check of levels uses them for its
/// verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note<'a> {
    /// The position of its event.
    pub position: u32,
    /// The fields as a JSON object.
    pub fields: Cow<'a, str>,
}

impl History {
    /// The further fields of the event at a position, if it has any. O(1).
    pub fn note(&self, position: u32) -> Option<Note<'_>> {
        let row = self.notes.row_of(position)?;
        Some(Note { position, fields: self.notes.text_at(row) })
    }

    /// The integer in a further field of the event at a position, if it has one that fits in 64 bits. Fast for the fields `clock` and
    /// `intended`, in which recorders write another number for each event.
    pub fn note_number(&self, position: u32, name: &str) -> Option<i64> {
        let row = self.notes.row_of(position)?;
        if let Some(number) = self.notes.number_at(row, name) {
            return Some(number);
        }
        let split = self.notes.split_at(row);
        if !split.pattern.contains(name) {
            return None;
        }
        let fields: serde_json::Value = serde_json::from_str(&split.join()).ok()?;
        fields.get(name)?.as_i64()
    }

    /// The events with further fields, in order: the position of each, and the number of its pattern among [`History::note_patterns`].
    /// A caller that needs one field of all events can parse each pattern once.
    pub fn note_rows(&self) -> &[(u32, u32)] {
        &self.notes.rows
    }

    /// The number of the pattern of the event at a position, if it has further fields. O(1).
    pub fn note_pattern_of(&self, position: u32) -> Option<u32> {
        self.notes.row_of(position).map(|row| self.notes.rows[row].1)
    }

    /// The distinct patterns of further fields by number, each a JSON object. A pattern is the text without the integer in `clock` or
    /// `intended`, in whose place there is 0; such an integer is in [`History::note_number`].
    pub fn note_patterns(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.notes.patterns.iter().map(|(_, pattern)| zero_number(pattern))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::NUMBER_FIELDS;
    use proptest::prelude::*;

    fn history(notes: &[(u32, String)]) -> History {
        let mut builder = crate::HistoryBuilder::new();
        let count = notes.iter().map(|note| note.0 + 1).max().unwrap_or(0);
        let mut notes = notes.iter().peekable();
        for position in 0..count {
            builder.add_actor_event(crate::ActorEvent {
                position,
                time: None,
                actor: "a".into(),
                kind: "info".into(),
                function: String::new(),
                value: "null".into(),
            });
            if let Some((_, fields)) = notes.next_if(|note| note.0 == position) {
                builder.add_note(fields);
            }
        }
        builder.finish()
    }

    proptest! {
        /// A list of positions and texts says the same as the table, for each position.
        #[test]
        fn notes_come_back_as_they_were(
            gaps in prop::collection::vec((1u32..200, any::<i64>(), 0..6usize), 0..30),
        ) {
            let mut position = 0;
            let mut notes = Vec::new();
            for (gap, number, kind) in gaps {
                position += gap;
                let text = match kind {
                    0 => format!(r#"{{"clock":{number},"node":"n1"}}"#),
                    1 => format!(r#"{{"intended":{number}}}"#),
                    2 => format!(r#"{{"intended":{number}.5}}"#),
                    3 => format!(r#"{{"clock":"{number}","intended":{number}}}"#),
                    4 => format!(r#"{{"headers":{{"clock":{number}}},"node":"n{}"}}"#, number % 3),
                    _ => r#"{"node":"n2"}"#.to_owned(),
                };
                notes.push((position, text));
            }
            let history = history(&notes);
            prop_assert_eq!(history.note_rows().len(), notes.len());
            for at in 0..position + 70 {
                let expected = notes.iter().find(|note| note.0 == at).map(|note| note.1.as_str());
                let found = history.note(at);
                prop_assert_eq!(found.as_ref().map(|note| &*note.fields), expected);
                for name in NUMBER_FIELDS {
                    let parsed = expected.and_then(|text| {
                        serde_json::from_str::<serde_json::Value>(text).unwrap().get(name)?.as_i64()
                    });
                    prop_assert_eq!(history.note_number(at, name), parsed);
                }
            }
        }
    }
}
