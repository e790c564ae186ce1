//! Numbers from a seed: SplitMix64 (Steele, Lea & Flood, OOPSLA 2014). The same on every machine and in every
//! version, for a seed in a report must bring back the run.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound. Panics if that is zero.
    pub fn draw_below(&mut self, bound: usize) -> usize {
        (self.next_bits() % bound as u64) as usize
    }

    /// True in so many of a hundred.
    pub fn draw_chance(&mut self, percent: usize) -> bool {
        self.draw_below(100) < percent
    }
}
