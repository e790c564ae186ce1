//! Checks findings about lists of actions that contain too many or too few actions.

use super::{Checked, Mismatch, Record, ensure, is, over};
use ::claims::FindingKind;
use histories::{Function, Operation, Outcome};
use serde_json::Value;

/// Parses the list of actions that a read returned.
pub(super) fn list(record: &Record<'_>, read: &Operation) -> Result<Vec<Value>, Mismatch> {
    ensure(is_read(read), || "it read no list".to_owned())?;
    let told: Option<Vec<Value>> = serde_json::from_str(record.history.value_text(read.result))
        .map_err(|why| Mismatch(format!("no list: {why}")))?;
    Ok(told.unwrap_or_default())
}

fn is_read(read: &Operation) -> bool {
    read.function == Function::ACTIONS && read.outcome == Outcome::Ok
}

/// Checks that the operation, if there is one, requested the action.
pub(super) fn is_asked_by(record: &Record<'_>, act: Option<Operation>, action: &str) -> Checked {
    let asked = |op: &Operation| {
        let told = serde_json::from_str::<Value>(record.history.value_text(op.value()));
        op.function == Function::ACT && told.is_ok_and(|told| is(&told, action))
    };
    ensure(act.is_none_or(|op| asked(&op)), || "it is no request for that action".to_owned())
}

pub(super) fn is_repeated(record: &Record<'_>, read: &Operation, action: &str, times: usize) -> Checked {
    let count = list(record, read)?.iter().filter(|element| is(element, action)).count();
    ensure(count == times && count > 1, || "it is there once at most, or another number of times".to_owned())
}

pub(super) fn is_no_list(record: &Record<'_>, read: &Operation) -> Checked {
    ensure(is_read(read) && list(record, read).is_err(), || "it is a list".to_owned())
}

/// Checks that an action had been acknowledged before a list without it was read.
pub(super) fn is_undone(
    record: &Record<'_>,
    kind: FindingKind,
    [read, act]: [&Operation; 2],
    later: Option<Operation>,
) -> Checked {
    let history = record.history;
    let action = history.value_text(act.value());
    let has = |read: &Operation| {
        Ok::<bool, Mismatch>(list(record, read)?.iter().any(|element| is(element, action)))
    };
    let own = history.sessions.text(act.session) == history.keys.text(read.key);
    ensure(act.function == Function::ACT && own, || "it is no action of that user".to_owned())?;
    ensure(over(act) < read.invoked && !has(read)?, || {
        "it is there, or was not acknowledged before".to_owned()
    })?;
    match (kind, later) {
        (FindingKind::LostAction, None) => {
            let mut others = record.on(read.key).filter(|op| is_read(op) && op.completed > read.invoked);
            ensure(!others.any(|other| has(&other).unwrap_or(false)), || "a later list has it".to_owned())
        }
        (FindingKind::StaleSession, Some(later)) => {
            ensure(later.key == read.key && later.completed > read.invoked && has(&later)?, || {
                "no later list has it".to_owned()
            })
        }
        _ => Err(Mismatch("it is either lost or seen later".to_owned())),
    }
}

/// Checks that a list contains an action that no operation can have requested by then.
pub(super) fn is_unasked(record: &Record<'_>, read: &Operation, action: &str) -> Checked {
    ensure(list(record, read)?.iter().any(|element| is(element, action)), || "it is not there".to_owned())?;
    let asked = record.history.values.get(action).and_then(|value| record.acts.get(&value));
    let may = |op: Operation| op.outcome != Outcome::Fail && op.invoked < read.completed;
    ensure(!asked.into_iter().flatten().any(|&id| may(record.op(id))), || "it was asked for".to_owned())
}
