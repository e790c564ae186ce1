//! Checks one order of the writes of each object, and that there is none.
//!
//! An order has every completed write of its object once, extends real time, and has a place for each read: after a write of its value
//! that had begun before the read ended, and after which no write comes that was complete before the read began. A conflict has writes
//! that have no last one. After each of them comes another: real time puts it there, or a read that began afterwards returned it.
//!
//! Cost: O(n log n) for all orders; O(r·k + c) for a conflict of k operations, with the c writes that its reads may have returned. r is 1
//! for a conflict without a superfluous write, and at most k.

use super::reads::ReadRefutation;
use crate::sessions::{value_read_by, value_written_by};
use crate::watch::{StepCost, Watch};
use claims::{Linearization, ObjectQuestion};
use histories::{Function, History, KeyId, OpId, Operation, Outcome, SessionId, ValueId};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Checks that each object has an order of its writes that all reads agree with.
pub(super) fn verify_write_orders(
    history: &History,
    question: &ObjectQuestion,
    orders: &[Linearization],
    watch: &Watch<'_>,
) -> Result<(), String> {
    let mut place: HashMap<OpId, usize> = HashMap::new();
    for (at, (order, &op)) in
        orders.iter().flat_map(|one| one.operations.iter().map(move |op| (one, op))).enumerate()
    {
        let write = history.operation(op);
        let belongs =
            write.key == order.key && value_written_by(&write).is_some() && write.outcome != Outcome::Fail;
        if !belongs || place.insert(op, at).is_some() {
            return Err(format!("operation {} does not belong into the order", history.operation_index(op)));
        }
    }
    let mut objects: HashMap<KeyId, Vec<Operation>> = HashMap::new();
    for operation in watch.take_while_in_time(StepCost::Follow, history.operations()) {
        let happened = operation.outcome == Outcome::Ok || place.contains_key(&operation.id);
        let is_access = value_read_by(&operation).is_some() || value_written_by(&operation).is_some();
        if happened && !is_access && operation.function != Function::CONTAINS {
            return Err(format!(
                "operation {} is not an operation on a register",
                history.operation_index(operation.id)
            ));
        }
        if happened && is_access {
            objects.entry(operation.key).or_default().push(operation);
        }
    }
    for (key, operations) in objects {
        let initial = question.initial.value_of_key(key);
        check_object(history, &operations, initial, &place)?;
    }
    Ok(())
}

/// Checks the order of the writes of one object, whose operations are in order of invocation.
fn check_object(
    history: &History,
    operations: &[Operation],
    initial: ValueId,
    place: &HashMap<OpId, usize>,
) -> Result<(), String> {
    let wrong = |op: OpId, what: &str| Err(format!("operation {} {what}", history.operation_index(op)));
    let mut events: Vec<(u32, bool, &Operation)> = Vec::new();
    for operation in operations {
        events.push((operation.invoked, false, operation));
        if operation.outcome == Outcome::Ok {
            events.push((operation.completed, true, operation));
        }
    }
    events.sort_unstable_by_key(|event| event.0);
    // The last place of a write that is complete, and that of each read at its beginning.
    let mut latest: Option<usize> = None;
    let mut hidden: HashMap<OpId, Option<usize>> = HashMap::new();
    // For each value, the last two places of writes that have begun.
    let mut begun: HashMap<ValueId, BTreeSet<(usize, OpId)>> = HashMap::new();
    let explained = |read: &Operation,
                     hidden: &HashMap<OpId, Option<usize>>,
                     begun: &HashMap<ValueId, BTreeSet<(usize, OpId)>>| {
        let value = value_read_by(read);
        let hidden = hidden.get(&read.id).copied().flatten();
        if value == Some(initial) && hidden.is_none() {
            return true;
        }
        let writes = value.and_then(|value| begun.get(&value)).into_iter().flatten();
        writes.filter(|(_, write)| *write != read.id).any(|&(at, _)| hidden.is_none_or(|hidden| at >= hidden))
    };
    for (_, is_completion, operation) in events {
        let own = place.get(&operation.id).copied();
        if value_written_by(operation).is_some() && own.is_none() {
            return wrong(operation.id, "is not in the order");
        }
        let reads = value_read_by(operation).is_some();
        if !is_completion {
            hidden.insert(operation.id, latest);
            if let (Some(own), Some(value)) = (own, value_written_by(operation)) {
                if latest.is_some_and(|latest| own < latest) {
                    return wrong(operation.id, "comes before a write that was complete when it began");
                }
                let of_value = begun.entry(value).or_default();
                of_value.insert((own, operation.id));
                if of_value.len() > 2 {
                    of_value.pop_first();
                }
            }
            continue;
        }
        if reads && !explained(operation, &hidden, &begun) {
            return wrong(operation.id, "has no place in the order");
        }
        latest = latest.max(own);
    }
    // What never completed has no end.
    let open = operations.iter().filter(|one| one.outcome != Outcome::Ok && value_read_by(one).is_some());
    match open.into_iter().find(|one| !explained(one, &hidden, &begun)) {
        Some(one) => wrong(one.id, "has no place in the order"),
        None => Ok(()),
    }
}

impl ReadRefutation<'_> {
    /// Checks that none of some writes of the core can be the last of them.
    pub(super) fn check_order_conflict(&self) -> Result<(), String> {
        self.check_members()?;
        let ruled_out = self.ruled_out_writes();
        let watch = self.records.watch;
        let reads = watch.take_while_in_time(StepCost::Follow, self.certain_reads(&ruled_out).into_iter());
        let reads: Vec<(Operation, Vec<OpId>)> = reads
            .map(|read| {
                let sources = self.possible_sources(read, &ruled_out);
                watch.has_time_after(sources.len() as u64);
                (self.records.operation(read), sources)
            })
            .collect();
        let operations = self.core.operations.iter().map(|&op| self.records.operation(op));
        let mut writes: HashMap<OpId, Operation> = operations
            .filter(|one| one.outcome == Outcome::Ok && value_written_by(one).is_some())
            .map(|one| (one.id, one))
            .collect();
        while watch.has_time_after((writes.len() + reads.len()) as u64) {
            let latest = self.latest_beginnings(&writes, &reads);
            let before = writes.len();
            writes.retain(|_, write| {
                latest.get(&self.timeline(write)).is_some_and(|latest| latest.follows(write))
            });
            if writes.len() == before {
                break;
            }
        }
        match writes.is_empty() {
            true => Err("the writes of the core may have an order".to_owned()),
            false => Ok(()),
        }
    }

    /// What is ordered by time: all operations, or those of one session.
    fn timeline(&self, operation: &Operation) -> Option<SessionId> {
        (!self.records.history.has_real_time()).then_some(operation.session)
    }

    /// Of each timeline, the last beginnings of what may come after a write: another write, or a read that returned one of the writes.
    fn latest_beginnings(
        &self,
        writes: &HashMap<OpId, Operation>,
        reads: &[(Operation, Vec<OpId>)],
    ) -> HashMap<Option<SessionId>, LatestBeginnings> {
        let mut latest: HashMap<Option<SessionId>, LatestBeginnings> = HashMap::new();
        for write in writes.values() {
            let known = latest.entry(self.timeline(write)).or_default();
            known.write = known.write.max(Some(write.invoked));
        }
        let returned_one = |sources: &[OpId]| sources.iter().all(|source| writes.contains_key(source));
        for (read, _) in reads.iter().filter(|(_, sources)| returned_one(sources)) {
            latest.entry(self.timeline(read)).or_default().add_read(read);
        }
        latest
    }

    /// The reads of the core that count: those that completed, and those of indeterminate compare-and-sets that are the only candidate
    /// of a read that counts.
    fn certain_reads(&self, ruled_out: &HashSet<OpId>) -> Vec<OpId> {
        let mut reads: Vec<OpId> =
            self.core.operations.iter().copied().filter(|&op| self.is_judged(op)).collect();
        let mut at = 0;
        while let Some(&read) = reads.get(at) {
            at += 1;
            let operation = self.records.operation(read);
            let is_initial_gone = || {
                let mut others = self.core.operations.iter().map(|&other| self.records.operation(other));
                others.any(|other| value_written_by(&other).is_some() && self.is_before(&other, &operation))
            };
            let may_be_initial = self.records.candidate_versions(read).contains(&None) && !is_initial_gone();
            if !self.records.watch.has_time_after(self.core.operations.len() as u64) {
                break;
            }
            if may_be_initial {
                continue;
            }
            if let [only] = self.possible_sources(read, ruled_out)[..]
                && self.records.operation(only).outcome == Outcome::Info
                && value_read_by(&self.records.operation(only)).is_some()
                && self.core.operations.contains(&only)
                && !reads.contains(&only)
            {
                reads.push(only);
            }
        }
        reads
    }

    /// The writes that a read may have returned.
    fn possible_sources(&self, read: OpId, ruled_out: &HashSet<OpId>) -> Vec<OpId> {
        let operation = self.records.operation(read);
        let all = self.records.candidate_versions(read).into_iter().flatten();
        all.filter(|write| !ruled_out.contains(write))
            .filter(|&write| !self.is_before(&operation, &self.records.operation(write)))
            .collect()
    }
}

/// When the last write of some began, and the last reads of two different values.
#[derive(Default)]
struct LatestBeginnings {
    write: Option<u32>,
    /// Of the read that began last.
    read: Option<(u32, Option<ValueId>)>,
    /// Of the read of another value that began last.
    other: Option<(u32, Option<ValueId>)>,
}

impl LatestBeginnings {
    fn add_read(&mut self, read: &Operation) {
        let new = (read.invoked, value_read_by(read));
        match self.read {
            Some(last) if last.1 == new.1 => self.read = Some(last.max(new)),
            Some(last) if last.0 > new.0 => {
                // One of the first value is known, so this one is of another.
                self.other = self.other.max(Some(new));
            }
            last => (self.other, self.read) = (last, Some(new)),
        }
    }

    /// Whether something of them must come after a write: a write that began after it, or a read of another value that did.
    fn follows(&self, write: &Operation) -> bool {
        let written = value_written_by(write);
        let read = self.read.filter(|read| read.1 != written).or(self.other);
        let begins = [self.write, read.map(|read| read.0)];
        begins.into_iter().flatten().any(|began| write.completed < began)
    }
}
