//! Random numbers that replay: one seed, a stream of its own for every purpose.
//!
//! Two traps. A single generator shared by all makes every draw depend on every earlier one: one fault more
//! and all operations change. And the ready-made distributions of random-number crates may change with their
//! versions, the mathematics of floating point with the platform's library. So each purpose has its own PCG
//! stream (O'Neill 2014: same state, other increment, independent sequence), named by a text; the mapping
//! from raw 64-bit draws to numbers is written out here; and logarithms come from `libm`, which computes the
//! same bits everywhere.

use rand_pcg::Pcg64;
use rand_pcg::rand_core::RngCore;

/// An endless sequence of draws, the same for the same seed and name.
#[derive(Clone, Debug)]
pub struct Stream(Pcg64);

impl Stream {
    /// The stream called `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        Self(Pcg64::new(u128::from(seed), u128::from(hash_name(name))))
    }

    /// 64 random bits.
    pub fn draw_bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..n`, each as likely (Lemire 2019: multiply, and reject the few draws that would favour
    /// some). Panics if `n` is zero.
    pub fn draw_below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "a draw from nothing");
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.draw_bits()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// An index in `0..n`. Panics if `n` is zero.
    pub fn draw_index(&mut self, n: usize) -> usize {
        self.draw_below(n as u64) as usize
    }

    /// A number in `low..=high`. Panics if there is none.
    pub fn draw_between(&mut self, low: u64, high: u64) -> u64 {
        assert!(low <= high, "a draw from an empty range");
        match (high - low).checked_add(1) {
            Some(span) => low + self.draw_below(span),
            None => self.draw_bits(),
        }
    }

    /// A number in `[0, 1)`: 53 random bits.
    pub fn draw_unit(&mut self) -> f64 {
        (self.draw_bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True with probability `p`. Always one draw, so that changing `p` does not shift what follows.
    pub fn draw_chance(&mut self, p: f64) -> bool {
        self.draw_unit() < p
    }

    /// A waiting time with this mean: memoryless, as arrivals of many independent users are.
    pub fn draw_exponential(&mut self, mean: f64) -> f64 {
        -libm::log(1.0 - self.draw_unit()) * mean
    }

    /// The elements in random order (Fisher & Yates).
    pub fn shuffle<T>(&mut self, elements: &mut [T]) {
        for last in (1..elements.len()).rev() {
            elements.swap(last, self.draw_index(last + 1));
        }
    }
}

/// A hash of a name that will never change (Fowler, Noll & Vo).
fn hash_name(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test vector of FNV-1a, and the draws of PCG XSL RR 128/64 for state 42 and stream 54, as
    /// printed by the author's own C implementation (`pcg64-global-demo`, round 1).
    #[test]
    fn generators_are_the_published_ones() {
        assert_eq!(hash_name("foobar"), 0x8594_4171_f739_67e8);
        let mut stream = Stream(Pcg64::new(42, 54));
        let published = [
            0x86b1_da1d_7206_2b68,
            0x1304_aa46_c985_3d39,
            0xa367_0e9e_0dd5_0358,
            0xf909_0e52_9a7d_ae00,
            0xc85b_9fd8_3799_6f2c,
            0x6061_21f8_e391_9196,
        ];
        assert_eq!(published.map(|_| stream.draw_bits()), published);
    }

    #[test]
    fn streams_of_one_seed_differ_and_replay() {
        let draw = |name| {
            let mut stream = Stream::new(1, name);
            [stream.draw_bits(), stream.draw_bits()]
        };
        assert_eq!(draw("faults"), draw("faults"));
        assert_ne!(draw("faults"), draw("keys"));
    }

    #[test]
    fn draws_stay_in_range_and_reach_both_ends() {
        let mut stream = Stream::new(3, "test");
        let draws: Vec<u64> = (0..1000).map(|_| stream.draw_between(5, 9)).collect();
        assert!(draws.iter().all(|draw| (5..=9).contains(draw)));
        assert!(draws.contains(&5) && draws.contains(&9));
        stream.draw_between(0, u64::MAX);
    }

    /// The mean of 100,000 exponential waits lies within 2 % of what it should be (its standard error: 0.3 %).
    #[test]
    fn exponential_waits_have_their_mean() {
        let mut stream = Stream::new(4, "test");
        let sum: f64 = (0..100_000).map(|_| stream.draw_exponential(7.0)).sum();
        assert!((sum / 100_000.0 - 7.0).abs() < 0.14, "mean {}", sum / 100_000.0);
    }

    #[test]
    fn shuffling_keeps_every_element() {
        let mut elements: Vec<u32> = (0..50).collect();
        Stream::new(5, "test").shuffle(&mut elements);
        assert_ne!(elements, (0..50).collect::<Vec<_>>());
        elements.sort_unstable();
        assert_eq!(elements, (0..50).collect::<Vec<_>>());
    }
}
