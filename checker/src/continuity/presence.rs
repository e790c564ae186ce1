//! Checks that a session is present when it must be, and absent when it must be.
//!
//! Each acknowledged operation shows that a session was present, or absent, at some moment between its two events. A
//! session is born once or more (by a creation, or a renewal to its id) and ends by a destroy, by a renewal to another
//! id, or by expiry. Two observations contradict one another if nothing that can have happened between them explains
//! both. Comparing all pairs of observations would be quadratic. But among all observations of a session before a
//! moment, only the one that began last matters; and among the operations that may have ended it, only whether one lies
//! between. So sorted columns with running maxima answer each question in O(log n).
//!
//! Where an id is given out once, which is what stores promise and recorders do, these rules are complete: if none
//! applies, some moment of birth and some moment of death explain all observations of the id. Where an id is created
//! several times the rules are sound, and miss some contradictions; `docs/definitions.md` says which.

use super::index::{ShownPresence, acknowledged_position, renewed_id, shown_presence};
use super::{Judge, JudgeFacts};
use claims::{FindingKind, FindingProof, SessionRules};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Outcome};

/// The operations under one id.
struct IdOperations<'a> {
    births: &'a [OpId],
    /// Operations that showed the session, operations that showed its absence, and operations that may have ended it;
    /// each in order of invocation.
    there: Vec<OpId>,
    gone: Vec<OpId>,
    ends: Vec<SessionEnd>,
}

/// An operation that may have ended a session, and the position by which it certainly had.
#[derive(Clone, Copy)]
struct SessionEnd {
    op: OpId,
    /// The position by which it certainly took effect: its completion, or the end of the first operation that found the
    /// new id.
    done: u32,
    /// The operation that found the new id.
    shown: Option<OpId>,
}

/// Answers the query: of the things that were over before a position, which began last?
pub(super) struct LatestStart {
    /// One row for each thing: when it was over; and, over this row and all before it, the latest beginning and the
    /// thing that has it.
    rows: Vec<(u32, u32, u32)>,
}

impl LatestStart {
    /// Takes things as (over, began, which).
    pub(super) fn new(things: impl Iterator<Item = (u32, u32, u32)>) -> Self {
        let mut rows: Vec<_> = things.filter(|thing| thing.0 != NEVER).collect();
        rows.sort_unstable();
        let mut best = (0, u32::MAX);
        for row in &mut rows {
            if best.1 == u32::MAX || row.1 > best.0 {
                best = (row.1, row.2);
            }
            (row.1, row.2) = best;
        }
        Self { rows }
    }

    /// The thing that began last among those that were over before a position.
    pub(super) fn latest_before(&self, position: u32) -> Option<u32> {
        let count = self.rows.partition_point(|row| row.0 < position);
        count.checked_sub(1).map(|last| self.rows[last].2)
    }
}

/// Answers the query: of the things that had begun before a position, when is the last of them over?
struct LatestCompletion {
    /// One row for each thing: when it began; and the latest end over this row and all before it.
    rows: Vec<(u32, u32)>,
}

impl LatestCompletion {
    /// Takes things as (began, over). The end may be never.
    fn new(things: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut rows: Vec<_> = things.collect();
        rows.sort_unstable();
        let mut most = 0;
        for row in &mut rows {
            most = most.max(row.1);
            row.1 = most;
        }
        Self { rows }
    }

    fn latest_before(&self, position: u32) -> Option<u32> {
        let count = self.rows.partition_point(|row| row.0 < position);
        count.checked_sub(1).map(|last| self.rows[last].1)
    }
}

/// For each id, the first operation that found a session under it.
pub(super) struct FirstSeen(Vec<Option<(u32, OpId)>>);

impl FirstSeen {
    /// Finds, for each id, when the first operation that found it was over. An operation that found a new id shows that
    /// the old one had been renewed by then.
    pub(super) fn new(facts: &JudgeFacts<'_>) -> Self {
        let history = facts.history;
        let mut first: Vec<Option<(u32, OpId)>> = vec![None; history.keys.len()];
        for id in history.ids().filter(|&id| shown_presence(history, id) == ShownPresence::There) {
            let (slot, at) = (&mut first[history.key(id).index()], acknowledged_position(history, id));
            if slot.is_none_or(|known| at < known.0) {
                *slot = Some((at, id));
            }
        }
        let mut keys: Vec<(OpId, KeyId)> = (facts.index.births.iter().enumerate())
            .filter_map(|(key, births)| match births.as_slice() {
                [birth] if history.function(*birth) == Function::RENEW => Some((*birth, KeyId::new(key))),
                _ => None,
            })
            .collect();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        for (birth, key) in keys {
            let old = history.key(birth);
            let known = first[key.index()].filter(|known| known.0 > history.invocation_position(birth));
            if let Some(seen) = known
                && first[old.index()].is_none_or(|at| seen.0 < at.0)
                && old != key
            {
                first[old.index()] = Some(seen);
            }
        }
        Self(first)
    }
}

/// Judges each id of a component by itself.
pub(super) fn judge_presence(judge: &mut Judge<'_>, component: u32, members: &[OpId], first: &FirstSeen) {
    let history = judge.facts.history;
    let simple = judge.facts.index.is_single_session(component);
    let renewals = simple.then(|| collect_renewals(judge, members));
    let mut ids: Vec<(KeyId, OpId)> = members.iter().map(|&id| (history.key(id), id)).collect();
    ids.sort_unstable();
    let facts = judge.facts;
    for chunk in ids.chunk_by(|a, b| a.0 == b.0) {
        let operations: Vec<OpId> = chunk.iter().map(|entry| entry.1).collect();
        let births = &facts.index.births[chunk[0].0.index()];
        let of = collect_id_operations(judge, &operations, births, first);
        find_unborn(judge, &of);
        find_returns_after_end(judge, &of);
        find_unexplained_absence(judge, &of, renewals.as_deref());
        find_returns_after_absence(judge, &of);
    }
    super::expiry::find_overdue_sessions(judge, component, members);
}

fn collect_id_operations<'a>(
    judge: &Judge<'_>,
    operations: &[OpId],
    births: &'a [OpId],
    first: &FirstSeen,
) -> IdOperations<'a> {
    let history = judge.facts.history;
    let of_kind = |kind| operations.iter().copied().filter(move |&id| shown_presence(history, id) == kind);
    let end = |id: OpId| {
        let end = SessionEnd { op: id, done: acknowledged_position(history, id), shown: None };
        let new = renewed_id(history, id).filter(|_| history.function(id) == Function::RENEW);
        let seen = new.and_then(|new| match judge.facts.index.births[new.index()].as_slice() {
            [_] => first.0[new.index()],
            _ => None,
        });
        match seen {
            Some((at, op)) if at < end.done && at > history.invocation_position(id) => {
                SessionEnd { done: at, shown: Some(op), ..end }
            }
            _ => end,
        }
    };
    let ends = operations.iter().copied().filter(|&id| {
        matches!(history.function(id), Function::DESTROY | Function::RENEW)
            && history.outcome(id) != Outcome::Fail
    });
    let mut gone: Vec<OpId> = of_kind(ShownPresence::Gone).collect();
    if births.len() > 1 {
        // A creation that was acknowledged shows that no session was present.
        gone.extend(births.iter().filter(|&&birth| history.outcome(birth) == Outcome::Ok));
        gone.sort_unstable();
    }
    IdOperations {
        births,
        there: of_kind(ShownPresence::There).collect(),
        gone,
        ends: ends.map(end).collect(),
    }
}

/// Finds sessions that were present before any operation that could create them began.
fn find_unborn(judge: &mut Judge<'_>, of: &IdOperations<'_>) {
    let history = judge.facts.history;
    let born = of.births.iter().map(|&birth| history.invocation_position(birth)).min().unwrap_or(NEVER);
    for &seen in of.there.iter().take_while(|&&id| history.invocation_position(id) < born) {
        if acknowledged_position(history, seen) < born {
            judge.record_finding(FindingKind::Unexplained, vec![seen], FindingProof::Unborn { seen });
        }
    }
}

/// Finds sessions that were present after they had ended.
fn find_returns_after_end(judge: &mut Judge<'_>, of: &IdOperations<'_>) {
    if of.ends.is_empty() {
        return;
    }
    let history = judge.facts.history;
    let invoked = |id: OpId| history.invocation_position(id);
    let ended =
        LatestStart::new(of.ends.iter().enumerate().map(|(at, end)| (end.done, invoked(end.op), at as u32)));
    let births = LatestCompletion::new(
        of.births.iter().map(|&birth| (invoked(birth), acknowledged_position(history, birth))),
    );
    for &back in &of.there {
        let Some(at) = ended.latest_before(invoked(back)) else { continue };
        let end = of.ends[at as usize];
        let born_before = births
            .latest_before(acknowledged_position(history, back))
            .is_none_or(|last| last < invoked(end.op));
        if of.births.len() == 1 || born_before {
            let mut operations = vec![back, end.op];
            operations.extend(end.shown);
            let proof = FindingProof::Back { back, ended: end.op, shown: end.shown };
            judge.record_finding(finding_kind_of_end(history, end.op), operations, proof);
        }
    }
    // A session that was created once ends at most once.
    let certain: Vec<&SessionEnd> =
        of.ends.iter().filter(|end| end.done != NEVER && !judge.is_excluded(end.op)).collect();
    if let ([_], [one, other, ..]) = (of.births, certain.as_slice())
        && [one, other].iter().all(|end| history.outcome(end.op) == Outcome::Ok)
    {
        let (one, other) = (one.op, other.op);
        let kind = [one, other].iter().map(|&op| finding_kind_of_end(history, op)).max().expect("two");
        judge.record_finding(kind, vec![other, one], FindingProof::EndedTwice { one, other });
    }
}

fn finding_kind_of_end(history: &History, end: OpId) -> FindingKind {
    if history.function(end) == Function::RENEW {
        FindingKind::OldIdAlive
    } else {
        FindingKind::ResurrectedSession
    }
}

/// Finds sessions that were absent after they had been present, although nothing can have ended them.
fn find_unexplained_absence(judge: &mut Judge<'_>, of: &IdOperations<'_>, renewals: Option<&[OpId]>) {
    if of.gone.is_empty() {
        return;
    }
    let history = judge.facts.history;
    let invoked = |id: OpId| history.invocation_position(id);
    let alive: Vec<OpId> = of.there.iter().chain(of.births).copied().collect();
    let usable = |id: &&OpId| history.outcome(**id) == Outcome::Ok && !judge.is_excluded(**id);
    let there = LatestStart::new(
        alive.iter().filter(usable).map(|&id| (acknowledged_position(history, id), invoked(id), id.raw())),
    );
    let renewing = |id: &&OpId| judge.facts.question.renewed_by.includes_function(history.function(**id));
    let own = (alive.iter().filter(usable).filter(renewing))
        .map(|&id| (acknowledged_position(history, id), invoked(id), id.raw()));
    let own = LatestStart::new(own);
    let ends = LatestCompletion::new(
        of.ends.iter().map(|end| (invoked(end.op), acknowledged_position(history, end.op))),
    );
    let last_there = of.there.iter().copied().filter(|id| !judge.is_excluded(*id)).max();
    let mut found = Vec::new();
    for &gone in &of.gone {
        let (began, ended) = (invoked(gone), acknowledged_position(history, gone));
        let Some(alive) = there.latest_before(began).map(OpId::from_raw) else { continue };
        if ends.latest_before(ended).is_some_and(|last| last > invoked(alive)) {
            continue;
        }
        let renewed = match renewals {
            Some(all) => all[..all.partition_point(|&id| invoked(id) < ended)].last().copied(),
            None => own.latest_before(began).map(OpId::from_raw),
        };
        let (renewed, idle_ns) = match judge.facts.question.time_to_live_ns {
            None => (None, None),
            Some(live_ns) => {
                let times = renewed.and_then(|id| history.invoked_at(id)).zip(history.completed_at(gone));
                let idle_ns = times.map(|(from, until)| until - from);
                if idle_ns.is_none_or(|idle_ns| idle_ns >= live_ns - judge.facts.question.tolerance_ns) {
                    continue;
                }
                (renewed, idle_ns)
            }
        };
        let returns = last_there.is_some_and(|last| invoked(last) > ended) && of.births.len() == 1;
        found.push((gone, alive, renewed, idle_ns, returns));
    }
    for (gone, alive, renewed, idle_ns, returns) in found {
        let early = looks_expired_early(judge, gone, renewed, idle_ns);
        let kind = match (early, returns) {
            (true, _) => FindingKind::ExpiredEarly,
            (false, true) => FindingKind::StaleSession,
            (false, false) => FindingKind::LostSession,
        };
        let mut operations = vec![gone, alive];
        operations.extend(renewed.filter(|&id| id != alive));
        judge.record_finding(kind, operations, FindingProof::Gone { gone, alive, renewed, idle_ns });
    }
}

/// Whether the history suggests that the store took the session for expired: the clocks that answers carry say so, a
/// clock had been changed, or half of the time to live had passed.
fn looks_expired_early(judge: &Judge<'_>, gone: OpId, renewed: Option<OpId>, idle_ns: Option<i64>) -> bool {
    let (Some(live_ns), Some(renewed), Some(idle_ns)) =
        (judge.facts.question.time_to_live_ns, renewed, idle_ns)
    else {
        return false;
    };
    let by_clocks = (answer_clock(judge.facts.history, gone).zip(answer_clock(judge.facts.history, renewed)))
        .is_some_and(|(late, early)| late - early >= live_ns - judge.facts.question.tolerance_ns);
    by_clocks
        || judge.facts.faults.clocks_were_set(judge.facts.history.completion_position(gone))
        || idle_ns >= live_ns / 2
}

/// The clock time that an answer carries.
pub(super) fn answer_clock(history: &History, id: OpId) -> Option<i64> {
    history.note_number(history.completion_position(id), "clock")
}

/// Finds sessions that were present again after they had been present and then absent.
fn find_returns_after_absence(judge: &mut Judge<'_>, of: &IdOperations<'_>) {
    if of.gone.is_empty() {
        return;
    }
    let history = judge.facts.history;
    let &[birth] = of.births else { return };
    let invoked = |id: OpId| history.invocation_position(id);
    let born = of.there.iter().filter(|&&id| !judge.is_excluded(id)).chain([&birth]);
    let born =
        born.map(|&id| (acknowledged_position(history, id), id)).min().filter(|first| first.0 != NEVER);
    let Some((born, shown)) = born else { return };
    let ended = of.gone.iter().copied().filter(|&id| invoked(id) > born && !judge.is_excluded(id));
    let Some((at, ended)) = ended.map(|id| (acknowledged_position(history, id), id)).min() else { return };
    let back: Vec<OpId> =
        of.there.iter().copied().filter(|&id| invoked(id) > at && !judge.is_excluded(id)).collect();
    for back in back {
        let proof = FindingProof::Back { back, ended, shown: Some(shown) };
        judge.record_finding(FindingKind::ResurrectedSession, vec![back, ended, shown], proof);
    }
}

/// The acknowledged operations that began or extended the time to live of the session, in order of invocation.
fn collect_renewals(judge: &Judge<'_>, members: &[OpId]) -> Vec<OpId> {
    let history = judge.facts.history;
    members.iter().copied().filter(|&id| certainly_renews(history, &judge.facts.question, id)).collect()
}

/// Whether an operation certainly renewed the session.
pub(super) fn certainly_renews(history: &History, question: &SessionRules, id: OpId) -> bool {
    let renews =
        question.renewed_by.includes_function(history.function(id)) && history.outcome(id) == Outcome::Ok;
    renews
        && (history.function(id) == Function::CREATE || shown_presence(history, id) == ShownPresence::There)
}
