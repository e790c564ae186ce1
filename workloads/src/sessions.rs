//! Who acts next: a fixed number of seats, taken by sessions that end and are replaced.
//!
//! Users come and go while the number of those present stays about the same. A *seat* is a place for one
//! present user; the session in it lives for an exponential number of operations and is then replaced by a
//! new one, except in the seats that are kept for long-lived sessions. A session may have several requests in
//! flight, as a browser with two tabs does, up to a limit.

use crate::{Distribution, Sampler, Stream};
use std::sync::Arc;

/// How long sessions live.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Churn {
    /// How many operations a session does on average before it ends; none: sessions never end.
    pub mean_operations: Option<f64>,
    /// The share of seats whose sessions never end all the same.
    pub lasting_share: f64,
}

/// The seats, and who sits in them.
#[derive(Clone, Debug)]
pub(crate) struct Seats {
    seats: Vec<Seat>,
    limit: usize,
    sampler: Sampler,
    stream: Stream,
    churn: Churn,
    begun: u64,
    /// What the run is called in the names of sessions.
    run: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
struct Seat {
    session: Arc<str>,
    in_flight: usize,
    /// Operations until the session ends; none: never.
    left: Option<u64>,
}

impl Seats {
    pub(crate) fn new(
        count: usize,
        limit: usize,
        distribution: Distribution,
        churn: Churn,
        seed: u64,
    ) -> Self {
        assert!(limit > 0, "a session may have at least one request in flight");
        let mut seats = Self {
            seats: Vec::with_capacity(count),
            limit,
            sampler: Sampler::new(distribution, count),
            stream: Stream::new(seed, "sessions"),
            churn,
            begun: 0,
            run: None,
        };
        for seat in 0..count {
            let fresh = seats.new_seat(seat, count);
            seats.seats.push(fresh);
        }
        seats
    }

    /// The same with the name of a run in the names of all sessions.
    pub(crate) fn with_run_name(mut self, run: Option<Arc<str>>) -> Self {
        self.run = run;
        for number in 0..self.seats.len() {
            self.seats[number].session = self.session_name(number as u64 + 1);
        }
        self
    }

    fn session_name(&self, number: u64) -> Arc<str> {
        match &self.run {
            Some(run) => format!("s-{run}-{number}").into(),
            None => format!("s-{number}").into(),
        }
    }

    /// A seat whose session may send one more request, or none if all are busy. `ready` can refuse a seat.
    /// O(seats) where the drawn one is busy.
    pub(crate) fn take_seat(&mut self, ready: impl Fn(usize) -> bool) -> Option<usize> {
        let drawn = self.sampler.draw(&mut self.stream);
        let count = self.seats.len();
        let free = |seat: &usize| self.seats[*seat].in_flight < self.limit && ready(*seat);
        let seat = (0..count).map(|step| (drawn + step) % count).find(free)?;
        self.begin_request(seat);
        Some(seat)
    }

    /// Sends a request of a seat's session.
    pub(crate) fn begin_request(&mut self, seat: usize) {
        self.seats[seat].in_flight += 1;
        if let Some(left) = &mut self.seats[seat].left {
            *left = left.saturating_sub(1);
        }
    }

    /// How many seats there are.
    pub(crate) fn count(&self) -> usize {
        self.seats.len()
    }

    /// One request of a seat's session has ended, if it is still the same session.
    pub(crate) fn end_request(&mut self, seat: usize, session: &str) {
        if self.holds_session(seat, session) {
            self.seats[seat].in_flight -= 1;
        }
    }

    pub(crate) fn session_in_seat(&self, seat: usize) -> &Arc<str> {
        &self.seats[seat].session
    }

    pub(crate) fn holds_session(&self, seat: usize, session: &str) -> bool {
        self.seats[seat].session.as_ref() == session
    }

    /// Whether the session in a seat has done all it will do.
    pub(crate) fn has_no_operations_left(&self, seat: usize) -> bool {
        self.seats[seat].left == Some(0)
    }

    pub(crate) fn requests_in_flight(&self, seat: usize) -> usize {
        self.seats[seat].in_flight
    }

    /// Ends the session in a seat and begins another.
    pub(crate) fn replace_session(&mut self, seat: usize) {
        self.seats[seat] = self.new_seat(seat, self.seats.len());
    }

    fn new_seat(&mut self, seat: usize, count: usize) -> Seat {
        self.begun += 1;
        let lasting = (seat as f64) < self.churn.lasting_share * count as f64;
        let left = self.churn.mean_operations.filter(|_| !lasting);
        Seat {
            session: self.session_name(self.begun),
            in_flight: 0,
            left: left.map(|mean| (self.stream.draw_exponential(mean).ceil() as u64).max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(count: usize, limit: usize, mean: Option<f64>, lasting_share: f64) -> Seats {
        Seats::new(count, limit, Distribution::Uniform, Churn { mean_operations: mean, lasting_share }, 1)
    }

    #[test]
    fn the_limit_in_flight_is_kept() {
        let mut seats = seats(3, 2, None, 0.0);
        let mut taken: Vec<usize> = (0..6).map(|_| seats.take_seat(|_| true).unwrap()).collect();
        assert_eq!(seats.take_seat(|_| true), None);
        taken.sort_unstable();
        assert_eq!(taken, [0, 0, 1, 1, 2, 2]);
        seats.end_request(1, "s-2");
        assert_eq!(seats.take_seat(|seat| seat != 1), None);
        assert_eq!(seats.take_seat(|_| true), Some(1));
    }

    #[test]
    fn sessions_end_but_the_lasting_ones() {
        let mut seats = seats(4, 1, Some(5.0), 0.25);
        for _ in 0..1000 {
            let seat = seats.take_seat(|_| true).unwrap();
            let session = seats.session_in_seat(seat).clone();
            seats.end_request(seat, &session);
            if seats.has_no_operations_left(seat) {
                seats.replace_session(seat);
            }
        }
        assert!(seats.holds_session(0, "s-1"));
        assert!(seats.begun > 100, "{} sessions for 750 operations of 5 each", seats.begun);
        seats.end_request(1, "a session that is gone");
    }
}
