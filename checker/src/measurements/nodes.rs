//! Which node answered each operation, and whether the nodes are replicas.
//!
//! The `node` of an answer is the server that the recorder spoke to. For a database, that server has the data. For a
//! web application, it is a proxy or an instance in front of the data, and two of those are not two replicas. A figure
//! about replicas depends on this difference.

use super::in_time::{TimeOver, in_time};
use super::notes::{self, NONE, NumberedTexts};
use super::samples::distribute_notes;
use histories::{History, Id, OpId};
use rustc_hash::FxHashSet;
use std::sync::atomic::AtomicBool;

/// More names than this are not the replicas of one store.
const NODES_MAX: usize = 64;

/// The node that answered each operation.
pub(super) struct Nodes {
    of: Vec<u32>,
    /// The names of the nodes.
    pub(super) names: Vec<String>,
    /// Whether the nodes are replicas, as far as the history shows.
    pub(super) are_replicas: bool,
}

impl Nodes {
    /// Reads the notes of all operations. O(n).
    ///
    /// # Errors
    /// The time limit was reached.
    pub(super) fn from_history(history: &History, stop: &AtomicBool) -> Result<Self, TimeOver> {
        let (mut errors, mut nodes) = (NumberedTexts::default(), NumberedTexts::default());
        let facts: Vec<_> =
            history.note_patterns().map(|text| notes::parse_note(&text, &mut errors, &mut nodes)).collect();
        let mut of = vec![NONE; history.len()];
        distribute_notes(history, &facts, stop, &mut |id, facts, at_end| {
            if at_end {
                of[id.index()] = facts.node;
            }
        });
        in_time(stop)?;
        let are_replicas = are_replicas(history, &nodes.texts);
        Ok(Self { of, names: nodes.texts, are_replicas })
    }

    /// The node that answered an operation, as an index into the names.
    pub(super) fn node_of(&self, id: OpId) -> Option<u32> {
        Some(self.of[id.index()]).filter(|&node| node != NONE)
    }

    /// The replica that answered an operation, as an index into the names.
    pub(super) fn replica_of(&self, id: OpId) -> Option<u32> {
        Some(self.of[id.index()]).filter(|&node| node != NONE && self.are_replicas)
    }
}

/// Whether the nodes that answered are replicas. If replicas were asked one by one, the nodes must be among them.
/// Otherwise no answer may carry an HTTP status, because only an application gives one.
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
    !history.note_patterns().any(|text| notes::note_fields(&text).any(|(name, _)| name == "\"status\""))
}
