//! The phenomena that isolation levels proscribe, by the names that Elle gives them.
//!
//! Adya (1999, ch. 3) defines a level by what must not occur in the *direct serialization graph* of a
//! history: cycles of certain edges (`G0`, `G1c`, `G-single`, `G2-item`), and reads of what never committed
//! (`G1a`) or was overwritten by its own transaction (`G1b`). Elle (Kingsbury & Alvaro 2020) adds
//! `G-nonadjacent`, what becomes visible because whole lists are read (`incompatible-order`,
//! `duplicate-elements`, `dirty-update`), and variants of each cycle that lean on session or real-time order.
//!
//! A cycle has two coordinates: its [`CycleFamily`], told by its anti-dependencies (`rw` edges), and its
//! [`OrderExtent`], told by the orders that it leans on beyond the data. One found implies others:
//! `G-single-item` is a special case of `G-nonadjacent-item`, and that of `G2-item`; a cycle in the data is
//! also one in the data with real time. [`CycleKind::implies`] is that relation; it keeps a report from
//! saying the same thing five times.

use crate::{Axiom, IsolationLevel};
use serde::{Deserialize, Serialize};

/// What kinds of edges a cycle has, told by its anti-dependencies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CycleFamily {
    /// Write-write edges only.
    G0,
    /// Write-write and write-read edges.
    G1c,
    /// Exactly one read-write edge.
    GSingle,
    /// Several read-write edges, no two of them next to one another.
    GNonadjacent,
    /// Several read-write edges, at least two of them next to one another.
    G2,
}

/// The orders that a cycle leans on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum OrderExtent {
    /// What was written and read, and nothing else.
    Data,
    /// The order of operations within sessions too.
    Session,
    /// Real-time order too; it contains session order.
    RealTime,
}

impl OrderExtent {
    /// All extents, weakest first.
    pub const ALL: [OrderExtent; 3] = [OrderExtent::Data, OrderExtent::Session, OrderExtent::RealTime];
}

/// A family of cycles at an extent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CycleKind {
    /// Its edges.
    pub family: CycleFamily,
    /// The orders that it leans on.
    pub extent: OrderExtent,
}

impl CycleKind {
    /// Whether a cycle of this kind is, or contains the proof of, one of the other kind.
    pub fn implies(self, other: CycleKind) -> bool {
        let dependencies = |family| matches!(family, CycleFamily::G0 | CycleFamily::G1c);
        self.extent <= other.extent
            && self.family <= other.family
            && dependencies(self.family) == dependencies(other.family)
    }
}

/// Something that levels proscribe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Phenomenon {
    /// A cycle of dependencies.
    Cycle(CycleKind),
    /// Aborted read: a read of what a failed transaction wrote.
    G1a,
    /// Intermediate read: a read of what its writer itself overwrote.
    G1b,
    /// A read of what nobody wrote.
    GarbageRead,
    /// A transaction that disagrees with what it read or wrote before.
    Internal,
    /// A read of what the same transaction writes only later.
    FutureRead,
    /// Two transactions read one version and both replaced it.
    LostUpdate,
    /// A committed write on top of an aborted one.
    DirtyUpdate,
    /// One element twice in a list.
    DuplicateElements,
    /// Two reads of a list that no single order of appends explains.
    IncompatibleOrder,
    /// What is known of the order of an object's versions contradicts itself.
    CyclicVersions,
    /// What a level by execution asks of the commit order contradicts itself.
    CommitOrder(Axiom),
    /// No execution of the level explains the history: every case of what it leaves open was refuted.
    Impossible(IsolationLevel),
}

impl Phenomenon {
    /// Every phenomenon.
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

    /// Whether it leaves the order of versions, or what a transaction saw, in doubt, so that the absence of
    /// cycles in what *is* known proves nothing.
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
