//! Selects the events of some objects, for an audit of a few keys in a table of billions of rows.
//!
//! It is not enough to keep the rows with a selected key. A completion may omit its key, because its invocation has one. Without
//! its completion, a successful operation would become indeterminate, and a violation could be missed. So a row without a key is
//! kept if it completes an operation that was kept.
//!
//! Sessions cannot be selected. The writes of other sessions to the same objects would be missing, and each read of them would
//! look like a violation.

use super::super::chunk::{Chunk, ChunkEvent, EventKind, EventValue, ProcessName};
use super::super::datum::Flaw;
use crate::Id;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The selected keys, and the open operations.
pub(super) struct Selection {
    /// As canonical JSON.
    keys: FxHashSet<String>,
    /// For each process with an open operation, whether its invocation was kept.
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

    /// Removes the events of other objects from a chunk. Chunks must come in order.
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
        // The header must not promise that no event is missing, because this selection removes some.
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
        let wanted = event.key.if_given().map(|key| self.keys.contains(chunk.key_name(key).0));
        if event.kind != EventKind::Invoke {
            let open = self.open.remove(&process).unwrap_or(false);
            return Ok(wanted.unwrap_or(open));
        }
        if matches!(event.value, EventValue::Micros { .. }) {
            let expected =
                "an operation with a key: transactions use several objects, so none can be selected";
            return Err(Flaw::new(event.at as usize, "a transaction", expected));
        }
        let kept = wanted.unwrap_or(false);
        self.open.insert(process, kept);
        Ok(kept)
    }
}

/// The header without the promise that no event is missing. A header that is not a JSON object makes no promise.
fn without_gapless(header: &str) -> String {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_str(header).unwrap_or_default();
    match fields.remove("gapless") {
        Some(_) => serde_json::to_string(&fields).expect("what was JSON is JSON"),
        None => header.to_owned(),
    }
}
