//! Evidence about the order of one object's versions: an order that meets the session guarantees, or a proof that none does.

use crate::Level;
use histories::{History, KeyId, OpId};
use serde::{Deserialize, Serialize};

/// The writes of one object in an order that meets the guarantees.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionOrder {
    /// The object.
    pub key: KeyId,
    /// The writes, oldest first: all completed ones, and the indeterminate ones that took effect. The initial
    /// value comes before them.
    pub writes: Vec<OpId>,
    /// For reads (and compare-and-sets) whose value was written more than once: which write they returned.
    pub returned: Vec<ReturnedWrite>,
}

/// Which write a read returned, or a compare-and-set found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReturnedWrite {
    /// The read or compare-and-set.
    pub read: OpId,
    /// The write; none for the initial value.
    pub write: Option<OpId>,
}

/// Why the versions of one object have no order: a cycle in what must be that order.
///
/// Where a value was written more than once there may be a cycle for each way to tell which write its readers
/// returned: then the proof splits into those cases.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionRefutation {
    /// The object.
    pub key: KeyId,
    /// The proof in preorder. Most have one step: the cycle.
    pub proof: Vec<VersionProofStep>,
    /// Whether no cycle with fewer edges exists (a search for shorter ones is bounded in huge components).
    pub shortest: bool,
}

/// A step of a proof that there is no version order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum VersionProofStep {
    /// A read returned one of these writes (none: the initial value); as many proofs follow, one for each.
    Split {
        /// The read or compare-and-set.
        read: OpId,
        /// All that it may have returned.
        writes: Vec<Option<OpId>>,
    },
    /// Versions that would each have to be older than the next, and the last older than the first. The constraint
    /// that a user notices first comes first.
    Cycle(Vec<VersionConstraint>),
}

/// One version must not come after another (or, if [`VersionConstraint::is_strict`], must come before it).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionConstraint {
    /// The write of the older version; none for the initial value.
    pub from: Option<OpId>,
    /// The write of the newer version; none for the initial value.
    pub to: Option<OpId>,
    /// What demands it.
    pub reason: ConstraintReason,
}

/// What demands that one version comes before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ConstraintReason {
    /// A guarantee for two operations of one session: `a` completed before `b` was invoked.
    SessionOrder {
        /// Which of the four.
        guarantee: Level,
        /// The earlier operation: it wrote or read `from`.
        a: OpId,
        /// The later operation: it wrote or read `to`.
        b: OpId,
    },
    /// A compare-and-set found `from` and wrote `to`.
    CompareAndSet {
        /// The compare-and-set.
        op: OpId,
    },
    /// The store numbered the version of `a` no higher than that of `b`.
    Token {
        /// An operation that wrote or read `from`.
        a: OpId,
        /// An operation that wrote or read `to`.
        b: OpId,
    },
    /// The initial value comes before every write.
    Initial,
    /// `--assume sequential-keys`: the writes of a session keep their order.
    SessionWrites {
        /// The write of `from`.
        a: OpId,
        /// The write of `to`.
        b: OpId,
    },
    /// `--assume linearizable-keys`: writes keep real-time order.
    RealTimeWrites {
        /// The write of `from`.
        a: OpId,
        /// The write of `to`.
        b: OpId,
    },
}

impl VersionConstraint {
    /// Whether the two versions must differ: else they may also be one and the same.
    pub fn is_strict(&self, history: &History) -> bool {
        match self.reason {
            ConstraintReason::SessionOrder { guarantee, .. } => {
                matches!(guarantee, Level::MonotonicWrites | Level::WritesFollowReads)
            }
            ConstraintReason::Token { a, b } => history.version(a) < history.version(b),
            ConstraintReason::CompareAndSet { .. }
            | ConstraintReason::Initial
            | ConstraintReason::SessionWrites { .. }
            | ConstraintReason::RealTimeWrites { .. } => true,
        }
    }
}

impl VersionRefutation {
    /// The cycles of its cases, the first one first.
    pub fn cycles(&self) -> impl Iterator<Item = &[VersionConstraint]> {
        self.proof.iter().filter_map(|step| match step {
            VersionProofStep::Cycle(constraints) => Some(constraints.as_slice()),
            VersionProofStep::Split { .. } => None,
        })
    }

    /// The anomaly's name: that of the first constraint, which is the one that a user notices first.
    pub fn anomaly_name(&self) -> &'static str {
        let first = self.cycles().next().and_then(<[VersionConstraint]>::first);
        match first.map(|constraint| constraint.reason) {
            Some(ConstraintReason::SessionOrder { guarantee: Level::ReadYourWrites, .. }) => {
                "own-write-missing"
            }
            Some(ConstraintReason::SessionOrder { guarantee: Level::MonotonicReads, .. }) => {
                "non-monotonic-read"
            }
            Some(ConstraintReason::SessionOrder { guarantee: Level::WritesFollowReads, .. }) => {
                "write-before-read-cause"
            }
            Some(ConstraintReason::SessionOrder { .. }) => "write-order-inverted",
            _ => "cyclic-versions",
        }
    }

    /// The operations that show it: of the first case those that the reasons name, then the writes between them;
    /// then those of the other cases.
    pub fn involved_operations(&self) -> Vec<OpId> {
        let mut operations = Vec::new();
        let mut seen = rustc_hash::FxHashSet::default();
        let mut add = |op: OpId| {
            if seen.insert(op) {
                operations.push(op);
            }
        };
        for constraints in self.cycles() {
            constraints
                .iter()
                .flat_map(|constraint| constraint.reason.involved_operations())
                .for_each(&mut add);
            constraints.iter().filter_map(|constraint| constraint.to).for_each(&mut add);
        }
        for step in &self.proof {
            if let VersionProofStep::Split { read, .. } = step {
                add(*read);
            }
        }
        operations
    }

    /// Whether the proof goes through the versions that reads may have returned.
    pub fn splits_into_cases(&self) -> bool {
        self.proof.len() > 1
    }
}

impl ConstraintReason {
    /// The operations that it names.
    pub fn involved_operations(&self) -> impl Iterator<Item = OpId> + use<> {
        let (first, second) = match *self {
            ConstraintReason::SessionOrder { a, b, .. }
            | ConstraintReason::Token { a, b }
            | ConstraintReason::SessionWrites { a, b }
            | ConstraintReason::RealTimeWrites { a, b } => (Some(a), Some(b)),
            ConstraintReason::CompareAndSet { op } => (Some(op), None),
            ConstraintReason::Initial => (None, None),
        };
        first.into_iter().chain(second)
    }
}
