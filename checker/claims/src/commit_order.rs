//! Evidence that an isolation level holds: an order of all committed transactions that can be replayed.

use crate::{Axiom, CycleFamily, IsolationLevel, ListPlace, OrderExtent, ReadChoice};
use histories::OpId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why an isolation level holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransactionWitness {
    /// All committed transactions in a serial order: executed in this order, each one reads what it read in the
    /// history. The order extends the given extent.
    Serial(OrderExtent, Arc<Vec<OpId>>),
    /// The snapshots and commits of all committed transactions in one order. Each transaction reads what had committed
    /// when its snapshot was taken. No other transaction commits a write to an object that it writes between its
    /// snapshot and its commit.
    Snapshots(OrderExtent, Arc<Vec<TransactionPoint>>),
    /// All committed transactions in an order in which the versions of each object follow one another. If the level
    /// requires it, each transaction also comes after those that it read from.
    Versions(OrderExtent, CycleFamily, Arc<Vec<OpId>>),
    /// All committed transactions in an order that extends session order and meets the axiom. Each transaction comes
    /// after those that it read from.
    CommitOrder(Axiom, Arc<Vec<OpId>>),
    /// The begin and commit points of all committed transactions in one order. Each transaction reads what had committed
    /// at its begin point. Unlike in [`TransactionWitness::Snapshots`], concurrent transactions may write the same object.
    Prefixes(Arc<Vec<TransactionPoint>>),
    /// The begin points and commits of all committed transactions in one order, which explains what each transaction read at the
    /// level that it declares ([`crate::declared_levels`]).
    Mixed(Arc<MixedExecution>),
    /// The micro-operations and commits of all committed transactions in one order. Each read returns what had committed
    /// at that moment. Between a transaction's write to an object and its commit, no other transaction commits a write to
    /// that object.
    Actions(Arc<Vec<TransactionAction>>),
    /// All committed transactions in an order that is also their version order and meets the conditions of the level.
    Execution(IsolationLevel, Arc<TransactionExecution>),
}

/// An order of transactions, with the sources of those reads whose source the history does not determine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransactionExecution {
    /// All committed transactions, in commit order.
    pub order: Vec<OpId>,
    /// The source of each read whose value several transactions wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<ReadChoice>,
    /// At levels that ask nothing of reads: where the appends of transactions stand in the longest list, if several transactions appended
    /// equal elements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<ListPlace>,
}

/// An order of begin points and commits, for transactions that each declare a level.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MixedExecution {
    /// The begin points and commits of all committed transactions.
    pub points: Vec<TransactionPoint>,
    /// Where appends stand in the longest list of a key that a transaction at `read-uncommitted` read, if equal elements were appended
    /// to it and several transactions may stand there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<ListPlace>,
}

/// One step of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TransactionAction {
    /// The transaction executes the micro-operation at this index.
    Act(OpId, usize),
    /// The transaction's writes become visible.
    Commit(OpId),
}

impl TransactionWitness {
    /// Whether both are the same order. This is O(1) if they share their allocation.
    pub fn is_same_order(&self, other: &TransactionWitness) -> bool {
        match (self, other) {
            (TransactionWitness::Serial(one, a), TransactionWitness::Serial(two, b)) if Arc::ptr_eq(a, b) => {
                one == two
            }
            (TransactionWitness::Snapshots(one, a), TransactionWitness::Snapshots(two, b))
                if Arc::ptr_eq(a, b) =>
            {
                one == two
            }
            (TransactionWitness::Versions(one, f, a), TransactionWitness::Versions(two, g, b))
                if Arc::ptr_eq(a, b) =>
            {
                (one, f) == (two, g)
            }
            (TransactionWitness::CommitOrder(one, a), TransactionWitness::CommitOrder(two, b))
                if Arc::ptr_eq(a, b) =>
            {
                one == two
            }
            (TransactionWitness::Prefixes(a), TransactionWitness::Prefixes(b)) if Arc::ptr_eq(a, b) => true,
            (TransactionWitness::Mixed(a), TransactionWitness::Mixed(b)) if Arc::ptr_eq(a, b) => true,
            (TransactionWitness::Actions(a), TransactionWitness::Actions(b)) if Arc::ptr_eq(a, b) => true,
            (TransactionWitness::Execution(one, a), TransactionWitness::Execution(two, b))
                if Arc::ptr_eq(a, b) =>
            {
                one == two
            }
            _ => self == other,
        }
    }
}

/// A point in time of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TransactionPoint {
    /// The transaction takes its snapshot.
    Begin(OpId),
    /// The transaction's writes become visible.
    Commit(OpId),
}
