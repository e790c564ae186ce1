//! Checks that nothing explains a read, by the operations of a core.

use crate::sessions::{Records, value_read_by, value_written_by};
use crate::watch::StepCost;
use claims::{Core, Level};
use histories::{NEVER, OpId, Operation, Outcome};
use std::collections::HashSet;

/// The operations that are said to show that a read is not explained.
pub(super) struct ReadRefutation<'a> {
    pub(super) records: &'a Records<'a>,
    level: Level,
    pub(super) core: &'a Core,
}

impl<'a> ReadRefutation<'a> {
    pub(super) fn new(records: &'a Records<'a>, level: Level, core: &'a Core) -> Self {
        Self { records, level, core }
    }

    /// Checks that the core has a completed read that nothing explains.
    pub(super) fn check_core(&self) -> Result<(), String> {
        self.check_members()?;
        let is_judged = |op: &&OpId| self.is_judged(**op);
        let ruled_out = self.ruled_out_writes();
        let mut reads = self.core.operations.iter().filter(is_judged);
        match reads.any(|&read| self.is_unexplained(read, &ruled_out)) {
            true => Ok(()),
            false => Err("each read of the core may be explained".to_owned()),
        }
    }

    /// Whether the core shows a read of the future, or one that is stale: of its own unexplained reads, one whose value was written only
    /// later, or one whose value may have been written before.
    pub(super) fn shows_name(&self, of_the_future: bool) -> bool {
        let ruled_out = self.ruled_out_writes();
        let mut reads = self.core.operations.iter().copied().filter(|&op| self.is_judged(op));
        reads.any(|read| {
            let operation = self.records.operation(read);
            let candidates = self.candidates_of(&operation);
            let came_later = |candidate: &Option<OpId>| {
                candidate.is_some_and(|write| self.is_before(&operation, &self.records.operation(write)))
            };
            !candidates.is_empty()
                && candidates.iter().all(came_later) == of_the_future
                && self.is_unexplained(read, &ruled_out)
        })
    }

    /// Whether an operation wrote what an operation of the core returned or expected.
    pub(super) fn is_source_of_read(&self, op: OpId) -> bool {
        let mut all = self.core.operations.iter();
        all.any(|&read| self.candidates_of(&self.records.operation(read)).contains(&Some(op)))
    }

    /// Whether an operation of the core completed with a read that counts.
    pub(super) fn is_judged(&self, op: OpId) -> bool {
        let operation = self.records.operation(op);
        operation.outcome == Outcome::Ok
            && value_read_by(&operation).is_some()
            && !self.core.writes_only.contains(&op)
    }

    /// Checks that the operations of the core are of its object, and that the core is about the whole history.
    pub(super) fn check_members(&self) -> Result<(), String> {
        let history = self.records.history;
        let unknown =
            |op: &&OpId| history.key(**op) != self.core.key || history.outcome(**op) == Outcome::Fail;
        if let Some(&strange) = self.core.operations.iter().find(unknown) {
            let index = history.operation_index(strange);
            return Err(format!("operation {index} does not belong into the core"));
        }
        if self.core.from.is_some() || self.core.until != NEVER {
            return Err("the core of a single read is about the whole history".to_owned());
        }
        Ok(())
    }

    /// The indeterminate compare-and-sets of the core that cannot have happened, because nothing explains what they found.
    pub(super) fn ruled_out_writes(&self) -> HashSet<OpId> {
        let mut ruled_out = HashSet::new();
        let is_doubtful = |op: &OpId| {
            let operation = self.records.operation(*op);
            operation.outcome == Outcome::Info && value_read_by(&operation).is_some()
        };
        let doubtful: Vec<OpId> = self.core.operations.iter().copied().filter(is_doubtful).collect();
        loop {
            let more = |op: &&OpId| !ruled_out.contains(*op) && self.is_unexplained(**op, &ruled_out);
            let Some(&one) = doubtful.iter().find(more) else { return ruled_out };
            ruled_out.insert(one);
        }
    }

    /// Whether one operation is before another in what the history says of time.
    pub(super) fn is_before(&self, a: &Operation, b: &Operation) -> bool {
        a.precedes(b) && (self.records.history.has_real_time() || a.session == b.session)
    }

    /// Whether no order explains the read, whatever the others read.
    fn is_unexplained(&self, read: OpId, ruled_out: &HashSet<OpId>) -> bool {
        if self.level == Level::Safe && self.may_overlap(read) {
            return false;
        }
        let operation = self.records.operation(read);
        self.candidates_of(&operation).into_iter().all(|candidate| {
            let source = candidate.map(|write| self.records.operation(write));
            let is_replaced = self.core.operations.iter().any(|&other| {
                let other = self.records.operation(other);
                let is_write = value_written_by(&other).is_some() && other.id != read;
                let is_newer = source.as_ref().is_none_or(|source| self.is_before(source, &other));
                is_write && is_newer && self.is_before(&other, &operation)
            });
            let is_replaced = is_replaced && self.level != Level::ConsistentPrefix;
            let came_later = source.as_ref().is_some_and(|source| self.is_before(&operation, source));
            self.records.watch.has_time_after(self.core.operations.len() as u64)
                && (is_replaced || came_later || source.is_some_and(|source| ruled_out.contains(&source.id)))
        })
    }

    /// The writes that the read may have returned. A safe register may have given a compare-and-set any value, so there the value that
    /// one expected need not have been written.
    fn candidates_of(&self, read: &Operation) -> Vec<Option<OpId>> {
        if self.level != Level::Safe {
            return self.records.candidate_versions(read.id);
        }
        let value = value_read_by(read);
        let initial = self.records.question.initial.value_of_key(read.key);
        let writes = self.records.operations_on(read.key).iter().copied();
        let writes =
            writes.filter(|&op| op != read.id && value_written_by(&self.records.operation(op)) == value);
        writes.map(Some).chain((value == Some(initial)).then_some(None)).collect()
    }

    /// Whether a write that may have happened is neither before nor after the read.
    pub(super) fn may_overlap(&self, read: OpId) -> bool {
        let operation = self.records.operation(read);
        let others = self.records.operations_on(operation.key).iter();
        let mut others = self.records.watch.take_while_in_time(StepCost::Look, others);
        others.any(|&other| {
            let other = self.records.operation(other);
            other.id != read
                && value_written_by(&other).is_some()
                && !self.is_before(&other, &operation)
                && !self.is_before(&operation, &other)
                && self.may_have_happened(&other)
        })
    }

    /// Whether a write may have happened in a safe register. An indeterminate compare-and-set has no end, so it overlaps every write
    /// that is not before it, and may then have found any value.
    fn may_have_happened(&self, write: &Operation) -> bool {
        let is_doubtful = write.outcome == Outcome::Info && value_read_by(write).is_some();
        if !is_doubtful {
            return true;
        }
        let others = self.records.operations_on(write.key).iter().map(|&op| self.records.operation(op));
        let mut writes = others.filter(|other| other.id != write.id && value_written_by(other).is_some());
        if writes.any(|other| !self.is_before(&other, write)) {
            // Two indeterminate compare-and-sets overlap each other.
            return true;
        }
        // All other writes are complete, so what the last of them wrote may have been found; and nothing older.
        let completed = || {
            let all = self.records.operations_on(write.key).iter().map(|&op| self.records.operation(op));
            all.filter(|other| other.id != write.id && value_written_by(other).is_some())
        };
        let is_replaced = |source: &Operation| {
            completed().any(|other| self.is_before(source, &other) && self.is_before(&other, write))
        };
        self.candidates_of(write).into_iter().any(|candidate| match candidate {
            Some(source) => !is_replaced(&self.records.operation(source)),
            None => completed().next().is_none(),
        })
    }
}
