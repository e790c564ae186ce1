//! Checks that a session is gone after its time to live has passed.
//!
//! Only clock times decide here. An operation took effect between the times of its two events. So a session whose last
//! renewal completed at t is gone at t + time to live + tolerance. An operation that was never acknowledged may have
//! renewed the session once, at any moment after its invocation at which the session was present. Each such operation
//! is a *spare*: it can extend the session by one time to live, and is then used up.

use super::Judge;
use super::events::OrderedEvents;
use super::index::{ShownPresence, shown_presence};
use super::presence::certainly_renews;
use claims::{FindingKind, FindingProof};
use histories::{OpId, Outcome};

/// Finds operations that found a session whose time had run out. O(n log n) in the operations of the component.
pub(super) fn find_overdue_sessions(judge: &mut Judge<'_>, component: u32, members: &[OpId]) {
    let Some(live_ns) = judge.facts.question.time_to_live_ns else { return };
    let history = judge.facts.history;
    if judge.facts.index.count_creations(component) != 1 {
        return;
    }
    let span_ns = live_ns + judge.facts.question.tolerance_ns;
    let events = OrderedEvents::of_operations(history, members.iter().copied());
    // The time by which the session is gone unless a spare was used; the operation that renewed it last; the number of
    // renewals in progress; the number of spares.
    let (mut gone_ns, mut renewed, mut open, mut spares) = (None, None, 0_u32, 0_i64);
    for event in events.iter() {
        let id = members[event.place as usize];
        let may_renew = judge.facts.question.renewed_by.includes_function(history.function(id));
        if !event.completes {
            match history.outcome(id) {
                Outcome::Ok => {
                    open += u32::from(may_renew && certainly_renews(history, &judge.facts.question, id))
                }
                Outcome::Info if may_renew => {
                    let reach = gone_ns.map(|ns: i64| ns + spares * span_ns);
                    let at = history.invoked_at(id);
                    // A renewal that is in progress may keep the session alive until then.
                    let may = open > 0 || reach.zip(at).is_none_or(|(reach, at)| at <= reach);
                    spares += i64::from(may);
                }
                Outcome::Fail | Outcome::Info => {}
            }
            continue;
        }
        let own = may_renew && certainly_renews(history, &judge.facts.question, id);
        open -= u32::from(own);
        let Some((from_ns, until_ns)) = history.invoked_at(id).zip(history.completed_at(id)) else { return };
        if let (ShownPresence::There, Some(ns), 0) = (shown_presence(history, id), gone_ns, open)
            && !judge.is_excluded(id)
        {
            let missing_ns = from_ns - (ns + spares * span_ns);
            if missing_ns > 0 {
                let operations: Vec<OpId> = [Some(id), renewed].into_iter().flatten().collect();
                let proof = FindingProof::Overdue { seen: id, renewed, late_ns: missing_ns };
                judge.record_finding(FindingKind::ExpiredLate, operations, proof);
                continue;
            }
        }
        // An operation that found an expired session has renewed it all the same.
        if own {
            if let Some(ns) = gone_ns.filter(|&ns| from_ns > ns) {
                spares = (spares - (from_ns - ns + span_ns - 1) / span_ns).max(0);
            }
            if gone_ns.is_none_or(|ns| until_ns + span_ns > ns) {
                (gone_ns, renewed) = (Some(until_ns + span_ns), Some(id));
            }
        }
    }
}
