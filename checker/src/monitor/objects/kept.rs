//! What the monitor keeps of a stream: operations, by object.

use crate::monitor::stream::{EventDetails, ProcessName};
use histories::Outcome;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An operation that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::monitor) struct KeptOperation {
    pub(in crate::monitor) process: ProcessName,
    pub(in crate::monitor) session: Arc<str>,
    pub(in crate::monitor) writes: bool,
    /// The value that it writes, or the one that it returned.
    pub(in crate::monitor) value: Option<Arc<str>>,
    /// The position of its invocation in the stream.
    pub(in crate::monitor) invoked: u64,
    /// The position of its `ok` or `fail` event; [`NOT_YET`] for `info`, as for an open operation.
    pub(in crate::monitor) completed: u64,
    /// None while it is open.
    #[serde(with = "crate::monitor::snapshot::outcome")]
    pub(in crate::monitor) outcome: Option<Outcome>,
    /// The version token that the store returned.
    pub(in crate::monitor) version: Option<i64>,
    pub(in crate::monitor) invocation: EventDetails,
    pub(in crate::monitor) completion: EventDetails,
    /// The position of its last event.
    pub(in crate::monitor) last_event: u64,
}

impl KeptOperation {
    /// Whether it is certain that the operation took effect.
    pub(in crate::monitor) fn is_ok(&self) -> bool {
        self.outcome == Some(Outcome::Ok)
    }

    /// Whether the operation constrains nothing and never will: a read that did not succeed.
    pub(in crate::monitor) fn is_void(&self) -> bool {
        !self.writes && matches!(self.outcome, Some(Outcome::Fail | Outcome::Info))
    }

    /// Whether it is an indeterminate write.
    pub(in crate::monitor) fn is_indeterminate_write(&self) -> bool {
        self.writes && self.outcome == Some(Outcome::Info)
    }
}

/// One object.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptObject {
    /// The key as JSON.
    pub(super) name: Arc<str>,
    /// In order of invocation.
    pub(super) operations: Vec<KeptOperation>,
    /// The number of kept writes of each value, whatever their outcome.
    pub(super) written: FxHashMap<Arc<str>, u32>,
    /// Whether operations that matter were forgotten.
    pub(super) has_forgotten: bool,
    /// The highest version token among forgotten operations.
    pub(super) highest_forgotten_version: Option<i64>,
    /// The index of a read of the initial value that came after something was forgotten.
    pub(super) late_initial_read: Option<u64>,
    /// Whether events came since the object was judged.
    pub(super) is_dirty: bool,
    /// Whether linearizability of the object is still judged.
    pub(super) judges_linearizability: bool,
    /// Whether session guarantees about the object are still judged.
    pub(super) judges_sessions: bool,
    /// The position of the last event.
    pub(super) last_event: u64,
}

impl KeptObject {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            operations: Vec::new(),
            written: FxHashMap::default(),
            has_forgotten: false,
            highest_forgotten_version: None,
            late_initial_read: None,
            is_dirty: false,
            judges_linearizability: true,
            judges_sessions: true,
            last_event: 0,
        }
    }

    /// Whether anything about the object is still judged.
    pub(super) fn is_judged(&self) -> bool {
        self.judges_linearizability || self.judges_sessions
    }

    /// Adds an invoked operation.
    pub(super) fn add_operation(&mut self, operation: KeptOperation) {
        if operation.writes
            && let Some(value) = &operation.value
        {
            *self.written.entry(Arc::clone(value)).or_default() += 1;
        }
        self.is_dirty = true;
        self.last_event = operation.invoked;
        self.operations.push(operation);
    }

    /// The kept operation that was invoked at a position. O(log n).
    pub(super) fn find_operation(&mut self, invoked: u64) -> Option<&mut KeptOperation> {
        let at = self.operations.binary_search_by_key(&invoked, |operation| operation.invoked).ok()?;
        Some(&mut self.operations[at])
    }

    /// Drops all operations.
    pub(super) fn clear(&mut self) {
        self.operations = Vec::new();
        self.written = FxHashMap::default();
        self.is_dirty = false;
    }

    /// Counts the written values again, after operations were removed.
    pub(super) fn recount_values(&mut self) {
        let mut written: FxHashMap<Arc<str>, u32> = FxHashMap::default();
        for operation in self.operations.iter().filter(|operation| operation.writes) {
            if let Some(value) = &operation.value {
                *written.entry(Arc::clone(value)).or_default() += 1;
            }
        }
        self.written = written;
    }
}
