//! Findings, checked again from the history alone.
//!
//! A finding names a handful of operations and claims that nothing in the history lies between them that would
//! explain them. So the claims are read off those operations, and every other operation on the same id is asked
//! whether it could be the excuse: short, slow where an id has many findings, and sharing nothing with the finder.

mod actions;
mod claims;
mod contents;
mod presence;
mod trails;
mod updates;

use super::{Finding, Judged, Kind, Proof, Question};
use crate::Verdict;
use histories::{Function, History, KeyId, NEVER, OpId, Operation, Outcome, SessionId, ValueId};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

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
    let again = Again::new(history, question);
    all.iter().try_for_each(|judged| again.judged(judged))
}

/// A history that is looked at again, for several verdicts.
pub struct Again<'a> {
    record: Record<'a>,
}

impl<'a> Again<'a> {
    /// Sorts its operations. O(n).
    pub fn new(history: &'a History, question: &'a Question) -> Self {
        Self { record: Record::new(history, question) }
    }

    /// Checks every finding of a kind. The error names the first that does not stand.
    pub fn judged(&self, judged: &Judged) -> Checked {
        let Verdict::Violated(findings) = &judged.verdict else { return Ok(()) };
        ensure(!findings.is_empty(), || "violated without a finding".to_owned())?;
        findings.iter().try_for_each(|finding| self.finding(judged.kind, finding))
    }

    fn finding(&self, kind: Kind, finding: &Finding) -> Checked {
        let history = self.record.history;
        ensure(finding.kind == kind, || format!("{} among {}", finding.kind.name(), kind.name()))?;
        one(&self.record, finding).map_err(|why| {
            let operations: Vec<u64> = finding.operations.iter().map(|&id| history.index(id)).collect();
            Mismatch(format!("{} of operations {operations:?}: {why}", finding.kind.name()))
        })
    }
}

fn one(record: &Record<'_>, finding: &Finding) -> Checked {
    let named = finding.proof.operations();
    ensure(claims::bears(record, finding.kind, &finding.proof), || "it does not show that".to_owned())?;
    ensure(named.iter().all(|id| finding.operations.contains(id)), || {
        "it rests on operations that it does not name".to_owned()
    })?;
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
    /// Users who asked for a session of their own.
    creators: HashSet<SessionId>,
    /// What the audit trail should have and what it has; read when it is first needed.
    trail: OnceCell<trails::Trail>,
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
            creators: HashSet::new(),
            trail: OnceCell::new(),
        };
        for op in history.operations() {
            record.by_key.entry(op.key).or_default().push(op.id);
            if op.function == Function::CREATE {
                record.creators.insert(op.session);
            }
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

    /// All ids of a session: what it was renewed from and to.
    fn ids(&self, key: KeyId) -> Vec<KeyId> {
        let mut all = vec![key];
        let mut known = HashSet::from([key]);
        let mut at = 0;
        while at < all.len() {
            let renewed = self.on(all[at]).filter_map(|op| given(self, &op));
            let from = self.given_by.get(&all[at]).into_iter().flatten().map(|&id| self.op(id).key);
            let near: Vec<KeyId> = renewed.chain(from).collect();
            all.extend(near.into_iter().filter(|&key| known.insert(key)));
            at += 1;
        }
        all
    }
}

/// The id that a renewal gives.
fn given(record: &Record<'_>, op: &Operation) -> Option<KeyId> {
    (op.function == Function::RENEW)
        .then(|| record.history.keys.get(record.history.value_text(op.value())))?
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

fn one_session(record: &Record<'_>, ops: &[&Operation]) -> bool {
    let ids = record.ids(ops[0].key);
    ops.iter().all(|op| ids.contains(&op.key))
}

/// How many creations there are of the session of an operation.
fn creations(record: &Record<'_>, op: &Operation) -> usize {
    let ids = record.ids(op.key);
    ids.iter().map(|&key| record.on(key).filter(|op| op.function == Function::CREATE).count()).sum()
}

/// Whether an operation created an id, or renewed to it.
fn is_birth(record: &Record<'_>, key: KeyId, op: &Operation) -> bool {
    record.births(key).iter().any(|birth| birth.id == op.id)
}

fn ends(op: &Operation) -> bool {
    matches!(op.function, Function::DESTROY | Function::RENEW)
}

/// The time that an answer tells.
fn clock(record: &Record<'_>, op: &Operation) -> Option<i64> {
    let fields: serde_json::Value = serde_json::from_str(record.history.note(op.completed)?.fields).ok()?;
    fields.get("clock")?.as_i64()
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
