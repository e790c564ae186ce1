//! The actions that clients requested, by the ids that they gave them.
//!
//! An action is recorded once. A client that gets an error tries again under the same id, and the application may then do the
//! action once or twice. Which of the two is right, only the client knows. So lists show such an action once if its first request
//! was acknowledged, and not at all otherwise: a list with an action that failed would be a finding, although the second request
//! explains it.

use super::unrecorded::{IDS_MAX, Unrecorded};
use super::values::TextDigest;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use workloads::Value;

#[derive(Debug)]
struct RequestedAction {
    user: Arc<str>,
    is_acknowledged: bool,
    /// Whether it was requested again, by a request that was not recorded.
    is_repeated: bool,
}

/// What is known of the actions.
#[derive(Debug, Default)]
pub(super) struct ActionBook {
    requested: HashMap<u128, RequestedAction>,
}

impl ActionBook {
    /// Notes the first request of an action, and returns the action as lists have it.
    ///
    /// # Errors
    /// The request cannot be recorded: it has no id, the id was used before, or too many are remembered.
    pub(super) fn note_request(
        &mut self,
        digest: &TextDigest,
        user: &Arc<str>,
        id: &str,
    ) -> Result<Value, Unrecorded> {
        if id.is_empty() {
            return Err(Unrecorded::Incomplete);
        }
        let is_full = self.requested.len() >= IDS_MAX;
        match self.requested.entry(digest.of_text(id)) {
            Entry::Occupied(_) => Err(Unrecorded::Incomplete),
            Entry::Vacant(_) if is_full => Err(Unrecorded::Full),
            Entry::Vacant(place) => {
                let user = user.clone();
                place.insert(RequestedAction { user, is_acknowledged: false, is_repeated: false });
                Ok(id.parse().map_or_else(|_| Value::from(id), Value::Int))
            }
        }
    }

    /// Notes a request of an action that is not recorded.
    pub(super) fn note_unrecorded_request(&mut self, digest: &TextDigest, id: &str) {
        if let Some(known) = self.requested.get_mut(&digest.of_text(id)) {
            known.is_repeated = true;
        }
    }

    /// Notes that a recorded request was acknowledged.
    pub(super) fn note_acknowledged(&mut self, digest: &TextDigest, action: &Value) {
        if let Some(known) = self.requested.get_mut(&digest_of_action(digest, action)) {
            known.is_acknowledged = true;
        }
    }

    /// The actions of a list that the user had requested. Others may be from before the recording, or from another browser.
    pub(super) fn keep_known_actions(
        &self,
        digest: &TextDigest,
        user: &Arc<str>,
        listed: Vec<Value>,
    ) -> Value {
        let mut shown = HashSet::new();
        let is_kept = |action: &Value| {
            let digest = digest_of_action(digest, action);
            let known = self.requested.get(&digest).filter(|known| known.user == *user);
            known.is_some_and(|known| !known.is_repeated || (known.is_acknowledged && shown.insert(digest)))
        };
        Value::List(listed.into_iter().filter(is_kept).collect())
    }
}

fn digest_of_action(digest: &TextDigest, action: &Value) -> u128 {
    match action {
        Value::Text(text) => digest.of_text(text),
        other => digest.of_text(&other.to_json()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client is refused order 17, tries again under the same id, and gets it. The list shows 17: without care, that is
    /// an action that failed and took effect. Order 18 is acknowledged and requested again, and the application does it
    /// twice. Order 19 is requested once and done twice, which is a finding.
    #[test]
    fn a_repeated_request_explains_what_a_list_shows() {
        let (mut book, digest) = (ActionBook::default(), TextDigest::default());
        let user: Arc<str> = "s-1".into();
        let [refused, repeated, doubled] = [17, 18, 19].map(Value::Int);
        for id in ["17", "18", "19"] {
            book.note_request(&digest, &user, id).expect("it is new");
        }
        book.note_acknowledged(&digest, &repeated);
        book.note_acknowledged(&digest, &doubled);
        for id in ["17", "18", "unknown"] {
            book.note_unrecorded_request(&digest, id);
        }
        let listed = [&refused, &repeated, &repeated, &doubled, &doubled, &Value::Int(3)].map(Value::clone);
        let kept = book.keep_known_actions(&digest, &user, listed.to_vec());
        assert_eq!(kept, Value::List(vec![repeated, doubled.clone(), doubled]));
        assert_eq!(book.keep_known_actions(&digest, &"s-2".into(), listed.to_vec()), Value::List(vec![]));
    }
}
