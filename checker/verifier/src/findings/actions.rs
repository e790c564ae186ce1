//! Checks findings about lists of actions that contain too many or too few actions.

use super::{FindingCheck, Mismatch, SessionRecord, ensure, equals_json, took_effect_by};
use ::claims::FindingKind;
use histories::{Function, Id, Operation, Outcome};
use serde_json::Value;

/// Parses the list of actions that a read returned.
pub(super) fn parse_action_list(
    record: &SessionRecord<'_>,
    read: &Operation,
) -> Result<Vec<Value>, Mismatch> {
    ensure(is_actions_read(read), || "it read no list".to_owned())?;
    let told: Option<Vec<Value>> = serde_json::from_str(record.history.value_text(read.result))
        .map_err(|why| Mismatch(format!("no list: {why}")))?;
    Ok(told.unwrap_or_default())
}

fn is_actions_read(read: &Operation) -> bool {
    read.function == Function::ACTIONS && read.outcome == Outcome::Ok
}

/// Checks that the operation, if there is one, requested the action.
pub(super) fn check_requested_by(
    record: &SessionRecord<'_>,
    act: Option<Operation>,
    action: &str,
) -> FindingCheck {
    let asked = |op: &Operation| {
        let told = serde_json::from_str::<Value>(record.history.value_text(op.value()));
        op.function == Function::ACT && told.is_ok_and(|told| equals_json(&told, action))
    };
    ensure(act.is_none_or(|op| asked(&op)), || "it is no request for that action".to_owned())
}

pub(super) fn check_repeated_action(
    record: &SessionRecord<'_>,
    read: &Operation,
    action: &str,
    times: usize,
) -> FindingCheck {
    let count =
        parse_action_list(record, read)?.iter().filter(|element| equals_json(element, action)).count();
    ensure(count == times && count > 1, || "it is there once at most, or another number of times".to_owned())
}

pub(super) fn check_not_a_list(record: &SessionRecord<'_>, read: &Operation) -> FindingCheck {
    ensure(is_actions_read(read) && parse_action_list(record, read).is_err(), || "it is a list".to_owned())
}

/// Checks that an action had been acknowledged or seen before a list without it was read.
pub(super) fn check_missing_action(
    record: &SessionRecord<'_>,
    kind: FindingKind,
    [read, act]: [&Operation; 2],
    [seen, later]: [Option<Operation>; 2],
) -> FindingCheck {
    let history = record.history;
    let action = history.value_text(act.value());
    let has = |read: &Operation| {
        Ok::<bool, Mismatch>(
            parse_action_list(record, read)?.iter().any(|element| equals_json(element, action)),
        )
    };
    let own = history.sessions.text(act.session) == history.keys.text(read.key);
    ensure(act.function == Function::ACT && own, || "it is no action of that user".to_owned())?;
    let is_done = match seen {
        None => took_effect_by(act) < read.invoked,
        Some(seen) => {
            act.outcome != Outcome::Fail
                && seen.key == read.key
                && seen.completed < read.invoked
                && has(&seen)?
        }
    };
    ensure(is_done && !has(read)?, || "it is there, or was neither acknowledged nor seen before".to_owned())?;
    match (kind, later) {
        (FindingKind::LostAction, None) => {
            let mut others = record
                .operations_on(read.key)
                .filter(|op| is_actions_read(op) && op.completed > read.invoked);
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
pub(super) fn check_unrequested_action(
    record: &SessionRecord<'_>,
    read: &Operation,
    action: &str,
) -> FindingCheck {
    ensure(parse_action_list(record, read)?.iter().any(|element| equals_json(element, action)), || {
        "it is not there".to_owned()
    })?;
    let asked = record.history.values.get(action).map(|value| record.acts.of(value.index()));
    let may = |op: Operation| op.outcome != Outcome::Fail && op.invoked < read.completed;
    ensure(!asked.into_iter().flatten().any(|&id| may(record.operation(id))), || {
        "it was asked for".to_owned()
    })
}
