//! Names to dense ids and back: one arena of text, one table of hashes.

use crate::Id;
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Distinct texts, numbered in order of first appearance.
///
/// About 13 bytes a text beyond the text itself; looking one up is one hash and one comparison.
#[derive(Clone)]
pub struct Interner<I> {
    text: String,
    ends: Vec<u64>,
    /// Made when it is first needed: who was given names that differ need not look one up.
    table: OnceLock<HashTable<u32>>,
    id: PhantomData<I>,
}

impl<I> Default for Interner<I> {
    fn default() -> Self {
        Self { text: String::new(), ends: Vec::new(), table: OnceLock::new(), id: PhantomData }
    }
}

impl<I: Id> Interner<I> {
    /// `null` and then these integers, which differ from each other, in decimal. A fraction of the time of interning
    /// one after the other.
    pub(crate) fn from_integers(integers: &[i64]) -> Self {
        let mut text = String::with_capacity(8 * integers.len() + 4);
        let mut ends = Vec::with_capacity(integers.len() + 1);
        text.push_str("null");
        ends.push(text.len() as u64);
        let mut digits = itoa::Buffer::new();
        for &integer in integers {
            text.push_str(digits.format(integer));
            ends.push(text.len() as u64);
        }
        Self { text, ends, table: OnceLock::new(), id: PhantomData }
    }

    /// The id of `text`, new if it was not seen before. Panics beyond `u32::MAX - 1` texts.
    pub fn intern(&mut self, text: &str) -> I {
        let hash = hash_text(text);
        if let Some(known) = self.find_by_hash(text, hash) {
            return known;
        }
        self.hash_table();
        let id = I::new(self.ends.len());
        self.text.push_str(text);
        self.ends.push(self.text.len() as u64);
        let (arena, ends) = (&self.text, &self.ends);
        let table = self.table.get_mut().expect("it was made just now");
        table.insert_unique(hash, id.index() as u32, |&other| {
            self::hash_text(nth_text(arena, ends, other as usize))
        });
        id
    }

    /// The id of `text` if it was seen.
    pub fn get(&self, text: &str) -> Option<I> {
        self.find_by_hash(text, hash_text(text))
    }

    fn find_by_hash(&self, text: &str, hash: u64) -> Option<I> {
        let (arena, ends) = (&self.text, &self.ends);
        if self.table.get().is_none() && !self.is_empty() && nth_text(arena, ends, 0) == text {
            // Every history is asked for its first value, the initial one; that is worth no table.
            return Some(I::new(0));
        }
        let found =
            self.hash_table().find(hash, |&candidate| nth_text(arena, ends, candidate as usize) == text);
        found.map(|&known| I::new(known as usize))
    }

    fn hash_table(&self) -> &HashTable<u32> {
        self.table.get_or_init(|| {
            let hash_of = |&id: &u32| hash_text(nth_text(&self.text, &self.ends, id as usize));
            let mut table = HashTable::with_capacity(self.len());
            (0..self.len() as u32).for_each(|id| _ = table.insert_unique(hash_of(&id), id, hash_of));
            table
        })
    }

    /// The text of `id`. Panics if `id` is of another interner and out of range.
    pub fn text(&self, id: I) -> &str {
        nth_text(&self.text, &self.ends, id.index())
    }

    /// How many distinct texts there are; ids run from zero to here.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was interned.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Every id with its text, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = (I, &str)> {
        (0..self.len()).map(|index| (I::new(index), nth_text(&self.text, &self.ends, index)))
    }
}

fn nth_text<'a>(arena: &'a str, ends: &[u64], index: usize) -> &'a str {
    let start = if index == 0 { 0 } else { ends[index - 1] as usize };
    &arena[start..ends[index] as usize]
}

fn hash_text(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueId;

    #[test]
    fn integers_given_at_once_are_as_if_interned_one_by_one() {
        let integers = [7, 0, -1, i64::MAX, i64::MIN, 10, 1_000_000];
        let mut one_by_one: Interner<ValueId> = Interner::default();
        one_by_one.intern("null");
        integers.iter().for_each(|integer| _ = one_by_one.intern(&integer.to_string()));
        let at_once: Interner<ValueId> = Interner::from_integers(&integers);
        assert!(at_once.iter().eq(one_by_one.iter()));
        for new in ["null", "7", "8", "-9223372036854775808", ""] {
            let (mut a, mut b) = (at_once.clone(), one_by_one.clone());
            assert_eq!(a.get(new), b.get(new), "{new}");
            assert_eq!(a.intern(new), b.intern(new), "{new}");
            assert_eq!((a.get("10"), a.get(new), a.len()), (b.get("10"), b.get(new), b.len()), "{new}");
        }
    }
}
