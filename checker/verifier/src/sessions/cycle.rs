//! Checks that each constraint of a cycle follows from the operations that it names.

use super::records::{Records, value_written_by};
use claims::{ConstraintReason, Level, VersionConstraint, VersionProofStep, VersionRefutation};
use histories::{Function, KeyId, OpId, Outcome};
use rustc_hash::{FxHashMap, FxHashSet};

/// A case distinction that still has open cases.
struct OpenSplit<'a> {
    read: OpId,
    writes: &'a [Option<OpId>],
    /// The number of cases that are done, not counting the current one.
    done: usize,
}

/// Walks through a proof. Each leaf must be a contradiction under the assumptions of its cases.
pub(super) fn verify_version_refutation(
    records: &Records<'_>,
    level: Level,
    cycle: &VersionRefutation,
) -> Result<(), String> {
    let mut open: Vec<OpenSplit<'_>> = Vec::new();
    let mut assumed: FxHashMap<OpId, Option<OpId>> = FxHashMap::default();
    let mut finished = false;
    for step in &cycle.proof {
        if finished {
            return Err("the proof goes on after its end".to_owned());
        }
        match step {
            VersionProofStep::Split { read, writes } => {
                check_split(records, cycle, *read, writes, &assumed)?;
                assumed.insert(*read, writes[0]);
                open.push(OpenSplit { read: *read, writes, done: 0 });
                continue;
            }
            VersionProofStep::Cycle(constraints) => {
                CycleLeaf { records, level, cycle, assumed: &assumed }.check_constraints(constraints)?;
            }
        }
        // A case is closed. Continue with the next case of the innermost split that has one.
        finished = true;
        while let Some(split) = open.last_mut() {
            split.done += 1;
            if let Some(&write) = split.writes.get(split.done) {
                assumed.insert(split.read, write);
                finished = false;
                break;
            }
            assumed.remove(&split.read);
            open.pop();
        }
    }
    if finished { Ok(()) } else { Err("the proof leaves cases open".to_owned()) }
}

/// Checks that the cases of a split are all versions that the read may have returned, and that the read took effect.
fn check_split(
    records: &Records<'_>,
    cycle: &VersionRefutation,
    read: OpId,
    writes: &[Option<OpId>],
    assumed: &FxHashMap<OpId, Option<OpId>>,
) -> Result<(), String> {
    let operation = records.operation(read);
    let index = records.history.operation_index(read);
    if operation.key != cycle.key || operation.outcome == Outcome::Fail || assumed.contains_key(&read) {
        return Err(format!("operation {index} cannot be split on here"));
    }
    if operation.outcome == Outcome::Info && !records.certain_operations(cycle.key, assumed).contains(&read) {
        return Err(format!("operation {index} may have had no effect"));
    }
    let (mut given, mut all) = (writes.to_vec(), records.candidate_versions(read));
    given.sort_unstable();
    all.sort_unstable();
    if given != all || given.is_empty() {
        return Err(format!("operation {index} may have returned something else"));
    }
    Ok(())
}

/// A cycle and the assumptions under which it is a contradiction.
struct CycleLeaf<'a> {
    records: &'a Records<'a>,
    level: Level,
    cycle: &'a VersionRefutation,
    assumed: &'a FxHashMap<OpId, Option<OpId>>,
}

impl CycleLeaf<'_> {
    fn check_constraints(&self, constraints: &[VersionConstraint]) -> Result<(), String> {
        let (Some(first), Some(last)) = (constraints.first(), constraints.last()) else {
            return Err("a cycle without constraints".to_owned());
        };
        let joined = constraints.windows(2).all(|pair| pair[0].to == pair[1].from) && last.to == first.from;
        if !joined {
            return Err("the constraints do not join up".to_owned());
        }
        let versions: FxHashSet<Option<OpId>> = constraints.iter().map(|constraint| constraint.to).collect();
        if versions.len() < 2
            && !constraints.iter().any(|constraint| constraint.is_strict(self.records.history))
        {
            return Err("the constraints do not contradict each other".to_owned());
        }
        let indeterminate = |op: &OpId| self.records.history.outcome(*op) != Outcome::Ok;
        if versions.iter().flatten().any(indeterminate) {
            let sure = self.records.certain_operations(self.cycle.key, self.assumed);
            if let Some(op) = versions.iter().flatten().find(|op| !sure.contains(op)) {
                return Err(format!(
                    "operation {} may have had no effect",
                    self.records.history.operation_index(*op)
                ));
            }
        }
        constraints.iter().try_for_each(|constraint| {
            if self.constraint_follows(constraint) {
                Ok(())
            } else {
                Err(format!("{constraint:?} does not follow"))
            }
        })
    }

    fn constraint_follows(&self, constraint: &VersionConstraint) -> bool {
        let VersionConstraint { from, to, reason } = *constraint;
        let (records, assume) = (self.records, self.records.question.assume);
        let here = |op: OpId| records.history.key(op) == self.cycle.key;
        if !reason.involved_operations().chain(from).chain(to).all(here) {
            return false;
        }
        match reason {
            ConstraintReason::SessionOrder { guarantee, a, b } => {
                let one_session = records.history.session(a) == records.history.session(b);
                let asked = self.level == guarantee || self.level == Level::Session;
                let (by_a, by_b) = match guarantee {
                    Level::ReadYourWrites => (self.written_version(a), self.read_version(b)),
                    Level::MonotonicReads => (self.read_version(a), self.read_version(b)),
                    Level::MonotonicWrites => (self.written_version(a), self.written_version(b)),
                    Level::WritesFollowReads => (self.read_version(a), self.written_version(b)),
                    _ => return false,
                };
                asked && one_session && self.precedes(a, b) && by_a == Some(from) && by_b == Some(to)
            }
            ConstraintReason::CompareAndSet { op } => {
                // That it happened is checked of all versions of the cycle.
                records.history.function(op) == Function::CAS
                    && records.returned_version(op, self.assumed) == Some(from)
                    && to == Some(op)
            }
            ConstraintReason::Token { a, b } => {
                let tokens = (records.history.version(a), records.history.version(b));
                let not_after = matches!(tokens, (Some(a), Some(b)) if a <= b);
                not_after && self.observed_version(a) == Some(from) && self.observed_version(b) == Some(to)
            }
            ConstraintReason::Initial => {
                from.is_none() && to.is_some_and(|op| self.written_version(op).is_some())
            }
            ConstraintReason::SessionWrites { a, b } => {
                let one_session = records.history.session(a) == records.history.session(b);
                assume.sequential_keys && one_session && self.writes_in_order(constraint, a, b)
            }
            ConstraintReason::RealTimeWrites { a, b } => {
                assume.linearizable_keys && self.writes_in_order(constraint, a, b)
            }
        }
    }

    fn writes_in_order(&self, constraint: &VersionConstraint, a: OpId, b: OpId) -> bool {
        let written = self.written_version(a) == Some(constraint.from)
            && self.written_version(b) == Some(constraint.to);
        written && self.precedes(a, b)
    }

    fn precedes(&self, a: OpId, b: OpId) -> bool {
        self.records.operation(a).precedes(&self.records.operation(b))
    }

    /// The version that an operation wrote, completed or not.
    fn written_version(&self, op: OpId) -> Option<Option<OpId>> {
        let operation = self.records.operation(op);
        (operation.outcome != Outcome::Fail && value_written_by(&operation).is_some()).then_some(Some(op))
    }

    /// The version that a completed operation read.
    fn read_version(&self, op: OpId) -> Option<Option<OpId>> {
        let completed = self.records.history.outcome(op) == Outcome::Ok;
        if completed { self.records.returned_version(op, self.assumed) } else { None }
    }

    /// The version that a completed operation wrote or, if it wrote none, read.
    fn observed_version(&self, op: OpId) -> Option<Option<OpId>> {
        let completed = self.records.history.outcome(op) == Outcome::Ok;
        if completed { self.written_version(op).or_else(|| self.read_version(op)) } else { None }
    }
}

/// Checks that a completed operation on an object read a value that no possible write wrote.
pub(super) fn check_read_of_unwritten_value(
    records: &Records<'_>,
    key: KeyId,
    read: OpId,
) -> Result<(), String> {
    let operation = records.operation(read);
    let on_object = operation.outcome == Outcome::Ok && operation.key == key;
    if on_object
        && super::records::value_read_by(&operation).is_some()
        && records.candidate_versions(read).is_empty()
    {
        return Ok(());
    }
    Err("the value that was read may have been written".to_owned())
}
