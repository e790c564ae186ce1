//! What the operations of one session wrote and returned: parsed once, for all that is judged of it.

use super::payload::{SessionContent, SessionParts, parse_content, payload_field};
use histories::{Function, History, OpId, Outcome, ValueId};
use rustc_hash::FxHashMap;
use std::borrow::Cow;

/// What the reads of one component returned. Several reads of a value share what was parsed of it.
pub(super) struct ReadContents<'a> {
    places: FxHashMap<ValueId, u32>,
    pub(super) list: Vec<SessionContent<'a>>,
}

impl<'a> ReadContents<'a> {
    pub(super) fn of_members(history: &'a History, members: &[OpId]) -> Self {
        let mut contents = Self { places: FxHashMap::default(), list: Vec::new() };
        let writes = |id: &&OpId| {
            matches!(history.function(**id), Function::CREATE | Function::WRITE | Function::PATCH)
        };
        let written = members.iter().filter(writes).map(|&id| history.argument_value(id));
        let mut parts = SessionParts::new(&history.values, written);
        for value in members.iter().filter_map(|&id| returned_value(history, id)) {
            contents.places.entry(value).or_insert_with(|| {
                contents.list.push(parse_content(&mut parts, value));
                contents.list.len() as u32 - 1
            });
        }
        contents
    }

    /// The place in the list of what an operation returned, if it is a read that found a session.
    pub(super) fn place_of(&self, history: &History, id: OpId) -> Option<u32> {
        returned_value(history, id).map(|value| self.places[&value])
    }

    pub(super) fn returned_by(&self, history: &History, id: OpId) -> Option<&SessionContent<'a>> {
        self.place_of(history, id).map(|place| &self.list[place as usize])
    }
}

/// The fields that were patched in a component, and the field that each patch wrote.
pub(super) struct PatchedFields<'a> {
    pub(super) names: Vec<Cow<'a, str>>,
    /// The patches that name a field, in order, each with the index of its field.
    patched: Vec<(OpId, u32)>,
}

impl<'a> PatchedFields<'a> {
    pub(super) fn from_members(history: &'a History, members: &[OpId]) -> Self {
        let (mut names, mut patched): (Vec<Cow<'a, str>>, _) = (Vec::new(), Vec::new());
        for &id in members.iter().filter(|&&id| history.function(id) == Function::PATCH) {
            let Some(field) = payload_field(history.value_text(history.argument_value(id))) else {
                continue;
            };
            let number = names.iter().position(|name| *name == field).unwrap_or_else(|| {
                names.push(field);
                names.len() - 1
            });
            patched.push((id, number as u32));
        }
        Self { names, patched }
    }

    /// The index of the field that a patch wrote.
    pub(super) fn field_of(&self, patch: OpId) -> Option<u32> {
        let at = self.patched.binary_search_by_key(&patch, |entry| entry.0).ok()?;
        Some(self.patched[at].1)
    }
}

/// The value that a read returned, if the read succeeded and found a session.
fn returned_value(history: &History, id: OpId) -> Option<ValueId> {
    let reads = history.function(id) == Function::READ && history.outcome(id) == Outcome::Ok;
    Some(history.result(id)).filter(|&value| reads && value != ValueId::NULL)
}
