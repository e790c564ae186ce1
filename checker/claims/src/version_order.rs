//! Evidence about the version order of one object: an order that meets the session guarantees, or a proof that there is
//! none.

use crate::Level;
use histories::{History, KeyId, OpId};
use serde::{Deserialize, Serialize};

/// A version order of one object that meets the guarantees.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionOrder {
    /// The object.
    pub key: KeyId,
    /// The writes, oldest first: all that completed, and the indeterminate ones that took effect. The initial value
    /// precedes them.
    pub writes: Vec<OpId>,
    /// For each read (or compare-and-set) whose value was written more than once: the write that it returned.
    pub returned: Vec<ReturnedWrite>,
}

/// The write that a read returned or a compare-and-set found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReturnedWrite {
    /// The read or compare-and-set.
    pub read: OpId,
    /// The write; `None` for the initial value.
    pub write: Option<OpId>,
}

/// Why no version order of one object exists: a cycle of constraints on that order.
///
/// If a value was written more than once, its readers may have returned any of those writes. The proof then splits into
/// one case for each of them, and each case ends in a cycle of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionRefutation {
    /// The object.
    pub key: KeyId,
    /// The steps of the proof in preorder. Most proofs have one step: the cycle.
    pub proof: Vec<VersionProofStep>,
    /// Whether no shorter cycle exists. The search for shorter cycles is bounded in huge components.
    pub shortest: bool,
}

/// One step of a proof that no version order exists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum VersionProofStep {
    /// The read returned one of these writes (`None`: the initial value). One proof for each of them follows.
    Split {
        /// The read or compare-and-set.
        read: OpId,
        /// All writes that it may have returned.
        writes: Vec<Option<OpId>>,
    },
    /// A cycle: each version must be older than the next, and the last older than the first. The constraint that a user
    /// notices first comes first.
    Cycle(Vec<VersionConstraint>),
}

/// A constraint: one version must not come after another. If [`VersionConstraint::is_strict`], it must come before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionConstraint {
    /// The write of the older version; `None` for the initial value.
    pub from: Option<OpId>,
    /// The write of the newer version; `None` for the initial value.
    pub to: Option<OpId>,
    /// The reason.
    pub reason: ConstraintReason,
}

/// The reason why one version must come before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ConstraintReason {
    /// A session guarantee about two operations of one session: `a` completed before `b` was invoked.
    SessionOrder {
        /// One of the four session guarantees.
        guarantee: Level,
        /// The earlier operation. It wrote or read `from`.
        a: OpId,
        /// The later operation. It wrote or read `to`.
        b: OpId,
    },
    /// A compare-and-set found `from` and wrote `to`.
    CompareAndSet {
        /// The compare-and-set.
        op: OpId,
    },
    /// The store gave the version of `a` a number that is at most that of `b`.
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
    /// Whether the two versions must differ. Otherwise they may be the same version.
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
    /// The cycles of all cases, in the order of the cases.
    pub fn cycles(&self) -> impl Iterator<Item = &[VersionConstraint]> {
        self.proof.iter().filter_map(|step| match step {
            VersionProofStep::Cycle(constraints) => Some(constraints.as_slice()),
            VersionProofStep::Split { .. } => None,
        })
    }

    /// The name of the anomaly, judged from the first constraint. That is the one that a user notices first.
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

    /// The operations that the proof names: for each case those in the reasons and then the writes on the cycle; then
    /// the reads that the proof splits on.
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

    /// Whether the proof splits into cases, because a read may have returned several versions.
    pub fn splits_into_cases(&self) -> bool {
        self.proof.len() > 1
    }
}

impl ConstraintReason {
    /// The operations that the reason names.
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
