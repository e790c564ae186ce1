//! Recognises the further fields of an event that differ from those of an earlier event by one number.
//!
//! A recorder writes the same few fields to all events, such as `"node":"n1","clock":17`, and another number each time. The number is
//! kept apart ([`crate::note`]), so the events share a pattern. To compare the fields with the last few patterns is faster than to
//! sort them, to put them together and to intern the text.

use super::cursor::ScannedValue;
use crate::format::chunk::{LocalId, LocalNote};
use crate::note::{NO_NUMBER, NUMBER_FIELDS};

/// The number of patterns that are remembered.
const NOTES_MAX: usize = 4;

/// The fields of an event, in the order of the line.
type NoteFields<'a> = [(&'a str, ScannedValue<'a>)];

/// A note of an earlier event.
struct KnownNote<'a> {
    fields: Vec<(&'a str, ScannedValue<'a>)>,
    /// The place of the field whose number is kept apart.
    number_at: Option<usize>,
    /// `ABSENT` until it was interned.
    pattern: LocalId,
}

/// The last notes that were interned.
#[derive(Default)]
pub(super) struct KnownNotes<'a> {
    notes: Vec<KnownNote<'a>>,
    /// The place of the oldest one.
    oldest: usize,
}

impl<'a> KnownNotes<'a> {
    /// The note of these fields, if they are known.
    pub(super) fn find_note(&self, fields: &NoteFields<'a>) -> Option<LocalNote> {
        self.notes.iter().find_map(|known| known.note_of(fields))
    }

    /// Remembers the fields of a note that is about to be interned. Returns its place.
    pub(super) fn begin_note(&mut self, fields: &NoteFields<'a>) -> usize {
        if self.notes.len() < NOTES_MAX {
            let (fields, number_at) = (Vec::new(), None);
            self.notes.push(KnownNote { fields, number_at, pattern: LocalId::ABSENT });
        }
        let place = self.oldest;
        self.oldest = (place + 1) % NOTES_MAX;
        let known = &mut self.notes[place];
        known.pattern = LocalId::ABSENT;
        known.fields.clear();
        known.fields.extend_from_slice(fields);
        place
    }

    /// Ends what [`KnownNotes::begin_note`] began.
    pub(super) fn finish_note(&mut self, place: usize, note: LocalNote) {
        let known = &mut self.notes[place];
        known.pattern = note.pattern;
        // The number belongs to the first of the names that has one.
        let numbers = known.fields.iter().enumerate().filter(|(_, (name, value))| {
            NUMBER_FIELDS.contains(name) && matches!(value, ScannedValue::Integer(..))
        });
        let first = numbers.min_by_key(|(_, (name, _))| *name).map(|(at, _)| at);
        known.number_at = first.filter(|_| note.number != NO_NUMBER);
    }
}

impl<'a> KnownNote<'a> {
    /// The note of these fields, if they are those of this note but for the number.
    fn note_of(&self, fields: &NoteFields<'a>) -> Option<LocalNote> {
        if self.pattern == LocalId::ABSENT || self.fields.len() != fields.len() {
            return None;
        }
        let mut number = NO_NUMBER;
        for (at, (own, field)) in self.fields.iter().zip(fields).enumerate() {
            if own.0 != field.0 {
                return None;
            }
            match field.1 {
                ScannedValue::Integer(_, value) if self.number_at == Some(at) => number = value,
                ScannedValue::Nested(text) => match own.1 {
                    ScannedValue::Nested(other) if other == text => {}
                    _ => return None,
                },
                scalar if self.number_at != Some(at) => {
                    let text = scalar.canonical_text()?;
                    own.1.canonical_text().filter(|other| *other == text)?;
                }
                _ => return None,
            }
        }
        Some(LocalNote { pattern: self.pattern, number })
    }
}
