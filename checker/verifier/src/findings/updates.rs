//! Checks lost updates: two saves of a session, each of which undid the change of the other.

use super::{Checked, Record, ensure, found};
use histories::{Function, Operation, Outcome};
use serde_json::Value;

/// A save, and the read that it was based on.
pub(super) type Request = (Operation, Option<Operation>);

/// Checks that two acknowledged saves of one id each lack the other's change.
pub(super) fn is_overwritten(record: &Record<'_>, [one, other]: [&Request; 2]) -> Checked {
    for (save, _) in [one, other] {
        let saves = save.function == Function::WRITE && save.outcome == Outcome::Ok;
        ensure(saves, || "one of them is no acknowledged save".to_owned())?;
    }
    ensure(one.0.key == other.0.key && one.0.id != other.0.id, || "they are not two of one id".to_owned())?;
    let bases = [base(record, one)?, base(record, other)?];
    match (&one.1, &other.1) {
        (Some(read), Some(other_read)) => {
            ensure(one.0.process != other.0.process, || "one process did both".to_owned())?;
            let apart = other.0.completed < read.invoked || one.0.completed < other_read.invoked;
            ensure(!apart, || "one request was over before the other began".to_owned())?;
            let between = read.completed < other.0.invoked && other.0.completed < one.0.invoked;
            ensure(between || bases[0] == bases[1], || "the one may contain the other".to_owned())?;
            ensure(between || written_once(record, &bases[0]), || {
                "its base was written more than once".to_owned()
            })
        }
        (None, None) => {
            ensure(bases[0] == bases[1], || "they have different bases".to_owned())?;
            ensure(written_once(record, &bases[0]), || "its base was written more than once".to_owned())
        }
        _ => ensure(false, || "one base was read and the other one told".to_owned()),
    }
}

/// The version that a save was based on.
fn base(record: &Record<'_>, (save, read): &Request) -> Result<Value, super::Mismatch> {
    let text = |read: &Operation| record.history.value_text(read.result).to_owned();
    let nothing = || super::Mismatch("it does not tell what it was made from".to_owned());
    let Some(read) = read else {
        let notes: Value = record
            .history
            .note(save.invoked)
            .and_then(|note| serde_json::from_str(note.fields).ok())
            .ok_or_else(nothing)?;
        return notes.get("based_on").cloned().ok_or_else(nothing);
    };
    ensure(record.history.header().is_none(), || "clients of this recorder are used in turn".to_owned())?;
    ensure(read.function == Function::READ && found(read), || "it read nothing".to_owned())?;
    ensure(read.key == save.key && read.process == save.process && read.invoked < save.invoked, || {
        "the read is not of this request".to_owned()
    })?;
    let others = record.by_key.get(&save.key).into_iter().flatten().map(|&id| record.op(id));
    let mut inside = others.filter(|op| op.process == save.process);
    ensure(!inside.any(|op| op.invoked > read.invoked && op.invoked < save.invoked), || {
        "the process did something else in between".to_owned()
    })?;
    serde_json::from_str(&text(read)).map_err(|_| nothing())
}

fn written_once(record: &Record<'_>, base: &Value) -> bool {
    let Some(value) = record.history.values.get(&base.to_string()) else { return false };
    let writers = record.written.get(&value).map_or(&[][..], Vec::as_slice);
    writers.iter().filter(|&&id| record.op(id).outcome != Outcome::Fail).count() == 1
}
