//! What each level asks of an execution, in terms of dependencies.
//!
//! Given an order of the versions of each key (`ww`) and the writes that reads returned (`wr`; from both follows `rw`), a level
//! holds if its *edges* have no cycle and nobody *missed* what it saw: no `rw` leads from a read back to something that it
//! depends on. What an edge joins, whole transactions or moments of them, and what counts as seen, is all that levels differ in.
//! `docs/transactions.md` has the formulas with their sources.

use claims::{IsolationLevel, OrderExtent};

/// The moments that a transaction consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// One.
    Whole,
    /// Its beginning, where it reads, and its commit.
    Points,
    /// Each of its micro-operations, and its commit.
    Actions,
}

/// What anti-dependencies mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anti {
    /// Nothing.
    Ignored,
    /// They are edges like the others.
    Edges,
    /// They are edges, but those of transactions that only read close a cycle each by itself.
    EdgesOfUpdates,
    /// None may lead to what the read has seen.
    Missed(Seen),
}

/// What a read has seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// Whatever leads to it along these edges.
    Along(Edges),
    /// Whatever one of these edges leads from to it.
    Directly(Edges),
    /// Whoever wrote the key before the reader's own write of it.
    OwnPredecessors,
}

/// Kinds of edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Edges {
    pub reads: bool,
    pub writes: bool,
    pub sessions: bool,
}

/// What a level asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub extent: OrderExtent,
    pub layout: Layout,
    /// Whether the later of two writers of a key begins (or does its write) after the earlier commits, and does not only
    /// commit after it.
    pub conflicts: bool,
    pub anti: Anti,
}

const READS: Edges = Edges { reads: true, writes: false, sessions: false };
const READS_AND_SESSIONS: Edges = Edges { sessions: true, ..READS };
const READS_AND_WRITES: Edges = Edges { writes: true, ..READS };

impl Shape {
    /// None of the levels that ask nothing of reads.
    pub(super) fn of(level: IsolationLevel) -> Option<Shape> {
        use IsolationLevel as L;
        use OrderExtent::{Data, RealTime, Session};
        let whole = |extent, anti| Shape { extent, layout: Layout::Whole, conflicts: false, anti };
        let actions = |extent, conflicts, anti| Shape { extent, layout: Layout::Actions, conflicts, anti };
        let points =
            |extent, conflicts| Shape { extent, layout: Layout::Points, conflicts, anti: Anti::Edges };
        let along = |edges| Anti::Missed(Seen::Along(edges));
        let directly = |edges| Anti::Missed(Seen::Directly(edges));
        Some(match level {
            L::ReadUncommitted | L::StrongSessionReadUncommitted | L::StrongReadUncommitted => return None,
            L::ReadCommitted => whole(Data, Anti::Ignored),
            L::StrongSessionReadCommitted => whole(Session, Anti::Ignored),
            L::StrongReadCommitted => whole(RealTime, Anti::Ignored),
            L::CursorStability => whole(Data, Anti::Missed(Seen::OwnPredecessors)),
            L::MonotonicView => actions(Data, true, along(READS_AND_WRITES)),
            L::MonotonicSnapshotRead => actions(Data, true, Anti::Edges),
            L::MonotonicAtomicView => actions(Session, false, directly(READS)),
            L::ReadAtomic => whole(Session, directly(READS_AND_SESSIONS)),
            L::Causal => whole(Session, along(READS_AND_SESSIONS)),
            L::CausalCerone => whole(Data, along(READS)),
            L::UpdateAtomic => whole(Data, directly(READS_AND_WRITES)),
            L::ConsistentView | L::ForwardConsistentView | L::ParallelSnapshotIsolation => {
                whole(Data, along(READS_AND_WRITES))
            }
            L::Prefix => points(Data, false),
            L::SnapshotIsolation => points(Data, true),
            L::StrongSessionSnapshotIsolation => points(Session, true),
            L::StrongSnapshotIsolation => points(RealTime, true),
            L::UpdateSerializable => whole(Data, Anti::EdgesOfUpdates),
            L::RepeatableRead | L::ViewSerializable | L::OneCopySerializable | L::Serializable => {
                whole(Data, Anti::Edges)
            }
            L::SessionSerializable | L::StrongSessionSerializable => whole(Session, Anti::Edges),
            L::StrictSerializable => whole(RealTime, Anti::Edges),
        })
    }
}

/// Of levels that ask for the same, the one that stands for them.
pub(crate) fn representative(level: IsolationLevel) -> IsolationLevel {
    use IsolationLevel as L;
    match level {
        L::ForwardConsistentView | L::ConsistentView => L::ParallelSnapshotIsolation,
        L::RepeatableRead | L::ViewSerializable | L::OneCopySerializable => L::Serializable,
        L::SessionSerializable => L::StrongSessionSerializable,
        other => other,
    }
}
