//! How long each session waited after a fault: until it was answered, and until it had its state again.
//!
//! A service-wide figure hides the users for whom it was worst: one client on the right side of a partition makes
//! the service *available*. So recovery is measured for each session that the fault affected.
//!
//! A session is **affected** by a fault if one of its operations
//! - was under way when the fault struck, or was invoked from then until what goes wrong is no longer put down to the
//!   fault ([`Fault::until`]), and ended in an error; or
//! - ended in time, but was under way during at least half of the fault: its user waited for the fault to be over.
//!
//! Its **recovery** is from the strike to its first answer: the first completion without an error of an operation that
//! was invoked no earlier than the first such one. *No such session* is an answer. Only requests count. Whoever was
//! silent for more than two seconds, and for longer than the wait until then, was not waiting for the store: what is
//! known of them ends with their last request ([`Wait`], censored), whether they asked again later or never.
//! Whoever asked until the end and was never answered is **unrecovered**.
//!
//! Its **recovery with its state** ([`state`]) is from the strike to the first answer that shows the session itself.

use super::faults::Fault;
use super::samples::{End, Sample, Samples};
use super::state::{State, StateAfter};
use super::survival::Wait;
use histories::{Id, SessionId};
use rustc_hash::FxHashMap;

/// How long a session may be silent between two requests and still count as waiting. Of a recovery that is reported, at
/// most so much is the session's own silence, or the half of it where that is more.
const SILENCE_NS: i64 = 2_000_000_000;

/// What one fault did to sessions.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Recovery {
    /// How long each affected session waited for an answer, sorted.
    pub(super) waits: Vec<Wait>,
    /// How long each that had a state waited until it had that again, sorted.
    pub(super) state_waits: Vec<Wait>,
    /// Affected sessions that asked until the end, in vain.
    pub(super) unrecovered: usize,
    /// Affected sessions that stopped asking.
    pub(super) silent: usize,
    /// Affected sessions that had a state and asked again.
    pub(super) with_state: usize,
    /// … and got that again.
    pub(super) recovered_with_state: usize,
    /// Whether anybody asked for anything while the fault was answered for.
    pub(super) asked: bool,
}

impl Recovery {
    pub(super) fn affected(&self) -> usize {
        self.waits.len()
    }

    /// Adds what another fault did; the waits are left unsorted.
    pub(super) fn add(&mut self, other: &Recovery) {
        self.waits.extend(&other.waits);
        self.state_waits.extend(&other.state_waits);
        self.unrecovered += other.unrecovered;
        self.silent += other.silent;
        self.with_state += other.with_state;
        self.recovered_with_state += other.recovered_with_state;
        self.asked |= other.asked;
    }
}

/// How a session's wait ended.
enum Ended {
    /// It was answered at that time.
    Answered(i64),
    /// It stopped asking, and its last request was over at that time.
    Silent(i64),
    /// It asked until the end, and its last request was over at that time.
    InVain(i64),
}

/// What a fault did. O(a log n) beyond the a operations that it answers for.
pub(super) fn recovery(samples: &Samples, state: Option<&State<'_>>, fault: &Fault) -> Recovery {
    let rows = &samples.rows[samples.reaching(fault.struck)..samples.from(fault.until.saturating_add(1))];
    // The first operation of each session that the fault hit.
    let mut hit: FxHashMap<SessionId, &Sample> = FxHashMap::default();
    for row in rows.iter().filter(|row| is_hit(row, fault)) {
        hit.entry(row.session).or_insert(row);
    }
    let mut recovery = Recovery { asked: !rows.is_empty(), ..Recovery::default() };
    let end = samples.span().map_or(fault.until, |(_, end)| end);
    for (session, first) in hit {
        recovery.waits.push(match end_of_wait(samples, session, first, fault.struck, end) {
            Ended::Answered(at) => Wait::answered(at - fault.struck),
            Ended::Silent(at) => {
                recovery.silent += 1;
                Wait::longer_than(at - fault.struck)
            }
            Ended::InVain(at) => {
                recovery.unrecovered += 1;
                Wait::longer_than(at - fault.struck)
            }
        });
        let after = state.and_then(|state| state.after(samples.of_session(session), first));
        let Some(after) = after else { continue };
        if after != StateAfter::Unasked {
            recovery.with_state += 1;
        }
        recovery.state_waits.push(match after {
            StateAfter::Back(at) => {
                recovery.recovered_with_state += 1;
                Wait::answered(at - fault.struck)
            }
            // It is gone, or never answered for: it waits for ever, and so is among those that wait to the end.
            StateAfter::Missing => Wait::longer_than(end - fault.struck),
            StateAfter::Unasked => Wait::longer_than(last_end(since(samples, session, first)) - fault.struck),
        });
    }
    recovery.waits.sort_unstable();
    recovery.state_waits.sort_unstable();
    recovery
}

fn is_hit(row: &Sample, fault: &Fault) -> bool {
    let under_way = row.invoked >= fault.struck || row.ended.is_none_or(|ended| ended >= fault.struck);
    let (Some(ended), true) = (row.ended, under_way) else { return under_way };
    let waited = ended.min(fault.over()) - row.invoked.max(fault.struck);
    row.end == End::Error || (fault.over() > fault.struck && 2 * waited >= fault.over() - fault.struck)
}

/// How a session's wait ended that began with `first`.
fn end_of_wait(samples: &Samples, session: SessionId, first: &Sample, struck: i64, end: i64) -> Ended {
    let mut answered: Option<i64> = None;
    // Until when its requests were under way, all that were looked at.
    let mut last = first.ended.unwrap_or(first.invoked);
    let mut again = false;
    for row in since(samples, session, first) {
        if answered.is_some_and(|answered| row.invoked > answered) {
            break;
        }
        if is_silence(struck, last, row.wanted) {
            return Ended::Silent(last);
        }
        // A refusal is an answer: the session is served, and told no.
        if row.end != End::Error {
            answered = answered.into_iter().chain(row.ended).min();
        }
        again |= row.id != first.id;
        last = last.max(row.ended.unwrap_or(row.invoked));
    }
    match answered {
        Some(at) => Ended::Answered(at),
        None if again && !is_silence(struck, last, end) => Ended::InVain(last),
        None => Ended::Silent(last),
    }
}

/// Whether a session that last waited at one time and asked at the next was silent in between by its own choice.
fn is_silence(struck: i64, last: i64, next: i64) -> bool {
    next - last > SILENCE_NS.max(last - struck)
}

fn last_end<'a>(rows: impl Iterator<Item = &'a Sample>) -> i64 {
    rows.map(|row| row.ended.unwrap_or(row.invoked)).max().unwrap_or(0)
}

fn since<'a>(
    samples: &'a Samples,
    session: SessionId,
    first: &Sample,
) -> impl Iterator<Item = &'a Sample> + Clone {
    let rows = samples.of_session(session);
    let (invoked, id) = (first.invoked, first.id.index());
    rows.skip_while(move |row| (row.invoked, row.id.index()) < (invoked, id))
}
