//! Which levels forbid which phenomenon: where the names of the levels and the names of what goes wrong meet.

use crate::isolation::{IsolationLevel, IsolationSet, Proviso};
use crate::phenomenon::{Axiom, CycleFamily, CycleKind, OrderExtent, Phenomenon};

/// The weakest levels that forbid a phenomenon. All levels that are stronger than one of them forbid it too.
pub fn weakest_levels_forbidding(phenomenon: Phenomenon) -> &'static [IsolationLevel] {
    use IsolationLevel::*;
    match phenomenon {
        Phenomenon::Cycle(CycleKind { family, extent }) => match (family, extent) {
            (CycleFamily::G0, OrderExtent::Data) => &[ReadUncommitted],
            (CycleFamily::G0, OrderExtent::Session) => &[StrongSessionReadUncommitted],
            (CycleFamily::G0, OrderExtent::RealTime) => &[StrongReadUncommitted],
            (CycleFamily::G1c, OrderExtent::Data) => &[ReadCommitted],
            (CycleFamily::G1c, OrderExtent::Session) => &[StrongSessionReadCommitted],
            (CycleFamily::G1c, OrderExtent::RealTime) => &[StrongReadCommitted],
            (CycleFamily::GSingle, OrderExtent::Data) => &[ConsistentView, RepeatableRead],
            (CycleFamily::GNonadjacent, OrderExtent::Data) => &[SnapshotIsolation, RepeatableRead],
            (CycleFamily::GSingle | CycleFamily::GNonadjacent, OrderExtent::Session) => {
                &[StrongSessionSnapshotIsolation]
            }
            (CycleFamily::GSingle | CycleFamily::GNonadjacent, OrderExtent::RealTime) => {
                &[StrongSnapshotIsolation]
            }
            (CycleFamily::G2, OrderExtent::Data) => &[RepeatableRead],
            (CycleFamily::G2, OrderExtent::Session) => &[StrongSessionSerializable],
            (CycleFamily::G2, OrderExtent::RealTime) => &[StrictSerializable],
        },
        // A write of a failed transaction never existed, and contradictory version orders are not an order.
        Phenomenon::G1a
        | Phenomenon::G1b
        | Phenomenon::GarbageRead
        | Phenomenon::DirtyUpdate
        | Phenomenon::IncompatibleOrder => &[ReadCommitted],
        // A transaction that reads a value that it has yet to write depends on itself. This is the shortest G1c.
        Phenomenon::FutureRead => &[ReadCommitted],
        Phenomenon::Internal => &[ReadAtomic],
        Phenomenon::LostUpdate => &[CursorStability, UpdateAtomic],
        Phenomenon::CommitOrder(Axiom::MonotonicAtomicView) => &[MonotonicAtomicView],
        Phenomenon::CommitOrder(Axiom::ReadAtomic) => &[ReadAtomic],
        Phenomenon::CommitOrder(Axiom::Causal) => &[Causal],
        // Levels that permit the same observations share one representative; the weakest of them are listed.
        Phenomenon::Impossible(ParallelSnapshotIsolation) => &[ConsistentView],
        Phenomenon::Impossible(Serializable) => &[RepeatableRead],
        Phenomenon::Impossible(level) => std::slice::from_ref(&IsolationLevel::ALL[level as usize]),
        Phenomenon::DuplicateElements | Phenomenon::CyclicVersions => &[ReadUncommitted],
    }
}

/// All levels that a phenomenon rules out.
pub fn levels_ruled_out_by(phenomenon: Phenomenon) -> IsolationSet {
    // A cycle in commit order depends on sessions. The other phenomena do not: those with session order name their
    // levels directly.
    let across = match phenomenon {
        Phenomenon::CommitOrder(_) | Phenomenon::Impossible(_) => Proviso::None,
        _ => Proviso::SessionsAside,
    };
    weakest_levels_forbidding(phenomenon).iter().copied().collect::<IsolationSet>().and_stronger(across)
}
