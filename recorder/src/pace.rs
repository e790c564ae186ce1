//! When each client takes its next task.
//!
//! There is no dispatcher. The arrivals of an open load are a sequence that all clients draw from: whoever is
//! free takes the next one and sleeps until it is due, or, if it is overdue, begins at once. What is in flight
//! is bounded by the number of clients, and what waits is bounded by dropping arrivals that are overdue by
//! more than a limit. They are counted: a load that the store could not take is a result, not an accident.

use workloads::{Arrivals, Load, Profile};

/// The next starts, shared by all clients.
#[derive(Debug)]
pub(crate) struct Pace {
    arrivals: Option<Arrivals>,
    /// When the load begins: arrivals count from there.
    zero_ns: u64,
    /// How far behind its intended start a request may begin.
    patience_ns: u64,
    dropped: u64,
}

/// When to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RequestStart {
    /// At once: the load is closed.
    Now,
    /// At this time, or as soon after as possible.
    At(u64),
}

impl Pace {
    pub(crate) fn new(load: Load, seed: u64, patience_ns: u64) -> Self {
        let arrivals = match load {
            Load::Closed => None,
            Load::Open(profile) => Some(Arrivals::new(profile as Profile, seed)),
        };
        Self { arrivals, zero_ns: 0, patience_ns, dropped: 0 }
    }

    /// The load begins at this time, and not at zero.
    pub(crate) fn begin_load_at(&mut self, zero_ns: u64) {
        self.zero_ns = zero_ns;
    }

    /// The next start, for a client that is free now; and when those were due that are dropped for it.
    pub(crate) fn next_start(&mut self, now_ns: u64) -> (RequestStart, Vec<u64>) {
        let Some(arrivals) = &mut self.arrivals else { return (RequestStart::Now, Vec::new()) };
        let mut overdue = Vec::new();
        loop {
            let at_ns = self.zero_ns.saturating_add(arrivals.next_ns());
            if at_ns.saturating_add(self.patience_ns) >= now_ns {
                return (RequestStart::At(at_ns), overdue);
            }
            self.dropped += 1;
            overdue.push(at_ns);
        }
    }

    /// When those were due that nobody has drawn and that are too old at the end of the load.
    pub(crate) fn take_overdue(&mut self, end_ns: u64) -> Vec<u64> {
        self.next_start(end_ns).1
    }

    /// How many requests were never made because nobody was free in time.
    pub(crate) fn dropped_count(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_late_catches_up_and_drops_what_is_too_old() {
        let second = 1_000_000_000;
        let mut pace = Pace::new("1000/s".parse().unwrap(), 1, second);
        let (RequestStart::At(first), _) = pace.next_start(0) else { panic!("an open load") };
        assert!(first < second / 10);
        // Ten seconds later about nine thousand are too old, and the next one is due at about nine seconds.
        let (RequestStart::At(next), overdue) = pace.next_start(10 * second) else { panic!("an open load") };
        assert!((9 * second..10 * second).contains(&next));
        assert!((8_500..9_500).contains(&pace.dropped_count()), "{}", pace.dropped_count());
        assert_eq!((overdue.len() as u64, overdue.is_sorted()), (pace.dropped_count(), true));
        assert!(overdue.iter().all(|due| due + second < 10 * second), "what is not too old is still made");
        assert_eq!(Pace::new(Load::Closed, 1, 0).next_start(5), (RequestStart::Now, Vec::new()));
    }

    /// Whatever came before the load, its first arrivals are not overdue.
    #[test]
    fn arrivals_count_from_when_the_load_begins() {
        let mut pace = Pace::new("1000/s".parse().unwrap(), 1, 1_000_000);
        pace.begin_load_at(5_000_000_000);
        let (RequestStart::At(first), _) = pace.next_start(5_000_000_000) else { panic!("an open load") };
        assert!((5_000_000_000..5_100_000_000).contains(&first));
        assert_eq!(pace.dropped_count(), 0);
    }
}
