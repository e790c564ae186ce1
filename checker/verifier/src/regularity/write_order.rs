//! Checks one order of the writes of each object, and that there is none.
//!
//! An order has every completed write of its object once, extends real time, and has a place for each read: after a write of its value
//! that had begun before the read ended, and after which no write comes that was complete before the read began. A conflict has writes
//! of which none can be the last one: real time puts another one of them after it, or a read that began after it returned one of the
//! others.
//!
//! Cost: O(n log n) for all orders; O(k³) for a conflict of k operations, and their candidates.

use super::reads::ReadRefutation;
use crate::sessions::{value_read_by, value_written_by};
use crate::watch::{StepCost, Watch};
use claims::{Linearization, ObjectQuestion};
use histories::{Function, History, KeyId, OpId, Operation, Outcome, ValueId};
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
        let reads = self.certain_reads(&ruled_out);
        let is_certain_write = |op: &OpId| {
            let operation = self.records.operation(*op);
            operation.outcome == Outcome::Ok && value_written_by(&operation).is_some()
        };
        let mut writes: HashSet<OpId> =
            self.core.operations.iter().copied().filter(is_certain_write).collect();
        loop {
            let may_be_last = |write: &&OpId| !self.is_followed(**write, &writes, &reads, &ruled_out);
            let Some(&last) = writes.iter().find(may_be_last) else { break };
            writes.remove(&last);
        }
        match writes.is_empty() {
            true => Err("the writes of the core may have an order".to_owned()),
            false => Ok(()),
        }
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
            let is_initial_gone = self.core.operations.iter().any(|&other| {
                let other = self.records.operation(other);
                value_written_by(&other).is_some() && self.is_before(&other, &operation)
            });
            let candidates = self.records.candidate_versions(read);
            if candidates.contains(&None) && !is_initial_gone {
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

    /// Whether another one of the writes must come after this one.
    fn is_followed(
        &self,
        write: OpId,
        writes: &HashSet<OpId>,
        reads: &[OpId],
        ruled_out: &HashSet<OpId>,
    ) -> bool {
        let one = self.records.operation(write);
        let by_time = writes.iter().any(|&other| self.is_before(&one, &self.records.operation(other)));
        by_time
            || reads.iter().any(|&read| {
                let operation = self.records.operation(read);
                self.is_before(&one, &operation)
                    && value_written_by(&one) != value_read_by(&operation)
                    && self.possible_sources(read, ruled_out).iter().all(|source| writes.contains(source))
            })
    }
}
