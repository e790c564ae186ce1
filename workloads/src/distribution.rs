//! Which key, which session: some are more popular than others.
//!
//! The popularity of a thing decides how much a history can show. Uniform choice over many keys gives each so
//! few operations that nothing ever conflicts; real traffic has a few hot ones. Zipf's law (the n-th thing is
//! chosen in proportion to 1/nᵉ) is what caches and web sites measure; an exponential falls off faster, with
//! everything beyond a few multiples of its mean practically never touched.

use crate::Stream;
use std::str::FromStr;

/// How popularity falls from the first thing to the last.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Distribution {
    /// Each as likely.
    Uniform,
    /// The n-th in proportion to 1/nᵉ.
    Zipf {
        /// The exponent e, above zero: 0.99 in YCSB.
        exponent: f64,
    },
    /// The n-th in proportion to exp(-n / mean).
    Exponential {
        /// The mean, as a share of all things: 0.1 chooses among the first tenth two times in three.
        mean_share: f64,
    },
}

impl FromStr for Distribution {
    type Err = String;

    /// `uniform`, `zipf`, `zipf:0.8`, `exponential`, `exponential:0.2`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let number = |default: f64| match parameter.map(str::parse::<f64>) {
            None => Ok(default),
            Some(Ok(number)) if number > 0.0 && number.is_finite() => Ok(number),
            Some(_) => Err(format!("{text:?}: expected a number above zero after the colon")),
        };
        match name {
            "uniform" if parameter.is_none() => Ok(Self::Uniform),
            "zipf" => Ok(Self::Zipf { exponent: number(0.99)? }),
            "exponential" => Ok(Self::Exponential { mean_share: number(0.1)? }),
            _ => Err(format!("{text:?}: expected uniform, zipf[:EXPONENT] or exponential[:MEAN SHARE]")),
        }
    }
}

/// Draws indices in `0..n` by a distribution. O(n) to build, O(log n) a draw, 8 bytes a thing.
#[derive(Clone, Debug)]
pub struct Sampler {
    count: usize,
    /// The summed weights up to each thing; empty for the uniform.
    cumulative: Vec<f64>,
}

impl Sampler {
    /// A sampler of `count` things. Panics if there are none.
    pub fn new(distribution: Distribution, count: usize) -> Self {
        assert!(count > 0, "a choice among nothing");
        let weight: Box<dyn Fn(f64) -> f64> = match distribution {
            Distribution::Uniform => return Self { count, cumulative: Vec::new() },
            Distribution::Zipf { exponent } => Box::new(move |n| libm::pow(n + 1.0, -exponent)),
            Distribution::Exponential { mean_share } => {
                let mean = mean_share * count as f64;
                Box::new(move |n| libm::exp(-n / mean))
            }
        };
        let mut sum = 0.0;
        let cumulative = (0..count).map(|n| {
            sum += weight(n as f64);
            sum
        });
        Self { count, cumulative: cumulative.collect() }
    }

    /// One index. Always one draw from the stream, or a few where a uniform draw was rejected.
    pub fn draw(&self, stream: &mut Stream) -> usize {
        let Some(&total) = self.cumulative.last() else { return stream.draw_index(self.count) };
        let mark = stream.draw_unit() * total;
        self.cumulative.partition_point(|&sum| sum <= mark).min(self.count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frequencies(text: &str, count: usize) -> Vec<f64> {
        let sampler = Sampler::new(text.parse().unwrap(), count);
        let mut stream = Stream::new(11, "test");
        let mut seen = vec![0.0; count];
        for _ in 0..100_000 {
            seen[sampler.draw(&mut stream)] += 1.0 / 100_000.0;
        }
        seen
    }

    /// Zipf with exponent 1 over four things: 12 : 6 : 4 : 3.
    #[test]
    fn zipf_follows_its_law() {
        for (seen, share) in frequencies("zipf:1", 4).into_iter().zip([12.0, 6.0, 4.0, 3.0]) {
            assert!((seen - share / 25.0).abs() < 0.01, "{seen} for {share}/25");
        }
    }

    /// With a mean of one thing each is e times as likely as the next.
    #[test]
    fn exponential_falls_by_e() {
        let seen = frequencies("exponential:0.1", 10);
        assert!((seen[0] / seen[1] - std::f64::consts::E).abs() < 0.1, "{seen:?}");
    }

    #[test]
    fn uniform_is_even() {
        assert!(frequencies("uniform", 5).iter().all(|share| (share - 0.2).abs() < 0.01));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "zip", "zipf:0", "zipf:-1", "zipf:x", "uniform:1", "exponential:inf"] {
            assert!(text.parse::<Distribution>().is_err(), "{text}");
        }
    }
}
