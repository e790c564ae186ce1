//! Is the session there when it must be, and gone when it must be?
//!
//! Each acknowledged operation shows that a session was there, or was not, at some moment between its two events.
//! A session is born once or more (a creation, a renewal to its id) and ends by a destroy, a renewal away, or in
//! time. Two observations contradict one another if nothing can have happened between them that explains both. The
//! naive way holds every observation against every other: quadratic. But of all that showed a session before a
//! moment only the one that began last matters, and of all that may have ended it only whether one lies between,
//! so sorted columns with running maxima answer each question in O(log n).
//!
//! Where an id is given out once, which is what stores promise and recorders do, the rules here are complete: if
//! none applies, there is a moment of birth and one of death that explain all that was seen of the id. Where an id
//! is created several times they are sound, and miss some contradictions; `docs/definitions.md` says which.

use super::Judge;
use super::faults::find_note_field;
use super::index::{ShownPresence, acknowledged_position, renewed_id, shown_presence};
use claims::{FindingKind, FindingProof, SessionRules};
use histories::{Function, History, Id, KeyId, NEVER, OpId, Outcome};

/// Operations under one id.
struct IdOperations<'a> {
    births: &'a [OpId],
    /// Showed that it was there, showed that it was not, may have ended it; in order of invocation.
    there: Vec<OpId>,
    gone: Vec<OpId>,
    ends: Vec<SessionEnd>,
}

/// What may have ended a session, and by when that is certain.
#[derive(Clone, Copy)]
struct SessionEnd {
    op: OpId,
    /// By then it has taken effect: its completion, or the first operation that found the new id.
    done: u32,
    /// What found the new id.
    shown: Option<OpId>,
}

/// Answers: of the things that were over before a moment, which began last?
pub(super) struct LatestStart {
    /// When over; when the one among these and all before began that began last; which.
    rows: Vec<(u32, u32, u32)>,
}

impl LatestStart {
    /// Of things as (over, began, which).
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

    /// The one that began last of those that were over before a position.
    pub(super) fn latest_before(&self, position: u32) -> Option<u32> {
        let count = self.rows.partition_point(|row| row.0 < position);
        count.checked_sub(1).map(|last| self.rows[last].2)
    }
}

/// Answers: of the things that had begun before a moment, when is the last of them over?
struct LatestCompletion {
    /// When begun; when the last of these and all before is over.
    rows: Vec<(u32, u32)>,
}

impl LatestCompletion {
    /// Of things as (began, over), which may be never.
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

/// What the operations of a history first showed under each id.
pub(super) struct FirstSeen(Vec<Option<(u32, OpId)>>);

impl FirstSeen {
    /// When the first operation that found an id was over. Whoever found a new id shows that the old one had been
    /// renewed by then.
    pub(super) fn new(judge: &Judge<'_>) -> Self {
        let history = judge.history;
        let mut first: Vec<Option<(u32, OpId)>> = vec![None; history.keys.len()];
        for id in history.ids().filter(|&id| shown_presence(history, id) == ShownPresence::There) {
            let (slot, at) = (&mut first[history.key(id).index()], acknowledged_position(history, id));
            if slot.is_none_or(|known| at < known.0) {
                *slot = Some((at, id));
            }
        }
        let mut keys: Vec<(OpId, KeyId)> = (judge.index.births.iter().enumerate())
            .filter_map(|(key, births)| match births.as_slice() {
                [birth] if history.function(*birth) == Function::RENEW => Some((*birth, KeyId::new(key))),
                _ => None,
            })
            .collect();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        for (birth, key) in keys {
            let old = history.key(birth);
            let known = first[key.index()].filter(|known| known.0 > history.operation(birth).invoked);
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

/// Looks at one component: every id by itself.
pub(super) fn judge_presence(judge: &mut Judge<'_>, component: u32, members: &[OpId], first: &FirstSeen) {
    let history = judge.history;
    let simple = judge.index.is_single_session(component);
    let renewals = simple.then(|| collect_renewals(judge, members));
    let mut ids: Vec<(KeyId, OpId)> = members.iter().map(|&id| (history.key(id), id)).collect();
    ids.sort_unstable();
    let keys: Vec<Vec<OpId>> =
        ids.chunk_by(|a, b| a.0 == b.0).map(|chunk| chunk.iter().map(|entry| entry.1).collect()).collect();
    for operations in keys {
        let births = judge.index.births[history.key(operations[0]).index()].clone();
        let of = collect_id_operations(judge, &operations, &births, first);
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
    let history = judge.history;
    let of_kind = |kind| operations.iter().copied().filter(move |&id| shown_presence(history, id) == kind);
    let end = |id: OpId| {
        let end = SessionEnd { op: id, done: acknowledged_position(history, id), shown: None };
        let new = renewed_id(history, id).filter(|_| history.function(id) == Function::RENEW);
        let seen = new.and_then(|new| match judge.index.births[new.index()].as_slice() {
            [_] => first.0[new.index()],
            _ => None,
        });
        match seen {
            Some((at, op)) if at < end.done && at > history.operation(id).invoked => {
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
        // Whoever creates a session shows that there was none.
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

/// There, though nobody had begun to create it.
fn find_unborn(judge: &mut Judge<'_>, of: &IdOperations<'_>) {
    let history = judge.history;
    let born = of.births.iter().map(|&birth| history.operation(birth).invoked).min().unwrap_or(NEVER);
    for &seen in of.there.iter().take_while(|&&id| history.operation(id).invoked < born) {
        if acknowledged_position(history, seen) < born {
            judge.record_finding(FindingKind::Unexplained, vec![seen], FindingProof::Unborn { seen });
        }
    }
}

/// There, though it had ended.
fn find_returns_after_end(judge: &mut Judge<'_>, of: &IdOperations<'_>) {
    if of.ends.is_empty() {
        return;
    }
    let history = judge.history;
    let invoked = |id: OpId| history.operation(id).invoked;
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
    // What was created once ends once.
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

/// Gone, though it had been there and nothing can have ended it.
fn find_unexplained_absence(judge: &mut Judge<'_>, of: &IdOperations<'_>, renewals: Option<&[OpId]>) {
    let history = judge.history;
    let invoked = |id: OpId| history.operation(id).invoked;
    let alive: Vec<OpId> = of.there.iter().chain(of.births).copied().collect();
    let usable = |id: &&OpId| history.outcome(**id) == Outcome::Ok && !judge.is_excluded(**id);
    let there = LatestStart::new(
        alive.iter().filter(usable).map(|&id| (acknowledged_position(history, id), invoked(id), id.raw())),
    );
    let renewing = |id: &&OpId| judge.question.renewed_by.includes_function(history.function(**id));
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
        let (renewed, idle_ns) = match judge.question.time_to_live_ns {
            None => (None, None),
            Some(live_ns) => {
                let times = renewed.and_then(|id| history.invoked_at(id)).zip(history.completed_at(gone));
                let idle_ns = times.map(|(from, until)| until - from);
                if idle_ns.is_none_or(|idle_ns| idle_ns >= live_ns - judge.question.tolerance_ns) {
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

/// Whether something speaks for it that somebody took the session for expired: the clocks that the answers carry, that
/// clocks had been set, or that half of its time had passed.
fn looks_expired_early(judge: &Judge<'_>, gone: OpId, renewed: Option<OpId>, idle_ns: Option<i64>) -> bool {
    let (Some(live_ns), Some(renewed), Some(idle_ns)) = (judge.question.time_to_live_ns, renewed, idle_ns)
    else {
        return false;
    };
    let by_clocks = (answer_clock(judge.history, gone).zip(answer_clock(judge.history, renewed)))
        .is_some_and(|(late, early)| late - early >= live_ns - judge.question.tolerance_ns);
    by_clocks
        || judge.faults.clocks_were_set(judge.history.operation(gone).completed)
        || idle_ns >= live_ns / 2
}

/// The clock that an answer carries.
pub(super) fn answer_clock(history: &History, id: OpId) -> Option<i64> {
    find_note_field(history, history.operation(id).completed, "clock")?.parse().ok()
}

/// There again, after it had been there and was seen to be gone.
fn find_returns_after_absence(judge: &mut Judge<'_>, of: &IdOperations<'_>) {
    let history = judge.history;
    let &[birth] = of.births else { return };
    let invoked = |id: OpId| history.operation(id).invoked;
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

/// What began or prolonged the session's time to live, acknowledged, in order of invocation.
fn collect_renewals(judge: &Judge<'_>, members: &[OpId]) -> Vec<OpId> {
    let history = judge.history;
    members.iter().copied().filter(|&id| certainly_renews(history, &judge.question, id)).collect()
}

/// Whether it is known that this operation renewed the session.
pub(super) fn certainly_renews(history: &History, question: &SessionRules, id: OpId) -> bool {
    let renews =
        question.renewed_by.includes_function(history.function(id)) && history.outcome(id) == Outcome::Ok;
    renews
        && (history.function(id) == Function::CREATE || shown_presence(history, id) == ShownPresence::There)
}
