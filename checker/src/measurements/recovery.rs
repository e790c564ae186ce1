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

use super::faults::MeasuredFault;
use super::samples::{Sample, Samples, UserOutcome};
use super::state::{SessionStateTracker, StateAfter};
use super::survival::SessionWait;
use histories::{Id, SessionId};
use rustc_hash::FxHashMap;

/// How long a session may be silent between two requests and still count as waiting. Of a recovery that is reported, at
/// most so much is the session's own silence, or the half of it where that is more.
const SILENCE_NS: i64 = 2_000_000_000;

/// What one fault did to sessions.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Recovery {
    /// How long each affected session waited for an answer, sorted.
    pub(super) waits: Vec<SessionWait>,
    /// How long each that had a state waited until it had that again, sorted.
    pub(super) state_waits: Vec<SessionWait>,
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
    pub(super) fn affected_sessions(&self) -> usize {
        self.waits.len()
    }

    /// Adds what another fault did; the waits are left unsorted.
    pub(super) fn add_fault(&mut self, other: &Recovery) {
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
enum WaitEnd {
    /// It was answered at that time.
    Answered(i64),
    /// It stopped asking, and its last request was over at that time.
    Silent(i64),
    /// It asked until the end, and its last request was over at that time.
    InVain(i64),
}

/// What a fault did. O(a log n) beyond the a operations that it answers for.
pub(super) fn measure_recovery(
    samples: &Samples,
    state: Option<&SessionStateTracker<'_>>,
    fault: &MeasuredFault,
) -> Recovery {
    let rows = &samples.rows
        [samples.first_reaching(fault.struck)..samples.index_from(fault.until.saturating_add(1))];
    // The first operation of each session that the fault hit.
    let mut hit: FxHashMap<SessionId, &Sample> = FxHashMap::default();
    for row in rows.iter().filter(|row| is_hit_by(row, fault)) {
        hit.entry(row.session).or_insert(row);
    }
    let mut recovery = Recovery { asked: !rows.is_empty(), ..Recovery::default() };
    let end = samples.span().map_or(fault.until, |(_, end)| end);
    for (session, first) in hit {
        recovery.waits.push(match find_end_of_wait(samples, session, first, fault.struck, end) {
            WaitEnd::Answered(at) => SessionWait::answered_after(at - fault.struck),
            WaitEnd::Silent(at) => {
                recovery.silent += 1;
                SessionWait::longer_than(at - fault.struck)
            }
            WaitEnd::InVain(at) => {
                recovery.unrecovered += 1;
                SessionWait::longer_than(at - fault.struck)
            }
        });
        let after = state.and_then(|state| state.state_after(samples.rows_of_session(session), first));
        let Some(after) = after else { continue };
        if after != StateAfter::Unasked {
            recovery.with_state += 1;
        }
        recovery.state_waits.push(match after {
            StateAfter::Back(at) => {
                recovery.recovered_with_state += 1;
                SessionWait::answered_after(at - fault.struck)
            }
            // It is gone, or never answered for: it waits for ever, and so is among those that wait to the end.
            StateAfter::Missing => SessionWait::longer_than(end - fault.struck),
            StateAfter::Unasked => {
                SessionWait::longer_than(last_activity(rows_since(samples, session, first)) - fault.struck)
            }
        });
    }
    recovery.waits.sort_unstable();
    recovery.state_waits.sort_unstable();
    recovery
}

fn is_hit_by(row: &Sample, fault: &MeasuredFault) -> bool {
    let under_way = row.invoked >= fault.struck || row.ended.is_none_or(|ended| ended >= fault.struck);
    let (Some(ended), true) = (row.ended, under_way) else { return under_way };
    let waited = ended.min(fault.end_time()) - row.invoked.max(fault.struck);
    row.end == UserOutcome::Error
        || (fault.end_time() > fault.struck && 2 * waited >= fault.end_time() - fault.struck)
}

/// How a session's wait ended that began with `first`.
fn find_end_of_wait(samples: &Samples, session: SessionId, first: &Sample, struck: i64, end: i64) -> WaitEnd {
    let mut answered: Option<i64> = None;
    // Until when its requests were under way, all that were looked at.
    let mut last = first.ended.unwrap_or(first.invoked);
    let mut again = false;
    for row in rows_since(samples, session, first) {
        if answered.is_some_and(|answered| row.invoked > answered) {
            break;
        }
        if is_own_silence(struck, last, row.wanted) {
            return WaitEnd::Silent(last);
        }
        // A refusal is an answer: the session is served, and told no.
        if row.end != UserOutcome::Error {
            answered = answered.into_iter().chain(row.ended).min();
        }
        again |= row.id != first.id;
        last = last.max(row.ended.unwrap_or(row.invoked));
    }
    match answered {
        Some(at) => WaitEnd::Answered(at),
        None if again && !is_own_silence(struck, last, end) => WaitEnd::InVain(last),
        None => WaitEnd::Silent(last),
    }
}

/// Whether a session that last waited at one time and asked at the next was silent in between by its own choice.
fn is_own_silence(struck: i64, last: i64, next: i64) -> bool {
    next - last > SILENCE_NS.max(last - struck)
}

fn last_activity<'a>(rows: impl Iterator<Item = &'a Sample>) -> i64 {
    rows.map(|row| row.ended.unwrap_or(row.invoked)).max().unwrap_or(0)
}

fn rows_since<'a>(
    samples: &'a Samples,
    session: SessionId,
    first: &Sample,
) -> impl Iterator<Item = &'a Sample> + Clone {
    let rows = samples.rows_of_session(session);
    let (invoked, id) = (first.invoked, first.id.index());
    rows.skip_while(move |row| (row.invoked, row.id.index()) < (invoked, id))
}

#[cfg(test)]
mod tests {
    use crate::Limits;
    use crate::continuity::{Question, RenewedBy, judge_session_findings};
    use crate::measurements::tests::{bounded, history, is, unknown};
    use crate::measurements::{Measurements, measure_history, measure_session_losses};
    use histories::ValueId;

    /// Measured as sessions that live for ever.
    fn measured(text: &str) -> Measurements {
        let history = history(text);
        let question =
            Question { time_to_live_ns: None, renewed_by: RenewedBy::default(), tolerance_ns: 100_000_000 };
        let limits =
            Limits { steps: 1 << 30, bytes: 1 << 30, stop: &std::sync::atomic::AtomicBool::new(false) };
        measure_history(
            &history,
            ValueId::NULL,
            &measure_session_losses(&history, &judge_session_findings(&history, &question, &limits)),
        )
    }

    fn payload(user: &str, version: u32) -> String {
        format!(r#"{{"bytes":64,"session":"{user}","version":{version}}}"#)
    }

    fn two_sessions() -> String {
        format!("100-110 a create a {} ok\n 100-110 b create b {} ok\n", payload("a", 1), payload("b", 2))
    }

    /// Everybody is refused when the primary dies at 1 s. b is served at 3.001, and again at 60 s; a's renewal times out at
    /// 2.2, after which nobody asks for a, whose id nobody knows. It said that a waited for 59 s, the rest of the run,
    /// and that one session was never served; a polling client had seen everybody served within seconds.
    ///
    /// a waited for more than 1.2 s, and b for 2.001: of those that waited longer than a, all were served by then.
    #[test]
    fn who_stops_asking_waits_until_then_and_no_longer() {
        let found = measured(&format!(
            "{}
             1000 nemesis kill \"n1\"
             1100-1600 a read a null info timeout
             1100-1600 b read b null info timeout
             1700-2200 a renew a \"a.1\" info timeout
             2500 nemesis heal-kill \"n1\"
             3000-3001 b read b {} ok
             60000-60001 b read b {} ok",
            two_sessions(),
            payload("b", 2),
            payload("b", 2)
        ));
        for values in [&found.run, &found.faults[0].values] {
            is(values, "affected_sessions", 2.0);
            is(values, "recovery_max_seconds", 2.001);
            is(values, "recovery_p50_seconds", 2.001);
            is(values, "unrecovered_sessions", 0.0);
            is(values, "silent_sessions", 1.0);
            // b was found; whether a would have been, nobody asked.
            is(values, "recovered_with_state_share", 1.0);
            is(values, "recovery_with_state_max_seconds", 2.001);
        }
    }

    /// b fails at 1.6 and asks again a minute later, which is no fault of the store: what is known of b is that it was not
    /// served by then. It said 59 s.
    #[test]
    fn the_silence_of_a_session_is_its_own() {
        let found = measured(&format!(
            "{}
             1000 nemesis kill \"n1\"
             1100-1600 b read b null info timeout
             1100-1150 a read a null info timeout
             1500-1510 a read a {} ok
             2500 nemesis heal-kill \"n1\"
             60000-60001 b read b {} ok",
            two_sessions(),
            payload("a", 1),
            payload("b", 2)
        ));
        is(&found.run, "silent_sessions", 1.0);
        // a waited for 510 ms, b for more than 600: of the longest wait only that is known.
        is(&found.run, "recovery_p50_seconds", 0.510);
        bounded(&found.run, "recovery_max_seconds", 0.600, f64::INFINITY);
    }

    /// Whoever asks again and again is not silent in between, however long it takes in all: 30 s, then twice as long as the
    /// wait until then would be silence, and 20 s is not.
    #[test]
    fn asking_ever_less_often_is_still_asking() {
        let found = measured(&format!(
            "{}
             1000 nemesis kill \"n1\"
             1000-2000 b read b null info timeout
             4000-5000 b read b null info timeout
             9000-31000 b read b null info timeout
             51000-51001 b read b {} ok
             40000 nemesis heal-kill \"n1\"",
            two_sessions(),
            payload("b", 2)
        ));
        is(&found.run, "recovery_max_seconds", 50.001);
    }

    /// Both are answered 0.1 s after the strike that there is no such session: service, and no recovery. a stays gone, b's
    /// is found again a second later (a replica that had lagged). b's user gets it back; a's user creates another, which is
    /// not the one that was lost.
    #[test]
    fn an_answer_that_there_is_no_session_is_service_and_no_recovery() {
        let found = measured(&format!(
            "{}
             1000 nemesis kill \"n1\"
             1010-1020 a read a null info reset
             1010-1020 b read b null info reset
             1090-1100 a read a null ok
             1090-1100 b read b null ok
             1200-1210 a create a2 {} ok
             1300-1310 a read a2 {} ok
             2090-2100 b read b {} ok
             2500 nemesis heal-kill \"n1\"
             3000-3100 a read a2 {} ok",
            two_sessions(),
            payload("a", 3),
            payload("a", 3),
            payload("b", 2),
            payload("a", 3)
        ));
        is(&found.run, "recovery_max_seconds", 0.100);
        is(&found.run, "recovered_with_state_share", 0.5);
        is(&found.run, "recovery_with_state_p50_seconds", 1.100);
        // Until the end of the run, at 3.1 s, a had not been found, and it never was.
        bounded(&found.run, "recovery_with_state_max_seconds", 2.100, f64::INFINITY);
    }

    /// What a session held before is not its state: 1 had been replaced by 2 when the fault struck. With 2 it has that again.
    #[test]
    fn an_old_version_is_not_the_state() {
        let found = measured(&format!(
            "100-110 a create a {} ok
             200-210 a write a {} ok
             1000 nemesis kill \"n1\"
             1010-1020 a read a null info reset
             1090-1100 a read a {} ok
             1490-1500 a read a {} ok
             2500 nemesis heal-kill \"n1\"",
            payload("a", 1),
            payload("a", 2),
            payload("a", 1),
            payload("a", 2),
        ));
        is(&found.run, "recovery_max_seconds", 0.100);
        is(&found.run, "recovery_with_state_max_seconds", 0.500);
    }

    /// A user who ends the session does not lose it, and neither does one whose creation failed.
    #[test]
    fn what_was_ended_or_never_there_is_not_missed() {
        let found = measured(&format!(
            "{}
             1000 nemesis kill \"n1\"
             1010-1020 a destroy a null info reset
             1090-1100 a read a null ok
             1010-1020 c create c {} info reset
             1090-1100 c read c null ok
             2500 nemesis heal-kill \"n1\"",
            two_sessions(),
            payload("c", 3)
        ));
        is(&found.run, "affected_sessions", 2.0);
        unknown(&found.run, "recovered_with_state_share");
    }

    /// Nobody asked for anything while the fault was answered for: nobody waited, and nobody knows whether they would have.
    #[test]
    fn where_nothing_was_asked_nothing_is_zero() {
        let found = measured(&format!(
            "{}\n 1000 nemesis kill \"n1\"\n 2500 nemesis heal-kill \"n1\"",
            two_sessions()
        ));
        unknown(&found.faults[0].values, "recovery_max_seconds");
        unknown(&found.faults[0].values, "affected_sessions");
        unknown(&found.run, "recovery_p99_seconds");
    }
}
