//! Findings as data: which transactions, which reads, and for every edge of a cycle why it is there.
//!
//! Nothing here is text. Everything in here can be checked against the history alone.

use crate::{
    CaseStep, IsolationLevel, IsolationSet, Phenomenon, Proviso, levels_ruled_out_by,
    weakest_levels_forbidding,
};
use histories::{KeyId, OpId, ValueId};
use serde::{Deserialize, Serialize};

/// A phenomenon in a history: how often, and at least one example with its evidence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransactionAnomaly {
    /// What it is.
    pub phenomenon: Phenomenon,
    /// How many there are. Of cycles: in how many components of the graph there is one.
    pub count: u64,
    /// The first few, at most [`TransactionAnomaly::EXAMPLES_MAX`]; of cycles, the shortest.
    pub examples: Vec<TransactionEvidence>,
}

impl TransactionAnomaly {
    /// How many examples are kept.
    pub const EXAMPLES_MAX: usize = 8;

    /// All levels that it rules out, as its examples show it. A contradiction of what levels with sessions ask of the commit order
    /// that leans on no session is one of the levels without sessions too; and lists that differ only in their readers' own
    /// appends contradict no level that is defined by what a transaction sees.
    pub fn rules_out(&self) -> IsolationSet {
        let all = levels_ruled_out_by(self.phenomenon);
        let own = |example: &TransactionEvidence| {
            matches!(example, TransactionEvidence::IncompatibleOwnAppends { .. })
        };
        match self.phenomenon {
            Phenomenon::CommitOrder(_)
                if self.examples.iter().any(TransactionEvidence::leans_on_data_alone) =>
            {
                let weakest: IsolationSet =
                    weakest_levels_forbidding(self.phenomenon).iter().copied().collect();
                weakest.and_stronger(Proviso::SessionsAside)
            }
            Phenomenon::IncompatibleOrder if !self.examples.is_empty() && self.examples.iter().all(own) => {
                all.iter().filter(|&level| !level.is_by_view()).collect()
            }
            _ => all,
        }
    }
}

/// Why an anomaly is one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransactionEvidence {
    /// Each transaction must come before the next, and the last before the first.
    Cycle(DependencyCycle),
    /// There is a cycle whichever way the versions of registers are ordered: step by step, the last of which assumes
    /// nothing.
    Lemmas(Vec<OrderLemma>),
    /// No execution of the level explains the history, whatever it leaves open: step by step, the last of which assumes
    /// nothing.
    Cases(Vec<CaseStep>),
    /// `reader` returned an element, or a value, that the failed `writer` wrote.
    AbortedRead {
        /// Where it was read.
        read: ReadAt,
        /// What.
        value: ValueId,
        /// The transaction that failed.
        writer: OpId,
    },
    /// The last element, or the value, that was read was overwritten by its own writer.
    IntermediateRead {
        /// Where it was read.
        read: ReadAt,
        /// What.
        value: ValueId,
        /// The transaction that wrote it, and the key again.
        writer: OpId,
    },
    /// Nobody wrote what was read.
    GarbageRead {
        /// Where it was read.
        read: ReadAt,
        /// What.
        value: ValueId,
    },
    /// What was read is not what the transaction knew of the object.
    Internal {
        /// Where it was read.
        read: ReadAt,
        /// The micro-operations on that key that say what was to be expected, by place in the transaction.
        because: Vec<usize>,
    },
    /// A transaction read what it wrote only later.
    FutureRead {
        /// Where it was read.
        read: ReadAt,
        /// What.
        value: ValueId,
        /// The later write, by place in the transaction.
        write: usize,
    },
    /// All of these read one version of an object and wrote the next.
    LostUpdate {
        /// The object.
        key: KeyId,
        /// What they read; none if it was the initial state.
        version: Option<ValueId>,
        /// The transactions, at least two.
        transactions: Vec<OpId>,
    },
    /// A committed append follows an aborted one.
    DirtyUpdate {
        /// A read that shows both.
        read: ReadAt,
        /// The aborted transaction and what it appended.
        aborted: (OpId, ValueId),
        /// The committed one and what it appended later.
        committed: (OpId, ValueId),
    },
    /// An element is in a list more than once.
    DuplicateElement {
        /// Where it was read.
        read: ReadAt,
        /// The element.
        value: ValueId,
    },
    /// Neither list is a prefix of the other.
    IncompatibleOrder {
        /// The first read.
        one: ReadAt,
        /// The other.
        other: ReadAt,
    },
    /// Neither list is a prefix of the other, but what they show of others is: one reader saw its own append before others
    /// committed theirs. By the dependencies of versions that is a contradiction; of a snapshot with one's own appends it is
    /// none.
    IncompatibleOwnAppends {
        /// The first read.
        one: ReadAt,
        /// The other.
        other: ReadAt,
    },
    /// A list shows a transaction's later append, but not its earlier one before it.
    AppendsOutOfOrder {
        /// Where it was read.
        read: ReadAt,
        /// The transaction that appended both.
        writer: OpId,
        /// What it appended first.
        earlier: ValueId,
        /// What it appended later.
        later: ValueId,
    },
    /// Each of these versions must come before the next, and the last before the first.
    CyclicVersions {
        /// The object.
        key: KeyId,
        /// From version to version, none being the initial one, with the reason.
        steps: Vec<VersionStep>,
    },
}

impl TransactionEvidence {
    /// The cycle, if it is one: of several cases, the one that decides.
    pub fn deciding_cycle(&self) -> Option<&[Dependency]> {
        match self {
            TransactionEvidence::Cycle(cycle) => Some(&cycle.edges),
            TransactionEvidence::Lemmas(lemmas) => lemmas.last().map(|lemma| lemma.cycle.as_slice()),
            _ => None,
        }
    }
}

impl TransactionEvidence {
    /// Whether it is a cycle no edge of which leans on sessions.
    fn leans_on_data_alone(&self) -> bool {
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
    /// Whether it is defined by what each transaction sees, and lets others write what it writes meanwhile: then what a
    /// transaction sees of its own appends says nothing of their place among those of others.
    pub fn is_by_view(self) -> bool {
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
    /// The contrary.
    pub fn reversed(self) -> OrderAssumption {
        OrderAssumption { key: self.key, earlier: self.later, later: self.earlier }
    }
}

/// Not all of these assumptions hold: with all of them, each transaction must come before the next, and the last before
/// the first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderLemma {
    /// What is assumed of the order of versions.
    pub assumed: Vec<OrderAssumption>,
    /// The cycle.
    pub cycle: Vec<Dependency>,
}

/// The last of what one transaction wrote to an object was there before the last of what another did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderAssumption {
    /// The object.
    pub key: KeyId,
    /// What the one wrote.
    pub earlier: ValueId,
    /// What the other wrote.
    pub later: ValueId,
}

/// A read within a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadAt {
    /// The transaction.
    pub transaction: OpId,
    /// Which of its micro-operations.
    pub place: usize,
    /// The object.
    pub key: KeyId,
}

/// A cycle of dependencies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DependencyCycle {
    /// Its edges; each begins where the one before it ends, and the first where the last ends.
    pub edges: Vec<Dependency>,
    /// A name for its shape, if it has one that people know.
    pub shape: Option<CycleShape>,
    /// Whether it was proven to be the shortest of its kind in its component.
    pub shortest: bool,
}

/// Shapes of cycles that have names of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CycleShape {
    /// Two transactions, each overwriting what the other read, on one object.
    LostUpdate,
    /// Two transactions, each overwriting what the other read, on different objects (Berenson et al. 1995).
    WriteSkew,
    /// Two readers that see two independent writes in opposite orders.
    LongFork,
}

impl CycleShape {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            CycleShape::LostUpdate => "lost-update",
            CycleShape::WriteSkew => "write-skew",
            CycleShape::LongFork => "long-fork",
        }
    }
}

/// One transaction must come before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dependency {
    /// The earlier.
    pub from: OpId,
    /// The later.
    pub to: OpId,
    /// Why.
    pub why: DependencyReason,
}

/// Why one transaction must come before another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DependencyReason {
    /// `ww`: it wrote a version of the object, and the other a later one.
    Overwritten {
        /// The object.
        key: KeyId,
        /// What it wrote.
        earlier: ValueId,
        /// What the other wrote.
        later: ValueId,
        /// How the order of the two is known.
        order: VersionEvidence,
    },
    /// `wr`: the other read what it wrote.
    ReadBy {
        /// The object.
        key: KeyId,
        /// What was written and read.
        value: ValueId,
    },
    /// `rw`: it read a version of the object, and the other wrote a later one.
    Missed {
        /// The object.
        key: KeyId,
        /// What it read; none if the initial state.
        read: Option<ValueId>,
        /// What the other wrote.
        later: ValueId,
        /// How the order of the two versions is known.
        order: VersionEvidence,
    },
    /// An earlier lemma, by its number from zero, says that `later` was not there before `earlier`, all else that it
    /// assumes being assumed.
    Concluded {
        /// The object.
        key: KeyId,
        /// What it wrote.
        earlier: ValueId,
        /// What the other wrote.
        later: ValueId,
        /// Which lemma.
        lemma: usize,
    },
    /// Both are of one session, and it completed before the other was invoked.
    Session,
    /// It completed before the other was invoked.
    RealTime,
    /// Both wrote the object; `reader` saw the one of them and read what the other wrote: so that came later.
    Arbitrated {
        /// The axiom that asks for it.
        axiom: Axiom,
        /// The object.
        key: KeyId,
        /// The transaction that read `value`, which `to` wrote.
        reader: OpId,
        /// What it read of the object.
        value: ValueId,
        /// What the reader knew of `from`: it read this key from it, or came causally after it.
        seen: SeenThrough,
    },
}

/// How a transaction is known to have seen another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SeenThrough {
    /// It read what the other wrote to this key.
    Read(KeyId),
    /// The other is earlier in its session.
    Session,
    /// A chain of reads and sessions leads from the other to it: the transactions in between, in order.
    Causally(Vec<OpId>),
}

/// The axioms of Biswas & Enea (2019) for levels between read committed and causal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Axiom {
    /// Having read from a transaction, read nothing older than what that wrote.
    MonotonicAtomicView,
    /// Having seen anything of a transaction, or being later in its session, read nothing older.
    ReadAtomic,
    /// Coming causally after a transaction, read nothing older.
    Causal,
}

impl Axiom {
    /// The level that it is named for.
    pub fn name(self) -> &'static str {
        match self {
            Axiom::MonotonicAtomicView => "monotonic-atomic-view",
            Axiom::ReadAtomic => "read-atomic",
            Axiom::Causal => "causal",
        }
    }
}

/// How the order of two versions of an object is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum VersionEvidence {
    /// A list was read that has both elements, in this order.
    Listed,
    /// A list was read, and an append that took effect is in none: it came later.
    Unlisted,
    /// The initial state comes before everything written.
    Initial,
    /// The writer of the later one read the earlier one.
    ReadModifyWrite,
    /// Asserted: the writes of one session to one object keep their order.
    SequentialKeys,
    /// Asserted: the writes to one object keep real-time order.
    LinearizableKeys,
    /// The store itself said so, by the versions that it returned.
    Token,
    /// Whoever takes snapshots in the order of sessions has it so: in one session, something was done with the earlier
    /// version before something was done with the later one.
    Session,
    /// The same in real time, whatever the sessions.
    RealTime,
    /// It is what the lemma assumes.
    Assumed,
}

/// One version of an object must come before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VersionStep {
    /// The earlier; none is the initial one.
    pub earlier: Option<ValueId>,
    /// The later.
    pub later: Option<ValueId>,
    /// Why.
    pub order: VersionEvidence,
}
