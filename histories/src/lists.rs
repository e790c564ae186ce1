//! Lists that transactions read, in memory linear in the longest list of each key.
//!
//! A store of append-only lists shows each reader a prefix of what the last reader sees. If each read were stored in
//! full, the reads of a list of n elements would take n²/2 words. Stored as (longest list of the key, length), each
//! read takes one word. A read that is *not* a prefix or an extension of the longest list so far indicates an anomaly,
//! and is stored in full.

use crate::{Id, KeyId, ListId, ValueId};

/// All lists that were read. [`Lists::get`] is O(1).
#[derive(Clone, Default)]
pub struct Lists {
    /// For each key, the longest list so far. Most other lists of the key are prefixes of it.
    trunks: Vec<Vec<ValueId>>,
    rows: Vec<ListStorage>,
    /// Elements of the lists that are neither prefixes nor extensions of their trunk.
    strays: Vec<ValueId>,
}

#[derive(Clone, Copy)]
enum ListStorage {
    Prefix { key: KeyId, len: u32 },
    Stray { start: u32, len: u32 },
}

impl Lists {
    /// Stores a read of `key` that returned `elements`. O(length).
    pub fn push(&mut self, key: KeyId, elements: &[ValueId]) -> ListId {
        if self.trunks.len() <= key.index() {
            self.trunks.resize_with(key.index() + 1, Vec::new);
        }
        let trunk = &mut self.trunks[key.index()];
        let shared = trunk.len().min(elements.len());
        let id = ListId::new(self.rows.len());
        let len = u32::try_from(elements.len()).expect("a list has fewer than 2^32 elements");
        if trunk[..shared] == elements[..shared] {
            trunk.extend_from_slice(&elements[shared..]);
            self.rows.push(ListStorage::Prefix { key, len });
        } else {
            let start =
                u32::try_from(self.strays.len()).expect("fewer than 2^32 elements in divergent lists");
            self.strays.extend_from_slice(elements);
            self.rows.push(ListStorage::Stray { start, len });
        }
        id
    }

    /// The elements of a list, in the order in which they were read.
    pub fn get(&self, id: ListId) -> &[ValueId] {
        match self.rows[id.index()] {
            ListStorage::Prefix { key, len } => &self.trunks[key.index()][..len as usize],
            ListStorage::Stray { start, len } => &self.strays[start as usize..(start + len) as usize],
        }
    }

    /// The longest list of `key`: the first one read, extended by every later read that begins with it.
    pub fn trunk(&self, key: KeyId) -> &[ValueId] {
        self.trunks.get(key.index()).map_or(&[], Vec::as_slice)
    }

    /// Gives the element at a position of the longest list of `key` another value, in all lists that are prefixes of it.
    pub(crate) fn rename(&mut self, key: KeyId, at: usize, value: ValueId) {
        self.trunks[key.index()][at] = value;
    }

    /// Whether a list is stored as a prefix of its key's [`Lists::trunk`]. Of two such lists of one key, one is a
    /// prefix of the other, so they need no comparison.
    pub fn is_prefix(&self, id: ListId) -> bool {
        matches!(self.rows[id.index()], ListStorage::Prefix { .. })
    }

    /// The number of lists that were read.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no list was read.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
