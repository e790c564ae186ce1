//! The execution that orders describe: which operations took effect, and which write each read returned.

use crate::sessions::{value_read_by, value_written_by};
use crate::watch::{StepCost, Watch};
use claims::{CausalOrders, ObjectQuestion, SessionSerialization};
use histories::{
    DeclaredConsistency, Function, History, Id, NEVER, OpId, Operation, Outcome, SessionId, ValueId,
};
use rustc_hash::FxHashMap;

/// The place of an operation that is not in the order.
const NOWHERE: u32 = u32::MAX;

/// The execution that the orders describe.
pub(super) struct Execution<'a> {
    pub(super) history: &'a History,
    pub(super) watch: &'a Watch<'a>,
    /// By operation: whether it took effect.
    pub(super) happened: Vec<bool>,
    /// By operation: the write that it read from, or the initial value (inner `None`). The outer `None` marks
    /// operations that are not reads.
    pub(super) source: Vec<Option<Option<OpId>>>,
}

impl<'a> Execution<'a> {
    pub(super) fn new(
        history: &'a History,
        question: &ObjectQuestion,
        found: &CausalOrders,
        watch: &'a Watch<'a>,
    ) -> Result<Self, String> {
        let mut happened: Vec<bool> = history.ids().map(|op| history.outcome(op) == Outcome::Ok).collect();
        for &op in found.orders.iter().flat_map(|order| &order.operations) {
            if history.outcome(op) == Outcome::Fail {
                return Err(format!("operation {} failed", history.operation_index(op)));
            }
            happened[op.index()] = true;
        }
        let mut execution = Self { history, watch, happened, source: vec![None; history.len()] };
        // For each object and value, up to three of the writes of that value that took effect.
        let mut written: FxHashMap<(u32, ValueId), [Option<OpId>; 3]> = FxHashMap::default();
        for operation in execution.executed_operations() {
            if operation.function == Function::CONTAINS {
                continue;
            }
            match (value_written_by(&operation), value_read_by(&operation)) {
                (Some(value), _) => {
                    let known = written.entry((operation.key.raw(), value)).or_default();
                    if let Some(free) = known.iter_mut().find(|known| known.is_none()) {
                        *free = Some(operation.id);
                    }
                }
                (None, None) => {
                    return execution.error_about(operation.id, "is not an operation on a register");
                }
                (None, Some(_)) => {}
            }
        }
        let mut named: FxHashMap<OpId, Option<OpId>> = FxHashMap::default();
        named.extend(found.returned.iter().map(|one| (one.read, one.write)));
        let mut sources = vec![None; history.len()];
        for operation in execution.executed_operations() {
            let Some(value) = value_read_by(&operation) else { continue };
            let initial = value == question.initial.value_of_key(operation.key);
            let known = written.get(&(operation.key.raw(), value)).copied().unwrap_or_default();
            let mut others = known.into_iter().flatten().filter(|&write| write != operation.id);
            let source = match (named.get(&operation.id), others.next(), others.next()) {
                (Some(None), ..) if initial => None,
                (Some(&Some(write)), ..) if execution.wrote_value(write, &operation, value) => Some(write),
                (None, Some(write), None) if !initial => Some(write),
                (None, None, _) if initial => None,
                _ => return execution.error_about(operation.id, "is not known to have read anything"),
            };
            sources[operation.id.index()] = Some(source);
        }
        execution.source = sources;
        Ok(execution)
    }

    pub(super) fn executed_operations(&self) -> impl Iterator<Item = Operation> {
        let all = self.watch.take_while_in_time(StepCost::Follow, self.history.operations());
        all.filter(|operation| self.happened[operation.id.index()])
    }

    pub(super) fn error_about<T>(&self, op: OpId, what: &str) -> Result<T, String> {
        Err(format!("operation {} {what}", self.history.operation_index(op)))
    }

    pub(super) fn wrote_value(&self, write: OpId, read: &Operation, value: ValueId) -> bool {
        let operation = self.history.operation(write);
        self.happened[write.index()]
            && write != read.id
            && operation.key == read.key
            && value_written_by(&operation) == Some(value)
    }

    pub(super) fn is_write(&self, op: OpId) -> bool {
        value_written_by(&self.history.operation(op)).is_some()
    }

    /// The place of each operation, if the order contains every required operation exactly once and no other operation.
    pub(super) fn places_in_order(&self, order: &SessionSerialization) -> Result<Vec<u32>, String> {
        let mut places = vec![NOWHERE; self.history.len()];
        for (at, &op) in (0u32..).zip(&order.operations) {
            if std::mem::replace(&mut places[op.index()], at) != NOWHERE {
                return self.error_about(op, "is in the order twice");
            }
            if !self.is_write(op) && !self.must_explain_read(order.session, op) {
                return self.error_about(op, "does not belong in this order");
            }
        }
        let must = |operation: &Operation| {
            (value_written_by(operation).is_some() || self.must_explain_read(order.session, operation.id))
                && operation.function != Function::CONTAINS
        };
        match self
            .executed_operations()
            .find(|operation| must(operation) && places[operation.id.index()] == NOWHERE)
        {
            Some(operation) => self.error_about(operation.id, "is not in the order"),
            None => Ok(places),
        }
    }

    /// Whether the order must explain what the operation read.
    pub(super) fn must_explain_read(&self, session: Option<SessionId>, op: OpId) -> bool {
        session.is_none_or(|session| self.history.session(op) == session)
            && value_read_by(&self.history.operation(op)).is_some()
    }

    pub(super) fn require_order_per_reader(&self, orders: &[SessionSerialization]) -> Result<(), String> {
        let mut has = vec![false; self.history.sessions.len()];
        orders.iter().filter_map(|order| order.session).for_each(|session| has[session.index()] = true);
        let readers = self.executed_operations().filter(|operation| value_read_by(operation).is_some());
        match readers.into_iter().find(|operation| !has[operation.session.index()]) {
            Some(operation) => self.error_about(operation.id, "is of a session that has no order"),
            None => Ok(()),
        }
    }

    /// Checks that each read that the order must explain returned the most recent write before it.
    pub(super) fn replay_reads(&self, order: &SessionSerialization) -> Result<(), String> {
        let mut holds: Vec<Option<OpId>> = vec![None; self.history.keys.len()];
        for &op in self.watch.take_while_in_time(StepCost::Follow, order.operations.iter()) {
            let holds = &mut holds[self.history.key(op).index()];
            if self.must_explain_read(order.session, op) && self.source[op.index()] != Some(*holds) {
                return self.error_about(op, "does not read what the order wrote last");
            }
            if self.is_write(op) {
                *holds = Some(op);
            }
        }
        Ok(())
    }

    /// Checks that the order extends session order and, if `causal`, causal order. An operation that has no place
    /// passes on the bounds that it received.
    pub(super) fn require_extension(&self, places: &[u32], causal: bool) -> Result<(), String> {
        let mut events: Vec<(u32, bool, OpId)> = Vec::with_capacity(self.history.len() * 2);
        for operation in self.executed_operations() {
            events.push((operation.invoked, false, operation.id));
            if operation.outcome == Outcome::Ok {
                events.push((operation.completed, true, operation.id));
            }
        }
        events.sort_unstable_by_key(|&(position, ..)| position);
        // The place of an operation, counted from 1. The operations after it must have a greater one.
        let after = |op: OpId| if places[op.index()] == NOWHERE { 0 } else { places[op.index()] + 1 };
        let mut newest = vec![0u32; self.history.sessions.len()];
        let mut known = vec![0u32; self.history.len()];
        for (_, completed, op) in self.watch.take_while_in_time(StepCost::Look, events.into_iter()) {
            let newest = &mut newest[self.history.session(op).index()];
            if completed {
                *newest = known[op.index()].max(after(op)).max(*newest);
                continue;
            }
            let read = self.source[op.index()].flatten().filter(|_| causal);
            let before = read.map_or(0, after).max(*newest);
            if places[op.index()] != NOWHERE && after(op) <= before {
                return self.error_about(op, "comes too early");
            }
            known[op.index()] = before;
        }
        Ok(())
    }

    /// Checks that no operation completed before another one was invoked that it knows of by reads. `order` extends causal order.
    pub(super) fn require_no_future(&self, order: &[OpId]) -> Result<(), String> {
        // For each operation: the latest invocation among itself and what it read, what that read, and so on.
        let mut latest = vec![0u32; self.history.len()];
        for &op in self.watch.take_while_in_time(StepCost::Follow, order.iter()) {
            let operation = self.history.operation(op);
            let read = self.source[op.index()].flatten().map_or(0, |write| latest[write.index()]);
            latest[op.index()] = operation.invoked.max(read);
            if operation.outcome == Outcome::Ok && operation.completed < latest[op.index()] {
                return self.error_about(op, "was complete before something began that it knows of");
            }
        }
        Ok(())
    }

    /// Checks that each write comes after all writes that its session had read, and a compare-and-set after the one that it found.
    pub(super) fn require_causes_first(&self, places: &[u32]) -> Result<(), String> {
        let mut events: Vec<(u32, bool, OpId)> = Vec::with_capacity(self.history.len() * 2);
        for operation in self.executed_operations() {
            events.push((operation.invoked, false, operation.id));
            if operation.outcome == Outcome::Ok {
                events.push((operation.completed, true, operation.id));
            }
        }
        events.sort_unstable_by_key(|&(position, ..)| position);
        let source_place = |op: OpId| self.source[op.index()].flatten().map(|write| places[write.index()]);
        // The last place of a write that a session has read.
        let mut known: Vec<Option<u32>> = vec![None; self.history.sessions.len()];
        for (_, completed, op) in self.watch.take_while_in_time(StepCost::Look, events.into_iter()) {
            let known = &mut known[self.history.session(op).index()];
            if completed {
                *known = source_place(op).max(*known);
            } else if self.is_write(op) && source_place(op).max(*known) >= Some(places[op.index()]) {
                return self.error_about(op, "comes before what its session had read");
            }
        }
        Ok(())
    }

    /// Checks that no operation that keeps real time comes in the order before one that completed before it was invoked.
    pub(super) fn require_real_time(&self, order: &[OpId]) -> Result<(), String> {
        let declared = self.history.declared_consistency();
        if let Some(op) = order.iter().find(|op| declared[op.index()] == Some(DeclaredConsistency::Other)) {
            return self.error_about(*op, "declares a consistency that the level does not know");
        }
        // From the end of the order to its beginning: the earliest completion among the later operations.
        let mut earliest = NEVER;
        for &op in self.watch.take_while_in_time(StepCost::Follow, order.iter().rev()) {
            let operation = self.history.operation(op);
            if earliest < operation.invoked && keeps_real_time(&operation, declared[op.index()]) {
                return self.error_about(op, "comes before an operation that was complete when it began");
            }
            if operation.outcome == Outcome::Ok {
                earliest = earliest.min(operation.completed);
            }
        }
        Ok(())
    }
}

/// Whether an operation keeps real time at `ordered-sequential`: if it declares so, or declares nothing and writes.
pub(super) fn keeps_real_time(operation: &Operation, declared: Option<DeclaredConsistency>) -> bool {
    match declared {
        None => value_written_by(operation).is_some(),
        Some(DeclaredConsistency::Linearizable) => true,
        Some(DeclaredConsistency::Sequential | DeclaredConsistency::Other) => false,
    }
}
