//! Does this order of versions keep every constraint?
//!
//! With the place of each version known, one pass over a session in the order of its events is enough: it
//! carries the newest version that the session has written, and read, with operations that have completed; what
//! is invoked is held against those. The definition's "for all a before b" is that maximum.

use super::super::VersionOrder;
use super::records::{Records, reads, writes};
use crate::Level;
use histories::{Function, History, Id, OpId, Operation, Outcome, SessionId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Checks that each object has one order, and each order.
pub(super) fn check_all(records: &Records<'_>, level: Level, orders: &[VersionOrder]) -> Result<(), String> {
    let keys: FxHashSet<_> = orders.iter().map(|order| order.key).collect();
    if keys.len() != orders.len() {
        return Err("an object has two version orders".to_owned());
    }
    if let Some(key) = records.objects.keys().find(|key| !keys.contains(key)) {
        return Err(format!("object {:?} has no version order", records.history.key_text(*key)));
    }
    orders.iter().try_for_each(|order| Places::new(records, order)?.check(level))
}

/// The place of every version of an object: 0 is the initial value.
struct Places<'a> {
    records: &'a Records<'a>,
    operations: &'a [OpId],
    /// Of the writes that took effect.
    place: FxHashMap<OpId, usize>,
    /// Of what each operation read.
    read: FxHashMap<OpId, usize>,
}

impl<'a> Places<'a> {
    fn new(records: &'a Records<'a>, order: &VersionOrder) -> Result<Self, String> {
        let operations = records.objects.get(&order.key).map_or(&[][..], Vec::as_slice);
        let mut places =
            Self { records, operations, place: FxHashMap::default(), read: FxHashMap::default() };
        places.writes(order)?;
        places.reads(order)?;
        Ok(places)
    }

    fn error<T>(&self, op: OpId, what: &str) -> Result<T, String> {
        Err(format!("operation {} {what}", self.records.history.index(op)))
    }

    /// Every completed write is in the order, nothing is twice, and all may have happened.
    fn writes(&mut self, order: &VersionOrder) -> Result<(), String> {
        for (at, &op) in order.writes.iter().enumerate() {
            let operation = self.records.operation(op);
            if operation.key != order.key
                || operation.outcome == Outcome::Fail
                || writes(&operation).is_none()
            {
                return self.error(op, "is no write of this object that may have happened");
            }
            if self.place.insert(op, at + 1).is_some() {
                return self.error(op, "is in the order twice");
            }
        }
        for &op in self.operations {
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
                return self.error(op, "is neither a read nor a write nor a compare-and-set");
            }
            let must = operation.outcome == Outcome::Ok && writes(&operation).is_some();
            if must && !self.place.contains_key(&op) {
                return self.error(op, "is a completed write that is not in the order");
            }
        }
        Ok(())
    }

    /// Every read that happened returned a version in the order: the one that is named, or the only one.
    fn reads(&mut self, order: &VersionOrder) -> Result<(), String> {
        let mut named = FxHashMap::default();
        for returned in &order.returned {
            if named.insert(returned.read, returned.write).is_some() {
                return self.error(returned.read, "returned two versions");
            }
        }
        let mut by_value: FxHashMap<_, Vec<Option<OpId>>> = FxHashMap::default();
        by_value.entry(self.records.question.initial).or_default().push(None);
        for &op in &order.writes {
            let value = writes(&self.records.operation(op)).expect("a write");
            by_value.entry(value).or_default().push(Some(op));
        }
        for &op in self.operations {
            let operation = self.records.operation(op);
            let Some(value) = reads(&operation) else { continue };
            if operation.outcome == Outcome::Info && !self.place.contains_key(&op) {
                continue;
            }
            let versions = by_value.get(&value).map_or(&[][..], Vec::as_slice);
            let version = match named.remove(&op) {
                Some(version) if version != Some(op) && versions.contains(&version) => version,
                Some(_) => return self.error(op, "cannot have returned what is said"),
                None => {
                    let mut others = versions.iter().filter(|&&version| version != Some(op));
                    match (others.next(), others.next()) {
                        (Some(&only), None) => only,
                        (None, _) => return self.error(op, "read what nobody wrote"),
                        (Some(_), Some(_)) => return self.error(op, "may have returned several versions"),
                    }
                }
            };
            self.read.insert(op, version.map_or(0, |write| self.place[&write]));
        }
        named.keys().next().map_or(Ok(()), |&op| self.error(op, "returned a version, but read nothing here"))
    }

    fn check(&self, level: Level) -> Result<(), String> {
        self.compare_and_sets()?;
        self.tokens()?;
        let mut sessions: FxHashMap<SessionId, Vec<Operation>> = FxHashMap::default();
        for &op in self.operations {
            let operation = self.records.operation(op);
            sessions.entry(operation.session).or_default().push(operation);
        }
        let assume = self.records.question.assume;
        let asked = |guarantee| level == guarantee || level == Level::Session;
        for operations in sessions.values() {
            let (a, b) = (asked(Level::ReadYourWrites), asked(Level::MonotonicReads));
            let (c, d) = (asked(Level::MonotonicWrites), asked(Level::WritesFollowReads));
            self.pass(operations, [a, b, c || assume.sequential_keys, d])?;
        }
        if assume.linearizable_keys {
            let all: Vec<Operation> = self.operations.iter().map(|&op| self.records.operation(op)).collect();
            self.pass(&all, [false, false, true, false])?;
        }
        Ok(())
    }

    /// One pass over operations by event: read your writes, monotonic reads, monotonic writes, writes follow reads.
    fn pass(&self, operations: &[Operation], [ryw, mr, mw, wfr]: [bool; 4]) -> Result<(), String> {
        let mut events: Vec<(u32, bool, &Operation)> = Vec::new();
        for operation in operations {
            events.push((operation.invoked, false, operation));
            if operation.outcome == Outcome::Ok {
                events.push((operation.completed, true, operation));
            }
        }
        events.sort_unstable_by_key(|&(position, ..)| position);
        let (mut newest_written, mut newest_read) = (None::<usize>, None::<usize>);
        for (_, completed, operation) in events {
            let wrote = self.place.get(&operation.id).copied();
            let read = self.read.get(&operation.id).copied().filter(|_| operation.outcome == Outcome::Ok);
            if completed {
                (newest_written, newest_read) = (newest_written.max(wrote), newest_read.max(read));
                continue;
            }
            if let Some(read) = read
                && (ryw && newest_written.is_some_and(|newest| newest > read)
                    || mr && newest_read.is_some_and(|newest| newest > read))
            {
                return self.error(operation.id, "reads an older version than its session knows");
            }
            if let Some(wrote) = wrote
                && (mw && newest_written.is_some_and(|newest| newest >= wrote)
                    || wfr && newest_read.is_some_and(|newest| newest >= wrote))
            {
                return self.error(operation.id, "writes a version that is not newer than what it follows");
            }
        }
        Ok(())
    }

    fn compare_and_sets(&self) -> Result<(), String> {
        for (&op, &new) in &self.place {
            if self.read.get(&op).is_some_and(|&old| old >= new) {
                return self.error(op, "found a version that is not older than the one it wrote");
            }
        }
        Ok(())
    }

    /// Versions and their tokens are in one order, and a version has one token.
    fn tokens(&self) -> Result<(), String> {
        let history: &History = self.records.history;
        let mut tokens: Vec<(i64, usize, OpId)> = Vec::new();
        for &op in self.operations.iter().filter(|&&op| history.outcome(op) == Outcome::Ok) {
            let place = self.place.get(&op).or(self.read.get(&op));
            if let (Some(token), Some(&place)) = (history.version(op), place) {
                tokens.push((token, place, op));
            }
        }
        tokens.sort_unstable_by_key(|&(token, place, op)| (token, place, op.index()));
        for pair in tokens.windows(2) {
            let ((before, older, _), (after, newer, op)) = (pair[0], pair[1]);
            if (before == after) != (older == newer) || older > newer {
                return self.error(op, "has a version token that contradicts the order");
            }
        }
        Ok(())
    }
}
