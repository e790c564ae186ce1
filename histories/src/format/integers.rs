//! Integers to dense ids, numbered in order of first appearance.
//!
//! The names in formats of other checkers are integers, mostly small and handed out one after another: keys from zero,
//! values and transactions counted on. For those a table that is looked up by the number itself costs one access and no
//! hash. It is never longer than eight times the numbers seen (and a few pages), so a file that names 2⁶² costs no more
//! than one that names 5: what lies beyond the table goes into a map, and moves over when the table has grown so far.

use rustc_hash::FxHashMap;

/// Distinct integers from zero up; see the module.
#[derive(Default)]
pub(super) struct IntegerTable {
    /// The id of each small number; [`NONE`] of those not seen.
    table: Vec<u32>,
    beyond: FxHashMap<i64, u32>,
    numbers: Vec<i64>,
}

const NONE: u32 = u32::MAX;

/// The table is at least so long that no history of a few names grows it twice.
const TABLE_MIN: usize = 1 << 12;

impl IntegerTable {
    /// The id of a number that is not negative, new if it was not seen before. Panics beyond 2^32 - 2 numbers.
    pub(super) fn intern_number(&mut self, number: i64) -> u32 {
        match self.table.get(number as usize) {
            Some(&known) if known != NONE => known,
            Some(_) => {
                let id = self.add_number(number);
                self.table[number as usize] = id;
                id
            }
            None => self.intern_beyond_table(number),
        }
    }

    /// All numbers, by id.
    pub(super) fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    fn add_number(&mut self, number: i64) -> u32 {
        assert!(self.numbers.len() < NONE as usize - 1, "more names than fit in 32 bits");
        self.numbers.push(number);
        self.numbers.len() as u32 - 1
    }

    #[cold]
    fn intern_beyond_table(&mut self, number: i64) -> u32 {
        let wanted = (number as usize).saturating_add(1).checked_next_power_of_two().unwrap_or(usize::MAX);
        if wanted <= TABLE_MIN.max(4 * self.numbers.len().next_power_of_two()) {
            self.table.resize(wanted.max(TABLE_MIN), NONE);
            let len = self.table.len();
            let table = &mut self.table;
            self.beyond.retain(|&number, &mut id| {
                let moves = (number as usize) < len;
                if moves {
                    table[number as usize] = id;
                }
                !moves
            });
            return self.intern_number(number);
        }
        if let Some(&known) = self.beyond.get(&number) {
            return known;
        }
        let id = self.add_number(number);
        self.beyond.insert(number, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_ids_wherever_they_are_kept() {
        // Some at first beyond the table, some always.
        let far = (0..30_000_i64).rev().map(|number| number * if number % 3 == 0 { 1 } else { 1_000_003 });
        let numbers: Vec<i64> = far.chain([i64::MAX, 0, 1 << 40]).collect();
        let mut integers = IntegerTable::default();
        let mut expected: FxHashMap<i64, u32> = FxHashMap::default();
        for &number in numbers.iter().chain(&numbers) {
            let next = expected.len() as u32;
            assert_eq!(integers.intern_number(number), *expected.entry(number).or_insert(next), "{number}");
        }
        assert_eq!(integers.numbers().len(), expected.len());
        assert!(integers.numbers().iter().zip(0..).all(|(number, id)| expected[number] == id));
    }

    #[test]
    fn memory_follows_how_many_there_are_not_how_large() {
        let mut integers = IntegerTable::default();
        (0..1_000).for_each(|n| _ = integers.intern_number(n << 40));
        assert_eq!(integers.table.len(), TABLE_MIN);
        (0..100_000).for_each(|n| _ = integers.intern_number(n * 3));
        assert!(integers.table.len() <= 8 * integers.numbers.len(), "{}", integers.table.len());
        assert_eq!(integers.beyond.len(), 999);
    }
}
