//! Does this order of versions keep every constraint?
//!
//! With the place of each version known, one pass over a session in the order of its events is enough: it
//! carries the newest version that the session has written, and read, with operations that have completed; what
//! is invoked is held against those. The definition's "for all a before b" is that maximum.

use super::records::{Records, value_read_by, value_written_by};
use crate::watch::StepCost;
use claims::{Level, VersionOrder};
use histories::{Function, History, Id, OpId, Outcome, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// No version: of an operation that wrote none, or read none.
const NONE: u32 = u32::MAX;

/// Checks that each object has one order, and each order.
pub(super) fn check_all_version_orders(
    records: &Records<'_>,
    level: Level,
    orders: &[VersionOrder],
) -> Result<(), String> {
    let keys: FxHashSet<_> = orders.iter().map(|order| order.key).collect();
    if keys.len() != orders.len() {
        return Err("an object has two version orders".to_owned());
    }
    let history = records.history;
    if let Some(&op) = records.operations.iter().find(|&&op| !keys.contains(&history.key(op))) {
        return Err(format!("object {:?} has no version order", history.key_text(history.key(op))));
    }
    let none = || vec![NONE; history.len()];
    let mut places = VersionPlaces { records, operations: &[], place: none(), read: none() };
    records
        .watch
        .take_while_in_time(StepCost::Follow, orders.iter())
        .try_for_each(|order| places.check_version_order(order, level))
}

/// The place of every version: 0 is the initial value of its object, 1 the oldest write.
struct VersionPlaces<'a> {
    records: &'a Records<'a>,
    /// Of the present object.
    operations: &'a [OpId],
    /// Of each write that took effect, its place.
    place: Vec<u32>,
    /// Of each operation that read, the place of what it returned.
    read: Vec<u32>,
}

impl VersionPlaces<'_> {
    fn check_version_order(&mut self, order: &VersionOrder, level: Level) -> Result<(), String> {
        self.operations = self.records.operations_on(order.key);
        self.check_writes(order)?;
        self.check_reads(order)?;
        self.check_constraints(level)
    }

    fn place_of_write(&self, op: OpId) -> Option<u32> {
        Some(self.place[op.index()]).filter(|&place| place != NONE)
    }

    fn place_of_read(&self, op: OpId) -> Option<u32> {
        Some(self.read[op.index()]).filter(|&place| place != NONE)
    }

    fn error_about<T>(&self, op: OpId, what: &str) -> Result<T, String> {
        Err(format!("operation {} {what}", self.records.history.operation_index(op)))
    }

    /// Every completed write is in the order, nothing is twice, and all may have happened.
    fn check_writes(&mut self, order: &VersionOrder) -> Result<(), String> {
        for (&op, at) in self.records.watch.take_while_in_time(StepCost::Look, order.writes.iter()).zip(1..) {
            let operation = self.records.operation(op);
            if operation.key != order.key
                || operation.outcome == Outcome::Fail
                || value_written_by(&operation).is_none()
            {
                return self.error_about(op, "is no write of this object that may have happened");
            }
            if self.place_of_write(op).is_some() {
                return self.error_about(op, "is in the order twice");
            }
            self.place[op.index()] = at;
        }
        for &op in self.records.watch.take_while_in_time(StepCost::Look, self.operations.iter()) {
            let operation = self.records.operation(op);
            let known = matches!(
                operation.function,
                Function::READ
                    | Function::GET
                    | Function::WRITE
                    | Function::PUT
                    | Function::CAS
                    | Function::CONTAINS
            );
            if !known {
                return self.error_about(op, "is neither a read nor a write nor a compare-and-set");
            }
            let must = operation.outcome == Outcome::Ok && value_written_by(&operation).is_some();
            if must && self.place_of_write(op).is_none() {
                return self.error_about(op, "is a completed write that is not in the order");
            }
        }
        Ok(())
    }

    /// Every read that happened returned a version in the order: the one that is named, or the only one.
    fn check_reads(&mut self, order: &VersionOrder) -> Result<(), String> {
        let mut named = FxHashMap::default();
        for returned in &order.returned {
            if named.insert(returned.read, returned.write).is_some() {
                return self.error_about(returned.read, "returned two versions");
            }
        }
        let mut written = vec![self.records.question.initial.value_of_key(order.key)];
        written.extend(order.writes.iter().filter_map(|&op| value_written_by(&self.records.operation(op))));
        let mut by_value: Vec<(ValueId, u32)> = written.iter().copied().zip(0..).collect();
        by_value.sort_unstable();
        for &op in self.records.watch.take_while_in_time(StepCost::Follow, self.operations.iter()) {
            let operation = self.records.operation(op);
            let Some(value) = value_read_by(&operation) else { continue };
            if operation.outcome == Outcome::Info && self.place_of_write(op).is_none() {
                continue;
            }
            let own = self.place[op.index()];
            let named = named.remove(&op).map(|write| write.map_or(0, |write| self.place[write.index()]));
            self.read[op.index()] = match named {
                Some(place) if place != own && written.get(place as usize) == Some(&value) => place,
                Some(_) => return self.error_about(op, "cannot have returned what is said"),
                None => {
                    let first = by_value.partition_point(|&(other, _)| other < value);
                    let places = by_value[first..].iter().take_while(|&&(other, _)| other == value);
                    let mut others = places.map(|&(_, place)| place).filter(|&place| place != own);
                    match (others.next(), others.next()) {
                        (Some(only), None) => only,
                        (None, _) => return self.error_about(op, "read what nobody wrote"),
                        (Some(_), Some(_)) => {
                            return self.error_about(op, "may have returned several versions");
                        }
                    }
                }
            };
        }
        named
            .keys()
            .next()
            .map_or(Ok(()), |&op| self.error_about(op, "returned a version, but read nothing here"))
    }

    fn check_constraints(&self, level: Level) -> Result<(), String> {
        self.check_compare_and_sets()?;
        self.check_tokens()?;
        let assume = self.records.question.assume;
        let asked = |guarantee| level == guarantee || level == Level::Session;
        let constraints = [
            asked(Level::ReadYourWrites),
            asked(Level::MonotonicReads),
            asked(Level::MonotonicWrites) || assume.sequential_keys,
            asked(Level::WritesFollowReads),
        ];
        let session = |op: OpId| self.records.history.session(op);
        let mut by_session = self.operations.to_vec();
        by_session.sort_by_key(|&op| session(op));
        for operations in by_session.chunk_by(|&a, &b| session(a) == session(b)) {
            self.check_in_event_order(operations, constraints)?;
        }
        if assume.linearizable_keys {
            self.check_in_event_order(self.operations, [false, false, true, false])?;
        }
        Ok(())
    }

    /// One pass over operations by event: read your writes, monotonic reads, monotonic writes, writes follow reads.
    fn check_in_event_order(&self, operations: &[OpId], [ryw, mr, mw, wfr]: [bool; 4]) -> Result<(), String> {
        let mut events: Vec<(u32, bool, OpId)> = Vec::with_capacity(operations.len() * 2);
        for operation in operations.iter().map(|&op| self.records.operation(op)) {
            events.push((operation.invoked, false, operation.id));
            if operation.outcome == Outcome::Ok {
                events.push((operation.completed, true, operation.id));
            }
        }
        events.sort_unstable_by_key(|&(position, ..)| position);
        let (mut newest_written, mut newest_read) = (None::<u32>, None::<u32>);
        for (_, completed, op) in self.records.watch.take_while_in_time(StepCost::Look, events.into_iter()) {
            let wrote = self.place_of_write(op);
            let read = self.place_of_read(op).filter(|_| self.records.history.outcome(op) == Outcome::Ok);
            if completed {
                (newest_written, newest_read) = (newest_written.max(wrote), newest_read.max(read));
                continue;
            }
            if let Some(read) = read
                && (ryw && newest_written.is_some_and(|newest| newest > read)
                    || mr && newest_read.is_some_and(|newest| newest > read))
            {
                return self.error_about(op, "reads an older version than its session knows");
            }
            if let Some(wrote) = wrote
                && (mw && newest_written.is_some_and(|newest| newest >= wrote)
                    || wfr && newest_read.is_some_and(|newest| newest >= wrote))
            {
                return self.error_about(op, "writes a version that is not newer than what it follows");
            }
        }
        Ok(())
    }

    fn check_compare_and_sets(&self) -> Result<(), String> {
        let inverted = |&&op: &&OpId| matches!((self.place_of_read(op), self.place_of_write(op)), (Some(old), Some(new)) if old >= new);
        match self.operations.iter().find(inverted) {
            Some(&op) => self.error_about(op, "found a version that is not older than the one it wrote"),
            None => Ok(()),
        }
    }

    /// Versions and their tokens are in one order, and a version has one token.
    fn check_tokens(&self) -> Result<(), String> {
        let history: &History = self.records.history;
        let mut tokens: Vec<(i64, u32, OpId)> = Vec::new();
        for &op in self.operations.iter().filter(|&&op| history.outcome(op) == Outcome::Ok) {
            let place = self.place_of_write(op).or(self.place_of_read(op));
            if let (Some(token), Some(place)) = (history.version(op), place) {
                tokens.push((token, place, op));
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
