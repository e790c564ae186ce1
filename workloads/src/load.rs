//! When requests come: as fast as they are answered, or by a clock of their own.
//!
//! A *closed* loop sends the next request when the last was answered. It is simple, and it lies about
//! latency: while the store stands still nobody asks, so the worst moment is measured once per client
//! (coordinated omission). An *open* loop has users who come whether or not the store is well: requests have
//! an intended start, and waiting for a free client counts as waiting.
//!
//! Arrivals are a Poisson process whose rate follows a profile, drawn by thinning (Lewis & Shedler 1979):
//! draw at the highest rate, keep each with probability rate(t) / highest. Exact for any profile, and each
//! candidate takes two draws whatever becomes of it.

use crate::{Stream, parse_duration, parse_rate};
use std::str::FromStr;

/// How requests are paced.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Load {
    /// Each client asks again as soon as it was answered.
    Closed,
    /// Requests come at a rate, answered or not.
    Open(Profile),
}

/// How the rate of an open load goes over time. Rates are per second, times in ns.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Profile {
    /// The same all the time.
    Constant {
        /// Requests a second.
        rate: f64,
    },
    /// From one rate to another in a straight line, and on at that.
    Ramp {
        /// At the start.
        from: f64,
        /// In the end.
        to: f64,
        /// How long it takes.
        over_ns: u64,
    },
    /// A base with bursts.
    Burst {
        /// Between the bursts.
        base: f64,
        /// In a burst.
        peak: f64,
        /// From one burst's start to the next; the first comes after one such span.
        every_ns: u64,
        /// How long a burst is.
        length_ns: u64,
    },
    /// Off-peak to peak and back, as a sine.
    Daily {
        /// At the start, off-peak.
        low: f64,
        /// Half a period later.
        high: f64,
        /// One day.
        period_ns: u64,
    },
}

impl Profile {
    /// Requests a second at a time since the start.
    pub fn rate_at(&self, now_ns: u64) -> f64 {
        match *self {
            Profile::Constant { rate } => rate,
            Profile::Ramp { from, to, over_ns } => {
                from + (to - from) * (now_ns as f64 / over_ns as f64).min(1.0)
            }
            Profile::Burst { base, peak, every_ns, length_ns } => {
                if now_ns >= every_ns && now_ns % every_ns < length_ns { peak } else { base }
            }
            Profile::Daily { low, high, period_ns } => {
                let turn = now_ns as f64 / period_ns as f64 * std::f64::consts::TAU;
                low + (high - low) * (1.0 - libm::cos(turn)) / 2.0
            }
        }
    }

    fn highest_rate(&self) -> f64 {
        match *self {
            Profile::Constant { rate } => rate,
            Profile::Ramp { from, to, .. } => from.max(to),
            Profile::Burst { base, peak, .. } => base.max(peak),
            Profile::Daily { low, high, .. } => low.max(high),
        }
    }
}

const EXPECTED: &str = "expected closed, 500/s, ramp:100/s..1000/s:30s, burst:100/s..2000/s:10s:1s (base..peak, \
                        every, length) or peak:100/s..1000/s:60s (low..high, period)";

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = |why: &dyn std::fmt::Display| format!("load {text:?}: {why}; {EXPECTED}");
        let parts: Vec<&str> = text.split(':').collect();
        let rates = |text: &str| -> Result<(f64, f64), String> {
            let (from, to) = text.split_once("..").ok_or_else(|| error(&"no two rates"))?;
            Ok((parse_rate(from).map_err(|e| error(&e))?, parse_rate(to).map_err(|e| error(&e))?))
        };
        let span = |text: &str| match parse_duration(text) {
            Ok(span) if span.is_zero() => Err(error(&"a span of no length")),
            Ok(span) => Ok(span.as_nanos() as u64),
            Err(why) => Err(error(&why)),
        };
        let profile = match parts.as_slice() {
            ["closed"] => return Ok(Load::Closed),
            [rate] => Profile::Constant { rate: parse_rate(rate).map_err(|e| error(&e))? },
            ["ramp", both, over] => {
                let (from, to) = rates(both)?;
                Profile::Ramp { from, to, over_ns: span(over)? }
            }
            ["burst", both, every, length] => {
                let (base, peak) = rates(both)?;
                Profile::Burst { base, peak, every_ns: span(every)?, length_ns: span(length)? }
            }
            ["peak", both, period] => {
                let (low, high) = rates(both)?;
                Profile::Daily { low, high, period_ns: span(period)? }
            }
            _ => return Err(error(&"not a load")),
        };
        Ok(Load::Open(profile))
    }
}

/// The intended starts of an open load, in ns since the run began, without end.
#[derive(Clone, Debug)]
pub struct Arrivals {
    profile: Profile,
    mean_gap_ns: f64,
    now_ns: u64,
    stream: Stream,
}

impl Arrivals {
    /// Arrivals by a profile.
    pub fn new(profile: Profile, seed: u64) -> Self {
        let mean_gap_ns = 1e9 / profile.highest_rate();
        Self { profile, mean_gap_ns, now_ns: 0, stream: Stream::new(seed, "arrivals") }
    }

    /// The next intended start.
    pub fn next_ns(&mut self) -> u64 {
        loop {
            let gap_ns = self.stream.draw_exponential(self.mean_gap_ns).round() as u64;
            self.now_ns = self.now_ns.saturating_add(gap_ns);
            if self.stream.draw_chance(self.profile.rate_at(self.now_ns) / self.profile.highest_rate()) {
                return self.now_ns;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrivals in [from, to) seconds of a load.
    fn count(load: &str, from: u64, to: u64) -> f64 {
        let Load::Open(profile) = load.parse().unwrap() else { panic!("an open load") };
        let mut arrivals = Arrivals::new(profile, 5);
        let second = 1_000_000_000;
        std::iter::from_fn(|| Some(arrivals.next_ns()))
            .take_while(|&at| at < to * second)
            .filter(|&at| at >= from * second)
            .count() as f64
    }

    /// Each count lies within four standard deviations (√n) of the integral of its profile.
    #[test]
    fn arrivals_follow_their_profile() {
        for (load, from, to, expected) in [
            ("1000/s", 0, 10, 10_000.0),
            ("ramp:0.001/s..1000/s:10s", 0, 10, 5_000.0),
            ("ramp:100/s..1000/s:10s", 10, 15, 5_000.0),
            ("burst:100/s..5000/s:4s:1s", 0, 4, 400.0),
            ("burst:100/s..5000/s:4s:1s", 4, 5, 5_000.0),
            ("peak:100/s..1000/s:20s", 0, 20, 11_000.0),
            ("peak:0.001/s..1000/s:20s", 5, 15, 5_000.0 + 10_000.0 / std::f64::consts::PI),
        ] {
            let seen = count(load, from, to);
            assert!((seen - expected).abs() < 4.0 * f64::sqrt(expected), "{load}: {seen}, not {expected}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "open", "5", "ramp:1/s:3s", "ramp:1/s..2/s:0s", "burst:1/s..2/s:1s", "peak:1/s..2/s"]
        {
            assert!(text.parse::<Load>().is_err(), "{text}");
        }
        assert_eq!("closed".parse(), Ok(Load::Closed));
    }
}
