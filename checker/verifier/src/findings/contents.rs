//! Checks findings about a read that returned an old version, foreign data, or data that no operation wrote.

use super::{
    FindingCheck, Mismatch, SessionRecord, belong_to_one_session, count_creations, ensure, found_session,
    took_effect_by,
};
use ::claims::FindingKind;
use histories::{Function, Id, Operation, Outcome, ValueId};
use serde_json::Value;

/// Parses what a read returned into parts by name. The result is empty if it is not JSON.
fn parse_parts(record: &SessionRecord<'_>, read: &Operation) -> Vec<(String, Value)> {
    let Ok(told) = serde_json::from_str::<Value>(record.history.value_text(read.result)) else {
        return Vec::new();
    };
    match told.get("fields").and_then(Value::as_object) {
        Some(fields) => {
            let set = fields.iter().filter(|(_, part)| !part.is_null());
            set.map(|(name, part)| (name.clone(), part.clone())).collect()
        }
        None => vec![(String::new(), told)],
    }
}

/// Whether a read returned the value, as a whole or in one part.
fn shows_value(record: &SessionRecord<'_>, read: &Operation, value: ValueId) -> bool {
    let text = record.history.value_text(value);
    returned_contents(read) && parse_parts(record, read).iter().any(|(_, part)| is_written_as(part, text))
}

/// Whether a part is the value with this text. Values are compared in the form in which they are written.
fn is_written_as(part: &Value, text: &str) -> bool {
    let written = part.to_string();
    written == text
}

fn returned_contents(read: &Operation) -> bool {
    read.function == Function::READ && found_session(read)
}

/// The version of a field that an operation wrote or returned. Without a field: the version of the whole session. A patch writes no
/// version of the whole session, nor of other fields.
fn version_text(record: &SessionRecord<'_>, op: &Operation, field: Option<&str>) -> Option<String> {
    let text = record.history.value_text(op.value());
    match op.function {
        Function::READ => {}
        Function::CREATE | Function::WRITE => return Some(text.to_owned()),
        Function::PATCH => {
            let written: Value = serde_json::from_str(text).ok()?;
            let is_same = field.is_some() && written.get("field").and_then(Value::as_str) == field;
            return is_same.then(|| text.to_owned());
        }
        _ => return None,
    }
    let parts = parse_parts(record, op);
    let own = parts.iter().find(|(name, _)| field.is_some_and(|field| field == name));
    // Histories of others have plain values, such as 1, in place of payloads.
    let whole = parts.iter().find(|(_, part)| part.get("field").is_none());
    own.or(whole).map(|(_, part)| part.to_string())
}

/// The operations that may have written a value.
fn possible_writers(record: &SessionRecord<'_>, text: &str) -> Vec<Operation> {
    let known = record.history.values.get(text).map(|value| record.written.of(value.index()));
    let all = known.into_iter().flatten().map(|&id| record.operation(id));
    all.filter(|op| op.outcome != Outcome::Fail).collect()
}

/// Checks that a read returned an old version although a newer one had already existed.
pub(super) fn check_replaced_version(
    record: &SessionRecord<'_>,
    kind: FindingKind,
    field: Option<&str>,
    ops: [&Operation; 4],
) -> FindingCheck {
    let [read, older, newer, shown] = ops;
    let of = |op: &Operation| version_text(record, op, field);
    ensure(returned_contents(read), || "it read nothing".to_owned())?;
    ensure(of(read) == of(older), || "the older version is not the one that was read".to_owned())?;
    ensure(of(newer).is_some() && of(newer) == of(shown), || "the newer versions are two".to_owned())?;
    ensure(of(newer) != of(read), || "both are one version".to_owned())?;
    ensure(took_effect_by(older) < newer.invoked && took_effect_by(shown) < read.invoked, || {
        "not in this order".to_owned()
    })?;
    // An id that was replaced by another may be created again, for another session.
    let is_same = newer.function != Function::CREATE || newer.key == read.key;
    ensure(is_same && belong_to_one_session(record, &ops), || "not one session".to_owned())?;
    check_version_writers(record, kind, (read, field), [of(read), of(newer)])
}

/// Checks that a read returned the version of the creation although another version had already existed.
pub(super) fn check_back_to_creation(
    record: &SessionRecord<'_>,
    kind: FindingKind,
    field: Option<&str>,
    ops: [&Operation; 3],
) -> FindingCheck {
    let [read, birth, shown] = ops;
    let of = |op: &Operation| version_text(record, op, field);
    ensure(returned_contents(read) && of(read) == of(birth), || {
        "it does not return what the creation wrote".to_owned()
    })?;
    let is_birth = birth.function == Function::CREATE && birth.outcome != Outcome::Fail;
    ensure(is_birth && took_effect_by(shown) < read.invoked, || "not in this order".to_owned())?;
    ensure(of(shown).is_some() && of(shown) != of(birth), || {
        "the other operation shows no other version".to_owned()
    })?;
    ensure(belong_to_one_session(record, &ops) && count_creations(record, birth) == 1, || {
        "not one session".to_owned()
    })?;
    check_version_writers(record, kind, (read, field), [of(read), of(shown)])
}

/// Checks that each version was written once. For a lost write it also checks that the write was acknowledged and began
/// after the write of the version that was read, that the read began after the store had settled, and that no later read returned the write.
fn check_version_writers(
    record: &SessionRecord<'_>,
    kind: FindingKind,
    (read, field): (&Operation, Option<&str>),
    versions: [Option<String>; 2],
) -> FindingCheck {
    let [Some(older), Some(newer)] = versions else { return Err(Mismatch("it shows no version".to_owned())) };
    let mut written = Vec::new();
    for text in [&older, &newer] {
        match possible_writers(record, text)[..] {
            [ref write] => written.push(write.clone()),
            ref all => return Err(Mismatch(format!("it was written {} times: {text}", all.len()))),
        }
    }
    if kind != FindingKind::LostWrite {
        return Ok(());
    }
    let mut events = record.history.actor_events().iter();
    let settled = events.find(|event| event.actor == "recorder" && event.function == "settled");
    ensure(settled.is_some_and(|settled| settled.position < read.invoked), || {
        "the store had not settled".to_owned()
    })?;
    ensure(written[1].outcome == Outcome::Ok && took_effect_by(&written[0]) < written[1].invoked, || {
        "the write was not acknowledged, or may have come first".to_owned()
    })?;
    let shows_it_later = |op: &Operation| {
        op.function == Function::READ
            && op.outcome == Outcome::Ok
            && settled.is_some_and(|settled| settled.position < op.invoked)
            && op.completed > read.invoked
            && version_text(record, op, field).as_ref() == Some(&newer)
    };
    let ids = record.ids_of_session(read.key);
    let is_lost = !ids.iter().flat_map(|&id| record.operations_on(id)).any(|op| shows_it_later(&op));
    ensure(is_lost, || "a later read returned the write".to_owned())
}

/// Checks that a read returned an old field together with a later write of the whole session.
pub(super) fn check_uncleared_field(
    record: &SessionRecord<'_>,
    field: &str,
    ops: [&Operation; 3],
) -> FindingCheck {
    let [read, patch, write] = ops;
    let parts = parse_parts(record, read);
    let text = |op: &Operation| record.history.value_text(op.value()).to_owned();
    let kept = parts.iter().any(|(name, part)| name == field && is_written_as(part, &text(patch)));
    ensure(returned_contents(read) && kept && shows_value(record, read, write.value()), || {
        "it does not return both".to_owned()
    })?;
    ensure(patch.function == Function::PATCH && write.function != Function::PATCH, || {
        "they are not a field and a whole".to_owned()
    })?;
    let once = [patch, write].iter().all(|op| possible_writers(record, &text(op)).len() == 1);
    ensure(once && took_effect_by(patch) < write.invoked, || {
        "the field may have been written after it".to_owned()
    })?;
    ensure(belong_to_one_session(record, &ops), || "not one session".to_owned())
}

/// Checks that no write can have produced the data by then.
pub(super) fn check_unwritten_data(
    record: &SessionRecord<'_>,
    read: &Operation,
    writer: Option<Operation>,
) -> FindingCheck {
    ensure(returned_contents(read), || "it read nothing".to_owned())?;
    if let Some(writer) = writer {
        ensure(shows_value(record, read, writer.value()), || "it does not show that".to_owned())?;
        let all = possible_writers(record, record.history.value_text(writer.value()));
        return ensure(all.iter().all(|op| op.invoked > read.completed), || {
            "it was written in time".to_owned()
        });
    }
    let parts = parse_parts(record, read);
    let strange = |part: &Value| {
        let known = record.history.values.get(&part.to_string());
        part.get("torn").is_some() || known.is_none_or(|value| record.written.of(value.index()).is_empty())
    };
    // A single field is not a session.
    let partial = parts.len() == 1 && parts[0].1.get("field").is_some();
    ensure(partial || parts.iter().any(|(_, part)| strange(part)), || "all of it was written".to_owned())
}

/// Checks that a read returned data of another session or another user.
pub(super) fn check_foreign_data(
    record: &SessionRecord<'_>,
    read: &Operation,
    writer: Option<Operation>,
    owner: &str,
) -> FindingCheck {
    let history = record.history;
    if read.function == Function::ACTIONS {
        let act = writer.ok_or_else(|| Mismatch("nobody asked for that action".to_owned()))?;
        let list = super::actions::parse_action_list(record, read)?;
        let has = list.iter().any(|element| super::equals_json(element, history.value_text(act.value())));
        // An action that two users requested belongs to both of them.
        let same = record.acts.of(act.value().index()).iter().map(|&id| record.operation(id));
        let own = |op: &Operation| history.sessions.text(op.session) == history.keys.text(read.key);
        let is_own = own(&act) || same.filter(own).any(|op| op.outcome != Outcome::Fail);
        return ensure(act.function == Function::ACT && has && !is_own, || "it is the user's own".to_owned());
    }
    ensure(returned_contents(read), || "it read nothing".to_owned())?;
    let ids = record.ids_of_session(read.key);
    if let Some(writer) = writer {
        ensure(shows_value(record, read, writer.value()), || "it does not show that".to_owned())?;
        let writers = possible_writers(record, history.value_text(writer.value()));
        let sole = matches!(&writers[..], [only] if only.id == writer.id);
        let settled = record.creators.contains(&read.session);
        let other = !ids.contains(&writer.key) || (read.session != writer.session && settled);
        return ensure(sole && other, || "it is the reader's own".to_owned());
    }
    let parts = parse_parts(record, read);
    let named = |part: &Value| part.get("session").and_then(Value::as_str) == Some(owner);
    let unwritten = |part: &Value| possible_writers(record, &part.to_string()).is_empty();
    ensure(parts.iter().any(|(_, part)| named(part) && unwritten(part)), || {
        "it does not name that owner".to_owned()
    })?;
    let owner = Value::from(owner).to_string();
    let known = history.sessions.get(&owner).is_some();
    let creations = ids.iter().flat_map(|key| record.by_key.of(key.index())).map(|&id| record.operation(id));
    let first = creations.filter(|op| op.function == Function::CREATE).min_by_key(|op| op.id);
    let mine = first.map(|birth| history.sessions.text(birth.session) == owner);
    ensure(!known || mine == Some(false), || "that is whose it is".to_owned())
}
