//! How long each session waited after a fault until it was served again.
//!
//! A service-wide figure hides the users for whom it was worst: one client on the right side of a partition makes
//! the service *available*. So recovery is measured for each session that the fault affected.
//!
//! A session is **affected** by a fault if one of its operations
//! - was under way when the fault struck, or was invoked from then until what goes wrong is no longer put down to the
//!   fault ([`Fault::until`]), and ended in an error; or
//! - ended in time, but was under way during at least half of the fault: its user waited for the fault to be over.
//!
//! Its **recovery** is from the strike to its first success: the first completion of an operation that was invoked no
//! earlier than the first such one. Whoever asked again and never succeeded is *unrecovered*; whoever did not ask again
//! is in neither count, because nobody knows.

use super::faults::Fault;
use super::samples::{End, Sample, Samples};
use histories::{Id, SessionId};
use rustc_hash::FxHashMap;

/// What one fault did to sessions.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Recovery {
    /// From the strike to the first success of each affected session that had one, in ns, sorted.
    pub(super) recovered: Vec<i64>,
    /// Affected sessions that asked again, in vain.
    pub(super) unrecovered: usize,
    /// Affected sessions that did not ask again.
    pub(super) silent: usize,
}

impl Recovery {
    /// How long affected sessions waited, in ns, sorted. Whoever waited in vain waited at least until the end.
    pub(super) fn waits(&self, fault: &Fault, end: i64) -> Vec<i64> {
        let mut waits = self.recovered.clone();
        waits.extend(std::iter::repeat_n(end - fault.struck, self.unrecovered));
        waits.sort_unstable();
        waits
    }

    pub(super) fn affected(&self) -> usize {
        self.recovered.len() + self.unrecovered + self.silent
    }
}

/// What a fault did. O(a log n) beyond the a operations that it answers for.
pub(super) fn recovery(samples: &Samples, fault: &Fault) -> Recovery {
    let rows = &samples.rows[samples.reaching(fault.struck)..samples.from(fault.until.saturating_add(1))];
    // The first operation of each session that the fault hit.
    let mut hit: FxHashMap<SessionId, &Sample> = FxHashMap::default();
    for row in rows.iter().filter(|row| is_hit(row, fault)) {
        hit.entry(row.session).or_insert(row);
    }
    let mut recovery = Recovery::default();
    for (session, first) in hit {
        match first_success(samples, session, first) {
            Some(at) => recovery.recovered.push(at - fault.struck),
            None if asked_again(samples, session, first) => recovery.unrecovered += 1,
            None => recovery.silent += 1,
        }
    }
    recovery.recovered.sort_unstable();
    recovery
}

fn is_hit(row: &Sample, fault: &Fault) -> bool {
    let under_way = row.invoked >= fault.struck || row.ended.is_none_or(|ended| ended >= fault.struck);
    let (Some(ended), true) = (row.ended, under_way) else { return under_way };
    let waited = ended.min(fault.over()) - row.invoked.max(fault.struck);
    row.end == End::Error || (fault.over() > fault.struck && 2 * waited >= fault.over() - fault.struck)
}

/// The first completion of a success among the operations invoked no earlier than `first`.
fn first_success(samples: &Samples, session: SessionId, first: &Sample) -> Option<i64> {
    let mut best: Option<i64> = None;
    for row in since(samples, session, first) {
        if best.is_some_and(|best| row.invoked > best) {
            break;
        }
        // A refusal is an answer: the session is served, and told no.
        if row.end != End::Error {
            best = best.into_iter().chain(row.ended).min();
        }
    }
    best
}

fn asked_again(samples: &Samples, session: SessionId, first: &Sample) -> bool {
    since(samples, session, first).any(|row| row.id != first.id)
}

fn since<'a>(samples: &'a Samples, session: SessionId, first: &Sample) -> impl Iterator<Item = &'a Sample> {
    let rows = samples.of_session(session);
    let (invoked, id) = (first.invoked, first.id.index());
    rows.skip_while(move |row| (row.invoked, row.id.index()) < (invoked, id))
}
