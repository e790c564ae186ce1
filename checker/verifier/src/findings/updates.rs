//! Checks lost updates: two saves of a session, each of which undid the change of the other.

use super::{FindingCheck, SessionRecord, ensure, found_session};
use crate::untested::every_write_follows_a_read;
use histories::{Function, Id, Operation, Outcome};
use serde_json::Value;

/// A save, and the read that it was based on.
pub(super) type SaveRequest = (Operation, Option<Operation>);

/// Checks that two acknowledged saves of one id each lack the other's change.
pub(super) fn check_overwritten_saves(
    record: &SessionRecord<'_>,
    [one, other]: [&SaveRequest; 2],
) -> FindingCheck {
    for (save, _) in [one, other] {
        let saves = save.function == Function::WRITE && save.outcome == Outcome::Ok;
        ensure(saves, || "one of them is no acknowledged save".to_owned())?;
    }
    ensure(one.0.key == other.0.key && one.0.id != other.0.id, || "they are not two of one id".to_owned())?;
    let bases = [base_of_save(record, one)?, base_of_save(record, other)?];
    match (&one.1, &other.1) {
        (Some(read), Some(other_read)) => {
            ensure(one.0.process != other.0.process, || "one process did both".to_owned())?;
            let apart = other.0.completed < read.invoked || one.0.completed < other_read.invoked;
            ensure(!apart, || "one request was over before the other began".to_owned())?;
            let between = read.completed < other.0.invoked && other.0.completed < one.0.invoked;
            ensure(between || bases[0] == bases[1], || "the one may contain the other".to_owned())?;
            ensure(between || is_written_once(record, &bases[0]), || {
                "its base was written more than once".to_owned()
            })
        }
        (None, None) => {
            ensure(bases[0] == bases[1], || "they have different bases".to_owned())?;
            ensure(is_written_once(record, &bases[0]), || "its base was written more than once".to_owned())
        }
        _ => ensure(false, || "one base was read and the other one told".to_owned()),
    }
}

/// The version that a save was based on.
fn base_of_save(record: &SessionRecord<'_>, (save, read): &SaveRequest) -> Result<Value, super::Mismatch> {
    let text = |read: &Operation| record.history.value_text(read.result).to_owned();
    let nothing = || super::Mismatch("it does not tell what it was made from".to_owned());
    let Some(read) = read else {
        let notes: Value = record
            .history
            .note(save.invoked)
            .and_then(|note| serde_json::from_str(&note.fields).ok())
            .ok_or_else(nothing)?;
        return notes.get("based_on").cloned().ok_or_else(nothing);
    };
    ensure(record.history.header().is_none(), || "clients of this recorder are used in turn".to_owned())?;
    let follow = || every_write_follows_a_read(record.history);
    ensure(*record.saves_follow_reads.get_or_init(follow), || {
        "some save follows no read, so reads and saves are not parts of one request".to_owned()
    })?;
    ensure(read.function == Function::READ && found_session(read), || "it read nothing".to_owned())?;
    ensure(read.key == save.key && read.process == save.process && read.invoked < save.invoked, || {
        "the read is not of this request".to_owned()
    })?;
    let others = record.by_key.of(save.key.index()).iter().map(|&id| record.operation(id));
    let mut inside = others.filter(|op| op.process == save.process);
    ensure(!inside.any(|op| op.invoked > read.invoked && op.invoked < save.invoked), || {
        "the process did something else in between".to_owned()
    })?;
    serde_json::from_str(&text(read)).map_err(|_| nothing())
}

fn is_written_once(record: &SessionRecord<'_>, base: &Value) -> bool {
    let Some(value) = record.history.values.get(&base.to_string()) else { return false };
    let writers = record.written.of(value.index());
    writers.iter().filter(|&&id| record.operation(id).outcome != Outcome::Fail).count() == 1
}
