//! Evidence about orders of all objects at once: the causal levels, PRAM and sequential consistency.

use crate::{Level, ReturnedWrite};
use histories::{OpId, SessionId};
use serde::{Deserialize, Serialize};

/// Orders that explain what was observed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CausalOrders {
    /// One order of all operations that took effect; or, of the levels that have them, an order a session.
    pub orders: Vec<SessionSerialization>,
    /// For reads (and compare-and-sets) whose value was written more than once: which write they returned.
    pub returned: Vec<ReturnedWrite>,
}

/// An order of operations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionSerialization {
    /// Whose reads it explains; none for everybody's.
    pub session: Option<SessionId>,
    /// All writes, and the reads that it explains.
    pub operations: Vec<OpId>,
}

/// Why no execution of a level explains a history.
///
/// Where a value was written more than once there may be a contradiction for each way to tell which write its readers
/// returned: then the proof splits into those cases.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CausalRefutation {
    /// The proof in preorder. Most have one step: the contradiction.
    pub proof: Vec<CausalProofStep>,
}

/// A step of a proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CausalProofStep {
    /// A read returned one of these writes (none: the initial value); as many proofs follow, one for each.
    Split {
        /// The read or compare-and-set.
        read: OpId,
        /// All that it may have returned.
        writes: Vec<Option<OpId>>,
    },
    /// Of two writes of one object one comes first: a proof for this one first, then one for the other.
    Order {
        /// The write that comes first in the first case.
        a: OpId,
        /// The write that comes first in the second.
        b: OpId,
    },
    /// Operations that would each have to come before the next, and the last before the first.
    Contradiction(Contradiction),
}

/// A cycle of what must come before what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contradiction {
    /// In whose order, for the levels that have an order a session.
    pub session: Option<SessionId>,
    /// What the cycle rests on beside the history: each follows from those before it.
    pub inferred: Vec<InferredOrder>,
    /// The cycle.
    pub cycle: Vec<CausalLink>,
}

/// One operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CausalLink {
    /// The earlier operation; none for the initial value.
    pub from: Option<OpId>,
    /// The later one; none for the initial value.
    pub to: Option<OpId>,
    /// Why.
    pub why: LinkReason,
}

/// Why one operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LinkReason {
    /// Both are of one session, and the first completed before the second was invoked.
    SessionOrder,
    /// The second read what the first wrote.
    ReadsFrom,
    /// The initial value was there before every write.
    Initial,
    /// The case assumes it.
    Assumed,
    /// It follows from a read: which of [`Contradiction::inferred`].
    Inferred(usize),
}

/// What follows from a read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InferredOrder {
    /// The read or compare-and-set.
    pub read: OpId,
    /// What it returned; none for the initial value.
    pub source: Option<OpId>,
    /// Another write of its object.
    pub other: OpId,
    /// Which of the two rules.
    pub rule: InferenceRule,
    /// The path that the rule asks for.
    pub path: Vec<CausalLink>,
}

/// What follows from a read `r` of what `w` wrote, of another write `w'` of the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InferenceRule {
    /// `w'` comes before `r` by the path: so it comes before `w`.
    NotBetween,
    /// `w'` comes after `w` by the path: so it comes after `r`.
    NotYet,
}

impl CausalRefutation {
    /// The contradictions of its cases, the first one first.
    pub fn contradictions(&self) -> impl Iterator<Item = &Contradiction> {
        self.proof.iter().filter_map(|step| match step {
            CausalProofStep::Contradiction(found) => Some(found),
            CausalProofStep::Split { .. } | CausalProofStep::Order { .. } => None,
        })
    }

    /// The anomaly's name.
    pub fn anomaly_name(&self, level: Level) -> &'static str {
        let Some(first) = self.contradictions().next() else { return "cyclic-order" };
        let inferred = first.cycle.iter().filter(|link| matches!(link.why, LinkReason::Inferred(_))).count();
        let plain = first.inferred.iter().flat_map(|inferred| &inferred.path);
        let plain = plain.clone().all(|link| !matches!(link.why, LinkReason::Inferred(_)));
        let initial = first.cycle.iter().any(|link| link.from.is_none());
        match level {
            _ if inferred == 0 => "cyclic-causality",
            _ if inferred == 1 && plain && initial => "initial-value-overwritten",
            _ if inferred == 1 && plain => "overwritten-read",
            Level::CausalConvergence => "conflicting-order",
            Level::Sequential => "non-sequential",
            _ => "conflicting-reads",
        }
    }

    /// The operations that show it: of the first case those of the cycle and the reads behind it, then the rest.
    pub fn involved_operations(&self) -> Vec<OpId> {
        let mut operations = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        let mut add = |op: OpId| {
            if seen.insert(op) {
                operations.push(op);
            }
        };
        for found in self.contradictions() {
            found.inferred.iter().map(|inferred| inferred.read).for_each(&mut add);
            found.cycle.iter().filter_map(|link| link.from).for_each(&mut add);
            for link in found.inferred.iter().flat_map(|inferred| &inferred.path) {
                link.from.into_iter().chain(link.to).for_each(&mut add);
            }
        }
        for step in &self.proof {
            if let CausalProofStep::Split { read, .. } = step {
                add(*read);
            }
        }
        operations
    }
}
