//! Anomalies of transactions as data: the transactions, the reads, and a reason for every edge of a cycle.
//!
//! This module contains no prose. All of it can be checked against the history alone.

use crate::read_at::ReadAt;
use crate::{
    Axiom, CaseStep, IsolationLevel, IsolationSet, Phenomenon, Proviso, levels_ruled_out_by,
    weakest_levels_forbidding,
};
use histories::{KeyId, OpId, ValueId};
use serde::{Deserialize, Serialize};

/// A phenomenon in a history: its count, and at least one example with evidence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransactionAnomaly {
    /// The phenomenon.
    pub phenomenon: Phenomenon,
    /// The number of occurrences. For cycles: the number of components of the graph that contain one.
    pub count: u64,
    /// The first examples, at most [`TransactionAnomaly::EXAMPLES_MAX`] of them. For cycles: the shortest ones.
    pub examples: Vec<TransactionEvidence>,
}

impl TransactionAnomaly {
    /// The maximum number of examples that are kept.
    pub const EXAMPLES_MAX: usize = 8;

    /// All levels that the anomaly rules out, given its examples. Three kinds of examples make a difference. A commit-order cycle
    /// that uses no session order also refutes the stronger levels without sessions. Lists that differ only in the readers' own
    /// appends refute no level that is defined by what a transaction sees.
    pub fn ruled_out_set(&self) -> IsolationSet {
        let all = levels_ruled_out_by(self.phenomenon);
        let own = |example: &TransactionEvidence| {
            matches!(example, TransactionEvidence::IncompatibleOwnAppends { .. })
        };
        match self.phenomenon {
            Phenomenon::CommitOrder(_)
                if self.examples.iter().any(TransactionEvidence::depends_on_data_alone) =>
            {
                let weakest: IsolationSet =
                    weakest_levels_forbidding(self.phenomenon).iter().copied().collect();
                weakest.and_stronger(Proviso::SessionsAside)
            }
            // A transaction that read one version and wrote another shows their order only where reads mean something. The weakest
            // levels ask nothing of reads.
            Phenomenon::CyclicVersions
                if !self.examples.is_empty()
                    && self.examples.iter().all(TransactionEvidence::orders_versions_by_reading) =>
            {
                let weakest: IsolationSet = [IsolationLevel::ReadCommitted].into_iter().collect();
                weakest.and_stronger(Proviso::SessionsAside)
            }
            Phenomenon::IncompatibleOrder if !self.examples.is_empty() && self.examples.iter().all(own) => {
                all.iter().filter(|&level| !level.is_defined_by_visibility()).collect()
            }
            _ => all,
        }
    }
}

/// The evidence for an anomaly.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransactionEvidence {
    /// Each transaction must come before the next, and the last before the first.
    Cycle(DependencyCycle),
    /// A cycle exists for every version order of the registers. The lemmas prove it step by step; the last lemma
    /// assumes nothing.
    Lemmas(Vec<OrderLemma>),
    /// No execution of the level explains the history, however its open choices are made. The steps prove it; the last
    /// step assumes nothing.
    Cases(Vec<CaseStep>),
    /// `reader` returned an element, or a value, that the failed `writer` wrote.
    AbortedRead {
        /// The read.
        read: ReadAt,
        /// The element or value.
        value: ValueId,
        /// The failed transaction.
        writer: OpId,
    },
    /// The last element or the value of a read was overwritten by the transaction that had written it.
    IntermediateRead {
        /// The read.
        read: ReadAt,
        /// The element or value.
        value: ValueId,
        /// The transaction that wrote it and later wrote the same key again.
        writer: OpId,
    },
    /// No transaction wrote the value that was read.
    GarbageRead {
        /// The read.
        read: ReadAt,
        /// The value.
        value: ValueId,
    },
    /// A read contradicts the earlier micro-operations of the same transaction on that object.
    Internal {
        /// The read.
        read: ReadAt,
        /// The micro-operations on that key that determine the expected result, as indices within the transaction.
        because: Vec<usize>,
    },
    /// A transaction read a value that it wrote only later.
    FutureRead {
        /// The read.
        read: ReadAt,
        /// The value.
        value: ValueId,
        /// The later write, as an index within the transaction.
        write: usize,
    },
    /// Each of these transactions read the same version of an object and wrote the next one.
    LostUpdate {
        /// The object.
        key: KeyId,
        /// The version that they read; `None` for the initial state.
        version: Option<ValueId>,
        /// The transactions, at least two.
        transactions: Vec<OpId>,
    },
    /// A committed append follows an aborted one in a list.
    DirtyUpdate {
        /// A read that shows both elements.
        read: ReadAt,
        /// The aborted transaction and the element that it appended.
        aborted: (OpId, ValueId),
        /// The committed transaction and the element that it appended later.
        committed: (OpId, ValueId),
    },
    /// A list contains an element more than once.
    DuplicateElement {
        /// The read.
        read: ReadAt,
        /// The element.
        value: ValueId,
    },
    /// Two reads returned lists, and neither list is a prefix of the other.
    IncompatibleOrder {
        /// The first read.
        one: ReadAt,
        /// The other.
        other: ReadAt,
    },
    /// Neither list is a prefix of the other. Without the readers' own appends, one list is a prefix of the other: a reader
    /// saw its own append before other transactions committed theirs. No version order explains this, but a snapshot plus
    /// the reader's own appends does.
    IncompatibleOwnAppends {
        /// The first read.
        one: ReadAt,
        /// The other.
        other: ReadAt,
    },
    /// A list shows a transaction's later append, but not its earlier one before it.
    AppendsOutOfOrder {
        /// The read.
        read: ReadAt,
        /// The transaction that made both appends.
        writer: OpId,
        /// The element that it appended first.
        earlier: ValueId,
        /// The element that it appended later.
        later: ValueId,
    },
    /// Each of these versions must come before the next, and the last before the first.
    CyclicVersions {
        /// The object.
        key: KeyId,
        /// The steps from version to version with their reasons; `None` is the initial version.
        steps: Vec<VersionStep>,
    },
}

impl TransactionEvidence {
    /// Whether the evidence is a cycle of versions, and one step rests on a transaction that read a version and wrote the next.
    fn orders_versions_by_reading(&self) -> bool {
        let TransactionEvidence::CyclicVersions { steps, .. } = self else { return false };
        steps.iter().any(|step| step.order == VersionEvidence::ReadModifyWrite)
    }

    /// The dependency cycle, if the evidence contains one. For lemmas it is the cycle of the last lemma.
    pub fn deciding_cycle(&self) -> Option<&[Dependency]> {
        match self {
            TransactionEvidence::Cycle(cycle) => Some(&cycle.edges),
            TransactionEvidence::Lemmas(lemmas) => lemmas.last().map(|lemma| lemma.cycle.as_slice()),
            _ => None,
        }
    }
}

impl TransactionEvidence {
    /// Whether the evidence is a cycle without any edge that depends on session order or real time.
    fn depends_on_data_alone(&self) -> bool {
        let TransactionEvidence::Cycle(cycle) = self else { return false };
        cycle.edges.iter().all(|edge| match &edge.why {
            DependencyReason::Overwritten { .. } | DependencyReason::ReadBy { .. } => true,
            DependencyReason::Missed { order, .. } => {
                !matches!(order, VersionEvidence::Session | VersionEvidence::RealTime)
            }
            DependencyReason::Arbitrated { seen, .. } => matches!(seen, SeenThrough::Read(_)),
            DependencyReason::Concluded { .. } | DependencyReason::Session | DependencyReason::RealTime => {
                false
            }
        })
    }
}

impl IsolationLevel {
    /// Whether the level is defined by what each transaction sees, and permits concurrent writes to one object. At such a
    /// level a transaction's own appends in a list do not show their place among the appends of other transactions.
    pub fn is_defined_by_visibility(self) -> bool {
        matches!(
            self,
            IsolationLevel::MonotonicAtomicView
                | IsolationLevel::ReadAtomic
                | IsolationLevel::Causal
                | IsolationLevel::CausalCerone
                | IsolationLevel::Prefix
        )
    }
}

impl OrderAssumption {
    /// The opposite assumption: the two versions in the other order.
    pub fn reversed(self) -> OrderAssumption {
        OrderAssumption { key: self.key, earlier: self.later, later: self.earlier }
    }
}

/// A lemma: not all of these assumptions hold. Together they imply a cycle of dependencies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderLemma {
    /// The assumptions about the version order.
    pub assumed: Vec<OrderAssumption>,
    /// The cycle that they imply.
    pub cycle: Vec<Dependency>,
}

/// An assumption about an object: the final write of one transaction precedes the final write of another in the version
/// order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderAssumption {
    /// The object.
    pub key: KeyId,
    /// The value that the first transaction wrote.
    pub earlier: ValueId,
    /// The value that the second transaction wrote.
    pub later: ValueId,
}

/// A cycle of dependencies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DependencyCycle {
    /// The edges. Each begins where the previous one ends, and the first begins where the last ends.
    pub edges: Vec<Dependency>,
    /// The established name for the cycle's shape, if there is one.
    pub shape: Option<CycleShape>,
    /// Whether this was proven to be a shortest cycle of its kind in its component.
    pub shortest: bool,
}

/// Shapes of cycles that have established names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CycleShape {
    /// Two transactions, each of which overwrote what the other read, on one object.
    LostUpdate,
    /// Two transactions, each of which overwrote what the other read, on different objects (Berenson et al. 1995).
    WriteSkew,
    /// Two readers that saw two independent writes in opposite orders.
    LongFork,
}

impl CycleShape {
    /// The name of the shape.
    pub fn name(self) -> &'static str {
        match self {
            CycleShape::LostUpdate => "lost-update",
            CycleShape::WriteSkew => "write-skew",
            CycleShape::LongFork => "long-fork",
        }
    }
}

/// An edge: one transaction must come before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dependency {
    /// The earlier transaction.
    pub from: OpId,
    /// The later transaction.
    pub to: OpId,
    /// The reason.
    pub why: DependencyReason,
}

/// The reason why one transaction must come before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DependencyReason {
    /// `ww`: the earlier transaction wrote a version of the object, and the later one wrote a later version.
    Overwritten {
        /// The object.
        key: KeyId,
        /// The value that the earlier transaction wrote.
        earlier: ValueId,
        /// The value that the later transaction wrote.
        later: ValueId,
        /// How the order of the two versions is known.
        order: VersionEvidence,
    },
    /// `wr`: the later transaction read a value that the earlier one wrote.
    ReadBy {
        /// The object.
        key: KeyId,
        /// The value that was written and read.
        value: ValueId,
    },
    /// `rw`: the earlier transaction read a version of the object, and the later one wrote a later version.
    Missed {
        /// The object.
        key: KeyId,
        /// The version that was read; `None` for the initial state.
        read: Option<ValueId>,
        /// The value that the later transaction wrote.
        later: ValueId,
        /// How the order of the two versions is known.
        order: VersionEvidence,
    },
    /// An earlier lemma excludes that `later` precedes `earlier` in the version order, given that its other assumptions
    /// hold here.
    Concluded {
        /// The object.
        key: KeyId,
        /// The value that the earlier transaction wrote.
        earlier: ValueId,
        /// The value that the later transaction wrote.
        later: ValueId,
        /// The index of the lemma, counted from zero.
        lemma: usize,
    },
    /// Both transactions are in the same session, and the earlier one completed before the later one was invoked.
    Session,
    /// The earlier transaction completed before the later one was invoked.
    RealTime,
    /// Both transactions wrote the object. `reader` saw `from` but read the value of `to`. Therefore `to` wrote the
    /// later version.
    Arbitrated {
        /// The axiom that requires it.
        axiom: Axiom,
        /// The object.
        key: KeyId,
        /// The transaction that read `value`, which `to` wrote.
        reader: OpId,
        /// The value that it read from the object.
        value: ValueId,
        /// How the reader saw `from`: it read this key from it, or it came causally after it.
        seen: SeenThrough,
    },
}

/// How a transaction is known to have seen another one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SeenThrough {
    /// It read the other transaction's write to this key.
    Read(KeyId),
    /// The other transaction is earlier in its session.
    Session,
    /// A chain of reads and session steps leads from the other transaction to it. These are the transactions in
    /// between, in order.
    Causally(Vec<OpId>),
}

/// How the order of two versions of an object is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum VersionEvidence {
    /// A list that was read contains both elements in this order.
    Listed,
    /// An append took effect and is in no list that was read. It came after the elements of those lists.
    Unlisted,
    /// The initial state precedes everything that was written.
    Initial,
    /// The transaction that wrote the later version had read the earlier one.
    ReadModifyWrite,
    /// The user asserted that the writes of one session to one object keep their order.
    SequentialKeys,
    /// The user asserted that the writes to one object keep real-time order.
    LinearizableKeys,
    /// The store reported it through the version numbers that it returned.
    Token,
    /// The order follows if snapshots respect session order: a session used the earlier version before it used the
    /// later one.
    Session,
    /// The order follows if snapshots respect real time: an operation used the earlier version before another one, of
    /// any session, used the later one.
    RealTime,
    /// The lemma assumes it.
    Assumed,
}

/// One version of an object precedes another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionStep {
    /// The earlier version; `None` for the initial version.
    pub earlier: Option<ValueId>,
    /// The later version; `None` for the initial version.
    pub later: Option<ValueId>,
    /// The reason.
    pub order: VersionEvidence,
}
