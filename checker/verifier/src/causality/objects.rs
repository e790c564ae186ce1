//! Checks orders of single objects, for the levels that demand an order of each object by itself.
//!
//! The orders are replayed as they stand: each read must return what the order wrote last. So the write that a read returned need not
//! be known beforehand, even if its value was written more than once.
//!
//! Cost: O(n log n) for orders of all operations on each object; for orders of each session, that for each session.

use crate::sessions::{value_read_by, value_written_by};
use crate::watch::{StepCost, Watch};
use claims::{Level, ObjectQuestion, SessionSerialization};
use histories::{Function, History, KeyId, OpId, Operation, Outcome, SessionId};
use std::collections::{HashMap, HashSet};

/// One object: the operations on it that took effect.
struct ObjectExecution<'a> {
    history: &'a History,
    question: &'a ObjectQuestion,
    key: KeyId,
    operations: Vec<Operation>,
}

/// Checks that each object has the orders that the level demands.
pub(super) fn verify_orders_of_objects(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    orders: &[SessionSerialization],
    watch: &Watch<'_>,
) -> Result<(), String> {
    let mut of_object: HashMap<KeyId, Vec<&SessionSerialization>> = HashMap::new();
    let mut ordered: HashSet<OpId> = HashSet::new();
    for order in orders {
        let key = order.key.ok_or("an order is of no object")?;
        of_object.entry(key).or_default().push(order);
        ordered.extend(&order.operations);
    }
    let mut operations: HashMap<KeyId, Vec<Operation>> = HashMap::new();
    for operation in watch.take_while_in_time(StepCost::Follow, history.operations()) {
        let is_ordered = ordered.contains(&operation.id);
        let happened = match operation.outcome {
            Outcome::Ok => true,
            Outcome::Info => is_ordered,
            Outcome::Fail if is_ordered => {
                return Err(format!("operation {} failed", history.operation_index(operation.id)));
            }
            Outcome::Fail => false,
        };
        if happened && (operation.function != Function::CONTAINS || is_ordered) {
            operations.entry(operation.key).or_default().push(operation);
        }
    }
    for key in of_object.keys() {
        operations.entry(*key).or_default();
    }
    for (key, operations) in operations {
        let orders = of_object.remove(&key).unwrap_or_default();
        let object = ObjectExecution { history, question, key, operations };
        object.check_orders(level, &orders, watch)?;
    }
    Ok(())
}

impl ObjectExecution<'_> {
    fn error_about<T>(&self, op: OpId, what: &str) -> Result<T, String> {
        Err(format!("operation {} {what}", self.history.operation_index(op)))
    }

    fn check_orders(
        &self,
        level: Level,
        orders: &[&SessionSerialization],
        watch: &Watch<'_>,
    ) -> Result<(), String> {
        let is_access = |one: &&Operation| value_read_by(one).is_some() || value_written_by(one).is_some();
        if let Some(other) = self.operations.iter().find(|one| !is_access(one)) {
            return self.error_about(other.id, "is not an operation on a register");
        }
        match orders {
            [order] if order.session.is_none() => self.check_order(order, watch),
            _ if level == Level::SlowMemory => {
                let mut sessions: HashSet<SessionId> = HashSet::new();
                for order in orders {
                    let session = order.session.ok_or("an order is of no session")?;
                    if !sessions.insert(session) {
                        return Err("a session has two orders of one object".to_owned());
                    }
                    self.check_order(order, watch)?;
                }
                let reads = self.operations.iter().filter(|one| value_read_by(one).is_some());
                match reads.into_iter().find(|read| !sessions.contains(&read.session)) {
                    Some(read) => {
                        self.error_about(read.id, "is of a session that has no order of its object")
                    }
                    None => Ok(()),
                }
            }
            _ => match self.operations.first() {
                Some(one) => self.error_about(one.id, "is of an object that does not have its one order"),
                None => Err("an object has several orders".to_owned()),
            },
        }
    }

    /// Whether the order has to explain what the operation read.
    fn is_explained_by(&self, order: &SessionSerialization, operation: &Operation) -> bool {
        value_read_by(operation).is_some() && order.session.is_none_or(|session| operation.session == session)
    }

    /// Checks that an order has the operations that it must have, explains its reads, and keeps session order.
    fn check_order(&self, order: &SessionSerialization, watch: &Watch<'_>) -> Result<(), String> {
        let mut places: HashMap<OpId, usize> = HashMap::new();
        let mut holds = self.question.initial.value_of_key(self.key);
        for (place, &op) in watch.take_while_in_time(StepCost::Follow, order.operations.iter().enumerate()) {
            let operation = self.history.operation(op);
            if operation.key != self.key || places.insert(op, place).is_some() {
                return self.error_about(op, "does not belong in this order, or is in it twice");
            }
            let is_explained = self.is_explained_by(order, &operation);
            if is_explained && value_read_by(&operation) != Some(holds) {
                return self.error_about(op, "does not read what the order wrote last");
            }
            match value_written_by(&operation) {
                Some(value) => holds = value,
                None if !is_explained => return self.error_about(op, "is not answered by this order"),
                None => {}
            }
        }
        let must = |one: &&Operation| value_written_by(one).is_some() || self.is_explained_by(order, one);
        if let Some(missing) = self.operations.iter().filter(must).find(|one| !places.contains_key(&one.id)) {
            return self.error_about(missing.id, "is not in the order");
        }
        self.check_session_order(&places)
    }

    /// Checks that the operations of each session are in session order.
    fn check_session_order(&self, places: &HashMap<OpId, usize>) -> Result<(), String> {
        let mut of_session: HashMap<SessionId, Vec<&Operation>> = HashMap::new();
        for operation in self.operations.iter().filter(|one| places.contains_key(&one.id)) {
            of_session.entry(operation.session).or_default().push(operation);
        }
        for operations in of_session.values_mut() {
            operations.sort_unstable_by_key(|one| places[&one.id]);
            // From the last to the first: the earliest completion among the operations that come later in the order.
            let mut earliest = u32::MAX;
            for operation in operations.iter().rev() {
                if earliest < operation.invoked {
                    return self.error_about(operation.id, "comes before an earlier one of its session");
                }
                if operation.outcome == Outcome::Ok {
                    earliest = earliest.min(operation.completed);
                }
            }
        }
        Ok(())
    }
}
