//! What operations on sessions and actions claim of one another.

use super::{Checked, Mismatch, Record, ensure, found, found_nothing, is, over};
use crate::continuity::{Finding, Kind, Proof};
use histories::{Function, KeyId, OpId, Operation, Outcome, ValueId};

pub(super) fn check(record: &Record<'_>, finding: &Finding) -> Checked {
    let op = |id: OpId| record.op(id);
    match &finding.proof {
        Proof::Gone { gone, alive, renewed, .. } => is_gone(record, &op(*gone), &op(*alive), renewed.map(op)),
        Proof::Back { back, ended, shown } => is_back(record, &op(*back), &op(*ended), shown.map(op)),
        Proof::EndedTwice { one, other } => {
            let (one, other) = (op(*one), op(*other));
            let both = [&one, &other].iter().all(|op| ends(op) && op.outcome == Outcome::Ok);
            ensure(both && one.id != other.id && one.key == other.key, || {
                "they did not both end it".to_owned()
            })?;
            ensure(record.births(one.key).len() == 1, || "it was created again".to_owned())
        }
        Proof::Unborn { seen } => {
            let seen = op(*seen);
            let born = record.births(seen.key).iter().any(|birth| birth.invoked < seen.completed);
            ensure(found(&seen) && !born, || "somebody may have created it".to_owned())
        }
        Proof::Overdue { seen, .. } => is_overdue(record, &op(*seen)),
        Proof::Replaced { read, field, older, newer, shown } => {
            replaced(record, field.as_deref(), [&op(*read), &op(*older), &op(*newer), &op(*shown)])
        }
        Proof::BackToBirth { read, birth, shown } => {
            let (read, birth, shown) = (op(*read), op(*birth), op(*shown));
            let all = [&read, &birth, &shown];
            ensure(one_value(record, &read, &birth), || {
                "it does not return what the creation wrote".to_owned()
            })?;
            ensure(birth.function == Function::CREATE && over(&shown) < read.invoked, || {
                "not in this order".to_owned()
            })?;
            ensure(!one_value(record, &shown, &birth), || {
                "the other operation shows no other version".to_owned()
            })?;
            ensure(one_session(record, &all) && creations(record, &birth) == 1, || {
                "not one session".to_owned()
            })
        }
        Proof::Uncleared { read, patch, write, .. } => {
            let (read, patch, write) = (op(*read), op(*patch), op(*write));
            let text = record.history.value_text(read.result);
            let shows = |op: &Operation| text.contains(record.history.value_text(op.value()));
            ensure(shows(&patch) && shows(&write) && over(&patch) < write.invoked, || "not so".to_owned())?;
            ensure(patch.function == Function::PATCH && write.function != Function::PATCH, || {
                "not so".to_owned()
            })?;
            ensure(one_session(record, &[&read, &patch, &write]), || "not one session".to_owned())
        }
        Proof::Unwritten { read, writer } => unwritten(record, &op(*read), writer.map(op)),
        Proof::Foreign { read, writer, owner } => foreign(record, &op(*read), writer.map(op), owner),
        Proof::Repeated { read, action, times, .. } => {
            let list = list(record, &op(*read))?;
            let count = list.iter().filter(|element| is(element, action)).count();
            ensure(count == *times && count > 1, || "it is there once at most".to_owned())
        }
        Proof::Undone { read, act, .. } => undone(record, finding.kind, &op(*read), &op(*act)),
        Proof::Unasked { read, action, .. } => {
            let read = op(*read);
            let list = list(record, &read)?;
            ensure(list.iter().any(|element| is(element, action)), || "it is not there".to_owned())?;
            let asked = record.history.values.get(action).and_then(|value| record.acts.get(&value));
            let may = |id: &OpId| op(*id).outcome != Outcome::Fail && op(*id).invoked < read.completed;
            ensure(!asked.into_iter().flatten().take(1).any(may), || "it was asked for".to_owned())
        }
        Proof::NoList { read } => ensure(list(record, &op(*read)).is_err(), || "it is a list".to_owned()),
        Proof::ToldEarlier { earlier, later, back_ns } => {
            let (earlier, later) = (op(*earlier), op(*later));
            let times = clock(record, &earlier).zip(clock(record, &later));
            ensure(earlier.session == later.session && over(&earlier) < later.invoked, || {
                "not so ordered".to_owned()
            })?;
            let back = times.is_some_and(|(first, second)| first - second == *back_ns);
            ensure(back && *back_ns > record.question.tolerance_ns, || "not so told".to_owned())
        }
        Proof::Entries { .. } | Proof::OutOfOrder { .. } | Proof::Differ { .. } => {
            Err(Mismatch("evidence of another kind".to_owned()))
        }
    }
}

fn ends(op: &Operation) -> bool {
    matches!(op.function, Function::DESTROY | Function::RENEW)
}

/// Whether an operation is about this id: on it, or a renewal to it.
fn about(record: &Record<'_>, op: &Operation, key: KeyId) -> bool {
    op.key == key || record.births(key).iter().any(|birth| birth.id == op.id)
}

fn is_gone(record: &Record<'_>, gone: &Operation, alive: &Operation, renewed: Option<Operation>) -> Checked {
    // Whoever creates a session, or renews to its id, found none there.
    let key = if found_nothing(gone) { gone.key } else { given(record, gone).unwrap_or(gone.key) };
    ensure(gone.outcome == Outcome::Ok && (found_nothing(gone) || births_have(record, key, gone)), || {
        "it was not found to be gone".to_owned()
    })?;
    let birth = births_have(record, key, alive);
    ensure(about(record, alive, key) && (birth || found(alive)), || {
        "it was not found to be there".to_owned()
    })?;
    ensure(over(alive) < gone.invoked, || "it was not there before".to_owned())?;
    let excuse = record.on(key).find(|op| {
        let over = if op.outcome == Outcome::Ok { op.completed } else { u32::MAX };
        ends(op) && op.invoked < gone.completed && over > alive.invoked
    });
    ensure(excuse.is_none(), || "somebody may have ended it".to_owned())?;
    let Some(live_ns) = record.question.time_to_live_ns else { return Ok(()) };
    let renewed = renewed.ok_or_else(|| Mismatch("nothing says that its time had not run out".to_owned()))?;
    let renews = record.question.renewed_by.has(renewed.function) && renewed.outcome == Outcome::Ok;
    ensure(renews && renewed.invoked < gone.completed, || "it was not renewed".to_owned())?;
    let times = record.history.invoked_at(renewed.id).zip(record.history.completed_at(gone.id));
    let in_time = times.is_some_and(|(from, until)| until - from < live_ns - record.question.tolerance_ns);
    ensure(in_time, || "its time may have run out".to_owned())
}

fn given(record: &Record<'_>, op: &Operation) -> Option<KeyId> {
    (op.function == Function::RENEW)
        .then(|| record.history.keys.get(record.history.value_text(op.value())))?
}

fn births_have(record: &Record<'_>, key: KeyId, op: &Operation) -> bool {
    record.births(key).iter().any(|birth| birth.id == op.id)
}

fn is_back(record: &Record<'_>, back: &Operation, ended: &Operation, shown: Option<Operation>) -> Checked {
    ensure(found(back) && back.key == ended.key, || "it was not found again".to_owned())?;
    let births = record.births(back.key);
    if found_nothing(ended) {
        let shown = shown.ok_or_else(|| Mismatch("nothing says that it had been there".to_owned()))?;
        let there = found(&shown) || births.iter().any(|birth| birth.id == shown.id);
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
        _ => over(ended),
    };
    ensure(ends(ended) && done < back.invoked, || "it had not ended before".to_owned())?;
    let again =
        births.iter().filter(|birth| birth.invoked < over(back)).any(|birth| over(birth) >= ended.invoked);
    ensure(births.len() == 1 || !again, || "it may have been created again".to_owned())
}

/// Whether an id can only have come from another one, through renewals.
fn descends(record: &Record<'_>, mut key: KeyId, from: KeyId) -> bool {
    for _ in 0..record.history.keys.len() {
        match record.births(key).as_slice() {
            [_] if key == from => return true,
            [birth] if birth.function == Function::RENEW => key = birth.key,
            _ => return false,
        }
    }
    false
}

/// All ids of a session: what it was renewed from and to.
fn ids(record: &Record<'_>, key: KeyId) -> Vec<KeyId> {
    let mut all = vec![key];
    let mut at = 0;
    while at < all.len() {
        let renewed = record.on(all[at]).filter_map(|op| given(record, &op));
        let from = record.given_by.get(&all[at]).into_iter().flatten().map(|&id| record.op(id).key);
        let new: Vec<KeyId> = renewed.chain(from).filter(|key| !all.contains(key)).collect();
        all.extend(new);
        at += 1;
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn one_session(record: &Record<'_>, ops: &[&Operation]) -> bool {
    let ids = ids(record, ops[0].key);
    ops.iter().all(|op| ids.contains(&op.key))
}

fn creations(record: &Record<'_>, op: &Operation) -> usize {
    let ids = ids(record, op.key);
    ids.iter().map(|&key| record.on(key).filter(|op| op.function == Function::CREATE).count()).sum()
}

/// Late beyond what any renewal can have added: each one that was acknowledged by then from its completion, and each that
/// was not once.
fn is_overdue(record: &Record<'_>, seen: &Operation) -> Checked {
    let live_ns = record.question.time_to_live_ns.unwrap_or(i64::MAX / 4);
    let span_ns = live_ns + record.question.tolerance_ns;
    let history = record.history;
    let began = history.invoked_at(seen.id).ok_or_else(|| Mismatch("it has no time".to_owned()))?;
    let ids = ids(record, seen.key);
    let renewals = ids.iter().flat_map(|&key| record.on(key)).filter(|op| {
        record.question.renewed_by.has(op.function) && op.id != seen.id && op.invoked < seen.completed
    });
    let (mut latest, mut unknown) = (i64::MIN, 0);
    for op in
        renewals.filter(|op| op.outcome == Outcome::Info || op.function == Function::CREATE || found(op))
    {
        match history.completed_at(op.id).filter(|_| op.outcome == Outcome::Ok) {
            // One that was itself too late renewed nothing.
            Some(at) if at < began => latest = latest.max(at),
            Some(_) if history.invoked_at(op.id).is_some_and(|from| from >= began) => {}
            _ => unknown += 1,
        }
    }
    let late = latest > i64::MIN && began > latest + span_ns;
    ensure(found(seen) && (late || unknown > 0 || latest > i64::MIN), || "it was not found".to_owned())
}

/// What an operation wrote or returned, as far as one field goes.
fn value(record: &Record<'_>, op: &Operation, field: Option<&str>) -> Option<String> {
    let text = |value: ValueId| record.history.value_text(value).to_owned();
    if op.function != Function::READ {
        return Some(text(op.value()));
    }
    let parsed: serde_json::Value = serde_json::from_str(&text(op.result)).ok()?;
    let Some(fields) = parsed.get("fields").and_then(serde_json::Value::as_object) else {
        return Some(text(op.result));
    };
    let own = field.and_then(|field| fields.get(field)).filter(|value| !value.is_null());
    let whole = fields.values().find(|value| value.is_object() && value.get("field").is_none());
    own.or(whole).map(serde_json::Value::to_string)
}

fn one_value(record: &Record<'_>, one: &Operation, other: &Operation) -> bool {
    let fields = |op: &Operation| value(record, op, None);
    fields(one).is_some() && fields(one) == fields(other)
        || record.history.value_text(one.result).contains(record.history.value_text(other.value()))
}

fn replaced(record: &Record<'_>, field: Option<&str>, ops: [&Operation; 4]) -> Checked {
    let [read, older, newer, shown] = ops;
    let of = |op: &Operation| value(record, op, field);
    ensure(read.function == Function::READ && of(read).is_some(), || "it read nothing".to_owned())?;
    ensure(of(read) == of(older), || "the older version is not the one that was read".to_owned())?;
    ensure(of(newer).is_some() && of(newer) == of(shown), || "the newer versions are two".to_owned())?;
    ensure(of(newer) != of(read), || "both are one version".to_owned())?;
    ensure(over(older) < newer.invoked && over(shown) < read.invoked, || "not in this order".to_owned())?;
    for text in [of(read), of(newer)].into_iter().flatten() {
        let writes = record.history.values.get(&text).and_then(|value| record.written.get(&value));
        let writes =
            writes.into_iter().flatten().filter(|&&id| record.op(id).outcome != Outcome::Fail).count();
        ensure(writes == 1, || format!("it was written {writes} times: {text}"))?;
    }
    ensure(one_session(record, &ops), || "not one session".to_owned())
}

fn unwritten(record: &Record<'_>, read: &Operation, writer: Option<Operation>) -> Checked {
    ensure(found(read) && read.function == Function::READ, || "it read nothing".to_owned())?;
    if let Some(writer) = writer {
        let late = writer.outcome == Outcome::Fail || writer.invoked > read.completed;
        return ensure(late, || "it was written in time".to_owned());
    }
    let parsed: serde_json::Value = serde_json::from_str(record.history.value_text(read.result))
        .map_err(|why| Mismatch(format!("it read no JSON: {why}")))?;
    let parts: Vec<serde_json::Value> = match parsed.get("fields").and_then(serde_json::Value::as_object) {
        Some(fields) => fields.values().filter(|value| !value.is_null()).cloned().collect(),
        None => vec![parsed],
    };
    let strange = |part: &serde_json::Value| {
        let known = record.history.values.get(&part.to_string());
        part.get("torn").is_some() || known.is_none_or(|value| !record.written.contains_key(&value))
    };
    // One field is not a session.
    let partial = parts.len() == 1 && parts[0].get("field").is_some();
    ensure(partial || parts.iter().any(strange), || "all of it was written".to_owned())
}

fn foreign(record: &Record<'_>, read: &Operation, writer: Option<Operation>, owner: &str) -> Checked {
    let text = record.history.value_text(read.result);
    let Some(writer) = writer else {
        return ensure(text.contains(owner), || "it does not name that owner".to_owned());
    };
    ensure(text.contains(record.history.value_text(writer.value())), || "it does not show that".to_owned())?;
    let elsewhere = !ids(record, read.key).contains(&writer.key);
    ensure(elsewhere || read.session != writer.session, || "it is the reader's own".to_owned())
}

fn list(record: &Record<'_>, read: &Operation) -> Result<Vec<serde_json::Value>, Mismatch> {
    let text = record.history.value_text(read.result);
    ensure(read.function == Function::ACTIONS && read.outcome == Outcome::Ok, || {
        "it read no list".to_owned()
    })?;
    if text == "null" {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|why| Mismatch(format!("no list: {why}")))
}

fn undone(record: &Record<'_>, kind: Kind, read: &Operation, act: &Operation) -> Checked {
    let action = record.history.value_text(act.value());
    let has = |read: &Operation| Ok(list(record, read)?.iter().any(|element| is(element, action)));
    ensure(over(act) < read.invoked && !has(read)?, || {
        "it is there, or was not acknowledged before".to_owned()
    })?;
    if kind == Kind::LostAction {
        for later in
            record.on(read.key).filter(|op| op.function == Function::ACTIONS && op.invoked > read.invoked)
        {
            ensure(later.outcome != Outcome::Ok || !has(&later).unwrap_or(false), || {
                "a later list has it".to_owned()
            })?;
        }
    }
    Ok(())
}

fn clock(record: &Record<'_>, op: &Operation) -> Option<i64> {
    let fields: serde_json::Value = serde_json::from_str(record.history.note(op.completed)?.fields).ok()?;
    fields.get("clock")?.as_i64()
}
