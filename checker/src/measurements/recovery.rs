//! How long each session waited after a fault: until it was answered, and until it had its state again.
//!
//! A figure for the whole service hides the users for whom it was worst: one client on the right side of a partition
//! makes the service *available*. So recovery is measured for each session that the fault affected.
//!
//! A session is **affected** by a fault if one of its operations
//! - was in progress when the fault struck, or was invoked from then until errors are no longer attributed to the fault
//!   ([`Fault::until`]), and ended in an error; or
//! - was answered, but was in progress during at least half of the fault: its user waited for the fault to end.
//!
//! Its **recovery** is the time from the strike to its first answer. That is the first completion without an error, not
//! before the strike, among the operations invoked no earlier than the first affected one. A session that was still served after the
//! strike waits only from its first affected operation on, from when that was due: otherwise a fault that lasts for a
//! minute, or a failover after an hour of slowness, would count as a wait of its whole length. *No such session* is an answer. Only requests
//! count. A session that was silent for more than two seconds, and for longer than it had waited until then, was not
//! waiting for the store. What is known of its wait then ends with its last request ([`Wait`], censored), whether it
//! asked again later or not. A session that asked until the end and was never answered is **unrecovered**.
//!
//! Its **recovery with its state** ([`state`]) is the time from the strike to the first answer that shows the session
//! itself.

use super::faults::MeasuredFault;
use super::in_time::UntilStopped;
use super::samples::{Sample, Samples, UserOutcome};
use super::state::{SessionStateTracker, StateAfter};
use super::survival::SessionWait;
use histories::{Id, SessionId};
use rustc_hash::FxHashMap;
use std::sync::atomic::AtomicBool;

/// How long a session may be silent between two requests and still count as waiting. At most this much of a reported
/// recovery is the session's own silence, or half of the recovery if that is more.
const SILENCE_NS: i64 = 2_000_000_000;

/// What one fault did to sessions.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Recovery {
    /// How long each affected session waited for an answer, sorted.
    pub(super) waits: Vec<SessionWait>,
    /// How long each affected session that had a state waited until it had it again, sorted.
    pub(super) state_waits: Vec<SessionWait>,
    /// The number of affected sessions that asked until the end and were never answered.
    pub(super) unrecovered: usize,
    /// The number of affected sessions that stopped asking.
    pub(super) silent: usize,
    /// The number of affected sessions that had a state and asked again.
    pub(super) with_state: usize,
    /// The number of those that got their state again.
    pub(super) recovered_with_state: usize,
    /// Whether any operation was requested while errors were attributed to the fault.
    pub(super) asked: bool,
}

impl Recovery {
    pub(super) fn affected_sessions(&self) -> usize {
        self.waits.len()
    }

    /// Adds the effects of another fault. The waits are left unsorted.
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

/// How the wait of a session ended.
enum WaitEnd {
    /// The session was answered at this time.
    Answered(i64),
    /// The session stopped asking, and its last request was over at this time.
    Silent(i64),
    /// The session asked until the end, and its last request was over at this time.
    InVain(i64),
}

/// What a fault did. O(a log n) beyond the a operations that it answers for. Wrong once the flag is set.
pub(super) fn measure_recovery(
    samples: &Samples,
    state: Option<&SessionStateTracker<'_>>,
    fault: &MeasuredFault,
    stop: &AtomicBool,
) -> Recovery {
    let rows = &samples.rows
        [samples.first_reaching(fault.struck)..samples.index_from(fault.until.saturating_add(1))];
    // For each session, the first operation that the fault hit.
    let mut hit: FxHashMap<SessionId, &Sample> = FxHashMap::default();
    for row in rows.iter().until_stopped(stop).filter(|row| is_hit_by(row, fault)) {
        hit.entry(row.session).or_insert(row);
    }
    let mut recovery = Recovery { asked: !rows.is_empty(), ..Recovery::default() };
    let end = samples.span().map_or(fault.until, |(_, end)| end);
    for (session, first) in hit.into_iter().until_stopped(stop) {
        let began = find_start_of_wait(samples, session, first, fault.struck);
        recovery.waits.push(match find_end_of_wait(samples, session, first, began, end) {
            WaitEnd::Answered(at) => SessionWait::answered_after(at - began),
            WaitEnd::Silent(at) => {
                recovery.silent += 1;
                SessionWait::longer_than(at - began)
            }
            WaitEnd::InVain(at) => {
                recovery.unrecovered += 1;
                SessionWait::endless_after(at - began)
            }
        });
        let after = state.and_then(|state| state.state_after(samples.rows_of_session(session), first, began));
        let Some(after) = after else { continue };
        if after != StateAfter::Unasked {
            recovery.with_state += 1;
        }
        recovery.state_waits.push(match after {
            StateAfter::Back(at) => {
                recovery.recovered_with_state += 1;
                SessionWait::answered_after(at - began)
            }
            // The session is gone: it waits for ever, as far as the recording shows.
            StateAfter::Missing => SessionWait::endless_after(end - began),
            StateAfter::Unasked => {
                SessionWait::longer_than(last_activity(rows_since(samples, session, first)) - began)
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

/// When a session began to wait whose first affected operation is `first`: at the strike, or if it was served since,
/// when that operation was due.
fn find_start_of_wait(samples: &Samples, session: SessionId, first: &Sample, struck: i64) -> i64 {
    let is_served = |row: &Sample| {
        row.invoked >= struck
            && row.end != UserOutcome::Error
            && row.ended.is_some_and(|ended| ended <= first.invoked)
    };
    let mut before = samples.rows_of_session(session).take_while(|row| row.invoked < first.invoked);
    if before.any(is_served) { first.wanted.max(struck) } else { struck }
}

/// How the wait of a session ended that began at `began`, with the operation `first`.
fn find_end_of_wait(samples: &Samples, session: SessionId, first: &Sample, began: i64, end: i64) -> WaitEnd {
    let mut answered: Option<i64> = None;
    // The latest time at which one of the requests that were visited was in progress.
    let mut last = first.until;
    for row in rows_since(samples, session, first) {
        if answered.is_some_and(|answered| row.invoked > answered) {
            break;
        }
        if is_own_silence(began, last, row.wanted) {
            return WaitEnd::Silent(last);
        }
        // A refusal is an answer: the session is served. What another tab was answered before the strike ends no wait.
        if row.end != UserOutcome::Error {
            let after = row.ended.filter(|&ended| ended >= began);
            answered = answered.into_iter().chain(after).min();
        }
        last = last.max(row.until);
    }
    match answered {
        Some(at) => WaitEnd::Answered(at),
        None if !is_own_silence(began, last, end) => WaitEnd::InVain(last),
        None => WaitEnd::Silent(last),
    }
}

/// Whether a session was silent by its own choice between a time until which it waited and its next request.
fn is_own_silence(began: i64, last: i64, next: i64) -> bool {
    next - last > SILENCE_NS.max(last - began)
}

fn last_activity<'a>(rows: impl Iterator<Item = &'a Sample>) -> i64 {
    rows.map(|row| row.until).max().unwrap_or(0)
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
    use crate::continuity::{Question, judge_session_findings};
    use crate::measurements::tests::{bounded, history, is, unknown};
    use crate::measurements::{Measurements, find_metric, measure_history, measure_session_losses};
    use histories::ValueId;

    /// Measures a history in which sessions never expire.
    fn measured(text: &str) -> Measurements {
        let history = history(text);
        let question = Question::default();
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

    /// All requests fail when the primary is killed at 1 s. Session b is served at 3.001 s, and again at 60 s. The
    /// renewal of a times out at 2.2 s; its new id is unknown, so nothing is asked for a afterwards. The measurement
    /// used to say that a waited for 59 s, the rest of the run, and that one session was never served. A polling client
    /// had seen every session served within seconds.
    ///
    /// Session a waited for more than 1.2 s, and b for 2.001 s. All sessions that waited longer than a were served by
    /// then.
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
            // The state of b was found. No request tells whether that of a would have been.
            is(values, "recovered_with_state_share", 1.0);
            is(values, "recovery_with_state_max_seconds", 2.001);
        }
    }

    /// The read of b never ends. Its user waited until the recording ended, at 60 s. Without an end, it used to count as over when it
    /// began: nobody was affected, and nobody waited.
    #[test]
    fn who_is_never_answered_waits_until_the_end() {
        let found = measured(&format!(
            "{}
             900-? b read b null
             1000 nemesis kill \"n1\"
             1100-1110 a read a {} ok
             2500 nemesis heal-kill \"n1\"
             60000-60001 a read a {} ok",
            two_sessions(),
            payload("a", 1),
            payload("a", 1)
        ));
        for values in [&found.run, &found.faults[0].values] {
            is(values, "affected_sessions", 1.0);
            is(values, "unrecovered_sessions", 1.0);
            is(values, "silent_sessions", 0.0);
            bounded(values, "recovery_max_seconds", 59.001, f64::INFINITY);
        }
        is(&found.run, "session_unavailable_max_seconds", 59.101);
    }

    /// A user with two tabs. The write of one tab was open when the primary was killed at 3 s, and timed out at 4.5 s. The other tab was
    /// answered at 1.1 s, before the kill. That answer used to end the wait, so the recovery was -1.9 s, and every objective for it was met.
    /// The next answer comes at 6.1 s.
    #[test]
    fn an_answer_from_before_the_strike_ends_no_wait() {
        let text = format!(
            "100-110 a create a {} ok
             500-4500 a write a {} info timeout
             1000-1100 a read a {} ok
             3000 nemesis kill \"n1\"
             3500-3600 a read a null info timeout
             4000 nemesis heal-kill \"n1\"
             6000-6100 a read a {} ok",
            payload("a", 1),
            payload("a", 2),
            payload("a", 1),
            payload("a", 1)
        );
        let found = measured(&text);
        for values in [&found.run, &found.faults[0].values] {
            is(values, "recovery_max_seconds", 3.1);
            is(values, "recovery_p50_seconds", 3.1);
            is(values, "recovery_with_state_max_seconds", 3.1);
        }
        // The write never ends, and nothing is asked after the strike: the user waits until the end.
        let text = format!(
            "100-110 a create a {} ok
             500-? a write a {}
             1000-1100 a read a {} ok
             3000 nemesis kill \"n1\"
             5000 nemesis heal-kill \"n1\"",
            payload("a", 1),
            payload("a", 2),
            payload("a", 1)
        );
        let found = measured(&text);
        is(&found.run, "unrecovered_sessions", 1.0);
        bounded(&found.run, "recovery_max_seconds", 2.0, f64::INFINITY);
    }

    /// Session a was answered after 4 s. Session b asked in vain for 2.2 s, until shortly before the end. The maximum was exactly 4 s,
    /// although b may wait for ever.
    #[test]
    fn the_longest_wait_is_open_if_a_session_was_never_answered() {
        let text = format!(
            "{}
             1000 nemesis kill \"n1\"
             1100-1200 a read a null info timeout
             1100-1200 b read b null info timeout
             2500 nemesis heal-kill \"n1\"
             3000-3100 a read a null info timeout
             3100-3200 b read b null info timeout
             4990-5000 a read a {} ok",
            two_sessions(),
            payload("a", 1)
        );
        let found = measured(&text);
        is(&found.run, "unrecovered_sessions", 1.0);
        bounded(&found.run, "recovery_max_seconds", 4.0, f64::INFINITY);
        is(&found.run, "recovery_p50_seconds", 4.0);
    }

    /// Of four sessions one is answered after 4 s, and three are asked for in vain until the end. Their waits counted as over when they were
    /// last asked for, so every percentile was 4 s, and every objective for it was met.
    #[test]
    fn percentiles_count_the_sessions_that_were_never_answered() {
        let users = ["a", "b", "c", "d"];
        let mut text = String::new();
        for (user, version) in users.into_iter().zip(1..) {
            text += &format!("100-110 {user} create {user} {} ok\n", payload(user, version));
            text += &format!("1100-1200 {user} read {user} null info timeout\n");
            text += &format!("3000-3100 {user} read {user} null info timeout\n");
        }
        text += "1000 nemesis kill \"n1\"\n2500 nemesis heal-kill \"n1\"\n";
        text += &format!("4990-5000 a read a {} ok\n", payload("a", 1));
        let found = measured(&text);
        is(&found.run, "unrecovered_sessions", 3.0);
        is(&found.run, "silent_sessions", 0.0);
        for name in ["recovery_p50_seconds", "recovery_p99_seconds", "recovery_max_seconds"] {
            bounded(&found.run, name, 4.0, f64::INFINITY);
        }
        is(&found.faults[0].values, "recovery_first_seconds", 4.0);
        // Sessions that are answered, and gone: the same for their state.
        let gone = ["b", "c", "d"].map(|user| format!("4000-4010 {user} read {user} null ok\n")).concat();
        let found = measured(&format!("{text}{gone}"));
        is(&found.run, "recovered_with_state_share", 0.25);
        for name in ["recovery_with_state_p50_seconds", "recovery_with_state_p99_seconds"] {
            bounded(&found.run, name, 4.0, f64::INFINITY);
        }
    }

    /// The last answer to session a before the fault was its renewal, and it is gone afterwards. It had a state, and lost it.
    #[test]
    fn a_session_that_was_renewed_had_a_state() {
        let found = measured(&format!(
            "{}
             200-210 a renew a \"a.1\" ok
             1000 nemesis kill \"n1\"
             1100-1200 a read a.1 null info timeout
             2500 nemesis heal-kill \"n1\"
             3000-3010 a read a.1 null ok
             3100-3110 b read b {} ok",
            two_sessions(),
            payload("b", 2)
        ));
        is(&found.run, "recovered_with_state_share", 0.0);
    }

    /// No recovery is negative, whatever two tabs of three users do around two faults, and none is longer than the history.
    #[test]
    fn no_recovery_is_negative() {
        let mut state = 1u64;
        let mut draw = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut measured_sessions = 0.0;
        for case in 0..400 {
            let mut text = String::new();
            for (user, version) in ["a", "b", "c"].into_iter().zip(1..) {
                text += &format!("0-10 {user} create {user} {} ok\n", payload(user, version));
            }
            let (one, other) = (100 + draw(400), 600 + draw(300));
            text += &format!("{one} nemesis kill \"n1\"\n{} nemesis heal-kill \"n1\"\n", one + 1 + draw(100));
            text += &format!("{other} nemesis kill \"n1\"\n");
            for number in 0..20 {
                let user = ["a", "b", "c"][draw(3) as usize];
                let (from, length) = (20 + draw(900), 1 + draw(400));
                text += &match draw(4) {
                    0 => format!("{from}-? {user} write {user} {}\n", payload(user, 100 + number)),
                    1 => format!("{from}-{} {user} read {user} null info timeout\n", from + length),
                    _ => format!("{from}-{} {user} read {user} {} ok\n", from + length, payload(user, 1)),
                };
            }
            let found = measured(&text);
            for values in found.faults.iter().map(|fault| &fault.values).chain([&found.run]) {
                let names =
                    ["recovery_p50_seconds", "recovery_first_seconds", "recovery_with_state_p50_seconds"];
                for name in
                    names.into_iter().chain(["recovery_max_seconds", "recovery_with_state_max_seconds"])
                {
                    let metric = find_metric(name).expect("a metric");
                    let Some(Ok(figure)) = values.get(metric) else { continue };
                    assert!(figure.least >= 0.0, "case {case}: {name} is {figure:?}\n{text}");
                    assert!(figure.least <= 1.4, "case {case}: {name} is {figure:?}\n{text}");
                    measured_sessions += 1.0;
                }
            }
        }
        assert!(measured_sessions > 1_000.0, "{measured_sessions}");
    }

    /// Session b fails at 1.6 s and asks again a minute later, which is not the store's fault. It is known only that b
    /// was not served by 1.6 s. The measurement used to say 59 s.
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
        // Session a waited for 510 ms, and b for more than 600 ms: of the longest wait, only this lower bound is known.
        is(&found.run, "recovery_p50_seconds", 0.510);
        bounded(&found.run, "recovery_max_seconds", 0.600, f64::INFINITY);
    }

    /// A session that keeps asking is not silent in between, however long it takes in all. After 30 s of waiting, only
    /// a silence of more than 30 s would count, and 20 s is less.
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

    /// Both sessions are told 0.1 s after the strike that there is no such session: that is service, and not recovery
    /// of the state. The session of b is found again a second later (a replica had lagged). The session of a stays
    /// gone; its user creates another, which is not the one that was lost.
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
        // Until the end of the run, at 3.1 s, the session of a was not found.
        bounded(&found.run, "recovery_with_state_max_seconds", 2.100, f64::INFINITY);
    }

    /// An outdated version is not the state: 1 had been replaced by 2 when the fault struck. With 2, the session has
    /// its state again.
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

    /// The network is slow for twenty seconds. Session a is served all the time, but for one request that times out after
    /// nineteen seconds and is tried again half a second later. Its user waited for one second; the measurement used to
    /// say twenty, the time since the strike. The request was due 0.1 s before it could be sent, which counts as well.
    /// Session b is served by nobody from the strike on.
    #[test]
    fn who_is_still_served_after_the_strike_waits_from_the_first_failure() {
        let found = measured(&format!(
            "{}
             1000 nemesis delay=50ms \"n1\"
             1100-1200 b read b null info timeout
             1500-1600 b read b null info timeout
             1800-1900 b read b {} ok
             2000-2060 a read a {} ok
             10000-10060 a read a {} ok
             19900<20000-20500 a read a null info timeout
             20840-20900 a read a {} ok
             21000 nemesis heal-delay \"n1\"",
            two_sessions(),
            payload("b", 2),
            payload("a", 1),
            payload("a", 1),
            payload("a", 1)
        ));
        for values in [&found.run, &found.faults[0].values] {
            is(values, "affected_sessions", 2.0);
            is(values, "recovery_max_seconds", 1.0);
            is(values, "recovery_p50_seconds", 0.9);
            is(values, "recovery_with_state_max_seconds", 1.0);
        }
    }

    /// A session that its user ends is not lost, and neither is one whose creation failed.
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

    /// No operation was requested while errors were attributed to the fault. So no user waited, and whether any would
    /// have is unknown.
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
