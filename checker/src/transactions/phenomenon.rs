//! The phenomena that isolation levels proscribe, by the names that Elle gives them.
//!
//! Adya (1999, ch. 3) defines a level by what must not occur in the *direct serialization graph* of a
//! history: cycles of certain edges (`G0`, `G1c`, `G-single`, `G2-item`), and reads of what never committed
//! (`G1a`) or was overwritten by its own transaction (`G1b`). Elle (Kingsbury & Alvaro 2020) adds
//! `G-nonadjacent`, what becomes visible because whole lists are read (`incompatible-order`,
//! `duplicate-elements`, `dirty-update`), and variants of each cycle that lean on session or real-time order.
//!
//! A cycle has two coordinates: its [`Family`], told by its anti-dependencies (`rw` edges), and its
//! [`Extent`], told by the orders that it leans on beyond the data. One found implies others:
//! `G-single-item` is a special case of `G-nonadjacent-item`, and that of `G2-item`; a cycle in the data is
//! also one in the data with real time. [`CycleKind::implies`] is that relation; it keeps a report from
//! saying the same thing five times.

use super::anomaly::Axiom;

/// What kinds of edges a cycle has, told by its anti-dependencies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Extent {
    /// What was written and read, and nothing else.
    Data,
    /// The order of operations within sessions too.
    Session,
    /// Real-time order too; it contains session order.
    RealTime,
}

impl Extent {
    /// All extents, weakest first.
    pub const ALL: [Extent; 3] = [Extent::Data, Extent::Session, Extent::RealTime];
}

/// A family of cycles at an extent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CycleKind {
    /// Its edges.
    pub family: Family,
    /// The orders that it leans on.
    pub extent: Extent,
}

impl CycleKind {
    /// Whether a cycle of this kind is, or contains the proof of, one of the other kind.
    pub fn implies(self, other: CycleKind) -> bool {
        let dependencies = |family| matches!(family, Family::G0 | Family::G1c);
        self.extent <= other.extent
            && self.family <= other.family
            && dependencies(self.family) == dependencies(other.family)
    }
}

/// Something that levels proscribe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
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
}

impl Phenomenon {
    /// Every phenomenon.
    pub fn all() -> impl Iterator<Item = Phenomenon> {
        let families = [Family::G0, Family::G1c, Family::GSingle, Family::GNonadjacent, Family::G2];
        let kinds =
            families.into_iter().flat_map(|family| Extent::ALL.map(|extent| CycleKind { family, extent }));
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
        kinds.map(Phenomenon::Cycle).chain(others).chain(axioms.map(Phenomenon::CommitOrder))
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
        }
    }

    /// Whether it leaves the order of versions, or what a transaction saw, in doubt, so that the absence of
    /// cycles in what *is* known proves nothing.
    pub fn clouds_versions(self) -> bool {
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
            | Phenomenon::CommitOrder(_) => false,
        }
    }
}

impl CycleKind {
    /// The name that reports print: `G-single-item-realtime`.
    pub fn name(self) -> &'static str {
        use Extent::{Data, RealTime, Session};
        match (self.family, self.extent) {
            (Family::G0, Data) => "G0",
            (Family::G0, Session) => "G0-process",
            (Family::G0, RealTime) => "G0-realtime",
            (Family::G1c, Data) => "G1c",
            (Family::G1c, Session) => "G1c-process",
            (Family::G1c, RealTime) => "G1c-realtime",
            (Family::GSingle, Data) => "G-single-item",
            (Family::GSingle, Session) => "G-single-item-process",
            (Family::GSingle, RealTime) => "G-single-item-realtime",
            (Family::GNonadjacent, Data) => "G-nonadjacent-item",
            (Family::GNonadjacent, Session) => "G-nonadjacent-item-process",
            (Family::GNonadjacent, RealTime) => "G-nonadjacent-item-realtime",
            (Family::G2, Data) => "G2-item",
            (Family::G2, Session) => "G2-item-process",
            (Family::G2, RealTime) => "G2-item-realtime",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(family: Family, extent: Extent) -> CycleKind {
        CycleKind { family, extent }
    }

    #[test]
    fn a_single_anti_dependency_is_a_special_case_of_nonadjacent_ones_but_not_of_circular_information_flow() {
        let single = kind(Family::GSingle, Extent::Data);
        assert!(single.implies(kind(Family::GNonadjacent, Extent::Data)));
        assert!(single.implies(kind(Family::G2, Extent::RealTime)));
        assert!(!single.implies(kind(Family::G1c, Extent::Data)));
        assert!(!kind(Family::G1c, Extent::Data).implies(single));
        assert!(!kind(Family::G2, Extent::Session).implies(kind(Family::G2, Extent::Data)));
    }
}
