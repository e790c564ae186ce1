//! What the monitor keeps of a stream: operations, and what it remembers of keys and sessions.

use crate::monitor::objects::kept::KeptOperation;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An operation of the window.
#[derive(Serialize, Deserialize)]
pub(super) struct WindowEntry {
    /// An index into the keys.
    pub(super) key: u32,
    pub(super) operation: KeptOperation,
    /// Whether the write is kept only because order leads through it. A later read of it makes the levels *unknown*.
    pub(super) is_relay: bool,
    /// Whether every forgotten write of its key certainly comes before it.
    pub(super) is_placed: bool,
}

/// What is remembered of a key.
#[derive(Serialize, Deserialize)]
pub(super) struct KeyMemory {
    /// The key as JSON.
    pub(super) name: Arc<str>,
    /// The values of the kept writes, whatever their outcome; true for the value of a relay.
    pub(super) written: FxHashMap<Arc<str>, bool>,
    /// Whether values were forgotten, so that a value that is not kept may be one of them.
    pub(super) forgot_values: bool,
    /// Whether some of these were certainly or possibly versions of the object.
    pub(super) forgot_versions: bool,
}

impl KeyMemory {
    pub(super) fn new(name: Arc<str>, forgot: bool) -> Self {
        Self { name, written: FxHashMap::default(), forgot_values: forgot, forgot_versions: forgot }
    }
}

/// What is remembered of a session.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptSession {
    /// The positions of its first and its last event, and the time of the last one.
    pub(super) first_event: u64,
    pub(super) last_event: u64,
    pub(super) last_ns: Option<i64>,
    /// The number of its open operations.
    pub(super) open: u32,
    /// Whether one of its reads has completed.
    pub(super) has_read: bool,
    /// The position of the invocation of its first read.
    pub(super) first_read: Option<u64>,
    /// Whether its past had a placed write of every key that lost writes, when the monitor last forgot something.
    pub(super) is_caught_up: bool,
}
