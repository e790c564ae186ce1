//! Orders that explain a history: whether they have all that they must, extend what they must, and answer each read.

use super::past::CausalPast;
use crate::Confirmation;
use crate::sessions::{value_read_by, value_written_by};
use crate::watch::{StepCost, Watch};
use claims::{CausalOrders, Level, ObjectQuestion, SessionSerialization};
use histories::{Function, History, Id, OpId, Operation, Outcome, SessionId, ValueId};
use rustc_hash::FxHashMap;

/// A place in an order that an operation does not have.
const NOWHERE: u32 = u32::MAX;

/// What is known of the execution.
pub(super) struct Execution<'a> {
    pub(super) history: &'a History,
    pub(super) watch: &'a Watch<'a>,
    /// By operation: whether it happened.
    pub(super) happened: Vec<bool>,
    /// By operation: what it read; none for what is no read.
    pub(super) source: Vec<Option<Option<OpId>>>,
}

pub(super) fn verify_orders(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    found: &CausalOrders,
    watch: &Watch<'_>,
) -> Result<Confirmation, String> {
    let execution = Execution::new(history, question, found, watch)?;
    match (level, found.orders.as_slice()) {
        (Level::Pram | Level::CausalMemory, orders) if orders.iter().all(|order| order.session.is_some()) => {
            execution.require_order_per_reader(orders)?;
            orders.iter().try_for_each(|order| {
                let places = execution.places_in_order(order)?;
                execution.replay_reads(order)?;
                execution.require_extension(&places, level == Level::CausalMemory)
            })?;
            Ok(Confirmation::Confirmed)
        }
        (_, [order]) if order.session.is_none() => {
            let places = execution.places_in_order(order)?;
            // Causal order, which for a legal order is nothing more than session order.
            execution.require_extension(&places, true)?;
            let legal = execution.replay_reads(order);
            match level {
                _ if legal.is_ok() => Ok(Confirmation::Confirmed),
                Level::Causal => CausalPast::new(&execution, order).check_all_reads(None),
                Level::CausalConvergence => CausalPast::new(&execution, order).check_all_reads(Some(&places)),
                _ => legal.map(|()| Confirmation::Confirmed),
            }
        }
        _ => Err("these are not the orders that the level asks for".to_owned()),
    }
}

impl<'a> Execution<'a> {
    fn new(
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
        // Of each object and value, up to three of the writes of it that happened.
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
                (None, None) => return execution.error_about(operation.id, "is no operation on a register"),
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

    fn wrote_value(&self, write: OpId, read: &Operation, value: ValueId) -> bool {
        let operation = self.history.operation(write);
        self.happened[write.index()]
            && write != read.id
            && operation.key == read.key
            && value_written_by(&operation) == Some(value)
    }

    fn is_write(&self, op: OpId) -> bool {
        value_written_by(&self.history.operation(op)).is_some()
    }

    /// Where each operation is, if an order has all that it must, once, and nothing else.
    fn places_in_order(&self, order: &SessionSerialization) -> Result<Vec<u32>, String> {
        let mut places = vec![NOWHERE; self.history.len()];
        for (at, &op) in (0u32..).zip(&order.operations) {
            if std::mem::replace(&mut places[op.index()], at) != NOWHERE {
                return self.error_about(op, "is in the order twice");
            }
            if !self.is_write(op) && !self.must_explain_read(order.session, op) {
                return self.error_about(op, "is no part of this order");
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

    /// Whether an order answers what an operation read.
    fn must_explain_read(&self, session: Option<SessionId>, op: OpId) -> bool {
        session.is_none_or(|session| self.history.session(op) == session)
            && value_read_by(&self.history.operation(op)).is_some()
    }

    fn require_order_per_reader(&self, orders: &[SessionSerialization]) -> Result<(), String> {
        let mut has = vec![false; self.history.sessions.len()];
        orders.iter().filter_map(|order| order.session).for_each(|session| has[session.index()] = true);
        let readers = self.executed_operations().filter(|operation| value_read_by(operation).is_some());
        match readers.into_iter().find(|operation| !has[operation.session.index()]) {
            Some(operation) => self.error_about(operation.id, "is of a session that has no order"),
            None => Ok(()),
        }
    }

    /// Each read that the order answers is answered by what was written last.
    fn replay_reads(&self, order: &SessionSerialization) -> Result<(), String> {
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

    /// The order extends session order; and causal order, if asked to. What is in no place passes on what it knows.
    fn require_extension(&self, places: &[u32], causal: bool) -> Result<(), String> {
        let mut events: Vec<(u32, bool, OpId)> = Vec::with_capacity(self.history.len() * 2);
        for operation in self.executed_operations() {
            events.push((operation.invoked, false, operation.id));
            if operation.outcome == Outcome::Ok {
                events.push((operation.completed, true, operation.id));
            }
        }
        events.sort_unstable_by_key(|&(position, ..)| position);
        // Counted from 1: the last place of what must come before.
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
}
