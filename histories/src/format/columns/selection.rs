//! Only the events of some objects: what an audit of a few keys needs of a table of billions of rows.
//!
//! The naive way keeps the rows whose key is one of those wanted. But a completion may leave its key to its invocation, and
//! without it an operation that succeeded would be one of unknown outcome: a violation could be missed. So a row without a
//! key is kept where it completes an operation that was kept.
//!
//! There is no selection of sessions. What others wrote to the same objects would be missing, and each read of it would look
//! like a violation.

use super::super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, ProcessName};
use super::super::datum::Flaw;
use crate::Id;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Which events are wanted, and which operations of those are open.
pub(super) struct Selection {
    /// As canonical JSON.
    keys: FxHashSet<String>,
    /// Of each process with an operation open, whether that was kept.
    open: FxHashMap<ProcessKey, bool>,
}

#[derive(PartialEq, Eq, Hash)]
enum ProcessKey {
    Number(i64),
    Name(String),
}

impl Selection {
    pub(super) fn of(keys: &[String]) -> Self {
        Self { keys: keys.iter().cloned().collect(), open: FxHashMap::default() }
    }

    /// Leaves the wanted events in a chunk. Chunks come in order.
    pub(super) fn apply(&mut self, chunk: &mut Chunk) {
        let mut events = std::mem::take(&mut chunk.events);
        events.retain(|event| match self.keeps(chunk, event) {
            Ok(kept) => kept,
            Err(flaw) => {
                chunk.add_flaw(flaw);
                false
            }
        });
        chunk.events = events;
        // Events are missing now, and that is as it should be.
        chunk.header = chunk.header.take().map(|header| without_gapless(&header));
    }

    fn keeps(&mut self, chunk: &Chunk, event: &ChunkEvent) -> Result<bool, Flaw> {
        if matches!(event.kind, EventKind::Actor | EventKind::Broken) {
            return Ok(true);
        }
        let Some(process) = event.process.if_given() else { return Ok(true) };
        let process = match &chunk.processes[process.index()] {
            ProcessName::Number(number) => ProcessKey::Number(*number),
            ProcessName::Name(name) => ProcessKey::Name(name.clone()),
        };
        let wanted = event.key.if_given().map(|key| self.keys.contains(chunk.keys.text(key)));
        if event.kind != EventKind::Invoke {
            let open = self.open.remove(&process).unwrap_or(false);
            return Ok(wanted.unwrap_or(open));
        }
        if matches!(event.value, EventValue::Micros { .. }) {
            let expected = "operations that have a key: of transactions no single object can be selected";
            return Err(Flaw::new(event.at as usize, "a transaction", expected));
        }
        let kept = wanted.unwrap_or(false);
        self.open.insert(process, kept);
        Ok(kept)
    }
}

/// A header that does not promise that every event is there.
fn without_gapless(header: &str) -> String {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(header).unwrap_or_default();
    match fields.remove("gapless") {
        Some(_) => serde_json::to_string(&fields).expect("what was JSON is JSON"),
        None => header.to_owned(),
    }
}
