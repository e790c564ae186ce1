//! Time, real or simulated, behind one type: the client loop is the same under both.
//!
//! A store in another process lives in real time; the embedded store lives in a simulation whose time jumps
//! from event to event. The naive way is a trait, and then every future that sleeps is generic over it. There
//! will only ever be these two, so it is an enum: a match at each use, and ordinary types everywhere else.

use crate::simulation::{SimulatedClock, Sleep};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A clock that starts at zero with the run. Cheap to clone; all clones tell the same time.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's monotonic clock. Sleeping needs a tokio runtime with its timer.
    Real {
        /// When it was zero.
        zero: Instant,
    },
    /// The clock of a simulation.
    Simulated(SimulatedClock),
}

impl Clock {
    /// A real clock that starts now.
    pub fn start_real() -> Self {
        Clock::Real { zero: Instant::now() }
    }

    /// Nanoseconds since the start.
    pub fn now_ns(&self) -> u64 {
        match self {
            Clock::Real { zero } => zero.elapsed().as_nanos() as u64,
            Clock::Simulated(timeline) => timeline.now_ns(),
        }
    }

    /// Returns at a time since the start; at once if that has passed.
    pub async fn sleep_until_ns(&self, at_ns: u64) {
        match self {
            Clock::Real { zero } => {
                let at = *zero + Duration::from_nanos(at_ns);
                if Instant::now() < at {
                    tokio::time::sleep_until(at.into()).await;
                }
            }
            Clock::Simulated(timeline) => timeline.sleep_until_ns(at_ns).await,
        }
    }

    /// Returns after a while.
    pub async fn sleep(&self, length: Duration) {
        self.sleep_until_ns(self.now_ns().saturating_add(length.as_nanos() as u64)).await;
    }

    /// Starts a task in the world whose time this is.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self {
            Clock::Real { .. } => drop(tokio::spawn(task)),
            Clock::Simulated(timeline) => timeline.spawn(task),
        }
    }

    /// What a future yields, or nothing if it has not by then; it is dropped. If both happen at once, what it
    /// yields counts.
    pub async fn await_until_ns<F: Future>(&self, deadline_ns: u64, future: F) -> Option<F::Output> {
        let timer = match self {
            Clock::Real { zero } => {
                let at = *zero + Duration::from_nanos(deadline_ns);
                DeadlineTimer::Real(Box::pin(tokio::time::sleep_until(at.into())))
            }
            Clock::Simulated(timeline) => DeadlineTimer::Simulated(timeline.sleep_until_ns(deadline_ns)),
        };
        Deadline { future: Box::pin(future), timer }.await
    }
}

enum DeadlineTimer {
    Real(Pin<Box<tokio::time::Sleep>>),
    Simulated(Sleep),
}

struct Deadline<F> {
    future: Pin<Box<F>>,
    timer: DeadlineTimer,
}

impl<F: Future> Future for Deadline<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let over = match &mut self.timer {
            DeadlineTimer::Real(sleep) => sleep.as_mut().poll(context),
            DeadlineTimer::Simulated(sleep) => Pin::new(sleep).poll(context),
        };
        over.map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_real_deadline_passes_and_a_quick_future_beats_it() {
        let clock = Clock::start_real();
        let never = std::future::pending::<()>();
        assert_eq!(clock.await_until_ns(clock.now_ns() + 5_000_000, never).await, None);
        assert!(clock.now_ns() >= 5_000_000);
        assert_eq!(clock.await_until_ns(0, async { 7 }).await, Some(7));
    }
}
