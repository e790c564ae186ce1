//! Names to dense ids and back: one arena of text, one table of hashes.

use crate::Id;
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use std::marker::PhantomData;

/// Distinct texts, numbered in order of first appearance.
///
/// About 13 bytes a text beyond the text itself; looking one up is one hash and one comparison.
#[derive(Clone)]
pub struct Interner<I> {
    text: String,
    ends: Vec<u64>,
    table: HashTable<u32>,
    id: PhantomData<I>,
}

impl<I> Default for Interner<I> {
    fn default() -> Self {
        Self { text: String::new(), ends: Vec::new(), table: HashTable::new(), id: PhantomData }
    }
}

impl<I: Id> Interner<I> {
    /// The id of `text`, new if it was not seen before. Panics beyond `u32::MAX - 1` texts.
    pub fn intern(&mut self, text: &str) -> I {
        let hash = hash(text);
        let (arena, ends) = (&self.text, &self.ends);
        let found = self.table.find(hash, |&candidate| slice(arena, ends, candidate as usize) == text);
        if let Some(&known) = found {
            return I::new(known as usize);
        }
        let id = I::new(self.ends.len());
        self.text.push_str(text);
        self.ends.push(self.text.len() as u64);
        let (arena, ends) = (&self.text, &self.ends);
        self.table
            .insert_unique(hash, id.index() as u32, |&other| self::hash(slice(arena, ends, other as usize)));
        id
    }

    /// The id of `text` if it was seen.
    pub fn get(&self, text: &str) -> Option<I> {
        self.table
            .find(hash(text), |&candidate| slice(&self.text, &self.ends, candidate as usize) == text)
            .map(|&known| I::new(known as usize))
    }

    /// The text of `id`. Panics if `id` is of another interner and out of range.
    pub fn text(&self, id: I) -> &str {
        slice(&self.text, &self.ends, id.index())
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
        (0..self.len()).map(|index| (I::new(index), slice(&self.text, &self.ends, index)))
    }
}

fn slice<'a>(arena: &'a str, ends: &[u64], index: usize) -> &'a str {
    let start = if index == 0 { 0 } else { ends[index - 1] as usize };
    &arena[start..ends[index] as usize]
}

fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}
