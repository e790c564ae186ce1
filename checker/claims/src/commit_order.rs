//! Evidence that a level of transactions holds: an order of all committed transactions that anybody can replay.

use crate::{Axiom, CycleFamily, OrderExtent};
use histories::OpId;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Why a level holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransactionWitness {
    /// All committed transactions in an order in which, done one after another, each sees what it saw. It
    /// extends the given order.
    Serial(OrderExtent, Arc<Vec<OpId>>),
    /// The beginnings and commits of all committed transactions in an order in which each sees what had
    /// committed when it began, and nobody else commits a write to what it writes in between.
    Snapshots(OrderExtent, Arc<Vec<TransactionPoint>>),
    /// All committed transactions in an order in which each comes after those it read from, if asked for by
    /// the level, and the versions of each object follow one another.
    Versions(OrderExtent, CycleFamily, Arc<Vec<OpId>>),
    /// All committed transactions in an order that extends that of sessions, in which each comes after those it
    /// read from, and that meets the axiom.
    CommitOrder(Axiom, Arc<Vec<OpId>>),
}

impl TransactionWitness {
    /// Whether it is the same order, told without comparing orders where they are one in memory.
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
            _ => self == other,
        }
    }
}

/// A moment in the life of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TransactionPoint {
    /// Its snapshot is taken.
    Begin(OpId),
    /// What it wrote becomes visible.
    Commit(OpId),
}
