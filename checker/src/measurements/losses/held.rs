//! What every server held in the end.
//!
//! The recorder reads the copies of all servers one by one (`replica`, `read`). What each of them has was not lost,
//! even if an answer to a user lacked it: the store hid it. A copy that only some servers have shows nothing, because
//! the others may replace it.

use crate::continuity::find_note_field;
use histories::{History, KeyId, ValueId};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;

/// For each session that every server held when it was read, what each of them held. `None` is a value that the history does not know.
pub(super) struct HeldSessions(FxHashMap<KeyId, Vec<Option<ValueId>>>);

impl HeldSessions {
    /// Reads the copies of all servers. A server that did not answer for a session may not have it. O(n).
    pub(super) fn from_history(history: &History) -> Self {
        let mut held: FxHashMap<KeyId, Option<Vec<Option<ValueId>>>> = FxHashMap::default();
        let reads = history.actor_events().iter().filter(|event| event.actor == "replica");
        for event in reads.filter(|event| event.function == "read") {
            let Ok([_, key, value]) = serde_json::from_str::<[&RawValue; 3]>(&event.value) else { continue };
            let Some(key) = history.keys.get(key.get()) else { continue };
            let has_answered = find_note_field(history, event.position, "error").is_none();
            let known = held.entry(key).or_insert_with(|| Some(Vec::new()));
            match known {
                Some(values) if has_answered && value.get() != "null" => {
                    values.push(history.values.get(value.get()));
                }
                _ => *known = None,
            }
        }
        Self(held.into_iter().filter_map(|(key, values)| Some((key, values?))).collect())
    }

    /// Whether every server held the session.
    pub(super) fn has_session(&self, key: KeyId) -> bool {
        self.0.contains_key(&key)
    }

    /// The sessions that every server held, each with the values of the servers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, &[Option<ValueId>])> {
        self.0.iter().map(|(&key, values)| (key, values.as_slice()))
    }
}
