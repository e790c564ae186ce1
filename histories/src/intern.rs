//! Maps names to dense ids and back: one string with all texts, and one hash table.
//!
//! A reader looks up several names an event, and the table of a long history is far larger than a processor's cache: most
//! of the time of a lookup is waiting for memory. So many names can be looked up at once ([`Interner::find_all`]), and
//! then one does not wait for the memory of another.

use crate::Id;
use rustc_hash::FxHasher;
use std::hash::Hasher;
use std::hint::black_box;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Distinct texts, numbered in order of first appearance.
///
/// Each text takes about 14 bytes beyond its own length. A lookup costs one hash and usually one comparison.
#[derive(Clone)]
pub struct Interner<I> {
    text: String,
    ends: TextEnds,
    /// Built at the first lookup. An interner of names that are known to be distinct may never need it.
    table: OnceLock<IdTable>,
    id: PhantomData<I>,
}

impl<I> Default for Interner<I> {
    fn default() -> Self {
        Self { text: String::new(), ends: TextEnds::default(), table: OnceLock::new(), id: PhantomData }
    }
}

impl<I: Id> Interner<I> {
    /// An interner of `null`, followed by these integers in decimal. The integers must be distinct. Takes a fraction of
    /// the time of interning them one by one.
    pub(crate) fn from_integers(integers: &[i64]) -> Self {
        let mut text = String::with_capacity(8 * integers.len() + 4);
        let mut ends = TextEnds::default();
        ends.low.reserve(integers.len() + 1);
        text.push_str("null");
        ends.push_end(text.len() as u64);
        let mut digits = itoa::Buffer::new();
        for &integer in integers {
            text.push_str(digits.format(integer));
            ends.push_end(text.len() as u64);
        }
        Self { text, ends, table: OnceLock::new(), id: PhantomData }
    }

    /// Returns the id of `text`, and adds it if it is new. Panics beyond `u32::MAX - 1` texts.
    pub fn intern(&mut self, text: &str) -> I {
        self.intern_hashed(text, hash_name(text))
    }

    /// Like [`Interner::intern`], for a text whose hash ([`hash_name`]) is known.
    pub(crate) fn intern_hashed(&mut self, text: &str, hash: u32) -> I {
        self.id_table();
        let table = self.table.get_mut().expect("it was made just now");
        let (arena, ends) = (&mut self.text, &mut self.ends);
        if !table.has_room() {
            *table = table.grow(|id| hash_name(ends.text_of(arena, id)));
        }
        match table.probe(hash, |other| ends.is_text(arena, other, text)) {
            Ok(known) => I::new(known),
            Err(empty) => {
                let id = I::new(ends.len());
                arena.push_str(text);
                ends.push_end(arena.len() as u64);
                table.fill_place(empty, hash, id.index());
                id
            }
        }
    }

    /// The id of `text` if it was seen.
    pub fn get(&self, text: &str) -> Option<I> {
        if self.table.get().is_none() && !self.is_empty() && self.ends.text_of(&self.text, 0) == text {
            // Every check looks up the first value, the initial one. That is not worth building the table.
            return Some(I::new(0));
        }
        self.find_hashed(text, hash_name(text))
    }

    fn find_hashed(&self, text: &str, hash: u32) -> Option<I> {
        let found = self.id_table().probe(hash, |other| self.ends.is_text(&self.text, other, text));
        found.ok().map(I::new)
    }

    /// Looks up many texts at once: calls `found` with the number of each text that was seen, and its id. Each step is
    /// done for a batch of texts before the next step, so that the processor waits for the memory of all at once.
    pub(crate) fn find_all<N: Id>(&self, names: &HashedNames<N>, mut found: impl FnMut(N, I)) {
        const BATCH: usize = 64;
        let (table, mut warm) = (self.id_table(), 0_u64);
        let mut candidates = [usize::MAX; BATCH];
        for (batch, hashes) in names.hashes.chunks(BATCH).enumerate() {
            for &hash in hashes {
                let place = table.place_of(hash);
                warm ^= u64::from(table.tags[place]) ^ u64::from(table.ids[place]);
            }
            for (candidate, &hash) in candidates.iter_mut().zip(hashes) {
                *candidate = table.probe(hash, |_| true).unwrap_or(usize::MAX);
                warm ^= self.ends.low.get(*candidate).map_or(0, |&end| u64::from(end));
            }
            for &candidate in &candidates[..hashes.len()] {
                if candidate != usize::MAX {
                    let start = self.ends.start_of(candidate);
                    warm ^= self.text.as_bytes().get(start).map_or(0, |&byte| u64::from(byte));
                }
            }
            for (at, (&candidate, &hash)) in candidates.iter().zip(hashes).enumerate() {
                if candidate == usize::MAX {
                    continue;
                }
                let name = N::new(batch * BATCH + at);
                let text = names.names.text(name);
                let id = match self.ends.is_text(&self.text, candidate, text) {
                    true => Some(I::new(candidate)),
                    // The candidate only has the same tag.
                    false => self.find_hashed(text, hash),
                };
                if let Some(id) = id {
                    found(name, id);
                }
            }
        }
        black_box(warm);
    }

    fn id_table(&self) -> &IdTable {
        self.table.get_or_init(|| {
            let mut table = IdTable::with_capacity(self.len());
            for id in 0..self.len() {
                // The texts are distinct.
                table.insert_new(hash_name(self.ends.text_of(&self.text, id)), id);
            }
            table
        })
    }

    /// The text of `id`. Panics if `id` is out of range, as an id of another interner can be.
    pub fn text(&self, id: I) -> &str {
        self.ends.text_of(&self.text, id.index())
    }

    /// The number of distinct texts. Ids run from zero to this number.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing was interned.
    pub fn is_empty(&self) -> bool {
        self.ends.len() == 0
    }

    /// Every id with its text, in order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = (I, &str)> {
        (0..self.len()).map(|index| (I::new(index), self.ends.text_of(&self.text, index)))
    }

    /// Forgets all texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        if let Some(table) = self.table.get_mut() {
            table.clear();
        }
    }
}

/// Names with their hashes, which are looked up in another interner later.
#[derive(Clone)]
pub(crate) struct HashedNames<I> {
    names: Interner<I>,
    hashes: Vec<u32>,
}

impl<I> Default for HashedNames<I> {
    fn default() -> Self {
        Self { names: Interner::default(), hashes: Vec::new() }
    }
}

impl<I: Id> HashedNames<I> {
    /// Returns the id of `text`, and adds it if it is new.
    pub(crate) fn intern(&mut self, text: &str) -> I {
        let hash = hash_name(text);
        let id = self.names.intern_hashed(text, hash);
        if id.index() == self.hashes.len() {
            self.hashes.push(hash);
        }
        id
    }

    /// The text of `id`.
    pub(crate) fn text(&self, id: I) -> &str {
        self.names.text(id)
    }

    /// The hash of the text of `id`.
    pub(crate) fn hash(&self, id: I) -> u32 {
        self.hashes[id.index()]
    }

    /// The number of distinct texts.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Forgets all texts and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.names.clear();
        self.hashes.clear();
    }
}

/// The ends of consecutive texts in a string. Four bytes each, also where the string is longer than 4 GiB.
#[derive(Clone, Default)]
struct TextEnds {
    /// The lower halves of the ends.
    low: Vec<u32>,
    /// For each multiple of 2^32, the first text that ends there or beyond it.
    beyond: Vec<usize>,
}

impl TextEnds {
    fn push_end(&mut self, end: u64) {
        while (end >> 32) as usize > self.beyond.len() {
            self.beyond.push(self.low.len());
        }
        self.low.push(end as u32);
    }

    fn end_of(&self, index: usize) -> usize {
        let low = self.low[index] as usize;
        if self.beyond.is_empty() {
            return low;
        }
        // In 64 bits, also where addresses have 32 and no string is this long.
        let beyond = (self.beyond.partition_point(|&first| first <= index) as u64) << 32;
        low + beyond as usize
    }

    fn start_of(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.end_of(index - 1) }
    }

    fn text_of<'a>(&self, arena: &'a str, index: usize) -> &'a str {
        &arena[self.start_of(index)..self.end_of(index)]
    }

    /// Whether the text at `index` is `text`. Faster than taking it out of the string.
    fn is_text(&self, arena: &str, index: usize, text: &str) -> bool {
        let (start, end) = (self.start_of(index), self.end_of(index));
        are_equal(&arena.as_bytes()[start..end], text.as_bytes())
    }

    fn len(&self) -> usize {
        self.low.len()
    }

    fn clear(&mut self) {
        self.low.clear();
        self.beyond.clear();
    }
}

/// Whether two texts are equal. Most names have a few bytes, and are compared without a call.
#[inline]
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    fn ends<const N: usize>(text: &[u8]) -> Option<[[u8; N]; 2]> {
        Some([*text.first_chunk()?, *text.last_chunk()?])
    }
    match one.len() {
        len if len != other.len() => false,
        17.. => one == other,
        8.. => ends::<8>(one) == ends::<8>(other),
        4.. => ends::<4>(one) == ends::<4>(other),
        _ => one.iter().eq(other),
    }
}

/// A hash table of ids with linear probing. A quarter of its places is empty, or more.
#[derive(Clone)]
struct IdTable {
    /// A byte of the hash of the text at each place; zero if the place is empty.
    tags: Vec<u8>,
    /// The id of the text at each place.
    ids: Vec<u32>,
    len: usize,
    /// The number of lower bits of a hash that do not count for its place.
    shift: u32,
}

const PLACES_MIN: usize = 16;

impl IdTable {
    fn with_capacity(len: usize) -> Self {
        Self::with_places((len + len / 3 + 1).next_power_of_two().max(PLACES_MIN))
    }

    /// An empty table. The number of places is a power of two, at most 2^32.
    fn with_places(places: usize) -> Self {
        Self { tags: vec![0; places], ids: vec![0; places], len: 0, shift: 32 - places.trailing_zeros() }
    }

    fn place_of(&self, hash: u32) -> usize {
        (hash >> self.shift) as usize
    }

    fn tag_of(hash: u32) -> u8 {
        (hash as u8).max(1)
    }

    /// The id of the text with this hash for which `is_same` is true; or the empty place where its id would be.
    fn probe(&self, hash: u32, is_same: impl Fn(usize) -> bool) -> Result<usize, usize> {
        let (mask, wanted) = (self.tags.len() - 1, Self::tag_of(hash));
        let mut at = self.place_of(hash);
        loop {
            let tag = self.tags[at];
            if tag == 0 {
                return Err(at);
            }
            if tag == wanted && is_same(self.ids[at] as usize) {
                return Ok(self.ids[at] as usize);
            }
            at = (at + 1) & mask;
        }
    }

    /// Whether another id fits.
    fn has_room(&self) -> bool {
        // A place for each number of 32 bits is enough for all ids.
        (self.len + 1) * 4 <= self.tags.len() * 3 || self.shift == 0
    }

    /// Inserts the id of a new text.
    fn insert_new(&mut self, hash: u32, id: usize) {
        let Err(empty) = self.probe(hash, |_| false) else { unreachable!("no text is the same") };
        self.fill_place(empty, hash, id);
    }

    fn fill_place(&mut self, place: usize, hash: u32, id: usize) {
        assert!(id < u32::MAX as usize, "more names than fit in 32 bits");
        self.tags[place] = Self::tag_of(hash);
        self.ids[place] = id as u32;
        self.len += 1;
    }

    /// A table of twice the size with the same ids.
    #[cold]
    fn grow(&self, hash_of: impl Fn(usize) -> u32) -> Self {
        let mut grown = Self::with_places(2 * self.tags.len());
        (0..self.len).for_each(|id| grown.insert_new(hash_of(id), id));
        grown
    }

    fn clear(&mut self) {
        self.tags.fill(0);
        self.len = 0;
    }
}

/// The hash of a name in the tables of interners.
pub(crate) fn hash_name(text: &str) -> u32 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    // The hasher's best bits are the lowest 26, and the next best the highest.
    (hasher.finish().rotate_right(26) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueId;
    use proptest::prelude::*;
    use std::collections::HashMap;

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

    /// A string of more than 4 GiB takes too long in a test, its ends do not.
    #[test]
    fn ends_beyond_four_gibibytes_are_exact() {
        let expected: [u64; 8] =
            [0, 5, u64::from(u32::MAX), 1 << 32, (1 << 32) + 7, 13 << 30, 13 << 30, 5 << 40];
        let mut ends = TextEnds::default();
        expected.iter().for_each(|&end| ends.push_end(end));
        let found: Vec<u64> = (0..expected.len()).map(|index| ends.end_of(index) as u64).collect();
        assert_eq!(found, expected);
        assert_eq!(ends.start_of(0), 0);
        assert_eq!(ends.start_of(5) as u64, expected[4]);
    }

    /// A difference at any place of a text of any length is seen.
    #[test]
    fn texts_that_differ_in_one_byte_are_not_equal() {
        let text: Vec<u8> = (0..40).collect();
        for len in 0..=text.len() {
            let one = &text[..len];
            assert!(are_equal(one, one), "{len}");
            assert!(len == 0 || !are_equal(one, &text[..len - 1]) && !are_equal(one, &text[1..len]), "{len}");
            for at in 0..len {
                let mut other = one.to_vec();
                other[at] ^= 1;
                assert!(!are_equal(one, &other), "{len} {at}");
            }
        }
    }

    /// Names whose hashes are equal, or whose places wrap around at the end of the table, must still be told apart.
    #[test]
    fn names_with_equal_hashes_stay_apart() {
        let hash_of = |id: usize| [u32::MAX, 0, 7][id % 3];
        let mut table = IdTable::with_capacity(0);
        for id in 0..60 {
            if !table.has_room() {
                table = table.grow(hash_of);
            }
            assert!(table.probe(hash_of(id), |other| other == id).is_err());
            table.insert_new(hash_of(id), id);
            for known in 0..=id {
                assert_eq!(table.probe(hash_of(known), |other| other == known), Ok(known));
            }
        }
        assert!(table.tags.len() >= 80, "a quarter is empty");
    }

    proptest! {
        /// A map of the standard library says what is new; looking up many names at once says the same as one by one.
        #[test]
        fn ids_are_dense_and_in_order_of_appearance(
            texts in prop::collection::vec("[ab]{0,4}|[a-z]{0,3}|é{0,2}", 0..200),
            others in prop::collection::vec("[ab]{0,4}|[a-z]{0,3}", 0..200),
        ) {
            let (mut interner, mut expected) = (Interner::<ValueId>::default(), HashMap::new());
            for text in &texts {
                let next = expected.len();
                prop_assert_eq!(interner.intern(text).index(), *expected.entry(text.clone()).or_insert(next));
            }
            for (text, &id) in &expected {
                prop_assert_eq!(interner.text(ValueId::new(id)), text);
            }
            let mut names = HashedNames::<ValueId>::default();
            others.iter().for_each(|text| _ = names.intern(text));
            let mut found = HashMap::new();
            interner.find_all(&names, |name, id| _ = found.insert(names.text(name).to_owned(), id));
            for text in &others {
                prop_assert_eq!(found.get(text).copied(), interner.get(text));
                prop_assert_eq!(interner.get(text).map(Id::index), expected.get(text).copied());
            }
            names.clear();
            prop_assert_eq!((names.intern("x").index(), names.len()), (0, 1));
        }
    }
}
