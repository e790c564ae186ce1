//! Checks that a version order meets every constraint.
//!
//! With the place of each version known, one pass over the events of a session suffices. It maintains the newest
//! versions that completed operations of the session have written and read, and compares each invocation with them.
//! This maximum implements the definition's "for all a before b".
//!
//! The operations of one object are gathered into rows once, and everything else walks the rows. Objects do not depend
//! on each other, so they are checked in parallel.

use super::records::{Records, value_read_by, value_written_by};
use crate::watch::StepCost;
use claims::{Level, VersionOrder};
use histories::{Function, Id, KeyId, OpId, Outcome, SessionId, ValueId};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

/// The guarantees that an order is checked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct CheckedGuarantees {
    read_your_writes: bool,
    monotonic_reads: bool,
    monotonic_writes: bool,
    writes_follow_reads: bool,
}

impl CheckedGuarantees {
    /// All guarantees that any of these levels demands.
    pub(super) fn of_levels(levels: &[Level]) -> Self {
        let demanded = |guarantee| levels.iter().any(|&level| level == guarantee || level == Level::Session);
        Self {
            read_your_writes: demanded(Level::ReadYourWrites),
            monotonic_reads: demanded(Level::MonotonicReads),
            monotonic_writes: demanded(Level::MonotonicWrites),
            writes_follow_reads: demanded(Level::WritesFollowReads),
        }
    }
}

/// Checks that each object has exactly one order, and checks each order. If several are wrong, the error is about the
/// first.
pub(super) fn check_all_version_orders(
    records: &Records<'_>,
    guarantees: CheckedGuarantees,
    orders: &[VersionOrder],
) -> Result<(), String> {
    let history = records.history;
    let mut is_ordered = vec![false; history.keys.len()];
    for order in orders {
        let Some(seen) = is_ordered.get_mut(order.key.index()) else {
            return Err("an order is of an object that the history does not have".to_owned());
        };
        if std::mem::replace(seen, true) {
            return Err("an object has two version orders".to_owned());
        }
    }
    let without = |key: &KeyId| !is_ordered[key.index()] && !records.operations_on(*key).is_empty();
    if let Some(key) = (0..history.keys.len()).map(KeyId::new).find(without) {
        return Err(format!("object {:?} has no version order", history.key_text(key)));
    }
    let wrong = orders.par_iter().find_map_first(|order| {
        let mut in_time = records.watch.take_while_in_time(StepCost::Follow, std::iter::once(order));
        in_time.next().and_then(|order| check_version_order(records, order, guarantees).err())
    });
    wrong.map_or(Ok(()), Err)
}

fn check_version_order(
    records: &Records<'_>,
    order: &VersionOrder,
    guarantees: CheckedGuarantees,
) -> Result<(), String> {
    let mut object = OrderedObject::new(records, order);
    object.place_writes()?;
    object.place_reads()?;
    object.check_constraints(guarantees)
}

/// An operation on the object, and the places of the versions that it wrote and read: 0 is the initial value, 1 the
/// oldest write.
#[derive(Clone, Copy)]
struct PlacedOperation {
    op: OpId,
    session: SessionId,
    invoked: u32,
    completed: u32,
    outcome: Outcome,
    written: Option<ValueId>,
    returned: Option<ValueId>,
    wrote: Option<u32>,
    read: Option<u32>,
}

/// The operations of one object, in the order of invocation.
struct OrderedObject<'a> {
    records: &'a Records<'a>,
    order: &'a VersionOrder,
    rows: Vec<PlacedOperation>,
}

impl<'a> OrderedObject<'a> {
    fn new(records: &'a Records<'a>, order: &'a VersionOrder) -> Self {
        let operations = records.operations_on(order.key).iter();
        let place = |&op: &OpId| {
            let operation = records.operation(op);
            PlacedOperation {
                op,
                session: operation.session,
                invoked: operation.invoked,
                completed: operation.completed,
                outcome: operation.outcome,
                written: value_written_by(&operation),
                returned: value_read_by(&operation),
                wrote: None,
                read: None,
            }
        };
        let rows = records.watch.take_while_in_time(StepCost::Look, operations).map(place).collect();
        Self { records, order, rows }
    }

    fn error_about<T>(&self, op: OpId, what: &str) -> Result<T, String> {
        Err(format!("operation {} {what}", self.records.history.operation_index(op)))
    }

    /// Gives each write its place. Checks that every completed write is in the order, that no write is in it twice, and
    /// that each may have taken effect.
    fn place_writes(&mut self) -> Result<(), String> {
        let writes = self.records.watch.take_while_in_time(StepCost::Look, self.order.writes.iter());
        for (&op, place) in writes.zip(1..) {
            let row = self.records.place_among_operations_on(self.order.key, op);
            let Some(row) = row.and_then(|at| self.rows.get_mut(at)).filter(|row| row.written.is_some())
            else {
                return self.error_about(op, "is no write of this object that may have happened");
            };
            if row.wrote.replace(place).is_some() {
                return self.error_about(op, "is in the order twice");
            }
        }
        let history = self.records.history;
        for row in self.records.watch.take_while_in_time(StepCost::Look, self.rows.iter()) {
            let known = matches!(
                history.function(row.op),
                Function::READ
                    | Function::GET
                    | Function::WRITE
                    | Function::PUT
                    | Function::CAS
                    | Function::CONTAINS
            );
            if !known {
                return self.error_about(row.op, "is neither a read nor a write nor a compare-and-set");
            }
            if row.outcome == Outcome::Ok && row.written.is_some() && row.wrote.is_none() {
                return self.error_about(row.op, "is a completed write that is not in the order");
            }
        }
        Ok(())
    }

    /// Gives each read the place of the version that it returned: the one that the witness names, or the only possible
    /// one.
    fn place_reads(&mut self) -> Result<(), String> {
        let mut named = FxHashMap::default();
        for returned in &self.order.returned {
            let place = match returned.write {
                None => Some(0),
                Some(write) => self
                    .records
                    .place_among_operations_on(self.order.key, write)
                    .and_then(|at| self.rows.get(at)?.wrote),
            };
            if named.insert(returned.read, place).is_some() {
                return self.error_about(returned.read, "returned two versions");
            }
        }
        let history = self.records.history;
        let mut values = vec![self.records.question.initial.value_of_key(self.order.key)];
        values.extend(self.order.writes.iter().filter_map(|&op| value_written_by(&history.operation(op))));
        let mut by_value: Vec<(ValueId, u32)> = values.iter().copied().zip(0..).collect();
        by_value.sort_unstable();
        for at in self.records.watch.take_while_in_time(StepCost::Follow, 0..self.rows.len()) {
            let row = self.rows[at];
            let Some(value) = row.returned else { continue };
            if row.outcome == Outcome::Info && row.wrote.is_none() {
                continue;
            }
            let place = match named.remove(&row.op) {
                Some(Some(place)) if row.wrote != Some(place) && values[place as usize] == value => place,
                Some(_) => return self.error_about(row.op, "cannot have returned what is said"),
                None => {
                    let first = by_value.partition_point(|&(other, _)| other < value);
                    let places = by_value[first..].iter().take_while(|&&(other, _)| other == value);
                    let mut others =
                        places.map(|&(_, place)| place).filter(|&place| row.wrote != Some(place));
                    match (others.next(), others.next()) {
                        (Some(only), None) => only,
                        (None, _) => return self.error_about(row.op, "read what nobody wrote"),
                        (Some(_), Some(_)) => {
                            return self.error_about(row.op, "may have returned several versions");
                        }
                    }
                }
            };
            self.rows[at].read = Some(place);
        }
        match named.keys().min() {
            Some(&op) => self.error_about(op, "returned a version, but read nothing here"),
            None => Ok(()),
        }
    }

    fn check_constraints(&mut self, mut guarantees: CheckedGuarantees) -> Result<(), String> {
        self.check_compare_and_sets()?;
        self.check_tokens()?;
        let assume = self.records.question.assume;
        if assume.linearizable_keys {
            let writes = CheckedGuarantees { monotonic_writes: true, ..CheckedGuarantees::default() };
            self.check_in_event_order(&self.rows, writes)?;
        }
        guarantees.monotonic_writes |= assume.sequential_keys;
        self.rows.sort_by_key(|row| row.session);
        self.rows
            .chunk_by(|a, b| a.session == b.session)
            .try_for_each(|session| self.check_in_event_order(session, guarantees))
    }

    /// One pass over operations by event. It checks read your writes, monotonic reads, monotonic writes, and writes
    /// follow reads.
    fn check_in_event_order(
        &self,
        rows: &[PlacedOperation],
        guarantees: CheckedGuarantees,
    ) -> Result<(), String> {
        // Position, whether it is the completion, and the row.
        let mut events: Vec<(u32, bool, u32)> = Vec::with_capacity(rows.len() * 2);
        for (row, at) in rows.iter().zip(0..) {
            events.push((row.invoked, false, at));
            if row.outcome == Outcome::Ok {
                events.push((row.completed, true, at));
            }
        }
        events.sort_unstable_by_key(|&(position, ..)| position);
        let (mut newest_written, mut newest_read) = (None::<u32>, None::<u32>);
        for (_, completed, at) in self.records.watch.take_while_in_time(StepCost::Look, events.into_iter()) {
            let row = &rows[at as usize];
            let read = row.read.filter(|_| row.outcome == Outcome::Ok);
            if completed {
                (newest_written, newest_read) = (newest_written.max(row.wrote), newest_read.max(read));
                continue;
            }
            if let Some(read) = read
                && (guarantees.read_your_writes && newest_written.is_some_and(|newest| newest > read)
                    || guarantees.monotonic_reads && newest_read.is_some_and(|newest| newest > read))
            {
                return self.error_about(row.op, "reads an older version than its session knows");
            }
            if let Some(wrote) = row.wrote
                && (guarantees.monotonic_writes && newest_written.is_some_and(|newest| newest >= wrote)
                    || guarantees.writes_follow_reads && newest_read.is_some_and(|newest| newest >= wrote))
            {
                return self.error_about(row.op, "writes a version that is not newer than what it follows");
            }
        }
        Ok(())
    }

    fn check_compare_and_sets(&self) -> Result<(), String> {
        let inverted =
            |row: &&PlacedOperation| matches!((row.read, row.wrote), (Some(old), Some(new)) if old >= new);
        match self.rows.iter().find(inverted) {
            Some(row) => self.error_about(row.op, "found a version that is not older than the one it wrote"),
            None => Ok(()),
        }
    }

    /// Checks that versions and their tokens have the same order, and that each version has one token.
    fn check_tokens(&self) -> Result<(), String> {
        let mut tokens: Vec<(i64, u32, OpId)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.outcome == Outcome::Ok) {
            if let (Some(token), Some(place)) = (self.records.history.version(row.op), row.wrote.or(row.read))
            {
                tokens.push((token, place, row.op));
            }
        }
        tokens.sort_unstable_by_key(|&(token, place, op)| (token, place, op));
        for pair in tokens.windows(2) {
            let ((before, older, _), (after, newer, op)) = (pair[0], pair[1]);
            if (before == after) != (older == newer) || older > newer {
                return self.error_about(op, "has a version token that contradicts the order");
            }
        }
        Ok(())
    }
}
