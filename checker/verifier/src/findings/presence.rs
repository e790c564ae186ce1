//! Checks findings about a session that existed, or did not exist, when it should not have.

use super::{
    Checked, Mismatch, Record, clock, creations, descends, ends, ensure, found, found_nothing, given,
    is_birth, one_session, over,
};
use ::claims::FindingKind;
use histories::faults::OBSERVERS;
use histories::{Function, Operation, Outcome};

/// Checks that the session was found to be gone although it had existed and no operation can have ended it.
pub(super) fn is_gone(
    record: &Record<'_>,
    kind: FindingKind,
    [gone, alive]: [&Operation; 2],
    renewed: Option<Operation>,
    idle_ns: Option<i64>,
) -> Checked {
    // An operation that creates a session, or renews to its id, shows that there was none before.
    let key = if found_nothing(gone) { gone.key } else { given(record, gone).unwrap_or(gone.key) };
    ensure(gone.outcome == Outcome::Ok && (found_nothing(gone) || is_birth(record, key, gone)), || {
        "it was not found to be gone".to_owned()
    })?;
    let birth = is_birth(record, key, alive);
    ensure(birth || alive.key == key && found(alive), || "it was not found to be there".to_owned())?;
    ensure(over(alive) < gone.invoked, || "it was not there before".to_owned())?;
    let excuse = record.on(key).find(|op| {
        let over = if op.outcome == Outcome::Ok { op.completed } else { u32::MAX };
        ends(op) && op.invoked < gone.completed && over > alive.invoked
    });
    ensure(excuse.is_none(), || "somebody may have ended it".to_owned())?;
    if kind == FindingKind::StaleSession {
        let again = record.on(key).any(|op| found(&op) && op.invoked > gone.completed);
        ensure(again, || "it is not found again".to_owned())?;
    }
    let Some(live_ns) = record.question.time_to_live_ns else {
        return ensure(kind != FindingKind::ExpiredEarly && idle_ns.is_none(), || {
            "sessions live for ever".to_owned()
        });
    };
    let renewed = renewed.ok_or_else(|| Mismatch("nothing says that its time had not run out".to_owned()))?;
    let renews = record.question.renewed_by.has(renewed.function) && renewed.outcome == Outcome::Ok;
    let there = renewed.function == Function::CREATE || found(&renewed);
    let own = one_session(record, &[gone, &renewed]);
    ensure(renews && there && own && renewed.invoked < gone.completed, || "it was not renewed".to_owned())?;
    let idle = record.history.completed_at(gone.id).zip(record.history.invoked_at(renewed.id));
    let idle = idle.map(|(until, from)| until - from);
    ensure(idle == idle_ns, || "it was left alone for another time than that".to_owned())?;
    ensure(idle.is_some_and(|idle| idle < live_ns - record.question.tolerance_ns), || {
        "its time may have run out".to_owned()
    })?;
    if kind == FindingKind::ExpiredEarly {
        return speaks_for_a_clock(record, gone, &renewed, idle.unwrap_or(0));
    }
    Ok(())
}

/// Substrings of the names of faults that change clocks, in this project's recorder and in Jepsen's nemeses.
const CLOCKS: &[&str] = &["skew", "clock", "bump", "strobe"];

/// Checks that early expiry is a plausible explanation: half the time to live had passed, a clock had been changed, or
/// the servers' clocks show that all of it had passed.
fn speaks_for_a_clock(record: &Record<'_>, gone: &Operation, renewed: &Operation, idle_ns: i64) -> Checked {
    let live_ns = record.question.time_to_live_ns.unwrap_or(i64::MAX);
    let events = record.history.actor_events().iter();
    let set = events
        .filter(|event| !OBSERVERS.contains(&event.actor.as_str()) && event.position <= gone.completed)
        .any(|event| CLOCKS.iter().any(|name| event.function.contains(name)));
    let told = clock(record, gone).zip(clock(record, renewed));
    let by_clocks = told.is_some_and(|(late, early)| late - early >= live_ns - record.question.tolerance_ns);
    ensure(set || by_clocks || idle_ns >= live_ns / 2, || "nothing speaks for a clock".to_owned())
}

/// Checks that the session was found although it had ended, or had been found to be gone.
pub(super) fn is_back(
    record: &Record<'_>,
    back: &Operation,
    ended: &Operation,
    shown: Option<Operation>,
) -> Checked {
    ensure(found(back) && back.key == ended.key, || "it was not found again".to_owned())?;
    let births = record.births(back.key);
    if found_nothing(ended) {
        let shown = shown.ok_or_else(|| Mismatch("nothing says that it had been there".to_owned()))?;
        let there = found(&shown) && shown.key == back.key || is_birth(record, back.key, &shown);
        ensure(there && over(&shown) < ended.invoked, || "it had not been there before".to_owned())?;
        return ensure(over(ended) < back.invoked && births.len() == 1, || {
            "it may have been created again".to_owned()
        });
    }
    let done = match (shown, given(record, ended)) {
        (Some(shown), Some(new)) => {
            ensure(found(&shown) && descends(record, shown.key, new), || {
                "the new id was not found".to_owned()
            })?;
            over(&shown)
        }
        (Some(_), None) => return Err(Mismatch("nothing was given a new id".to_owned())),
        (None, _) => over(ended),
    };
    ensure(ended.outcome != Outcome::Fail && ends(ended) && done < back.invoked, || {
        "it had not ended before".to_owned()
    })?;
    let again =
        births.iter().filter(|birth| birth.invoked < over(back)).any(|birth| over(birth) >= ended.invoked);
    ensure(births.len() == 1 || !again, || "it may have been created again".to_owned())
}

/// Checks that both operations ended a session that was created once.
pub(super) fn is_ended_twice(record: &Record<'_>, one: &Operation, other: &Operation) -> Checked {
    let both = [one, other].iter().all(|op| ends(op) && op.outcome == Outcome::Ok);
    ensure(both && one.id != other.id && one.key == other.key, || "they did not both end it".to_owned())?;
    ensure(record.births(one.key).len() == 1, || "it was created again".to_owned())
}

/// Checks that the session was found although no operation had begun to create it.
pub(super) fn is_unborn(record: &Record<'_>, seen: &Operation) -> Checked {
    let born = record.births(seen.key).iter().any(|birth| birth.invoked < seen.completed);
    ensure(found(seen) && !born, || "somebody may have created it".to_owned())
}

/// Checks that the session was found although it had expired.
///
/// Computes the latest possible expiry. Each certain renewal extends it, counted from the renewal's completion. If the
/// next certain renewal begins after the current expiry, indeterminate renewals fill the gap, each once and by one time
/// to live. Unlike the search, which sweeps over the events, this code extends the expiry until nothing extends it
/// further.
pub(super) fn is_overdue(record: &Record<'_>, seen: &Operation, late_ns: i64) -> Checked {
    let (question, history) = (record.question, record.history);
    let untimed = || Mismatch("an operation has no time".to_owned());
    let live_ns = question.time_to_live_ns.ok_or_else(|| Mismatch("sessions live for ever".to_owned()))?;
    let span_ns = live_ns + question.tolerance_ns;
    ensure(found(seen) && creations(record, seen) == 1, || "it was not found, or created again".to_owned())?;
    let began_ns = history.invoked_at(seen.id).ok_or_else(untimed)?;
    let (mut certain, mut unknown) = (Vec::new(), Vec::new());
    let may_renew = |op: &Operation| op.id != seen.id && question.renewed_by.has(op.function);
    let ids = record.ids(seen.key);
    let earlier = ids.iter().flat_map(|&key| record.on(key)).filter(|op| op.invoked < seen.completed);
    for op in earlier.filter(may_renew) {
        let from = history.invoked_at(op.id).ok_or_else(untimed)?;
        if op.outcome == Outcome::Info {
            unknown.push(from);
        } else if op.function == Function::CREATE || found(&op) {
            ensure(op.completed < seen.completed, || "it may just have been renewed".to_owned())?;
            let until = history.completed_at(op.id).ok_or_else(untimed)?;
            certain.push((from, until, op.function == Function::CREATE));
        }
    }
    unknown.sort_unstable();
    let born = certain.iter().find(|renewal| renewal.2).or(certain.iter().min_by_key(|renewal| renewal.1));
    let mut reach_ns = born.ok_or_else(|| Mismatch("no renewal of it is certain".to_owned()))?.1 + span_ns;
    let mut used = 0;
    loop {
        let next = certain.iter().filter(|renewal| renewal.0 <= reach_ns).map(|renewal| renewal.1 + span_ns);
        match next.max().filter(|&next| next > reach_ns) {
            Some(next) => reach_ns = next,
            None if reach_ns < began_ns && unknown.get(used).is_some_and(|&from| from <= reach_ns) => {
                (reach_ns, used) = (reach_ns + span_ns, used + 1);
            }
            None => break,
        }
    }
    ensure(late_ns > 0 && began_ns - reach_ns >= late_ns, || {
        "its time can have reached as far as that".to_owned()
    })
}
