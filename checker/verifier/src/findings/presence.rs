//! Checks findings about a session that existed, or did not exist, when it should not have.

use super::{
    FindingCheck, Mismatch, SessionRecord, belong_to_one_session, count_creations, descends_from,
    ends_session, ensure, found_no_session, found_session, is_birth, renewed_id, reported_clock,
    took_effect_by,
};
use ::claims::FindingKind;
use histories::faults::OBSERVERS;
use histories::{Function, Operation, Outcome};

/// Checks that the session was found to be gone although it had existed and no operation can have ended it.
pub(super) fn check_gone_session(
    record: &SessionRecord<'_>,
    kind: FindingKind,
    [gone, alive]: [&Operation; 2],
    renewed: Option<Operation>,
    idle_ns: Option<i64>,
) -> FindingCheck {
    // An operation that creates a session, or renews to its id, shows that there was none before.
    let key = if found_no_session(gone) { gone.key } else { renewed_id(record, gone).unwrap_or(gone.key) };
    ensure(gone.outcome == Outcome::Ok && (found_no_session(gone) || is_birth(record, key, gone)), || {
        "it was not found to be gone".to_owned()
    })?;
    let birth = is_birth(record, key, alive);
    ensure(birth || alive.key == key && found_session(alive), || "it was not found to be there".to_owned())?;
    ensure(took_effect_by(alive) < gone.invoked, || "it was not there before".to_owned())?;
    let excuse = record.operations_on(key).find(|op| {
        let over = if op.outcome == Outcome::Ok { op.completed } else { u32::MAX };
        ends_session(op) && op.invoked < gone.completed && over > alive.invoked
    });
    ensure(excuse.is_none(), || "somebody may have ended it".to_owned())?;
    if kind == FindingKind::StaleSession {
        let again = record.operations_on(key).any(|op| found_session(&op) && op.invoked > gone.completed);
        ensure(again, || "it is not found again".to_owned())?;
    }
    let Some(live_ns) = record.question.time_to_live_ns else {
        return ensure(kind != FindingKind::ExpiredEarly && idle_ns.is_none(), || {
            "sessions live for ever".to_owned()
        });
    };
    let renewed = renewed.ok_or_else(|| Mismatch("nothing says that its time had not run out".to_owned()))?;
    let renews =
        record.question.renewed_by.includes_function(renewed.function) && renewed.outcome == Outcome::Ok;
    let there = renewed.function == Function::CREATE || found_session(&renewed);
    let own = belong_to_one_session(record, &[gone, &renewed]) && renewed.id != gone.id;
    // A creation that is still under way may create the id again, after its time had run out.
    let is_over = renewed.function != Function::CREATE || took_effect_by(&renewed) < gone.invoked;
    let in_time = is_over || count_creations(record, gone) == 1;
    let renews = renews && there && in_time;
    ensure(renews && own && renewed.invoked < gone.completed, || "it was not renewed".to_owned())?;
    let idle = record.history.completed_at(gone.id).zip(record.history.invoked_at(renewed.id));
    let idle = idle.map(|(until, from)| until - from);
    ensure(idle == idle_ns, || "it was left alone for another time than that".to_owned())?;
    ensure(idle.is_some_and(|idle| idle < live_ns - record.question.tolerance_ns), || {
        "its time may have run out".to_owned()
    })?;
    if kind == FindingKind::ExpiredEarly {
        return require_expiry_explanation(record, gone, &renewed, idle.unwrap_or(0));
    }
    Ok(())
}

/// Substrings of the names of faults that change clocks, in this project's recorder and in Jepsen's nemeses.
const CLOCKS: &[&str] = &["skew", "clock", "bump", "strobe"];

/// Checks that early expiry is a plausible explanation: half the time to live had passed, a clock had been changed, or
/// the servers' clocks show that all of it had passed.
fn require_expiry_explanation(
    record: &SessionRecord<'_>,
    gone: &Operation,
    renewed: &Operation,
    idle_ns: i64,
) -> FindingCheck {
    let live_ns = record.question.time_to_live_ns.unwrap_or(i64::MAX);
    let events = record.history.actor_events().iter();
    let set = events
        .filter(|event| !OBSERVERS.contains(&event.actor.as_str()) && event.position <= gone.completed)
        .any(|event| CLOCKS.iter().any(|name| event.function.contains(name)));
    let told = reported_clock(record, gone).zip(reported_clock(record, renewed));
    let by_clocks = told.is_some_and(|(late, early)| late - early >= live_ns - record.question.tolerance_ns);
    ensure(set || by_clocks || idle_ns >= live_ns / 2, || "nothing speaks for a clock".to_owned())
}

/// Checks that the session was found although it had ended, or had been found to be gone.
pub(super) fn check_found_again(
    record: &SessionRecord<'_>,
    back: &Operation,
    ended: &Operation,
    shown: Option<Operation>,
) -> FindingCheck {
    ensure(found_session(back) && back.key == ended.key, || "it was not found again".to_owned())?;
    let births = record.births_of_id(back.key);
    if found_no_session(ended) {
        let shown = shown.ok_or_else(|| Mismatch("nothing says that it had been there".to_owned()))?;
        let there = found_session(&shown) && shown.key == back.key || is_birth(record, back.key, &shown);
        ensure(there && took_effect_by(&shown) < ended.invoked, || {
            "it had not been there before".to_owned()
        })?;
        return ensure(took_effect_by(ended) < back.invoked && births.len() == 1, || {
            "it may have been created again".to_owned()
        });
    }
    let done = match (shown, renewed_id(record, ended)) {
        (Some(shown), Some(new)) => {
            ensure(found_session(&shown) && descends_from(record, shown.key, new), || {
                "the new id was not found".to_owned()
            })?;
            took_effect_by(&shown)
        }
        (Some(_), None) => return Err(Mismatch("nothing was given a new id".to_owned())),
        (None, _) => took_effect_by(ended),
    };
    ensure(ended.outcome != Outcome::Fail && ends_session(ended) && done < back.invoked, || {
        "it had not ended before".to_owned()
    })?;
    let again = births
        .iter()
        .filter(|birth| birth.invoked < took_effect_by(back))
        .any(|birth| took_effect_by(birth) >= ended.invoked);
    ensure(births.len() == 1 || !again, || "it may have been created again".to_owned())
}

/// Checks that both operations ended a session that was created once.
pub(super) fn check_ended_twice(
    record: &SessionRecord<'_>,
    one: &Operation,
    other: &Operation,
) -> FindingCheck {
    let both = [one, other].iter().all(|op| ends_session(op) && op.outcome == Outcome::Ok);
    ensure(both && one.id != other.id && one.key == other.key, || "they did not both end it".to_owned())?;
    ensure(record.births_of_id(one.key).len() == 1, || "it was created again".to_owned())
}

/// Checks that the session was found although no operation had begun to create it.
pub(super) fn check_never_created(record: &SessionRecord<'_>, seen: &Operation) -> FindingCheck {
    let born = record.births_of_id(seen.key).iter().any(|birth| birth.invoked < seen.completed);
    ensure(found_session(seen) && !born, || "somebody may have created it".to_owned())
}

/// Checks that the session was found although it had expired.
///
/// Computes the latest possible expiry. Each certain renewal extends it, counted from the renewal's completion. If the
/// next certain renewal begins after the current expiry, indeterminate renewals fill the gap, each once and by one time
/// to live. Unlike the search, which sweeps over the events, this code extends the expiry until nothing extends it
/// further.
pub(super) fn check_overdue_session(
    record: &SessionRecord<'_>,
    seen: &Operation,
    late_ns: i64,
) -> FindingCheck {
    let (question, history) = (record.question, record.history);
    let untimed = || Mismatch("an operation has no time".to_owned());
    let live_ns = question.time_to_live_ns.ok_or_else(|| Mismatch("sessions live for ever".to_owned()))?;
    let span_ns = live_ns + question.tolerance_ns;
    ensure(found_session(seen) && count_creations(record, seen) == 1, || {
        "it was not found, or created again".to_owned()
    })?;
    let began_ns = history.invoked_at(seen.id).ok_or_else(untimed)?;
    let (mut certain, mut unknown) = (Vec::new(), Vec::new());
    let may_renew = |op: &Operation| op.id != seen.id && question.renewed_by.includes_function(op.function);
    let ids = record.ids_of_session(seen.key);
    let earlier =
        ids.iter().flat_map(|&key| record.operations_on(key)).filter(|op| op.invoked < seen.completed);
    for op in earlier.filter(may_renew) {
        let from = history.invoked_at(op.id).ok_or_else(untimed)?;
        if op.outcome == Outcome::Info {
            unknown.push(from);
        } else if op.function == Function::CREATE || found_session(&op) {
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
