//! Checks lost updates: two saves of a session, each of which undid the change of the other.

use super::{FindingCheck, SessionRecord, ensure, found_session};
use crate::recorded_facts::{every_write_follows_a_read, stated_base};
use histories::{Function, History, Id, Operation, Outcome};
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
    let [base, other_base] = [base_of_save(record, one)?, base_of_save(record, other)?];
    if !base.is_stated && !other_base.is_stated {
        ensure(one.0.process != other.0.process, || "one process did both".to_owned())?;
    }
    let apart = other.0.completed < began(one) || one.0.completed < began(other);
    ensure(!apart, || "one request was over before the other began".to_owned())?;
    let id = |read: &Option<Operation>| read.as_ref().map(|read| read.id);
    let between = one.1.as_ref().is_some_and(|read| {
        id(&one.1) != id(&other.1) && read.completed < other.0.invoked && other.0.completed < one.0.invoked
    });
    ensure(between || base.version == other_base.version, || "the one may contain the other".to_owned())?;
    ensure(between && !base.is_stated || is_written_once(record, &base.version), || {
        "its base was written more than once".to_owned()
    })
}

/// The position at which the request of a save began.
fn began((save, read): &SaveRequest) -> u32 {
    read.as_ref().map_or(save.invoked, |read| read.invoked)
}

/// The version that a save was based on.
struct SaveBase {
    version: Value,
    /// Whether the history states it. Otherwise the process read it.
    is_stated: bool,
}

/// Whether a read was over before a save of its id, and returned the version that the save states.
pub(super) fn shows_base_of(history: &History, read: &Operation, save: &Operation, base: &str) -> bool {
    read.function == Function::READ
        && read.outcome == Outcome::Ok
        && read.key == save.key
        && read.completed < save.invoked
        && history.value_text(read.result).contains(base)
}

/// The version that a save was based on.
fn base_of_save(record: &SessionRecord<'_>, (save, read): &SaveRequest) -> Result<SaveBase, super::Mismatch> {
    let history = record.history;
    let nothing = || super::Mismatch("it does not tell what it was made from".to_owned());
    let of_key = || record.by_key.of(save.key.index()).iter().map(|&id| record.operation(id));
    if let Some(version) = stated_base(history, save) {
        let base = version.to_string();
        let last = of_key().filter(|op| shows_base_of(history, op, save, &base)).max_by_key(|op| op.invoked);
        let is_last = last.map(|op| op.id) == read.as_ref().map(|read| read.id);
        ensure(is_last, || "the request began with another read of its base".to_owned())?;
        return Ok(SaveBase { version, is_stated: true });
    }
    let read = read.as_ref().ok_or_else(nothing)?;
    ensure(history.header().is_none(), || "clients of this recorder are used in turn".to_owned())?;
    let follow = || every_write_follows_a_read(history);
    ensure(*record.saves_follow_reads.get_or_init(follow), || {
        "some save follows no read, so reads and saves are not parts of one request".to_owned()
    })?;
    ensure(read.function == Function::READ && found_session(read), || "it read nothing".to_owned())?;
    ensure(read.key == save.key && read.process == save.process && read.invoked < save.invoked, || {
        "the read is not of this request".to_owned()
    })?;
    let mut inside = of_key().filter(|op| op.process == save.process);
    ensure(!inside.any(|op| op.invoked > read.invoked && op.invoked < save.invoked), || {
        "the process did something else in between".to_owned()
    })?;
    let version = serde_json::from_str(history.value_text(read.result)).map_err(|_| nothing())?;
    Ok(SaveBase { version, is_stated: false })
}

fn is_written_once(record: &SessionRecord<'_>, base: &Value) -> bool {
    let Some(value) = record.history.values.get(&base.to_string()) else { return false };
    let writers = record.written.of(value.index());
    writers.iter().filter(|&&id| record.operation(id).outcome != Outcome::Fail).count() == 1
}
