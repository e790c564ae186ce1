//! Looks for the life of each id: a birth as late, and a death as early, as the positive answers allow.

use super::{Examination, JoinedSessions, found_no_session, found_session, renewed_id, took_effect_by};
use ::claims::FindingKind;
use histories::{Function, Id, NEVER, Operation, Outcome};
use std::collections::BTreeMap;

/// The kinds that a contradiction about presence may be.
const KINDS: &[FindingKind] = &[
    FindingKind::LostSession,
    FindingKind::StaleSession,
    FindingKind::ResurrectedSession,
    FindingKind::ExpiredEarly,
    FindingKind::OldIdAlive,
    FindingKind::Unexplained,
];

/// The kinds about which nothing is said if ids are assigned several times.
pub(super) const KINDS_OF_SESSIONS: &[FindingKind] = &[
    FindingKind::LostSession,
    FindingKind::LostWrite,
    FindingKind::StaleSession,
    FindingKind::ResurrectedSession,
    FindingKind::ExpiredEarly,
    FindingKind::ExpiredLate,
    FindingKind::OldIdAlive,
    FindingKind::Unexplained,
];

impl Examination<'_> {
    /// Examines each id of a session separately.
    pub(super) fn examine_presence(&self, sessions: &JoinedSessions, members: &[Operation]) {
        let mut by_id: BTreeMap<u32, Vec<&Operation>> = BTreeMap::new();
        members.iter().for_each(|op| by_id.entry(op.key.raw()).or_default().push(op));
        // The acknowledged renewals of the time to live, in the order of invocation.
        let renewals: Vec<&Operation> = (members.iter())
            .filter(|op| {
                self.survey.question.renewed_by.includes_function(op.function) && op.outcome == Outcome::Ok
            })
            .filter(|op| op.function == Function::CREATE || found_session(op))
            .collect();
        for ops in by_id.values() {
            self.examine_life(sessions, ops, &renewals);
        }
    }

    fn examine_life(&self, sessions: &JoinedSessions, ops: &[&Operation], renewals: &[&Operation]) {
        let key = ops[0].key;
        let there: Vec<&&Operation> =
            ops.iter().filter(|op| found_session(op) && !self.is_wrong(op)).collect();
        let first_found = there.iter().map(|op| op.completed).min().unwrap_or(NEVER);
        let last_found = there.iter().map(|op| op.invoked).max().unwrap_or(0);
        let birth = sessions.births[key.index()].first();
        if first_found < birth.map_or(NEVER, |birth| birth.invoked) {
            return self.report_contradiction(
                KINDS,
                Some(there[0].id),
                "found a session, and somebody found it before it was created",
            );
        }
        let Some(birth) = birth else { return };
        let born = first_found.min(took_effect_by(birth));
        // An operation that ends a session has taken effect by its answer, or once the id that it renewed to had been
        // found.
        let done = |op: &Operation| {
            let new =
                renewed_id(self.survey.history, op).filter(|new| sessions.births[new.index()].len() == 1);
            let shown = new.map_or(NEVER, |new| sessions.found_by[new.index()]);
            took_effect_by(op).min(if shown > op.invoked { shown } else { NEVER })
        };
        let ends: Vec<(&Operation, u32)> = (ops.iter())
            .filter(|op| matches!(op.function, Function::DESTROY | Function::RENEW))
            .map(|op| (*op, done(op)))
            .collect();
        let acknowledged =
            ends.iter().filter(|(op, _)| op.outcome == Outcome::Ok && !self.is_wrong(op)).count();
        let certain = ends.iter().filter(|(_, done)| *done != NEVER).min_by_key(|(_, done)| *done);
        if let Some((end, done)) = certain
            && *done <= last_found
        {
            return self.report_contradiction(
                KINDS,
                Some(end.id),
                "ended a session that was found by somebody who asked later",
            );
        }
        if acknowledged > 1 {
            return self.report_contradiction(
                KINDS,
                Some(ends[0].0.id),
                "ended a session that somebody else ended too",
            );
        }
        // The earliest death after the last positive answer, caused by an operation. Expiry is examined for each
        // negative answer.
        let deaths =
            ends.iter().filter(|(_, done)| *done > last_found).map(|(op, _)| op.invoked.max(last_found));
        let death = deaths.min().unwrap_or(NEVER);
        for gone in ops.iter().filter(|op| found_no_session(op) && !self.is_wrong(op) && op.invoked >= born) {
            let in_time = self.survey.question.time_to_live_ns.is_some_and(|live_ns| {
                let before = renewals.partition_point(|renewal| renewal.invoked < gone.completed);
                let asked = renewals[..before].last().and_then(|op| self.survey.history.invoked_at(op.id));
                let answered = self.survey.history.completed_at(gone.id);
                let idle = asked.zip(answered).map(|(from, until)| until - from);
                idle.is_none_or(|idle| idle >= live_ns - self.survey.question.tolerance_ns)
            });
            if gone.completed <= last_found || (gone.completed <= death && !in_time) {
                return self.report_contradiction(
                    KINDS,
                    Some(gone.id),
                    "found nothing where a session must have been",
                );
            }
        }
    }

    /// Examines expiry. It computes how late the session can have expired: from one renewal to the next and, across
    /// larger gaps, with the help of indeterminate renewals.
    pub(super) fn examine_expiry(&self, members: &[Operation], creations: usize) {
        let is_judged = creations == 1 && self.survey.can_expire;
        let Some(live_ns) = self.survey.question.time_to_live_ns.filter(|_| is_judged) else { return };
        let span_ns = live_ns + self.survey.question.tolerance_ns;
        let history = self.survey.history;
        let times = |op: &Operation| history.invoked_at(op.id).zip(history.completed_at(op.id));
        let (mut spare, mut reach_ns) = (0_i64, None::<i64>);
        let renews = |op: &Operation| self.survey.question.renewed_by.includes_function(op.function);
        let certain = members.iter().filter(|op| renews(op) && op.outcome == Outcome::Ok);
        let (mut begun, mut ended): (Vec<u32>, Vec<u32>) =
            certain.map(|op| (op.invoked, op.completed)).unzip();
        begun.sort_unstable();
        ended.sort_unstable();
        // Completions in order. An indeterminate operation can help from its invocation onwards.
        let mut events: Vec<(u32, bool, &Operation)> = Vec::new();
        for op in members {
            match op.outcome {
                Outcome::Ok => events.push((op.completed, true, op)),
                _ => events.push((op.invoked, false, op)),
            }
        }
        events.sort_unstable_by_key(|event| event.0);
        for (at, answered, op) in events {
            if !answered {
                spare += i64::from(renews(op));
                continue;
            }
            let Some((from, until)) = times(op) else { return };
            // `ended` includes this operation, because its own renewal is over at this position.
            let under_way = begun.partition_point(|&from| from < at) > ended.partition_point(|&to| to <= at);
            let late = reach_ns.is_some_and(|reach| from > reach + spare * span_ns);
            if late && found_session(op) && !under_way && !self.is_wrong(op) {
                return self.report_contradiction(
                    &[FindingKind::ExpiredLate],
                    Some(op.id),
                    "found a session whose time had run out",
                );
            }
            if renews(op) && (op.function == Function::CREATE || found_session(op)) {
                reach_ns = Some(reach_ns.map_or(until + span_ns, |reach| reach.max(until + span_ns)));
            }
        }
    }
}
