//! Small histories that separate levels: each satisfies some levels and violates others.
//!
//! `steadfast enumerate` found them. `histories/corpus/levels/` has each of them as a file, and
//! `tests/commands/levels_separations.rs` holds the verdicts.

use checker::LevelImplication;

/// A history that satisfies some levels and violates others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Separation {
    /// The name of its case in `histories/corpus/levels/`.
    pub(crate) name: &'static str,
    /// The history, in the notation of `histories::notation`.
    pub(crate) drawing: &'static str,
    /// Why the verdicts follow from the definitions.
    pub(crate) why: &'static str,
    /// The levels that it violates.
    pub(crate) violates: &'static [&'static str],
    /// The levels that it satisfies.
    pub(crate) satisfies: &'static [&'static str],
}

impl Separation {
    /// Whether the history is about transactions.
    pub(crate) fn is_about_transactions(&self) -> bool {
        self.drawing.contains("[t ")
    }

    /// The number of operations, micro-operations counted one by one.
    pub(crate) fn operation_count(&self) -> usize {
        let operations = self.drawing.split('[').skip(1);
        operations
            .map(|text| {
                text.split_whitespace()
                    .filter(|&word| word != "t" && !word.starts_with("t:") && word != "]")
                    .count()
            })
            .sum()
    }
}

/// An implication between levels that no history separates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Equivalence {
    /// The level that implies the other.
    pub(crate) stronger: &'static str,
    /// The level that is implied.
    pub(crate) weaker: &'static str,
    /// Why clients cannot distinguish them.
    pub(crate) reason: &'static str,
}

/// The smallest known history that satisfies the weaker level of an implication and violates the stronger one.
pub(crate) fn find_separation(edge: &LevelImplication) -> Option<&'static Separation> {
    let separates = |one: &&Separation| {
        one.is_about_transactions() == edge.is_about_transactions()
            && one.violates.contains(&edge.stronger.name())
            && one.satisfies.contains(&edge.weaker.name())
    };
    SEPARATIONS.iter().filter(separates).min_by_key(|one| one.operation_count())
}

/// Why no history separates the levels of an implication, if clients cannot distinguish them.
pub(crate) fn find_equivalence(edge: &LevelImplication) -> Option<&'static Equivalence> {
    EQUIVALENCES.iter().find(|one| (one.stronger, one.weaker) == (edge.stronger.name(), edge.weaker.name()))
}

/// The histories.
pub(crate) const SEPARATIONS: &[Separation] = &[
    Separation {
        name: "stale-read",
        drawing: "a: [x.w1]\nb:        [x.r_]",
        why: "a completed before b began, and b did not see it; session order permits the read first",
        violates: &["linearizable", "regular"],
        satisfies: &[
            "ordered-sequential",
            "sequential",
            "two-atomic",
            "consistent-prefix",
            "real-time-causal",
        ],
    },
    Separation {
        name: "read-foreseen",
        drawing: "a: [x.r1]\nb:        [x.w1]",
        why: "a completed before b began, and a read what b wrote; session order permits the write first",
        violates: &["ordered-sequential", "real-time-causal"],
        satisfies: &["sequential", "causal"],
    },
    Separation {
        name: "new-then-old",
        drawing: "a: [x.w1       ]\nb: [x.r1] [x.r_]",
        why: "both reads overlap the write, so each alone may return either version; no order has the new one first",
        violates: &["linearizable"],
        satisfies: &["regular-write-order", "regular"],
    },
    Separation {
        name: "overlap-hides-write",
        drawing: "a: [x.w1] [x.w2]\nb:         [x.r_]",
        why: "the first write was complete when b began, so the initial version was gone; b overlaps the second write",
        violates: &["regular"],
        satisfies: &["safe"],
    },
    Separation {
        name: "two-versions-behind",
        drawing: "a: [x.w1] [x.w2]\nb:               [x.r_]",
        why: "both writes were complete when b began, and b saw the state before the first one",
        violates: &["two-atomic"],
        satisfies: &["consistent-prefix"],
    },
    Separation {
        name: "replaced-twice",
        drawing: "a: [x.c_>1]\nb: [x.c_>2]",
        why: "both compare-and-sets replaced the initial version; a version order needs only to have both after it",
        violates: &["per-object-sequential"],
        satisfies: &["session"],
    },
    Separation {
        name: "store-buffering",
        drawing: "a: [x.w1] [y.r_]\nb: [y.w1] [x.r_]",
        why: "neither session sees the other's write, and no order has both reads before both writes",
        violates: &["sequential"],
        satisfies: &["causal-convergence", "per-object-sequential"],
    },
    Separation {
        name: "crossed-reads",
        drawing: "a: [x.w1] [x.r2]\nb: [x.w2] [x.r1]",
        why: "each session has its own write before the other's, and the sessions disagree on which write is last",
        violates: &["sequential", "causal-convergence", "per-object-sequential", "regular-write-order"],
        satisfies: &["causal-memory", "causal", "slow-memory", "regular"],
    },
    Separation {
        name: "message-passing",
        drawing: "a: [x.w1] [y.w1]\nb: [y.r1] [x.r_]",
        why: "b saw the second write of a and not the first, on another object",
        violates: &["causal-convergence", "pram"],
        satisfies: &["session", "slow-memory"],
    },
    Separation {
        name: "read-goes-back",
        drawing: "a: [x.w1] [x.r2] [x.r1]\nb: [x.w2]",
        why: "the writes are concurrent, so each read alone may return either; one order of the writes cannot give a both",
        violates: &["causal-memory"],
        satisfies: &["causal"],
    },
    Separation {
        name: "reads-before-causes",
        drawing: "a: [x.r2] [x.w1]\nb: [x.r1] [x.w2]",
        why: "each session reads what the other writes after it had read: causal order has a cycle",
        violates: &["causal-memory"],
        satisfies: &["pram"],
    },
    Separation {
        name: "crossed-causes",
        drawing: "a: [x.r2] [y.w1]\nb: [y.r1] [x.w2]",
        why: "each session reads what the other writes after its own read; on one object alone, nothing is in a cycle",
        violates: &["database-writes-follow-reads"],
        satisfies: &["writes-follow-reads"],
    },
    Separation {
        name: "own-write-missed",
        drawing: "a: [x.w1] [x.r_]",
        why: "the session does not see its own write; no guarantee about writes or about two reads applies",
        violates: &["session", "causal", "real-time-causal"],
        satisfies: &[
            "monotonic-reads",
            "monotonic-writes",
            "writes-follow-reads",
            "database-writes-follow-reads",
            "consistent-prefix",
        ],
    },
    Separation {
        name: "own-write-foreseen",
        drawing: "a: [x.r1] [x.w1]",
        why: "the session reads what it has yet to write; it misses no write of its own",
        violates: &["session"],
        satisfies: &["read-your-writes"],
    },
    Separation {
        name: "dirty-cycle",
        drawing: "a: [t wx1 ry1]\nb: [t wy1 rx1]",
        why: "each transaction reads from the other; one version order of each key suffices for its single writer",
        violates: &["read-committed", "mixed"],
        satisfies: &["read-uncommitted"],
    },
    Separation {
        name: "dirty-cycle-in-time",
        drawing: "a: [t wx1 ry1]\nb: [t wy1 rx1]",
        why: "each transaction reads from the other; no order of two writes of a key is involved",
        violates: &["strong-session-read-committed", "strong-read-committed"],
        satisfies: &["strong-session-read-uncommitted", "strong-read-uncommitted"],
    },
    Separation {
        name: "lost-update",
        drawing: "a: [t rx_ wx1]\nb: [t rx_ wx2]",
        why: "both transactions overwrite the initial version, and one of them misses the other's write",
        violates: &[
            "cursor-stability",
            "update-atomic",
            "parallel-snapshot-isolation",
            "snapshot-isolation",
            "strong-session-snapshot-isolation",
        ],
        satisfies: &["read-committed", "read-atomic", "causal-cerone", "prefix", "causal"],
    },
    Separation {
        name: "read-undone",
        drawing: "a: [t wx1    ]\nb: [t rx1 rx_]",
        why: "b has seen the write of a and then sees the state before it",
        violates: &["monotonic-view", "monotonic-snapshot-read", "monotonic-atomic-view"],
        satisfies: &["read-committed"],
    },
    Separation {
        name: "read-overtaken",
        drawing: "a: [t wx1    ]\nb: [t rx_ rx1]",
        why: "b sees the state before the write of a and then the write: no single snapshot, yet nothing goes back",
        violates: &[
            "read-atomic",
            "consistent-view",
            "snapshot-isolation",
            "repeatable-read",
            "strong-session-snapshot-isolation",
        ],
        satisfies: &[
            "monotonic-atomic-view",
            "cursor-stability",
            "monotonic-view",
            "monotonic-snapshot-read",
            "strong-session-read-committed",
        ],
    },
    Separation {
        name: "causality-missed",
        drawing: "a: [t wx1    ]\nb: [t rx1 wy1]\nc: [t ry1 rx_]",
        why: "c sees the write of b and not what b had seen; it misses no write of a transaction from which it reads",
        violates: &["causal", "causal-cerone", "parallel-snapshot-isolation"],
        satisfies: &["read-atomic", "update-atomic"],
    },
    Separation {
        name: "own-transaction-missed",
        drawing: "a: [t wx1] [t rx_]",
        why: "the second transaction of the session does not see the first; without sessions it comes first",
        violates: &["causal", "strong-session-serializable", "strong-session-snapshot-isolation"],
        satisfies: &["causal-cerone", "serializable", "snapshot-isolation"],
    },
    Separation {
        name: "long-fork",
        drawing: "a: [t wx1    ]\nb: [t wy1    ]\nc: [t rx1 ry_]\nd: [t ry1 rx_]",
        why: "c and d see the two writes in different orders; each reader alone has a place in an order",
        violates: &["prefix", "snapshot-isolation", "serializable"],
        satisfies: &[
            "causal-cerone",
            "forward-consistent-view",
            "parallel-snapshot-isolation",
            "update-serializable",
        ],
    },
    Separation {
        name: "write-skew-declared",
        drawing: "a: [t:read-committed wx1 ry_]\nb: [t                rx_ wy1]",
        why: "each transaction misses the other's write; one of them asks only for committed values",
        violates: &["serializable"],
        satisfies: &["mixed"],
    },
    Separation {
        name: "write-skew",
        drawing: "a: [t wx1 ry_]\nb: [t rx_ wy1]",
        why: "each transaction misses the other's write, on different keys",
        violates: &[
            "serializable",
            "update-serializable",
            "strong-session-serializable",
            "strict-serializable",
        ],
        satisfies: &[
            "snapshot-isolation",
            "forward-consistent-view",
            "strong-session-snapshot-isolation",
            "strong-snapshot-isolation",
        ],
    },
    Separation {
        name: "own-appends-reordered",
        drawing: "a: [t ax1     ] [t ax2]\nb: [t rx(2,1)]",
        why: "the list shows the two appends of a session in the wrong order",
        violates: &["strong-session-read-uncommitted"],
        satisfies: &["read-uncommitted"],
    },
    Separation {
        name: "own-future-read",
        drawing: "a: [t rx1] [t wx1]",
        why: "the first transaction of the session reads what the second one writes",
        violates: &["strong-session-read-committed"],
        satisfies: &["read-committed"],
    },
    Separation {
        name: "appends-against-time",
        drawing: "a: [t ax1]\nb:         [t ax2]\nc: [t rx(2,1)    ]",
        why: "a completed before b began, and the list has the elements in the other order",
        violates: &["strong-read-uncommitted"],
        satisfies: &["strong-session-read-uncommitted"],
    },
    Separation {
        name: "future-read",
        drawing: "a: [t rx1]\nb:         [t wx1]",
        why: "a completed before b began, and a read what b wrote",
        violates: &["strong-read-committed"],
        satisfies: &["strong-session-read-committed"],
    },
    Separation {
        name: "stale-snapshot",
        drawing: "a: [t wx1]\nb:         [t rx_]",
        why: "a completed before b began, and b read the state before it",
        violates: &["strong-snapshot-isolation", "strict-serializable"],
        satisfies: &[
            "strong-session-snapshot-isolation",
            "strong-read-committed",
            "strong-session-serializable",
            "session-serializable",
        ],
    },
];

/// The implications that no history separates.
pub(crate) const EQUIVALENCES: &[Equivalence] = &[
    Equivalence {
        stronger: "forward-consistent-view",
        weaker: "consistent-view",
        reason: "no client observes the start of a transaction, so the start may have been at any time",
    },
    Equivalence {
        stronger: "parallel-snapshot-isolation",
        weaker: "consistent-view",
        reason: "without sessions, both forbid cycles with fewer than two anti-dependencies",
    },
    Equivalence {
        stronger: "serializable",
        weaker: "repeatable-read",
        reason: "transactions read whole objects only, not predicates",
    },
    Equivalence {
        stronger: "serializable",
        weaker: "view-serializable",
        reason: "the sources of all reads are given",
    },
    Equivalence {
        stronger: "view-serializable",
        weaker: "repeatable-read",
        reason: "transactions read whole objects only, not predicates",
    },
    Equivalence {
        stronger: "serializable",
        weaker: "1SR",
        reason: "clients cannot distinguish the copies of an object",
    },
    Equivalence {
        stronger: "1SR",
        weaker: "view-serializable",
        reason: "clients cannot distinguish the copies of an object",
    },
    Equivalence {
        stronger: "session-serializable",
        weaker: "strong-session-serializable",
        reason: "clients cannot distinguish the copies of an object",
    },
];
