//! The places of the elements of one list, as far as kept reads show them.

use super::kept::KeptRead;
use super::keys::{KeptKey, KeyState};
use crate::monitor::stream::NOT_YET;
use rustc_hash::FxHashMap;

const NOBODY: u32 = u32::MAX;

/// One list.
pub(super) struct ListPlaces<'a> {
    /// The number of elements that were forgotten.
    forgotten: u64,
    /// The elements after those, by their place from one.
    places: FxHashMap<&'a str, u64>,
    /// The writer of each element of the trunk.
    writers: Vec<u32>,
    /// For each element of the trunk: the first completion of a read that shows it.
    shown_by: Vec<u64>,
    /// Reads contradict each other, an element is there twice, or nobody wrote it.
    pub(super) is_contradictory: bool,
}

impl<'a> ListPlaces<'a> {
    pub(super) fn of_key(key: &'a KeptKey) -> Self {
        let from = key.forgotten.length + 1;
        let places: FxHashMap<&str, u64> =
            key.trunk.iter().zip(from..).map(|(element, place)| (&**element, place)).collect();
        let is_contradictory = key.state == KeyState::Contradictory || places.len() < key.trunk.len();
        Self {
            forgotten: key.forgotten.length,
            places,
            writers: vec![NOBODY; key.trunk.len()],
            shown_by: vec![NOT_YET; key.trunk.len()],
            is_contradictory,
        }
    }

    pub(super) fn add_writer(&mut self, value: &str, transaction: u32, has_failed: bool) {
        if let Some(place) = self.places.get(value) {
            self.writers[(place - self.forgotten - 1) as usize] = transaction;
            self.is_contradictory |= has_failed;
        }
    }

    pub(super) fn add_read(&mut self, read: &KeptRead, completed: u64) {
        let KeptRead::Prefix(length) = read else { return };
        let last = (length - self.forgotten).checked_sub(1);
        // A key that was lost has no elements.
        if let Some(shown) = last.and_then(|last| self.shown_by.get_mut(last as usize)) {
            *shown = (*shown).min(completed);
        }
    }

    /// A read that shows an element shows all before it. Called once all writers and reads were added.
    pub(super) fn settle(&mut self) {
        let mut first = NOT_YET;
        for shown in self.shown_by.iter_mut().rev() {
            first = first.min(*shown);
            *shown = first;
        }
        self.is_contradictory |= self.writers.contains(&NOBODY);
    }

    pub(super) fn place_of(&self, value: &str) -> Option<u64> {
        self.places.get(value).copied()
    }

    /// When a read showed an element for certain.
    pub(super) fn effect_of(&self, value: &str) -> Option<u64> {
        self.places.get(value).map(|place| self.shown_by[(place - self.forgotten - 1) as usize])
    }

    /// The number of elements that others had left for a read. The reader's own appends at the end do not count.
    pub(super) fn left_by_others(&self, read: &KeptRead, reader: u32) -> u64 {
        let KeptRead::Prefix(length) = read else { return 0 };
        let mut length = *length;
        while length > self.forgotten && self.writers[(length - self.forgotten - 1) as usize] == reader {
            length -= 1;
        }
        length
    }
}
