//! The invariants by name, and their parameters.

use crate::names::named;
use histories::{History, Outcome};
use serde::{Deserialize, Serialize};

named! {
    /// A condition on the answers that must hold whatever their order.
    Invariant, "invariant";
    Bank "bank"
        "every read of all accounts shows the same total and no negative balance",
    Set "set"
        "the last read has every acknowledged element, and no element that was never added",
    SetFull "set-full"
        "no element is lost, duplicated, or read without having been added",
    SetFullLinearizable "set-full-linearizable"
        "set-full, and no read misses an element that was known before it began",
    Counter "counter"
        "every read lies between the least and the greatest possible count",
    TotalQueue "total-queue"
        "every acknowledged element comes out, and no element that was never enqueued",
    AtMostOnce "at-most-once"
        "total-queue, and no element comes out more often than it was enqueued",
    UniqueIds "unique-ids"
        "no id is generated twice",
    LongFork "long-fork"
        "of two reads of the same keys, one saw every write that the other saw",
    Monotonic "monotonic"
        "no session sees a value below one that it has already seen",
    CausalReverse "causal-reverse"
        "a read that sees a write also sees every write that was acknowledged before that one began",
}

/// Facts about a bank that the history does not contain.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct BankRules {
    /// The sum of all accounts; `None`: the sum that the first read shows.
    pub total: Option<i64>,
    /// Whether accounts may be overdrawn.
    pub negative_balances: bool,
}

impl Invariant {
    /// Whether the invariant depends on the order of operations of different sessions.
    pub fn needs_real_time(self) -> bool {
        !matches!(self, Invariant::Bank | Invariant::UniqueIds | Invariant::LongFork | Invariant::Monotonic)
    }

    /// The names of the operations that the invariant is about.
    pub fn known_functions(self) -> &'static [&'static str] {
        match self {
            Invariant::Bank => &["read", "transfer"],
            Invariant::Set | Invariant::SetFull | Invariant::SetFullLinearizable => &["add", "read"],
            Invariant::Counter => &["add", "inc", "read"],
            Invariant::TotalQueue | Invariant::AtMostOnce => &["enqueue", "dequeue", "drain"],
            Invariant::UniqueIds => &["generate"],
            Invariant::LongFork => &["read", "write", "txn"],
            Invariant::Monotonic => &["read", "inc", "add"],
            Invariant::CausalReverse => &["read", "write", "add", "insert"],
        }
    }

    /// Explains why a history cannot be about this invariant, or returns `None`. Unknown operations would be ignored,
    /// and the invariant would hold of the rest without meaning. Failed operations are allowed because they did
    /// nothing.
    pub fn explain_mismatch(self, history: &History) -> Option<String> {
        let strange = history.ids().find(|&id| {
            let name = history.function_name(history.function(id));
            history.outcome(id) != Outcome::Fail && !self.known_functions().contains(&name)
        })?;
        let function = history.function_name(history.function(strange));
        let known = self.known_functions().join(", ");
        Some(format!(
            "operation {} is {function:?}: {} knows {known}",
            history.operation_index(strange),
            self.name()
        ))
    }
}
