//! Findings, checked again from the history alone.
//!
//! A finding names a handful of operations and claims that nothing in the history lies between them that would
//! explain them. So the claims are read off those operations, and every other operation on the same id is asked
//! whether it could be the excuse: short, slow where an id has many findings, and sharing nothing with the finder.

mod claims;
mod trails;

use super::{Finding, Judged, Proof, Question};
use crate::Verdict;
use histories::{Function, History, KeyId, NEVER, OpId, Operation, Outcome, ValueId};
use std::collections::HashMap;

/// What does not follow from the history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mismatch(pub String);

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

type Checked = Result<(), Mismatch>;

/// Checks every finding. The error names the first that does not stand.
pub fn judged(history: &History, question: &Question, all: &[Judged]) -> Checked {
    let record = Record::new(history, question);
    for judged in all {
        let Verdict::Violated(findings) = &judged.verdict else { continue };
        ensure(!findings.is_empty(), || "violated without a finding".to_owned())?;
        for finding in findings {
            ensure(finding.kind == judged.kind, || {
                format!("{} among {}", finding.kind.name(), judged.kind.name())
            })?;
            one(&record, finding).map_err(|why| {
                let operations: Vec<u64> = finding.operations.iter().map(|&id| history.index(id)).collect();
                Mismatch(format!("{} of operations {operations:?}: {why}", finding.kind.name()))
            })?;
        }
    }
    Ok(())
}

fn one(record: &Record<'_>, finding: &Finding) -> Checked {
    match finding.proof {
        Proof::Entries { .. } | Proof::OutOfOrder { .. } | Proof::Differ { .. } => {
            trails::check(record, finding)
        }
        _ => claims::check(record, finding),
    }
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Mismatch(why())) }
}

/// The history, looked up by id.
struct Record<'a> {
    history: &'a History,
    question: &'a Question,
    by_key: HashMap<KeyId, Vec<OpId>>,
    /// The renewals to an id.
    given_by: HashMap<KeyId, Vec<OpId>>,
    /// Who wrote a value, failed ones among them.
    written: HashMap<ValueId, Vec<OpId>>,
    acts: HashMap<ValueId, Vec<OpId>>,
}

impl<'a> Record<'a> {
    fn new(history: &'a History, question: &'a Question) -> Self {
        let mut record = Self {
            history,
            question,
            by_key: HashMap::new(),
            given_by: HashMap::new(),
            written: HashMap::new(),
            acts: HashMap::new(),
        };
        for op in history.operations() {
            record.by_key.entry(op.key).or_default().push(op.id);
            match op.function {
                Function::CREATE | Function::WRITE | Function::PATCH => {
                    record.written.entry(op.value()).or_default().push(op.id);
                }
                Function::RENEW if op.outcome != Outcome::Fail => {
                    if let Some(new) = history.keys.get(history.value_text(op.value())) {
                        record.given_by.entry(new).or_default().push(op.id);
                    }
                }
                Function::ACT => record.acts.entry(op.value()).or_default().push(op.id),
                _ => {}
            }
        }
        record
    }

    fn op(&self, id: OpId) -> Operation {
        self.history.operation(id)
    }

    /// The operations on an id that did not fail.
    fn on(&self, key: KeyId) -> impl Iterator<Item = Operation> + '_ {
        let all = self.by_key.get(&key).into_iter().flatten();
        all.map(|&id| self.op(id)).filter(|op| op.outcome != Outcome::Fail)
    }

    /// What created an id or renewed to it.
    fn births(&self, key: KeyId) -> Vec<Operation> {
        let given = self.given_by.get(&key).into_iter().flatten().map(|&id| self.op(id));
        self.on(key).filter(|op| op.function == Function::CREATE).chain(given).collect()
    }
}

/// By when an operation had taken effect for certain.
fn over(op: &Operation) -> u32 {
    if op.outcome == Outcome::Ok { op.completed } else { NEVER }
}

/// Whether an answer says that the session was there.
fn found(op: &Operation) -> bool {
    let reads = op.function == Function::READ;
    let acts = [Function::WRITE, Function::PATCH, Function::TOUCH, Function::RENEW, Function::DESTROY];
    op.outcome == Outcome::Ok && if reads { op.result != ValueId::NULL } else { acts.contains(&op.function) }
}

/// Whether it says that there was none.
fn found_nothing(op: &Operation) -> bool {
    op.outcome == Outcome::Ok && op.function == Function::READ && op.result == ValueId::NULL
}

/// Whether a value is the one that this JSON says.
fn is(value: &serde_json::Value, text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|told| told == *value)
}
