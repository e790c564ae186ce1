//! Evidence about orders of all objects at once: the causal levels, PRAM and sequential consistency.

use crate::{Level, ReturnedWrite};
use histories::{KeyId, OpId, SessionId};
use serde::{Deserialize, Serialize};

/// Orders that explain what was observed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CausalOrders {
    /// One order of all operations that took effect, or one order for each session, depending on the level.
    pub orders: Vec<SessionSerialization>,
    /// For each read (or compare-and-set) whose value was written more than once: the write that it returned.
    pub returned: Vec<ReturnedWrite>,
}

/// An order of operations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SessionSerialization {
    /// The session whose reads the order explains; `None` for all sessions.
    pub session: Option<SessionId>,
    /// The object whose operations the order has; `None` for all objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// All writes, and the reads that the order explains.
    pub operations: Vec<OpId>,
}

/// Why no execution of a level explains a history.
///
/// If a value was written more than once, its readers may have returned any of those writes. The proof then splits into
/// one case for each of them, and each case ends in a contradiction of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CausalRefutation {
    /// The steps of the proof in preorder. Most proofs have one step: the contradiction.
    pub proof: Vec<CausalProofStep>,
}

/// One step of a proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CausalProofStep {
    /// The read returned one of these writes (`None`: the initial value). One proof for each of them follows.
    Split {
        /// The read or compare-and-set.
        read: OpId,
        /// All writes that it may have returned.
        writes: Vec<Option<OpId>>,
    },
    /// One of two writes to the same object comes first. A proof for the case that `a` does follows, then one for `b`.
    Order {
        /// The write that comes first in the first case.
        a: OpId,
        /// The write that comes first in the second case.
        b: OpId,
    },
    /// A cycle: each operation must come before the next, and the last before the first.
    Contradiction(Contradiction),
}

/// A cycle of operations that must come before one another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contradiction {
    /// The session whose order contains the cycle, for levels that have one order for each session.
    pub session: Option<SessionId>,
    /// Inferences that the cycle rests on besides the history. Each follows from the history and the inferences before
    /// it.
    pub inferred: Vec<InferredOrder>,
    /// The cycle.
    pub cycle: Vec<CausalLink>,
}

/// A constraint: one operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CausalLink {
    /// The earlier operation; `None` for the initial value.
    pub from: Option<OpId>,
    /// The later operation; `None` for the initial value.
    pub to: Option<OpId>,
    /// The reason.
    pub why: LinkReason,
}

/// Why one operation comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum LinkReason {
    /// Both operations are in the same session, and the first completed before the second was invoked.
    SessionOrder,
    /// The first operation completed before the second was invoked, and the level demands that order of the second one.
    RealTime,
    /// The second operation read what the first wrote.
    ReadsFrom,
    /// The initial value precedes every write.
    Initial,
    /// The current case of the proof assumes it.
    Assumed,
    /// It is inferred from a read. The number is an index into [`Contradiction::inferred`].
    Inferred(usize),
}

/// An order that is inferred from a read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InferredOrder {
    /// The read or compare-and-set.
    pub read: OpId,
    /// The write that it returned; `None` for the initial value.
    pub source: Option<OpId>,
    /// Another write of the same object.
    pub other: OpId,
    /// The inference rule.
    pub rule: InferenceRule,
    /// The path of constraints that the rule requires.
    pub path: Vec<CausalLink>,
}

/// The rules of inference about a read `r`, the write `w` that it returned, and another write `w'` of the same object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InferenceRule {
    /// A path leads from `w'` to `r`. Therefore `w'` comes before `w`.
    NotBetween,
    /// A path leads from `w` to `w'`. Therefore `r` comes before `w'`.
    NotYet,
}

impl CausalRefutation {
    /// The contradictions of all cases, in the order of the cases.
    pub fn contradictions(&self) -> impl Iterator<Item = &Contradiction> {
        self.proof.iter().filter_map(|step| match step {
            CausalProofStep::Contradiction(found) => Some(found),
            CausalProofStep::Split { .. } | CausalProofStep::Order { .. } => None,
        })
    }

    /// The name of the anomaly, judged from the first contradiction.
    pub fn anomaly_name(&self, level: Level) -> &'static str {
        let Some(first) = self.contradictions().next() else { return "cyclic-order" };
        let inferred = first.cycle.iter().filter(|link| matches!(link.why, LinkReason::Inferred(_))).count();
        let plain = first.inferred.iter().flat_map(|inferred| &inferred.path);
        let plain =
            plain.clone().all(|link| !matches!(link.why, LinkReason::Inferred(_) | LinkReason::RealTime));
        let initial = first.cycle.iter().any(|link| link.from.is_none());
        let timed = first.cycle.iter().any(|link| link.why == LinkReason::RealTime);
        match level {
            _ if inferred == 0 && timed => "future-read",
            _ if inferred == 0 => "cyclic-causality",
            _ if inferred == 1 && plain && initial => "initial-value-overwritten",
            _ if inferred == 1 && plain => "overwritten-read",
            Level::CausalConvergence => "conflicting-order",
            Level::OrderedSequential => "non-ordered-sequential",
            Level::Sequential | Level::PerObjectSequential => "non-sequential",
            _ => "conflicting-reads",
        }
    }

    /// The operations that the proof names: for each case the reads of its inferences, its cycle and the paths of its
    /// inferences; then the reads that the proof splits on.
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
