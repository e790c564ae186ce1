//! Lists that transactions read, in memory linear in the longest list of each key.
//!
//! A store of lists that only grow shows each reader a prefix of what the last reader will see. Stored one
//! by one, reads of a list of n elements take n²/2 words; stored as (key's longest list, length) they take
//! one word each. A read that is *not* a prefix of the longest list seen so far, nor an extension of it, is an
//! anomaly in the making and is kept whole.

use crate::{Id, KeyId, ListId, ValueId};

/// Every list that was read. [`Lists::get`] is O(1).
#[derive(Clone, Default)]
pub struct Lists {
    /// For each key, the longest list seen so far of which the others are prefixes.
    trunks: Vec<Vec<ValueId>>,
    rows: Vec<ListStorage>,
    /// Elements of the lists that fit no trunk.
    strays: Vec<ValueId>,
}

#[derive(Clone, Copy)]
enum ListStorage {
    Prefix { key: KeyId, len: u32 },
    Stray { start: u32, len: u32 },
}

impl Lists {
    /// Records that `key` was read as `elements`. O(length).
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

    /// The longest list read of `key` of which most others are prefixes: the first one seen, extended.
    pub fn trunk(&self, key: KeyId) -> &[ValueId] {
        self.trunks.get(key.index()).map_or(&[], Vec::as_slice)
    }

    /// Whether a list is stored as a prefix of its key's [`Lists::trunk`]; then two such lists of one key
    /// are prefixes of one another, and need not be compared.
    pub fn is_prefix(&self, id: ListId) -> bool {
        matches!(self.rows[id.index()], ListStorage::Prefix { .. })
    }

    /// How many lists were read.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no list was read.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
