//! The isolation levels, and which level implies which: one table with a reason for each edge.
//!
//! Verdicts propagate along the table: a refutation of a level refutes all stronger levels, and a witness for a level
//! is a witness for all weaker levels. The names and most of the edges come from Elle's inventory, which collects them
//! from Adya's thesis (1999), Bailis et al. (*Highly Available Transactions*, 2013), Cerone, Bernardi & Gotsman (CONCUR
//! 2015), Daudjee & Salem (VLDB 2006) and Bernstein et al. (1987).
//!
//! # Choices
//!
//! *Sessions.* `monotonic-atomic-view`, `read-atomic` and `causal` are decided by execution (Biswas & Enea 2019), and
//! there a commit order extends session order. Adya's levels, and Elle's reading of them, ignore sessions unless their
//! name says otherwise. For example, these two transactions of one session,
//!
//! ```text
//! a: [t wx1] [t rx_]
//! ```
//!
//! are serializable (the second one first), but not read atomic: the session did not see its own write. An edge from
//! `serializable` down to `read-atomic` therefore holds only if sessions are ignored. Such edges are in the table
//! (Elle's `also-not` follows them) but are marked [`Proviso::SessionsAside`]. A phenomenon that depends on data alone
//! propagates along them. A witness or a refutation that depends on sessions does not.
//!
//! *Levels without a condition of their own.* Eleven of the names in Elle's inventory have no phenomenon of their own,
//! and Elle lets them pass in any case. Here a level that is neither refuted nor proved is *unknown*.

use crate::names::named;

named! {
    /// An isolation level: a promise about transactions.
    IsolationLevel, "isolation level";
    ReadUncommitted "read-uncommitted" ["PL-1"]
        "writes of two transactions are never interleaved: no G0",
    ReadCommitted "read-committed" ["PL-2"]
        "no dirty reads: no G0, G1a, G1b, G1c",
    CursorStability "cursor-stability" ["PL-CS"]
        "read-committed, and no lost update through a cursor",
    MonotonicView "monotonic-view" ["PL-2L"]
        "a transaction that has seen a write of another one keeps seeing it",
    MonotonicSnapshotRead "monotonic-snapshot-read" ["PL-MSR"]
        "each operation reads from a snapshot, and snapshots never go back",
    MonotonicAtomicView "monotonic-atomic-view" ["strong-session-monotonic-atomic-view"]
        "a transaction that has read from another one reads nothing older than its writes (by execution, with sessions)",
    ReadAtomic "read-atomic" ["strong-session-read-atomic"]
        "a transaction sees all writes of another one or none (by execution, with sessions)",
    Causal "causal" ["strong-session-causal", "transactional-causal-consistency"]
        "a transaction that sees a write also sees the writes that causally precede it (by execution, with sessions)",
    CausalCerone "causal-cerone" []
        "transactional causal consistency without sessions",
    UpdateAtomic "update-atomic" []
        "read-atomic without sessions, and no lost updates",
    Prefix "prefix" ["prefix-consistency"]
        "each transaction reads a prefix of one order of commits",
    ParallelSnapshotIsolation "parallel-snapshot-isolation" []
        "causal without sessions, and no two concurrent transactions write the same object",
    ConsistentView "consistent-view" ["PL-2+"]
        "read-committed, and no cycle with exactly one anti-dependency",
    ForwardConsistentView "forward-consistent-view" ["PL-FCV"]
        "each transaction has a consistent view of the state at its begin or later",
    SnapshotIsolation "snapshot-isolation" ["PL-SI"]
        "each transaction reads from one snapshot, and no two concurrent transactions write the same object",
    RepeatableRead "repeatable-read" ["PL-2.99"]
        "serializable for single objects: no G2-item",
    UpdateSerializable "update-serializable" ["PL-3U"]
        "the writing transactions are serializable together with any single read-only one",
    ViewSerializable "view-serializable" []
        "a serial order gives the same reads and the same final state",
    OneCopySerializable "1SR" []
        "a replicated store is serializable as if it had one copy",
    SessionSerializable "session-serializable" []
        "1SR, in an order that extends session order",
    Mixed "mixed" ["mixing-correct"]
        "each transaction is isolated as it declares: serializable, or weaker where it asks for less",
    Serializable "serializable" ["PL-3", "conflict-serializable"]
        "a serial order of all transactions explains every read",
    StrongSessionReadUncommitted "strong-session-read-uncommitted" ["strong-session-PL-1"]
        "read-uncommitted, with session order",
    StrongSessionReadCommitted "strong-session-read-committed" ["strong-session-PL-2"]
        "read-committed, with session order",
    StrongSessionSnapshotIsolation "strong-session-snapshot-isolation" []
        "snapshot-isolation, with session order",
    StrongSessionSerializable "strong-session-serializable" []
        "serializable, in an order that extends session order",
    StrongReadUncommitted "strong-read-uncommitted" ["strong-PL-1"]
        "read-uncommitted, with real time",
    StrongReadCommitted "strong-read-committed" ["strong-PL-2"]
        "read-committed, with real time",
    StrongSnapshotIsolation "strong-snapshot-isolation" []
        "snapshot-isolation, with real time",
    StrictSerializable "strict-serializable" ["strong-serializable", "PL-SS"]
        "serializable, in an order that extends real time",
}

impl IsolationLevel {
    /// Whether the level says something about real time. All other levels ignore when transactions ran, except for the order within
    /// a session.
    pub fn needs_real_time(self) -> bool {
        use IsolationLevel::{
            StrictSerializable, StrongReadCommitted, StrongReadUncommitted, StrongSnapshotIsolation,
        };
        matches!(
            self,
            StrongReadUncommitted | StrongReadCommitted | StrongSnapshotIsolation | StrictSerializable
        )
    }
}

/// An implication between two levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Implication {
    /// The level that implies the other.
    pub stronger: IsolationLevel,
    /// The level that is implied.
    pub weaker: IsolationLevel,
    /// The condition under which the implication holds.
    pub proviso: Proviso,
    /// The reason, with its source.
    pub reason: &'static str,
}

/// The condition under which an implication holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proviso {
    /// It always holds.
    None,
    /// It holds only for arguments that do not depend on session order; see the module's *Choices*.
    SessionsAside,
    /// It holds only if no transaction reads a list that it appended to before. The stronger level is defined by what a
    /// transaction sees, and the weaker one by an order of versions; a reader's own appends have no place in that order.
    /// Closures over implications follow such an edge, and their callers leave the weaker levels out of such histories
    /// ([`IsolationLevel::is_defined_by_visibility`]).
    OwnAppendsAside,
    /// It holds only if the history has no version tokens of the store and nothing is assumed about keys. Only the session
    /// guarantees take those into account.
    TokensAside,
}

const fn unconditional_edge(
    stronger: IsolationLevel,
    weaker: IsolationLevel,
    reason: &'static str,
) -> Implication {
    Implication { stronger, weaker, proviso: Proviso::None, reason }
}

const fn edge_without_sessions(
    stronger: IsolationLevel,
    weaker: IsolationLevel,
    reason: &'static str,
) -> Implication {
    Implication { stronger, weaker, proviso: Proviso::SessionsAside, reason }
}

/// The lattice of levels.
pub const IMPLICATIONS: &[Implication] = {
    use IsolationLevel::*;
    &[
        unconditional_edge(ReadCommitted, ReadUncommitted, "Adya: PL-2 forbids G0 within G1"),
        unconditional_edge(CursorStability, ReadCommitted, "Adya: PL-CS is PL-2 and no G-cursor"),
        unconditional_edge(MonotonicView, ReadCommitted, "Adya: PL-2L is PL-2 and no G-monotonic"),
        unconditional_edge(MonotonicSnapshotRead, ReadCommitted, "Adya: PL-MSR is PL-2 and no G-MSR"),
        Implication {
            stronger: MonotonicAtomicView,
            weaker: ReadCommitted,
            proviso: Proviso::OwnAppendsAside,
            reason: "the commit order is a version order without G0 and G1c; G1a and G1b are forbidden outright",
        },
        unconditional_edge(
            ReadAtomic,
            MonotonicAtomicView,
            "Biswas & Enea: its axiom has the weaker premise",
        ),
        unconditional_edge(Causal, ReadAtomic, "Biswas & Enea: its axiom has the weaker premise"),
        unconditional_edge(Causal, CausalCerone, "the same axiom without session order"),
        edge_without_sessions(
            CausalCerone,
            ReadAtomic,
            "Cerone et al.: read atomic with transitive visibility",
        ),
        edge_without_sessions(UpdateAtomic, ReadAtomic, "Liu et al. (ROLA): read atomic and no lost updates"),
        unconditional_edge(
            ParallelSnapshotIsolation,
            CausalCerone,
            "Cerone et al.: causal and no conflicting writes",
        ),
        unconditional_edge(
            ParallelSnapshotIsolation,
            UpdateAtomic,
            "Liu et al.: no conflicting writes, so no lost updates",
        ),
        unconditional_edge(
            ParallelSnapshotIsolation,
            ConsistentView,
            "Cerone, Gotsman & Yang 2017: without sessions both forbid cycles with at most one anti-dependency",
        ),
        unconditional_edge(
            Prefix,
            CausalCerone,
            "Cerone et al.: a prefix of the commit order is causally closed",
        ),
        unconditional_edge(ConsistentView, CursorStability, "Adya: a G-cursor cycle has one anti-dependency"),
        unconditional_edge(ConsistentView, MonotonicView, "Adya: PL-2+ lies above PL-2L"),
        unconditional_edge(ForwardConsistentView, ConsistentView, "Adya: PL-FCV lies above PL-2+"),
        unconditional_edge(SnapshotIsolation, ForwardConsistentView, "Adya: PL-SI lies above PL-FCV"),
        unconditional_edge(SnapshotIsolation, MonotonicSnapshotRead, "Adya: one snapshot never goes back"),
        unconditional_edge(
            SnapshotIsolation,
            ParallelSnapshotIsolation,
            "Cerone et al.: with a total order of commits",
        ),
        unconditional_edge(SnapshotIsolation, Prefix, "Cerone et al.: a snapshot is a prefix"),
        edge_without_sessions(SnapshotIsolation, MonotonicAtomicView, "Bailis et al.: a snapshot is atomic"),
        unconditional_edge(RepeatableRead, CursorStability, "Adya: G-cursor is G2-item"),
        edge_without_sessions(
            RepeatableRead,
            MonotonicAtomicView,
            "Bailis et al.: items stay as they were read",
        ),
        unconditional_edge(UpdateSerializable, ForwardConsistentView, "Adya: PL-3U lies above PL-FCV"),
        unconditional_edge(Serializable, RepeatableRead, "Adya: PL-3 forbids G2, and G2-item is a G2"),
        unconditional_edge(Serializable, UpdateSerializable, "Adya: PL-3 lies above PL-3U"),
        unconditional_edge(
            Serializable,
            SnapshotIsolation,
            "Cerone et al.: the state before a transaction is its snapshot",
        ),
        unconditional_edge(
            Serializable,
            ViewSerializable,
            "Bernstein et al.: conflict equivalence preserves reads",
        ),
        unconditional_edge(
            ViewSerializable,
            RepeatableRead,
            "every read of the history keeps its source, so the order is one without cycles of dependencies",
        ),
        unconditional_edge(
            Serializable,
            OneCopySerializable,
            "Bernstein et al.: a store with one copy is a special case",
        ),
        unconditional_edge(
            OneCopySerializable,
            ViewSerializable,
            "clients cannot distinguish the copies of an object",
        ),
        unconditional_edge(
            SessionSerializable,
            StrongSessionSerializable,
            "Zuikeviciute & Pedone: 1SR with session order, and clients cannot distinguish the copies of an object",
        ),
        unconditional_edge(
            Serializable,
            Mixed,
            "Adya: what a transaction may declare is weaker than PL-3, or PL-3",
        ),
        unconditional_edge(
            Mixed,
            ReadUncommitted,
            "Adya: the mixed serialization graph has all write-dependencies",
        ),
        unconditional_edge(StrongSessionReadUncommitted, ReadUncommitted, "more edges, so more cycles"),
        unconditional_edge(StrongSessionReadCommitted, ReadCommitted, "more edges, so more cycles"),
        unconditional_edge(
            StrongSessionReadCommitted,
            StrongSessionReadUncommitted,
            "G0-process is G1c-process",
        ),
        unconditional_edge(StrongSessionSnapshotIsolation, SnapshotIsolation, "Daudjee & Salem"),
        unconditional_edge(
            StrongSessionSnapshotIsolation,
            StrongSessionReadCommitted,
            "Cerone & Gotsman 2016",
        ),
        unconditional_edge(
            StrongSessionSnapshotIsolation,
            Causal,
            "Cerone & Gotsman 2016: a snapshot of a commit order that extends sessions is causally closed",
        ),
        unconditional_edge(StrongSessionSerializable, Serializable, "Daudjee & Salem"),
        unconditional_edge(
            StrongSessionSerializable,
            StrongSessionSnapshotIsolation,
            "the state before a transaction is its snapshot",
        ),
        unconditional_edge(
            StrongReadUncommitted,
            StrongSessionReadUncommitted,
            "real time contains session order",
        ),
        unconditional_edge(
            StrongReadCommitted,
            StrongSessionReadCommitted,
            "real time contains session order",
        ),
        unconditional_edge(StrongReadCommitted, StrongReadUncommitted, "G0-realtime is G1c-realtime"),
        unconditional_edge(StrongSnapshotIsolation, StrongSessionSnapshotIsolation, "Daudjee & Salem"),
        unconditional_edge(
            StrongSnapshotIsolation,
            StrongReadCommitted,
            "a snapshot contains only committed writes, and all that had committed before it",
        ),
        unconditional_edge(StrictSerializable, StrongSessionSerializable, "real time contains session order"),
        unconditional_edge(
            StrictSerializable,
            StrongSnapshotIsolation,
            "the state before a transaction is its snapshot",
        ),
        unconditional_edge(StrictSerializable, SessionSerializable, "real time contains session order"),
    ]
};

/// A set of isolation levels, as a bit set.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct IsolationSet(u64);

impl IsolationSet {
    /// The set with this level added.
    #[must_use]
    pub fn with(self, level: IsolationLevel) -> Self {
        Self(self.0 | 1 << level as u8)
    }

    /// Whether the set contains this level.
    pub fn contains(self, level: IsolationLevel) -> bool {
        self.0 & (1 << level as u8) != 0
    }

    /// The union of both sets.
    #[must_use]
    pub fn union(self, other: IsolationSet) -> Self {
        Self(self.0 | other.0)
    }

    /// The levels of the set, in the order of [`IsolationLevel::ALL`].
    pub fn iter(self) -> impl Iterator<Item = IsolationLevel> {
        IsolationLevel::ALL.iter().copied().filter(move |&level| self.contains(level))
    }

    /// These levels and all levels that are stronger.
    #[must_use]
    pub fn and_stronger(self, across: Proviso) -> Self {
        self.close_over_implications(across, |edge| (edge.weaker, edge.stronger))
    }

    /// These levels and all levels that are weaker.
    #[must_use]
    pub fn and_weaker(self, across: Proviso) -> Self {
        self.close_over_implications(across, |edge| (edge.stronger, edge.weaker))
    }

    fn close_over_implications(
        self,
        across: Proviso,
        ends: impl Fn(&Implication) -> (IsolationLevel, IsolationLevel),
    ) -> Self {
        let mut set = self;
        loop {
            let before = set;
            for edge in IMPLICATIONS {
                let crosses = edge.proviso != Proviso::SessionsAside || across == Proviso::SessionsAside;
                let (from, to) = ends(edge);
                if crosses && set.contains(from) {
                    set = set.with(to);
                }
            }
            if set == before {
                return set;
            }
        }
    }

    /// The levels of the set that imply no other level of the set.
    pub fn weakest_levels(self, across: Proviso) -> impl Iterator<Item = IsolationLevel> {
        self.iter().filter(move |&level| {
            let below = IsolationSet::default().with(level).and_weaker(across);
            !self.iter().any(|other| other != level && below.contains(other))
        })
    }

    /// The levels of the set that no other level of the set implies.
    pub fn strongest_levels(self, across: Proviso) -> impl Iterator<Item = IsolationLevel> {
        self.iter().filter(move |&level| {
            let above = IsolationSet::default().with(level).and_stronger(across);
            !self.iter().any(|other| other != level && above.contains(other))
        })
    }
}

impl FromIterator<IsolationLevel> for IsolationSet {
    fn from_iter<I: IntoIterator<Item = IsolationLevel>>(levels: I) -> Self {
        levels.into_iter().fold(Self::default(), Self::with)
    }
}

impl std::fmt::Debug for IsolationSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(IsolationLevel::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lattice_has_no_cycle_and_one_top() {
        for &level in IsolationLevel::ALL {
            let above = IsolationSet::default().with(level).and_stronger(Proviso::SessionsAside);
            assert!(above.contains(IsolationLevel::StrictSerializable), "{} has no way up", level.name());
            let proper = above.iter().filter(|&other| other != level);
            for other in proper {
                let back = IsolationSet::default().with(other).and_stronger(Proviso::SessionsAside);
                assert!(!back.contains(level), "{} and {} imply one another", level.name(), other.name());
            }
        }
    }

    #[test]
    fn every_name_is_found_again_and_none_twice() {
        let mut seen = std::collections::HashSet::new();
        for &level in IsolationLevel::ALL {
            for name in std::iter::once(level.name()).chain(level.aliases().iter().copied()) {
                assert_eq!(name.parse(), Ok(level));
                assert!(seen.insert(name), "{name} names two levels");
            }
        }
    }

    #[test]
    fn a_witness_without_sessions_proves_nothing_of_levels_with_sessions() {
        let below = IsolationSet::default().with(IsolationLevel::Serializable).and_weaker(Proviso::None);
        assert!(below.contains(IsolationLevel::SnapshotIsolation));
        assert!(!below.contains(IsolationLevel::ReadAtomic));
        let strict =
            IsolationSet::default().with(IsolationLevel::StrictSerializable).and_weaker(Proviso::None);
        assert!(IsolationLevel::ALL.iter().all(|&level| strict.contains(level)));
    }
}
