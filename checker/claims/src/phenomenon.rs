//! The phenomena that isolation levels forbid, by the names that Elle uses.
//!
//! Adya (1999, ch. 3) defines a level by what must not occur in the *direct serialization graph* of a history: cycles
//! of certain edges (`G0`, `G1c`, `G-single`, `G2-item`), and reads of data that never committed (`G1a`) or that its
//! own transaction overwrote (`G1b`). Elle (Kingsbury & Alvaro 2020) adds `G-nonadjacent`, phenomena that reads of
//! whole lists reveal (`incompatible-order`, `duplicate-elements`, `dirty-update`), and variants of each cycle that use
//! session order or real-time order.
//!
//! A cycle has two coordinates: its [`CycleFamily`], which depends on its anti-dependencies (`rw` edges), and its
//! [`OrderExtent`], which says what orders it uses in addition to the data. One cycle can imply others: `G-single-item`
//! is a special case of `G-nonadjacent-item`, which is a special case of `G2-item`. A cycle in the data is also a cycle
//! in the data with real time. [`CycleKind::implies`] is this relation. It prevents reports from naming the same
//! problem five times.

use crate::isolation::IsolationLevel;
use serde::{Deserialize, Serialize};

/// The axioms of Biswas & Enea (2019) for levels from monotonic atomic view to causal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Axiom {
    /// A transaction that has read from another one afterwards reads nothing older than what that one wrote.
    MonotonicAtomicView,
    /// A transaction that has seen anything of another one, or follows it in its session, reads nothing older than what
    /// that one wrote.
    ReadAtomic,
    /// A transaction that comes causally after another one reads nothing older than what that one wrote.
    Causal,
}

impl Axiom {
    /// The name of the level that the axiom defines.
    pub fn name(self) -> &'static str {
        match self {
            Axiom::MonotonicAtomicView => "monotonic-atomic-view",
            Axiom::ReadAtomic => "read-atomic",
            Axiom::Causal => "causal",
        }
    }
}

/// The kinds of edges of a cycle, classified by its anti-dependencies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CycleFamily {
    /// Write-write edges only.
    G0,
    /// Write-write and write-read edges.
    G1c,
    /// Exactly one read-write edge.
    GSingle,
    /// Several read-write edges, none of them adjacent.
    GNonadjacent,
    /// Several read-write edges, at least two of them adjacent.
    G2,
}

/// The orders that a cycle uses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum OrderExtent {
    /// Only the order that follows from what was written and read.
    Data,
    /// Also the order of operations within sessions.
    Session,
    /// Also real-time order, which contains session order.
    RealTime,
}

impl OrderExtent {
    /// All extents, weakest first.
    pub const ALL: [OrderExtent; 3] = [OrderExtent::Data, OrderExtent::Session, OrderExtent::RealTime];
}

/// A family of cycles together with an extent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CycleKind {
    /// The kinds of edges.
    pub family: CycleFamily,
    /// The orders that the cycle uses.
    pub extent: OrderExtent,
}

impl CycleKind {
    /// Whether a cycle of this kind is also a cycle of the other kind, or proves that there is one.
    pub fn implies(self, other: CycleKind) -> bool {
        let dependencies = |family| matches!(family, CycleFamily::G0 | CycleFamily::G1c);
        self.extent <= other.extent
            && self.family <= other.family
            && dependencies(self.family) == dependencies(other.family)
    }
}

/// An anomaly that isolation levels forbid.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Phenomenon {
    /// A cycle of dependencies.
    Cycle(CycleKind),
    /// Aborted read: a transaction read what a failed transaction wrote.
    G1a,
    /// Intermediate read: a transaction read a value that its writer itself overwrote.
    G1b,
    /// A transaction read a value that no transaction wrote.
    GarbageRead,
    /// A read that contradicts earlier reads or writes of its own transaction.
    Internal,
    /// A transaction read a value that it wrote only later.
    FutureRead,
    /// Two transactions read the same version and both replaced it.
    LostUpdate,
    /// A committed write that is based on an aborted one.
    DirtyUpdate,
    /// A list that contains an element twice.
    DuplicateElements,
    /// Two reads of a list that no single order of appends explains.
    IncompatibleOrder,
    /// The known constraints on an object's version order contain a cycle.
    CyclicVersions,
    /// The constraints that an axiom puts on the commit order contain a cycle.
    CommitOrder(Axiom),
    /// No execution of the level explains the history: every case of what it leaves open was refuted.
    Impossible(IsolationLevel),
}

impl Phenomenon {
    /// All phenomena.
    pub fn all() -> impl Iterator<Item = Phenomenon> {
        let families = [
            CycleFamily::G0,
            CycleFamily::G1c,
            CycleFamily::GSingle,
            CycleFamily::GNonadjacent,
            CycleFamily::G2,
        ];
        let kinds = families
            .into_iter()
            .flat_map(|family| OrderExtent::ALL.map(|extent| CycleKind { family, extent }));
        let axioms = [Axiom::MonotonicAtomicView, Axiom::ReadAtomic, Axiom::Causal];
        let others = [
            Phenomenon::G1a,
            Phenomenon::G1b,
            Phenomenon::GarbageRead,
            Phenomenon::Internal,
            Phenomenon::FutureRead,
            Phenomenon::LostUpdate,
            Phenomenon::DirtyUpdate,
            Phenomenon::DuplicateElements,
            Phenomenon::IncompatibleOrder,
            Phenomenon::CyclicVersions,
        ];
        let impossible = IsolationLevel::ALL.iter().copied().map(Phenomenon::Impossible);
        let axioms = axioms.map(Phenomenon::CommitOrder);
        kinds.map(Phenomenon::Cycle).chain(others).chain(axioms).chain(impossible)
    }

    /// The name that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Phenomenon::Cycle(kind) => kind.name(),
            Phenomenon::G1a => "G1a",
            Phenomenon::G1b => "G1b",
            Phenomenon::GarbageRead => "garbage-read",
            Phenomenon::Internal => "internal",
            Phenomenon::FutureRead => "future-read",
            Phenomenon::LostUpdate => "lost-update",
            Phenomenon::DirtyUpdate => "dirty-update",
            Phenomenon::DuplicateElements => "duplicate-elements",
            Phenomenon::IncompatibleOrder => "incompatible-order",
            Phenomenon::CyclicVersions => "cyclic-versions",
            Phenomenon::CommitOrder(Axiom::MonotonicAtomicView) => "monotonic-atomic-view-cycle",
            Phenomenon::CommitOrder(Axiom::ReadAtomic) => "read-atomic-cycle",
            Phenomenon::CommitOrder(Axiom::Causal) => "causal-cycle",
            Phenomenon::Impossible(level) => impossible_name(level),
        }
    }

    /// Whether this phenomenon leaves the version order, or the reads of a transaction, uncertain. If so, the absence
    /// of cycles among the known dependencies proves nothing.
    pub fn leaves_versions_uncertain(self) -> bool {
        match self {
            Phenomenon::GarbageRead
            | Phenomenon::Internal
            | Phenomenon::FutureRead
            | Phenomenon::DuplicateElements
            | Phenomenon::IncompatibleOrder
            | Phenomenon::CyclicVersions => true,
            Phenomenon::Cycle(_)
            | Phenomenon::G1a
            | Phenomenon::G1b
            | Phenomenon::LostUpdate
            | Phenomenon::DirtyUpdate
            | Phenomenon::CommitOrder(_)
            | Phenomenon::Impossible(_) => false,
        }
    }
}

/// The name of the absence of an execution.
fn impossible_name(level: IsolationLevel) -> &'static str {
    match level {
        IsolationLevel::ReadUncommitted => "read-uncommitted-impossible",
        IsolationLevel::ReadCommitted => "read-committed-impossible",
        IsolationLevel::CursorStability => "cursor-stability-impossible",
        IsolationLevel::MonotonicView => "monotonic-view-impossible",
        IsolationLevel::MonotonicSnapshotRead => "monotonic-snapshot-read-impossible",
        IsolationLevel::MonotonicAtomicView => "monotonic-atomic-view-impossible",
        IsolationLevel::ReadAtomic => "read-atomic-impossible",
        IsolationLevel::Causal => "causal-impossible",
        IsolationLevel::CausalCerone => "causal-cerone-impossible",
        IsolationLevel::UpdateAtomic => "update-atomic-impossible",
        IsolationLevel::Prefix => "prefix-impossible",
        IsolationLevel::ParallelSnapshotIsolation => "parallel-snapshot-isolation-impossible",
        IsolationLevel::ConsistentView => "consistent-view-impossible",
        IsolationLevel::ForwardConsistentView => "forward-consistent-view-impossible",
        IsolationLevel::SnapshotIsolation => "snapshot-isolation-impossible",
        IsolationLevel::RepeatableRead => "repeatable-read-impossible",
        IsolationLevel::UpdateSerializable => "update-serializable-impossible",
        IsolationLevel::ViewSerializable => "view-serializable-impossible",
        IsolationLevel::OneCopySerializable => "1SR-impossible",
        IsolationLevel::SessionSerializable => "session-serializable-impossible",
        IsolationLevel::Mixed => "mixed-impossible",
        IsolationLevel::Serializable => "serializable-impossible",
        IsolationLevel::StrongSessionReadUncommitted => "strong-session-read-uncommitted-impossible",
        IsolationLevel::StrongSessionReadCommitted => "strong-session-read-committed-impossible",
        IsolationLevel::StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation-impossible",
        IsolationLevel::StrongSessionSerializable => "strong-session-serializable-impossible",
        IsolationLevel::StrongReadUncommitted => "strong-read-uncommitted-impossible",
        IsolationLevel::StrongReadCommitted => "strong-read-committed-impossible",
        IsolationLevel::StrongSnapshotIsolation => "strong-snapshot-isolation-impossible",
        IsolationLevel::StrictSerializable => "strict-serializable-impossible",
    }
}

impl CycleKind {
    /// The name that reports print: `G-single-item-realtime`.
    pub fn name(self) -> &'static str {
        use OrderExtent::{Data, RealTime, Session};
        match (self.family, self.extent) {
            (CycleFamily::G0, Data) => "G0",
            (CycleFamily::G0, Session) => "G0-process",
            (CycleFamily::G0, RealTime) => "G0-realtime",
            (CycleFamily::G1c, Data) => "G1c",
            (CycleFamily::G1c, Session) => "G1c-process",
            (CycleFamily::G1c, RealTime) => "G1c-realtime",
            (CycleFamily::GSingle, Data) => "G-single-item",
            (CycleFamily::GSingle, Session) => "G-single-item-process",
            (CycleFamily::GSingle, RealTime) => "G-single-item-realtime",
            (CycleFamily::GNonadjacent, Data) => "G-nonadjacent-item",
            (CycleFamily::GNonadjacent, Session) => "G-nonadjacent-item-process",
            (CycleFamily::GNonadjacent, RealTime) => "G-nonadjacent-item-realtime",
            (CycleFamily::G2, Data) => "G2-item",
            (CycleFamily::G2, Session) => "G2-item-process",
            (CycleFamily::G2, RealTime) => "G2-item-realtime",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(family: CycleFamily, extent: OrderExtent) -> CycleKind {
        CycleKind { family, extent }
    }

    #[test]
    fn a_single_anti_dependency_is_a_special_case_of_nonadjacent_ones_but_not_of_circular_information_flow() {
        let single = kind(CycleFamily::GSingle, OrderExtent::Data);
        assert!(single.implies(kind(CycleFamily::GNonadjacent, OrderExtent::Data)));
        assert!(single.implies(kind(CycleFamily::G2, OrderExtent::RealTime)));
        assert!(!single.implies(kind(CycleFamily::G1c, OrderExtent::Data)));
        assert!(!kind(CycleFamily::G1c, OrderExtent::Data).implies(single));
        assert!(
            !kind(CycleFamily::G2, OrderExtent::Session).implies(kind(CycleFamily::G2, OrderExtent::Data))
        );
    }
}
