//! What the monitor knows of each key: the state that was forgotten, and the values after it.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

/// How far the reads of a key can still be judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum KeyState {
    /// Everything is known.
    Known,
    /// Reads contradict each other, or a value is written twice. Nothing about it is forgotten.
    Contradictory,
    /// No transaction has used the key for long, and its last writes were forgotten without their order. If a transaction uses the
    /// key again, the key becomes `Lost`.
    Retired,
    /// It depends on something that was forgotten, and is left out of the window.
    Lost,
}

/// The state of a key that all forgotten transactions left.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct ForgottenState {
    /// The number of elements of the list.
    pub(super) length: u64,
    /// A hash of these elements, in order.
    pub(super) hash: u64,
    /// The value of the register, if a forgotten transaction wrote it.
    pub(super) value: Option<Arc<str>>,
}

impl ForgottenState {
    /// Adds an element to the end of the list.
    pub(super) fn push(&mut self, element: &str) {
        self.hash = extend_hash(self.hash, element);
        self.length += 1;
    }

    /// Whether the list begins with the forgotten elements. Two lists that differ have the same hash with a probability of
    /// 2⁻⁶⁴.
    pub(super) fn begins<'a>(&self, mut elements: impl Iterator<Item = &'a str>) -> bool {
        let mut hash = 0;
        for _ in 0..self.length {
            let Some(element) = elements.next() else { return false };
            hash = extend_hash(hash, element);
        }
        hash == self.hash
    }
}

fn extend_hash(hash: u64, element: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(hash);
    hasher.write(element.as_bytes());
    hasher.finish()
}

/// A fingerprint of a key that was forgotten.
pub(super) fn fingerprint(name: &str) -> u64 {
    extend_hash(1, name)
}

/// One key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptKey {
    /// The key as JSON.
    pub(super) name: Arc<str>,
    pub(super) state: KeyState,
    pub(super) forgotten: ForgottenState,
    /// The elements of the list after those that were forgotten, as far as reads show them.
    pub(super) trunk: Vec<Arc<str>>,
    /// The values that kept transactions write, and how many of them write each.
    pub(super) written: FxHashMap<Arc<str>, u32>,
    /// Whether a write of the key was forgotten.
    pub(super) has_forgotten: bool,
    /// The number of kept transactions that use it.
    pub(super) users: u32,
    /// The position of the last event on it.
    pub(super) last_event: u64,
}

impl KeptKey {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            state: KeyState::Known,
            forgotten: ForgottenState::default(),
            trunk: Vec::new(),
            written: FxHashMap::default(),
            has_forgotten: false,
            users: 0,
            last_event: 0,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state == KeyState::Lost
    }

    /// Leaves the key out of everything from now on.
    pub(super) fn lose(&mut self) {
        self.state = KeyState::Lost;
        self.trunk = Vec::new();
        self.written = FxHashMap::default();
    }

    /// Counts a value that a transaction writes. A value that is written twice does not identify its writer.
    pub(super) fn count_written(&mut self, value: &Arc<str>) {
        let count = self.written.entry(Arc::clone(value)).or_insert(0);
        *count += 1;
        if *count > 1 && self.state == KeyState::Known {
            self.state = KeyState::Contradictory;
        }
    }

    /// Removes a value that a forgotten transaction wrote.
    pub(super) fn forget_written(&mut self, value: &Arc<str>) {
        self.has_forgotten = true;
        if let Some(count) = self.written.get_mut(value) {
            *count -= 1;
            if *count == 0 {
                self.written.remove(value);
            }
        }
    }
}
