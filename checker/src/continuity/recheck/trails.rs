//! What audit trails and replicas say, against what was asked.

use super::{Checked, Mismatch, Record, ensure, is};
use crate::continuity::{Finding, Kind, Proof};
use histories::{ActorEvent, Function, OpId, Outcome};
use serde_json::Value;

pub(super) fn check(record: &Record<'_>, finding: &Finding) -> Checked {
    match &finding.proof {
        Proof::Entries { found, acknowledged, possible } => {
            entries(record, finding, [*found, *acknowledged, *possible])
        }
        Proof::OutOfOrder { first, second } => {
            let [later, earlier] = finding.operations[..] else {
                return Err(Mismatch("not two requests".to_owned()));
            };
            let (later, earlier) = (record.op(later), record.op(earlier));
            let ordered = later.outcome == Outcome::Ok && later.completed < earlier.invoked;
            ensure(first < second && ordered, || "not in the other order".to_owned())?;
            for (position, id) in [(*second, later.id), (*first, earlier.id)] {
                let entry = event(record, position)?;
                ensure(names(record, entry, id), || "the entry is another request's".to_owned())?;
            }
            Ok(())
        }
        Proof::Differ { one, other } => {
            let [second, first] = finding.events[..] else {
                return Err(Mismatch("not two reads".to_owned()));
            };
            let (first, second) = (read_of(event(record, first)?)?, read_of(event(record, second)?)?);
            let told = (is(&first.1, one), is(&second.1, other));
            ensure(first.0 == second.0 && first.1 != second.1 && told == (true, true), || {
                "they agree".to_owned()
            })
        }
        _ => Err(Mismatch("evidence of another kind".to_owned())),
    }
}

fn event<'a>(record: &Record<'a>, position: u32) -> Result<&'a ActorEvent, Mismatch> {
    let events = record.history.actor_events();
    let at = events.binary_search_by_key(&position, |event| event.position);
    at.map(|at| &events[at]).map_err(|_| Mismatch(format!("there is no actor's event at {position}")))
}

/// Whether an entry is what a request should have left.
fn names(record: &Record<'_>, entry: &ActorEvent, id: OpId) -> bool {
    let op = record.op(id);
    let value = match op.function {
        Function::RENEW | Function::ACT => record.history.value_text(op.value()),
        _ => "null",
    };
    let key: Value = serde_json::from_str(record.history.keys.text(op.key)).unwrap_or_default();
    let value: Value = serde_json::from_str(value).unwrap_or_default();
    let told: Value = serde_json::from_str(&entry.value).unwrap_or_default();
    let same = entry.actor == "audit" && entry.function == record.history.function_name(op.function);
    same && told == Value::Array(vec![key, value])
}

fn entries(record: &Record<'_>, finding: &Finding, [found, acknowledged, possible]: [usize; 3]) -> Checked {
    ensure(finding.events.len() == found, || "not so many entries".to_owned())?;
    for &position in &finding.events {
        let entry = event(record, position)?;
        ensure(finding.operations.iter().all(|&id| names(record, entry, id)), || {
            "of another request".to_owned()
        })?;
    }
    let outcomes: Vec<Outcome> = finding.operations.iter().map(|&id| record.op(id).outcome).collect();
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let told = (count(|outcome| *outcome == Outcome::Ok), count(|outcome| *outcome != Outcome::Fail));
    ensure(told == (acknowledged, possible), || "not so many requests".to_owned())?;
    let holds = match finding.kind {
        Kind::AuditMissing => found < acknowledged,
        Kind::AuditDuplicated => found > possible && possible > 0,
        Kind::AuditForged => found > 0 && possible == 0,
        _ => false,
    };
    ensure(holds, || "the numbers do not say so".to_owned())
}

/// The key and what is under it.
fn read_of(event: &ActorEvent) -> Result<(Value, Value), Mismatch> {
    let told: [Value; 3] = serde_json::from_str(&event.value).map_err(|why| Mismatch(why.to_string()))?;
    let [_, key, held] = told;
    ensure(event.actor == "replica", || "no replica's".to_owned())?;
    Ok((key, held))
}
