//! The conditions of each level on an execution, in terms of dependencies.
//!
//! An execution consists of a version order for each key (`ww`) and a source for each read (`wr`); both together imply `rw`. A level
//! holds if its *edges* have no cycle and no read *missed* a write that it had seen: no `rw` edge leads from a read to a transaction
//! on which the read depends. Levels differ only in what an edge joins (whole transactions, or moments of them) and in which
//! transactions a read has seen. `docs/transactions.md` has the formulas with their sources.

use claims::{IsolationLevel, OrderExtent};

/// The moments that a transaction consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MomentLayout {
    /// One moment.
    Whole,
    /// Its begin point, at which it reads, and its commit.
    Points,
    /// One moment for each of its micro-operations, and its commit.
    Actions,
}

/// The role of anti-dependencies (`rw`) in a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AntiDependencyRule {
    /// The level ignores them.
    Ignored,
    /// They are edges like all others.
    Edges,
    /// Those of writing transactions are edges. Those of read-only transactions are only tested for cycles, one at a time.
    EdgesOfUpdates,
    /// None may lead from a read to a transaction that the read has seen.
    Missed(Visibility),
}

/// The transactions that a read has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Visibility {
    /// All transactions from which a path of these edges leads to the read.
    Along(EdgeSelection),
    /// All transactions from which one of these edges leads to the read.
    Directly(EdgeSelection),
    /// All transactions that wrote the key of the read before the reader's own write to it.
    OwnPredecessors,
}

/// Kinds of edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct EdgeSelection {
    pub reads: bool,
    pub writes: bool,
    pub sessions: bool,
}

/// The conditions of a level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LevelShape {
    pub extent: OrderExtent,
    pub layout: MomentLayout,
    /// Whether the earlier of two writers of a key must commit before the later one begins (or executes its write). Otherwise
    /// it must only commit before the later one commits.
    pub conflicts: bool,
    pub anti: AntiDependencyRule,
}

const READS: EdgeSelection = EdgeSelection { reads: true, writes: false, sessions: false };
const READS_AND_SESSIONS: EdgeSelection = EdgeSelection { sessions: true, ..READS };
const READS_AND_WRITES: EdgeSelection = EdgeSelection { writes: true, ..READS };

impl LevelShape {
    /// The conditions of a level.
    pub(super) fn for_level(level: IsolationLevel) -> LevelShape {
        use IsolationLevel as L;
        use OrderExtent::{Data, RealTime, Session};
        let whole = |extent, anti| LevelShape { extent, layout: MomentLayout::Whole, conflicts: false, anti };
        let actions =
            |extent, conflicts, anti| LevelShape { extent, layout: MomentLayout::Actions, conflicts, anti };
        let points = |extent, conflicts| LevelShape {
            extent,
            layout: MomentLayout::Points,
            conflicts,
            anti: AntiDependencyRule::Edges,
        };
        let along = |edges| AntiDependencyRule::Missed(Visibility::Along(edges));
        let directly = |edges| AntiDependencyRule::Missed(Visibility::Directly(edges));
        match level {
            // The levels that ask nothing of reads have other facts: none about reads.
            L::ReadUncommitted | L::ReadCommitted => whole(Data, AntiDependencyRule::Ignored),
            L::StrongSessionReadUncommitted | L::StrongSessionReadCommitted => {
                whole(Session, AntiDependencyRule::Ignored)
            }
            L::StrongReadUncommitted | L::StrongReadCommitted => whole(RealTime, AntiDependencyRule::Ignored),
            L::CursorStability => whole(Data, AntiDependencyRule::Missed(Visibility::OwnPredecessors)),
            L::MonotonicView => actions(Data, true, along(READS_AND_WRITES)),
            L::MonotonicSnapshotRead => actions(Data, true, AntiDependencyRule::Edges),
            L::MonotonicAtomicView => actions(Session, false, directly(READS)),
            L::ReadAtomic => whole(Session, directly(READS_AND_SESSIONS)),
            L::Causal => whole(Session, along(READS_AND_SESSIONS)),
            L::CausalCerone => whole(Data, along(READS)),
            L::UpdateAtomic => whole(Data, directly(READS_AND_WRITES)),
            L::ConsistentView | L::ForwardConsistentView | L::ParallelSnapshotIsolation => {
                whole(Data, along(READS_AND_WRITES))
            }
            L::Prefix => points(Data, false),
            // Each transaction has a part of these conditions, as it declares ([`CaseFacts::declared`]).
            L::SnapshotIsolation | L::Mixed => points(Data, true),
            L::StrongSessionSnapshotIsolation => points(Session, true),
            L::StrongSnapshotIsolation => points(RealTime, true),
            L::UpdateSerializable => whole(Data, AntiDependencyRule::EdgesOfUpdates),
            L::RepeatableRead | L::ViewSerializable | L::OneCopySerializable | L::Serializable => {
                whole(Data, AntiDependencyRule::Edges)
            }
            L::SessionSerializable | L::StrongSessionSerializable => {
                whole(Session, AntiDependencyRule::Edges)
            }
            L::StrictSerializable => whole(RealTime, AntiDependencyRule::Edges),
        }
    }
}

impl LevelShape {
    /// Whether an order of moments that extends all edges is an execution. Otherwise other conditions come on top.
    pub(super) fn orders_make_choices(self) -> bool {
        matches!(self.anti, AntiDependencyRule::Edges | AntiDependencyRule::Ignored)
    }

    /// Whether `ww` edges lead from the version after a read to all later ones, so that a read needs an edge to the next version only.
    pub(super) fn writes_lead_on(self) -> bool {
        match self.anti {
            AntiDependencyRule::Missed(Visibility::Along(edges)) => edges.writes,
            _ => true,
        }
    }
}

/// The level that represents all levels with the same conditions as this one.
pub(crate) fn representative_level(level: IsolationLevel) -> IsolationLevel {
    use IsolationLevel as L;
    match level {
        L::ForwardConsistentView | L::ConsistentView => L::ParallelSnapshotIsolation,
        L::RepeatableRead | L::ViewSerializable | L::OneCopySerializable => L::Serializable,
        L::SessionSerializable => L::StrongSessionSerializable,
        other => other,
    }
}
