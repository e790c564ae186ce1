//! The answer about one property: the verdict and the evidence for it.

mod verdict;

use crate::{
    BreachEvidence, CausalOrders, CausalRefutation, Core, Finding, Linearization, Phenomenon, Property,
    ReturnedWrite, TransactionWitness, VersionOrder, VersionRefutation,
};
use histories::{KeyId, OpId};
use serde::{Deserialize, Serialize};
pub use verdict::{Reason, Verdict};

/// The answer about one property.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The property that was asked.
    pub property: Property,
    /// The engine that reached the verdict.
    pub method: String,
    /// The verdict, with its witness, its violations or its reason.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The number of violations of each kind, where the verdict contains only the first violation of a kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<(AnomalyName, u64)>,
}

/// Why a property holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// For each object, its operations in an order that explains what was observed.
    Orders(Vec<Linearization>),
    /// For each object, its writes in an order that meets the guarantees.
    Versions(Vec<VersionOrder>),
    /// One order of all operations, or one order for each session.
    Causal(CausalOrders),
    /// For each read that the level judges, the write that it returned: every completed read and compare-and-set, and the
    /// indeterminate compare-and-sets that took effect.
    Sources(Vec<ReturnedWrite>),
    /// An order of transactions.
    Transactions(TransactionWitness),
    /// The number of answers that were examined; none of them breaks the invariant.
    Looked(u64),
    /// The whole history was examined. It contains no finding of this kind, and an execution without one can explain
    /// it.
    NothingFound,
}

/// One way in which a property is violated.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Violation {
    /// The anomaly's name in the definitions, for example `stale-read`.
    pub kind: AnomalyName,
    /// The object.
    pub key: KeyId,
    /// The operations that show the violation. The one that a user should look at first comes first.
    pub operations: Vec<OpId>,
    /// Why no permitted execution explains them.
    pub evidence: Evidence,
}

/// Why no permitted execution explains a violation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Operations on one object that no order explains.
    Core(Core),
    /// A cycle of constraints on the version order of one object.
    Cycle(VersionRefutation),
    /// Cycles of order constraints across all objects.
    Causal(CausalRefutation),
    /// A phenomenon of transactions. Its examples are in [`crate::Report::phenomena`], because several levels may share
    /// them.
    Phenomenon(Phenomenon),
    /// A finding about sessions.
    Finding(Box<Finding>),
    /// An observation that breaks an invariant.
    Breach(BreachEvidence),
}

/// The name of an anomaly that the definitions list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct AnomalyName(&'static str);

/// Names of anomalies of objects and invariants. Anomalies of transactions are [`crate::Phenomenon`]s, and those of
/// sessions are [`crate::FindingKind`]s.
const OF_OBJECTS: &[&str] = &[
    "aborted-read",
    "causal-reverse",
    "conflicting-order",
    "conflicting-reads",
    "cyclic-causality",
    "cyclic-versions",
    "duplicated",
    "future-read",
    "initial-value-overwritten",
    "long-fork",
    "lost",
    "lost-update",
    "negative-balance",
    "nil-balance",
    "non-linearizable",
    "non-monotonic",
    "non-monotonic-read",
    "non-ordered-sequential",
    "non-sequential",
    "non-two-atomic",
    "out-of-bounds",
    "overwritten-read",
    "own-write-missing",
    "phantom-read",
    "stale",
    "stale-read",
    "too-stale",
    "unexpected",
    "write-before-read-cause",
    "write-order-inverted",
    "wrong-total",
];

impl AnomalyName {
    /// Wraps a name. Debug builds panic if the definitions do not list it.
    pub fn new(name: &'static str) -> Self {
        debug_assert!(Self::by_name(name).is_some(), "{name} is not a name of an anomaly");
        Self(name)
    }

    /// Finds the anomaly with this name.
    pub fn by_name(name: &str) -> Option<Self> {
        let of_transactions = crate::Phenomenon::all().map(crate::Phenomenon::name);
        let of_sessions = crate::FindingKind::ALL.iter().map(|kind| kind.name());
        let mut all = OF_OBJECTS.iter().copied().chain(of_transactions).chain(of_sessions);
        all.find(|&known| known == name).map(Self)
    }

    /// The name as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for AnomalyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.0)
    }
}

impl PartialEq<str> for AnomalyName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for AnomalyName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<'de> Deserialize<'de> for AnomalyName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::by_name(&name).ok_or_else(|| serde::de::Error::custom(format!("there is no anomaly {name:?}")))
    }
}

impl Violation {
    /// The finding about sessions, if the evidence is one.
    pub fn as_finding(&self) -> Option<&Finding> {
        match &self.evidence {
            Evidence::Finding(finding) => Some(finding),
            _ => None,
        }
    }
}
