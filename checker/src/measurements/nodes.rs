//! Who answered each operation, and whether those are replicas.
//!
//! The `node` of an answer is whoever the recorder spoke to. On a database that is the server that has the data; on a
//! web application it is a proxy or an instance in front of it, and two of those are not two replicas. What a figure
//! says of replicas has to know which it is.

use super::notes::{self, NONE, NumberedTexts};
use super::samples::distribute_notes;
use histories::{History, Id, OpId};
use rustc_hash::FxHashSet;

/// More names than this are no replicas of one store.
const NODES_MAX: usize = 64;

/// Who answered.
pub(super) struct Nodes {
    of: Vec<u32>,
    /// Their names.
    pub(super) names: Vec<String>,
    /// Whether they are replicas, as far as the history tells.
    pub(super) are_replicas: bool,
}

impl Nodes {
    /// Reads the notes of all operations. O(n).
    pub(super) fn from_history(history: &History) -> Self {
        let (mut errors, mut nodes) = (NumberedTexts::default(), NumberedTexts::default());
        let facts: Vec<_> =
            history.note_texts().map(|text| notes::parse_note(text, &mut errors, &mut nodes)).collect();
        let mut of = vec![NONE; history.len()];
        distribute_notes(history, &facts, &mut |id, facts, at_end| {
            if at_end {
                of[id.index()] = facts.node;
            }
        });
        let are_replicas = are_replicas(history, &nodes.texts);
        Self { of, names: nodes.texts, are_replicas }
    }

    /// Whoever answered an operation, as a place in the names.
    pub(super) fn node_of(&self, id: OpId) -> Option<u32> {
        Some(self.of[id.index()]).filter(|&node| node != NONE)
    }

    /// The replica that answered an operation, as a place in the names.
    pub(super) fn replica_of(&self, id: OpId) -> Option<u32> {
        Some(self.of[id.index()]).filter(|&node| node != NONE && self.are_replicas)
    }
}

/// Whether the nodes that answered are replicas: if the replicas were asked one by one, those that answered are among
/// them; else if answers carry no HTTP status, which only an application gives.
pub(super) fn are_replicas(history: &History, names: &[String]) -> bool {
    let mut replicas: FxHashSet<String> = FxHashSet::default();
    for event in history.actor_events().iter().filter(|event| event.actor == "replica") {
        let told = serde_json::from_str::<[serde_json::Value; 3]>(&event.value).ok();
        replicas.extend(told.and_then(|[node, ..]| node.as_str().map(str::to_owned)));
    }
    if names.is_empty() || names.len() > NODES_MAX {
        return false;
    }
    if !replicas.is_empty() {
        return names.iter().all(|name| replicas.contains(name));
    }
    !history.note_texts().any(|text| notes::note_fields(text).any(|(name, _)| name == "\"status\""))
}
