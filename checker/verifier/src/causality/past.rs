//! Computes the causal past of each read along an order that extends causal order.
//!
//! The operations of each session are divided into columns of operations that follow one another. The causal past of an
//! operation is then a prefix of each column. For a read, the last write to its object in each of these prefixes must
//! not be newer than the write that the read returned.

use super::execution::Execution;
use crate::Confirmation;
use crate::sessions::value_written_by;
use crate::watch::StepCost;
use claims::SessionSerialization;
use histories::{Id, KeyId, OpId, Outcome, SessionId};
use rustc_hash::FxHashMap;

/// The maximum number of entries of all pasts together: two gigabytes. The verifier has no memory limit of its own.
const ENTRIES_MAX: usize = 1 << 29;

pub(super) struct CausalPast<'a> {
    execution: &'a Execution<'a>,
    order: &'a SessionSerialization,
    /// By operation: its column, and the number of operations in the column up to and including it.
    column: Vec<(u32, u32)>,
    column_count: usize,
    of_session: FxHashMap<SessionId, Vec<u32>>,
    /// By column: its operations.
    members: Vec<Vec<OpId>>,
    /// By object and column: the writes.
    written: FxHashMap<KeyId, Vec<(u32, Vec<OpId>)>>,
}

impl<'a> CausalPast<'a> {
    pub(super) fn new(execution: &'a Execution<'a>, order: &'a SessionSerialization) -> Self {
        let mut past = Self {
            execution,
            order,
            column: vec![(0, 0); execution.history.len()],
            column_count: 0,
            of_session: FxHashMap::default(),
            members: Vec::new(),
            written: FxHashMap::default(),
        };
        let mut in_order = vec![false; execution.history.len()];
        order.operations.iter().for_each(|op| in_order[op.index()] = true);
        for operation in execution.executed_operations().filter(|operation| in_order[operation.id.index()]) {
            let ends = |column: u32| past.members[column as usize].last().copied();
            let is_over = |op: OpId| {
                let last = execution.history.operation(op);
                last.outcome == Outcome::Ok && last.completed < operation.invoked
            };
            let columns = past.of_session.entry(operation.session).or_default();
            let free = columns.iter().copied().find(|&column| ends(column).is_some_and(is_over));
            let column = free.unwrap_or_else(|| {
                columns.push(past.members.len() as u32);
                past.members.push(Vec::new());
                past.members.len() as u32 - 1
            });
            past.members[column as usize].push(operation.id);
            past.column[operation.id.index()] = (column, past.members[column as usize].len() as u32);
            if value_written_by(&operation).is_some() {
                let columns = past.written.entry(operation.key).or_default();
                match columns.iter_mut().find(|known| known.0 == column) {
                    Some((_, written)) => written.push(operation.id),
                    None => columns.push((column, vec![operation.id])),
                }
            }
        }
        past.column_count = past.members.len();
        past
    }

    /// Checks that no read returned a value that was overwritten in its causal past. With `places`, one write
    /// overwrites another if it comes later in that order. Returns [`Confirmation::TooLarge`] without checking anything
    /// if the pasts do not fit into memory.
    pub(super) fn check_all_reads(&self, places: Option<&[u32]>) -> Result<Confirmation, String> {
        let width = self.column_count;
        if self.execution.history.len().saturating_mul(width) > ENTRIES_MAX {
            return Ok(Confirmation::TooLarge);
        }
        let mut past = vec![0u32; self.execution.history.len() * width];
        let mut own = vec![0u32; width];
        for &op in self.execution.watch.take_while_in_time(StepCost::Follow, self.order.operations.iter()) {
            let operation = self.execution.history.operation(op);
            own.fill(0);
            let mut learn = |from: OpId| {
                let theirs = &past[from.index() * width..(from.index() + 1) * width];
                own.iter_mut().zip(theirs).for_each(|(own, &theirs)| *own = theirs.max(*own));
            };
            for &column in &self.of_session[&operation.session] {
                let members = &self.members[column as usize];
                let over = members.partition_point(|&other| {
                    let other = self.execution.history.operation(other);
                    other.outcome == Outcome::Ok && other.completed < operation.invoked
                });
                over.checked_sub(1).into_iter().for_each(|at| learn(members[at]));
            }
            if let Some(Some(write)) = self.execution.source[op.index()] {
                learn(write);
            }
            self.check_read(op, &own, &past, places)?;
            let (column, count) = self.column[op.index()];
            own[column as usize] = count;
            past[op.index() * width..(op.index() + 1) * width].copy_from_slice(&own);
        }
        Ok(Confirmation::Confirmed)
    }

    /// Checks one read, whose past is `own`.
    fn check_read(&self, op: OpId, own: &[u32], past: &[u32], places: Option<&[u32]>) -> Result<(), String> {
        let Some(source) = self.execution.source[op.index()] else { return Ok(()) };
        let none = Vec::new();
        for (column, written) in self.written.get(&self.execution.history.key(op)).unwrap_or(&none) {
            let before =
                written.partition_point(|other| self.column[other.index()].1 <= own[*column as usize]);
            let Some(other) = before.checked_sub(1).map(|at| written[at]) else { continue };
            let newer = match (source, places) {
                (None, _) => true,
                (Some(write), _) if write == other => false,
                (Some(write), Some(places)) => places[other.index()] > places[write.index()],
                (Some(write), None) => {
                    let (column, count) = self.column[write.index()];
                    past[other.index() * self.column_count + column as usize] >= count
                }
            };
            if newer {
                return self.execution.error_about(op, "reads what its causal past had overwritten");
            }
        }
        Ok(())
    }
}
