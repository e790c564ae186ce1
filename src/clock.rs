//! The clock that reports take their times from.
//!
//! WebAssembly has no clock of its own, and [`std::time::Instant::now`] panics there. The host gives one instead.

#[cfg(not(target_family = "wasm"))]
pub use std::time::Instant;

#[cfg(target_family = "wasm")]
pub use host_clock::{Instant, set_host_clock};

#[cfg(target_family = "wasm")]
mod host_clock {
    use std::sync::OnceLock;
    use std::time::Duration;

    static HOST_CLOCK: OnceLock<fn() -> Duration> = OnceLock::new();

    /// Sets the clock. Only the first call has an effect. Without a clock every time is zero.
    pub fn set_host_clock(now: fn() -> Duration) {
        let _ = HOST_CLOCK.set(now);
    }

    /// A moment by the clock of the host.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    pub struct Instant(Duration);

    impl Instant {
        /// The current moment.
        pub fn now() -> Self {
            Self(HOST_CLOCK.get().map_or(Duration::ZERO, |now| now()))
        }

        /// The time since this moment; zero if the clock went back.
        pub fn elapsed(&self) -> Duration {
            Self::now().duration_since(*self)
        }

        /// The time from an earlier moment to this one; zero if the clock went back.
        pub fn duration_since(&self, earlier: Self) -> Duration {
            self.0.saturating_sub(earlier.0)
        }
    }
}
