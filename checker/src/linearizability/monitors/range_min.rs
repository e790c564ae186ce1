//! Minima over ranges of a row of numbers that change: a segment tree.

use std::ops::Range;

/// A row of numbers. Adding to a range, and the minimum of a range, cost O(log n).
///
/// Each inner node holds the minimum of its half and what was added to all of it. What was added is not pushed down, so a
/// query sums it up on its way.
pub(super) struct RangeMinimum {
    /// The number of leaves: a power of two.
    width: usize,
    /// The minimum below each node, with everything that was added to the node itself.
    least: Vec<i64>,
    added: Vec<i64>,
}

impl RangeMinimum {
    /// A row with these numbers. O(n).
    pub(super) fn from_numbers(numbers: &[i64]) -> Self {
        let width = numbers.len().next_power_of_two();
        let mut least = vec![i64::MAX / 2; 2 * width];
        least[width..width + numbers.len()].copy_from_slice(numbers);
        for node in (1..width).rev() {
            least[node] = least[2 * node].min(least[2 * node + 1]);
        }
        Self { width, least, added: vec![0; 2 * width] }
    }

    /// Adds a number to each number of the range.
    pub(super) fn add(&mut self, range: Range<usize>, by: i64) {
        let (mut low, mut high) = (range.start + self.width, range.end + self.width);
        let (first, last) = (low, high.wrapping_sub(1));
        if low >= high {
            return;
        }
        while low < high {
            if low & 1 == 1 {
                self.add_to_node(low, by);
                low += 1;
            }
            if high & 1 == 1 {
                high -= 1;
                self.add_to_node(high, by);
            }
            low /= 2;
            high /= 2;
        }
        for leaf in [first, last] {
            let mut node = leaf / 2;
            while node > 0 {
                self.least[node] = self.least[2 * node].min(self.least[2 * node + 1]) + self.added[node];
                node /= 2;
            }
        }
    }

    fn add_to_node(&mut self, node: usize, by: i64) {
        self.least[node] += by;
        self.added[node] += by;
    }

    /// The first place at `start` or later whose number is at most `limit`.
    pub(super) fn find_at_most(&self, start: usize, limit: i64) -> Option<usize> {
        if start >= self.width {
            return None;
        }
        let mut node = start + self.width;
        loop {
            if self.least[node] + self.added_above(node) <= limit {
                break;
            }
            // The next subtree to the right.
            while node & 1 == 1 {
                node /= 2;
            }
            if node == 0 {
                return None;
            }
            node += 1;
        }
        let mut above = self.added_above(node);
        while node < self.width {
            above += self.added[node];
            node *= 2;
            if self.least[node] + above > limit {
                node += 1;
            }
        }
        Some(node - self.width)
    }

    fn added_above(&self, node: usize) -> i64 {
        let (mut sum, mut node) = (0, node / 2);
        while node > 0 {
            sum += self.added[node];
            node /= 2;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::RangeMinimum;
    use testkit::TestRandom;

    #[test]
    fn additions_and_searches_agree_with_a_plain_row() {
        for seed in 0..300 {
            let mut random = TestRandom::new(seed);
            let mut plain: Vec<i64> = (0..1 + random.below(20)).map(|_| random.below(5) as i64).collect();
            let mut row = RangeMinimum::from_numbers(&plain);
            for _ in 0..30 {
                let from = random.below(plain.len() + 1);
                let range = from..from + random.below(plain.len() - from + 1);
                let by = random.below(5) as i64 - 2;
                plain[range.clone()].iter_mut().for_each(|number| *number += by);
                row.add(range, by);
                let (start, limit) = (random.below(plain.len() + 1), random.below(7) as i64 - 3);
                let expected = (start..plain.len()).find(|&at| plain[at] <= limit);
                assert_eq!(row.find_at_most(start, limit), expected, "seed {seed}: {plain:?}");
            }
        }
    }
}
